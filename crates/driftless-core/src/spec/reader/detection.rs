//! `detect = …`: how a sync or a stream finds changes. A load finds none, so what is read here is checked and not kept.

use super::scalar::duration;
use super::section::Section;
use crate::code;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Log,
    Timestamp,
    Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deletes {
    Log,
    Sweep,
    Soft,
    Ignore,
}

/// Checks `detect` and tells whether it follows the source's log; `None` where it is not given.
pub(super) fn detect(section: &mut Section<'_>) -> Option<bool> {
    let member = section.take("detect")?;
    let place = format!("{}, detect", section.place);
    let mut table = Section::open(&member.node, &place, "detect = { by = \"hash\" }", section.out())?;
    let by = by(&mut table);
    for_timestamp(&mut table, by);
    deletes(&mut table, by);
    let truncate = table.choice("truncate", &[("halt", ()), ("apply", ()), ("ignore", ())]);
    if truncate.is_some() && by != Some(By::Log) {
        only_with(&mut table, "truncate", "log");
    }
    table.finish(section.out());
    by.map(|by| by == By::Log)
}

fn by(table: &mut Section<'_>) -> Option<By> {
    let choices = [("log", By::Log), ("timestamp", By::Timestamp), ("hash", By::Hash)];
    if table.take("by").is_none() {
        table.missing("by", "by = \"hash\"");
        return None;
    }
    table.choice("by", &choices)
}

fn for_timestamp(table: &mut Section<'_>, by: Option<By>) {
    let column = table.take("column").is_some();
    table.text("column", "column = \"updated_at\"");
    let overlap = table.take("overlap").is_some();
    table.parsed("overlap", "overlap = \"5m\"", duration);
    match by {
        Some(By::Timestamp) if !column => table.missing("column", "column = \"updated_at\""),
        Some(By::Log | By::Hash) if column => only_with(table, "column", "timestamp"),
        Some(By::Log | By::Hash) if overlap => only_with(table, "overlap", "timestamp"),
        _ => {}
    }
}

fn deletes(table: &mut Section<'_>, by: Option<By>) {
    let deletes = table.choice(
        "deletes",
        &[
            ("log", Deletes::Log),
            ("sweep", Deletes::Sweep),
            ("soft", Deletes::Soft),
            ("ignore", Deletes::Ignore),
        ],
    );
    if deletes == Some(Deletes::Log) && by.is_some_and(|by| by != By::Log) {
        only_with(table, "deletes", "log");
    }
    let column = table.text("soft_column", "soft_column = \"deleted\"");
    let value = table.take("soft_value");
    if deletes == Some(Deletes::Soft) {
        if column.is_none() {
            table.missing("soft_column", "soft_column = \"deleted\"");
        }
    } else if let Some(member) = table.take("soft_column").or(value) {
        table.refuse(
            &member.node,
            code::INVALID_VALUE,
            format!("`{}` needs `deletes = \"soft\"`", member.key),
            "add that, or remove this",
        );
    }
}

fn only_with(table: &mut Section<'_>, key: &'static str, by: &str) {
    if let Some(member) = table.take(key) {
        let message = format!("`{key}` as given here needs `by = \"{by}\"`");
        table.refuse(
            &member.node,
            code::INVALID_VALUE,
            message,
            "change `by`, or remove this",
        );
    }
}
