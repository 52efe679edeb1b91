use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What libpq would find around a program: environment variables, and by `HOME` the files of the user. Does not print
/// values, since one of them may be a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    variables: BTreeMap<String, String>,
}

impl Surroundings {
    /// With these variables; only those that libpq reads are kept, and `HOME` and `USER`.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Surroundings {
        Surroundings {
            variables: variables
                .into_iter()
                .filter(|(name, _)| name.starts_with("PG") || name == "HOME" || name == "USER")
                .collect(),
        }
    }

    /// A variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A file below the user's home directory.
    pub(super) fn at_home(&self, path: &str) -> Option<PathBuf> {
        self.get("HOME").map(|home| PathBuf::from(home).join(path))
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
