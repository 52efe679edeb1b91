//! The variables that a mapping may read.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use driftless_core::code;

use super::dotenv::{self, Broken};
use super::outside::{self, Unreadable};
use crate::failure::Failure;

/// Bytes that a file of variables may have.
const MOST_BYTES: u64 = 1024 * 1024;

/// Where variables come from.
pub(crate) enum Variables {
    /// The environment of the process, and below it the file `.env` beside the mapping.
    OfProcess,
    /// None at all: whatever the operator's shell holds, the mapping means what it says.
    None,
}

impl Variables {
    /// Every variable with its value. Names and values that are not UTF-8 cannot stand in a mapping, and are left out.
    pub(super) fn collect(self, dir: &Path) -> Result<BTreeMap<String, String>, Failure> {
        match self {
            Variables::None => Ok(BTreeMap::new()),
            Variables::OfProcess => {
                let mut all = of_file(&dir.join(".env"))?;
                let own = env::vars_os()
                    .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
                all.extend(own);
                Ok(all)
            }
        }
    }
}

/// What a `.env` file sets; nothing if there is none.
fn of_file(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let bytes = outside::whole(path, MOST_BYTES).map_err(|error| unreadable(path, &error))?;
    dotenv::read(&bytes).map_err(|broken| refused(path, broken))
}

fn unreadable(path: &Path, error: &Unreadable) -> Failure {
    let (message, remedy) = match error {
        Unreadable::NoFile(what) => (format!("is no file but {what}"), "write a file"),
        Unreadable::TooLarge => (
            format!("has more than {} MiB", MOST_BYTES >> 20),
            "keep only variables in it",
        ),
        Unreadable::Io(error) => (
            format!("cannot be read: {}", super::reason(error)),
            "let this user read it, or move it away",
        ),
    };
    refuse(path, message).remedy(remedy)
}

fn refused(path: &Path, broken: Broken) -> Failure {
    let message = match broken {
        Broken::Line(at) => format!("a line cannot be understood at its character {at}"),
        Broken::Bytes => "is not UTF-8 text".to_owned(),
        Broken::Swollen => "values within values ($NAME) could become larger than 16 MiB".to_owned(),
        Broken::Otherwise => "cannot be understood".to_owned(),
    };
    let remedy = if broken == Broken::Swollen {
        "write long values only once, and let no line repeat the one before it"
    } else {
        "write one NAME=value per line, and quote values with blanks, # or $: NAME='value'"
    };
    refuse(path, message).remedy(remedy)
}

fn refuse(path: &Path, message: String) -> Failure {
    Failure::new(code::MAPPING_UNREADABLE, path.display().to_string(), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
    use std::fs;

    proptest! {
        #[test]
        fn any_bytes_are_variables_or_refused(
            noise in prop::collection::vec(any::<u8>(), 0..60),
            lines in "([A-C ]{0,2}=?['\"$\\\\#{}a \n]{0,9}\n){0,5}",
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(".env");
            for bytes in [noise.as_slice(), lines.as_bytes()] {
                fs::write(&path, bytes).unwrap();
                if let Err(failure) = of_file(&path) {
                    prop_assert!(!failure.findings()[0].remedy.is_empty());
                }
            }
        }

        #[test]
        fn what_is_quoted_is_read_as_it_is(value in "([^'\\x00\r]{0,20}[^'\\\\\\x00\r])?") {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(".env");
            fs::write(&path, format!("A='{value}'\n")).unwrap();
            prop_assert_eq!(of_file(&path).unwrap().remove("A"), Some(value));
        }
    }

    #[test]
    fn a_backslash_at_the_end_stands_between_double_quotes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        fs::write(&path, "A=\"a\\\\\"\n").unwrap();
        assert_eq!(of_file(&path).unwrap()["A"], "a\\");
        fs::write(&path, "A='a\\'\n").unwrap();
        assert!(of_file(&path).is_err());
    }

    #[test]
    fn a_file_gives_its_variables_and_a_broken_one_shows_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        assert!(of_file(&path).unwrap().is_empty());
        fs::write(&path, "# comment\nA=1\nB='two words'\n").unwrap();
        let read = of_file(&path).unwrap();
        assert_eq!(read["B"], "two words");
        fs::write(&path, "A=1\nPASSWORD='secret\n").unwrap();
        let failure = of_file(&path).unwrap_err();
        assert!(!format!("{failure:?}").contains("secret"));
        fs::write(&path, b"A=\xff\n").unwrap();
        let failure = of_file(&path).unwrap_err();
        assert_eq!(failure.findings()[0].message, "is not UTF-8 text");
        fs::write(&path, "A=1\n".repeat(300_000)).unwrap();
        let failure = of_file(&path).unwrap_err();
        assert_eq!(failure.findings()[0].message, "has more than 1 MiB");
    }
}
