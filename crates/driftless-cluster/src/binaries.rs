use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use crate::error::ClusterError;

/// The oldest major whose servers we support.
const OLDEST_MAJOR: u32 = 14;

/// Where distributions put the server programs, one directory per major.
const INSTALLATIONS: &str = "/usr/lib/postgresql";

/// One installation of the server programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
    major: u32,
}

impl Binaries {
    /// Finds an installation: the one that `DRIFTLESS_PG_BIN` names, else the first in `PATH`, else the newest
    /// below `/usr/lib/postgresql`.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoBinaries`] with every place tried. A `DRIFTLESS_PG_BIN` that does not serve is an error
    /// even where another installation would.
    pub fn find() -> Result<Self, ClusterError> {
        Self::find_in(
            env::var_os("DRIFTLESS_PG_BIN"),
            env::var_os("PATH"),
            Path::new(INSTALLATIONS),
        )
    }

    fn find_in(
        named: Option<OsString>,
        path: Option<OsString>,
        installations: &Path,
    ) -> Result<Self, ClusterError> {
        let candidates = match named.filter(|dir| !dir.is_empty()) {
            Some(dir) => vec![PathBuf::from(dir)],
            None => {
                let mut dirs = in_path(&path.unwrap_or_default());
                dirs.extend(newest_first(installations));
                dirs
            }
        };
        let mut looked_in = Vec::new();
        for dir in candidates {
            match Self::at(&dir) {
                Ok(found) => return Ok(found),
                Err(reason) => looked_in.push(format!("{} ({reason})", dir.display())),
            }
        }
        if looked_in.is_empty() {
            looked_in = vec!["PATH".to_owned(), format!("{}/*/bin", installations.display())];
        }
        Err(ClusterError::NoBinaries { looked_in })
    }

    /// Takes the installation in `dir`, which holds `initdb` and `postgres`, if it is whole and new enough.
    ///
    /// # Errors
    ///
    /// Why it does not serve, in a few words.
    pub fn at(dir: &Path) -> Result<Self, String> {
        // The programs are started from another directory than ours.
        let dir = &path::absolute(dir).map_err(|error| error.to_string())?;
        for program in ["initdb", "postgres"] {
            if !dir.join(program).is_file() {
                return Err(format!("no {program}"));
            }
        }
        let output = Command::new(dir.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match major_of(&text) {
            Some(major) if major >= OLDEST_MAJOR => Ok(Self {
                dir: dir.to_owned(),
                major,
            }),
            Some(major) => Err(format!("version {major}")),
            None => Err("postgres --version not understood".to_owned()),
        }
    }

    /// The server's major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The directory that holds `initdb` and `postgres`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A client program such as `psql` or `pg_dump`: beside the server's programs, else in `PATH`.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<PathBuf> {
        let beside = self.dir.join(name);
        if beside.is_file() {
            return Some(beside);
        }
        env::split_paths(&env::var_os("PATH")?)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    }
}

/// Directories of real server programs that `PATH` leads to, links followed.
fn in_path(path: &OsString) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in env::split_paths(path) {
        let Ok(real) = dir.join("postgres").canonicalize() else {
            continue;
        };
        // A wrapper script would be the process that we signal in the server's place.
        if starts_with_shebang(&real) {
            continue;
        }
        if let Some(real_dir) = real.parent()
            && !found.iter().any(|seen| seen == real_dir)
        {
            found.push(real_dir.to_owned());
        }
    }
    found
}

fn starts_with_shebang(file: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0_u8; 2];
    fs::File::open(file)
        .and_then(|mut f| f.read_exact(&mut start))
        .is_ok()
        && start == *b"#!"
}

/// `installations/MAJOR/bin`, the highest major first.
fn newest_first(installations: &Path) -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(installations)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors
        .into_iter()
        .map(|major| installations.join(major.to_string()).join("bin"))
        .collect()
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is 15; `17beta1` is 17.
fn major_of(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn installation(dir: &Path, version: &str) {
        fs::create_dir_all(dir).unwrap();
        for program in ["initdb", "postgres"] {
            let file = dir.join(program);
            fs::write(
                &file,
                format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn major_is_read_from_every_form_of_version() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18beta2"), Some(18));
        assert_eq!(major_of("something else"), None);
    }

    #[test]
    fn the_newest_installation_is_taken_and_the_named_one_wins() {
        let root = tempfile::tempdir().unwrap();
        installation(&root.path().join("9/bin"), "9.6.1");
        installation(&root.path().join("15/bin"), "15.3");
        installation(&root.path().join("16/bin"), "16.2");
        let found = Binaries::find_in(None, None, root.path()).unwrap();
        assert_eq!(
            (found.major(), found.dir()),
            (16, root.path().join("16/bin").as_path())
        );
        let named = Binaries::find_in(Some(root.path().join("15/bin").into()), None, root.path()).unwrap();
        assert_eq!(named.major(), 15);
    }

    #[test]
    fn what_was_tried_is_named_when_nothing_serves() {
        let root = tempfile::tempdir().unwrap();
        installation(&root.path().join("13/bin"), "13.9");
        let error = Binaries::find_in(None, None, root.path()).unwrap_err();
        assert!(error.to_string().contains("13/bin (version 13)"), "{error}");
        let named = Some(root.path().join("absent").into());
        let error = Binaries::find_in(named, None, Path::new(INSTALLATIONS)).unwrap_err();
        assert!(error.to_string().contains("absent (no initdb)"), "{error}");
        assert!(error.remedy().contains("DRIFTLESS_PG_BIN"));
    }

    #[test]
    fn wrappers_in_path_are_passed_over_and_links_followed() {
        let root = tempfile::tempdir().unwrap();
        installation(&root.path().join("wrapped"), "15.3");
        let real = root.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::write(real.join("postgres"), b"\x7fELF").unwrap();
        let linked = root.path().join("linked");
        fs::create_dir(&linked).unwrap();
        symlink(real.join("postgres"), linked.join("postgres")).unwrap();
        let path = env::join_paths([root.path().join("wrapped"), linked]).unwrap();
        assert_eq!(in_path(&path), vec![real.canonicalize().unwrap()]);
    }
}
