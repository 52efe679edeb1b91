//! The end of a load: uniqueness and references proven, everything back in place, statistics, sequences, and only then
//! is an entity done.

use std::time::{Duration, Instant};

use driftless_core::code::{self, Exit};
use driftless_core::error::Finding;
use driftless_core::plan::aside::{AsideItem, AsideKind, Silencing, Triggers};
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{Canceller, Session, Transaction};
use futures_util::future::{join_all, try_join_all};

use super::Events;
use super::again;
use super::held::Held;
use super::lanes;
use super::prepare::Prepared;
use super::report::Event;
use crate::apply::aside::{
    Failure, Part, Recorded, Restored, announce, put_back as put_recorded_back, recorded, restore, set_aside,
    tell,
};
use crate::apply::chunk::ChunkWork;
use crate::apply::lane::Lane;
use crate::apply::proof::{Censuses, Corrections, ForeignSite, Proving};
use crate::apply::reunite::may_null;
use crate::apply::write::Parents;
use crate::apply::{begin, finish, lane, proof};
use crate::crash;
use crate::error::{EngineError, Result};
use crate::store::aside::{AsideRecord, AsideState, Scope};
use crate::store::entity::Phase;
use crate::store::execution::Counts;
use crate::store::reject::Due;
use crate::store::{aside, chunk, reject};

/// How often rows that a foreign key refused are tried again: each time the children of those that went in follow. Trees
/// that go deeper against the order of their keys stay on record, for `rejects retry`.
const GENERATIONS: usize = 10;

/// What the end of a load needs.
pub struct Settling<'s, 'p> {
    /// What was prepared.
    pub prepared: &'s Prepared,
    /// The plan of everything that is in the target now.
    pub plan: Plan,
    /// Whose record of set-aside DDL.
    pub scope: Scope<'s>,
    /// The entities of this run.
    pub works: Vec<&'s ChunkWork<'s, 'p>>,
    /// Where events go.
    pub events: &'s Events,
}

impl Settling<'_, '_> {
    fn step(&self, step: &str) {
        self.events
            .send(Event::Step {
                step: step.to_owned(),
            })
            .ok();
    }

    fn plans(&self) -> impl Iterator<Item = &EntityPlan> {
        self.works.iter().map(|work| work.shaping.plan)
    }

    /// Whether no row is still to come: where foreign keys are checked as rows go in, those go in later that they refused.
    fn complete_when_loaded(&self) -> bool {
        self.scope.silencing == Silencing::ReplicaRole
    }

