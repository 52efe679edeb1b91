use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use std::os::unix::process::CommandExt as _;

use crate::binaries::Binaries;
use crate::detached::Detached;
use crate::error::ClusterError;
use crate::home::Home;
use crate::majors::newest_client;
use crate::process::{Signal, end, random_hex, run, tail, wait_until};
use crate::url::connection_url;

/// How long a server may take to accept connections; a loaded machine with one core needs some seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Ports we choose from: below the range from which systems take the ports of outgoing connections, any of
/// which could otherwise occupy the chosen one before the server binds it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before the start is given up.
const PORT_TRIES: usize = 20;

/// What kind of server to start.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The server's programs; `None` takes what [`Binaries::find`] finds.
    pub binaries: Option<Binaries>,
    /// Whether data survives a crash of the machine. `false` is quicker; a crash of the server alone loses
    /// nothing either way.
    pub durable: bool,
    /// The server's `max_connections`.
    pub max_connections: u16,
    /// Name of the first role, a superuser.
    pub superuser: String,
    /// Further settings, by name, that win over ours.
    pub settings: Vec<(String, String)>,
    /// Lines that come first in `pg_hba.conf`. After them, a password (SCRAM) is asked from everyone.
    pub access: Vec<String>,
    /// Files, by name, put into the data directory before the start: certificates and keys.
    pub files: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            binaries: None,
            durable: false,
            max_connections: 100,
            superuser: "postgres".to_owned(),
            settings: Vec::new(),
            access: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// A private PostgreSQL server on a loopback port. Dropping it ends the server and removes its files.
pub struct Cluster {
    // Declared before `home`: the server ends before its directory goes.
    server: Option<Child>,
    home: Home,
    binaries: Binaries,
    superuser: String,
    password: String,
    port: u16,
}

