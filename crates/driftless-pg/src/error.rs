use std::error::Error as StdError;
use std::fmt;
use std::io;

use driftless_core::code::{self, Code};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorFields;

use crate::sqlstate::{self, Disposition, condition, disposition, message_is_free_of_values};

/// What went wrong, as far as the work's next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The connection string cannot be used.
    Url,
    /// No server answers there, or it takes no connections now.
    Unreachable,
    /// The server takes no more connections now.
    Full,
    /// The server has no database of this name.
    NoDatabase,
    /// The server is not in the state that was asked for (`target_session_attrs`).
    OtherState,
    /// A pooler stands between that gives each transaction another session.
    TransactionPooler,
    /// Every session that the pool may have is in use.
    PoolExhausted,
    /// The server failed so often that it is left alone for a while.
    Resting,
    /// The server refuses this user. Never try again by itself: servers and poolers ban for it.
    Authentication,
    /// No encrypted connection, or not the one that was demanded.
    Tls,
    /// The server refused a statement; the session lives on.
    Server,
    /// The connection ended. Whatever was not committed is rolled back by the server.
    ConnectionLost,
    /// The connection ended between COMMIT and its answer: only the target's state tells what became of it.
    CommitUnknown,
    /// The other side does not speak the protocol as documented.
    Protocol,
    /// A setting that Driftless depends on is not what it was set to.
    Setting,
    /// This crate was asked for something that it does not do. A mistake in Driftless.
    Usage,
}

/// What the server said about a refused statement. `message`, `detail` and `context` may hold row values: they may be
/// stored beside a rejected row, and never logged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, in whatever language the server speaks if it is older than 9.6.
    pub severity: String,
    /// Five characters, such as `23505`.
    pub sqlstate: String,
    /// The primary message. May hold row values.
    pub message: String,
    /// May hold row values.
    pub detail: Option<String>,
    /// The server's suggestion.
    pub hint: Option<String>,
    /// `where`: the context in which it happened. May hold row values.
    pub context: Option<String>,
    /// The schema it is about.
    pub schema: Option<String>,
    /// The table it is about.
    pub table: Option<String>,
    /// The column it is about.
    pub column: Option<String>,
    /// The data type it is about.
    pub data_type: Option<String>,
    /// The constraint it is about.
    pub constraint: Option<String>,
    /// Character of the statement at which it was noticed, from 1.
    pub position: Option<u32>,
    /// The server's C function that raised it.
    pub routine: Option<String>,
}

impl ServerError {
    /// Reads the fields of an ErrorResponse. Text that is not UTF-8 (before a client encoding is agreed) is replaced.
    pub(crate) fn parse(fields: &mut ErrorFields<'_>) -> io::Result<ServerError> {
        let mut error = ServerError::default();
        while let Some(field) = fields.next()? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // The localized severity comes first; the plain one of 9.6 and later overwrites it.
                b'S' if error.severity.is_empty() => error.severity = value,
                b'V' => error.severity = value,
                b'C' => error.sqlstate = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'W' => error.context = Some(value),
                b's' => error.schema = Some(value),
                b't' => error.table = Some(value),
                b'c' => error.column = Some(value),
                b'd' => error.data_type = Some(value),
                b'n' => error.constraint = Some(value),
                b'P' => error.position = value.parse().ok(),
                b'R' => error.routine = Some(value),
                _ => {}
            }
        }
        Ok(error)
    }

    /// Whether the server ends the connection with it.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    /// What it asks for.
    pub fn disposition(&self) -> Disposition {
        disposition(&self.sqlstate)
    }

    /// One line without row values: state, condition, names of objects, and the message where it speaks of
    /// statements rather than of data.
    pub fn summary(&self) -> String {
        self.line(!self.may_hold_values())
    }

    /// Whether its texts may hold values of rows.
    fn may_hold_values(&self) -> bool {
        // RAISE in somebody's function can put anything under any state.
        let raised = self.routine.as_deref() == Some("exec_stmt_raise");
        raised || !message_is_free_of_values(&self.sqlstate)
    }

    fn line(&self, with_message: bool) -> String {
        let mut line = format!("{} {}", self.sqlstate, condition(&self.sqlstate));
        let named = [
            ("table", qualified(self.schema.as_deref(), self.table.as_deref())),
            ("column", self.column.clone()),
            ("type", self.data_type.clone()),
            ("constraint", self.constraint.clone()),
        ];
        for (what, name) in named {
            if let Some(name) = name {
                line.push_str(&format!(", {what} {name}"));
            }
        }
        if with_message {
            line.push_str(": ");
            line.push_str(&self.message);
        }
        one_line(&line)
    }
}

fn qualified(schema: Option<&str>, table: Option<&str>) -> Option<String> {
    match (schema, table) {
        (Some(schema), Some(table)) => Some(format!("{schema}.{table}")),
        (None, Some(table)) => Some(table.to_owned()),
        (_, None) => None,
    }
}

