use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run;

use super::{Format, Scope, Work};
use crate::failure::{Failure, exit_after, findings_text};
use crate::render;

/// Show what `migrate` would do, and why
///
/// Entities in the order in which they start, the way each one is written and the reason for it, estimates of rows
/// and bytes, what is set aside, and indexes that would help. With --entity also how each column's value travels, which
/// constraints and indexes are set aside, which stay in place, and the SQL that runs on each side.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless plan                      every entity, a line each
  driftless plan --entity orders      everything about one
  driftless plan --json | jq '.entities[] | {entity, path, reason}'
  driftless plan --json | jq -r '.entities[].indexes[].sql'

Exit codes: 0 migrate would do this; 4 it would refuse to continue an entity, and says why.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// What forbids planning.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    let only = arguments.scope.of(work.spec())?;
    let mut report = run::plan(work.spec()).await?;
    report
        .entities
        .retain(|entity| arguments.scope.includes(&entity.entity));
    if !report.findings.is_empty() {
        let text = findings_text(&report.findings, &work.mapping.sources, work.terminal.color());
        work.terminal.warn(&text);
    }
    work.report(&arguments.format, "plan", &report, |report, width| {
        if only.is_empty() {
            return render::planned(report, width);
        }
        let details: Vec<String> = report
            .entities
            .iter()
            .map(|entity| render::detail(entity, width))
            .collect();
        details.join("\n")
    })?;
    Ok(exit_after(&report.findings))
}
