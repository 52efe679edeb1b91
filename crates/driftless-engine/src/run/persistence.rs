//! A load whose connections are lost goes on by itself: how long, and what it left meanwhile.

use std::time::{Duration, Instant};

use driftless_core::code::{self, Exit};
use driftless_pg::Backoff;

use super::Events;
use super::held::Held;
use super::prepare::Prepared;
use super::report::Event;
use super::settle;
use super::stop::{Stop, interrupted};
use crate::apply::chunk::is_deadlock;
use crate::error::{EngineError, Result};

/// Attempts in a row that may fail without a chunk committed between. With the pauses before them, and what connecting waits
/// by itself, that outlasts a server's restart and a managed database's change of machine.
const MOST_FUTILE: u32 = 8;

/// The first pause: a session that was ended by itself can be replaced at once.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause: whoever waits for a server wants to notice it.
const LONGEST: Duration = Duration::from_secs(30);

/// What a load keeps between its attempts.
#[derive(Debug)]
pub(super) struct Persistence {
    backoff: Backoff,
    left: Option<Left>,
}

/// What the last attempt that held the pipeline left.
#[derive(Debug)]
struct Left {
    prepared: Prepared,
    /// The epoch under which it was held.
    epoch: i64,
}

impl Persistence {
    /// Before the first attempt.
    pub(super) fn new() -> Persistence {
        Persistence {
            backoff: Backoff::new(FIRST, LONGEST),
            left: None,
        }
    }

    /// The epoch of the attempt before, if it held the pipeline.
    pub(super) fn former(&self) -> Option<i64> {
        self.left.as_ref().map(|left| left.epoch)
    }

    /// Takes note that chunks were committed: whatever is lost from now on is lost anew.
    pub(super) fn progressed(&mut self) {
        self.backoff = Backoff::new(FIRST, LONGEST);
    }

    /// Whether a run that held the pipeline goes on by itself after this. What a deadlock ended is rolled back, and whoever won it
    /// has gone on.
    pub(super) fn goes_on_after(&self, error: &EngineError) -> bool {
        let passes = error.connection_comes_back() || is_deadlock(error);
        passes && self.backoff.attempts() < MOST_FUTILE
    }

    /// Keeps what an attempt leaves that is going to be followed by another one.
    pub(super) fn leave(&mut self, prepared: Prepared, epoch: i64) {
        self.left = Some(Left { prepared, epoch });
    }

    /// Nothing is left: whoever held the pipeline last has put back what it could.
    pub(super) fn settled(&mut self) {
        self.left = None;
    }

    /// Waits before the next attempt; gives the error back where there is none. What was set aside is put back then.
    pub(super) async fn wait(&mut self, error: EngineError, events: &Events, stop: &Stop) -> Result<()> {
        // The first attempt to connect at all tells its error at once: most often an address is wrong.
        if self.left.is_none() {
            return Err(error);
        }
        if !self.goes_on_after(&error) {
            self.put_back(&error, events).await;
            return Err(error);
        }
        let pause = self.backoff.fail();
        let lost = Event::Lost {
            error: error.to_string(),
            pause,
            attempt: self.backoff.attempts(),
            of: MOST_FUTILE,
        };
        events.send(lost).ok();
        let waited = stop
            .or(async {
                tokio::time::sleep(pause).await;
                Ok(())
            })
            .await;
        if let Err(stopped) = waited {
            self.put_back(&stopped, events).await;
            return Err(stopped);
        }
        Ok(())
    }

    /// Puts back what was set aside, by what the last attempt knew; within moments for somebody who wants to leave.
    pub(super) async fn put_back(&mut self, error: &EngineError, events: &Events) {
        let Some(left) = self.left.take() else { return };
        // Whoever holds the pipeline now puts everything back.
        if [code::PIPELINE_HELD, code::LEASE_LOST].contains(&error.code()) {
            return;
        }
        let begin = Instant::now();
        let taking = Held::take_after(&left.prepared, "migrate", Some(left.epoch));
        let taken = if error.exit() == Exit::Interrupted {
            tokio::time::timeout(settle::INTERRUPTED_LIMIT, taking).await
        } else {
            Ok(taking.await)
        };
        let mut is_done = false;
        if let Ok(Ok(held)) = taken {
            Box::pin(settle::put_back(&left.prepared, &held, (error, begin), events)).await;
            let ended = held.end(Err::<(), _>(interrupted())).await;
            is_done = ended.is_err_and(|error| error.exit() == Exit::Interrupted);
        }
        if !is_done {
            let note = "the target cannot be reached: constraints, indexes, triggers and settings that are set aside stay so until \
                        `driftless migrate` continues, or `driftless migrate --abandon` puts them back";
            events.send(Event::Note(note.to_owned())).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use driftless_pg::{ConnectConfig, Session};

    /// Nobody listens there.
    async fn lost() -> EngineError {
        let config = ConnectConfig::parse("postgres://nobody:x@127.0.0.1:1/none").unwrap();
        Session::connect(&config, "test").await.unwrap_err().into()
    }

    #[tokio::test]
    async fn attempts_without_progress_are_bounded_and_progress_begins_anew() {
        let lost = lost().await;
        let mut persistence = Persistence::new();
        for _ in 0..MOST_FUTILE {
            assert!(persistence.goes_on_after(&lost), "{lost}");
            persistence.backoff.fail();
        }
        assert!(!persistence.goes_on_after(&lost));
        persistence.progressed();
        assert!(persistence.goes_on_after(&lost));
    }

    #[tokio::test]
    async fn a_first_attempt_that_never_held_the_pipeline_is_told_at_once() {
        let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let told = Persistence::new().wait(lost().await, &events, &Stop::new()).await;
        assert_eq!(told.unwrap_err().code(), code::SERVER_UNREACHABLE);
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn only_lost_connections_are_worth_another_attempt() {
        let persistence = Persistence::new();
        for code in [
            code::INTEGRITY,
            code::LEASE_LOST,
            code::PIPELINE_HELD,
            code::INTERRUPTED,
        ] {
            assert!(
                !persistence.goes_on_after(&EngineError::new(code, "", "")),
                "{code}"
            );
        }
    }
}
