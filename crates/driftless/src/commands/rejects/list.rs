use clap::Args;
use driftless_core::code::Exit;
use driftless_engine::run::rejects;
use serde_json::json;

use super::super::{Format, Work};
use super::Selection;
use crate::failure::Failure;
use crate::render;

/// Rows that are listed unless --limit says otherwise: a screenful.
const LIMIT: u32 = 20;

/// Filters that warnings know nothing of.
pub(super) const OF_REJECTS: [&str; 5] = ["codes", "category", "states", "parent", "parent_key"];

/// Count rejected rows by what is wrong, and list the first of them
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless rejects list                                  counted, then the first 20 rows
  driftless rejects list --groups                         counted only
  driftless rejects list orders --limit 500
  driftless rejects list --since 1h --state rejected      what a retry left, without what was discarded
  driftless rejects list --parent patients                left out because a patient was
  driftless rejects list --code DL0404 --json | jq -r '.rejects[].key'
  driftless rejects list --warnings                       rows that were loaded with a warning
  driftless rejects list orders --warnings --rule paid_orders_have_a_date")]
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
    #[arg(long, conflicts_with_all = OF_REJECTS)]
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
    let listed = (!arguments.groups).then(|| (rows.len(), render::reject_rows(&rows, width)));
    let text = render::reject_groups(&groups, width) + &below(listed, total);
    work.terminal.print(&text)?;
    Ok(Exit::Done)
}

/// Rows that were loaded although a rule warns of them.
async fn warnings(arguments: &List, work: &Work) -> Result<Exit, Failure> {
    let filter = arguments.selection.filter(work.spec())?;
    let groups = rejects::warning_groups(work.spec(), &filter).await?;
    let rows = match arguments.groups {
        true => Vec::new(),
        false => rejects::warnings(work.spec(), &filter, i64::from(arguments.limit)).await?,
    };
    let total: i64 = groups.iter().map(|group| group.rows).sum();
    if arguments.format.json {
        let document = json!({ "total": total, "groups": groups, "warnings": rows });
        work.report(&arguments.format, "warnings", document, |_, _| String::new())?;
        return Ok(Exit::Done);
    }
    let width = work.terminal.width();
    if groups.is_empty() {
        work.terminal.print("no warnings\n")?;
        return Ok(Exit::Done);
    }
    let listed = (!arguments.groups).then(|| (rows.len(), render::warning_rows(&rows, width)));
    let text = render::warning_groups(&groups, width) + &below(listed, total);
    work.terminal.print(&text)?;
    Ok(Exit::Done)
}

/// What stands below the counts: the rows if they are listed, and how many there are if these are not all.
fn below(listed: Option<(usize, String)>, total: i64) -> String {
    let Some((shown, table)) = listed else {
        return String::new();
    };
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    let mut text = String::new();
    if shown > 0 {
        text.push_str(&format!("\n{table}"));
    }
    if shown < total {
        text.push_str(&format!(
            "\n{} of {}; --limit shows more\n",
            render::count(shown),
            render::rows(total)
        ));
    }
    text
}
