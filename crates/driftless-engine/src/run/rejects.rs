//! Rejects: looked at, tried again, dismissed.

/// Which ones are meant, as SQL.
mod filter;
/// Read, counted, exported.
mod look;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use driftless_core::code;
use driftless_core::plan::aside::{Silencing, Triggers, unsilenced_under_lock};
use driftless_core::plan::natural::recording_order;
use driftless_core::plan::{EntityPlan, Mint, RefSite};
use driftless_core::spec::{Spec, WhenMissing};

use super::dead::prepare_past_the_dead;
use super::held::Held;
use super::prepare::{Prepared, prepare};
use super::report::{Event, RejectFilter, RejectGroup, RetryReport};
use super::stop::Stop;
use super::{Events, again, settle};
use crate::apply::begin;
use crate::apply::chunk::{ChunkWork, Progress};
use crate::apply::counting::Counting;
use crate::apply::lane::Lane;
use crate::apply::natural::Looking;
use crate::apply::proof;
use crate::apply::retry::Retrying;
use crate::apply::reunite::Nulled;
use crate::apply::write::Parents;
use crate::crash;
use crate::error::{EngineError, Result};
use crate::extract::snapshot::Snapshot;
use crate::extract::spare::Spare;
use crate::shape::Shaping;
use crate::shape::constants::{self, RunFacts};
use crate::store::aside::Scope;
use crate::store::entity::{Begun, Phase};
use crate::store::{lease, reject};

pub use look::{export, export_warnings, groups, list, show, warning_groups, warnings};

/// Rejects that are about to be dismissed. Nothing is held meanwhile: where another run comes between, it is refused.
pub struct Dismissal {
    prepared: Prepared,
    filter: RejectFilter,
    /// What it is about, counted; what was dismissed before is not among it.
    pub groups: Vec<RejectGroup>,
}

impl Dismissal {
    /// Looks what would be dismissed.
    pub async fn of(spec: &Spec, filter: &RejectFilter) -> Result<Dismissal> {
        let prepared = prepare(spec).await?;
        let mut groups = groups(spec, filter).await?;
        groups.retain(|group| group.state != "discarded");
        Ok(Dismissal {
            prepared,
            filter: filter.clone(),
            groups,
        })
    }

