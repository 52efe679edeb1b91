use std::process::ExitCode;

/// Programs that are built and run.
pub(crate) mod program;
/// What processes cost: CPU time and memory.
mod meter;
/// The load, beside what it can be compared with.
mod load;
/// A mapping of very many tables, checked.
mod check;

/// `cargo xtask bench load` and `bench check`: the arguments that follow `bench`.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    match arguments.next().as_deref() {
        Some("load") => load::run(&load::Wishes::read(arguments)?),
        Some("check") => check::run(&check::Wishes::read(arguments)?),
        other => Err(format!(
            "bench {}: there are `bench load` and `bench check`",
            other.unwrap_or_default()
        )),
    }
}
