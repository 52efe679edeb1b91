mod draft;
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
        let mut draft = draft::Draft::default();
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

#[cfg(test)]
mod tests;
