//! Keywords and their values, judged.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    ChannelBinding, ConnectConfig, Host, Keepalives, Secret, SessionAttrs, SslMode, is_loopback, url_error,
};
use crate::error::PgError;

/// Keywords as they were read; the last one of a name wins, as in libpq.
#[derive(Default)]
pub(super) struct Draft {
    host: Option<String>,
    hostaddr: Option<IpAddr>,
    port: Option<u16>,
    database: Option<String>,
    user: Option<String>,
    password: Option<Secret>,
    sslmode: Option<SslMode>,
    sslrootcert: Option<PathBuf>,
    sslcert: Option<PathBuf>,
    sslkey: Option<PathBuf>,
    channel_binding: Option<ChannelBinding>,
    connect_timeout: Option<Duration>,
    application_name: Option<String>,
    options: Option<String>,
    session_attrs: Option<SessionAttrs>,
    keepalives: Option<bool>,
    keepalives_idle: Option<Duration>,
    keepalives_interval: Option<Duration>,
    keepalives_count: Option<u32>,
    tcp_user_timeout: Option<Duration>,
}

impl Draft {
    /// Takes one keyword in.
    pub(super) fn set(&mut self, keyword: &str, value: String) -> Result<(), PgError> {
        // As in libpq an empty value is as good as none.
        if value.is_empty() {
            return known(keyword);
        }
        match keyword {
            "host" => self.host = Some(single(keyword, value)?),
            "hostaddr" => self.hostaddr = Some(value.parse().map_err(|_| bad_value(keyword, "one address"))?),
            "port" => self.port = Some(port(&value)?),
            "dbname" => self.database = Some(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(Secret(value)),
            "application_name" | "fallback_application_name" => self.application_name = Some(value),
            "options" => self.options = Some(value),
            "sslmode" => self.sslmode = Some(ssl_mode(&value)?),
            // Only URLs of the JDBC driver have it; libpq takes it for `sslmode=require` too.
            "ssl" if value == "true" => self.sslmode = Some(SslMode::Require),
            "sslrootcert" => self.sslrootcert = Some(value.into()),
            "sslcert" => self.sslcert = Some(value.into()),
            "sslkey" => self.sslkey = Some(value.into()),
            "channel_binding" => self.channel_binding = Some(channel_binding(&value)?),
            "target_session_attrs" => self.session_attrs = Some(session_attrs(&value)?),
            "connect_timeout" => self.connect_timeout = Some(seconds(keyword, &value)?),
            "keepalives" => self.keepalives = Some(number(keyword, &value)? != 0),
            "keepalives_idle" => self.keepalives_idle = Some(seconds(keyword, &value)?),
            "keepalives_interval" => self.keepalives_interval = Some(seconds(keyword, &value)?),
            "keepalives_count" => self.keepalives_count = Some(number(keyword, &value)?),
            "tcp_user_timeout" => {
                self.tcp_user_timeout = Some(Duration::from_millis(number(keyword, &value)?.into()));
            }
            "client_encoding" => utf8_only(&value)?,
            "gssencmode" => only(keyword, &value, &["disable", "prefer"])?,
            "sslnegotiation" => only(keyword, &value, &["postgres"])?,
            "sslcompression" => only(keyword, &value, &["0"])?,
            _ => return Err(unknown(keyword)),
        }
        Ok(())
    }

    /// What all keywords together say, with the defaults.
    pub(super) fn finish(self) -> Result<ConnectConfig, PgError> {
        let user = self.user.ok_or_else(|| {
            url_error("the connection string names no user")
                .remedy_is("write postgres://USER:PASSWORD@HOST:PORT/DATABASE")
        })?;
        let host = match self.host {
            Some(path) if path.starts_with('/') => Host::Unix(path.into()),
            Some(name) => Host::Tcp(name),
            None => Host::Tcp(
                self.hostaddr
                    .map_or_else(|| "localhost".to_owned(), |a| a.to_string()),
            ),
        };
        // `system` is libpq's word for the roots that the system trusts, and makes no sense without a full check.
        let system_roots = self
            .sslrootcert
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "system");
        let default_mode = match (system_roots, is_loopback(&host, self.hostaddr)) {
            (true, _) => SslMode::VerifyFull,
            (false, true) => SslMode::Prefer,
            (false, false) => SslMode::Require,
        };
        let sslmode = self.sslmode.unwrap_or(default_mode);
        if system_roots && sslmode != SslMode::VerifyFull {
            return Err(url_error("sslrootcert=system needs sslmode=verify-full"));
        }
        if self.sslcert.is_some() != self.sslkey.is_some() {
            return Err(url_error("sslcert and sslkey need each other"));
        }
        Ok(ConnectConfig {
            hostaddr: self.hostaddr,
            port: self.port.unwrap_or(5432),
            database: self.database.unwrap_or_else(|| user.clone()),
            user,
            password: self.password,
            sslmode,
            sslrootcert: self.sslrootcert.filter(|_| !system_roots),
            sslcert: self.sslcert,
            sslkey: self.sslkey,
            channel_binding: self.channel_binding.unwrap_or(ChannelBinding::Prefer),
            connect_timeout: Some(self.connect_timeout.unwrap_or(Duration::from_secs(30)))
                .filter(|timeout| !timeout.is_zero()),
            application_name: self.application_name,
            options: self.options,
            session_attrs: self.session_attrs.unwrap_or(SessionAttrs::Any),
            keepalives: Keepalives {
                enabled: self.keepalives.unwrap_or(true),
                idle: self.keepalives_idle.unwrap_or(Duration::from_secs(30)),
                interval: self.keepalives_interval.unwrap_or(Duration::from_secs(10)),
                count: self.keepalives_count.unwrap_or(3),
                user_timeout: self.tcp_user_timeout.filter(|timeout| !timeout.is_zero()),
            },
            host,
        })
    }
}

