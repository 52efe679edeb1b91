//! What a comparison of both sides found.

use driftless_engine::verify::report::{Check, EntityValidation, Validation};

use super::figure::{count, rows};
use super::table::{Align, Table, clean};

/// Entities with their counts, the checks that found a difference, and those that could not be made.
pub(crate) fn validated(report: &Validation, width: Option<usize>) -> String {
    let mut text = entities(&report.entities).text(width);
    let others: i64 = report.tables.iter().map(|table| table.others).sum();
    if others > 0 {
        text.push_str(&format!(
            "\n{} of others in these tables, left as they are\n",
            rows(others)
        ));
    }
    for (title, ok) in [("differences", Some(false)), ("not checked", None)] {
        let found: Vec<(&str, &Check)> = report.checks().filter(|(_, check)| check.ok == ok).collect();
        if !found.is_empty() {
            text.push_str(&format!("\n{title}:\n{}", checks(&found).text(width)));
        }
    }
    text.push_str(&format!(
        "\nsource read at {}, target at {}\n{}\n",
        clean(&report.source.at),
        clean(&report.target.at),
        summary(report),
    ));
    text.push_str(&way_out(report));
    text
}

/// What can be done about entities that are done and differ.
fn way_out(report: &Validation) -> String {
    let differs = |entity: &&EntityValidation| {
        entity.phase == "done" && entity.checks.iter().any(|check| check.ok == Some(false))
    };
    let entities: Vec<String> = report
        .entities
        .iter()
        .filter(differs)
        .map(|entity| format!(" --entity {}", entity.entity))
        .collect();
    if entities.is_empty() {
        return String::new();
    }
    format!(
        "\n`driftless migrate` adds nothing to what is done. To take back what was loaded there, with what refers to it, and load it \
         again as the source is by then:\n  driftless migrate --restart{}\n",
        entities.concat()
    )
}

fn summary(report: &Validation) -> String {
    let made = report.checks().filter(|(_, check)| check.ok.is_some()).count();
    let differences = match report.differences {
        0 => "no difference".to_owned(),
        1 => "1 difference".to_owned(),
        number => format!("{} differences", count(number)),
    };
    let unchecked = match report.unchecked {
        0 => String::new(),
        number => format!("; {} could not be made", count(number)),
    };
    format!(
        "{differences} in {} checks{unchecked}",
        count(i64::try_from(made).unwrap_or(i64::MAX))
    )
}

fn entities(entities: &[EntityValidation]) -> Table {
    let mut table = Table::new(&[
        ("entity", Align::Left),
        ("domain", Align::Left),
        ("source", Align::Right),
        ("target", Align::Right),
        ("rejected", Align::Right),
        ("parked", Align::Right),
        ("adopted", Align::Right),
        ("checks", Align::Right),
        ("result", Align::Left),
    ]);
    for entity in entities {
        let counts = &entity.counts;
        table.row([
            entity.entity.clone(),
            entity.domain.clone().unwrap_or_default(),
            count(counts.source),
            count(counts.target),
            count(counts.rejected),
            count(counts.parked),
            count(counts.adopted),
            entity.checks.len().to_string(),
            result(&entity.checks),
        ]);
    }
    table.without_unused(&["domain"])
}

fn result(checks: &[Check]) -> String {
    match checks.iter().filter(|check| check.ok == Some(false)).count() {
        0 => "equal".to_owned(),
        1 => "1 difference".to_owned(),
        number => format!("{number} differences"),
    }
}

fn checks(found: &[(&str, &Check)]) -> Table {
    let mut table = Table::new(&[
        ("where", Align::Left),
        ("check", Align::Left),
        ("source", Align::Right),
        ("target", Align::Right),
        ("keys", Align::Right),
        ("for example", Align::Left),
        ("note", Align::Left),
    ]);
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for (place, check) in found {
        let keys = if check.count > 0 {
            count(check.count)
        } else {
            "-".to_owned()
        };
        table.row([
            (*place).to_owned(),
            check.name.clone(),
            dash(&check.source),
            dash(&check.target),
            keys,
            check.examples.join(", "),
            check.note.clone().unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_engine::verify::report::{EntityCounts, ReadAt, TableValidation};

    fn check(name: &str, ok: Option<bool>) -> Check {
        Check {
            name: name.to_owned(),
            column: None,
            source: Some("1250.00".to_owned()),
            target: Some("1250.01".to_owned()),
            ok,
            count: 0,
            examples: Vec::new(),
            note: None,
        }
    }

    fn report(checks: Vec<Check>) -> Validation {
        let read = || ReadAt {
            place: "owner@127.0.0.1:5432/lab".to_owned(),
            snapshot: "10:10:".to_owned(),
            at: "2026-11-20T10:00:00Z".to_owned(),
        };
        let number = |ok| checks.iter().filter(|check| check.ok == ok).count() as i64;
        let (differences, unchecked) = (number(Some(false)), number(None));
        Validation {
            pipeline: "lab".to_owned(),
            source: read(),
            target: read(),
            entities: vec![EntityValidation {
                entity: "orders".to_owned(),
                domain: None,
                from: "public.dispatch_order".to_owned(),
                into: "public.orders".to_owned(),
                phase: "done".to_owned(),
                counts: EntityCounts {
                    source: 40_000,
                    live: 39_663,
                    target: 39_663,
                    rejected: 337,
                    ..EntityCounts::default()
                },
                checks,
            }],
            tables: vec![TableValidation {
                table: "public.orders".to_owned(),
                ours: 39_663,
                others: 2,
                checks: Vec::new(),
            }],
            differences,
            unchecked,
        }
    }

    #[test]
    fn equal_sides_are_told_shortly() {
        insta::assert_snapshot!(validated(&report(vec![check("rows", Some(true))]), None));
    }

    #[test]
    fn differences_are_shown_with_keys_and_notes() {
        let missing = Check {
            source: Some("3".to_owned()),
            target: Some("0".to_owned()),
            count: 3,
            examples: vec!["17".to_owned(), "19".to_owned(), "1\t2".to_owned()],
            ..check("missing in target", Some(false))
        };
        let unchecked = Check {
            source: None,
            target: None,
            note: Some("the run's start is in it".to_owned()),
            ..check("sum of loaded", None)
        };
        let checks = vec![
            check("rows", Some(true)),
            check("sum of amount", Some(false)),
            missing,
            unchecked,
        ];
        insta::assert_snapshot!(validated(&report(checks), None));
    }
}
