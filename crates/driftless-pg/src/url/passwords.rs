//! The password file: `host:port:database:user:password`, the first line that fits.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Secret, outside};

/// Who asks for a password.
pub(super) struct Asked<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// What a password file has to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing: there is no such file, or no line fits.
    Nothing,
    /// It is left aside, for this reason.
    Ignored(String),
    /// A password.
    Password(Secret),
}

/// Looks a password up. As libpq does, a file that others may read is not used.
pub(super) fn look_up(path: &Path, asked: &Asked<'_>) -> Found {
    let Ok(metadata) = fs::metadata(path) else {
        return Found::Nothing;
    };
    let ignored =
        |why: &str| Found::Ignored(format!("the password file {} is ignored: {why}", path.display()));
    if !metadata.is_file() {
        return ignored("it is no file");
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return ignored("others may read it; `chmod 600` it");
    }
    match outside::whole(path) {
        Ok(bytes) => match line_for(&String::from_utf8_lossy(&bytes), asked) {
            Some(password) => Found::Password(Secret::new(password)),
            None => Found::Nothing,
        },
        Err(error) => ignored(&error.to_string()),
    }
}

/// The password of the first line that fits.
fn line_for(text: &str, asked: &Asked<'_>) -> Option<String> {
    let port = asked.port.to_string();
    let wanted = [asked.host, &port, asked.database, asked.user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut rest = line;
            for name in wanted {
                let (field, behind) = field(rest)?;
                let fits = rest.starts_with("*:") || field == name;
                rest = behind.filter(|_| fits)?;
            }
            Some(field(rest)?.0)
        })
}

/// One field with its backslashes resolved, and what stands behind its colon.
fn field(text: &str) -> Option<(String, Option<&str>)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            ':' => return Some((value, Some(&text[at + 1..]))),
            c => value.push(c),
        }
    }
    Some((value, None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// With backslashes before what has a meaning, every name and password is found again, between lines of any kind.
        #[test]
        fn what_is_written_is_found(
            before in "(#\\PC{0,9}\n|[a-z:*\\\\]{0,9}\n){0,3}",
            host in "[a-z:\\\\*é]{1,6}",
            user in "[a-z:\\\\*é]{1,6}",
            password in "\\PC{1,9}",
        ) {
            let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:").replace('*', "\\*");
            let line = format!("{}:5432:d\\:b:{}:{}\n", escaped(&host), escaped(&user), escaped(&password));
            // A line before it may fit as well, with stars.
            if ask(&before, &host, &user).is_none() {
                prop_assert_eq!(ask(&format!("{before}{line}"), &host, &user), Some(password));
            }
        }

        #[test]
        fn any_text_is_a_password_file(text in any::<String>(), lines in "[*:h5432du\\\\#\n]{0,40}") {
            ask(&text, "h", "u");
            ask(&lines, "h", "u");
        }
    }

    fn ask(text: &str, host: &str, user: &str) -> Option<String> {
        let asked = Asked {
            host,
            port: 5432,
            database: "d:b",
            user,
        };
        line_for(text, &asked)
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# h:*:*:u:comment\n\nh:5433:*:u:port\nh:*:d\\:b:u:p\\:w\\\\\nh:*:*:*:later\n*:*:*:v:any:rest\nbroken\n";
        assert_eq!(ask(text, "h", "u").as_deref(), Some("p:w\\"));
        assert_eq!(ask(text, "h", "x").as_deref(), Some("later"));
        assert_eq!(ask(text, "i", "v").as_deref(), Some("any"));
        assert_eq!(ask(text, "i", "x"), None);
        // An escaped asterisk is a name.
        assert_eq!(ask("\\*:*:*:u:p", "h", "u"), None);
        assert_eq!(ask("\\*:*:*:u:p", "*", "u").as_deref(), Some("p"));
    }
}
