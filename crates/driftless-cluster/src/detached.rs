use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ClusterError;
use crate::home::remove;
use crate::process::{Signal, serves, wait_until};

/// A server that outlives the process that started it: all that is needed to reach and to end it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// The directory of the server's data, sockets and log.
    pub dir: PathBuf,
    /// The postmaster's process id.
    pub pid: u32,
    /// The loopback port.
    pub port: u16,
    /// URL of the database `postgres` for the superuser, password included.
    pub admin_url: String,
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dir,
            pid,
            port,
            admin_url: _,
        } = self;
        f.debug_struct("Detached")
            .field("dir", dir)
            .field("pid", pid)
            .field("port", port)
            .finish_non_exhaustive()
    }
}

/// Writes a record of servers left running, readable only by us: it holds passwords.
///
/// # Errors
///
/// The file cannot be written.
pub fn save(path: &Path, servers: &[Detached]) -> Result<(), ClusterError> {
    let text = serde_json::to_string_pretty(servers).map_err(|e| not_ours(path, e.to_string()))?;
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(ClusterError::file("write", path))
}

/// Reads a record that [`save`] wrote.
///
/// # Errors
///
/// The file cannot be read, or is not such a record.
pub fn load(path: &Path) -> Result<Vec<Detached>, ClusterError> {
    let text = fs::read_to_string(path).map_err(ClusterError::file("read", path))?;
    serde_json::from_str(&text).map_err(|e| not_ours(path, e.to_string()))
}

/// Ends a server that was left running and removes its directory. One that is gone already is no error.
///
/// # Errors
///
/// The record names a directory that is not ours, or the server does not end.
pub fn stop_detached(server: &Detached) -> Result<(), ClusterError> {
    let data = server.dir.join("data");
    // The process id may be another's by now, after a restart of the machine.
    let runs = || serves(server.pid, &data);
    for signal in [Signal::Immediate, Signal::Kill] {
        if runs() {
            signal.send(server.pid);
            wait_until(Duration::from_secs(15), || !runs());
        }
    }
    if runs() {
        let log = String::new();
        return Err(ClusterError::Server {
            dir: server.dir.clone(),
            what: "does not end",
            log,
        });
    }
    remove(&server.dir)
}

fn not_ours(path: &Path, reason: String) -> ClusterError {
    ClusterError::NotOurs {
        path: path.to_owned(),
        reason,
    }
}
