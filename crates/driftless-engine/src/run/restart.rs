//! `migrate --restart`: takes back what this pipeline loaded, there and below; and `--abandon`: puts set-aside DDL back.

use std::collections::BTreeSet;

use driftless_core::catalog::{Catalog, RelationKind};
use driftless_core::code;
use driftless_core::name::{QualifiedName, quote_ident};
use driftless_core::plan::EntityPlan;
use driftless_core::plan::aside::Triggers;
use driftless_core::spec::Spec;

use super::Events;
use super::dead::prepare_past_the_dead;
use super::held::Held;
use super::prepare::{Prepared, endpoints, prepare};
use super::report::{AbandonReport, Deletion, Event};
use super::settle;
use super::waits::children_first;
use crate::apply::restart::{self, Doomed, Outside};
use crate::apply::{aside as putting, lane};
use crate::error::{EngineError, Result};
use crate::store::Store;
use crate::store::aside::{self, AsideState, Scope};
use crate::store::schema::{Presence, presence};

/// What a restart would delete.
pub async fn preview(spec: &Spec, only: &[String]) -> Result<Vec<Deletion>> {
    let prepared = prepare(spec).await?;
    let session = prepared.target.session("restart").await?;
    let mut deletions = Vec::new();
    for plan in doomed(&prepared, only)? {
        deletions.push(deletion(
            plan,
            restart::rows(&session, &prepared.store, plan).await?,
        ));
    }
    Ok(deletions)
}

/// Deletes what this pipeline loaded of these entities, and of all that refer to them, in one transaction.
pub async fn restart(spec: &Spec, only: &[String], events: &Events) -> Result<Vec<Deletion>> {
    let prepared = prepare_past_the_dead(spec).await?;
    let plans = doomed(&prepared, only)?;
    let mut held = Held::take(&prepared, "migrate --restart").await?;
    held.tells(events);
    events
        .send(Event::Step {
            step: "deleting what was loaded".to_owned(),
        })
        .ok();
    let done = delete(&prepared, &mut held, &plans).await;
    held.end(done).await
}

fn foreign_tables(plans: &[&EntityPlan], target: &Catalog) -> BTreeSet<QualifiedName> {
    let tables = plans.iter().filter_map(|plan| target.relation(&plan.into));
    let foreign = tables.filter(|table| table.kind == RelationKind::Foreign);
    foreign.map(|table| table.name.clone()).collect()
}

async fn delete(prepared: &Prepared, held: &mut Held, plans: &[&EntityPlan]) -> Result<Vec<Deletion>> {
    let silencing = prepared.silencing;
    let mut writer = lane::writer(&prepared.target, &held.lease, silencing).await?;
    let target = &prepared.target_catalog;
    let doomed = Doomed {
        // Foreign keys that are checked let children go first, and not their parents.
        plans: children_first(plans, target),
        outside: outside(plans, target),
        silencing,
        unlockable: foreign_tables(plans, target),
    };
    let deleted = restart::delete_all(&mut writer, &prepared.store, &held.lease, &doomed).await?;
    Ok(deleted
        .into_iter()
        .zip(doomed.plans.into_iter().flatten())
        .map(|(rows, plan)| deletion(plan, rows))
        .collect())
}

fn doomed<'p>(prepared: &'p Prepared, only: &[String]) -> Result<Vec<&'p EntityPlan>> {
    for name in only {
        if prepared.plan.entity(name).is_none() {
            return Err(EngineError::new(
                code::UNKNOWN_ENTITY,
                format!("entity {name}"),
                "the mapping has no such entity",
            ));
        }
    }
    let begun = |plan: &&EntityPlan| prepared.begun.iter().any(|one| one.entity == plan.name);
    let plans: Vec<&EntityPlan> = restart::dependants(&prepared.plan, &prepared.target_catalog, only)
        .into_iter()
        .filter(begun)
        .collect();
    if plans.is_empty() {
        return Err(EngineError::new(
            code::NOTHING_TO_DO,
            format!("pipeline {}", prepared.plan.pipeline),
            "nothing of these entities has been loaded",
        )
        .remedy("run `driftless migrate`"));
    }
    Ok(plans)
}

