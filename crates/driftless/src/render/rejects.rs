//! Rows that are on record instead of in the target.

use std::collections::BTreeMap;

use driftless_engine::run::report::{RejectGroup, RejectRecord, RetryReport, WarningGroup, WarningRecord};
use serde_json::Value;

use super::figure::{count, rows};
use super::table::{Align, Table, clean};

/// Rejects counted by what is wrong, the most frequent first.
pub(crate) fn reject_groups(groups: &[RejectGroup], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        ("rows", Align::Right),
        ("entity", Align::Left),
        ("category", Align::Left),
        ("code", Align::Left),
        ("what", Align::Left),
        ("at", Align::Left),
        ("state", Align::Left),
    ]);
    let mut sorted: Vec<&RejectGroup> = groups.iter().collect();
    sorted.sort_by_key(|group| std::cmp::Reverse(group.rows));
    for group in sorted {
        table.row([
            count(group.rows),
            group.entity.clone(),
            group.category.clone(),
            group.code.clone(),
            title(&group.code).to_owned(),
            group.subject.clone().unwrap_or_default(),
            group.state.clone(),
        ]);
    }
    table.text(width) + "\n" + &categories(groups)
}

/// Whether somebody has to look at these rows: they were not discarded.
fn is_open(group: &RejectGroup) -> bool {
    group.state != "discarded"
}

/// How many rows of which category are open, and how many were discarded.
fn categories(groups: &[RejectGroup]) -> String {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for group in groups.iter().filter(|group| is_open(group)) {
        *sums.entry(&group.category).or_default() += group.rows;
    }
    let mut text = format!("{} open", rows(sums.values().sum()));
    for (index, (category, sum)) in sums.iter().enumerate() {
        let before = if index == 0 { ": " } else { ", " };
        text.push_str(&format!("{before}{category} {}", count(*sum)));
    }
    let discarded = groups
        .iter()
        .filter(|group| !is_open(group))
        .map(|group| group.rows)
        .sum();
    if discarded > 0 {
        text.push_str(&format!("; {} discarded", count(discarded)));
    }
    text + "\n"
}

fn title(code: &str) -> &'static str {
    driftless_core::code::Code::parse(code).map_or("", |code| code.title())
}

/// Rejects, a line each.
pub(crate) fn reject_rows(rejects: &[RejectRecord], width: Option<usize>) -> String {
    let headings = ["entity", "key", "code", "at", "message"].map(|heading| (heading, Align::Left));
    let mut table = Table::new(&headings);
    for reject in rejects {
        let at = reject
            .column
            .as_ref()
            .or(reject.constraint.as_ref())
            .or(reject.rule.as_ref());
        table.row([
            reject.entity.clone(),
            reject.key.clone(),
            reject.code.clone(),
            at.cloned().unwrap_or_default(),
            reject.message.clone(),
        ]);
    }
    table.text(width)
}

/// Warnings counted by rule.
pub(crate) fn warning_groups(groups: &[WarningGroup], width: Option<usize>) -> String {
    let headings = [
        ("rows", Align::Right),
        ("entity", Align::Left),
        ("rule", Align::Left),
    ];
    let mut table = Table::new(&headings);
    for group in groups {
        table.row([count(group.rows), group.entity.clone(), group.rule.clone()]);
    }
    table.text(width)
}

/// Rows that were loaded with a warning, a line each.
pub(crate) fn warning_rows(warnings: &[WarningRecord], width: Option<usize>) -> String {
    let mut table = Table::new(&["entity", "key", "rule", "seen"].map(|heading| (heading, Align::Left)));
    for warning in warnings {
        table.row([
            warning.entity.clone(),
            warning.key.clone(),
            warning.rule.clone(),
            warning.seen_at.clone(),
        ]);
    }
    table.text(width)
}

