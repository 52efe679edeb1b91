//! The SQL that reads a range of an entity.

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::{Chunking, EntityPlan, Path};

use crate::store::chunk::Chunk;

/// The collation of keys that identities hold as text.
const IN_BYTES: &str = " COLLATE pg_catalog.\"C\"";

/// Which rows of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows<'a> {
    /// All of them.
    All,
    /// Those of a chunk.
    Chunk(&'a Chunk),
    /// Those with these canonical keys.
    Keys(&'a [String]),
    /// Those whose key is null, in whole or in part.
    Keyless,
}

/// `COPY (…) TO STDOUT` of these rows, columns as the plan reads them.
pub fn copy(plan: &EntityPlan, rows: Rows<'_>) -> String {
    format!("COPY ({}) TO STDOUT (FORMAT binary)", select(plan, rows))
}

/// The query of these rows, columns as the plan reads them.
pub fn select(plan: &EntityPlan, rows: Rows<'_>) -> String {
    let columns: Vec<&str> = plan.inputs.iter().map(|input| input.select.as_str()).collect();
    // Beside rows of others the first of two equal values is the one that stays: the one with the smaller key.
    let order = if plan.path == Path::Beside {
        order(plan)
    } else {
        String::new()
    };
    format!(
        "SELECT {} FROM {}{}{order}",
        columns.join(", "),
        plan.origin.sql,
        condition(plan, rows)
    )
}

/// In the order of the identities: keys that they hold as text are compared as bytes there.
fn order(plan: &EntityPlan) -> String {
    let keys: Vec<String> = plan
        .identity
        .key
        .iter()
        .map(|part| {
            let column = quote_ident(&part.column);
            if part.type_sql.ends_with(IN_BYTES) {
                format!("{column}::pg_catalog.text{IN_BYTES}")
            } else {
                column
            }
        })
        .collect();
    format!(" ORDER BY {}", keys.join(", "))
}

/// ` WHERE …`, or nothing.
pub fn condition(plan: &EntityPlan, rows: Rows<'_>) -> String {
    let mut parts: Vec<String> = plan
        .origin
        .filter
        .iter()
        .map(|filter| format!("({filter}\n)"))
        .collect();
    match rows {
        Rows::All => {}
        Rows::Chunk(chunk) => parts.extend(range(plan, chunk)),
        Rows::Keys(keys) => parts.push(keyed(plan, keys)),
        Rows::Keyless => parts.push(keyless(plan)),
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", parts.join(" AND "))
    }
}

fn range(plan: &EntityPlan, chunk: &Chunk) -> Vec<String> {
    let (column, literal): (&str, fn(&str) -> String) = match &plan.chunking {
        Chunking::Whole => return Vec::new(),
        Chunking::Pages => ("ctid", |page| format!("'({page},0)'::pg_catalog.tid")),
        Chunking::Integer(column) => (column, |text| format!("{text}::pg_catalog.int8")),
        Chunking::Uuid(column) => (column, |text| format!("{}::pg_catalog.uuid", quote_literal(text))),
    };
    let mut parts = Vec::new();
    if let Some(low) = &chunk.low {
        parts.push(format!("{column} >= {}", literal(low)));
    }
    match (&chunk.high, &chunk.low) {
        (Some(high), Some(_)) => parts.push(format!("{column} < {}", literal(high))),
        // Rows without a key belong to some chunk too: they are read, and rejected with a reason.
        (Some(high), None) => parts.push(format!("({column} < {} OR {column} IS NULL)", literal(high))),
        (None, _) => {}
    }
    parts
}

fn keyless(plan: &EntityPlan) -> String {
    let parts: Vec<String> = plan
        .identity
        .key
        .iter()
        .map(|part| format!("{} IS NULL", quote_ident(&part.column)))
        .collect();
    format!("({})", parts.join(" OR "))
}

/// Rows with these canonical keys, as literals of the key columns' own types.
fn keyed(plan: &EntityPlan, keys: &[String]) -> String {
    let columns: Vec<String> = plan
        .identity
        .key
        .iter()
        .map(|part| quote_ident(&part.column))
        .collect();
    if keys.is_empty() {
        return "false".to_owned();
    }
    let rows: Vec<String> = keys.iter().map(|key| literals(key, columns.len())).collect();
    format!("({}) IN ({})", columns.join(", "), rows.join(", "))
}

/// A canonical key as a row of literals. A text that is no JSON array cannot be a composite key, and equals none.
fn literals(key: &str, columns: usize) -> String {
    if columns == 1 {
        return format!("({})", quote_literal(key));
    }
    let parts: Vec<String> = serde_json::from_str(key).unwrap_or_default();
    let texts: Vec<String> = (0..columns)
        .map(|number| {
            parts
                .get(number)
                .map_or_else(|| "NULL".to_owned(), |part| quote_literal(part))
        })
        .collect();
    format!("({})", texts.join(", "))
}
