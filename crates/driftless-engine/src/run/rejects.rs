//! Rejects: looked at, tried again, dismissed.

use driftless_core::code;
use driftless_core::plan::EntityPlan;
use driftless_core::plan::aside::Silencing;
use driftless_core::spec::Spec;
use driftless_pg::{Param, Session};

use super::held::Held;
use super::prepare::{Prepared, endpoints, prepare};
use super::report::{Event, RejectFilter, RejectGroup, RejectRecord, RetryReport};
use super::settle::silencing;
use super::stop::Stop;
use super::{Events, again, settle};
use crate::apply::begin;
use crate::apply::chunk::{ChunkWork, Progress};
use crate::apply::lane::Lane;
use crate::apply::proof;
use crate::apply::retry::Retrying;
use crate::apply::write::Parents;
use crate::error::{EngineError, Result};
use crate::extract::snapshot::Snapshot;
use crate::shape::Shaping;
use crate::shape::constants::{self, RunFacts};
use crate::store::aside::Scope;
use crate::store::entity::Phase;
use crate::store::schema::{Presence, presence};
use crate::store::{Store, reject};

/// A session with the state of a mapping's pipeline.
async fn open(spec: &Spec) -> Result<(Session, Store)> {
    let (_, target) = endpoints(spec)?;
    let store = Store::new(spec.pipeline.state_schema.clone(), spec.pipeline.name.clone());
    let session = target.session("rejects").await?;
    if presence(&session, &store).await? == Presence::Absent {
        return Err(EngineError::new(
            code::NOTHING_TO_DO,
            format!("pipeline {}", store.pipeline()),
            "the target has no state of it",
        )
        .remedy("run `driftless migrate` first"));
    }
    Ok((session, store))
}

/// Parameters of a filter: $1 pipeline, $2 entities, $3 keys, $4 codes, $5 category; empty lists and null mean all.
fn filtered(store: &Store, filter: &RejectFilter) -> Vec<Param> {
    vec![
        Param::text(store.pipeline()),
        Param::text_array(&filter.entities),
        Param::text_array(&filter.keys),
        Param::text_array(&filter.codes),
        Param::text_or_null(filter.category.as_deref()),
    ]
}

const CONDITION: &str = "r.pipeline = $1 AND (pg_catalog.cardinality($2::text[]) = 0 OR r.entity = ANY ($2::text[])) \
    AND (pg_catalog.cardinality($3::text[]) = 0 OR r.key = ANY ($3::text[])) \
    AND (pg_catalog.cardinality($4::text[]) = 0 OR r.code = ANY ($4::text[])) \
    AND ($5::text IS NULL OR r.category = $5::text)";

const COLUMNS: &str = "r.entity, r.key, r.state, r.stage, r.code, r.sqlstate, r.category, r.message, r.column_name, \
    r.constraint_name, r.rule, r.parent_entity, r.parent_key, r.source_row::text, r.execution, \
    pg_catalog.to_char(r.first_seen, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), pg_catalog.to_char(r.last_seen, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";

/// Rejects of a filter, by entity and key.
pub async fn list(spec: &Spec, filter: &RejectFilter, limit: i64) -> Result<Vec<RejectRecord>> {
    let (session, store) = open(spec).await?;
    let mut params = filtered(&store, filter);
    params.push(Param::int8(limit));
    let sql = store.sql(&format!(
        "SELECT {COLUMNS} FROM {{state}}.rejects AS r WHERE {CONDITION} ORDER BY r.entity, r.key LIMIT $6"
    ));
    session.query(&sql, &params).await?.iter().map(record).collect()
}

/// One reject.
pub async fn show(spec: &Spec, entity: &str, key: &str) -> Result<Option<RejectRecord>> {
    let filter = RejectFilter {
        entities: vec![entity.to_owned()],
        keys: vec![key.to_owned()],
        ..RejectFilter::default()
    };
    Ok(list(spec, &filter, 1).await?.into_iter().next())
}

fn record(row: &driftless_pg::Row) -> Result<RejectRecord> {
    let source: Option<String> = row.get(13)?;
    Ok(RejectRecord {
        entity: row.get(0)?,
        key: row.get(1)?,
        state: row.get(2)?,
        stage: row.get(3)?,
        code: row.get(4)?,
        sqlstate: row.get(5)?,
        category: row.get(6)?,
        message: row.get(7)?,
        column: row.get(8)?,
        constraint: row.get(9)?,
        rule: row.get(10)?,
        parent_entity: row.get(11)?,
        parent_key: row.get(12)?,
        source_row: source.and_then(|text| serde_json::from_str(&text).ok()),
        execution: row.get(14)?,
        first_seen: row.get(15)?,
        last_seen: row.get(16)?,
    })
}

/// Rejects of a filter, counted by entity, state, code and what is in question.
pub async fn groups(spec: &Spec, filter: &RejectFilter) -> Result<Vec<RejectGroup>> {
    let (session, store) = open(spec).await?;
    let sql = store.sql(&format!(
        "SELECT r.entity, r.state, r.code, r.category, coalesce(r.rule, r.constraint_name, r.column_name) AS subject, \
         pg_catalog.count(*) FROM {{state}}.rejects AS r WHERE {CONDITION} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 6 DESC, 3, 5"
    ));
    let rows = session.query(&sql, &filtered(&store, filter)).await?;
    rows.iter()
        .map(|row| {
            Ok(RejectGroup {
                entity: row.get(0)?,
                state: row.get(1)?,
                code: row.get(2)?,
                category: row.get(3)?,
                subject: row.get(4)?,
                rows: row.get(5)?,
            })
        })
        .collect()
}

