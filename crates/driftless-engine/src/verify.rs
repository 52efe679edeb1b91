//! Reads both sides and reports whether they agree. Never writes: both transactions are read-only.
//!
//! Each side is read under one snapshot. Of every entity the source rows come in key order and meet the identities and
//! rejects of the target, which come in the same order; rows that must be in the target go through the same shaping as in
//! a load, and what their columns come to is compared with what the target's rows come to. Then every foreign key of the
//! target tables, and every reference without one, is proven by an anti-join. Memory is bounded by one batch.

/// What validation reports.
pub mod report;
/// What the target has on record, in key order.
mod records;
/// What the source has, in key order.
mod rows;
/// What the target's columns come to.
mod sums;
/// Rows whose parents are not there.
mod orphans;
/// One entity.
mod entity;
/// One target table.
mod table;

pub use report::{Check, EntityCounts, EntityValidation, ReadAt, TableValidation, Validation};

use std::collections::BTreeMap;

use driftless_core::code;
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{BeginMode, Pool, Session};

use crate::error::{EngineError, InContext as _, Result};
use crate::extract::snapshot;
use crate::shape::evaluate;
use crate::store::Store;
use crate::store::entity::{self as stored, Phase};
use crate::store::schema::{self, Presence};

/// Compares both sides of a plan: all of it, or only these entities.
///
/// # Errors
/// Where there is nothing of the pipeline in the target ([`code::NOTHING_TO_DO`]), and where a server fails. Differences are
/// no errors: they are in the report.
pub async fn validate_plan(
    plan: &Plan,
    store: &Store,
    source: &Pool,
    target: &Pool,
    only: &[String],
) -> Result<Validation> {
    let (mut source, mut target, mut lookup, mut evaluator) = tokio::try_join!(
        async { Ok(source.session("validate").await?) },
        async { Ok(target.session("validate").await?) },
        async { Ok(target.session("validate").await?) },
        evaluate::connect(target)
    )?;
    if schema::presence(&target, store).await? == Presence::Absent {
        return Err(EngineError::new(
            code::NOTHING_TO_DO,
            format!("pipeline {}", store.pipeline()),
            "the target holds nothing of it that could be validated",
        )
        .remedy("run `driftless migrate` first"));
    }
    let source = source.begin(BeginMode::ReadOnlySnapshot(None)).await?;
    snapshot::raw_bytes(&source).await?;
    snapshot::keep(&source).await?;
    let target = target.begin(BeginMode::ReadOnlySnapshot(None)).await?;
    let exported = target
        .query_one("SELECT pg_catalog.pg_export_snapshot()", &[])
        .await?
        .get(0)?;
    let lookup = lookup.begin(BeginMode::ReadOnlySnapshot(Some(exported))).await?;
    let (source_read, target_read) = tokio::try_join!(read_at(&source), read_at(&target))?;
    let phases: BTreeMap<String, Phase> = stored::begun(&target, store)
        .await?
        .into_iter()
        .map(|begun| (begun.entity, begun.phase))
        .collect();
    let chosen: Vec<&EntityPlan> = plan
        .entities
        .iter()
        .filter(|entity| only.is_empty() || only.contains(&entity.name))
        .collect();
    let mut entities = Vec::new();
    for one in &chosen {
        let found = match phases.get(&one.name) {
            None => EntityValidation::not_loaded(one),
            // Its indexes may be set aside: looking closer would take hours, and tell what everybody knows.
            Some(phase @ (Phase::Loading | Phase::Loaded)) => EntityValidation::not_finished(one, *phase),
            Some(phase) => {
                let mut sides = entity::Sides {
                    plan,
                    store,
                    source: &source,
                    target: &target,
                    lookup: &lookup,
                    evaluator: &mut evaluator,
                };
                let found = sides
                    .validate(one)
                    .await
                    .context(format!("entity {}", one.name))?;
                found.in_phase(*phase)
            }
        };
        entities.push(found);
    }
    let is_there = |entity: &&EntityPlan| {
        let phase = phases.get(&entity.name);
        phase.is_some_and(|phase| matches!(phase, Phase::Unproven | Phase::Done))
    };
    let loaded: Vec<&EntityPlan> = plan.entities.iter().filter(is_there).collect();
    let mut tables: Vec<TableValidation> = Vec::new();
    for one in chosen.iter().copied().filter(is_there) {
        let name = one.into.to_string();
        if tables.iter().all(|table| table.table != name) {
            let found = table::validate(&target, store, &one.into, &loaded).await;
            tables.push(found.context(format!("table {name}"))?);
        }
    }
    Ok(Validation::new(
        store.pipeline(),
        source_read,
        target_read,
        entities,
        tables,
    ))
}

/// Takes the transaction's snapshot and says which one it is.
async fn read_at(session: &Session) -> Result<ReadAt> {
    let row = session
        .query_one(
            "SELECT pg_catalog.pg_current_snapshot()::text, \
             pg_catalog.to_char(pg_catalog.clock_timestamp(), 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
            &[],
        )
        .await?;
    Ok(ReadAt {
        place: session.place().to_owned(),
        snapshot: row.get(0)?,
        at: row.get(1)?,
    })
}
