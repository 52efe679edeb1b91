use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run;

use super::{Format, Scope, Work};
use crate::failure::Failure;
use crate::render;

/// Compare both databases
///
/// Counts, keys in both directions, references that lead nowhere, and exact sums, least and greatest values of every
/// comparable column, computed from the source through the plan. Nothing is changed in either database.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless validate                      everything
  driftless validate --entity payments    one entity
  driftless validate --json > report.json

Exit codes: 0 no difference; 1 differences.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// What kept it from comparing. Differences are no error; the exit code tells.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    let only = arguments.scope.of(work.spec())?;
    let validation = run::validate(work.spec(), only).await?;
    work.report(&arguments.format, "validate", &validation, |validation, width| {
        render::validated(validation, width)
    })?;
    Ok(if validation.differences > 0 {
        Exit::Remaining
    } else {
        Exit::Done
    })
}
