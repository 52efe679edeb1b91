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
    Ok(Some(Extracted { batch, faults, bytes }))
}
