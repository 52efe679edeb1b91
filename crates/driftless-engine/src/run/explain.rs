//! What a run would do, and why: for `check` and `plan`. Commits nothing.

use std::time::Duration;

use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::{self, AsideItem, Kept, Silencing};
use driftless_core::plan::{Chunking, EntityPlan, Value};
use driftless_core::spec::Spec;

use super::agenda::Agenda;
use super::prepare::{Prepared, prepare};
use super::report::{PlanReport, PlannedEntity};
use super::statements;
use crate::error::Result;
use crate::extract::estimate;
use crate::preflight::parents;
use crate::preflight::rehearsal::rehearse;
use crate::store::entity::Phase;

/// How long the rehearsal waits for a lock on a target table.
const REHEARSAL_LOCK: Duration = Duration::from_secs(3);

/// What `migrate` would do. Everything that forbids it comes as one error, but for entities that it would not continue: of
/// them the findings tell.
pub async fn plan(spec: &Spec) -> Result<PlanReport> {
    let prepared = prepare(spec).await?;
    let mut session = prepared.target.session("plan").await?;
    let silencing = prepared.silencing;
    let (whole, target) = (&prepared.plan, &prepared.target_catalog);
    let decided = aside::set_aside(whole, target, silencing, &prepared.recorded);
    let rehearsed = rehearse(&mut session, decided.items, REHEARSAL_LOCK).await?;
    let mut findings = prepared.findings.clone();
    let kept: Vec<Kept> = decided.kept.into_iter().chain(rehearsed.kept).collect();
    findings.extend(aside::unsilenced(
        open(&prepared),
        whole,
        target,
        silencing,
        &prepared.recorded,
        &kept,
    ));
    findings.extend(aside::stuck(whole, target, silencing, &rehearsed.items, &kept));
    findings.extend(parents::unreadable(whole, target, silencing, &rehearsed.items));
    if driftless_core::error::blocks(&findings) {
        return Err(crate::error::EngineError::findings(findings));
    }
    let refused = Agenda::decide(&prepared.plan, &prepared.target_catalog, &prepared.begun, &[]).refused;
    let source = prepared.source.session("plan").await?;
    let mut entities = Vec::new();
    for entity in &prepared.plan.entities {
        let rows = estimate::rows(&source, entity, prepared.origin(entity)).await?;
        let refusal = refused.iter().find(|(name, _)| *name == entity.name);
        let planned = planned(&prepared, entity, &rehearsed.items, &kept);
        let planned = if refusal.is_some() {
            planned
        } else if planned.phase == Phase::Done.text() {
            done(planned)
        } else {
            let of_entity = rehearsed.items.iter().filter(|item| item.is_for(&entity.name));
            let items: Vec<&AsideItem> = of_entity.collect();
            PlannedEntity {
                statements: statements::statements(&prepared, entity, &items, (&source, &session), silencing)
                    .await?,
                ..planned
            }
        };
        entities.push(PlannedEntity {
            domain: spec.domain(&entity.name),
            estimated_rows: rows,
            refused: refusal.map(|(_, finding)| finding.code.to_string()),
            indexes: statements::indexes(&prepared, entity),
            ..planned
        });
    }
    findings.extend(refused.into_iter().map(|(_, finding)| finding));
    Ok(PlanReport {
        pipeline: prepared.plan.pipeline.clone(),
        source: prepared.source.place(),
        target: prepared.target.place(),
        triggers: match silencing {
            Silencing::ReplicaRole => "silent under session_replication_role = replica",
            Silencing::EachTrigger => "disabled one by one on empty tables of our own",
        }
        .to_owned(),
        entities,
        findings,
    })
}

/// Entities whose rows are still to come, some or all of them.
fn open(prepared: &Prepared) -> impl Iterator<Item = &EntityPlan> {
    let is_done = |entity: &&EntityPlan| {
        let mut begun = prepared.begun.iter();
        begun.any(|one| one.entity == entity.name && one.phase == Phase::Done)
    };
    prepared
        .plan
        .entities
        .iter()
        .filter(move |entity| !is_done(entity))
}

/// An entity whose load is done: `migrate` does nothing about it.
fn done(planned: PlannedEntity) -> PlannedEntity {
    PlannedEntity {
        reason: "its load is done, and nothing is left to do".to_owned(),
        set_aside: Vec::new(),
        stays: Vec::new(),
        ..planned
    }
}

/// What is set aside by its name; with its table where that is a partition.
fn named(item: &AsideItem, entity: &EntityPlan) -> String {
    if item.table == entity.into {
        item.name.clone()
    } else {
        format!("{} of {}", item.name, item.table)
    }
}

fn planned(prepared: &Prepared, entity: &EntityPlan, items: &[AsideItem], kept: &[Kept]) -> PlannedEntity {
    let from = prepared.origin(entity);
    let of = |table: &QualifiedName| *table == entity.into;
    PlannedEntity {
        entity: entity.name.clone(),
        from: entity.origin.label.clone(),
        into: entity.into.to_string(),
        path: entity.path.text().to_owned(),
        reason: entity.reason.clone(),
        chunks: match &entity.chunking {
            Chunking::Whole => "all at once".to_owned(),
            Chunking::Pages => "by ranges of pages".to_owned(),
            Chunking::Integer(column) | Chunking::Uuid(column) => format!("by ranges of {column}"),
        },
        domain: None,
        estimated_rows: None,
        refused: None,
        estimated_bytes: from
            .filter(|from| from.pages > 0 || !from.has_rows)
            .map(|from| from.bytes),
        columns: entity
            .program
            .outputs
            .iter()
            .map(|output| (output.column.clone(), way(&output.value)))
            .collect(),
        set_aside: items
            .iter()
            .filter(|item| item.is_for(&entity.name))
            .map(|item| (item.kind.noun().to_owned(), named(item, entity)))
            .collect(),
        stays: kept
            .iter()
            .filter(|kept| of(&kept.table))
            .map(|kept| (kept.name.clone(), kept.reason.clone()))
            .collect(),
        phase: prepared
            .begun
            .iter()
            .find(|one| one.entity == entity.name)
            .map_or("-", |one| one.phase.text())
            .to_owned(),
        statements: Vec::new(),
        indexes: Vec::new(),
    }
}

/// How a value gets there, in a few words.
fn way(value: &Value) -> String {
    match value {
        Value::Input(_) => "bytes as they are",
        Value::Answer(_) => "evaluated by the target",
        Value::Constant(_) => "constant",
        Value::Id => "this row's UUID",
        Value::Ref(_) => "another entity's UUID",
        Value::Integer { .. } => "integer of another width",
        Value::IntegerText(_) => "text of an integer",
        Value::Map(_) => "value for a value",
        Value::Lookup(_) => "looked up in the target",
        Value::Json { .. } => "object built here",
    }
    .to_owned()
}
