//! Identities: which source row became which target row.

use driftless_engine::run::report::IdentityRecord;

use super::table::{Align, Table, clean};

/// One identity in full.
pub(crate) fn identity(record: &IdentityRecord) -> String {
    let mut text = format!("{} {}\n", record.entity, clean(&record.key));
    let mut fact = |name: &str, value: &str| text.push_str(&format!("  {name:<10} {}\n", clean(value)));
    fact("target", &target(record));
    fact("table", &record.table);
    fact("status", &record.status);
    if let Some(created) = &record.created_at {
        fact("recorded", created);
    }
    if let Some(execution) = record.execution {
        fact("execution", &execution.to_string());
    }
    text
}

/// Identities, a line each.
pub(crate) fn identities(records: &[IdentityRecord], width: Option<usize>) -> String {
    let headings = ["entity", "key", "target", "table", "status"].map(|heading| (heading, Align::Left));
    let mut table = Table::new(&headings);
    for record in records {
        table.row([
            record.entity.clone(),
            record.key.clone(),
            target(record),
            record.table.clone(),
            record.status.clone(),
        ]);
    }
    table.text(width)
}

fn target(record: &IdentityRecord) -> String {
    let parts: Vec<String> = record
        .target
        .iter()
        .map(|(column, value)| format!("{column} = {value}"))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_alone_and_among_others() {
        let record = IdentityRecord {
            entity: "patients".to_owned(),
            key: "17".to_owned(),
            target: vec![("id".to_owned(), "6ba7b812-9dad-51d1-80b4-00c04fd430c8".to_owned())],
            table: "public.patients".to_owned(),
            status: "live".to_owned(),
            created_at: Some("2026-11-20T10:00:00Z".to_owned()),
            execution: Some(1),
        };
        insta::assert_snapshot!(format!(
            "{}\n{}",
            identity(&record),
            identities(std::slice::from_ref(&record), None)
        ));
    }
}