/// On one line, and without what a terminal would obey.
fn one_line(text: &str) -> String {
    let line = text.split(['\r', '\n']).map(str::trim).collect::<Vec<_>>();
    line.join(" ").replace(char::is_control, "\u{fffd}")
}

/// The error of this crate. Prints as one line, `code place: cause`, without row values and secrets.
pub struct PgError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    place: String,
    cause: String,
    remedy: Option<String>,
    server: Option<ServerError>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl PgError {
    pub(crate) fn new(kind: ErrorKind, place: impl Into<String>, cause: impl Into<String>) -> PgError {
        PgError(Box::new(Inner {
            kind,
            place: place.into(),
            cause: one_line(&cause.into()),
            remedy: None,
            server: None,
            source: None,
        }))
    }

    /// An error of an operation on the socket.
    pub(crate) fn lost(place: &str, error: io::Error) -> PgError {
        PgError::new(
            ErrorKind::ConnectionLost,
            place,
            format!("the connection broke: {error}"),
        )
        .source(error)
    }

    /// An answer that the protocol does not have in this place.
    pub(crate) fn protocol(place: &str, cause: impl Into<String>) -> PgError {
        PgError::new(ErrorKind::Protocol, place, cause)
    }

    /// A refused statement, or the end of the connection if the server says that it ends it.
    pub(crate) fn server_said(place: &str, error: ServerError) -> PgError {
        let kind = if error.ends_connection() {
            ErrorKind::ConnectionLost
        } else {
            ErrorKind::Server
        };
        let mut out = PgError::new(kind, place, error.summary());
        out.0.server = Some(error);
        out
    }

    /// A refused log-in. Nobody is in yet, so no row's values are: the message is shown under any state.
    pub(crate) fn login_refused(kind: ErrorKind, place: &str, error: &ServerError) -> PgError {
        let mut out = PgError::new(kind, place, error.line(true));
        out.0.server = Some(error.clone());
        out
    }

    /// The same once more, for somebody else who would run into it.
    pub(crate) fn again(&self) -> PgError {
        PgError(Box::new(Inner {
            kind: self.0.kind,
            place: self.0.place.clone(),
            cause: self.0.cause.clone(),
            remedy: self.0.remedy.clone(),
            server: self.0.server.clone(),
            source: None,
        }))
    }

    pub(crate) fn remedy_is(mut self, remedy: impl Into<String>) -> PgError {
        self.0.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> PgError {
        self.0.kind = kind;
        self
    }

    pub(crate) fn source(mut self, source: impl StdError + Send + Sync + 'static) -> PgError {
        self.0.source = Some(Box::new(source));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        match self.0.kind {
            ErrorKind::Url => code::CONNECTION_STRING,
            ErrorKind::Unreachable => code::SERVER_UNREACHABLE,
            ErrorKind::Full => code::SERVER_FULL,
            ErrorKind::NoDatabase => code::NO_DATABASE,
            ErrorKind::OtherState => code::OTHER_STATE,
            ErrorKind::TransactionPooler => code::TRANSACTION_POOLER,
            ErrorKind::PoolExhausted => code::POOL_EXHAUSTED,
            ErrorKind::Resting => code::SERVER_RESTING,
            ErrorKind::Authentication => code::AUTHENTICATION_REFUSED,
            ErrorKind::Tls => code::TLS_FAILED,
            ErrorKind::Server => code::STATEMENT_REFUSED,
            ErrorKind::ConnectionLost => code::CONNECTION_LOST,
            ErrorKind::CommitUnknown => code::COMMIT_UNKNOWN,
            ErrorKind::Protocol => code::PROTOCOL,
            ErrorKind::Setting => code::SETTING_NOT_KEPT,
            ErrorKind::Usage => code::SESSION_MISUSED,
        }
    }

    /// What to do with the work that ran into it. After [`ErrorKind::CommitUnknown`] the state decides, so: stop.
    pub fn disposition(&self) -> Disposition {
        match (self.0.kind, &self.0.server) {
            (ErrorKind::Server, Some(server)) => server.disposition(),
            (ErrorKind::Unreachable | ErrorKind::Full | ErrorKind::ConnectionLost, _) => Disposition::Retry,
            (ErrorKind::NoDatabase, _) => Disposition::Gone,
            (ErrorKind::Authentication, _) => Disposition::Permission,
            _ => Disposition::Stop,
        }
    }

    /// Whether the connection, and not the work, is what failed, and another one may be had in a moment: the server stopped,
    /// restarts, is full, or cannot be reached, or the connection broke. What became of a COMMIT tells the state then. Never a
    /// refused login, and nothing that is not known.
    pub fn connection_comes_back(&self) -> bool {
        // A standby that replays cancels a statement, or ends a session that has none.
        if self.sqlstate() == Some(sqlstate::REPLAY_CONFLICT) {
            return true;
        }
        let lost = matches!(
            self.0.kind,
            ErrorKind::Unreachable
                | ErrorKind::Full
                | ErrorKind::Resting
                | ErrorKind::ConnectionLost
                | ErrorKind::CommitUnknown
        );
        // Poolers say that they are full under states of their own; the login has read their words.
        let said = |state| self.0.kind == ErrorKind::Full || sqlstate::connections_come_back(state);
        lost && self.sqlstate().is_none_or(said)
    }

    /// What the server said, if it said something.
    pub fn server(&self) -> Option<&ServerError> {
        self.0.server.as_ref()
    }

    /// The SQLSTATE, if the server said something.
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.server.as_ref().map(|server| server.sqlstate.as_str())
    }

    /// The server it happened with: `user@host:port/database`.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// What happened, without code and place, without row values.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// What to do about it, where that is known: ours first, else what the SQLSTATE asks for, else the server's hint.
    pub fn remedy(&self) -> Option<String> {
        let hint = || {
            let server = self
                .0
                .server
                .as_ref()
                .filter(|server| !server.may_hold_values())?;
            server.hint.as_deref().map(one_line)
        };
        let known = || Some(sqlstate::remedy(self.sqlstate()?)?.to_owned());
        self.0.remedy.clone().or_else(known).or_else(hint)
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code())?;
        if !self.0.place.is_empty() {
            write!(f, "{}: ", self.0.place)?;
        }
        f.write_str(&self.0.cause)
    }
}

