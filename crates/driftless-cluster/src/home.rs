use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::account::{Account, open_to_all};
use crate::error::ClusterError;
use crate::process::random_hex;

/// Every directory of ours is called so; nothing without this name is ever removed.
const PREFIX: &str = "driftless-pg-";

/// Longest parent directory that leaves room for a socket's path, which the system limits to 107 bytes.
const LONGEST_PARENT: usize = 60;

/// What the guard does once its input ends: by our death, by our wish (the word "ended"), or never if the word is "keep".
///
/// Where we died while `initdb` ran, that goes on for a moment and makes anew what was removed: the directory must stay
/// away for a while.
///
/// It is told the directory as `$0`. It must not die with us, so it ignores the signals that a terminal or a
/// service manager sends to the whole group.
const GUARD: &str = r#"
trap '' HUP INT QUIT TERM
read -r word
[ "$word" = keep ] && exit 0
if read -r pid 2>/dev/null <"$0/data/postmaster.pid"; then
    if [ ! -d /proc/self ] || tr '\000' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$0/data"; then
        kill -QUIT "$pid" 2>/dev/null
        turns=0
        while [ -e "$0/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $turns -lt 100 ]; do
            sleep 0.1
            turns=$((turns + 1))
        done
        [ $turns -lt 100 ] || kill -KILL "$pid" 2>/dev/null
    fi
fi
times=5
[ "$word" = ended ] && times=1
turns=0
gone=0
while [ $turns -lt 100 ]; do
    if rm -rf -- "$0" 2>/dev/null && [ ! -e "$0" ]; then gone=$((gone + 1)); else gone=0; fi
    [ $gone -lt $times ] || exit 0
    sleep 0.1
    turns=$((turns + 1))
done
"#;

/// The directory of one server, removed with this value or, should we be killed, by its guard.
#[derive(Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    account: Option<Account>,
    guard: Option<Child>,
}

impl Home {
    /// Makes a fresh directory and sets its guard.
    pub(crate) fn create() -> Result<Self, ClusterError> {
        // The one who owns what we write is who we are.
        let account = Account::to_change_to(our_uid()?)?;
        let dir = parent(account.is_some()).join(format!("{PREFIX}{}", random_hex(6)?));
        // The guard comes first: there is no moment in which we could die and leave the directory behind.
        let home = Self {
            guard: Some(guard(&dir)?),
            dir: dir.clone(),
            account,
        };
        fs::DirBuilder::new()
            .mode(0o755)
            .create(&dir)
            .map_err(ClusterError::file("create", &dir))?;
        for (name, mode) in [("data", 0o700), ("s", 0o700)] {
            let part = dir.join(name);
            fs::create_dir(&part).map_err(ClusterError::file("create", &part))?;
            home.hand_over(&part, mode)?;
        }
        Ok(home)
    }

    /// Gives a file or directory to the user that the server runs as.
    fn hand_over(&self, path: &Path, mode: u32) -> Result<(), ClusterError> {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, permissions).map_err(ClusterError::file("set the mode of", path))?;
        if let Some(Account { uid, gid }) = self.account {
            chown(path, Some(uid), Some(gid)).map_err(ClusterError::file("change the owner of", path))?;
        }
        Ok(())
    }

    /// Writes a file that only the server's user may read, into the directory's part `below`.
    pub(crate) fn write(&self, below: &str, text: &str) -> Result<PathBuf, ClusterError> {
        let path = self.dir.join(below);
        fs::write(&path, "").map_err(ClusterError::file("write", &path))?;
        self.hand_over(&path, 0o600)?;
        fs::write(&path, text).map_err(ClusterError::file("write", &path))?;
        Ok(path)
    }

    /// A command that runs as the server's user, here, with nothing of our environment that changes its ways.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.dir)
            .env_clear()
            .env("LC_ALL", "C")
            .env("HOME", &self.dir);
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = env::var_os(kept) {
                command.env(kept, value);
            }
        }
        if let Some(account) = self.account {
            account.applied_to(&mut command);
        }
        command
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn sockets(&self) -> PathBuf {
        self.dir.join("s")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Leaves the directory, and the server in it, behind on purpose.
    pub(crate) fn leave_behind(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            if let Some(input) = &mut guard.stdin {
                let _ = input.write_all(b"keep\n");
            }
            let _ = guard.wait();
        }
        self.dir = PathBuf::new();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.dir.as_os_str().is_empty() {
            return;
        }
        if let Some(mut guard) = self.guard.take() {
            if let Some(mut input) = guard.stdin.take() {
                let _ = input.write_all(b"ended\n");
            }
            let _ = guard.wait();
        }
        let _ = remove(&self.dir);
    }
}

/// Removes a directory if it is one of ours. One that is gone already is no error.
pub(crate) fn remove(dir: &Path) -> Result<(), ClusterError> {
    if !is_ours(dir) {
        let reason = format!("its name does not begin with {PREFIX}");
        return Err(ClusterError::NotOurs {
            path: dir.to_owned(),
            reason,
        });
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ClusterError::file("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

fn is_ours(dir: &Path) -> bool {
    dir.is_absolute()
        && dir
            .file_name()
            .and_then(|n| n.to_str())
            .is_some_and(|n| n.starts_with(PREFIX))
}

/// Who we are, told by what we own: `std` has no other way.
pub(crate) fn our_uid() -> Result<u32, ClusterError> {
    if let Ok(process) = fs::metadata("/proc/self") {
        return Ok(process.uid());
    }
    let probe = env::temp_dir().join(format!("{PREFIX}{}", random_hex(6)?));
    fs::create_dir(&probe).map_err(ClusterError::file("create", &probe))?;
    let uid = fs::metadata(&probe).map(|m| m.uid());
    let _ = fs::remove_dir(&probe);
    uid.map_err(ClusterError::file("look at", &probe))
}

/// Where directories are made: the system's temporary directory where it serves.
fn parent(for_another_user: bool) -> PathBuf {
    let usual = env::temp_dir();
    let serves = usual.as_os_str().len() <= LONGEST_PARENT && (!for_another_user || open_to_all(&usual));
    if serves { usual } else { PathBuf::from("/tmp") }
}

fn guard(dir: &Path) -> Result<Child, ClusterError> {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(GUARD)
        .arg(dir)
        .current_dir("/")
        .process_group(0);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let failed = |error: std::io::Error| ClusterError::Program {
        program: "sh".to_owned(),
        output: error.to_string(),
    };
    command.spawn().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_gone_with_its_value() {
        let home = Home::create().unwrap();
        let dir = home.dir().to_owned();
        assert!(dir.join("data").is_dir());
        drop(home);
        assert!(!dir.exists());
    }

    #[test]
    fn only_directories_with_our_name_are_removed() {
        let other = tempfile::tempdir().unwrap();
        assert!(matches!(remove(other.path()), Err(ClusterError::NotOurs { .. })));
        assert!(other.path().exists());
        assert!(remove(Path::new("/nonexistent/driftless-pg-0")).is_ok());
    }
}
