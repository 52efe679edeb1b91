//! Bytes that an encoding does not mean: in LATIN1 the bytes 0x80 to 0x9F are control characters, and nearly always somebody
//! wrote the quotes and dashes that Windows has there. A sample tells.

use driftless_core::catalog::{Catalog, Relation};
use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::name::quote_ident;
use driftless_core::plan::Plan;
use driftless_core::survey::is_ambiguous;
use driftless_pg::Session;

use crate::error::Result;

/// Rows of a table that are looked at.
const SAMPLE: usize = 10_000;

/// Columns of text that hold such characters among their first rows.
pub async fn findings(
    plan: &Plan,
    catalog: &Catalog,
    session: &Session,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    if !is_ambiguous(&catalog.encoding) {
        return Ok(());
    }
    for entity in &plan.entities {
        let origin = entity.origin.relation.as_ref();
        let Some(relation) = origin.and_then(|name| catalog.relation(name)) else {
            continue;
        };
        let read = entity.inputs.iter().map(|input| input.column.as_str());
        let columns: Vec<&str> = read.filter(|column| is_text(relation, column)).collect();
        let found = controls(session, relation, &columns).await?;
        if found.is_empty() {
            continue;
        }
        findings.push(
            Finding::warning(
                code::ENCODING,
                format!("entity {}", entity.name),
                format!(
                    "{} of {} hold control characters (bytes 0x80 to 0x9F of {}), which are quotes, dashes or the euro sign \
                     where somebody wrote them as Windows-1252",
                    found.join(", "),
                    relation.name,
                    catalog.encoding
                ),
            )
            .remedy(format!(
                "read them as what they are: {} = {{ sql = \"convert_from(convert_to({}, '{}'), 'WIN1252')\" }}",
                found[0],
                quote_ident(found[0]).replace('"', "\\\""),
                catalog.encoding
            )),
        );
    }
    Ok(())
}

fn is_text(relation: &Relation, column: &str) -> bool {
    use driftless_core::catalog::builtin::{BPCHAR, TEXT, VARCHAR};
    let found = relation.column(column).filter(|column| column.readable);
    found.is_some_and(|column| matches!(column.data_type.base().oid, TEXT | VARCHAR | BPCHAR))
}

async fn controls<'c>(session: &Session, relation: &Relation, columns: &[&'c str]) -> Result<Vec<&'c str>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let quoted: Vec<String> = columns.iter().map(|column| quote_ident(column)).collect();
    let asked: Vec<String> = quoted
        .iter()
        .map(|column| {
            format!("coalesce(pg_catalog.bool_or({column}::pg_catalog.text ~ '[\\u0080-\\u009f]'), false)")
        })
        .collect();
    let row = session
        .query_one(
            &format!(
                "SELECT {} FROM (SELECT {} FROM {} LIMIT {SAMPLE}) AS sample",
                asked.join(", "),
                quoted.join(", "),
                relation.name.sql()
            ),
            &[],
        )
        .await?;
    let mut found = Vec::new();
    for (number, column) in columns.iter().enumerate() {
        if row.get(number)? {
            found.push(*column);
        }
    }
    Ok(found)
}
