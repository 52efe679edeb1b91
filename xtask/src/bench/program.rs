use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::workspace;

/// Runs a program to its end; what it printed.
pub(crate) fn succeed(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name} does not start: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// Builds driftless; where its program is. The whole workspace decides which features dependencies have, as when it is tested:
/// so nothing is built twice.
pub(crate) fn build(profile: &str) -> Result<PathBuf, String> {
    eprintln!("building driftless ({profile})");
    let mut cargo = workspace::cargo();
    cargo
        .args([
            "build",
            "--locked",
            "--workspace",
            "--bin",
            "driftless",
            "--profile",
            profile,
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace::root())
        .stderr(Stdio::inherit());
    let built = cargo
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    let messages = String::from_utf8_lossy(&built.stdout);
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back();
    program
        .filter(|_| built.status.success())
        .ok_or("driftless does not build".to_owned())
}
