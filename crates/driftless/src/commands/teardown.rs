use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run::report::TeardownReport;
use driftless_engine::run::teardown;

use super::{Format, Work};
use crate::failure::Failure;
use crate::render;

/// Remove the pipeline's state from the target
///
/// Names everything first, then asks. What runs left on record is forgotten: executions, checkpoints, rejects. The rows that
/// were loaded stay. The identities stay as well, unless --forget-identities is given, which drops the whole schema: without
/// them nobody can tell any more which source row became which target row, and no later run knows what was loaded.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless teardown                             names what goes, and asks
  driftless teardown --yes                       does not ask
  driftless teardown --forget-identities --yes   nothing of the pipeline is left")]
pub(crate) struct Arguments {
    /// Remove the identities too.
    #[arg(long)]
    pub(crate) forget_identities: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// Nobody said yes, or the state cannot be removed.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    let forget = arguments.forget_identities;
    let preview = teardown::preview(work.spec()).await?;
    if nothing(&preview, forget) {
        let text = "nothing to remove: the state is empty\n";
        return report(arguments, work, &preview, text.to_owned());
    }
    work.terminal
        .warn(&render::teardown(&preview, forget, work.terminal.width()));
    // What is set aside forbids it: the engine says so, and nobody need be asked.
    if preview.set_aside.is_empty() && !work.confirm(question(forget)).await? {
        work.terminal.tell("nothing was removed");
        return Ok(Exit::Done);
    }
    let removed = teardown::remove(work.spec(), forget).await?;
    let text = render::torn_down(&removed, forget);
    report(arguments, work, &removed, text)
}

fn question(forget: bool) -> &'static str {
    if forget {
        "Drop all of it, identities included? This cannot be undone."
    } else {
        "Empty the state?"
    }
}

fn nothing(report: &TeardownReport, forget: bool) -> bool {
    report.state.is_empty() && report.set_aside.is_empty() && (!forget || report.identities.is_empty())
}

fn report(
    arguments: &Arguments,
    work: &Work,
    report: &TeardownReport,
    text: String,
) -> Result<Exit, Failure> {
    work.report(&arguments.format, "teardown", report, |_, _| text)?;
    Ok(Exit::Done)
}
