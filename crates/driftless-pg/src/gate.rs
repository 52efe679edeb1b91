use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::error::{ErrorKind, PgError};
use crate::param::Param;
use crate::pipeline::{Answer, Copied, Pending, Pipeline, Request};
use crate::wire::Wire;

/// Lets statements of several tasks onto a wire, one behind the other: they are sent as they come, and whoever waits reads the
/// answers of all. One that meets a COPY of the same session is a mistake and told so, because it would wait for ever if both
/// belong to one task.
pub(crate) struct Gate {
    pipeline: Mutex<Pipeline>,
    /// Somebody wants to send while somebody else reads.
    wanted: Notify,
    copying: AtomicBool,
    place: String,
}

impl Gate {
    pub(crate) fn new(pipeline: Pipeline) -> Gate {
        Gate {
            place: pipeline.place().to_owned(),
            pipeline: Mutex::new(pipeline),
            wanted: Notify::new(),
            copying: AtomicBool::new(false),
        }
    }

    /// Sends a statement behind those that are under way, and waits for its answer.
    ///
    /// # Errors
    /// What the server refuses, or refused of what was sent ahead.
    pub(crate) async fn run(&self, request: Request<'_>) -> Result<Answer, PgError> {
        let mut pending = self.send(&request).await?;
        loop {
            tokio::select! {
                biased;
                // 1. Somebody else has read it.
                answer = &mut pending => {
                    return answer.unwrap_or_else(|_| {
                        Err(PgError::protocol(&self.place, "a statement without an answer"))
                    });
                }
                // 2. It is our turn to read.
                mut pipeline = self.pipeline.lock() => {
                    tokio::select! {
                        biased;
                        // 1. Answers.
                        answer = pipeline.wait(&mut pending) => return answer,
                        // 2. Somebody wants to send, and goes first.
                        () = self.wanted.notified() => {}
                    }
                }
            }
        }
    }

    async fn send(&self, request: &Request<'_>) -> Result<Pending, PgError> {
        let mut pipeline = self.turn().await?;
        pipeline.queue_up(request).await?;
        let pending = pipeline.post_request(request)?;
        pipeline.flush().await;
        Ok(pending)
    }

    /// Sends a statement with the next one that somebody waits for.
    ///
    /// # Errors
    /// What was sent ahead before and refused; [`ErrorKind::Usage`] outside of a transaction.
    pub(crate) async fn ahead(&self, sql: &str, params: &[Param]) -> Result<(), PgError> {
        let mut pipeline = self.turn().await?;
        let request = Request::Run {
            sql,
            params,
            keep_rows: false,
        };
        pipeline.queue_up(&request).await?;
        if !pipeline.is_begun() {
            let cause = "a statement was sent ahead outside of a transaction";
            return Err(PgError::new(ErrorKind::Usage, &self.place, cause));
        }
        pipeline.post_ahead(sql, params)
    }

    /// The same for a batch.
    ///
    /// # Errors
    /// As [`Gate::ahead`].
    pub(crate) async fn batch_ahead(&self, sql: &str) -> Result<(), PgError> {
        let mut pipeline = self.turn().await?;
        pipeline.queue_up(&Request::Batch(sql)).await?;
        if !pipeline.is_begun() {
            let cause = "a batch was sent ahead outside of a transaction";
            return Err(PgError::new(ErrorKind::Usage, &self.place, cause));
        }
        pipeline.post_batch_ahead(sql)
    }

    /// Sends rows by a COPY.
    pub(crate) async fn copy(&self, sql: &str, stream: Bytes, rows: u64) -> Result<(), PgError> {
        let mut pipeline = self.turn().await?;
        pipeline.copy(sql, stream, rows).await
    }

    /// What became of the COPYs that were sent ahead.
    pub(crate) async fn copied(&self) -> Result<Vec<Copied>, PgError> {
        let mut pipeline = self.enter().await?;
        Ok(pipeline.take_copied())
    }

    /// The wire, with all that was sent answered.
    ///
    /// # Errors
    /// What was sent ahead and refused, besides what ended the connection.
    pub(crate) async fn enter(&self) -> Result<MutexGuard<'_, Pipeline>, PgError> {
        let mut pipeline = self.turn().await?;
        pipeline.enter().await?;
        Ok(pipeline)
    }

    async fn turn(&self) -> Result<MutexGuard<'_, Pipeline>, PgError> {
        if self.copying.load(Ordering::Acquire) {
            return Err(PgError::new(
                ErrorKind::Usage,
                &self.place,
                "a statement was sent to a session while its COPY is under way",
            ));
        }
        if let Ok(pipeline) = self.pipeline.try_lock() {
            return Ok(pipeline);
        }
        self.wanted.notify_one();
        Ok(self.pipeline.lock().await)
    }

    /// The wire as it stands, if nobody is sending or reading.
    pub(crate) fn peek(&self) -> Option<MutexGuard<'_, Pipeline>> {
        self.pipeline.try_lock().ok()
    }

    /// The wire as it stands.
    pub(crate) fn own(&mut self) -> &mut Pipeline {
        self.pipeline.get_mut()
    }

    /// Keeps the wire for a COPY.
    pub(crate) fn keep<'s>(&'s self, pipeline: MutexGuard<'s, Pipeline>) -> CopyTurn<'s> {
        self.copying.store(true, Ordering::Release);
        CopyTurn { gate: self, pipeline }
    }
}

/// The wire while a COPY has it.
pub(crate) struct CopyTurn<'s> {
    gate: &'s Gate,
    pipeline: MutexGuard<'s, Pipeline>,
}

impl Deref for CopyTurn<'_> {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.pipeline
    }
}

impl DerefMut for CopyTurn<'_> {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.pipeline
    }
}

impl Drop for CopyTurn<'_> {
    fn drop(&mut self) {
        self.gate.copying.store(false, Ordering::Release);
    }
}
