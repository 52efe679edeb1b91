//! Identities: from a legacy key to the target's, and back.

use driftless_core::code;
use driftless_core::plan::EntityPlan;
use driftless_core::spec::Spec;
use driftless_pg::{Param, Session};
use uuid::Uuid;

use super::prepare::{Prepared, prepare};
use super::report::IdentityRecord;
use crate::error::{EngineError, Result};
use crate::store::identity;
use crate::store::schema::Presence;

/// The identity of an entity's key. Several columns are a JSON array of texts.
pub async fn get(spec: &Spec, entity: &str, key: &str) -> Result<Option<IdentityRecord>> {
    let prepared = present(spec).await?;
    let Some(plan) = prepared.plan.entity(entity) else {
        let names: Vec<&str> = prepared
            .plan
            .entities
            .iter()
            .map(|entity| entity.name.as_str())
            .collect();
        return Err(EngineError::new(
            code::UNKNOWN_ENTITY,
            format!("entity {entity}"),
            "the mapping has no such entity",
        )
        .remedy(format!("there are: {}", names.join(", "))));
    };
    let session = prepared.target.session("ids").await?;
    let condition = format!("{} = $1", identity::key_text(plan, "i"));
    let found = search(&session, &prepared, plan, &condition, &[Param::text(key)]).await?;
    if let Some(found) = found.into_iter().next() {
        return Ok(Some(found));
    }
    let recorded = look_recorded(&session, &prepared, plan, "key = $1", &[Param::text(key)]).await?;
    match recorded.into_iter().next() {
        Some(found) => Ok(Some(found)),
        None => whole(plan, key).map(|()| None),
    }
}

/// A key that has too many or too few values was never meant. What was found is not asked: a key of one column may look
/// like a list.
fn whole(plan: &EntityPlan, key: &str) -> Result<()> {
    let columns = &plan.identity.key;
    let given = serde_json::from_str::<Vec<String>>(key).map_or(1, |parts| parts.len());
    if given == columns.len() {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|part| part.column.as_str()).collect();
    Err(EngineError::new(
        code::USAGE,
        format!("key of {}", plan.name),
        format!("{given} value(s) for a key of {} column(s)", columns.len()),
    )
    .remedy(format!(
        "give a value for each of {}, in this order",
        names.join(", ")
    )))
}

/// Every identity with this UUID.
pub async fn find(spec: &Spec, uuid: Uuid) -> Result<Vec<IdentityRecord>> {
    let prepared = present(spec).await?;
    let session = prepared.target.session("ids").await?;
    let mut found = Vec::new();
    for plan in &prepared.plan.entities {
        let one_uuid = plan.identity.target.len() == 1 && plan.identity.target[0].1.ends_with("uuid");
        if one_uuid {
            let mut live = search(&session, &prepared, plan, "i.t1 = $1", &[Param::uuid(uuid)]).await?;
            if live.is_empty() {
                live = look_recorded(&session, &prepared, plan, "id = $1", &[Param::uuid(uuid)]).await?;
            }
            found.extend(live);
        }
    }
    Ok(found)
}

async fn present(spec: &Spec) -> Result<Prepared> {
    let prepared = prepare(spec).await?;
    if prepared.presence == Presence::Absent {
        return Err(EngineError::new(
            code::NOTHING_TO_DO,
            format!("pipeline {}", prepared.plan.pipeline),
            "the target has no state of it",
        )
        .remedy("run `driftless migrate` first"));
    }
    Ok(prepared)
}

async fn exists(session: &Session, table: &str) -> Result<bool> {
    Ok(session
        .query_one(
            "SELECT pg_catalog.to_regclass($1) IS NOT NULL",
            &[Param::text(table)],
        )
        .await?
        .get(0)?)
}

async fn search(
    session: &Session,
    prepared: &Prepared,
    plan: &EntityPlan,
    condition: &str,
    params: &[Param],
) -> Result<Vec<IdentityRecord>> {
    let table = prepared.store.identity_table(&plan.name).sql();
    if !exists(session, &table).await? {
        return Ok(Vec::new());
    }
    let targets: Vec<String> = identity::target_columns(plan)
        .iter()
        .map(|column| format!("i.{column}::pg_catalog.text"))
        .collect();
    let sql = format!(
        "SELECT {}, ARRAY[{}], i.status, pg_catalog.to_char(i.created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), i.execution \
         FROM {table} AS i WHERE {condition}",
        identity::key_text(plan, "i"),
        targets.join(", ")
    );
    let rows = session.query(&sql, params).await?;
    rows.iter()
        .map(|row| {
            let values: Vec<String> = row.get(1)?;
            let names = plan.identity.target.iter().map(|(name, _)| name.clone());
            let status: i16 = row.get(2)?;
            Ok(IdentityRecord {
                entity: plan.name.clone(),
                key: row.get(0)?,
                target: names.zip(values).collect(),
                table: plan.into.to_string(),
                status: match status {
                    identity::LIVE => "live",
                    identity::MERGED => "merged",
                    _ => "adopted",
                }
                .to_owned(),
                created_at: row.get(3)?,
                execution: row.get(4)?,
            })
        })
        .collect()
}

async fn look_recorded(
    session: &Session,
    prepared: &Prepared,
    plan: &EntityPlan,
    condition: &str,
    params: &[Param],
) -> Result<Vec<IdentityRecord>> {
    let table = prepared.store.recorded_table(&plan.name).sql();
    let [(column, _)] = plan.identity.target.as_slice() else {
        return Ok(Vec::new());
    };
    if !exists(session, &table).await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT key, id::pg_catalog.text, pg_catalog.to_char(created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM {table} WHERE {condition}"
    );
    let rows = session.query(&sql, params).await?;
    rows.iter()
        .map(|row| {
            Ok(IdentityRecord {
                entity: plan.name.clone(),
                key: row.get(0)?,
                target: vec![(column.clone(), row.get(1)?)],
                table: plan.into.to_string(),
                status: "adopted".to_owned(),
                created_at: row.get(2)?,
                execution: None,
            })
        })
        .collect()
}
