//! The wish to stop, and what it does to work in flight.

use tokio_util::sync::CancellationToken;

use driftless_core::code;

use crate::error::{EngineError, Result};

/// The wish to stop: given once, seen everywhere.
#[derive(Debug, Clone, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// Nobody wishes to stop yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Wishes to stop.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether somebody wishes to stop.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Works until the work ends or somebody wishes to stop; then what is open is dropped, and the servers roll it back.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.0.cancelled() => Err(interrupted()),
            done = work => done,
        }
    }
}

/// The error of a run that was asked to stop.
pub fn interrupted() -> EngineError {
    EngineError::new(code::INTERRUPTED, "run", "interrupted").remedy("start again to continue")
}
