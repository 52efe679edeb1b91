use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::error::ClusterError;

/// The ordinary user that a server runs as when we are root; its programs refuse root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The user to change to, or `None` where `our_uid` is an ordinary user already.
    pub(crate) fn to_change_to(our_uid: u32) -> Result<Option<Self>, ClusterError> {
        if our_uid != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").map_err(ClusterError::file("read", "/etc/passwd"))?;
        choose(&users).map(Some).ok_or(ClusterError::NoAccount)
    }

    /// Makes `command` run as this user, without any group of ours.
    pub(crate) fn applied_to(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// `postgres`, else `nobody`, else the first ordinary user.
fn choose(users: &str) -> Option<Account> {
    let entries: Vec<(&str, Account)> = users
        .lines()
        .filter_map(entry)
        .filter(|(_, a)| a.uid != 0)
        .collect();
    let named = |name: &str| entries.iter().find(|(n, _)| *n == name);
    named("postgres")
        .or_else(|| named("nobody"))
        .or_else(|| entries.iter().find(|(_, a)| a.uid >= 1000))
        .map(|(_, account)| *account)
}

fn entry(line: &str) -> Option<(&str, Account)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some((name, Account { uid, gid }))
}

/// Whether every user may pass through `dir` to what lies below it.
pub(crate) fn open_to_all(dir: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(real) = dir.canonicalize() else {
        return false;
    };
    real.ancestors()
        .all(|part| fs::metadata(part).is_ok_and(|m| m.permissions().mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_is_preferred_then_nobody_then_an_ordinary_user() {
        let root = "root:x:0:0:root:/root:/bin/sh\n";
        let daemon = "daemon:x:1:1::/:/bin/false\n";
        let nobody = "nobody:x:65534:65533::/:/bin/false\n";
        let ann = "ann:x:1000:1001::/home/ann:/bin/sh\n";
        let postgres = "postgres:x:101:104::/:/bin/sh\n";
        let chosen = |parts: &[&str]| choose(&parts.concat()).map(|a| (a.uid, a.gid));
        assert_eq!(chosen(&[root, ann, nobody, postgres]), Some((101, 104)));
        assert_eq!(chosen(&[root, ann, nobody]), Some((65534, 65533)));
        assert_eq!(chosen(&[root, daemon, ann]), Some((1000, 1001)));
        assert_eq!(chosen(&[root, daemon]), None);
    }

    #[test]
    fn an_ordinary_user_stays_who_they_are() {
        assert_eq!(Account::to_change_to(1000).unwrap(), None);
    }
}
