use std::ops::Deref;

use driftless_core::name::quote_literal;

use super::Session;
use crate::error::{ErrorKind, PgError};
use crate::pipeline::Request;

/// What a transaction may do and see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginMode {
    /// Writes; each statement sees what was committed before it (READ COMMITTED).
    ReadWrite,
    /// Only reads, all of it one state (REPEATABLE READ READ ONLY): the one that was exported under this name, or
    /// else the one of its first statement.
    ReadOnlySnapshot(Option<String>),
    /// As [`BeginMode::ReadWrite`], but it cannot be committed: for trying things.
    RolledBack,
}

/// An open transaction: a [`Session`], except that it must end. Dropped without an end it is rolled back before the
/// session's next statement.
#[derive(Debug)]
pub struct Transaction<'s> {
    session: &'s mut Session,
    mode: BeginMode,
    ended: bool,
}

impl<'s> Transaction<'s> {
    pub(super) async fn begin(session: &'s mut Session, mode: BeginMode) -> Result<Transaction<'s>, PgError> {
        let mut statements = match &mode {
            BeginMode::ReadWrite | BeginMode::RolledBack => {
                vec!["BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE".to_owned()]
            }
            BeginMode::ReadOnlySnapshot(_) => {
                vec!["BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned()]
            }
        };
        if let BeginMode::ReadOnlySnapshot(Some(id)) = &mode {
            statements.push(format!("SET TRANSACTION SNAPSHOT {}", quote_literal(id)));
        }
        session.pipeline().queue_up_begin().await?;
        session.pipeline().take_copied();
        let imports = statements.len() > 1;
        // From here on: whether this fails or is dropped half-way, nothing stays open.
        let transaction = Transaction {
            session,
            mode,
            ended: false,
        };
        let pipeline = transaction.session.pipeline();
        pipeline.post_begin(&statements)?;
        if imports {
            // A snapshot that is gone is told here.
            pipeline.collect().await?;
        }
        Ok(transaction)
    }

    /// Commits. Only `Ok` says that everything is in the database.
    ///
    /// # Errors
    /// What the server refuses, which rolls back: a constraint that was deferred, or a statement that had failed before
    /// (SQLSTATE 25P02, although the server itself calls that a success). [`ErrorKind::CommitUnknown`] if the
    /// connection ended before the answer. [`ErrorKind::Usage`] for one that is only to be rolled back.
    pub async fn commit(mut self) -> Result<(), PgError> {
        if self.mode == BeginMode::RolledBack {
            return Err(self
                .session
                .usage("a transaction for trying things was to be committed".to_owned()));
        }
        let pipeline = self.session.pipeline();
        let commit = Request::Run {
            sql: "COMMIT",
            params: &[],
            keep_rows: false,
        };
        // What was sent before and fails is told in its place, and nothing is committed then.
        pipeline.queue_up(&commit).await?;
        let mut pending = pipeline.post_request(&commit)?;
        pipeline.flush().await;
        let answer = pipeline.wait(&mut pending).await;
        // Passed over behind something that was refused it has ended nothing.
        self.ended = !pipeline.in_transaction();
        match answer {
            Ok(answer) if answer.tag == "COMMIT" => Ok(()),
            Ok(_) => Err(PgError::new(
                ErrorKind::Server,
                self.session.place(),
                "the transaction was rolled back, because a statement in it had failed",
            )),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::Protocol) => {
                Err(error.with_kind(ErrorKind::CommitUnknown))
            }
            Err(error) => Err(error),
        }
    }

    /// Rolls back. Nothing is waited for, except the end of a COPY that was dropped half-way: the session's next statement
    /// follows behind.
    ///
    /// # Errors
    /// If the connection is lost, with which everything is rolled back too.
    pub async fn rollback(mut self) -> Result<(), PgError> {
        let pipeline = self.session.pipeline();
        if pipeline.is_lost() {
            return pipeline.settle().await;
        }
        pipeline.queue_up_rollback().await?;
        pipeline.post_rollback()?;
        self.ended = true;
        pipeline.flush().await;
        if pipeline.is_lost() {
            return pipeline.settle().await;
        }
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.session.pipeline().roll_back_later();
        }
    }
}
