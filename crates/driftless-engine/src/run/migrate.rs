//! The initial load: begins, continues, finishes. Started again it goes on where the last transaction ended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use driftless_core::catalog::Catalog;
use driftless_core::error::Finding;
use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::{self, AsideItem, Kept, Silencing, Triggers};
use driftless_core::plan::natural::recording_order;
use driftless_core::plan::{Chunking, EntityPlan, Plan};
use driftless_core::spec::Spec;
use driftless_pg::{Canceller, Session};
use futures_util::future::try_join_all;
use tokio::time::timeout;

use super::agenda::Agenda;
use super::dead::prepare_ahead;
use super::decided;
use super::halt::stuck;
use super::held::Held;
use super::lanes::{self, Entity, Halted, Shared};
use super::persistence::Persistence;
use super::prepare::Prepared;
use super::queue::{Queue, Stale, Waiting};
use super::rejects;
use super::report::{Event, MigrateReport};
use super::settle;
use super::stop::Stop;
use super::waits::{is_alone, waits};
use super::{Events, outcome, watch};
use crate::apply::aside::set_aside;
use crate::apply::chunk::{ChunkWork, Progress};
use crate::apply::counting::{Counting, Room};
use crate::apply::lane::Lane;
use crate::apply::natural::Looking;
use crate::apply::{begin, lane};
use crate::crash;
use crate::error::{EngineError, Result};
use crate::extract::snapshot::Snapshot;
use crate::extract::spare::Spare;
use crate::extract::{chunks, estimate};
use crate::preflight::parents;
use crate::preflight::rehearsal::rehearse;
use crate::shape::constants::{self, RunFacts};
use crate::shape::{Shaping, evaluate};
use crate::store::aside::Scope;
use crate::store::chunk::{self, Checkpoint};
use crate::store::entity::Phase;
use crate::store::execution::Counts;
use crate::store::identity;
use crate::store::lease::Lease;

/// How long the rehearsal waits for a lock on a target table.
const REHEARSAL_LOCK: Duration = Duration::from_secs(3);

/// The session of the source by which tables are cut.
const CUTTING: [&str; 1] = ["estimates"];

/// Loads, or goes on loading, the entities named, or all. Where connections are lost it goes on by itself, as the next start
/// would.
pub async fn migrate(spec: &Spec, only: &[String], events: &Events, stop: &Stop) -> Result<MigrateReport> {
    let started = Instant::now();
    let mut persistence = Persistence::new();
    loop {
        match attempt(spec, only, events, stop, &mut persistence).await {
            Ok(report) => {
                return Ok(MigrateReport {
                    duration_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
                    ..report
                });
            }
            Err(error) => persistence.wait(error, events, stop).await?,
        }
    }
}

/// One execution of a load.
async fn attempt(
    spec: &Spec,
    only: &[String],
    events: &Events,
    stop: &Stop,
    persistence: &mut Persistence,
) -> Result<MigrateReport> {
    let mut prepared = stop.or(prepare_ahead(spec, &CUTTING)).await?;
    // Futures of whole steps are large: each has a place of its own, so that a thread's stack holds them.
    if Box::pin(rejects::prove_left(&prepared, events, stop)).await? {
        prepared = stop.or(prepare_ahead(spec, &CUTTING)).await?;
    }
    for finding in &prepared.findings {
        events.send(Event::Note(finding.to_string())).ok();
    }
    let agenda = Agenda::decide(&prepared.plan, &prepared.target_catalog, &prepared.begun, only);
    if agenda.is_empty() {
        if !agenda.refused.is_empty() {
            return Err(EngineError::findings(agenda.refusals()));
        }
        return outcome::nothing(&prepared, &agenda, spec).await;
    }
    open_ahead(&prepared);
    let mut held = stop
        .or(Held::take_after(&prepared, "migrate", persistence.former()))
        .await?;
    held.tells(events);
    let execution = held.execution;
    let resumed = !agenda.resumed.is_empty();
    events.send(Event::Started { execution, resumed }).ok();
    let run = Run {
        prepared: &prepared,
        agenda: &agenda,
        events,
        execution,
        progress: (0..agenda.at_work()).map(|_| Progress::default()).collect(),
        spare: Spare::default(),
        writing: Mutex::default(),
    };
    let done = stop.or(Box::pin(run.work(&mut held))).await;
    let done = match done {
        Ok(()) if !agenda.refused.is_empty() => Err(EngineError::findings(agenda.refusals())),
        other => other,
    };
    if run.committed() {
        persistence.progressed();
    }
    let goes_on = matches!(&done, Err(error) if persistence.goes_on_after(error));
    if let Err(error) = &done
        && !goes_on
    {
        let broken_off = Instant::now();
        run.break_off(&mut held).await;
        Box::pin(settle::put_back(&prepared, &held, (error, broken_off), events)).await;
    }
    persistence.settled();
    let epoch = held.lease.epoch();
    let well = done.is_ok();
    let plans: Vec<&EntityPlan> = run.entities().collect();
    let told = async {
        match well {
            true => Some(outcome::tell(&prepared, (execution, &plans), spec).await),
            false => None,
        }
    };
    let (done, told) = tokio::join!(held.end(done), told);
    if let Err(error) = done {
        if goes_on {
            persistence.leave(prepared, epoch);
        }
        return Err(error);
    }
    let (entities, on_record) = match told {
        Some(told) => told?,
        None => outcome::tell(&prepared, (execution, &plans), spec).await?,
    };
    Ok(MigrateReport {
        execution,
        nothing_to_do: false,
        resumed,
        entities,
        on_record,
        duration_ms: 0,
    })
}

