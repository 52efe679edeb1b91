//! What a migration did, would delete, or put back.

use driftless_engine::run::report::{AbandonReport, Deletion, EntityReport, MigrateReport};

use super::figure::{bytes, count, duration, rows};
use super::table::{Align, Table};

/// The summary of a migration.
pub(crate) fn migrated(report: &MigrateReport, width: Option<usize>) -> String {
    if report.nothing_to_do {
        return format!(
            "nothing to do: every entity is done{}\n",
            remaining_text(report.on_record)
        );
    }
    let mut text = entities(&report.entities).text(width);
    let sum = total(&report.entities);
    let continued = if report.resumed { ", continued" } else { "" };
    let kept = match sum.kept {
        0 => String::new(),
        kept => format!(", {} kept of earlier runs", count(kept)),
    };
    text.push_str(&format!(
        "\nexecution {}{continued}: {} written in {}{kept}{}\n",
        report.execution,
        rows(sum.inserted),
        duration(report.duration_ms),
        remaining_text(report.on_record),
    ));
    text
}

fn remaining_text(remaining: i64) -> String {
    match remaining {
        0 => String::new(),
        _ => format!(
            "; {} on record as rejected: driftless rejects list",
            rows(remaining)
        ),
    }
}

/// Entities with their figures and the sum of all: rows read are those written, kept, adopted, rejected and parked.
fn entities(entities: &[EntityReport]) -> Table {
    let mut table = Table::new(&[
        ("entity", Align::Left),
        ("domain", Align::Left),
        ("path", Align::Left),
        ("read", Align::Right),
        ("written", Align::Right),
        ("kept", Align::Right),
        ("adopted", Align::Right),
        ("rejected", Align::Right),
        ("parked", Align::Right),
        ("mended", Align::Right),
        ("removed", Align::Right),
        ("size", Align::Right),
        ("time", Align::Right),
    ]);
    for entity in entities {
        table.row(cells(entity));
    }
    if entities.len() > 1 {
        let mut sum = cells(&total(entities));
        // Entities run side by side: their times add up to nothing that anybody waited for.
        if let Some(time) = sum.last_mut() {
            time.clear();
        }
        table.row(sum);
    }
    table.without_unused(&["domain", "kept", "adopted", "mended", "removed"])
}

fn total(entities: &[EntityReport]) -> EntityReport {
    let sum = |figure: fn(&EntityReport) -> i64| entities.iter().map(figure).sum();
    EntityReport {
        entity: "total".to_owned(),
        domain: None,
        path: String::new(),
        read: sum(|entity| entity.read),
        inserted: sum(|entity| entity.inserted),
        kept: sum(|entity| entity.kept),
        adopted: sum(|entity| entity.adopted),
        updated: sum(|entity| entity.updated),
        deleted: sum(|entity| entity.deleted),
        rejected: sum(|entity| entity.rejected),
        parked: sum(|entity| entity.parked),
        bytes: sum(|entity| entity.bytes),
        duration_ms: sum(|entity| entity.duration_ms),
    }
}

fn cells(entity: &EntityReport) -> Vec<String> {
    let some = |number: i64| {
        if number == 0 { String::new() } else { count(number) }
    };
    vec![
        entity.entity.clone(),
        entity.domain.clone().unwrap_or_default(),
        entity.path.clone(),
        count(entity.read),
        count(entity.inserted),
        some(entity.kept),
        some(entity.adopted),
        count(entity.rejected),
        count(entity.parked),
        some(entity.updated),
        some(entity.deleted),
        bytes(entity.bytes),
        duration(entity.duration_ms),
    ]
}

/// What starting over would delete, or deleted.
pub(crate) fn deletions(deletions: &[Deletion], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        ("entity", Align::Left),
        ("table", Align::Left),
        ("rows", Align::Right),
    ]);
    for deletion in deletions {
        table.row([
            deletion.entity.clone(),
            deletion.table.clone(),
            count(deletion.rows),
        ]);
    }
    table.text(width)
}

/// What `migrate --abandon` put back.
pub(crate) fn abandoned(report: &AbandonReport, width: Option<usize>) -> String {
    if report.restored.is_empty() && report.not_validated.is_empty() && report.failed.is_empty() {
        return "nothing was set aside\n".to_owned();
    }
    let mut table = Table::new(&[
        ("table", Align::Left),
        ("name", Align::Left),
        ("outcome", Align::Left),
    ]);
    for (name, item) in &report.restored {
        table.row([name.clone(), item.clone(), "put back".to_owned()]);
    }
    for (name, item) in &report.not_validated {
        table.row([
            name.clone(),
            item.clone(),
            "put back NOT VALID: rows violate it".to_owned(),
        ]);
    }
    for (name, item, why) in &report.failed {
        table.row([name.clone(), item.clone(), format!("not put back: {why}")]);
    }
    table.text(width) + "\nthe rows loaded so far are left where they are\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(name: &str, read: i64, rejected: i64) -> EntityReport {
        EntityReport {
            entity: name.to_owned(),
            domain: None,
            path: "load".to_owned(),
            read,
            inserted: read - rejected,
            kept: 0,
            adopted: 0,
            updated: 0,
            deleted: 0,
            rejected,
            parked: 0,
            bytes: read * 120,
            duration_ms: 2_400,
        }
    }

    fn report(entities: Vec<EntityReport>) -> MigrateReport {
        MigrateReport {
            execution: 3,
            nothing_to_do: false,
            resumed: true,
            on_record: entities.iter().map(|entity| entity.rejected).sum(),
            entities,
            duration_ms: 6_512,
        }
    }

    #[test]
    fn a_migration_ends_with_its_figures() {
        let report = report(vec![entity("offices", 40, 0), entity("orders", 40_000, 337)]);
        insta::assert_snapshot!(migrated(&report, None));
    }

    #[test]
    fn mending_shows_where_it_did_something() {
        let mended = EntityReport {
            domain: Some("sales".to_owned()),
            inserted: 25_000,
            kept: 14_993,
            adopted: 7,
            updated: 12,
            deleted: 1,
            ..entity("orders", 40_000, 0)
        };
        insta::assert_snapshot!(migrated(&report(vec![mended]), None));
    }

    #[test]
    fn nothing_to_do_still_counts_what_is_on_record() {
        let report = MigrateReport {
            nothing_to_do: true,
            ..report(vec![entity("orders", 40_000, 337)])
        };
        insta::assert_snapshot!(migrated(&report, None));
    }

    #[test]
    fn what_was_set_aside_and_what_became_of_it() {
        let pair = |name: &str| ("public.orders".to_owned(), name.to_owned());
        let report = AbandonReport {
            restored: vec![pair("orders_pkey")],
            not_validated: vec![pair("orders_patient_id_fkey")],
            failed: vec![(
                "public.orders".to_owned(),
                "orders_number_key".to_owned(),
                "duplicate key".to_owned(),
            )],
        };
        insta::assert_snapshot!(abandoned(&report, None));
        let nothing = AbandonReport {
            restored: Vec::new(),
            not_validated: Vec::new(),
            failed: Vec::new(),
        };
        assert_eq!(abandoned(&nothing, None), "nothing was set aside\n");
    }
}
