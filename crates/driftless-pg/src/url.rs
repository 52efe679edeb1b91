mod draft;
mod judge;
pub(crate) mod outside;
mod parse;
mod passwords;
mod services;
mod surroundings;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use surroundings::Surroundings;

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
    /// Not encrypted, unless the server admits the user only so.
    Allow,
    /// Encrypted if the server can and admits the user so.
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
    /// In recovery if one of the servers is, else any.
    PreferStandby,
}

/// Versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsVersion {
    V12,
    V13,
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

/// One server of a connection string, with the password that is meant for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    pub(crate) hostaddr: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) password: Option<Secret>,
    /// What is worth knowing about the password when the server refuses it or asks for one.
    pub(crate) password_note: Option<String>,
}

/// How a server is reached and as whom. Made from a connection string; prints without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectConfig {
    /// The server; where the string names several, the first.
    pub(crate) endpoint: Endpoint,
    /// The other servers that the string names, in its order.
    pub(crate) others: Vec<Endpoint>,
    /// Whether the servers are tried in a random order.
    pub(crate) shuffled: bool,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) sslmode: SslMode,
    /// Whether the host's name is told in the handshake.
    pub(crate) sni: bool,
    pub(crate) tls_versions: (TlsVersion, TlsVersion),
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
    /// both as libpq takes them, and nothing else: no variable, no file.
    ///
    /// Without `sslmode` the connection is encrypted (`require`), except to this machine (`prefer`). Without
    /// `connect_timeout` 30 seconds for each server; 0 waits for ever.
    ///
    /// # Errors
    /// [`ErrorKind::Url`], naming the keyword that is unknown, unsupported or has an impossible value. The error
    /// shows nothing of the string itself but keywords.
    pub fn parse(text: &str) -> Result<ConnectConfig, PgError> {
        ConnectConfig::parse_within(text, &Surroundings::default())
    }

    /// The same, and what the string leaves open comes from a service file, the variables of libpq and a password file,
    /// in this order.
    ///
    /// # Errors
    /// As [`ConnectConfig::parse`]; also a service that is named and cannot be found.
    pub fn parse_within(text: &str, surroundings: &Surroundings) -> Result<ConnectConfig, PgError> {
        let draft = draft::Draft::gather(text.trim(), surroundings)?;
        judge::judge(&draft, surroundings)
    }

    /// `user@host:port/database`: how this server is named in messages; all of them, where there are several.
    pub fn place(&self) -> String {
        let hosts: Vec<String> = self.endpoints().map(Endpoint::place).collect();
        format!("{}@{}/{}", self.user, hosts.join(","), self.database)
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.endpoint).chain(&self.others)
    }

    /// One configuration for each server that the string names, in the order in which they are to be tried.
    pub(crate) fn servers(&self) -> Vec<ConnectConfig> {
        let mut servers: Vec<ConnectConfig> = self
            .endpoints()
            .map(|endpoint| ConnectConfig {
                endpoint: endpoint.clone(),
                others: Vec::new(),
                ..self.clone()
            })
            .collect();
        if self.shuffled {
            let random = RandomState::new();
            let mut keyed: Vec<(u64, ConnectConfig)> = servers
                .into_iter()
                .enumerate()
                .map(|(number, server)| (random.hash_one(number), server))
                .collect();
            keyed.sort_by_key(|(key, _)| *key);
            servers = keyed.into_iter().map(|(_, server)| server).collect();
        }
        servers
    }

    /// The same server by the address where it was found, so that later sessions do not reach another one.
    pub(crate) fn pinned(mut self, address: Option<IpAddr>) -> ConnectConfig {
        self.endpoint.hostaddr = address.or(self.endpoint.hostaddr);
        self
    }

    /// Whether the connection cannot leave this machine.
    pub fn is_loopback(&self) -> bool {
        self.endpoints().all(Endpoint::is_loopback)
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The role that logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The host: a name, an address, or the directory of a Unix socket; of several servers the first one's.
    pub fn host(&self) -> String {
        match &self.endpoint.host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        }
    }

    /// The port; of several servers the first one's.
    pub fn port(&self) -> u16 {
        self.endpoint.port
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

impl Endpoint {
    /// `host:port`.
    fn place(&self) -> String {
        let host = match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]"),
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        format!("{host}:{}", self.port)
    }

    /// Whether a connection cannot leave this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        if let Some(address) = self.hostaddr {
            return address.is_loopback();
        }
        match &self.host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

fn url_error(cause: impl Into<String>) -> PgError {
    PgError::new(ErrorKind::Url, "", cause)
}

#[cfg(test)]
mod tests;
