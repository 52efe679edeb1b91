//! What becomes of the source.

use driftless_engine::run::report::{CoverageReport, CoveredRelation};

use super::figure::count;
use super::table::{Align, Table, clean};

/// Tables, and columns of mapped tables: those that are forgotten or left out, or all.
pub(crate) fn coverage(report: &CoverageReport, all: bool, width: Option<usize>) -> String {
    let mut table = Table::new(&[
        ("source", Align::Left),
        ("rows", Align::Right),
        ("fate", Align::Left),
        ("where, or why not", Align::Left),
    ]);
    let mut shown = false;
    for relation in &report.relations {
        for row in rows(relation, all) {
            shown = true;
            table.row(row);
        }
    }
    let mut text = if shown {
        format!("{}\n", table.text(width))
    } else {
        String::new()
    };
    let mapped = report.relations.iter().filter(|one| one.fate == "mapped").count();
    let ignored = report
        .relations
        .iter()
        .filter(|one| one.fate == "ignored")
        .count();
    text.push_str(&format!(
        "{}: {} tables mapped, {} left out with a reason, {} forgotten; {} columns of mapped tables forgotten\n",
        clean(&report.source),
        count(mapped as i64),
        count(ignored as i64),
        count(report.forgotten_relations as i64),
        count(report.forgotten_columns as i64),
    ));
    if report.forgotten_relations + report.forgotten_columns > 0 {
        text.push_str("map them, or say in [ignore] why not: \"schema.table\" = \"reason\", \"schema.table.column\" = \"reason\"\n");
    }
    text
}

fn rows(relation: &CoveredRelation, all: bool) -> Vec<[String; 4]> {
    let why =
        |entities: &[String], reason: &Option<String>| reason.clone().unwrap_or_else(|| entities.join(", "));
    let mut rows = Vec::new();
    if all || relation.fate != "mapped" {
        rows.push([
            relation.relation.clone(),
            format!("~{}", count(relation.estimated_rows)),
            relation.fate.clone(),
            why(&relation.entities, &relation.reason),
        ]);
    }
    for column in &relation.columns {
        if all || column.fate != "mapped" {
            rows.push([
                format!("{}.{}", relation.relation, column.column),
                String::new(),
                column.fate.clone(),
                why(&column.entities, &column.reason),
            ]);
        }
    }
    rows
}
