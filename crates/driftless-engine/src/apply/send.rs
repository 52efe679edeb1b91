//! Sends encoded rows by COPY.

use bytes::Bytes;
use driftless_core::code;
use driftless_pg::{Disposition, Session, Transaction};

use crate::error::{EngineError, Result};

/// Bytes of one CopyData message: the server works on one while the next is on its way.
const MESSAGE_BYTES: usize = 256 * 1024;

/// Whether an error is about a row that a COPY sent. Beside data errors, types tell so of what they cannot read: bad syntax (a
/// path or a label that a newer server knows), too long, not supported, or without a code of its own (an empty tsquery).
pub(super) fn is_of_a_row(error: &EngineError) -> bool {
    error.disposition() == Disposition::Row
        || matches!(
            error.pg().and_then(|pg| pg.sqlstate()),
            Some("0A000" | "42601" | "42602" | "42622" | "54000" | "XX000")
        )
}

/// Sends a whole encoded COPY. The server must have taken every row.
pub(super) async fn copy(
    session: &Session,
    sql: &str,
    encoded: Vec<u8>,
    rows: usize,
    entity: &str,
) -> Result<()> {
    let mut stream = session.copy_in(sql).await?;
    let mut bytes = Bytes::from(encoded);
    while !bytes.is_empty() {
        let message = bytes.split_to(bytes.len().min(MESSAGE_BYTES));
        stream.send(message).await?;
    }
    let taken = stream.finish().await?;
    took(entity, rows as u64, taken)
}

/// Sends rows, without header and trailer, and does not wait for the answer, which [`confirm`] reads. Those that follow by the same
/// statement are of the same COPY.
pub(super) async fn copy_ahead(tx: &Transaction<'_>, sql: &str, encoded: Bytes, rows: usize) -> Result<()> {
    Ok(tx.copy_ahead(sql, encoded, rows as u64).await?)
}

/// Waits for what was sent ahead. The server must have taken every row.
pub(super) async fn confirm(tx: &Transaction<'_>, entity: &str) -> Result<()> {
    for copied in tx.copied().await? {
        took(entity, copied.sent, copied.taken)?;
    }
    Ok(())
}

fn took(entity: &str, rows: u64, taken: u64) -> Result<()> {
    if taken == rows {
        return Ok(());
    }
    Err(EngineError::new(
        code::INTEGRITY,
        format!("entity {entity}"),
        format!("{rows} rows were sent, the target took {taken}"),
    )
    .remedy("a trigger or rule of the target swallows rows: silence it, or leave the table out"))
}
