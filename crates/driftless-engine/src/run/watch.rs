//! Tells how far work is, while it works.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Events;
use super::report::Event;
use crate::apply::chunk::Progress;
use crate::error::Result;

/// How often: often enough for a display, too seldom to cost.
const INTERVAL: Duration = Duration::from_millis(200);

/// Works, and sends the counters of the entities at intervals and at the end.
pub async fn show<T>(
    events: &Events,
    names: &[&str],
    progress: &[Progress],
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                send(events, names, progress);
                return done;
            }
            _ = interval.tick() => send(events, names, progress),
        }
    }
}

fn send(events: &Events, names: &[&str], progress: &[Progress]) {
    for (name, counters) in names.iter().zip(progress) {
        let read = counters.read.load(Ordering::Relaxed);
        if read > 0 {
            let event = Event::Progress {
                entity: (*name).to_owned(),
                read,
                written: counters.written.load(Ordering::Relaxed),
                rejected: counters.rejected.load(Ordering::Relaxed),
                bytes: counters.bytes.load(Ordering::Relaxed),
            };
            // Nobody listening is no reason to stop.
            events.send(event).ok();
        }
    }
}
