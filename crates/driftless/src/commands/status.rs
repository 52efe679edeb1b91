use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run;

use super::{Format, Scope, Work};
use crate::failure::Failure;
use crate::render;

/// Show executions, checkpoints, rejects and what is set aside
///
/// Reads the pipeline's state in the target and changes nothing, also while another instance works on it.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless status                      entities, executions, what is set aside
  driftless status --entity orders      the same of one entity
  driftless status --json | jq '.executions[0].state'")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// The state cannot be read.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    arguments.scope.of(work.spec())?;
    let mut report = run::status(work.spec()).await?;
    report
        .entities
        .retain(|entity| arguments.scope.includes(&entity.entity));
    for execution in &mut report.executions {
        execution
            .entities
            .retain(|entity| arguments.scope.includes(&entity.entity));
    }
    work.report(&arguments.format, "status", &report, |report, width| {
        render::status(report, width)
    })?;
    Ok(Exit::Done)
}
