//! Keywords from everywhere they may come from, and which of them wins.

use std::collections::BTreeMap;
use std::fmt;

use super::surroundings::Surroundings;
use super::{parse, services, url_error};
use crate::error::PgError;

/// Keywords that are understood, with the variable that gives what the string leaves open.
const KEYWORDS: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("application_name", "PGAPPNAME"),
    ("fallback_application_name", ""),
    ("options", "PGOPTIONS"),
    ("sslmode", "PGSSLMODE"),
    ("ssl", ""),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslsni", "PGSSLSNI"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("sslcompression", ""),
    ("channel_binding", "PGCHANNELBINDING"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
    // The session's encoding is UTF-8 whatever PGCLIENTENCODING says: that one is about what a program prints.
    ("client_encoding", ""),
    ("gssencmode", "PGGSSENCMODE"),
];

/// Variables that demand something which is not done here: going on without it would be less than was asked for.
const DEMANDS: &[&str] = &["PGSSLCRL", "PGSSLCRLDIR", "PGREQUIREAUTH", "PGREQUIREPEER"];

/// Who says a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The connection string.
    Text,
    /// A section of a service file.
    Service(String),
    /// A variable.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Text => f.write_str("the connection string"),
            Origin::Service(name) => write!(f, "the service `{name}`"),
            Origin::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// Values by keyword. An empty one is as good as none, but keeps others from being looked for.
#[derive(Default)]
pub(super) struct Draft {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Draft {
    /// Takes the string, then a service, then variables; what is said first wins. Within the string the last one of a
    /// keyword wins, as in libpq.
    pub(super) fn gather(text: &str, surroundings: &Surroundings) -> Result<Draft, PgError> {
        let mut draft = Draft::default();
        for (keyword, value) in parse::pairs(text)? {
            let known = known(&keyword, &Origin::Text)?;
            draft.values.insert(known, (value, Origin::Text));
        }
        draft.add_service(surroundings)?;
        draft.add_variables(surroundings)?;
        Ok(draft)
    }

    fn add_service(&mut self, surroundings: &Surroundings) -> Result<(), PgError> {
        let named = |keyword, variable| {
            self.get(keyword)
                .map(|(value, _)| value.to_owned())
                .or_else(|| surroundings.get(variable).map(str::to_owned))
        };
        let Some(name) = named("service", "PGSERVICE") else {
            return Ok(());
        };
        let file = named("servicefile", "PGSERVICEFILE");
        let origin = Origin::Service(name.clone());
        for (keyword, value) in services::find(&name, file.as_deref(), surroundings)? {
            let known = known(&keyword, &origin)?;
            self.values.entry(known).or_insert((value, origin.clone()));
        }
        Ok(())
    }

    fn add_variables(&mut self, surroundings: &Surroundings) -> Result<(), PgError> {
        for (keyword, variable) in KEYWORDS {
            if let Some(value) = surroundings.get(variable) {
                let said = (value.to_owned(), Origin::Variable(variable));
                self.values.entry(keyword).or_insert(said);
            }
        }
        match DEMANDS.iter().find(|name| surroundings.get(name).is_some()) {
            Some(name) => Err(url_error(format!(
                "the variable {name} is set, and what it demands is not supported"
            ))
            .remedy_is(format!("unset {name}"))),
            None => Ok(()),
        }
    }

    /// A value that says something, and who says it.
    pub(super) fn get(&self, keyword: &str) -> Option<(&str, &Origin)> {
        self.values
            .get(keyword)
            .filter(|(value, _)| !value.is_empty())
            .map(|(value, origin)| (value.as_str(), origin))
    }

    /// A value alone.
    pub(super) fn text(&self, keyword: &str) -> Option<String> {
        self.get(keyword).map(|(value, _)| value.to_owned())
    }

    /// A value that something is read from; `wanted` says what it must be.
    pub(super) fn read<T>(
        &self,
        keyword: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, PgError> {
        self.get(keyword)
            .map(|(value, origin)| read(value).ok_or_else(|| bad_value(origin, keyword, wanted)))
            .transpose()
    }
}

pub(super) fn bad_value(origin: &Origin, keyword: &str, wanted: &str) -> PgError {
    url_error(format!("{origin} gives `{keyword}` a value that is not {wanted}"))
}

/// Refuses a keyword that does not exist, whatever its value.
fn known(keyword: &str, origin: &Origin) -> Result<&'static str, PgError> {
    if let Some((known, _)) = KEYWORDS.iter().find(|(known, _)| *known == keyword) {
        return Ok(known);
    }
    // A mistyped string can put a piece of the password where a keyword stands.
    let named = keyword.len() <= 40
        && keyword
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let shown = if named { keyword } else { "…" };
    let supported: Vec<&str> = KEYWORDS.iter().map(|(known, _)| *known).collect();
    Err(url_error(format!(
        "{origin} has the keyword `{shown}`, which is not supported"
    ))
    .remedy_is(format!("remove it; supported are {}", supported.join(", "))))
}