/// Everything on record about one row.
pub(crate) fn reject(reject: &RejectRecord) -> String {
    let parent = reject.parent_entity.as_ref().map(|entity| {
        let key = reject.parent_key.as_deref().unwrap_or("?");
        format!("{entity} {key}")
    });
    let mut text = format!(
        "{} {}: {}\n",
        reject.entity,
        clean(&reject.key),
        clean(&reject.message)
    );
    let facts = [
        ("state", Some(reject.state.clone())),
        ("code", Some(format!("{} {}", reject.code, title(&reject.code)))),
        ("sqlstate", reject.sqlstate.clone()),
        ("category", Some(reject.category.clone())),
        ("stage", Some(reject.stage.clone())),
        ("column", reject.column.clone()),
        ("constraint", reject.constraint.clone()),
        ("rule", reject.rule.clone()),
        ("parent", parent),
        ("first seen", Some(reject.first_seen.clone())),
        (
            "last seen",
            Some(format!("{}, execution {}", reject.last_seen, reject.execution)),
        ),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<11} {}\n", clean(&value)));
        }
    }
    text.push_str(&source_row(reject.source_row.as_ref()));
    text
}

fn source_row(row: Option<&Value>) -> String {
    let Some(Value::Object(columns)) = row else {
        return String::new();
    };
    let widest = columns
        .keys()
        .map(|name| console::measure_text_width(name))
        .max()
        .unwrap_or(0);
    let mut text = "  source row\n".to_owned();
    for (name, value) in columns {
        let value = match value {
            Value::String(value) => clean(value),
            Value::Null => "(null)".to_owned(),
            other => clean(&other.to_string()),
        };
        let blank = " ".repeat(widest - console::measure_text_width(name));
        text.push_str(&format!("    {}{blank}  {value}\n", clean(name)));
    }
    text
}

/// What a retry came to.
pub(crate) fn retried(report: &RetryReport) -> String {
    format!(
        "execution {}: {} tried, {} now in the target, {} still on record, {} gone from the source\n",
        report.execution,
        rows(report.tried),
        count(report.written),
        count(report.still_rejected),
        count(report.gone),
    )
}

/// What a discard came to.
pub(crate) fn discarded(number: i64) -> String {
    let records = if number == 1 { "record" } else { "records" };
    format!("{} {records} discarded\n", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn record() -> RejectRecord {
        RejectRecord {
            entity: text("orders"),
            key: text("1207"),
            state: text("rejected"),
            stage: text("evaluate"),
            code: text("DL0404"),
            sqlstate: Some(text("22P02")),
            category: text("data_quality"),
            message: text("invalid input syntax for type numeric: \"12,50\""),
            column: Some(text("price")),
            constraint: None,
            rule: None,
            parent_entity: Some(text("patients")),
            parent_key: Some(text("17")),
            source_row: Some(json!({"id": "1207", "price": "12,50", "note": null, "tab": "a\tb"})),
            execution: 1,
            first_seen: text("2026-11-20T10:00:00Z"),
            last_seen: text("2026-11-20T10:00:00Z"),
        }
    }

    #[test]
    fn a_reject_in_full() {
        insta::assert_snapshot!(reject(&record()));
    }

    #[test]
    fn rejects_in_rows_and_groups() {
        let group = |rows, code: &str| RejectGroup {
            entity: text("orders"),
            state: text("rejected"),
            code: text(code),
            category: text("data_quality"),
            subject: Some(text("price")),
            rows,
        };
        let groups = [group(80, "DL0404"), group(1177, "DL0400")];
        insta::assert_snapshot!(format!(
            "{}\n{}",
            reject_groups(&groups, None),
            reject_rows(&[record()], None)
        ));
    }

    #[test]
    fn what_a_retry_came_to() {
        let report = RetryReport {
            execution: 4,
            tried: 80,
            written: 78,
            still_rejected: 1,
            gone: 1,
        };
        insta::assert_snapshot!(retried(&report));
        assert_eq!(discarded(1), "1 record discarded\n");
    }
}
