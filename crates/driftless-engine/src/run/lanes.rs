//! Lanes: streams of work side by side, each with sessions of its own, fed from one queue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as State, PoisonError};

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::plan::EntityPlan;
use driftless_core::spec::Limit;
use driftless_pg::Session;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::Events;
use super::halt::{halt, may_halt};
use super::queue::{Next, Queue};
use super::report::Event;
use crate::apply::chunk::{ChunkWork, Parent, despite_deadlocks};
use crate::apply::lane::{Lane, Reader};
use crate::error::{EngineError, Result};
use crate::store::Store;
use crate::store::chunk::Chunk;
use crate::store::execution::Counts;
use crate::store::reject;

/// What lanes share.
#[derive(Debug)]
pub struct Shared {
    queue: State<Queue>,
    changed: Notify,
    /// Counts of this run by entity.
    counts: State<BTreeMap<String, Counts>>,
    halted: State<Halted>,
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
    /// References that are decided as rows pass by.
    fn deciding_parents<'e>(&self, entities: &'e [Entity<'_, '_>]) -> Vec<Parent<'e>> {
        let parents = self.parents.iter().map(|(reference, parent)| Parent {
            reference: *reference,
            keys: &entities[*parent].work.keys,
        });
        parents.collect()
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
            queue: State::new(queue),
            changed: Notify::new(),
            counts: State::default(),
            halted: State::default(),
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

/// Works until the queue ends. `other` writes in turn with the lane's own session, so that a chunk begins when all rows of the one
/// before are on their way: only the end of that, which is answers, overlaps.
pub async fn work(
    lane: &mut Lane,
    other: &mut Session,
    shared: &Shared,
    entities: &[Entity<'_, '_>],
    events: &Events,
) -> Result<()> {
    let (reader, writer) = lane.split();
    let hands = Hands {
        shared,
        entities,
        events,
        reader: Mutex::new(reader),
        turn: Mutex::new(()),
        busy: Default::default(),
        at: [const { AtomicUsize::new(usize::MAX) }; 2],
    };
    tokio::try_join!(hands.work(0, writer), hands.work(1, other))?;
    Ok(())
}

/// What both hands of a lane share.
struct Hands<'h, 'w, 'p> {
    shared: &'h Shared,
    entities: &'h [Entity<'w, 'p>],
    events: &'h Events,
    reader: Mutex<Reader<'h>>,
    /// Held by the one whose rows are under way, but for chunks that are read once more.
    turn: Mutex<()>,
    /// Each is held by one of them until its chunk is committed.
    busy: [Mutex<()>; 2],
    /// The entity of that chunk.
    at: [AtomicUsize; 2],
}

impl Hands<'_, '_, '_> {
    /// Works until the queue ends.
    async fn work(&self, hand: usize, writer: &mut Session) -> Result<()> {
        loop {
            let turn = self.turn.lock().await;
            // Registered before looking, so that no change between the two is missed.
            let changed = self.shared.changed.notified();
            match self.shared.take() {
                Next::End => {
                    self.shared.changed.notify_waiters();
                    return Ok(());
                }
                Next::Wait => changed.await,
                Next::Mend(number, stale) => self.mend(writer, number, stale.as_deref()).await?,
                Next::Chunk(number, chunk) => {
                    let _busy = self.busy[hand].lock().await;
                    self.at[hand].store(number, Ordering::Relaxed);
                    self.await_parent(1 - hand, number).await;
                    self.load(writer, number, &chunk, turn).await?;
                }
            }
        }
    }

    /// Waits for the other hand where its chunk may be the last one of a parent that decides references.
    async fn await_parent(&self, other: usize, number: usize) {
        let at = self.at[other].load(Ordering::Relaxed);
        let mut parents = self.entities[number].parents.iter();
        if parents.any(|(_, parent)| *parent == at) {
            drop(self.busy[other].lock().await);
        }
    }

    /// Mends; again from the beginning after a deadlock.
    async fn mend(&self, writer: &mut Session, number: usize, stale: Option<&[Chunk]>) -> Result<()> {
        let work = &self.entities[number].work;
        let phase = Event::Phase {
            entity: work.entity().to_owned(),
            phase: "mending",
        };
        self.events.send(phase).ok();
        let mut reader = self.reader.lock().await;
        let mended = despite_deadlocks(async || {
            reader.begin().await?;
            work.mend(&mut reader, writer, stale).await
        });
        match mended.await {
            Ok(_) => reader.end(),
            Err(error) => {
                writer.rest().await.ok();
                let sessions = (reader.source, &*writer);
                self.shared.halt(number, halt(error, sessions, work).await?);
            }
        }
        self.shared.ended(number);
        Ok(())
    }

    /// Loads a chunk, and judges how many rows were rejected.
    async fn load(
        &self,
        writer: &mut Session,
        number: usize,
        chunk: &Chunk,
        turn: MutexGuard<'_, ()>,
    ) -> Result<()> {
        let (shared, entity) = (self.shared, &self.entities[number]);
        let plan = entity.work.shaping.plan;
        let parents = entity.deciding_parents(self.entities);
        let loaded = entity
            .work
            .load(&self.reader, writer, (chunk, &parents), turn)
            .await;
        let counts = match loaded {
            Ok(counts) => counts,
            Err(error) if !may_halt(&error) => return Err(error.context(format!("entity {}", plan.name))),
            Err(error) => {
                let reader = self.reader.lock().await;
                let sessions = (reader.source, &*writer);
                shared.halt(number, halt(error, sessions, &entity.work).await?);
                shared.ended(number);
                return Ok(());
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
            (sum.rejected, sum.parked) = reject::lasting(writer, store, &plan.name).await?;
            if let Some(excess) = excess(plan, &sum, finished, entity.estimated_rows) {
                return Err(too_many(writer, store, plan, &excess).await?);
            }
        }
        Ok(())
    }
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
