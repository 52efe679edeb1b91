//! Rows that stay where they are while their values change, because rows of others refer to them.

use driftless_core::code;
use driftless_core::transform::Shaped;
use driftless_pg::{Param, Transaction};

use super::isolate::{self, Way};
use super::orphan;
use crate::error::{EngineError, Result};
use crate::shape::Shaping;

/// The rows of a batch whose key stands in the transaction's table of staying rows, ascending.
pub(super) async fn rows(tx: &Transaction<'_>, shaping: &Shaping<'_>, shaped: &Shaped) -> Result<Vec<usize>> {
    let keys: Vec<String> = (0..shaped.rows())
        .map(|row| shaping.shaper.key_text(shaped, row))
        .collect();
    let sql = "SELECT u.ord FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS u (key, ord) \
               WHERE EXISTS (SELECT FROM pg_temp.driftless_staying AS s WHERE s.key = u.key) ORDER BY u.ord";
    let found = tx.query(sql, &[Param::text_array(&keys)]).await?;
    found
        .iter()
        .map(|row| Ok(usize::try_from(row.get::<i64>(0)? - 1).unwrap_or_default()))
        .collect()
}

/// Gives these rows their new values. One that cannot have them would have to leave, which those who refer to it forbid.
pub(super) async fn rewrite(
    tx: &Transaction<'_>,
    shaping: &Shaping<'_>,
    shaped: &mut Shaped,
    rows: &[usize],
) -> Result<()> {
    if let Some(row) = rows.iter().find(|row| shaped.is_faulty(**row)) {
        let why = shaped.faults(*row).next().map(|fault| fault.code.title());
        return Err(forbidden(shaping, shaped, *row, why.unwrap_or_default()));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let refused = isolate::write(tx, shaping.plan, &shaping.shaper, shaped, rows, Way::Update).await?;
    // They are there either way; a parent that comes later gets its reference when all are loaded.
    let refused = orphan::without_parents(tx, shaping, shaped, refused, Way::Update).await?;
    let Some(first) = refused.first() else {
        return Ok(());
    };
    let constraint = first.constraint.as_deref().unwrap_or("no constraint");
    let why = format!(
        "the target refuses it with SQLSTATE {} ({constraint})",
        first.sqlstate
    );
    Err(forbidden(shaping, shaped, first.row, &why))
}

fn forbidden(shaping: &Shaping<'_>, shaped: &Shaped, row: usize, why: &str) -> EngineError {
    EngineError::new(
        code::INTEGRITY,
        format!(
            "entity {}, key {}",
            shaping.plan.name,
            shaping.shaper.key_text(shaped, row)
        ),
        format!(
            "it changed in the source and cannot stay in the target, where rows of others refer to it: {why}"
        ),
    )
    .remedy("mend it in the source, or remove or redirect the rows that refer to it; then start again")
}
