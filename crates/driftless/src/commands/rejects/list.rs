use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run::rejects;
use serde_json::{Value, json};

use super::super::{Format, Work};
use super::Selection;
use crate::failure::Failure;
use crate::render;

/// Rows that are listed unless --limit says otherwise: a screenful.
const LIMIT: u32 = 20;

/// Count rejected rows by what is wrong, and list the first of them
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless rejects list                                  counted, then the first 20 rows
  driftless rejects list --groups                         counted only
  driftless rejects list orders --limit 500
  driftless rejects list --code DL0404 --json | jq -r '.rejects[].key'
  driftless rejects list --warnings                       rows that were loaded with a warning")]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Count only; no rows.
    #[arg(long)]
    pub(crate) groups: bool,
    /// At most so many rows.
    #[arg(long, value_name = "ROWS", default_value_t = LIMIT)]
    pub(crate) limit: u32,
    /// Rows that were loaded although a rule warns of them.
    #[arg(long, conflicts_with_all = ["entity", "entities", "keys", "codes", "category", "groups"])]
    pub(crate) warnings: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// The state cannot be read.
pub(crate) async fn list(arguments: &List, work: &Work) -> Result<Exit, Failure> {
    if arguments.warnings {
        return warnings(arguments, work).await;
    }
    let filter = arguments.selection.filter(work.spec())?;
    let groups = rejects::groups(work.spec(), &filter).await?;
    let rows = match arguments.groups {
        true => Vec::new(),
        false => rejects::list(work.spec(), &filter, i64::from(arguments.limit)).await?,
    };
    let total: i64 = groups.iter().map(|group| group.rows).sum();
    if arguments.format.json {
        let document = json!({ "total": total, "groups": groups, "rejects": rows });
        work.report(&arguments.format, "rejects", document, |_, _| String::new())?;
        return Ok(Exit::Done);
    }
    let width = work.terminal.width();
    if groups.is_empty() {
        work.terminal.print("no rejected rows\n")?;
        return Ok(Exit::Done);
    }
    let mut text = render::reject_groups(&groups, width);
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&render::reject_rows(&rows, width));
    }
    let shown = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if !arguments.groups && shown < total {
        text.push_str(&format!(
            "\n{} of {}; --limit shows more\n",
            render::count(shown),
            render::rows(total)
        ));
    }
    work.terminal.print(&text)?;
    Ok(Exit::Done)
}

/// Rows that were loaded although a rule warns of them.
async fn warnings(arguments: &List, work: &Work) -> Result<Exit, Failure> {
    let warnings = rejects::warnings(work.spec(), i64::from(arguments.limit)).await?;
    if arguments.format.json {
        let warning = |(entity, key, rule)| json!({ "entity": entity, "key": key, "rule": rule });
        let warnings: Vec<Value> = warnings.into_iter().map(warning).collect();
        let document = json!({ "warnings": warnings });
        work.report(&arguments.format, "warnings", document, |_, _| String::new())?;
    } else if warnings.is_empty() {
        work.terminal.print("no warnings\n")?;
    } else {
        work.terminal
            .print(&render::warnings(&warnings, work.terminal.width()))?;
    }
    Ok(Exit::Done)
}