/// Refuses a keyword that does not exist, whatever its value.
fn known(keyword: &str) -> Result<(), PgError> {
    if KEYWORDS.contains(&keyword) {
        Ok(())
    } else {
        Err(unknown(keyword))
    }
}

fn unknown(keyword: &str) -> PgError {
    // A mistyped string can put a piece of the password where a keyword stands.
    let named = keyword.len() <= 40
        && keyword
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let shown = if named { keyword } else { "…" };
    url_error(format!(
        "the connection string has the keyword `{shown}`, which is not supported"
    ))
    .remedy_is(format!("remove it; supported are {}", KEYWORDS.join(", ")))
}

const KEYWORDS: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "fallback_application_name",
    "options",
    "sslmode",
    "ssl",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "target_session_attrs",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "client_encoding",
    "gssencmode",
    "sslnegotiation",
    "sslcompression",
];

fn single(keyword: &str, value: String) -> Result<String, PgError> {
    if value.contains(',') {
        return Err(url_error(format!(
            "the connection string gives several values for `{keyword}`"
        ))
        .remedy_is("name the one server that is meant"));
    }
    if value.contains('@') {
        // The value is not shown: what stands before the last `@` is the rest of a password.
        return Err(url_error("the host of the connection string contains `@`")
            .remedy_is("in a URL write `@` within the password as %40, `/` as %2F, `:` as %3A, `%` as %25"));
    }
    Ok(value)
}

fn port(value: &str) -> Result<u16, PgError> {
    value.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        bad_value("port", "a number from 1 to 65535")
            .remedy_is("if the password contains `/`, `@`, `:` or `%`, write them as %2F, %40, %3A and %25")
    })
}

fn number(keyword: &str, value: &str) -> Result<u32, PgError> {
    value.parse().map_err(|_| bad_value(keyword, "a whole number"))
}

fn seconds(keyword: &str, value: &str) -> Result<Duration, PgError> {
    number(keyword, value).map(|seconds| Duration::from_secs(seconds.into()))
}

fn only(keyword: &str, value: &str, accepted: &[&str]) -> Result<(), PgError> {
    if accepted.contains(&value) {
        Ok(())
    } else {
        Err(bad_value(
            keyword,
            &format!("supported ({})", accepted.join(", ")),
        ))
    }
}

fn utf8_only(value: &str) -> Result<(), PgError> {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    only(
        "client_encoding",
        &plain.to_ascii_lowercase(),
        &["utf8", "unicode", "auto"],
    )
}

fn ssl_mode(value: &str) -> Result<SslMode, PgError> {
    Ok(match value {
        "disable" => SslMode::Disable,
        // `allow` tries without encryption first, which protects nothing that `prefer` does not.
        "allow" | "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            return Err(bad_value(
                "sslmode",
                "disable, prefer, require, verify-ca or verify-full",
            ));
        }
    })
}

fn channel_binding(value: &str) -> Result<ChannelBinding, PgError> {
    Ok(match value {
        "disable" => ChannelBinding::Disable,
        "prefer" => ChannelBinding::Prefer,
        "require" => ChannelBinding::Require,
        _ => return Err(bad_value("channel_binding", "disable, prefer or require")),
    })
}

fn session_attrs(value: &str) -> Result<SessionAttrs, PgError> {
    Ok(match value {
        "any" | "prefer-standby" => SessionAttrs::Any,
        "read-write" => SessionAttrs::ReadWrite,
        "read-only" => SessionAttrs::ReadOnly,
        "primary" => SessionAttrs::Primary,
        "standby" => SessionAttrs::Standby,
        _ => {
            return Err(bad_value(
                "target_session_attrs",
                "any, read-write, read-only, primary, standby or prefer-standby",
            ));
        }
    })
}

fn bad_value(keyword: &str, wanted: &str) -> PgError {
    url_error(format!(
        "the connection string gives `{keyword}` a value that is not {wanted}"
    ))
}
