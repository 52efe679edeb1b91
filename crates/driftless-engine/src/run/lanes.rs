//! Lanes: streams of work side by side, each with sessions of its own, fed from one queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::plan::EntityPlan;
use driftless_core::spec::Limit;
use driftless_pg::Session;
use tokio::sync::Notify;

use super::Events;
use super::halt::halt;
use super::queue::{Next, Queue};
use super::report::Event;
use crate::apply::chunk::{ChunkWork, Loaded, despite_deadlocks};
use crate::apply::lane::Lane;
use crate::error::{EngineError, Result};
use crate::store::Store;
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
    halted: Mutex<Halted>,
}

/// What came to a halt.
#[derive(Debug, Default)]
pub struct Halted {
    /// Entities that are not loaded to their end.
    pub entities: Vec<String>,
    /// Why.
    pub findings: Vec<Finding>,
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
    /// References that are decided as rows pass by, if the parent, by its number among the entities, is loaded then.
    pub parents: Vec<(usize, usize)>,
}

impl Entity<'_, '_> {
    /// References whose parents are loaded.
    fn loaded_parents<'e>(&self, entities: &'e [Entity<'_, '_>]) -> Vec<Loaded<'e>> {
        let parents = self.parents.iter().map(|(reference, parent)| Loaded {
            reference: *reference,
            keys: &entities[*parent].work.keys,
        });
        parents.filter(|parent| parent.keys.is_complete()).collect()
    }
}

impl Halted {
    /// The error that tells of it, if there is anything to tell.
    pub fn into_result(self) -> Result<()> {
        if self.findings.is_empty() {
            Ok(())
        } else {
            Err(EngineError::findings(self.findings))
        }
    }
}

impl Shared {
    /// For a queue.
    pub fn new(queue: Queue) -> Arc<Shared> {
        Arc::new(Shared {
            queue: Mutex::new(queue),
            changed: Notify::new(),
            counts: Mutex::default(),
            halted: Mutex::default(),
        })
    }

    /// What came to a halt so far.
    pub fn halted(&self) -> Halted {
        std::mem::take(&mut *self.halted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Halts an entity; of several lanes that found out the first one tells.
    fn halt(&self, entity: usize, error: EngineError) {
        let names = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .halt(entity);
        let mut halted = self.halted.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.first().is_some_and(|name| halted.entities.contains(name)) {
            halted.findings.extend(error.into_findings());
        }
        for name in names {
            if !halted.entities.contains(&name) {
                halted.entities.push(name);
            }
        }
    }

    fn is_halted(&self, entity: &str) -> bool {
        let halted = self.halted.lock().unwrap_or_else(PoisonError::into_inner);
        halted.entities.iter().any(|name| name == entity)
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
                if let Err(error) = mend(work, lane, stale.as_deref()).await {
                    shared.halt(number, halt(error, lane, work).await?);
                }
                shared.ended(number);
            }
            Next::Chunk(number, chunk) => {
                let entity = &entities[number];
                let plan = entity.work.shaping.plan;
                let parents = entity.loaded_parents(entities);
                let loaded = entity.work.load(lane, &chunk, &parents).await;
                let counts = match loaded {
                    Ok(counts) => counts,
                    Err(error) => {
                        shared.halt(number, halt(error, lane, &entity.work).await?);
                        shared.ended(number);
                        continue;
                    }
                };
                let finished = shared.ended(number) && !shared.is_halted(&plan.name);
                if finished {
                    entity.work.keys.end();
                }
                let mut sum = shared.count(&plan.name, &counts);
                sum.add(&entity.before);
                if excess(plan, &sum, finished, entity.estimated_rows).is_some() {
                    // What earlier runs rejected may be mended by now, and what a foreign key refused is tried again at the
                    // end, and judged behind it: only the record tells.
                    let store = entity.work.store;
                    (sum.rejected, sum.parked) = reject::lasting(&lane.writer, store, &plan.name).await?;
                    if let Some(excess) = excess(plan, &sum, finished, entity.estimated_rows) {
                        return Err(too_many(&lane.writer, store, plan, &excess).await?);
                    }
                }
            }
        }
    }
}

/// Mends; again from the beginning after a deadlock.
async fn mend(work: &ChunkWork<'_, '_>, lane: &mut Lane, stale: Option<&[Chunk]>) -> Result<Counts> {
    despite_deadlocks(async || work.mend(lane, stale).await).await
}

/// Reasons for rejects that are named, the most frequent ones.
const NAMED_REASONS: i32 = 3;

/// The smallest number of rejects that is judged before an entity's end.
const JUDGED_FROM: i64 = 100;

/// Where there are more rejects than the mapping allows: how many of how many.
pub fn excess(plan: &EntityPlan, sum: &Counts, finished: bool, estimated_rows: u64) -> Option<String> {
    let rejected = sum.rejected + sum.parked;
    if rejected == 0 || (!finished && rejected < JUDGED_FROM) {
        return None;
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
    (rejected > allowed).then(|| {
        format!(
            "{rejected} of {} rows read are rejected, and max_rejects is {said}",
            sum.read
        )
    })
}

/// The error that halts for too many rejects, with what most of them are.
pub async fn too_many(
    session: &Session,
    store: &Store,
    plan: &EntityPlan,
    excess: &str,
) -> Result<EngineError> {
    let foremost = reject::foremost(session, store, &plan.name, NAMED_REASONS).await?;
    let error = EngineError::new(
        code::TOO_MANY_REJECTS,
        format!("entity {}", plan.name),
        format!("{excess}; {}", foremost.join(", ")),
    );
    Ok(error.remedy(
        "see `driftless rejects list`; correct mapping or source, or allow more with max_rejects; then start again",
    ))
}
