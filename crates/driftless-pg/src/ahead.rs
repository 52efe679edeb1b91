use bytes::{BufMut, Bytes};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use crate::error::PgError;
use crate::wire::Wire;

/// Bytes of one CopyData message: the server works on one while the next is on its way.
const MESSAGE_BYTES: usize = 256 * 1024;

/// How many may wait for their answers. A refusal is then seen before much was sent in vain.
const MOST_AHEAD: usize = 4;

/// Sends a COPY with all of its stream, which holds so many rows.
pub(crate) async fn send(wire: &mut Wire, sql: &str, mut stream: Bytes, rows: u64) -> Result<(), PgError> {
    while wire.ahead() >= MOST_AHEAD {
        collect_one(wire).await?;
    }
    // All of it is in the outbox before anything is waited for: dropped at any await, the sequence stays whole.
    wire.post_ahead(sql, rows)?;
    while !stream.is_empty() {
        let message = stream.split_to(stream.len().min(MESSAGE_BYTES));
        wire.post(|buf| {
            buf.put_u8(b'd');
            buf.put_i32(message.len() as i32 + 4);
            Ok(())
        })?;
        wire.post_bytes(message);
    }
    wire.post(|buf| {
        frontend::copy_done(buf);
        Ok(())
    })?;
    wire.flush().await
}

/// Reads all answers that are due.
pub(crate) async fn collect(wire: &mut Wire) -> Result<(), PgError> {
    if wire.ahead() > 0 {
        // One that was dropped half-way is not sent to its end.
        wire.flush().await?;
    }
    while wire.ahead() > 0 {
        collect_one(wire).await?;
    }
    Ok(())
}

/// Reads one answer. After a refusal all that is due is read: what was sent behind it was refused, too.
async fn collect_one(wire: &mut Wire) -> Result<(), PgError> {
    let answered = answer(wire).await;
    wire.after(answered).await
}

async fn answer(wire: &mut Wire) -> Result<(), PgError> {
    loop {
        match wire.recv().await? {
            Message::CopyInResponse(_) => {}
            Message::CommandComplete(body) => {
                let count = body.tag().ok().and_then(|tag| tag.rsplit(' ').next());
                wire.note_taken(count.and_then(|count| count.parse().ok()).unwrap_or(0));
            }
            Message::ReadyForQuery(_) => return Ok(()),
            _ => return Err(wire.break_off("an unknown message in the answer to a COPY")),
        }
    }
}
