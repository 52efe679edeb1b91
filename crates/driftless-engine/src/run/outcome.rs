//! What a load says of itself at its end.

use std::collections::BTreeMap;

use driftless_core::plan::EntityPlan;
use driftless_core::spec::Spec;
use driftless_pg::Session;
use futures_util::future::try_join_all;

use super::agenda::Agenda;
use super::prepare::Prepared;
use super::report::{EntityReport, MigrateReport};
use crate::error::{EngineError, Result};
use crate::store::execution::{self, Counts};
use crate::store::reject;

/// What became of the entities, and how many rejects are on record.
pub(super) async fn tell(
    prepared: &Prepared,
    (execution, plans): (i64, &[&EntityPlan]),
    spec: &Spec,
) -> Result<(Vec<EntityReport>, i64)> {
    let session = prepared.target.session("status").await?;
    tokio::try_join!(
        reports(&session, prepared, (execution, plans), spec),
        reject::open(&session, &prepared.store)
    )
}

/// A run that has nothing to do.
pub(super) async fn nothing(prepared: &Prepared, agenda: &Agenda<'_>, spec: &Spec) -> Result<MigrateReport> {
    let session = prepared.target.session("status").await?;
    let last = execution::last(&session, &prepared.store, 1).await?;
    let mut entities = Vec::new();
    for plan in &agenda.done {
        let found = self::on_record(&session, prepared, plan).await?;
        entities.push(report(plan, &found, &Counts::default(), spec));
    }
    let execution = last.first().map_or(0, |one| one.id);
    Ok(MigrateReport {
        execution,
        nothing_to_do: true,
        resumed: false,
        entities,
        on_record: reject::open(&session, &prepared.store).await?,
        duration_ms: 0,
    })
}

async fn reports(
    session: &Session,
    prepared: &Prepared,
    (execution, plans): (i64, &[&EntityPlan]),
    spec: &Spec,
) -> Result<Vec<EntityReport>> {
    let found = plans
        .iter()
        .map(async |plan| Ok::<_, EngineError>((*plan, on_record(session, prepared, plan).await?)));
    let (last, found) = tokio::try_join!(execution::last(session, &prepared.store, 1), try_join_all(found))?;
    let ours = last.into_iter().filter(|one| one.id == execution);
    let counts: BTreeMap<String, Counts> = ours.flat_map(|one| one.entities).collect();
    let reports = found.into_iter().map(|(plan, found)| {
        let counts = counts.get(&plan.name).copied().unwrap_or_default();
        report(plan, &found, &counts, spec)
    });
    Ok(reports.collect())
}

/// What all runs together left of an entity.
struct OnRecord {
    rejected: i64,
    parked: i64,
    written: i64,
    adopted: i64,
}

async fn on_record(session: &Session, prepared: &Prepared, plan: &EntityPlan) -> Result<OnRecord> {
    let store = &prepared.store;
    let ((rejected, parked), (written, adopted)) = tokio::try_join!(
        reject::counts(session, store, &plan.name),
        execution::written(session, store, &plan.name)
    )?;
    Ok(OnRecord {
        rejected,
        parked,
        written,
        adopted,
    })
}

fn report(plan: &EntityPlan, found: &OnRecord, counts: &Counts, spec: &Spec) -> EntityReport {
    // Proofs may have taken out more of what earlier runs wrote than this one wrote.
    let inserted = counts.inserted.max(0);
    EntityReport {
        entity: plan.name.clone(),
        domain: spec.domain(&plan.name),
        path: plan.path.text().to_owned(),
        read: counts.read,
        inserted,
        kept: found.written - inserted,
        adopted: found.adopted,
        updated: counts.updated,
        deleted: counts.deleted,
        rejected: found.rejected,
        parked: found.parked,
        bytes: counts.bytes,
        duration_ms: counts.duration_ms,
    }
}
