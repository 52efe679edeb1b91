//! An application that writes into the source beside a load, and whether it did while that mattered.

use std::cell::Cell;

use driftless_testkit::workload::{self, Application};
use driftless_testkit::{TestDatabase, wait_until};

use super::desk::Running;

/// Who writes into the source, and how many transactions were committed when the disturbed load began and when it was struck.
pub(super) struct Motion {
    application: Option<Application>,
    begun: Cell<u64>,
    struck: Cell<u64>,
}

impl Motion {
    /// The source rests.
    pub(super) fn none() -> Motion {
        Motion {
            application: None,
            begun: Cell::new(0),
            struck: Cell::new(0),
        }
    }

    /// Somebody writes from now on: the first transaction is committed.
    pub(super) async fn start(source: &TestDatabase, seed: u64) -> Motion {
        let application = Application::start(workload::SEVERAL_CHUNKS, source, seed);
        wait_until("the first change of the source", async || {
            application.changes() > 0
        })
        .await;
        Motion {
            application: Some(application),
            ..Motion::none()
        }
    }

    fn changes(&self) -> u64 {
        self.application.as_ref().map_or(0, Application::changes)
    }

    /// Whether the source has changed since then, if it is to change at all.
    fn moved_since(&self, then: &Cell<u64>) -> bool {
        self.application.is_none() || self.changes() > then.get()
    }

    /// A load begins that is going to be disturbed.
    pub(super) fn load_begins(&self) {
        self.begun.set(self.changes());
    }

    /// Waits until the source has changed under the load, which is struck next.
    pub(super) async fn before_the_strike(&self, running: &mut Running) {
        running.until(async || self.moved_since(&self.begun)).await;
        self.struck.set(self.changes());
    }

    /// The load was struck by something that waits for nobody; whether the source had changed under it before.
    pub(super) fn is_struck(&self) -> bool {
        self.struck.set(self.changes());
        self.struck_in_motion()
    }

    /// Whether the source had changed under the load when that was struck.
    pub(super) fn struck_in_motion(&self) -> bool {
        self.application.is_none() || self.struck.get() > self.begun.get()
    }

    /// Nobody writes any more. An error if nothing was written since the strike.
    pub(super) async fn end(&mut self) -> Result<(), String> {
        let moved = self.moved_since(&self.struck);
        if let Some(application) = self.application.take() {
            application.end().await;
        }
        if moved {
            Ok(())
        } else {
            Err("the source never changed between the fault and the end of the last load".to_owned())
        }
    }
}