    /// Proves, restores, and marks the entities as done, with sessions of [`lane::writer`].
    /// Beside its beginning entities become `loaded`.
    pub async fn finish(
        &self,
        loaded: impl Future<Output = Result<()>>,
        lanes: &mut [Lane],
        sessions: &mut [Session],
    ) -> Result<()> {
        let plan = &self.plan;
        self.step("indexing identities");
        let ((), (mut corrections, asked)) = tokio::try_join!(loaded, self.again(lanes, sessions))?;
        self.step("gathering statistics");
        let plans: Vec<&EntityPlan> = self.plans().collect();
        // From here on no row is written: whoever adds a constraint again has it checked for all of them.
        let asking = async {
            let session = &mut lanes[0].writer;
            let mut aside = match asked {
                Some(aside) => aside,
                None => recorded(session, &self.scope).await?,
            };
            aside.look(session, &self.scope, Part::ForProof).await?;
            Ok(aside)
        };
        let (mut recorded, ()) =
            tokio::try_join!(asking, finish::sketch(sessions, &self.prepared.store, &plans))?;
        self.step("building indexes");
        let target = &self.prepared.target_catalog;
        let (keys, found) = proof::settle_keys(sessions, &self.scope, plan, target, &mut recorded).await?;
        corrections.add(&found);
        refuse(&keys)?;
        crash::point("keys-restored");
        let mut foreign = proof::foreign_sites(plan, target, &recorded.records, self.scope.silencing);
        for site in &mut foreign {
            // What waits for another run is not validated by this one.
            site.validated &= !self.scope.spared.contains(&site.table);
        }
        self.step("proving references");
        let censuses = self.censuses();
        let proving = Proving {
            plan,
            target,
            foreign: &foreign,
            censuses: &censuses,
            corrected: &corrections,
            meanwhile: &finish::statistics(&plans, target),
            aside: Some(&recorded),
        };
        proof::references(sessions, &self.scope, &proving).await?;
        crash::point("references-proven");
        self.step("restoring constraints");
        let guards = guards(&recorded.records, &self.scope);
        // Rejects change no more, unless what is put back tells of rows that nobody has counted.
        let (restored, mut judged) = tokio::join!(
            put_recorded_back(sessions, &self.scope, Part::All, &mut recorded),
            self.judge(lanes)
        );
        let mut restored = restored?;
        if !censuses.is_empty() && restored.failures.iter().any(Failure::is_orphan) {
            (restored, recorded) = self.uncounted(sessions, &foreign, &guards).await?;
            judged = self.judge(lanes).await;
        }
        if let Err(error) = refuse(&restored).and(judged) {
            let told = announce(&mut sessions[0], &self.scope, &recorded, &restored).await;
            if let Err(untold) = told {
                let note =
                    format!("an API that listens for changes of the schema was not told of them ({untold})");
                self.events.send(Event::Note(note)).ok();
            }
            return Err(error);
        }
        crash::point("all-restored");
        let sequences = self
            .plans()
            .map(|entity| finish::sequences(&sessions[0], self.scope.guard, entity));
        try_join_all(sequences).await?;
        crash::point("before-done");
        self.done(&mut sessions[0], &recorded, &restored).await?;
        crash::point("done");
        Ok(())
    }

    /// Rows came by other ways than past us, and a foreign key that was called whole has orphans: everything is looked at, with
    /// triggers and foreign keys out of the way as before.
    async fn uncounted(
        &self,
        sessions: &mut [Session],
        foreign: &[ForeignSite],
        guards: &[AsideItem],
    ) -> Result<(Restored, Recorded)> {
        set_aside(&mut sessions[0], &self.scope, guards).await?;
        self.step("proving references");
        let proving = Proving {
            plan: &self.plan,
            target: &self.prepared.target_catalog,
            foreign,
            censuses: &Censuses::new(),
            corrected: &Corrections::default(),
            meanwhile: &[],
            aside: None,
        };
        proof::references(sessions, &self.scope, &proving).await?;
        self.step("restoring constraints");
        let mut recorded = recorded(&sessions[0], &self.scope).await?;
        let restored = put_recorded_back(sessions, &self.scope, Part::All, &mut recorded).await?;
        Ok((restored, recorded))
    }

    /// What was counted of entities that this run has loaded from the first row to the last.
    fn censuses(&self) -> Censuses {
        let counted = self.works.iter().filter_map(|work| {
            let census = work.keys.take()?;
            Some((work.entity().to_owned(), census))
        });
        counted.collect()
    }

    /// Identities are told apart, and rows that a foreign key refused are read again, since their parents may have come
    /// later. Those whose parents did not come are written without them where their `missing` is null. Where there is nothing of all that
    /// the answer holds what is aside, too.
    async fn again(
        &self,
        lanes: &mut [Lane],
        sessions: &mut [Session],
    ) -> Result<(Corrections, Option<Recorded>)> {
        let Some(lane) = lanes.first_mut() else {
            return Ok(Default::default());
        };
        let (mut corrections, due, recorded) = tokio::try_join!(
            proof::settle_identities(sessions, &self.scope, &self.plan, |entity| {
                again::written(&self.works, entity)
            }),
            reject::any_due(&lane.writer, &self.prepared.store),
            recorded(&lane.writer, &self.scope)
        )?;
        if corrections.is_empty() && !due && self.complete_when_loaded() {
            // Nobody left, and nobody waits for others.
            return Ok((corrections, Some(recorded)));
        }
        corrections.add(&again::twins(&self.works, lane, sessions, &self.scope, &self.plan).await?);
        self.orphans(lane, sessions, Parents::Coming, &mut corrections)
            .await?;
        if self.plans().any(may_null) {
            self.orphans(lane, sessions, Parents::Complete, &mut corrections)
                .await?;
            again::reunite(&self.works, lane, self.scope.silencing).await?;
        }
        reject::blame_parents(&mut lane.writer, &self.prepared.store, self.scope.guard).await?;
        Ok((corrections, None))
    }

