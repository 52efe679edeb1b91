//! Where the mapping is, and how its files are called before the operator.

use std::env;
use std::path::{Path, PathBuf};

use driftless_core::code;

use crate::failure::Failure;

/// The name that a mapping has unless `--config` says otherwise.
const NAME: &str = "driftless.toml";

/// The mapping's root file: the named one, else the nearest `driftless.toml` from the working directory upwards.
pub(super) fn mapping(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let here = env::current_dir().map_err(|error| {
        let message = format!("the working directory cannot be told: {error}");
        Failure::new(code::MAPPING_UNREADABLE, "mapping", message)
            .remedy("name the mapping with --config FILE")
    })?;
    above(&here).ok_or_else(|| {
        let message = format!("there is no {NAME} in {} or above it", here.display());
        Failure::new(code::MAPPING_UNREADABLE, "mapping", message)
            .remedy("go to the directory of the mapping, or name the file with --config FILE")
    })
}

fn above(start: &Path) -> Option<PathBuf> {
    let candidates = start.ancestors().map(|dir| dir.join(NAME));
    candidates.into_iter().find(|path| path.is_file())
}

/// A path as the operator would write it: relative to the working directory where it lies below.
pub(super) fn shown(path: &Path) -> String {
    let below = env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_nearest_mapping_above_is_found() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        // A directory of that name is no mapping.
        fs::create_dir(root.path().join("a/b/driftless.toml")).unwrap();
        fs::write(root.path().join("a/driftless.toml"), "").unwrap();
        assert_eq!(above(&deep), Some(root.path().join("a/driftless.toml")));
        assert_eq!(above(root.path()), None);
    }
}
