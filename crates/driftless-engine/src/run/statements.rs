//! The statements of a load, as they will run: made by the functions that make them when they do.

use std::collections::BTreeSet;

use driftless_core::plan::aside::{AsideItem, Silencing};
use driftless_core::plan::{EntityPlan, Evaluation};
use driftless_pg::Session;

use super::migrate::lane_count;
use super::prepare::Prepared;
use super::report::{PlannedIndex, PlannedStatement};
use crate::apply::{finish, natural, proof, write};
use crate::error::Result;
use crate::extract::chunks;
use crate::extract::select::{self, Rows};
use crate::shape::clocks;
use crate::store::chunk::{self, Chunk};
use crate::store::identity;

fn has_begun(prepared: &Prepared, entity: &EntityPlan) -> bool {
    prepared.begun.iter().any(|one| one.entity == entity.name)
}

/// An entity's chunk that is read next, with how many there are; `None` where nothing is left to read.
async fn next_chunk(
    prepared: &Prepared,
    entity: &EntityPlan,
    (source, target): (&Session, &Session),
) -> Result<Option<(Chunk, usize)>> {
    if !has_begun(prepared, entity) {
        let cut = chunks::cut(
            source,
            entity,
            prepared.origin(entity),
            lane_count(&prepared.plan),
        )
        .await?;
        let number = cut.len();
        return Ok(cut.into_iter().next().map(|first| (first, number)));
    }
    let points = chunk::all(target, &prepared.store, &entity.name).await?;
    let number = points.len();
    let open = points.into_iter().find(|point| point.snapshot.is_none());
    Ok(open.map(|point| (point.chunk, number)))
}

/// What will run for an entity, in the order of its first batch, and at the end of the load; `items` is what is set aside
/// of its table. The rows' own statements come once per chunk or batch.
pub(super) async fn statements(
    prepared: &Prepared,
    entity: &EntityPlan,
    items: &[&AsideItem],
    sessions: (&Session, &Session),
    silencing: Silencing,
) -> Result<Vec<PlannedStatement>> {
    let mut found: Vec<PlannedStatement> = items
        .iter()
        .map(|item| on_target("set aside", &item.drop_sql))
        .collect();
    if let Some(natural) = &entity.identity.natural_key {
        found.push(PlannedStatement {
            side: "source",
            step: "read what rows are matched by".to_owned(),
            sql: select::copy(&natural.probe, Rows::All),
        });
        let all = prepared.plan.entities.iter();
        let others: Vec<&EntityPlan> = all
            .filter(|other| other.into == entity.into && has_begun(prepared, other))
            .collect();
        found.push(on_target(
            "find rows that are there",
            &natural::question(&prepared.store, entity, natural, &others),
        ));
    }
    if let Some((chunk, number)) = next_chunk(prepared, entity, sessions).await? {
        let step = match number {
            1 => "read".to_owned(),
            _ => format!("read chunk {} of {number}", chunk.number + 1),
        };
        found.push(PlannedStatement {
            side: "source",
            step,
            sql: select::copy(entity, Rows::Chunk(&chunk)),
        });
    }
    found.extend(offsets(entity));
    let evaluations = [
        ("print keys", &entity.key_evaluation),
        ("evaluate", &entity.evaluation),
        ("evaluate rules of the target", &entity.target_evaluation),
    ];
    found.extend(
        evaluations
            .into_iter()
            .filter_map(|(step, evaluation)| evaluating(step, evaluation)),
    );
    found.push(on_target("write rows", &write::copy_sql(entity)));
    if !entity.identity.key.is_empty() {
        found.push(on_target(
            "write identities",
            &identity::copy_sql(&prepared.store, entity),
        ));
    }
    found.push(on_target(
        "gather statistics",
        &finish::analyze_sql(entity, &prepared.target_catalog),
    ));
    found.extend(builds(items, true));
    let (plan, target) = (&prepared.plan, &prepared.target_catalog);
    let foreign = proof::foreign_sites_beside(plan, target, items, silencing);
    let started = started(prepared, sessions.1).await?;
    let questions = proof::questions(
        &prepared.store,
        &prepared.plan,
        entity,
        &prepared.target_catalog,
        &foreign,
        |name| !started.contains(name),
    );
    found.extend(questions.iter().map(|(step, sql)| on_target(step, sql)));
    found.extend(builds(items, false));
    found.extend(returns(items));
    Ok(found)
}

/// Entities of which an earlier run has loaded rows.
async fn started(prepared: &Prepared, target: &Session) -> Result<BTreeSet<String>> {
    if prepared.begun.is_empty() {
        return Ok(BTreeSet::new());
    }
    chunk::started(target, &prepared.store).await
}

fn on_target(step: &str, sql: &str) -> PlannedStatement {
    PlannedStatement {
        side: "target",
        step: step.to_owned(),
        sql: sql.to_owned(),
    }
}

/// What is asked of the zones whose local times are copied.
fn offsets(entity: &EntityPlan) -> Option<PlannedStatement> {
    let mut outputs = entity.evaluation.outputs.iter();
    outputs
        .any(|output| output.local.is_some())
        .then(|| on_target("ask for offsets of days", clocks::TOLD))
}

/// Shown whole; of a batch only that is asked which is not known from answers before.
fn evaluating(step: &str, evaluation: &Evaluation) -> Option<PlannedStatement> {
    (!evaluation.is_empty()).then(|| on_target(step, &evaluation.sql()))
}

/// Indexes: those that the proof builds on, unique ones among them, of which what they refuse is found and rejected; or all others.
fn builds(items: &[&AsideItem], serving: bool) -> Vec<PlannedStatement> {
    let due = items
        .iter()
        .rev()
        .filter(|item| item.serves_proof(items.iter().copied()) == serving);
    let build = |item: &&AsideItem| Some(on_target("build", item.build.as_ref()?));
    due.filter_map(build).collect()
}

/// Everything else that puts things back.
fn returns(items: &[&AsideItem]) -> Vec<PlannedStatement> {
    let restored = items.iter().rev().flat_map(|item| &item.restore);
    let validated = items.iter().rev().filter_map(|item| item.validate.as_ref());
    let put_back = restored.map(|sql| on_target("put back", sql));
    put_back
        .chain(validated.map(|sql| on_target("validate", sql)))
        .collect()
}

/// Indexes that would help with an entity.
pub(super) fn indexes(prepared: &Prepared, entity: &EntityPlan) -> Vec<PlannedIndex> {
    let (source, target) = (&prepared.source_catalog, &prepared.target_catalog);
    driftless_core::plan::advice::indexes(&prepared.plan, entity, source, target)
        .into_iter()
        .map(|one| PlannedIndex {
            side: one.side.text(),
            table: one.table.to_string(),
            sql: one.sql,
            why: one.why,
        })
        .collect()
}
