use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run;
use driftless_engine::run::report::{AbandonReport, Deletion, MigrateReport};

use super::{Format, Scope, Work};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;

/// Load the target from the source; started again, continue
///
/// Every row of the source is either in the target afterwards or on record as rejected, with the reason. A run that was
/// interrupted, in whatever way, continues where it was; what is done already is not done again.
///
/// When connections are lost, or a server restarts or is full, it waits and goes on by itself, as long as that leads
/// on.
///
/// Ctrl-C ends the batch in flight and leaves everything so that the same command continues; a second one ends at once,
/// and loses nothing either.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless migrate                             load, or continue
  driftless migrate --entity orders             this entity only
  driftless migrate --restart --entity orders   delete what was loaded there and below, and load again
  driftless migrate --abandon                   put constraints and indexes back, leave the rows

Exit codes: 0 done; 1 done, and rejected rows are on record; 4 halted; 5 another instance works on it;
130 interrupted, and the same command continues.")]
pub(crate) struct Arguments {
    /// Delete what this pipeline loaded, there and in what refers to it, and start over.
    #[arg(long, conflicts_with = "abandon")]
    pub(crate) restart: bool,
    /// Put back the constraints and indexes that a load set aside, and leave the rows.
    #[arg(long, conflicts_with = "entities")]
    pub(crate) abandon: bool,
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// What stopped the run. Rows on record as rejected are no error; the exit code tells.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    if arguments.abandon {
        return abandon(arguments, work).await;
    }
    let only = arguments.scope.of(work.spec())?;
    if arguments.restart && !restart(only, work).await? {
        work.terminal.tell("nothing was deleted");
        return Ok(Exit::Done);
    }
    let (events, progress) = Progress::start(&work.terminal);
    let outcome = run::migrate(work.spec(), only, &events, &work.stop).await;
    progress.finish().await;
    let report = outcome?;
    work.report(&arguments.format, "migrate", &report, |report, width| {
        render::migrated(report, width)
    })?;
    Ok(exit(&report))
}

fn exit(report: &MigrateReport) -> Exit {
    if report.on_record > 0 {
        Exit::Remaining
    } else {
        Exit::Done
    }
}

/// Deletes what was loaded, once it has been named and somebody has said yes. Whether it did.
async fn restart(only: &[String], work: &Work) -> Result<bool, Failure> {
    let preview = run::restart_preview(work.spec(), only).await?;
    let rows: i64 = preview.iter().map(|deletion| deletion.rows).sum();
    work.terminal.warn(&format!(
        "this deletes from the target:\n{}",
        table(&preview, work)
    ));
    if !work
        .confirm(&format!("Delete {} and load again?", render::rows(rows)))
        .await?
    {
        return Ok(false);
    }
    let (events, progress) = Progress::start(&work.terminal);
    let outcome = run::restart(work.spec(), only, &events).await;
    progress.finish().await;
    let deleted = outcome?.iter().map(|deletion| deletion.rows).sum();
    work.terminal.tell(&format!("{} deleted", render::rows(deleted)));
    Ok(true)
}

fn table(deletions: &[Deletion], work: &Work) -> String {
    render::deletions(deletions, work.terminal.width())
}

async fn abandon(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    let (events, progress) = Progress::start(&work.terminal);
    let outcome = run::abandon(work.spec(), &events).await;
    progress.finish().await;
    let report = outcome?;
    work.report(&arguments.format, "abandon", &report, |report, width| {
        render::abandoned(report, width)
    })?;
    Ok(abandoned(&report))
}

fn abandoned(report: &AbandonReport) -> Exit {
    if !report.failed.is_empty() {
        Exit::Halted
    } else if !report.not_validated.is_empty() {
        Exit::Remaining
    } else {
        Exit::Done
    }
}
