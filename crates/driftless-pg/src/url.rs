mod parse;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{ErrorKind, PgError};

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is demanded of the encryption, as libpq's `sslmode` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can.
    Prefer,
    /// Encrypted, or no connection; any certificate, unless a root certificate is named.
    Require,
    /// Encrypted, with a certificate that leads to a trusted root.
    VerifyCa,
    /// The same, and the certificate names the host.
    VerifyFull,
}

/// What is demanded of SCRAM's binding to the encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Not used.
    Disable,
    /// Used if both sides can.
    Prefer,
    /// Used, or no connection.
    Require,
}

/// Which state of the server is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttrs {
    /// Any.
    Any,
    /// Transactions may write.
    ReadWrite,
    /// Transactions may not write.
    ReadOnly,
    /// Not in recovery.
    Primary,
    /// In recovery.
    Standby,
}

/// Where the socket leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name or an address.
    Tcp(String),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

/// TCP keepalives: how a peer that vanished without a word is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keepalives {
    pub(crate) enabled: bool,
    pub(crate) idle: Duration,
    pub(crate) interval: Duration,
    pub(crate) count: u32,
    /// How long sent bytes may stay unacknowledged. Unset by default: the kernel also counts the time in which a
    /// living server keeps its window closed, which a COPY that waits for a lock does.
    pub(crate) user_timeout: Option<Duration>,
}

/// How one server is reached and as whom. Made from a connection string; prints without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectConfig {
    pub(crate) host: Host,
    pub(crate) hostaddr: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) sslmode: SslMode,
    pub(crate) sslrootcert: Option<PathBuf>,
    pub(crate) sslcert: Option<PathBuf>,
    pub(crate) sslkey: Option<PathBuf>,
    pub(crate) channel_binding: ChannelBinding,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) application_name: Option<String>,
    pub(crate) options: Option<String>,
    pub(crate) session_attrs: SessionAttrs,
    pub(crate) keepalives: Keepalives,
}

impl ConnectConfig {
    /// Reads a URL (`postgres://user:password@host:port/database?sslmode=…`) or a keyword string (`host=… dbname=…`),
    /// both as libpq takes them.
    ///
    /// Without `sslmode` the connection is encrypted (`require`), except to this machine (`prefer`). Without
    /// `connect_timeout` 30 seconds; 0 waits for ever.
    ///
    /// # Errors
    /// [`ErrorKind::Url`], naming the keyword that is unknown, unsupported or has an impossible value. The error
    /// shows nothing of the string itself but keywords.
    pub fn parse(text: &str) -> Result<ConnectConfig, PgError> {
        let mut draft = Draft::default();
        for (keyword, value) in parse::pairs(text.trim())? {
            draft.set(&keyword, value)?;
        }
        draft.finish()
    }

    /// `user@host:port/database`: how this server is named in messages.
    pub fn place(&self) -> String {
        let host = match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]"),
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        format!("{}@{host}:{}/{}", self.user, self.port, self.database)
    }

    /// Whether the connection cannot leave this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host, self.hostaddr)
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The role that logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The host: a name, an address, or the directory of a Unix socket.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is demanded of the encryption.
    pub fn ssl_mode(&self) -> SslMode {
        self.sslmode
    }

    /// The same server and settings, another database.
    #[must_use]
    pub fn with_database(mut self, database: impl Into<String>) -> ConnectConfig {
        self.database = database.into();
        self
    }
}

fn is_loopback(host: &Host, hostaddr: Option<IpAddr>) -> bool {
    if let Some(address) = hostaddr {
        return address.is_loopback();
    }
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

fn url_error(cause: impl Into<String>) -> PgError {
    PgError::new(ErrorKind::Url, "", cause)
}

fn bad_value(keyword: &str, wanted: &str) -> PgError {
    url_error(format!(
        "the connection string gives `{keyword}` a value that is not {wanted}"
    ))
}

/// Keywords as they were read; the last one of a name wins, as in libpq.
#[derive(Default)]
struct Draft {
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
    fn set(&mut self, keyword: &str, value: String) -> Result<(), PgError> {
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

    fn finish(self) -> Result<ConnectConfig, PgError> {
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

#[cfg(test)]
mod tests;
