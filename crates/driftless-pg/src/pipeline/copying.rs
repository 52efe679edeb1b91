//! COPYs that are sent ahead.

use bytes::{BufMut, Bytes};
use postgres_protocol::message::frontend;

use super::{Due, Pipeline, What};
use crate::error::{ErrorKind, PgError};

/// What every binary COPY begins with: a signature, no flags, no extension.
pub(crate) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What it ends with.
pub(crate) const TRAILER: &[u8; 2] = b"\xff\xff";

/// Bytes of one CopyData message: the server works on one while the next is on its way.
const MESSAGE_BYTES: usize = 256 * 1024;

/// How many COPYs may wait for their answers. A refusal is then seen before much was sent in vain.
const MOST_COPIES: usize = 12;

/// What became of a COPY that was sent ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Rows that the stream held.
    pub sent: u64,
    /// Rows that the server says it wrote.
    pub taken: u64,
}

impl Pipeline {
    /// COPYs that are not answered.
    pub(super) fn copies(&self) -> usize {
        let copies = self.due.iter().filter(|due| matches!(due.what, What::Copy(_)));
        copies.count()
    }

    /// Makes ready for rows of a COPY that are sent ahead: begins it, unless its stream is open.
    ///
    /// # Errors
    /// What was sent ahead before and refused; [`ErrorKind::Usage`] outside of a transaction.
    async fn queue_up_copy(&mut self, sql: &str) -> Result<(), PgError> {
        self.hear().await;
        let in_vain = self.wire.is_rollback_due() || self.wire.is_lost();
        if self.open_copy.as_deref() == Some(sql) && self.refusal.is_none() && !in_vain {
            return Ok(());
        }
        if self.copies() == 0 || in_vain {
            self.enter().await?;
        }
        if !self.wire.in_transaction() {
            let cause = "a COPY was sent ahead outside of a transaction";
            return Err(PgError::new(ErrorKind::Usage, self.wire.place(), cause));
        }
        self.close()?;
        self.flush().await;
        while self.copies() >= MOST_COPIES {
            self.answer_front().await;
        }
        if self.refusal.is_some() {
            // What was sent behind it was refused, too.
            return self.collect().await;
        }
        self.wire.post_simple(sql)?;
        self.push(What::Copy(0), true, false);
        self.open_copy = Some(sql.to_owned());
        self.post_copy_data(Bytes::from_static(HEADER))
    }

    /// Sends rows by a COPY. Its stream stays open until something else is sent, so that rows which follow go in by the same one: the
    /// server takes a millisecond for each, whatever it holds.
    ///
    /// # Errors
    /// What was sent ahead before and refused; [`ErrorKind::Usage`] outside of a transaction.
    pub(crate) async fn copy(&mut self, sql: &str, mut stream: Bytes, rows: u64) -> Result<(), PgError> {
        self.queue_up_copy(sql).await?;
        // All of it is in the outbox before anything is waited for: dropped at any await, the sequence stays whole.
        if let Some(Due {
            what: What::Copy(sent),
            ..
        }) = self.due.back_mut()
        {
            *sent += rows;
        }
        while !stream.is_empty() {
            self.post_copy_data(stream.split_to(stream.len().min(MESSAGE_BYTES)))?;
        }
        self.flush().await;
        match &self.refusal {
            Some(_) => self.collect().await,
            None => Ok(()),
        }
    }

    fn post_copy_data(&mut self, data: Bytes) -> Result<(), PgError> {
        self.wire.post(|buf| {
            buf.put_u8(b'd');
            buf.put_i32(data.len() as i32 + 4);
            Ok(())
        })?;
        self.wire.post_bytes(data);
        Ok(())
    }

    /// Ends a stream that is open, where it stands.
    pub(super) fn end_copy(&mut self) -> Result<(), PgError> {
        if self.wire.is_rollback_due() {
            return self.fail_copy();
        }
        if self.open_copy.is_some() {
            self.post_copy_data(Bytes::from_static(TRAILER))?;
            self.wire.post(|buf| {
                frontend::copy_done(buf);
                Ok(())
            })?;
            self.open_copy = None;
        }
        Ok(())
    }

    /// Ends a stream that is open, of which nothing is to stay.
    pub(super) fn fail_copy(&mut self) -> Result<(), PgError> {
        if self.open_copy.take().is_some() {
            self.wire.post(|buf| frontend::copy_fail("rolled back", buf))?;
        }
        Ok(())
    }

    /// What became of the COPYs that were answered since this was asked last.
    pub(crate) fn take_copied(&mut self) -> Vec<Copied> {
        std::mem::take(&mut self.copied)
    }
}
