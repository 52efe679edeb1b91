//! Sends a whole encoded COPY.

use bytes::Bytes;
use driftless_core::code;
use driftless_pg::Session;

use crate::error::{EngineError, Result};

/// Bytes of one CopyData message: the server works on one while the next is on its way.
const MESSAGE_BYTES: usize = 256 * 1024;

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
    if taken == rows as u64 {
        return Ok(());
    }
    Err(EngineError::new(
        code::INTEGRITY,
        format!("entity {entity}"),
        format!("{rows} rows were sent, the target took {taken}"),
    )
    .remedy("a trigger or rule of the target swallows rows: silence it, or leave the table out"))
}