/// Has the sessions opened that this run is going to need.
fn open_ahead(prepared: &Prepared) {
    let lanes = lane_count(&prepared.plan);
    // Those that write chunks and those that build indexes behind them.
    let writers = iter::repeat_n("writer", 2 * lanes);
    // The sessions that the plan was made with go on as the first of these. That of the target comes free again for an evaluator.
    let evaluators = iter::repeat_n("expressions", lanes - 1);
    let others = evaluators.chain(writers);
    prepared.target.open_ahead(iter::once("identities").chain(others));
    let readers = iter::repeat_n("reader", lanes);
    prepared.source.open_ahead(iter::once("snapshot").chain(readers));
}

/// How many lanes work: each holds one session with the source and three with the target, of which one only writes when the other
/// waits.
pub(super) fn lane_count(plan: &Plan) -> usize {
    plan.source_connections.min(plan.target_connections / 2).max(1)
}

/// A run at work.
struct Run<'r> {
    prepared: &'r Prepared,
    agenda: &'r Agenda<'r>,
    events: &'r Events,
    execution: i64,
    /// Of each entity.
    progress: Vec<Progress>,
    /// Memory of batches that are done.
    spare: Spare,
    /// What stops the sessions that write.
    writing: Mutex<Vec<Canceller>>,
}

/// How long a run that breaks off waits for the answers to what was stopped.
const REST_LIMIT: Duration = Duration::from_millis(500);

impl<'r> Run<'r> {
    fn step(&self, step: &str) {
        self.events
            .send(Event::Step {
                step: step.to_owned(),
            })
            .ok();
    }