    /// How many rejects it is about.
    pub fn rows(&self) -> i64 {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// Dismisses them: they stay on record as discarded, and no longer count as open. Gives how many.
    pub async fn carry_out(self) -> Result<i64> {
        let store = &self.prepared.store;
        let mut held = Held::take(&self.prepared, "rejects discard").await?;
        let guard = held.lease.guard();
        let condition = filter::condition(store, &self.filter);
        let discarded = reject::discard(&mut held.session, store, &guard, &condition).await;
        held.end(discarded).await
    }
}

/// Tries rejects again: their rows are read anew and take the same way as any row.
pub async fn retry(spec: &Spec, filter: &RejectFilter, events: &Events, stop: &Stop) -> Result<RetryReport> {
    let prepared = prepare_past_the_dead(spec).await?;
    if let Err(unfinished) = unfinished(&prepared) {
        // Whoever is loading now says more than what is not loaded yet.
        let session = prepared.target.session("rejects").await?;
        lease::refuse_if_alive(&session, &prepared.store).await?;
        return Err(unfinished);
    }
    keyless(&prepared, filter)?;
    carry_out(&prepared, Some(filter), events, stop).await
}

/// Proves what a `rejects retry` wrote that did not come to its end, and tries nothing else again. Gives whether there was any.
pub(super) async fn prove_left(prepared: &Prepared, events: &Events, stop: &Stop) -> Result<bool> {
    let left = prepared.begun.iter().any(|one| one.phase == Phase::Unproven);
    if left {
        carry_out(prepared, None, events, stop).await?;
    }
    Ok(left)
}

async fn carry_out(
    prepared: &Prepared,
    filter: Option<&RejectFilter>,
    events: &Events,
    stop: &Stop,
) -> Result<RetryReport> {
    let mut held = stop.or(Held::take(prepared, "rejects retry")).await?;
    held.tells(events);
    events
        .send(Event::Started {
            execution: held.execution,
            resumed: false,
        })
        .ok();
    // As large as a load.
    let done = stop.or(Box::pin(retry_all(prepared, &mut held, filter))).await;
    held.end(done).await
}

/// Only what is done can take single rows: before that constraints may be set aside.
fn unfinished(prepared: &Prepared) -> Result<()> {
    let open: Vec<&str> = prepared
        .begun
        .iter()
        .filter(|one| !matches!(one.phase, Phase::Done | Phase::Unproven))
        .map(|one| one.entity.as_str())
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(EngineError::new(
        code::NOTHING_TO_DO,
        format!("entities {}", open.join(", ")),
        "their load is not finished, and will try these rows by itself",
    )
    .remedy("run `driftless migrate` to its end first"))
}

/// A row without a key cannot be found again in the source: its place may hold another by now.
fn keyless(prepared: &Prepared, filter: &RejectFilter) -> Result<()> {
    let named = filter
        .entities
        .iter()
        .filter_map(|name| prepared.plan.entity(name));
    match named.into_iter().find(|plan| plan.identity.mint == Mint::Place) {
        None => Ok(()),
        Some(plan) => Err(EngineError::new(
            code::USAGE,
            format!("entity {}", plan.name),
            "its rows have no key, so that none of them can be read again alone",
        )
        .remedy(format!(
            "`driftless migrate --restart --entity {}` loads it anew",
            plan.name
        ))),
    }
}

/// Without a filter nothing is tried again; what is not proven yet is proven in any case.
async fn retry_all(
    prepared: &Prepared,
    held: &mut Held,
    filter: Option<&RejectFilter>,
) -> Result<RetryReport> {
    let mut report = RetryReport {
        execution: held.execution,
        tried: 0,
        written: 0,
        still_rejected: 0,
        gone: 0,
    };
    let silencing = prepared.silencing;
    let snapshot = Snapshot::export(&prepared.source).await?;
    let mut lane = Lane::open(
        &prepared.source,
        &prepared.target,
        &snapshot,
        &held.lease,
        silencing,
    )
    .await?;
    let facts = RunFacts {
        execution: held.execution,
        started_at: held.started_at,
        mode: "load",
    };
    let condition = filter.map_or_else(
        || "false".to_owned(),
        |filter| filter::to_retry(&prepared.store, filter),
    );
    reject::list(&held.session, &prepared.store, &condition).await?;
    unheard(prepared, held).await?;
    match_again(prepared, held, &mut lane, &facts).await?;
    let mut touched = Vec::new();
    let (progress, spare) = (Progress::default(), Spare::default());
    let keyed = |plan: &&EntityPlan| plan.identity.mint != Mint::Place;
    for plan in prepared.plan.entities.iter().filter(keyed) {
        let mut keys = reject::listed(&held.session, &plan.name, "").await?;
        if keys.is_empty() && !is_unproven(prepared, &plan.name) {
            continue;
        }
        let constants = constants::resolve(&held.session, plan, &facts).await?;
        let shaping = Shaping::new(&prepared.plan, plan, constants, &prepared.store);
        let work = work_on(prepared, held, &snapshot, &shaping, (&progress, &spare));
        while let Some(last) = keys.last() {
            let next = reject::listed(&held.session, &plan.name, last).await?;
            report.tried += keys.len() as i64;
            report.gone += work.retry(&mut lane, &keys, AS_NEW).await?.gone;
            keys = next;
        }
        touched.push(shaping);
    }
    for plan in without_references(prepared, &touched) {
        let constants = constants::resolve(&held.session, plan, &facts).await?;
        let shaping = Shaping::new(&prepared.plan, plan, constants, &prepared.store);
        if touched.iter().all(|one| one.plan.name != plan.name) {
            touched.push(shaping);
        }
    }
    let works: Vec<ChunkWork<'_, '_>> = touched
        .iter()
        .map(|shaping| work_on(prepared, held, &snapshot, shaping, (&progress, &spare)))
        .collect();
    without_parents(held, silencing, &works, &mut lane).await?;
    for work in works.iter().filter(|work| refers(work.shaping.plan, &works)) {
        work.reunite(&mut lane, Nulled::Ever).await?;
    }
    crash::point("retried");
    prove(prepared, held, silencing, &works, &mut lane).await?;
    crash::point("retry-proven");
    drop(works);
    let plans: Vec<&EntityPlan> = touched.iter().map(|shaping| shaping.plan).collect();
    let guard = held.lease.guard();
    begin::advance(&mut held.session, &prepared.store, &guard, &plans, Phase::Done).await?;
    for shaping in &touched {
        work_on(prepared, held, &snapshot, shaping, (&progress, &spare))
            .describe_rejects(&mut lane)
            .await?;
        let left = reject::listed_left(&held.session, &prepared.store, &shaping.plan.name).await?;
        report.still_rejected += left;
    }
    report.written = report.tried - report.still_rejected - report.gone;
    Ok(report)
}

/// Refuses where triggers would fire for rows that are tried again, before the first of them is written.
async fn unheard(prepared: &Prepared, held: &Held) -> Result<()> {
    let mut due = Vec::new();
    for plan in &prepared.plan.entities {
        if !reject::listed(&held.session, &plan.name, "").await?.is_empty() {
            due.push(plan);
        }
    }
    let target = &prepared.target_catalog;
    let findings = unsilenced_under_lock(due, &prepared.plan, target, prepared.silencing);
    if findings.is_empty() {
        Ok(())
    } else {
        Err(EngineError::findings(findings))
    }
}

/// Looks whether rows that are tried again are in the target already: all of them, before anything that refers to them.
async fn match_again(prepared: &Prepared, held: &mut Held, lane: &mut Lane, facts: &RunFacts) -> Result<()> {
    let (all, store) = (&prepared.plan, &prepared.store);
    let entities: Vec<&EntityPlan> = all.entities.iter().collect();
    for plan in recording_order(&entities) {
        let Some(natural) = &plan.identity.natural_key else {
            continue;
        };
        let mut keys = reject::listed(&held.session, &plan.name, "").await?;
        if keys.is_empty() {
            continue;
        }
        let constants = constants::resolve(&held.session, &natural.probe, facts).await?;
        let shaping = Shaping::new(all, &natural.probe, constants, store);
        while let Some(last) = keys.last() {
            let next = reject::listed(&held.session, &plan.name, last).await?;
            let mut looking = Looking {
                shaping: &shaping,
                evaluator: &mut lane.evaluator,
                max_row_bytes: all.max_row_bytes,
            };
            let (source, plans) = (&lane.source, (all, plan));
            begin::matches(
                &mut held.session,
                source,
                store,
                &held.lease,
                plans,
                &mut looking,
                &keys,
            )
            .await?;
            keys = next;
        }
    }
    Ok(())
}

/// Entities whose rows may be there without a reference to what is tried again, which comes now.
fn without_references<'p>(prepared: &'p Prepared, touched: &[Shaping<'p>]) -> Vec<&'p EntityPlan> {
    let names: Vec<&str> = touched.iter().map(|one| one.plan.name.as_str()).collect();
    let begun = |plan: &&EntityPlan| prepared.begun.iter().any(|one| one.entity == plan.name);
    let plans = prepared.plan.entities.iter().filter(begun);
    plans.filter(|plan| may_lack(plan, &names)).collect()
}

fn refers(plan: &EntityPlan, works: &[ChunkWork<'_, '_>]) -> bool {
    let names: Vec<&str> = works.iter().map(ChunkWork::entity).collect();
    may_lack(plan, &names)
}

fn may_lack(plan: &EntityPlan, parents: &[&str]) -> bool {
    let parent = |site: &RefSite| {
        site.parents
            .iter()
            .any(|one| parents.contains(&one.entity.as_str()))
    };
    let mut sites = plan.refs.iter().filter(|site| site.missing == WhenMissing::Null);
    plan.identity.mint != Mint::Place && sites.any(parent)
}

fn is_unproven(prepared: &Prepared, entity: &str) -> bool {
    let unproven = |one: &Begun| one.entity == entity && one.phase == Phase::Unproven;
    prepared.begun.iter().any(unproven)
}

/// The source is read anew, and parents may be among what is tried.
const AS_NEW: Retrying = Retrying {
    before: false,
    parents: Parents::Coming,
};

/// Rows that a foreign key refused are tried once more behind all others, and written without their parents where the mapping
/// lets the reference be null.
async fn without_parents(
    held: &Held,
    silencing: Silencing,
    works: &[ChunkWork<'_, '_>],
    lane: &mut Lane,
) -> Result<()> {
    let how = Retrying {
        before: true,
        parents: Parents::Complete,
    };
    let mut nulled = Vec::new();
    for work in works {
        let mut last = String::new();
        loop {
            let keys = reject::listed_due(&held.session, work.store, work.entity(), &last).await?;
            let Some(end) = keys.last() else { break };
            last.clone_from(end);
            work.retry(lane, &keys, how).await?;
            if nulled
                .last()
                .is_none_or(|one: &&ChunkWork<'_, '_>| one.entity() != work.entity())
            {
                nulled.push(work);
            }
        }
    }
    again::reunite(&nulled, lane, silencing).await
}

fn work_on<'w, 'p>(
    prepared: &'w Prepared,
    held: &'w Held,
    snapshot: &'w Snapshot,
    shaping: &'w Shaping<'p>,
    (progress, spare): (&'w Progress, &'w Spare),
) -> ChunkWork<'w, 'p> {
    ChunkWork {
        store: &prepared.store,
        lease: &held.lease,
        shaping,
        fence: prepared.fence(shaping.plan),
        execution: held.execution,
        snapshot: snapshot.text(),
        max_row_bytes: prepared.plan.max_row_bytes,
        progress,
        wary: AtomicBool::new(false),
        spare,
        room: Mutex::default(),
        triggers: Triggers::UnderLock(prepared.silencing),
        keys: Counting::default(),
    }
}

/// Rows that went in under replica role have not been checked by the server: neither against their parents nor against
/// keys that are checked late.
async fn prove(
    prepared: &Prepared,
    held: &Held,
    silencing: Silencing,
    works: &[ChunkWork<'_, '_>],
    lane: &mut Lane,
) -> Result<()> {
    let guard = held.lease.guard();
    let scope = Scope {
        store: &prepared.store,
        execution: held.execution,
        guard: &guard,
        silencing,
        triggers: Triggers::UnderLock(silencing),
        spared: &[],
    };
    let mut session = crate::apply::lane::writer(&prepared.target, &held.lease, silencing).await?;
    reject::blame_parents(&mut session, &prepared.store, &guard).await?;
    let plan = settle::begun_plan(prepared);
    let works: Vec<&ChunkWork<'_, '_>> = works.iter().collect();
    let sessions = std::slice::from_mut(&mut session);
    again::identities(&works, lane, sessions, &scope, &plan).await?;
    let target = &prepared.target_catalog;
    proof::late_uniqueness(&mut session, &scope, &plan, target).await?;
    let foreign = proof::foreign_sites(&plan, target, &[], silencing);
    let sessions = std::slice::from_mut(&mut session);
    let proving = proof::Proving {
        plan: &plan,
        target,
        foreign: &foreign,
        censuses: &proof::Censuses::new(),
        corrected: &proof::Corrections::default(),
        meanwhile: &[],
        aside: None,
    };
    proof::references(sessions, &scope, &proving).await?;
    Ok(())
}
