mod csv;
mod destination;
mod export;
mod list;
mod selection;

use clap::{Args, Subcommand};
use driftless_core::code::{self, Exit};
use driftless_engine::run::rejects;
use serde_json::json;

use super::{Format, Work, canonical_key, entity};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;

use export::Export;
pub(crate) use list::{List, list};
use selection::Selection;

/// List, look at, retry, discard or export rows that were not loaded
///
/// A row that cannot be shaped or written is on record with its key, what is wrong and the source row, until a retry
/// succeeds or the record is discarded.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless rejects list                              counted by what is wrong, then the first rows
  driftless rejects show orders 1207                  one row with everything on record
  driftless rejects retry orders                      read them from the source again
  driftless rejects discard --code DL0404 --yes       forget them
  driftless rejects export --output rejects.csv       everything on record, for a spreadsheet")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Retry(Retry),
    Discard(Discard),
    Export(Export),
}

impl Arguments {
    /// Whether the command ends by itself soon after it was asked to.
    pub(crate) fn stops(&self) -> bool {
        matches!(self.command, Command::Retry(_))
    }
}

/// Show everything on record about one row
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless rejects show orders 1207
  driftless rejects show offers 3 120       a key of two columns
  driftless rejects show orders 1207 --json")]
pub(crate) struct Show {
    /// The entity.
    #[arg(value_name = "ENTITY")]
    pub(crate) entity: String,
    /// The row's key in the source; one value per column of the key.
    #[arg(value_name = "KEY", required = true, allow_negative_numbers = true)]
    pub(crate) key: Vec<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// Read rejected rows from the source again and load those that are right now
///
/// The rows go the same way as in a migration. Rows that are gone from the source leave the record.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless rejects retry                 all of them
  driftless rejects retry orders 1207     one row
  driftless rejects retry offers 3 120    one row with a key of two columns
  driftless rejects retry --code DL0400   those whose parent was missing
  driftless rejects retry --parent patients --parent-key 17
                                          those that were left out with one patient

Exit codes: 0 none of them is left on record; 1 some are.")]
pub(crate) struct Retry {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// Forget rejected rows without loading them
///
/// They stay out of the target, and no longer count as rows that somebody has to look at. The record says that they were
/// discarded.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless rejects discard orders 1207
  driftless rejects discard --category business_rule --yes
  driftless rejects discard --rule paid_orders_have_a_date --since 2h")]
pub(crate) struct Discard {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// The state cannot be read or written, or has nothing of the kind.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List(arguments) => list(arguments, work).await,
        Command::Show(arguments) => show(arguments, work).await,
        Command::Retry(arguments) => retry(arguments, work).await,
        Command::Discard(arguments) => discard(arguments, work).await,
        Command::Export(arguments) => export::export(arguments, work).await,
    }
}

/// # Errors
/// As [`run`].
pub(crate) async fn show(arguments: &Show, work: &Work) -> Result<Exit, Failure> {
    entity(work.spec(), &arguments.entity)?;
    let key = canonical_key(&arguments.key);
    let Some(record) = rejects::show(work.spec(), &arguments.entity, &key).await? else {
        let message = format!(
            "{} {} is not on record as rejected",
            arguments.entity,
            render::clean(&key)
        );
        return Err(Failure::new(code::NOT_ON_RECORD, "rejects show", message)
            .remedy("look at driftless rejects list --entity NAME for the keys on record"));
    };
    work.report(&arguments.format, "reject", record, |record, _| {
        render::reject(record)
    })?;
    Ok(Exit::Done)
}

async fn retry(arguments: &Retry, work: &Work) -> Result<Exit, Failure> {
    let filter = arguments.selection.filter(work.spec())?;
    let (events, progress) = Progress::start(&work.terminal);
    let outcome = rejects::retry(work.spec(), &filter, &events, &work.stop).await;
    progress.finish().await;
    let report = outcome?;
    work.report(&arguments.format, "retry", &report, |report, _| {
        render::retried(report)
    })?;
    Ok(if report.still_rejected > 0 {
        Exit::Remaining
    } else {
        Exit::Done
    })
}

async fn discard(arguments: &Discard, work: &Work) -> Result<Exit, Failure> {
    let filter = arguments.selection.filter(work.spec())?;
    let dismissal = rejects::Dismissal::of(work.spec(), &filter).await?;
    let number = dismissal.rows();
    let mut discarded = 0;
    if number > 0 {
        let table = render::reject_groups(&dismissal.groups, work.terminal.width());
        work.terminal.warn(&format!("this forgets:\n{table}"));
        if work.confirm(&format!("Forget {}?", render::rows(number))).await? {
            discarded = dismissal.carry_out().await?;
        }
    }
    if arguments.format.json {
        work.report(
            &arguments.format,
            "discard",
            json!({ "discarded": discarded }),
            |_, _| String::new(),
        )?;
    } else {
        work.terminal.print(&render::discarded(discarded))?;
    }
    Ok(Exit::Done)
}
