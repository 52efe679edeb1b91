use bytes::{BufMut, Bytes};
use driftless_core::batch::Cell;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::decode::{CopyDecoder, Step};
use crate::error::{ErrorKind, PgError};
use crate::gate::CopyTurn;
use crate::wire::{CopyFrame, Copying, Wire};

/// Unsent bytes at which a COPY FROM writes to its socket: a quarter of what callers are asked to coalesce to, so that
/// their pieces go out as they come, and rows sent one by one do not cost a system call each.
const SEND_BYTES: usize = 64 * 1024;

/// Pieces below this are copied behind the ones before; larger ones are sent from where they lie.
const COPIED_BYTES: usize = 8 * 1024;

/// Messages (one a row) up to this size are waited for as a whole, which allows to append them with one copy.
const WHOLE_ROW_BYTES: usize = 1024 * 1024;

/// What [`CopyOut::append_row`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRead {
    /// A row was appended.
    Row,
    /// A row was appended that exceeds the limit: its fields that did not fit stand as nulls. It must be rejected.
    TooLarge {
        /// The first field that did not fit, from 0.
        column: usize,
        /// The bytes that this field has.
        bytes: usize,
    },
    /// There are no more rows; nothing was appended.
    End,
}

/// A `COPY … TO STDOUT (FORMAT binary)` under way. Dropped before its end, the rest is read and thrown away by
/// the session's next statement; cancel it, or drop the session, where that would take too long.
pub struct CopyOut<'s> {
    turn: CopyTurn<'s>,
    decoder: CopyDecoder,
    columns: usize,
    ended: bool,
}

impl<'s> CopyOut<'s> {
    pub(crate) async fn start(
        mut turn: CopyTurn<'s>,
        sql: &str,
        row_limit: usize,
    ) -> Result<CopyOut<'s>, PgError> {
        let started = start(&mut turn, sql, false).await;
        let columns = turn.after(started).await?;
        Ok(CopyOut {
            turn,
            decoder: CopyDecoder::new(columns, row_limit),
            columns,
            ended: false,
        })
    }

    /// Columns of the stream.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Appends the next row: its bytes to the arena, one cell for each column to the cells. Not to be dropped
    /// half-way: the arena may then end with half a row, and the COPY must be dropped too.
    ///
    /// # Errors
    /// What the server says in the middle of it, a lost connection, or a stream that is none.
    pub async fn append_row(
        &mut self,
        arena: &mut Vec<u8>,
        cells: &mut Vec<Cell>,
    ) -> Result<RowRead, PgError> {
        let read = self.read(arena, cells).await;
        self.turn.after(read).await
    }

    async fn read(&mut self, arena: &mut Vec<u8>, cells: &mut Vec<Cell>) -> Result<RowRead, PgError> {
        while !self.ended {
            if self.turn.payload_left() == 0 {
                match self.turn.copy_frame().await? {
                    CopyFrame::Data => {}
                    CopyFrame::Done => self.end().await?,
                }
                continue;
            }
            let whole = self.turn.payload_left() <= WHOLE_ROW_BYTES;
            let payload = self.turn.payload(whole).await?;
            let fed = self.decoder.feed(payload, arena, cells);
            let (used, step) = fed.map_err(|error| self.turn.break_off(error.to_string()))?;
            self.turn.consume(used);
            match step {
                Step::Row => return Ok(RowRead::Row),
                Step::TooLarge { column, bytes } => return Ok(RowRead::TooLarge { column, bytes }),
                Step::NeedMore | Step::End => {}
            }
        }
        Ok(RowRead::End)
    }

    async fn end(&mut self) -> Result<(), PgError> {
        self.ended = true;
        if !self.decoder.is_at_end() {
            return Err(self.turn.break_off("a COPY stream ends before its end"));
        }
        finish(&mut self.turn).await.map(drop)
    }
}

/// A `COPY … FROM STDIN (FORMAT binary)` under way. Dropped without [`CopyIn::finish`], it fails, and with it its
/// transaction.
pub struct CopyIn<'s> {
    turn: CopyTurn<'s>,
    columns: usize,
    refused: bool,
}

