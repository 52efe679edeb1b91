use std::fs;
use std::process::ExitCode;

use driftless_core::plan::matrix;
use driftless_core::spec::definition::{page, schema};

use crate::workspace;

/// The reference of all commands, which the program writes itself.
const COMMANDS: &str = "docs/reference/cli.md";

/// The manual pages, which it writes too.
const MANUAL: &str = "docs/man";

/// The reference of the mapping, whose tables are made from its definition.
const MAPPING: &str = "docs/reference/mapping.md";

/// The schema of the mapping, from the same definition.
const SCHEMA: &str = "docs/reference/mapping.schema.json";

/// The reference of copies between types, whose matrix is made from the rule itself.
const TYPES: &str = "docs/reference/types.md";

/// Writes the documents that are generated. A test of each one's origin says when it is not current.
pub(crate) fn run() -> Result<ExitCode, String> {
    mapping()?;
    let page = read(TYPES)?;
    write(TYPES, &matrix::page::filled(&page)?)?;
    let path = workspace::root().join(COMMANDS);
    let reference = program(&["reference"])?;
    fs::write(&path, reference).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("{COMMANDS}");
    // Pages of commands that are gone go too.
    let pages = workspace::root().join(MANUAL);
    if pages.is_dir() {
        fs::remove_dir_all(&pages).map_err(|error| format!("cannot empty {}: {error}", pages.display()))?;
    }
    program(&["--quiet", "man", MANUAL])?;
    println!("{MANUAL}");
    Ok(ExitCode::SUCCESS)
}

/// What the program writes to its standard output.
fn program(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = workspace::cargo()
        .args(["run", "--quiet", "--package", "driftless", "--"])
        .args(arguments)
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(output.stdout)
}

fn mapping() -> Result<(), String> {
    let page = read(MAPPING)?;
    write(MAPPING, &page::filled(&page)?)?;
    write(SCHEMA, &schema::text())
}

fn read(name: &str) -> Result<String, String> {
    let path = workspace::root().join(name);
    fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(name: &str, text: &str) -> Result<(), String> {
    let path = workspace::root().join(name);
    fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("{name}");
    Ok(())
}