impl Cluster {
    /// Initialises a fresh server and starts it; returns once it accepts connections.
    ///
    /// # Errors
    ///
    /// No server programs, no user to run them as, or a program's failure with what it said. Nothing is left
    /// behind then.
    pub fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let binaries = match &options.binaries {
            Some(binaries) => binaries.clone(),
            None => Binaries::find()?,
        };
        let home = Home::create()?;
        let password = random_hex(16)?;
        initialise(&home, &binaries, &options.superuser, &password)?;
        configure(&home, options)?;
        let superuser = options.superuser.clone();
        let mut cluster = Self {
            server: None,
            home,
            binaries,
            superuser,
            password,
            port: 0,
        };
        cluster.launch_on_a_free_port()?;
        Ok(cluster)
    }

    /// Copies this server, which goes on, and starts the copy as a standby that follows it and can be read.
    ///
    /// # Errors
    ///
    /// As [`Cluster::start`], or there is no `pg_basebackup`.
    pub fn standby(&self, settings: &[(String, String)]) -> Result<Self, ClusterError> {
        let name = "pg_basebackup";
        let program = newest_client(name)?.or_else(|| self.binaries.tool(name));
        let program = program.ok_or_else(|| ClusterError::Program {
            program: name.to_owned(),
            output: "it is not installed".to_owned(),
        })?;
        let home = Home::create()?;
        let mut command = home.command(&program);
        command.args(["--checkpoint=fast", "--no-sync"]);
        command.arg("-D").arg(home.data()).arg("-d").arg(self.admin_url());
        run(&mut command)?;
        let options = ClusterOptions {
            // Said by us: a newer pg_basebackup writes words that an older server does not know.
            settings: [settings, &[("primary_conninfo".to_owned(), self.admin_url())]].concat(),
            ..ClusterOptions::default()
        };
        set(&home, &options)?;
        home.write("data/standby.signal", "")?;
        let mut standby = Self {
            server: None,
            home,
            binaries: self.binaries.clone(),
            superuser: self.superuser.clone(),
            password: self.password.clone(),
            port: 0,
        };
        standby.launch_on_a_free_port()?;
        Ok(standby)
    }

    fn launch_on_a_free_port(&mut self) -> Result<(), ClusterError> {
        let mut tries = 0;
        loop {
            tries += 1;
            self.port = free_port()?;
            match self.launch(&[]) {
                // Another process may bind the port between our look and the server's.
                Err(ClusterError::Server { log, .. })
                    if tries < PORT_TRIES && log.contains("could not bind") =>
                {
                    let _ = fs::remove_file(self.home.log());
                }
                outcome => return outcome,
            }
        }
    }

    /// Starts the server on its port, with settings that hold for this time, and waits until it is ready.
    fn launch(&mut self, settings: &[&str]) -> Result<(), ClusterError> {
        let log = self.home.log();
        let output = fs::OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(ClusterError::file("open", &log))?;
        let errors = output.try_clone().map_err(ClusterError::file("open", &log))?;
        let mut command = self.home.command(&self.binaries.dir().join("postgres"));
        command
            .arg("-D")
            .arg(self.home.data())
            .arg("-p")
            .arg(self.port.to_string());
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        // Not in our group: a Ctrl-C on the terminal is ours to handle, not the server's.
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0);
        let failed = |error: std::io::Error| ClusterError::Program {
            program: "postgres".into(),
            output: error.to_string(),
        };
        let server = self.server.insert(command.spawn().map_err(failed)?);
        let data = self.home.data();
        let mut ended = false;
        let settled = wait_until(START_LIMIT, || {
            ended = !matches!(server.try_wait(), Ok(None));
            ended || is_ready(&data, server.id())
        });
        if settled && !ended {
            return Ok(());
        }
        self.halt(Signal::Immediate);
        let what = if ended {
            "did not start"
        } else {
            "was not ready in time"
        };
        let text = fs::read(&log).unwrap_or_default();
        let log = tail(&String::from_utf8_lossy(&text)).to_owned();
        Err(ClusterError::Server {
            dir: self.home.dir().to_owned(),
            what,
            log,
        })
    }

    fn halt(&mut self, signal: Signal) {
        if let Some(mut server) = self.server.take() {
            end(&mut server, signal);
        }
    }

    /// A connection URL of `database` for the superuser, password included.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as(&self.superuser, &self.password, database)
    }

    /// A connection URL of `database` for any role.
    #[must_use]
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        connection_url(("127.0.0.1", self.port), role, password, database)
    }

    /// A connection URL of the database `postgres` for the superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url("postgres")
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process id while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// The server's programs.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The server's log so far, for a test's failure message.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.home.log()).unwrap_or_default()).into_owned()
    }

    /// Ends the server as a crash would: no checkpoint, every session cut. [`Cluster::restart`] recovers.
    pub fn stop_immediate(&mut self) {
        self.halt(Signal::Immediate);
    }

    /// Ends the server in order if it runs, and starts it on the same port, with the same data.
    ///
    /// # Errors
    ///
    /// The server does not come up again; the error carries its log.
    pub fn restart(&mut self) -> Result<(), ClusterError> {
        self.halt(Signal::Fast);
        self.launch(&[])
    }

    /// Ends the server as a crash would if it runs, and starts it on a new timeline with all that was committed, as a backup
    /// that was recovered to its end, or a standby that was promoted.
    ///
    /// # Errors
    ///
    /// As [`Cluster::restart`].
    pub fn restart_on_a_new_timeline(&mut self) -> Result<(), ClusterError> {
        self.halt(Signal::Immediate);
        self.home.write("data/recovery.signal", "")?;
        // There is no archive: what is in the directory is all. A server that may be read while it recovers says too early that it
        // is ready.
        self.launch(&["restore_command=false", "hot_standby=off"])
    }

    /// Lets the server outlive this process. [`stop_detached`](crate::stop_detached) ends it.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Server`] if it does not run; it is removed then.
    pub fn detach(mut self) -> Result<Detached, ClusterError> {
        let Some(server) = self.server.take() else {
            let dir = self.home.dir().to_owned();
            return Err(ClusterError::Server {
                dir,
                what: "is not running",
                log: String::new(),
            });
        };
        let detached = Detached {
            dir: self.home.dir().to_owned(),
            pid: server.id(),
            port: self.port,
            admin_url: self.admin_url(),
        };
        self.home.leave_behind();
        Ok(detached)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.halt(Signal::Immediate);
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("port", &self.port)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

fn initialise(home: &Home, binaries: &Binaries, superuser: &str, password: &str) -> Result<(), ClusterError> {
    let secret = home.write("password", password)?;
    let mut command = home.command(&binaries.dir().join("initdb"));
    command.args([
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=scram-sha-256",
    ]);
    command.arg("-U").arg(superuser).arg("-D").arg(home.data());
    command.arg(format!("--pwfile={}", secret.display()));
    let outcome = run(&mut command);
    let _ = fs::remove_file(secret);
    outcome
}

fn configure(home: &Home, options: &ClusterOptions) -> Result<(), ClusterError> {
    let conf = home.data().join("postgresql.conf");
    let initial = home.data().join("initial.conf");
    fs::rename(&conf, &initial).map_err(ClusterError::file("rename", &conf))?;
    set(home, options)?;
    let mut access = options.access.join("\n");
    access.push_str(
        "\nlocal all,replication all scram-sha-256\nhost all,replication all 127.0.0.1/32 scram-sha-256\n",
    );
    home.write("data/pg_hba.conf", &access)?;
    for (name, content) in &options.files {
        home.write(&format!("data/{name}"), content)?;
    }
    Ok(())
}

/// Writes the server's settings.
fn set(home: &Home, options: &ClusterOptions) -> Result<(), ClusterError> {
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("unix_socket_directories", home.sockets().display().to_string()),
        ("max_connections", options.max_connections.to_string()),
        ("wal_level", "logical".to_owned()),
        ("max_wal_senders", "20".to_owned()),
        ("max_replication_slots", "20".to_owned()),
        ("max_prepared_transactions", "20".to_owned()),
        ("max_wal_size", "2GB".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("log_line_prefix", "%m [%p] %u@%d ".to_owned()),
    ];
    if !options.durable {
        // synchronous_commit stays on: an immediate stop must not lose what was committed.
        settings.extend([
            ("fsync", "off".to_owned()),
            ("full_page_writes", "off".to_owned()),
        ]);
    }
    settings.extend(
        options
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    let mut text = String::from("include 'initial.conf'\n");
    for (name, value) in settings {
        text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
    }
    home.write("data/postgresql.conf", &text)?;
    Ok(())
}

/// Whether the server has said so in its lock file: the process on the first line, the state on the eighth.
fn is_ready(data: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

fn free_port() -> Result<u16, ClusterError> {
    let mut last = None;
    for _ in 0..PORT_TRIES {
        let random = u16::from_str_radix(&random_hex(2)?, 16).unwrap_or_default();
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(ClusterError::file("bind a port of", "127.0.0.1")(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_is_ready_only_for_its_own_process() {
        let dir = tempfile::tempdir().unwrap();
        let lines = "77\n/data\n0\n20000\n/s\n127.0.0.1\n  1 2\nready   \n";
        fs::write(dir.path().join("postmaster.pid"), lines).unwrap();
        assert!(is_ready(dir.path(), 77));
        assert!(!is_ready(dir.path(), 78));
        fs::write(
            dir.path().join("postmaster.pid"),
            lines.replace("ready", "starting"),
        )
        .unwrap();
        assert!(!is_ready(dir.path(), 77));
    }
}
