use std::collections::BTreeMap;
use std::env;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use driftless_cluster::{Binaries, Cluster, ClusterError, ClusterOptions, connection_url};
use tokio_postgres::config::{Config, Host};

/// Where `cargo xtask test` tells the pair that it started.
pub const SOURCE_ADMIN_URL: &str = "DRIFTLESS_TEST_SOURCE_ADMIN_URL";

/// See [`SOURCE_ADMIN_URL`].
pub const TARGET_ADMIN_URL: &str = "DRIFTLESS_TEST_TARGET_ADMIN_URL";

/// A server on which tests create databases.
#[derive(Clone)]
pub struct Server {
    address: (String, u16),
    superuser: String,
    password: String,
}

/// The source's server and the target's.
#[derive(Clone)]
pub struct ServerPair {
    /// Where source databases are made.
    pub source: Server,
    /// Where target databases are made.
    pub target: Server,
}

/// The server pair of this run: the one that `cargo xtask test` started, else a private pair of this process,
/// which ends with it.
///
/// # Panics
///
/// No pair was given and none can be started.
pub fn servers() -> ServerPair {
    let given = |name| env::var(name).ok().map(|url| Server::at(&url));
    if let (Some(source), Some(target)) = (given(SOURCE_ADMIN_URL), given(TARGET_ADMIN_URL)) {
        return ServerPair { source, target };
    }
    static PRIVATE: OnceLock<(Cluster, Cluster)> = OnceLock::new();
    let (source, target) = PRIVATE.get_or_init(|| {
        start_pair([None, None])
            .unwrap_or_else(|error| panic!("no servers to test with: {error}; {}", error.remedy()))
    });
    ServerPair {
        source: Server::of(source),
        target: Server::of(target),
    }
}

/// A server of one major on which a test makes databases; one per process, which ends with it.
///
/// # Panics
///
/// `cargo xtask postgres` has not installed that major, or its server does not start.
pub fn server_of(major: u32) -> Server {
    static STARTED: Mutex<BTreeMap<u32, Cluster>> = Mutex::new(BTreeMap::new());
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let start = || Cluster::start(&options(Some(Binaries::of_major(major)?)));
    let cluster = started.entry(major).or_insert_with(|| {
        start().unwrap_or_else(|error| panic!("PostgreSQL {major}: {error}; {}", error.remedy()))
    });
    Server::of(cluster)
}

/// Starts the two servers of a test run, the source first; `None` takes the machine's own server programs.
///
/// # Errors
///
/// As [`Cluster::start`].
pub fn start_pair(binaries: [Option<Binaries>; 2]) -> Result<(Cluster, Cluster), ClusterError> {
    start_both(binaries.map(options))
}

/// Two servers of this machine's own programs that write to the disk as production does.
///
/// # Errors
///
/// As [`Cluster::start`].
pub fn start_durable_pair() -> Result<(Cluster, Cluster), ClusterError> {
    start_both([None, None].map(|binaries| ClusterOptions {
        durable: true,
        ..options(binaries)
    }))
}

fn start_both([source, target]: [ClusterOptions; 2]) -> Result<(Cluster, Cluster), ClusterError> {
    thread::scope(|scope| {
        let source = scope.spawn(|| Cluster::start(&source));
        let target = Cluster::start(&target);
        let source = source
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((source?, target?))
    })
}

fn options(binaries: Option<Binaries>) -> ClusterOptions {
    ClusterOptions {
        binaries,
        max_connections: 200,
        ..ClusterOptions::default()
    }
}

impl Server {
    /// A server that the test started for itself.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self::at(&cluster.admin_url())
    }

    /// The server that a superuser's URL leads to.
    ///
    /// # Panics
    ///
    /// The URL lacks host, port, role or password.
    #[must_use]
    pub fn at(admin_url: &str) -> Self {
        let config: Config = admin_url
            .parse()
            .unwrap_or_else(|error| panic!("not a connection URL: {error}"));
        let (Some(Host::Tcp(host)), Some(port)) = (config.get_hosts().first(), config.get_ports().first())
        else {
            panic!("the server's URL has no host and port");
        };
        let (Some(superuser), Some(password)) = (config.get_user(), config.get_password()) else {
            panic!("the server's URL has no role and password");
        };
        Self {
            address: (host.clone(), *port),
            superuser: superuser.to_owned(),
            password: String::from_utf8_lossy(password).into_owned(),
        }
    }

    /// A URL of `database` for the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as(&self.superuser, &self.password, database)
    }

    /// A URL of `database` for any role.
    #[must_use]
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        connection_url((&self.address.0, self.address.1), role, password, database)
    }

    /// A URL of the database `postgres` for the superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url("postgres")
    }
}
