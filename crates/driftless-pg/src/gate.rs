use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use crate::ahead;
use crate::error::{ErrorKind, PgError};
use crate::wire::Wire;

/// Lets one statement at a time onto a wire. Statements of several tasks queue; one that meets a COPY of the same
/// session is a mistake and told so, because it would wait for ever if both belong to one task.
pub(crate) struct Gate {
    wire: Mutex<Wire>,
    copying: AtomicBool,
    place: String,
}

impl Gate {
    pub(crate) fn new(wire: Wire) -> Gate {
        Gate {
            place: wire.place().to_owned(),
            wire: Mutex::new(wire),
            copying: AtomicBool::new(false),
        }
    }

    /// The wire, ready for a statement: COPYs that were sent ahead are answered.
    ///
    /// # Errors
    /// What one of them was refused for, besides what ended the connection.
    pub(crate) async fn enter(&self) -> Result<MutexGuard<'_, Wire>, PgError> {
        let mut wire = self.enter_ahead().await?;
        ahead::collect(&mut wire).await?;
        Ok(wire)
    }

    /// The wire, ready for a COPY that is sent ahead of what is not answered yet.
    pub(crate) async fn enter_ahead(&self) -> Result<MutexGuard<'_, Wire>, PgError> {
        if self.copying.load(Ordering::Acquire) {
            return Err(PgError::new(
                ErrorKind::Usage,
                &self.place,
                "a statement was sent to a session while its COPY is under way",
            ));
        }
        let mut wire = self.wire.lock().await;
        wire.queue_up().await?;
        Ok(wire)
    }

    /// The wire as it stands, if no statement is under way.
    pub(crate) fn peek(&self) -> Option<MutexGuard<'_, Wire>> {
        self.wire.try_lock().ok()
    }

    /// The wire as it stands.
    pub(crate) fn own(&mut self) -> &mut Wire {
        self.wire.get_mut()
    }

    /// Keeps the wire for a COPY.
    pub(crate) fn keep<'s>(&'s self, wire: MutexGuard<'s, Wire>) -> CopyTurn<'s> {
        self.copying.store(true, Ordering::Release);
        CopyTurn { gate: self, wire }
    }
}

/// The wire while a COPY has it.
pub(crate) struct CopyTurn<'s> {
    gate: &'s Gate,
    wire: MutexGuard<'s, Wire>,
}

impl Deref for CopyTurn<'_> {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for CopyTurn<'_> {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl Drop for CopyTurn<'_> {
    fn drop(&mut self) {
        self.gate.copying.store(false, Ordering::Release);
    }
}
