//! Rows into batches that are bounded in bytes.

use driftless_core::batch::Batch;
use driftless_core::code;
use driftless_core::plan::{EntityPlan, KeyPart, KeyText};
use driftless_core::transform::RowFault;
use driftless_pg::{CopyOut, RowRead};

use super::raw_text;
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

/// Reads up to a batch, which this gives empty; `None` at the end.
pub async fn next(
    copy: &mut CopyOut<'_>,
    plan: &EntityPlan,
    empty: impl FnOnce() -> Batch,
) -> Result<Option<Extracted>> {
    if copy.columns() != plan.inputs.len() {
        return Err(EngineError::new(
            code::INTEGRITY,
            format!("entity {}", plan.name),
            "the source gives another number of columns than the plan reads",
        ));
    }
    let mut batch = empty();
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

/// Texts must be UTF-8, of which the server does not vouch where its encoding is SQL_ASCII, those in arrays and jsonb as well: what
/// is not stands as null, and its row is at fault. Keys stand as [`raw_text::shown`] shows them: a row without a key would
/// be another row.
pub fn unreadable(batch: &mut Batch, plan: &EntityPlan, faults: &mut Vec<RowFault>) {
    let keys: Vec<usize> = plan.identity.key.iter().flat_map(key_inputs).collect();
    let texts: Vec<(usize, Form)> = (0..plan.inputs.len())
        .filter_map(|column| Some((column, form(plan.inputs[column].oid)?)))
        .collect();
    for row in 0..batch.rows() {
        for (column, form) in &texts {
            let Some(bytes) = batch.get(row, *column) else {
                continue;
            };
            if form.fits(bytes) {
                continue;
            }
            if keys.contains(column) {
                let shown = raw_text::shown(bytes).into_owned();
                batch.replace(row, *column, &shown);
            } else {
                batch.forget(row, *column);
            }
            let name = &plan.inputs[*column].column;
            let message = format!("column {name} has bytes that are no UTF-8: another encoding, or damaged");
            faults.push(RowFault::new(row, code::ROW_UNREADABLE, message));
        }
    }
}

fn key_inputs(part: &KeyPart) -> Vec<usize> {
    match part.text {
        KeyText::Input(input, _) if input != part.input => vec![part.input, input],
        _ => vec![part.input],
    }
}

/// Where texts stand in the binary form of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// Behind a byte with the version.
    Jsonb,
    /// In the elements of an array.
    Array,
}

fn form(oid: u32) -> Option<Form> {
    use driftless_core::catalog::builtin::{BPCHAR, JSON, JSONB, NAME, TEXT, VARCHAR, XML, of};
    let texts = [TEXT, VARCHAR, BPCHAR, NAME, JSON, XML];
    if texts.contains(&oid) {
        return Some(Form::Text);
    }
    if oid == JSONB {
        return Some(Form::Jsonb);
    }
    let mut elements = texts.into_iter().chain([JSONB]);
    elements
        .any(|text| of(text).array_oid == oid)
        .then_some(Form::Array)
}

impl Form {
    fn fits(self, bytes: &[u8]) -> bool {
        match self {
            Form::Text => std::str::from_utf8(bytes).is_ok(),
            Form::Jsonb => bytes
                .split_first()
                .is_none_or(|(_, text)| std::str::from_utf8(text).is_ok()),
            // What is no array is refused where it is read.
            Form::Array => elements_fit(bytes).unwrap_or(true),
        }
    }
}

/// Whether all elements of an array of texts are UTF-8; none where it is no array.
fn elements_fit(bytes: &[u8]) -> Option<bool> {
    let number = |at: usize| {
        let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(i32::from_be_bytes(four))
    };
    // Dimensions, flags, the element's type; length and lower bound of each dimension.
    let mut at = usize::try_from(number(0)?)
        .ok()?
        .checked_mul(8)?
        .checked_add(12)?;
    while at < bytes.len() {
        let length = number(at)?;
        at += 4;
        // Null has a length below nothing.
        let Ok(length) = usize::try_from(length) else {
            continue;
        };
        let element = bytes.get(at..at.checked_add(length)?)?;
        if std::str::from_utf8(element).is_err() {
            return Some(false);
        }
        at += length;
    }
    Some(true)
}