/// How many rejects a filter finds.
pub async fn count(spec: &Spec, filter: &RejectFilter) -> Result<i64> {
    Ok(groups(spec, filter).await?.iter().map(|group| group.rows).sum())
}

/// Warnings of rules: (entity, key, rule), by entity and key.
pub async fn warnings(spec: &Spec, limit: i64) -> Result<Vec<(String, String, String)>> {
    let (session, store) = open(spec).await?;
    let rows = session
        .query(
            &store.sql(
                "SELECT entity, key, rule FROM {state}.warning WHERE pipeline = $1 ORDER BY entity, key, rule LIMIT $2",
            ),
            &[Param::text(store.pipeline()), Param::int8(limit)],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .collect()
}

/// Dismisses rejects: they stay on record as discarded, and no longer count as open. Gives how many.
pub async fn discard(spec: &Spec, filter: &RejectFilter) -> Result<i64> {
    let prepared = prepare(spec).await?;
    let mut held = Held::take(&prepared, "rejects discard").await?;
    let guard = held.lease.guard();
    let params = filtered(&prepared.store, filter);
    let discarded = reject::discard(&mut held.session, &prepared.store, &guard, CONDITION, &params).await;
    held.end(discarded).await
}

/// Tries rejects again: their rows are read anew and take the same way as any row.
pub async fn retry(spec: &Spec, filter: &RejectFilter, events: &Events, stop: &Stop) -> Result<RetryReport> {
    let prepared = prepare(spec).await?;
    unfinished(&prepared)?;
    let mut held = stop.or(Held::take(&prepared, "rejects retry")).await?;
    events
        .send(Event::Started {
            execution: held.execution,
            resumed: false,
        })
        .ok();
    let done = stop.or(retry_all(&prepared, &mut held, filter)).await;
    held.end(done).await
}

/// Only what is done can take single rows: before that constraints may be set aside.
fn unfinished(prepared: &Prepared) -> Result<()> {
    let open: Vec<&str> = prepared
        .begun
        .iter()
        .filter(|one| one.phase != Phase::Done)
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

async fn retry_all(prepared: &Prepared, held: &mut Held, filter: &RejectFilter) -> Result<RetryReport> {
    let mut report = RetryReport {
        execution: held.execution,
        tried: 0,
        written: 0,
        still_rejected: 0,
        gone: 0,
    };
    let silencing = silencing(&mut held.session).await?;
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
    let condition =
        format!("{CONDITION} AND (r.state <> 'discarded' OR pg_catalog.cardinality($3::text[]) > 0)");
    let params = filtered(&prepared.store, filter);
    reject::list(&held.session, &prepared.store, &condition, &params).await?;
    let mut touched = Vec::new();
    let progress = Progress::default();
    for plan in &prepared.plan.entities {
        let mut keys = reject::listed(&held.session, &plan.name, "").await?;
        if keys.is_empty() {
            continue;
        }
        let constants = constants::resolve(&held.session, plan, &facts).await?;
        let shaping = Shaping::new(&prepared.plan, plan, constants, &prepared.store);
        let work = work_on(prepared, held, &snapshot, &shaping, &progress);
        while let Some(last) = keys.last() {
            let next = reject::listed(&held.session, &plan.name, last).await?;
            report.tried += keys.len() as i64;
            report.gone += work.retry(&mut lane, &keys, AS_NEW).await?.gone;
            keys = next;
        }
        touched.push(shaping);
    }
    let works: Vec<ChunkWork<'_, '_>> = touched
        .iter()
        .map(|shaping| work_on(prepared, held, &snapshot, shaping, &progress))
        .collect();
    without_parents(held, silencing, &works, &mut lane).await?;
    prove(prepared, held, silencing, &works, &mut lane).await?;
    drop(works);
    let plans: Vec<&EntityPlan> = touched.iter().map(|shaping| shaping.plan).collect();
    let guard = held.lease.guard();
    begin::advance(&mut held.session, &prepared.store, &guard, &plans, Phase::Done).await?;
    for shaping in &touched {
        work_on(prepared, held, &snapshot, shaping, &progress)
            .describe_rejects(&mut lane)
            .await?;
        let left = reject::listed_left(&held.session, &prepared.store, &shaping.plan.name).await?;
        report.still_rejected += left;
    }
    report.written = report.tried - report.still_rejected - report.gone;
    Ok(report)
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
    progress: &'w Progress,
) -> ChunkWork<'w, 'p> {
    ChunkWork {
        store: &prepared.store,
        lease: &held.lease,
        shaping,
        execution: held.execution,
        snapshot: snapshot.text(),
        max_row_bytes: prepared.plan.max_row_bytes,
        progress,
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
    };
    let mut session = crate::apply::lane::writer(&prepared.target, &held.lease, silencing).await?;
    reject::blame_parents(&mut session, &prepared.store, &guard).await?;
    let plan = settle::begun_plan(prepared);
    let works: Vec<&ChunkWork<'_, '_>> = works.iter().collect();
    let sessions = std::slice::from_mut(&mut session);
    let mut found = again::identities(&works, lane, sessions, &scope, &plan).await?;
    let target = &prepared.target_catalog;
    found.add(&proof::late_uniqueness(&mut session, &scope, &plan, target).await?);
    let foreign = proof::foreign_sites(&plan, target, &[]);
    found.add(&proof::references(&mut session, &scope, &plan, target, &foreign).await?);
    settle::count(&session, &scope, &found).await
}
