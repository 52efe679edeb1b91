use clap::Args;
use driftless_core::code::Exit;
use driftless_core::error::{Finding, blocks};
use driftless_engine::run;
use serde_json::{Value, json};

use super::{Format, Work};
use crate::failure::{Failure, exit_after, findings_text};
use crate::render;

/// Check the mapping against both databases
///
/// Reads both catalogs, asks PostgreSQL about every expression, and looks at privileges and at what the platform allows.
/// Everything that is wrong is shown at once, with the place in the mapping and what to do about it. Nothing is
/// changed in either database.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless check                     the mapping here or above
  driftless check --config lab.toml   another one
  driftless check --json              findings for an editor or a pipeline")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// What the check found that forbids going on, or what kept it from looking.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    let outcome = run::check(work.spec()).await.map_err(Failure::from);
    if arguments.format.json {
        let document = document(work, outcome.as_ref());
        work.report(&arguments.format, "check", document, |_, _| String::new())?;
        // The findings are in the document; the exit code says the rest.
        return Ok(outcome.map_or_else(|failure| failure.exit(), |report| exit_after(&report.findings)));
    }
    let report = outcome?;
    if !report.findings.is_empty() {
        let text = findings_text(&report.findings, &work.mapping.sources, work.terminal.color());
        work.terminal.warn(&text);
    }
    work.terminal.print(&render::checked(&report))?;
    Ok(exit_after(&report.findings))
}

fn document(work: &Work, outcome: Result<&run::report::PlanReport, &Failure>) -> Value {
    let findings = |findings: &[Finding]| {
        render::findings_value(findings, |finding| work.mapping.sources.locate(finding.span?))
    };
    let found = match outcome {
        Ok(report) => [work.mapping.notes.as_slice(), report.findings.as_slice()].concat(),
        Err(failure) => [work.mapping.notes.as_slice(), failure.findings()].concat(),
    };
    json!({
        "pipeline": work.spec().pipeline.name,
        "ok": outcome.is_ok() && !blocks(&found),
        "findings": findings(&found),
    })
}
