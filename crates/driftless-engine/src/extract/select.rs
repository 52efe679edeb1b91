//! The SQL that reads a range of an entity.

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::{Chunking, EntityPlan, Path};

use super::raw_text;
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

/// A key as the source prints it, column by column.
pub type SourceKey = Vec<String>;

/// Keys from one on, up to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The smallest key.
    pub from: SourceKey,
    /// The smallest key that is beyond it; none at the end.
    pub below: Option<SourceKey>,
}

/// `COPY (…) TO STDOUT` of these rows, columns as the plan reads them.
pub fn copy(plan: &EntityPlan, rows: Rows<'_>) -> String {
    format!("COPY ({}) TO STDOUT (FORMAT binary)", select(plan, rows))
}

/// The query of these rows, columns as the plan reads them.
pub fn select(plan: &EntityPlan, rows: Rows<'_>) -> String {
    query(plan, &condition(plan, rows))
}

/// The same of those within a span, and without these keys: nothing is computed of other rows.
pub fn copy_within(plan: &EntityPlan, rows: Rows<'_>, span: Option<&Span>, without: &[SourceKey]) -> String {
    if span.is_none() && without.is_empty() {
        return copy(plan, rows);
    }
    format!(
        "COPY ({}) TO STDOUT (FORMAT binary)",
        query(plan, &condition_within(plan, rows, span, without))
    )
}

/// The same of the rows with these keys, but of each only its key: what else the plan reads is null.
pub fn copy_keys(plan: &EntityPlan, rows: Rows<'_>, keys: &[SourceKey]) -> String {
    let mut parts = place(plan, rows);
    parts.push(among(plan, keys));
    format!(
        "COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT binary)",
        only_keys(plan).join(", "),
        plan.origin.sql,
        parts.join(" AND ")
    )
}

/// The columns as the plan reads them: those of the key, null for the others.
pub fn only_keys(plan: &EntityPlan) -> Vec<&str> {
    let is_key = |input: usize| plan.identity.key.iter().any(|part| part.input == input);
    let inputs = plan.inputs.iter().enumerate();
    inputs
        .map(|(number, input)| {
            if is_key(number) {
                input.select.as_str()
            } else {
                "NULL"
            }
        })
        .collect()
}

/// The query of the keys of these rows in their order, as the source prints them, whether or not the plan's filter takes
/// them: nothing but keys is computed. Behind it may stand LIMIT and OFFSET.
pub fn keys(plan: &EntityPlan, rows: Rows<'_>, span: Option<&Span>, without: &[SourceKey]) -> String {
    let columns = key_columns(plan);
    // Under other names than the columns have, which the order means.
    let texts: Vec<String> = (1..)
        .zip(&columns)
        .map(|(number, column)| format!("{} AS \"driftless key {number}\"", part_text(plan, column)))
        .collect();
    format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {}",
        texts.join(", "),
        plan.origin.sql,
        keyed_place(plan, rows, span, without).join(" AND "),
        columns.join(", ")
    )
}

/// The query that counts those rows.
pub fn count(plan: &EntityPlan, rows: Rows<'_>, without: &[SourceKey]) -> String {
    format!(
        "SELECT pg_catalog.count(*) FROM {} WHERE {}",
        plan.origin.sql,
        keyed_place(plan, rows, None, without).join(" AND ")
    )
}

fn query(plan: &EntityPlan, condition: &str) -> String {
    let columns: Vec<&str> = plan.inputs.iter().map(|input| input.select.as_str()).collect();
    // Beside rows of others the first of two equal values is the one that stays: the one with the smaller key.
    let order = if plan.path == Path::Beside {
        order(plan)
    } else {
        String::new()
    };
    format!(
        "SELECT {} FROM {}{condition}{order}",
        columns.join(", "),
        plan.origin.sql,
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
    parts.extend(place(plan, rows));
    if parts.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", parts.join(" AND "))
    }
}

