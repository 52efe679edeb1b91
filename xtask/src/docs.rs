use std::fs;
use std::process::ExitCode;

use crate::workspace;

/// The reference of all commands, which the program writes itself.
const COMMANDS: &str = "docs/reference/cli.md";

/// Writes the documents that are generated. A test of each one's origin says when it is not current.
pub(crate) fn run() -> Result<ExitCode, String> {
    let output = workspace::cargo()
        .args(["run", "--quiet", "--package", "driftless", "--", "reference"])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let path = workspace::root().join(COMMANDS);
    fs::write(&path, output.stdout).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("{COMMANDS}");
    Ok(ExitCode::SUCCESS)
}
