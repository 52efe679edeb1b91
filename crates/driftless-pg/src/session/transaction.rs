use std::ops::Deref;

use driftless_core::name::quote_literal;

use super::{Session, statement};
use crate::ahead;
use crate::error::{ErrorKind, PgError};

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
        let sql = match &mode {
            BeginMode::ReadWrite | BeginMode::RolledBack => {
                "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE".to_owned()
            }
            BeginMode::ReadOnlySnapshot(None) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned()
            }
            BeginMode::ReadOnlySnapshot(Some(id)) => format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}",
                quote_literal(id)
            ),
        };
        session.wire().settle().await?;
        if session.wire().in_transaction() {
            return Err(session.usage("a transaction was begun within another".to_owned()));
        }
        session.wire().take_copied();
        // From here on: whether this fails or is dropped half-way, nothing stays open.
        let transaction = Transaction {
            session,
            mode,
            ended: false,
        };
        statement::batch(transaction.session.wire(), &sql).await?;
        Ok(transaction)
    }

    /// Commits. Only `Ok` says that everything is in the database.
    ///
    /// # Errors
    /// What the server refuses, which rolls back: a constraint that was deferred, or a statement that had failed before
    /// (SQLSTATE 25P02, although the server itself calls that a success). [`ErrorKind::CommitUnknown`] if the
    /// connection ended before the answer. [`ErrorKind::Usage`] for one that is only to be rolled back.
    pub async fn commit(mut self) -> Result<(), PgError> {
        let wire = self.session.wire();
        // What was sent ahead or dropped half-way may fail here, before anything is committed.
        ahead::collect(wire).await?;
        wire.settle().await?;
        if self.mode == BeginMode::RolledBack {
            return Err(self
                .session
                .usage("a transaction for trying things was to be committed".to_owned()));
        }
        let answer = statement::batch(wire, "COMMIT").await;
        self.ended = true;
        match answer {
            Ok(tag) if tag == "COMMIT" => Ok(()),
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

    /// Rolls back.
    ///
    /// # Errors
    /// If the connection is lost, with which everything is rolled back too.
    pub async fn rollback(mut self) -> Result<(), PgError> {
        let wire = self.session.wire();
        wire.settle().await?;
        statement::batch(wire, "ROLLBACK").await?;
        self.ended = true;
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
            self.session.wire().roll_back_later();
        }
    }
}
