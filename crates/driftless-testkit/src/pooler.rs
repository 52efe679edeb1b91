use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use driftless_cluster::{connection_url, wait_until};
use tokio_postgres::config::{Config, Host};

/// How long the pooler may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Runs the pooler and ends it when our end of the pipe closes, by our wish or by our death.
const GUARD: &str = "\"$@\" & pid=$!; read -r _; kill \"$pid\"; wait \"$pid\"";

/// How a pooler shares out its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// A client keeps its session.
    Session,
    /// Each transaction gets any session.
    Transaction,
}

/// A PgBouncer in front of a server, for all of its databases. Ends with its value.
pub struct Pooler {
    child: Child,
    port: u16,
    role: String,
    password: String,
    dir: PathBuf,
}

impl Pooler {
    /// Starts a pooler before the server of a superuser's URL, with `settings` (lines `name = value`) over ours.
    ///
    /// # Panics
    ///
    /// There is no PgBouncer (`scripts/setup --tests` installs it), or it does not listen.
    #[must_use]
    pub fn start(admin_url: &str, mode: PoolMode, settings: &str) -> Self {
        let config: Config = admin_url
            .parse()
            .unwrap_or_else(|error| panic!("not a connection URL: {error}"));
        let (Some(Host::Tcp(host)), Some(server)) = (config.get_hosts().first(), config.get_ports().first())
        else {
            panic!("the server's URL has no host and port");
        };
        let role = config.get_user().unwrap_or_default().to_owned();
        let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
        let port = free_port();
        let dir = env::temp_dir().join(format!("driftless-pooler-{}-{port}", std::process::id()));
        fs::create_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        let users = dir.join("users.txt");
        let text = format!(
            "[databases]\n* = host={host} port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n{settings}\n",
            users.display()
        );
        write(&users, &format!("\"{role}\" \"{password}\"\n"));
        write(&dir.join("pooler.ini"), &text);
        let child = launch(&dir);
        let pooler = Pooler {
            child,
            port,
            role,
            password,
            dir,
        };
        let listens = wait_until(START_LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let log = fs::read_to_string(pooler.dir.join("log")).unwrap_or_default();
        assert!(listens, "PgBouncer does not listen: {log}");
        pooler
    }

    /// A URL of a database, through the pooler, for the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as(&self.role, &self.password, database)
    }

    /// A URL of a database, through the pooler, for any role. The pooler knows only the superuser.
    #[must_use]
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        connection_url(("127.0.0.1", self.port), role, password, database)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The pooler as an ordinary user: it refuses root.
fn launch(dir: &Path) -> Child {
    let log = fs::File::create(dir.join("log")).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut command = Command::new("sh");
    command
        .args(["-c", GUARD, "sh"])
        .arg(program())
        .args(["-u", "nobody"])
        .arg(dir.join("pooler.ini"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log);
    command
        .spawn()
        .unwrap_or_else(|error| panic!("PgBouncer cannot be started: {error}"))
}

/// Distributions put it where only root's `PATH` leads to.
fn program() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join("pgbouncer"))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("there is no pgbouncer: scripts/setup --tests installs it"))
}

/// Writes a file that every user may read, so the pooler's as well.
fn write(path: &Path, text: &str) {
    let written = fs::write(path, text).and_then(|()| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        fs::set_permissions(path.parent().unwrap_or(path), fs::Permissions::from_mode(0o755))
    });
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn free_port() -> u16 {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.unwrap_or_else(|error| panic!("no port: {error}")).port()
}
