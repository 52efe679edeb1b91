//! The variables that a mapping may read.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use driftless_core::code;

use crate::failure::Failure;

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
    let lines = dotenvy::from_path_iter(path).map_err(|error| refuse(path, &error))?;
    lines
        .collect::<Result<_, _>>()
        .map_err(|error| refuse(path, &error))
}

/// Never shows the line itself: it may be a password.
fn refuse(path: &Path, error: &dotenvy::Error) -> Failure {
    let message = match error {
        dotenvy::Error::LineParse(_, at) => format!("a line cannot be understood at its character {at}"),
        dotenvy::Error::Io(error) => format!("cannot be read: {error}"),
        _ => "cannot be read".to_owned(),
    };
    Failure::new(code::MAPPING_UNREADABLE, path.display().to_string(), message)
        .remedy("write one NAME=value per line, and quote values with blanks, # or $: NAME='value'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
    }
}
