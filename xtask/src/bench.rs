use std::process::ExitCode;

/// What processes cost: CPU time and memory.
mod meter;
/// The load, beside what it can be compared with.
mod load;

/// `cargo xtask bench load`: the arguments that follow `bench`.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    match arguments.next().as_deref() {
        Some("load") => load::run(&load::Wishes::read(arguments)?),
        other => Err(format!(
            "bench {}: there is only `bench load`",
            other.unwrap_or_default()
        )),
    }
}