/// As displayed: what the server said in full may hold row values.
impl fmt::Debug for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgError({self})")
    }
}

impl StdError for PgError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duplicate() -> ServerError {
        ServerError {
            severity: "ERROR".to_owned(),
            sqlstate: "23505".to_owned(),
            message: "duplicate key value violates unique constraint \"people_email_key\"".to_owned(),
            detail: Some("Key (email)=(anna@example.org) already exists.".to_owned()),
            hint: Some("ask anna@example.org".to_owned()),
            schema: Some("public".to_owned()),
            table: Some("people".to_owned()),
            constraint: Some("people_email_key".to_owned()),
            ..ServerError::default()
        }
    }

    #[test]
    fn row_values_are_not_printed() {
        let error = PgError::server_said("u@h:5432/d", duplicate());
        let line = error.to_string();
        assert_eq!(
            line,
            "DL0204 u@h:5432/d: 23505 unique_violation, table public.people, constraint people_email_key"
        );
        assert_eq!(format!("{error:?}"), format!("PgError({line})"));
        assert_eq!(error.remedy(), None);
        assert_eq!(error.server(), Some(&duplicate()));
    }

    #[test]
    fn raised_messages_are_not_printed_under_any_state() {
        let error = PgError::server_said(
            "",
            ServerError {
                sqlstate: "42501".to_owned(),
                message: "anna@example.org may not".to_owned(),
                hint: Some("ask anna@example.org".to_owned()),
                routine: Some("exec_stmt_raise".to_owned()),
                ..ServerError::default()
            },
        );
        assert_eq!(error.to_string(), "DL0204 42501 insufficient_privilege");
        assert_eq!(error.remedy(), None);
    }

    #[test]
    fn messages_about_statements_are_printed_on_one_line() {
        let error = PgError::server_said(
            "u@h:1/d",
            ServerError {
                sqlstate: "42P01".to_owned(),
                message: "relation \"x\"\ndoes not exist".to_owned(),
                ..ServerError::default()
            },
        );
        assert!(
            error
                .to_string()
                .ends_with("42P01 undefined_table: relation \"x\" does not exist")
        );
        assert_eq!(error.disposition(), Disposition::Gone);
    }

    #[test]
    fn nothing_that_a_server_says_reaches_the_terminal_as_an_order() {
        let server = ServerError {
            sqlstate: "42P01\u{1b}[2J".to_owned(),
            message: "a\u{1b}[31m\u{7}\u{9b}b\r\nc".to_owned(),
            table: Some("t\u{8}".to_owned()),
            hint: Some("\u{1b}]0;x\u{7}".to_owned()),
            ..ServerError::default()
        };
        let error = PgError::login_refused(ErrorKind::Server, "u@h:1/d", &server);
        let shown = format!("{error} {:?}", error.remedy());
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(shown.contains("a\u{fffd}[31m"), "{shown:?}");
        // What a server says of its settings, or as a part of a stream, stands in causes of ours.
        let error = PgError::new(
            ErrorKind::Setting,
            "",
            "timezone was set to `UTC` and is `U\u{14}C`",
        );
        assert_eq!(error.cause(), "timezone was set to `UTC` and is `U\u{fffd}C`");
    }

    #[test]
    fn fatal_errors_end_the_connection() {
        let error = PgError::server_said(
            "",
            ServerError {
                severity: "FATAL".to_owned(),
                sqlstate: "57P01".to_owned(),
                ..ServerError::default()
            },
        );
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert_eq!(error.disposition(), Disposition::Retry);
    }
}