    fn scope<'s>(&self, guard: &'s str, silencing: Silencing) -> Scope<'s>
    where
        'r: 's,
    {
        Scope {
            store: &self.prepared.store,
            execution: self.execution,
            guard,
            silencing,
            triggers: Triggers::SetAside,
            spared: &[],
        }
    }

    /// Stops what its sessions were doing when it broke off, so that nothing of them is in the way of putting back.
    async fn break_off(&self, held: &mut Held) {
        let mut writing = std::mem::take(&mut *self.writing.lock().unwrap_or_else(PoisonError::into_inner));
        // What is at rest may be at work for somebody else when the request arrives.
        writing.retain(|one| !self.prepared.target.has_at_rest(one));
        writing.push(held.session.canceller());
        settle::cancel(&writing).await;
        timeout(REST_LIMIT, held.session.rest()).await.ok();
    }

    /// Whether a chunk was committed.
    fn committed(&self) -> bool {
        let mut all = self.progress.iter();
        all.any(|progress| progress.commits.load(Ordering::Relaxed) > 0)
    }

    async fn work(&self, held: &mut Held) -> Result<()> {
        let prepared = self.prepared;
        let lease = held.lease.clone();
        let guard = lease.guard();
        let silencing = prepared.silencing;
        let facts = RunFacts {
            execution: self.execution,
            started_at: held.started_at,
            mode: "load",
        };
        let (items, snapshot) = self.begin(held, &facts).await?;
        self.step("setting aside");
        let setting_aside = async {
            let aside = set_aside(&mut held.session, &self.scope(&guard, silencing), &items).await?;
            crash::point("aside-dropped");
            Ok(aside)
        };
        // What else is to be known is asked beside it.
        let opening = async {
            let builders = self.builders(&lease, silencing).await?;
            let session = &builders[0];
            let (at_work, found) = tokio::try_join!(self.shapings(session, &facts), self.found(session))?;
            Ok((builders, at_work, found))
        };
        let (aside, (mut builders, at_work, found), mut lanes) =
            tokio::try_join!(setting_aside, opening, self.lanes(&lease, &snapshot, silencing))?;
        let aside: Vec<AsideItem> = aside.into_iter().map(|record| record.item).collect();
        let writing = builders.iter().chain(lanes.iter().map(|lane| &lane.writer));
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner) =
            writing.map(Session::canceller).collect();
        let (queue, entities) = self.work_list((found, &aside), &lease, &snapshot, &at_work, silencing);
        let halted = self.load(queue, &entities, &mut lanes, &mut builders).await?;
        let plans: Vec<&EntityPlan> = entities
            .iter()
            .map(|entity| entity.work.shaping.plan)
            .filter(|plan| !halted.entities.contains(&plan.name))
            .collect();
        let loaded = async {
            begin::advance(&mut held.session, &prepared.store, &guard, &plans, Phase::Loaded).await?;
            for plan in &plans {
                self.events
                    .send(Event::Phase {
                        entity: plan.name.clone(),
                        phase: "loaded",
                    })
                    .ok();
            }
            crash::point("loaded");
            Ok(())
        };
        if !self.agenda.refused.is_empty() {
            // What refers to a refused entity cannot be proven; the caller tells what is refused.
            loaded.await?;
            return halted.into_result();
        }
        let stuck = stuck(&prepared.plan, &prepared.target_catalog, &aside, &halted.entities);
        let free = |name: &str| !stuck.contains(name);
        let mut plan = self.agenda.settled_plan(&prepared.plan);
        plan.entities.retain(|entity| free(&entity.name));
        let waiting = |entity: &&EntityPlan| !free(&entity.name) || self.waits_for_another_run(entity);
        let spared: Vec<QualifiedName> = prepared
            .plan
            .entities
            .iter()
            .filter(waiting)
            .flat_map(|entity| {
                // Triggers are those of partitions, too.
                let theirs = aside.iter().filter(|item| item.is_for(&entity.name));
                std::iter::once(&entity.into).chain(theirs.map(|item| &item.table))
            })
            .cloned()
            .collect();
        let settling = settle::Settling {
            prepared,
            plan,
            scope: Scope {
                spared: &spared,
                ..self.scope(&guard, silencing)
            },
            works: entities
                .iter()
                .map(|entity| &entity.work)
                .filter(|work| free(work.entity()))
                .collect(),
            events: self.events,
        };
        if settling.works.is_empty() {
            loaded.await?;
        } else {
            prepared.target.open_ahead(["status"]);
            settling.finish(loaded, &mut lanes, &mut builders).await?;
        }
        halted.into_result()
    }

    /// Takes the snapshot, and records what begins under it: what is to be set aside, and the snapshot.
    async fn begin(&self, held: &mut Held, facts: &RunFacts) -> Result<(Vec<AsideItem>, Snapshot)> {
        let prepared = self.prepared;
        // What forbids the load is found before anything of it is recorded.
        self.step("snapshot");
        // The rehearsal holds locks until it is over, whatever becomes of the others.
        let (items, snapshot, cut, kept) = tokio::join!(
            self.rehearsed(held, prepared.silencing),
            Snapshot::export(&prepared.source),
            self.cut(),
            self.refuse_kept()
        );
        let (items, snapshot, cut, ()) = (items?, snapshot?, cut?, kept?);
        begin::entities(
            &mut held.session,
            &prepared.store,
            &held.lease,
            (self.execution, snapshot.text()),
            &cut,
        )
        .await?;
        crash::point("entities-begun");
        self.record_uuids(held, &snapshot, facts).await?;
        crash::point("uuids-recorded");
        Ok((items, snapshot))
    }

    /// The chunks of what begins.
    async fn cut(&self) -> Result<Vec<(&'r EntityPlan, Vec<chunk::Chunk>)>> {
        let session = self.prepared.source.session("estimates").await?;
        let lanes = lane_count(&self.prepared.plan);
        let cutting = self.agenda.new.iter().map(async |plan| {
            let chunks = chunks::cut(&session, plan, self.prepared.origin(plan), lanes).await?;
            Ok((*plan, chunks))
        });
        try_join_all(cutting).await
    }

    /// Refuses what begins where the target keeps its identities.
    async fn refuse_kept(&self) -> Result<()> {
        let session = self.prepared.target.session("identities").await?;
        identity::refuse_kept(&session, &self.prepared.store, &self.agenda.new).await
    }

    /// Records the UUIDs that keys do not tell.
    async fn record_uuids(&self, held: &mut Held, snapshot: &Snapshot, facts: &RunFacts) -> Result<()> {
        let entities: Vec<&EntityPlan> = self.entities().collect();
        let (all, store) = (&self.prepared.plan, &self.prepared.store);
        for plan in recording_order(&entities) {
            let source = snapshot.session();
            let Some(natural) = &plan.identity.natural_key else {
                begin::uuids(
                    &mut held.session,
                    source,
                    store,
                    &held.lease,
                    (all, plan),
                    &entities,
                    None,
                )
                .await?;
                continue;
            };
            self.step(&format!("matching {}", plan.name));
            let constants = constants::resolve(&held.session, &natural.probe, facts).await?;
            let shaping = Shaping::new(all, &natural.probe, constants, store);
            let mut evaluator = evaluate::connect(&self.prepared.target).await?;
            let mut looking = Looking {
                shaping: &shaping,
                evaluator: &mut evaluator,
                max_row_bytes: all.max_row_bytes,
            };
            let looking = Some(&mut looking);
            begin::uuids(
                &mut held.session,
                source,
                store,
                &held.lease,
                (all, plan),
                &entities,
                looking,
            )
            .await?;
        }
        Ok(())
    }

    fn entities(&self) -> impl Iterator<Item = &'r EntityPlan> + '_ {
        let plan: &'r driftless_core::plan::Plan = &self.prepared.plan;
        plan.entities.iter().filter(|entity| {
            let is = |list: &[&EntityPlan]| list.iter().any(|one| one.name == entity.name);
            is(&self.agenda.new) || is(&self.agenda.resumed)
        })
    }

    /// Whether an entity is loaded, or partly so, and this run has nothing to do with it: its rows are not proven, and what is set
    /// aside of its table cannot come back yet.
    fn waits_for_another_run(&self, entity: &EntityPlan) -> bool {
        let begun = self.prepared.begun.iter().find(|one| one.entity == entity.name);
        let open = begun.is_some_and(|one| matches!(one.phase, Phase::Loading | Phase::Loaded));
        open && self.entities().all(|ours| ours.name != entity.name)
    }

    /// What is set aside for this run: decided, and tried in a rehearsal.
    async fn rehearsed(&self, held: &mut Held, silencing: Silencing) -> Result<Vec<AsideItem>> {
        let (plan, target) = (&self.prepared.plan, &self.prepared.target_catalog);
        let recorded = &self.prepared.recorded;
        let loud =
            |kept: &[Kept]| aside::unsilenced(self.entities(), plan, target, silencing, recorded, kept);
        let blocking: Vec<Finding> = loud(&[]);
        if driftless_core::error::blocks(&blocking) {
            return Err(EngineError::findings(blocking));
        }
        let decided = aside::set_aside(plan, target, silencing, recorded);
        let items = decided
            .items
            .into_iter()
            .filter(|item| self.entities().any(|entity| item.is_for(&entity.name)))
            .collect();
        let rehearsed = rehearse(&mut held.session, items, REHEARSAL_LOCK).await?;
        let kept: Vec<Kept> = decided.kept.into_iter().chain(rehearsed.kept).collect();
        let mut forbidding = loud(&kept);
        forbidding.extend(parents::unreadable(plan, target, silencing, &rehearsed.items));
        forbidding.extend(aside::stuck(plan, target, silencing, &rehearsed.items, &kept));
        if forbidding.is_empty() {
            Ok(rehearsed.items)
        } else {
            Err(EngineError::findings(forbidding))
        }
    }

    async fn shapings(&self, session: &Session, facts: &RunFacts) -> Result<Vec<Shaping<'r>>> {
        let shapings = self.entities().map(async |plan| {
            let constants = constants::resolve(session, plan, facts).await?;
            Ok(Shaping::new(
                &self.prepared.plan,
                plan,
                constants,
                &self.prepared.store,
            ))
        });
        try_join_all(shapings).await
    }

    async fn lanes(&self, lease: &Lease, snapshot: &Snapshot, silencing: Silencing) -> Result<Vec<Lane>> {
        let (source, target) = (&self.prepared.source, &self.prepared.target);
        let count = lane_count(&self.prepared.plan);
        let lanes = (0..count).map(|_| Lane::open(source, target, snapshot, lease, silencing));
        try_join_all(lanes).await
    }

    /// A session for each lane that writes in turn with the lane's own, and builds indexes behind it.
    async fn builders(&self, lease: &Lease, silencing: Silencing) -> Result<Vec<Session>> {
        let count = lane_count(&self.prepared.plan);
        let builders = (0..count).map(|_| lane::writer(&self.prepared.target, lease, silencing));
        try_join_all(builders).await
    }

    /// Who waits for whom: under replica role no foreign key is checked.
    fn waits(&self, silencing: Silencing, aside: &[AsideItem]) -> BTreeMap<String, BTreeSet<String>> {
        let plans: Vec<&EntityPlan> = self.entities().collect();
        match silencing {
            Silencing::ReplicaRole => waits(&plans, &Catalog::default(), &[]),
            Silencing::EachTrigger => waits(&plans, &self.prepared.target_catalog, aside),
        }
    }

    /// What is known of the work.
    async fn found(&self, session: &Session) -> Result<Found<'r>> {
        let store = &self.prepared.store;
        let points = self.entities().map(|plan| chunk::all(session, store, &plan.name));
        let (estimates, points) = tokio::try_join!(self.estimates(), try_join_all(points))?;
        Ok(Found { estimates, points })
    }

    /// What is to be loaded, with what, and what must be mended.
    fn work_list<'w>(
        &'w self,
        (found, aside): (Found<'r>, &[AsideItem]),
        lease: &'w Lease,
        snapshot: &'w Snapshot,
        shapings: &'w [Shaping<'r>],
        silencing: Silencing,
    ) -> (Queue, Vec<Entity<'w, 'r>>) {
        let Found { estimates, points } = found;
        let plans: Vec<&EntityPlan> = self.entities().collect();
        let mut waits = self.waits(silencing, aside);
        let mut queue = Queue::default();
        let mut entities = Vec::new();
        let room = Room::default();
        let mut decided = decided::of(self.prepared, shapings, aside);
        for (number, (shaping, points)) in shapings.iter().zip(points).enumerate() {
            let plan = shaping.plan;
            let (chunks, stale) = split(self.cut_as_before(plan), &points, snapshot.text());
            let parents = std::mem::take(&mut decided[number]);
            queue.entities.push(Waiting {
                entity: plan.name.clone(),
                table: plan.into.clone(),
                after: waits.remove(&plan.name).unwrap_or_default().into_iter().collect(),
                rather_after: parents
                    .iter()
                    .map(|(_, parent)| plans[*parent].name.clone())
                    .collect(),
                one_by_one: is_alone(plan, &plans, &self.prepared.target_catalog, aside),
                stale,
                chunks,
                running: 0,
                mending: false,
            });
            let estimated_rows = estimates.get(plan.name.as_str()).copied().unwrap_or(0);
            self.events
                .send(Event::Entity {
                    entity: plan.name.clone(),
                    estimated_rows,
                })
                .ok();
            entities.push(Entity {
                work: ChunkWork {
                    store: &self.prepared.store,
                    lease,
                    shaping,
                    fence: self.prepared.fence(plan),
                    execution: self.execution,
                    snapshot: snapshot.text(),
                    max_row_bytes: self.prepared.plan.max_row_bytes,
                    progress: &self.progress[number],
                    wary: AtomicBool::new(false),
                    spare: &self.spare,
                    room: Mutex::default(),
                    triggers: Triggers::SetAside,
                    keys: if points.iter().all(|point| point.snapshot.is_none()) {
                        Counting::from_the_first(plan, &room)
                    } else {
                        Counting::default()
                    },
                },
                estimated_rows,
                before: Counts {
                    read: points.iter().map(|point| point.read).sum(),
                    rejected: points.iter().map(|point| point.rejected).sum(),
                    ..Counts::default()
                },
                parents,
            });
        }
        (queue, entities)
    }

    /// Mends what earlier runs loaded, and loads every chunk that is not done.
    async fn load(
        &self,
        queue: Queue,
        entities: &[Entity<'_, '_>],
        lanes: &mut [Lane],
        builders: &mut [Session],
    ) -> Result<Halted> {
        self.step("loading");
        let shared = Shared::new(queue);
        let names: Vec<&str> = entities.iter().map(|entity| entity.work.entity()).collect();
        let working = lanes
            .iter_mut()
            .zip(builders)
            .map(|(lane, builder)| lanes::work(lane, builder, &shared, entities, self.events));
        watch::show(
            self.events,
            &names,
            &self.progress,
            futures_util::future::try_join_all(working),
        )
        .await?;
        self.spare.clear();
        Ok(shared.halted())
    }

    /// Whether the recorded chunks are ranges of a key that the plan still cuts by.
    fn cut_as_before(&self, plan: &EntityPlan) -> Cut {
        let now = format!("{:?}", plan.chunking);
        let before = self.prepared.begun.iter().find(|one| one.entity == plan.name);
        match (&plan.chunking, before) {
            (_, Some(before)) if before.chunking != now => Cut::Otherwise,
            (Chunking::Integer(_) | Chunking::Uuid(_), _) => Cut::ByKey,
            (Chunking::Pages | Chunking::Whole, _) => Cut::ByPlace,
        }
    }

    /// About how many rows each entity has. On a session of its own: what fails there must not end the snapshot's.
    async fn estimates(&self) -> Result<BTreeMap<&'r str, u64>> {
        let session = self.prepared.source.session("estimates").await?;
        let rows = self.entities().map(async |plan| {
            let found = estimate::rows(&session, plan, self.prepared.origin(plan)).await?;
            let known = found.and_then(|rows| u64::try_from(rows).ok());
            Ok::<_, EngineError>((plan.name.as_str(), known.unwrap_or(0)))
        });
        Ok(try_join_all(rows).await?.into_iter().collect())
    }
}