    /// Rows that a foreign key refused are read again, as long as that helps.
    async fn orphans(
        &self,
        lane: &mut Lane,
        sessions: &mut [Session],
        parents: Parents,
        corrections: &mut Corrections,
    ) -> Result<()> {
        let mut before = usize::MAX;
        for _ in 0..GENERATIONS {
            let mut refused = 0;
            for work in again::with_due(&self.works, lane, Due::Orphans).await? {
                refused += again::due(work, lane, Due::Orphans, parents).await?;
            }
            if refused == 0 {
                break;
            }
            corrections.add(&again::identities(&self.works, lane, sessions, &self.scope, &self.plan).await?);
            if refused >= before {
                break;
            }
            before = refused;
        }
        Ok(())
    }

    /// Gives rejects that a proof found their source rows, and judges the share of all of them for good.
    async fn judge(&self, lanes: &mut [Lane]) -> Result<()> {
        let Some(lane) = lanes.first_mut() else {
            return Ok(());
        };
        let due = reject::undescribed(&lane.writer, &self.prepared.store).await?;
        let works = self.works.iter();
        for work in works.filter(|work| due.iter().any(|entity| entity == work.entity())) {
            work.describe_rejects(lane).await?;
        }
        let (store, session) = (&self.prepared.store, &lane.writer);
        let found = self.plans().map(async |entity| {
            tokio::try_join!(
                reject::counts(session, store, &entity.name),
                chunk::all(session, store, &entity.name)
            )
        });
        let found = try_join_all(found).await?;
        for (entity, ((rejected, parked), points)) in self.plans().zip(found) {
            let read = points.iter().map(|point| point.read).sum();
            let sum = Counts {
                read,
                rejected,
                parked,
                ..Counts::default()
            };
            if let Some(excess) = lanes::excess(entity, &sum, true, 0) {
                return Err(lanes::too_many(session, store, entity, &excess).await?);
            }
        }
        Ok(())
    }

    /// All entities become done in one transaction: what is half proven is not done. Whoever listens for changes of the schema is told
    /// with it.
    async fn done(&self, session: &mut Session, recorded: &Recorded, restored: &Restored) -> Result<()> {
        let plans: Vec<&EntityPlan> = self.plans().collect();
        let (store, guard) = (&self.prepared.store, self.scope.guard);
        let tell = async |tx: &Transaction<'_>| tell(tx, &self.scope, recorded, restored).await;
        begin::advance_with(session, store, guard, (&plans, Phase::Done), tell).await?;
        for plan in self.plans() {
            self.events
                .send(Event::Phase {
                    entity: plan.name.clone(),
                    phase: "done",
                })
                .ok();
        }
        Ok(())
    }
}

/// What acts on rows that leave or change, of what is aside and this run puts back.
fn guards(records: &[AsideRecord], scope: &Scope<'_>) -> Vec<AsideItem> {
    let aside = records
        .iter()
        .filter(|record| record.state != AsideState::Restored && !scope.spared.contains(&record.item.table));
    let acts = |item: &&AsideItem| matches!(item.kind, AsideKind::Trigger | AsideKind::ForeignKey);
    aside.map(|record| &record.item).filter(acts).cloned().collect()
}

fn refuse(restored: &Restored) -> Result<()> {
    let findings: Vec<Finding> = restored.failures.iter().map(Failure::finding).collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(EngineError::findings(findings))
    }
}

/// The part of a plan whose entities have begun.
pub fn begun_plan(prepared: &Prepared) -> Plan {
    let mut plan = prepared.plan.clone();
    plan.entities
        .retain(|entity| prepared.begun.iter().any(|one| one.entity == entity.name));
    plan
}

