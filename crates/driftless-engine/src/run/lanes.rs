//! Lanes: streams of work side by side, each with sessions of its own, fed from one queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use driftless_core::code;
use driftless_core::plan::EntityPlan;
use driftless_core::spec::Limit;
use tokio::sync::Notify;

use super::Events;
use super::queue::{Next, Queue};
use super::report::Event;
use crate::apply::chunk::{ChunkWork, MOST_DEADLOCKS, is_deadlock};
use crate::apply::lane::Lane;
use crate::error::{EngineError, Result};
use crate::store::chunk::Chunk;
use crate::store::execution::Counts;
use crate::store::reject;

/// What lanes share.
#[derive(Debug)]
pub struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
    /// Counts of this run by entity.
    counts: Mutex<BTreeMap<String, Counts>>,
}

/// An entity at work.
#[derive(Debug)]
pub struct Entity<'w, 'p> {
    /// How its chunks are written.
    pub work: ChunkWork<'w, 'p>,
    /// Rows it will have, estimated: what a share of rejects is judged by before the end.
    pub estimated_rows: u64,
    /// Rows read and rejected by earlier runs.
    pub before: Counts,
}

impl Shared {
    /// For a queue.
    pub fn new(queue: Queue) -> Arc<Shared> {
        Arc::new(Shared {
            queue: Mutex::new(queue),
            changed: Notify::new(),
            counts: Mutex::default(),
        })
    }

    fn take(&self) -> Next {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn ended(&self, entity: usize) -> bool {
        let finished = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended(entity);
        self.changed.notify_waiters();
        finished
    }

    fn count(&self, entity: &str, counts: &Counts) -> Counts {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = all.entry(entity.to_owned()).or_default();
        sum.add(counts);
        *sum
    }
}

/// Works until the queue ends.
pub async fn work(
    lane: &mut Lane,
    shared: &Shared,
    entities: &[Entity<'_, '_>],
    events: &Events,
) -> Result<()> {
    loop {
        // Registered before looking, so that no change between the two is missed.
        let changed = shared.changed.notified();
        match shared.take() {
            Next::End => {
                shared.changed.notify_waiters();
                return Ok(());
            }
            Next::Wait => changed.await,
            Next::Mend(number, stale) => {
                let work = &entities[number].work;
                let entity = work.entity().to_owned();
                events
                    .send(Event::Phase {
                        entity: entity.clone(),
                        phase: "mending",
                    })
                    .ok();
                let mended = mend(work, lane, stale.as_deref()).await;
                shared.ended(number);
                mended.map_err(|error| error.context(format!("entity {entity}")))?;
            }
            Next::Chunk(number, chunk) => {
                let entity = &entities[number];
                let plan = entity.work.shaping.plan;
                let loaded = entity.work.load(lane, &chunk).await;
                let finished = shared.ended(number);
                let counts = loaded.map_err(|error| error.context(format!("entity {}", plan.name)))?;
                let mut sum = shared.count(&plan.name, &counts);
                sum.add(&entity.before);
                if judge(plan, &sum, finished, entity.estimated_rows).is_err() {
                    // What earlier runs rejected may be mended by now, and what a foreign key refused is tried again at the
                    // end, and judged behind it: only the record tells.
                    let store = entity.work.store;
                    (sum.rejected, sum.parked) = reject::lasting(&lane.writer, store, &plan.name).await?;
                    judge(plan, &sum, finished, entity.estimated_rows)?;
                }
            }
        }
    }
}

/// Mends; again from the beginning after a deadlock.
async fn mend(work: &ChunkWork<'_, '_>, lane: &mut Lane, stale: Option<&[Chunk]>) -> Result<Counts> {
    for _ in 0..MOST_DEADLOCKS {
        match work.mend(lane, stale).await {
            Err(error) if is_deadlock(&error) => {}
            other => return other,
        }
    }
    work.mend(lane, stale).await
}

/// The smallest number of rejects that is judged before an entity's end.
const JUDGED_FROM: i64 = 100;

/// Halts where there are more rejects than the mapping allows.
pub fn judge(plan: &EntityPlan, sum: &Counts, finished: bool, estimated_rows: u64) -> Result<()> {
    let rejected = sum.rejected + sum.parked;
    if rejected == 0 || (!finished && rejected < JUDGED_FROM) {
        return Ok(());
    }
    let rows = if finished {
        sum.read
    } else {
        sum.read.max(i64::try_from(estimated_rows).unwrap_or(i64::MAX))
    };
    let (allowed, said) = match plan.max_rejects {
        Limit::Rows(rows) => (i64::try_from(rows).unwrap_or(i64::MAX), format!("{rows}")),
        Limit::Percent(percent) => (
            (rows as f64 * percent / 100.0).floor() as i64,
            format!("{percent}%"),
        ),
    };
    if rejected <= allowed {
        return Ok(());
    }
    Err(EngineError::new(
        code::TOO_MANY_REJECTS,
        format!("entity {}", plan.name),
        format!("{rejected} of {} rows read are rejected, and max_rejects is {said}", sum.read),
    )
    .remedy("see `driftless rejects list`; correct mapping or source, or allow more with max_rejects; then start again"))
}
