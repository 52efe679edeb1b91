use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run;

use super::{Format, Work};
use crate::failure::Failure;
use crate::render;

/// Show what becomes of every source table and column
///
/// Each one is mapped, left out with the reason that `[ignore]` gives, or forgotten. The exit code is 1 where something is
/// forgotten. Nothing is changed in either database.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless coverage           what is forgotten, and what is left out with its reason
  driftless coverage --all     every table and column
  driftless coverage --json | jq '.relations[] | select(.fate == \"forgotten\").relation'")]
pub(crate) struct Arguments {
    /// Mapped tables and columns too
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// What forbids planning. What is forgotten is no error; the exit code tells.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    let report = run::coverage(work.spec()).await?;
    work.report(&arguments.format, "coverage", &report, |report, width| {
        render::coverage(report, arguments.all, width)
    })?;
    Ok(if report.forgotten_relations + report.forgotten_columns > 0 {
        Exit::Remaining
    } else {
        Exit::Done
    })
}