/// Most sessions that build indexes side by side.
pub const BUILDERS: usize = 4;

/// How long an interrupted run may put things back, counted from when it broke off: it ends within five seconds, also where
/// the target is silent.
pub const INTERRUPTED_LIMIT: Duration = Duration::from_secs(3);

/// How long servers have to take requests to stop.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// Stops what sessions were doing for somebody who has left: a server goes on building an index, and keeps the locks of that.
/// Whoever cannot be reached in time has its sessions ended by the next start.
pub async fn cancel(cancellers: &[Canceller]) {
    let cancelling = join_all(cancellers.iter().map(Canceller::cancel));
    tokio::time::timeout(CANCEL_LIMIT, cancelling).await.ok();
}

/// After a run that did not end well: puts back what was set aside. A run that was asked to stop takes only a moment for
/// it; what is still aside then is on record, and the next start or `--abandon` finds it.
pub async fn put_back(
    prepared: &Prepared,
    held: &Held,
    (error, broken_off): (&EngineError, Instant),
    events: &Events,
) {
    if error.code() == code::LEASE_LOST {
        return;
    }
    let limit =
        (error.exit() == Exit::Interrupted).then(|| INTERRUPTED_LIMIT.saturating_sub(broken_off.elapsed()));
    let until = limit.map(|limit| tokio::time::Instant::now() + limit);
    let aside = match restore_until(prepared, held, until).await {
        Ok(0) => return,
        Ok(left) => format!("{left} constraint(s), index(es), trigger(s) or setting(s) are still set aside"),
        Err(error) => format!("what was set aside could not be put back ({error})"),
    };
    let note = format!(
        "{aside}: `driftless migrate` continues and puts them back at its end, `driftless migrate --abandon` puts them back now"
    );
    events.send(Event::Note(note)).ok();
}

/// Does it, until then at most; nothing where there was no time for it.
async fn by<T>(until: Option<tokio::time::Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => tokio::time::timeout_at(until, work).await.ok(),
        None => Some(work.await),
    }
}

/// The error of somebody who leaves before the target has answered.
fn unanswered() -> EngineError {
    EngineError::new(code::SERVER_UNREACHABLE, "target", "it did not answer in time")
}

/// Restores as far as there is time for it; how much is still aside.
async fn restore_until(
    prepared: &Prepared,
    held: &Held,
    until: Option<tokio::time::Instant>,
) -> Result<usize> {
    let guard = held.lease.guard();
    let opened = by(until, opened(prepared, held)).await.ok_or_else(unanswered)?;
    let Some((control, mut sessions)) = opened? else {
        return Ok(0);
    };
    let scope = Scope {
        store: &prepared.store,
        execution: held.execution,
        guard: &guard,
        silencing: prepared.silencing,
        triggers: Triggers::SetAside,
        spared: &[],
    };
    let cancellers: Vec<_> = sessions.iter().map(Session::canceller).collect();
    match by(until, restore(&mut sessions, &scope, Part::All)).await {
        Some(restored) => drop(restored?),
        // Else the server goes on, and keeps the locks of that.
        None => cancel(&cancellers).await,
    }
    let counted = by(
        until.map(|until| until + CANCEL_LIMIT),
        aside::outstanding(&control, &prepared.store),
    );
    Ok(counted.await.ok_or_else(unanswered)??.len())
}

/// The sessions for putting back; none where nothing is aside.
async fn opened(prepared: &Prepared, held: &Held) -> Result<Option<(Session, Vec<Session>)>> {
    let control = prepared.target.session("restore").await?;
    let (left, owed) = tokio::try_join!(
        aside::outstanding(&control, &prepared.store),
        aside::reload_owed(&control, &prepared.store)
    )?;
    if left.is_empty() && !owed {
        return Ok(None);
    }
    let count = prepared.plan.target_connections.clamp(1, BUILDERS);
    let writers = (0..count).map(|_| lane::writer(&prepared.target, &held.lease, prepared.silencing));
    Ok(Some((control, try_join_all(writers).await?)))
}