impl<'s> CopyIn<'s> {
    pub(crate) async fn start(mut turn: CopyTurn<'s>, sql: &str) -> Result<CopyIn<'s>, PgError> {
        let started = start(&mut turn, sql, true).await;
        let columns = turn.after(started).await?;
        Ok(CopyIn {
            turn,
            columns,
            refused: false,
        })
    }

    /// Columns that the server expects.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Sends a piece of the stream, cut anywhere. About 256 KiB a piece is what costs least.
    ///
    /// # Errors
    /// What the server refused meanwhile, which ends the COPY, or a lost connection.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), PgError> {
        if self.refused {
            return Err(ended(&self.turn));
        }
        let sent = self.pass_on(bytes).await;
        if sent.is_err() {
            self.refused = true;
        }
        sent
    }

    async fn pass_on(&mut self, bytes: Bytes) -> Result<(), PgError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let copied = bytes.len() < COPIED_BYTES;
        let wire = &mut *self.turn;
        wire.post(|buf| {
            let length = i32::try_from(bytes.len() + 4).map_err(std::io::Error::other)?;
            buf.put_u8(b'd');
            buf.put_i32(length);
            if copied {
                buf.put_slice(&bytes);
            }
            Ok(())
        })?;
        if !copied {
            wire.post_bytes(bytes);
        }
        if wire.unsent() < SEND_BYTES {
            return Ok(());
        }
        wire.flush().await?;
        if wire.has_answer() {
            // Nothing but a refusal can come before the end.
            let answer = match wire.recv().await {
                Ok(_) => Err(wire.break_off("an answer to a COPY before its end")),
                Err(error) => Err(error),
            };
            wire.set_copying(Copying::No);
            return wire.after(answer).await;
        }
        Ok(())
    }

    /// Ends the stream, which the trailer must have closed; how many rows were written.
    ///
    /// # Errors
    /// What the server refuses, or a lost connection.
    pub async fn finish(mut self) -> Result<u64, PgError> {
        if self.refused {
            return Err(ended(&self.turn));
        }
        let wire = &mut *self.turn;
        wire.set_copying(Copying::No);
        wire.post(|buf| {
            frontend::copy_done(buf);
            Ok(())
        })?;
        wire.flush().await?;
        let finished = finish(wire).await;
        wire.after(finished).await
    }

    /// Ends the stream with an error, which also fails its transaction (or goes back to a savepoint's state once
    /// that is rolled back to). Nothing of it is written.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn abort(mut self, reason: &str) -> Result<(), PgError> {
        if self.refused {
            return Ok(());
        }
        self.turn.fail_copy(reason)?;
        self.turn.drain().await
    }
}

fn ended(wire: &Wire) -> PgError {
    PgError::new(
        ErrorKind::Usage,
        wire.place(),
        "a COPY that has failed was used again",
    )
}

/// Sends the statement and waits until the stream begins; its number of columns.
async fn start(wire: &mut Wire, sql: &str, inward: bool) -> Result<usize, PgError> {
    wire.post_simple(sql)?;
    wire.flush().await?;
    let (format, columns) = match wire.recv().await? {
        Message::CopyOutResponse(body) if !inward => {
            wire.set_copying(Copying::Out(0));
            (body.format(), body.column_formats().count())
        }
        Message::CopyInResponse(body) => {
            wire.set_copying(Copying::In);
            (body.format(), body.column_formats().count())
        }
        _ => (0, Ok(0)),
    };
    if format != 1 || (wire.copying() == Copying::In) != inward {
        if wire.copying() == Copying::In {
            wire.fail_copy("not a COPY as expected")?;
        }
        let direction = if inward { "FROM STDIN" } else { "TO STDOUT" };
        let cause = format!("a statement that is no binary COPY … {direction} was sent as one");
        return Err(PgError::new(ErrorKind::Usage, wire.place(), cause));
    }
    columns.map_err(|error| wire.break_off(error.to_string()))
}

/// Reads to the end of the statement; the number of rows in its tag.
async fn finish(wire: &mut Wire) -> Result<u64, PgError> {
    let mut rows = 0;
    loop {
        match wire.recv().await? {
            Message::CommandComplete(body) => {
                rows = body
                    .tag()
                    .ok()
                    .and_then(|tag| tag.rsplit(' ').next()?.parse().ok())
                    .unwrap_or(0);
            }
            Message::ReadyForQuery(_) => return Ok(rows),
            _ => return Err(wire.break_off("an unknown message at the end of a COPY")),
        }
    }
}
