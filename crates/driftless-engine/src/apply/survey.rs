//! What must be known of all rows of a source before the first one is shaped: read under the run's snapshot, into a temporary
//! table of the target.

use driftless_core::name::quote_ident;
use driftless_core::plan::EntityPlan;
use driftless_core::transform::{COPY_HEADER, COPY_TRAILER};
use driftless_pg::{RowRead, Session, Transaction};

use super::send::copy;
use crate::error::Result;

/// Bytes that are sent in one COPY.
const COPY_BYTES: usize = 8 << 20;

/// Copies what a query of the source yields, so many columns wide, into a table of the target, byte for byte.
pub(super) async fn transfer(
    source: &Session,
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    query: &str,
    (table, width): (&str, usize),
) -> Result<()> {
    let mut stream = source
        .copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)"))
        .await?;
    loop {
        let (mut arena, mut cells) = (Vec::new(), Vec::new());
        while arena.len() < COPY_BYTES && stream.append_row(&mut arena, &mut cells).await? != RowRead::End {}
        if cells.is_empty() {
            return Ok(());
        }
        let mut encoded = COPY_HEADER.to_vec();
        for row in cells.chunks(width) {
            encoded.extend_from_slice(&(width as u16).to_be_bytes());
            for cell in row {
                match cell.bytes(&arena) {
                    Some(bytes) => {
                        encoded.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                        encoded.extend_from_slice(bytes);
                    }
                    None => encoded.extend_from_slice(&[0xff; 4]),
                }
            }
        }
        encoded.extend_from_slice(COPY_TRAILER);
        let sql = format!("COPY {table} FROM STDIN (FORMAT binary)");
        copy(tx, &sql, encoded, cells.len() / width, &plan.name).await?;
    }
}

/// SQL that is true of a source row that has a key.
pub(super) fn has_key(plan: &EntityPlan) -> String {
    let parts: Vec<String> = plan
        .identity
        .key
        .iter()
        .map(|part| format!("{} IS NOT NULL", quote_ident(&part.column)))
        .collect();
    parts.join(" AND ")
}