/// What is known of the work before it begins.
struct Found<'r> {
    /// About how many rows each entity has.
    estimates: BTreeMap<&'r str, u64>,
    /// The chunks of each entity, and how far they are.
    points: Vec<Vec<Checkpoint>>,
}

/// What recorded chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Ranges of a key, which rows keep.
    ByKey,
    /// Places of rows, which updates change.
    ByPlace,
    /// Something that the plan no longer cuts by.
    Otherwise,
}

/// Chunks still to be loaded, and what must be mended. What was begun and is not cut by key is mended as a whole: a row
/// may have moved from a finished range into an open one.
fn split(cut: Cut, points: &[Checkpoint], snapshot: &str) -> (VecDeque<chunk::Chunk>, Option<Stale>) {
    let begun = points.iter().any(|point| point.snapshot.is_some());
    if cut == Cut::Otherwise || (begun && cut == Cut::ByPlace) {
        let stale = points
            .iter()
            .any(|point| point.snapshot.as_deref() != Some(snapshot));
        return (VecDeque::new(), stale.then_some(None));
    }
    let open = points.iter().filter(|point| point.snapshot.is_none());
    let stale: Vec<chunk::Chunk> = points
        .iter()
        .filter(|point| point.snapshot.as_deref().is_some_and(|old| old != snapshot))
        .map(|point| point.chunk.clone())
        .collect();
    (
        open.map(|point| point.chunk.clone()).collect(),
        (!stale.is_empty()).then_some(Some(stale)),
    )
}
