use std::env;
use std::sync::OnceLock;
use std::thread;

use driftless_cluster::{Cluster, ClusterError, ClusterOptions, connection_url};
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
        start_pair().unwrap_or_else(|error| panic!("no servers to test with: {error}; {}", error.remedy()))
    });
    ServerPair {
        source: Server::of(source),
        target: Server::of(target),
    }
}

/// Starts the two servers of a test run.
///
/// # Errors
///
/// As [`Cluster::start`].
pub fn start_pair() -> Result<(Cluster, Cluster), ClusterError> {
    let options = ClusterOptions {
        max_connections: 200,
        ..ClusterOptions::default()
    };
    thread::scope(|scope| {
        let source = scope.spawn(|| Cluster::start(&options));
        let target = Cluster::start(&options);
        let source = source
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((source?, target?))
    })
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
