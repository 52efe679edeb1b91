//! How far a pipeline is, from its state.

use driftless_core::spec::Spec;
use driftless_pg::{Param, Session};

use super::prepare::endpoints;
use super::report::{EntityCounts, EntityStatus, ExecutionStatus, StatusReport};
use crate::error::Result;
use crate::store::schema::{Presence, presence};
use crate::store::{Store, aside, entity, execution, lease};

/// Executions that are shown.
const EXECUTIONS: i64 = 10;

/// The state of a mapping's pipeline.
pub async fn status(spec: &Spec) -> Result<StatusReport> {
    let (_, target) = endpoints(spec)?;
    let store = Store::new(spec.pipeline.state_schema.clone(), spec.pipeline.name.clone());
    let session = target.session("status").await?;
    let mut report = StatusReport {
        pipeline: spec.pipeline.name.clone(),
        present: presence(&session, &store).await? == Presence::Present,
        holder: None,
        entities: Vec::new(),
        executions: Vec::new(),
        set_aside: Vec::new(),
    };
    if !report.present {
        return Ok(report);
    }
    report.holder = lease::living_holder(&session, &store)
        .await?
        .map(|holder| holder.name);
    let begun = entity::begun(&session, &store).await?;
    report.executions = execution::last(&session, &store, EXECUTIONS)
        .await?
        .into_iter()
        .map(|execution| shown(execution, &begun))
        .collect();
    for begun in begun {
        report
            .entities
            .push(entity_status(&session, &store, begun, spec).await?);
    }
    report.set_aside = aside::outstanding(&session, &store)
        .await?
        .into_iter()
        .map(|record| {
            let item = record.item;
            (
                item.table.to_string(),
                item.kind.noun().to_owned(),
                item.name,
                record.state.name().to_owned(),
                record.error,
            )
        })
        .collect();
    Ok(report)
}

async fn entity_status(
    session: &Session,
    store: &Store,
    begun: entity::Begun,
    spec: &Spec,
) -> Result<EntityStatus> {
    let row = session
        .query_one(
            &store.sql(include_str!("status_entity.sql")),
            &[Param::text(store.pipeline()), Param::text(begun.entity.as_str())],
        )
        .await?;
    let (written, adopted) = execution::written(session, store, &begun.entity).await?;
    Ok(EntityStatus {
        domain: spec.domain(&begun.entity),
        entity: begun.entity,
        table: begun.table.to_string(),
        phase: begun.phase.text().to_owned(),
        chunks_done: row.get(0)?,
        chunks: row.get(1)?,
        rejected: row.get(2)?,
        parked: row.get(3)?,
        identities: written + adopted,
    })
}

fn shown(execution: execution::Execution, begun: &[entity::Begun]) -> ExecutionStatus {
    let path = |entity: &str| {
        let begun = begun.iter().find(|one| one.entity == entity)?;
        Some(begun.path.text().to_owned())
    };
    ExecutionStatus {
        id: execution.id,
        command: execution.command,
        state: execution.state,
        started_at: execution.started_at,
        ended_at: execution.ended_at,
        code: execution.code,
        message: execution.message,
        entities: execution
            .entities
            .into_iter()
            .map(|(entity, counts)| EntityCounts {
                path: path(&entity),
                entity,
                read: counts.read,
                inserted: counts.inserted,
                updated: counts.updated,
                adopted: counts.unchanged,
                deleted: counts.deleted,
                rejected: counts.rejected,
                parked: counts.parked,
                bytes: counts.bytes,
                duration_ms: counts.duration_ms,
            })
            .collect(),
    }
}
