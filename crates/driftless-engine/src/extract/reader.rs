//! Rows into batches that are bounded in bytes.

use driftless_core::batch::Batch;
use driftless_core::code;
use driftless_core::plan::EntityPlan;
use driftless_core::transform::RowFault;
use driftless_pg::{CopyOut, RowRead};

use crate::error::{EngineError, Result};

/// Rows as they came, with what is wrong with them already.
#[derive(Debug)]
pub struct Extracted {
    /// The rows.
    pub batch: Batch,
    /// Rows that are larger than allowed: fields that did not fit stand as nulls.
    pub faults: Vec<RowFault>,
    /// Bytes read.
    pub bytes: usize,
}

/// Reads up to a batch; `None` at the end.
pub async fn next(copy: &mut CopyOut<'_>, plan: &EntityPlan) -> Result<Option<Extracted>> {
    if copy.columns() != plan.inputs.len() {
        return Err(EngineError::new(
            code::INTEGRITY,
            format!("entity {}", plan.name),
            "the source gives another number of columns than the plan reads",
        ));
    }
    let mut batch = Batch::new(plan.inputs.len());
    let mut faults = Vec::new();
    let mut rows = 0;
    while rows < plan.batch_rows && batch.arena.len() < plan.batch_bytes {
        let (arena, cells) = batch.parts_mut();
        match copy.append_row(arena, cells).await? {
            RowRead::End => break,
            RowRead::Row => {}
            RowRead::TooLarge { column, bytes } => {
                let name = plan.inputs.get(column).map_or("?", |input| input.column.as_str());
                let message =
                    format!("column {name} has {bytes} bytes, which makes the row larger than max_row_bytes");
                faults.push(RowFault::new(rows, code::ROW_TOO_LARGE, message));
            }
        }
        rows += 1;
    }
    if rows == 0 {
        return Ok(None);
    }
    let bytes = batch.arena.len();
    unreadable(&mut batch, plan, &mut faults);
    Ok(Some(Extracted { batch, faults, bytes }))
}

/// Texts must be UTF-8, of which the server does not vouch where its encoding is SQL_ASCII: what is not stands as null, and its
/// row is at fault. Keys stay as they are: a row without a key would be another row.
fn unreadable(batch: &mut Batch, plan: &EntityPlan, faults: &mut Vec<RowFault>) {
    let keys: Vec<usize> = plan.identity.key.iter().map(|part| part.input).collect();
    let texts: Vec<usize> = (0..plan.inputs.len())
        .filter(|column| is_text(plan.inputs[*column].oid) && !keys.contains(column))
        .collect();
    for row in 0..batch.rows() {
        for column in &texts {
            let fits = batch
                .get(row, *column)
                .is_none_or(|bytes| std::str::from_utf8(bytes).is_ok());
            if !fits {
                batch.forget(row, *column);
                let name = &plan.inputs[*column].column;
                let message =
                    format!("column {name} has bytes that are no UTF-8: another encoding, or damaged");
                faults.push(RowFault::new(row, code::ROW_UNREADABLE, message));
            }
        }
    }
}

fn is_text(oid: u32) -> bool {
    use driftless_core::catalog::builtin::{BPCHAR, JSON, NAME, TEXT, VARCHAR, XML};
    matches!(oid, TEXT | VARCHAR | BPCHAR | NAME | JSON | XML)
}
