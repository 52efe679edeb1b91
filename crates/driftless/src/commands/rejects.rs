mod list;

use clap::{Args, Subcommand};
use driftless_core::code::{self, Code, Exit};
use driftless_core::spec::Spec;
use driftless_engine::run::rejects;
use driftless_engine::run::report::RejectFilter;
use serde_json::json;

use super::{Format, Scope, Work, canonical_key, entity};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;

pub(crate) use list::{List, list};

/// List, look at, retry or discard rows that were not loaded
///
/// A row that cannot be shaped or written is on record with its key, what is wrong and the source row, until a retry
/// succeeds or the record is discarded.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless rejects list                              counted by what is wrong, then the first rows
  driftless rejects show orders 1207                  one row with everything on record
  driftless rejects retry orders                      read them from the source again
  driftless rejects discard --code DL0404 --yes       forget them")]
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
}

impl Arguments {
    /// Whether the command ends by itself soon after it was asked to.
    pub(crate) fn stops(&self) -> bool {
        matches!(self.command, Command::Retry(_))
    }
}

/// Which rejects are meant; everything given must hold.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only this entity; with a key behind it, only that row.
    #[arg(value_name = "ENTITY", conflicts_with = "entities")]
    pub(crate) entity: Option<String>,
    /// The row's key in the source; one value per column of the key.
    #[arg(value_name = "KEY", conflicts_with = "keys", allow_negative_numbers = true)]
    pub(crate) key: Vec<String>,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Only the row with this key; may be repeated. Of a key of several columns, a JSON array of texts.
    #[arg(long = "key", value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) keys: Vec<String>,
    /// Only this code, such as DL0404; may be repeated.
    #[arg(long = "code", value_name = "CODE", value_parser = parse_code)]
    pub(crate) codes: Vec<String>,
    /// Only this category.
    #[arg(long, value_name = "CATEGORY", value_parser = ["technical", "data_quality", "business_rule"])]
    pub(crate) category: Option<String>,
}

impl Selection {
    fn filter(&self, spec: &Spec) -> Result<RejectFilter, Failure> {
        let mut entities = self.scope.of(spec)?.to_vec();
        if let Some(name) = &self.entity {
            entity(spec, name)?;
            entities.push(name.clone());
        }
        let mut keys = self.keys.clone();
        if !self.key.is_empty() {
            keys.push(canonical_key(&self.key));
        }
        Ok(RejectFilter {
            entities,
            keys,
            codes: self.codes.clone(),
            category: self.category.clone(),
        })
    }
}

fn parse_code(text: &str) -> Result<String, String> {
    let upper = text.to_uppercase();
    match Code::parse(&upper) {
        Some(_) => Ok(upper),
        None => Err("codes look like DL0404".to_owned()),
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
  driftless rejects discard --category business_rule --yes")]
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
    let mut groups = rejects::groups(work.spec(), &filter).await?;
    groups.retain(render::is_open);
    let number: i64 = groups.iter().map(|group| group.rows).sum();
    let mut discarded = 0;
    if number > 0 {
        let table = render::reject_groups(&groups, work.terminal.width());
        work.terminal.warn(&format!("this forgets:\n{table}"));
        if work.confirm(&format!("Forget {}?", render::rows(number))).await? {
            discarded = rejects::discard(work.spec(), &filter).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_in_any_case_and_must_exist() {
        assert_eq!(parse_code("dl0404").as_deref(), Ok("DL0404"));
        assert!(parse_code("DL404").is_err());
        assert!(parse_code("DL9999").is_err());
    }
}
