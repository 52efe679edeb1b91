use std::process::ExitCode;

use driftless_testkit::servers::{SOURCE_ADMIN_URL, TARGET_ADMIN_URL, start_pair};

use crate::workspace;

/// Starts one server pair, runs the tests against it, and stops it. The arguments go to `cargo nextest run`;
/// without `-p` the whole workspace is tested. The summary of nextest is the last thing printed.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let arguments: Vec<String> = arguments.collect();
    let chosen = arguments
        .iter()
        .any(|a| a.starts_with("-p") || a.starts_with("--package"));
    let (source, target) = start_pair().map_err(|error| format!("{error}\n  {}", error.remedy()))?;
    let status = workspace::cargo()
        .args(["nextest", "run"])
        .args((!chosen).then_some("--workspace"))
        .args(arguments)
        .current_dir(workspace::root())
        .env(SOURCE_ADMIN_URL, source.admin_url())
        .env(TARGET_ADMIN_URL, target.admin_url())
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
