use std::env;
use std::path::{Path, PathBuf};

/// The path of a data set such as `chinook.sql.gz`: below `DRIFTLESS_SHARED_DATA`, else below `../shared/data`
/// beside the repository.
///
/// # Errors
///
/// The data set is absent; the text says where it was looked for. A test says so and ends.
pub fn shared_data(name: &str) -> Result<PathBuf, String> {
    // As it is when the test runs: a build that is kept elsewhere may have been made in another place.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let beside = Path::new(&package).join("../../../shared/data");
    let folder = env::var_os("DRIFTLESS_SHARED_DATA").map_or(beside, PathBuf::from);
    let file = folder.join(name);
    if file.is_file() {
        return Ok(file);
    }
    Err(format!(
        "absent: {name} is not in {} (DRIFTLESS_SHARED_DATA names another place)",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_data_set_is_named_with_its_place() {
        let error = shared_data("nothing.sql.gz").unwrap_err();
        assert!(error.starts_with("absent: nothing.sql.gz is not in "), "{error}");
    }
}