/// ` WHERE …` of those rows within a span, and without these keys. The filter is asked about no other row: it may be what fails.
pub fn condition_within(
    plan: &EntityPlan,
    rows: Rows<'_>,
    span: Option<&Span>,
    without: &[SourceKey],
) -> String {
    let parts = match span {
        Some(_) => keyed_place(plan, rows, span, without),
        None => {
            let mut parts = place(plan, rows);
            parts.extend(not_among(plan, without));
            parts
        }
    };
    let place = parts.join(" AND ");
    match &plan.origin.filter {
        Some(filter) => format!(" WHERE {place} AND CASE WHEN {place} THEN ({filter}\n) ELSE false END"),
        None => format!(" WHERE {place}"),
    }
}

/// Where these rows are, whatever the filter says.
fn place(plan: &EntityPlan, rows: Rows<'_>) -> Vec<String> {
    match rows {
        Rows::All => Vec::new(),
        Rows::Chunk(chunk) => range(plan, chunk),
        Rows::Keys(keys) => vec![keyed(plan, keys)],
        Rows::Keyless => vec![keyless(plan)],
    }
}

/// The same of those that have a key.
fn keyed_place(plan: &EntityPlan, rows: Rows<'_>, span: Option<&Span>, without: &[SourceKey]) -> Vec<String> {
    let mut parts = place(plan, rows);
    parts.push(format!("NOT {}", keyless(plan)));
    let columns = key_columns(plan).join(", ");
    if let Some(span) = span {
        parts.push(format!("({columns}) >= {}", literal_row(plan, &span.from)));
        let below = span.below.iter();
        parts.extend(below.map(|key| format!("({columns}) < {}", literal_row(plan, key))));
    }
    parts.extend(not_among(plan, without));
    parts
}

fn not_among(plan: &EntityPlan, keys: &[SourceKey]) -> Option<String> {
    // Of a row without a key nobody knows whether it is among them: it is not.
    (!keys.is_empty()).then(|| format!("({}) IS NOT TRUE", among(plan, keys)))
}

/// True of rows with these keys.
pub fn among(plan: &EntityPlan, keys: &[SourceKey]) -> String {
    let rows: Vec<String> = keys.iter().map(|key| literal_row(plan, key)).collect();
    format!("({}) IN ({})", key_columns(plan).join(", "), rows.join(", "))
}

fn literal_row(plan: &EntityPlan, key: &[String]) -> String {
    let literals: Vec<String> = key.iter().map(|part| literal(plan, part)).collect();
    format!("({})", literals.join(", "))
}

/// The text of a part of a key as records show it.
fn literal(plan: &EntityPlan, shown: &str) -> String {
    if plan.origin.raw_text {
        raw_text::literal(shown)
    } else {
        quote_literal(shown)
    }
}

/// SQL of the text of a part of a key, as records show it, over an expression of the source.
pub fn part_text(plan: &EntityPlan, sql: &str) -> String {
    let text = format!("({sql})::pg_catalog.text");
    if plan.origin.raw_text {
        raw_text::shown_sql(&text)
    } else {
        text
    }
}

/// SQL of the canonical key text of a source row.
pub fn key_text(plan: &EntityPlan) -> String {
    let columns = key_columns(plan);
    let texts: Vec<String> = columns.iter().map(|column| part_text(plan, column)).collect();
    match texts.as_slice() {
        [single] => single.clone(),
        several => format!(
            "pg_catalog.to_json(ARRAY[{}])::pg_catalog.text",
            several.join(", ")
        ),
    }
}

fn key_columns(plan: &EntityPlan) -> Vec<String> {
    let parts = plan.identity.key.iter();
    parts.map(|part| quote_ident(&part.column)).collect()
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
    let rows: Vec<String> = keys
        .iter()
        .map(|key| literals(plan, key, columns.len()))
        .collect();
    format!("({}) IN ({})", columns.join(", "), rows.join(", "))
}

/// A canonical key as a row of literals. A text that is no JSON array cannot be a composite key, and equals none.
fn literals(plan: &EntityPlan, key: &str, columns: usize) -> String {
    if columns == 1 {
        return format!("({})", literal(plan, key));
    }
    let parts: Vec<String> = serde_json::from_str(key).unwrap_or_default();
    let texts: Vec<String> = (0..columns)
        .map(|number| {
            parts
                .get(number)
                .map_or_else(|| "NULL".to_owned(), |part| literal(plan, part))
        })
        .collect();
    format!("({})", texts.join(", "))
}