fn deletion(plan: &EntityPlan, rows: i64) -> Deletion {
    Deletion {
        entity: plan.name.clone(),
        table: plan.into.to_string(),
        rows,
    }
}

/// Foreign keys of tables that are not started over to tables that are.
fn outside(plans: &[&EntityPlan], target: &Catalog) -> Vec<Outside> {
    let ours = |name: &driftless_core::name::QualifiedName| plans.iter().any(|one| one.into == *name);
    let mut found = Vec::new();
    for relation in target.relations.values().filter(|relation| !ours(&relation.name)) {
        for constraint in &relation.constraints {
            let Some(foreign) = constraint
                .foreign
                .as_ref()
                .filter(|foreign| ours(&foreign.parent))
            else {
                continue;
            };
            let pairs: Vec<String> = constraint
                .columns
                .iter()
                .zip(&foreign.parent_columns)
                .map(|(own, parent)| format!("p.{} = c.{}", quote_ident(parent), quote_ident(own)))
                .collect();
            found.push(Outside {
                child: relation.name.clone(),
                constraint: constraint.name.clone(),
                parent: foreign.parent.clone(),
                refers: pairs.join(" AND "),
                acts: [" ON DELETE CASCADE", " ON DELETE SET "]
                    .iter()
                    .any(|action| constraint.definition.contains(action)),
            });
        }
    }
    found
}

/// Puts set-aside DDL back and leaves the rows.
pub async fn abandon(spec: &Spec, events: &Events) -> Result<AbandonReport> {
    let prepared = prepare_past_the_dead(spec).await?;
    if prepared.presence == Presence::Absent {
        return Err(EngineError::new(
            code::NOTHING_TO_DO,
            format!("pipeline {}", prepared.plan.pipeline),
            "the target has no state of it, so nothing is set aside",
        ));
    }
    let mut held = Held::take(&prepared, "migrate --abandon").await?;
    held.tells(events);
    events
        .send(Event::Step {
            step: "putting set-aside DDL back".to_owned(),
        })
        .ok();
    let done = put_back(&prepared, &mut held).await;
    held.end(done).await
}

async fn put_back(prepared: &Prepared, held: &mut Held) -> Result<AbandonReport> {
    let silencing = prepared.silencing;
    let guard = held.lease.guard();
    let scope = Scope {
        store: &prepared.store,
        execution: held.execution,
        guard: &guard,
        silencing,
        triggers: Triggers::SetAside,
        spared: &[],
    };
    let before = aside::outstanding(&held.session, &prepared.store).await?;
    let mut sessions = Vec::new();
    for _ in 0..prepared.plan.target_connections.clamp(1, settle::BUILDERS) {
        sessions.push(lane::writer(&prepared.target, &held.lease, silencing).await?);
    }
    let restored = putting::restore(&mut sessions, &scope, putting::Part::All).await?;
    let mut report = AbandonReport {
        restored: Vec::new(),
        not_validated: Vec::new(),
        failed: Vec::new(),
    };
    for failure in &restored.failures {
        let item = &failure.record.item;
        let named = (item.table.to_string(), item.name.clone());
        if failure.is_orphan() {
            report.not_validated.push(named);
        } else {
            report.failed.push((named.0, named.1, failure.reason.clone()));
        }
    }
    for record in before
        .iter()
        .filter(|record| record.state != AsideState::Restored)
    {
        let failed = restored
            .failures
            .iter()
            .any(|failure| failure.record.seq == record.seq);
        if !failed {
            report
                .restored
                .push((record.item.table.to_string(), record.item.name.clone()));
        }
    }
    Ok(report)
}

/// Whether a mapping's pipeline has DDL set aside.
pub async fn anything_aside(spec: &Spec) -> Result<bool> {
    let (_, target) = endpoints(spec)?;
    let store = Store::new(spec.pipeline.state_schema.clone(), spec.pipeline.name.clone());
    let session = target.session("status").await?;
    if presence(&session, &store).await? == Presence::Absent {
        return Ok(false);
    }
    Ok(!aside::outstanding(&session, &store).await?.is_empty())
}
