//! The directory of a demonstration: its mapping and its log.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use driftless_core::code;
use tempfile::TempDir;

use super::laboratory::Laboratory;
use crate::failure::Failure;

/// The mapping of the dental laboratory, by path below the mapping's directory.
const MAPPING: [(&str, &str); 5] = [
    (
        "driftless.toml",
        include_str!("../../../../examples/dental-lab/driftless.toml"),
    ),
    (
        "entities/orders.toml",
        include_str!("../../../../examples/dental-lab/entities/orders.toml"),
    ),
    (
        "entities/people.toml",
        include_str!("../../../../examples/dental-lab/entities/people.toml"),
    ),
    (
        "entities/stock.toml",
        include_str!("../../../../examples/dental-lab/entities/stock.toml"),
    ),
    (
        "entities/talk.toml",
        include_str!("../../../../examples/dental-lab/entities/talk.toml"),
    ),
];

/// A directory that only we may enter, for the connection strings in it; gone with this value unless it is kept.
pub(super) struct Home {
    path: PathBuf,
    /// Removes a directory below the system's temporary one.
    temporary: Option<TempDir>,
    kept: bool,
}

impl Home {
    /// A directory of a demonstration that leaves nothing behind.
    pub(super) fn temporary() -> Result<Home, Failure> {
        let directory = tempfile::Builder::new().prefix("driftless-demo-").tempdir();
        let directory = directory.map_err(|error| refused(&env::temp_dir(), &error))?;
        Ok(Home {
            path: directory.path().to_owned(),
            temporary: Some(directory),
            kept: false,
        })
    }

    /// The directory of the one demonstration that may be left running.
    pub(super) fn to_keep() -> Result<Home, Failure> {
        let path = place();
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| refused(parent, &error))?;
        }
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Home {
                path,
                temporary: None,
                kept: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let message = format!(
                    "a demonstration was left running; its mapping is in {}",
                    path.display()
                );
                Err(Failure::new(code::DEMO_RUNNING, "demo", message)
                    .remedy("end it with driftless demo --stop"))
            }
            Err(error) => Err(refused(&path, &error)),
        }
    }

    /// Writes the mapping, leading to these servers. Gives the path of its root file.
    pub(super) fn furnish(&self, laboratory: &Laboratory) -> Result<PathBuf, Failure> {
        for (name, text) in MAPPING {
            let path = self.path.join(name);
            let text = text
                .replace("${SOURCE_DATABASE_URL}", &laboratory.source_url())
                .replace("${TARGET_DATABASE_URL}", &laboratory.target_url());
            let directory = path.parent().unwrap_or(&self.path);
            let written = fs::create_dir_all(directory).and_then(|()| fs::write(&path, text));
            written.map_err(|error| refused(&path, &error))?;
        }
        Ok(self.path.join(MAPPING[0].0))
    }

    /// Leaves the directory behind.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary.is_none() && !self.kept {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Where the demonstration that was left running has its mapping and the record of its servers.
pub(super) fn place() -> PathBuf {
    let state = env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state
        .or_else(home)
        .unwrap_or_else(env::temp_dir)
        .join("driftless")
        .join("demo")
}

pub(super) fn refused(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        code::NOT_WRITTEN,
        path.display().to_string(),
        format!("cannot be written: {error}"),
    )
    .remedy("make room and allow writing there, or name another directory in TMPDIR or XDG_STATE_HOME")
}
