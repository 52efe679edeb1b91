use std::collections::BTreeSet;

use driftless_core::identity::Deriver;
use driftless_core::plan::{EntityPlan, KeyText, Mint, Plan, Value};
use driftless_pg::{Param, Session};
use futures_util::future::try_join_all;

use crate::error::Result;
use crate::store::aside::Scope;

/// Keys of rejects that are turned into target keys at a time.
const PAGE: i64 = 10_000;

/// Makes the session's tables of absent rows and of rows that have left since the proof began, if they are not there. They
/// belong to the session: what is lost with the first is only how a child's reject names its parent's, and a proof that begins
/// anew looks at everything.
pub(super) async fn make(session: &Session) -> Result<()> {
    session
        .batch(
            "CREATE TEMPORARY TABLE IF NOT EXISTS driftless_absent
                 (entity text, key text, target text COLLATE pg_catalog.\"C\", PRIMARY KEY (target, entity));
             CREATE TEMPORARY TABLE IF NOT EXISTS driftless_left (entity text, target text COLLATE pg_catalog.\"C\", step int4);
             TRUNCATE pg_temp.driftless_left",
        )
        .await?;
    Ok(())
}

/// Makes it, and fills it with what is rejected or parked of these entities, as far as their target keys can be known.
pub(super) async fn fill(
    session: &Session,
    scope: &Scope<'_>,
    plan: &Plan,
    parents: &BTreeSet<&str>,
) -> Result<()> {
    let entities = plan
        .entities
        .iter()
        .filter(|entity| parents.contains(entity.name.as_str()));
    let filled = entities.map(async |entity| {
        if let Some(recorded) = recorded(entity) {
            from_recorded(session, scope, entity, recorded).await?;
        }
        match &entity.identity.mint {
            Mint::Derive { name, .. } => {
                let deriver = Deriver::new(plan.namespace, name);
                from_keys(session, scope, entity, |key| {
                    deriver.derive(key.as_bytes()).to_string()
                })
                .await?;
            }
            Mint::Columns(_) if keeps_key(entity) => {
                from_keys(session, scope, entity, str::to_owned).await?;
            }
            _ => {}
        }
        Ok(())
    });
    tokio::try_join!(make(session), try_join_all(filled))?;
    Ok(())
}

/// The entity whose recorded mappings give target keys of this one.
fn recorded(entity: &EntityPlan) -> Option<&str> {
    match &entity.identity.mint {
        Mint::Derive { recorded, .. } => recorded.as_deref(),
        Mint::Recorded { entity } => Some(entity),
        Mint::Column(_) if entity.identity.prerecord => Some(&entity.name),
        _ => None,
    }
}

/// Whether the target's key is the source's key, column by column.
pub fn keeps_key(entity: &EntityPlan) -> bool {
    let Mint::Columns(outputs) = &entity.identity.mint else {
        return false;
    };
    let key = &entity.identity.key;
    outputs.len() == key.len()
        && outputs.iter().zip(key).all(|(output, part)| {
            let value = entity.program.outputs.get(*output).map(|output| &output.value);
            matches!((value, &part.text), (Some(Value::Input(input)), KeyText::Input(own, _)) if input == own)
        })
}

async fn from_recorded(
    session: &Session,
    scope: &Scope<'_>,
    entity: &EntityPlan,
    recorded: &str,
) -> Result<()> {
    let mappings = scope.store.recorded_table(recorded).sql();
    let there = session
        .query_one(
            "SELECT to_regclass($1) IS NOT NULL",
            &[Param::text(mappings.as_str())],
        )
        .await?;
    if there.get::<bool>(0)? {
        let sql = format!(
            "INSERT INTO pg_temp.driftless_absent (entity, key, target)
             SELECT r.entity, r.key, m.id::text FROM {} AS r JOIN {mappings} AS m ON m.key = r.key
              WHERE r.pipeline = $1 AND r.entity = $2
             ON CONFLICT DO NOTHING",
            scope.store.table("rejects").sql()
        );
        session
            .execute(
                &sql,
                &[
                    Param::text(scope.store.pipeline()),
                    Param::text(entity.name.as_str()),
                ],
            )
            .await?;
    }
    Ok(())
}

async fn from_keys(
    session: &Session,
    scope: &Scope<'_>,
    entity: &EntityPlan,
    target: impl Fn(&str) -> String,
) -> Result<()> {
    let page = format!(
        "SELECT key FROM {} WHERE pipeline = $1 AND entity = $2 AND key > $3 ORDER BY key LIMIT {PAGE}",
        scope.store.table("rejects").sql()
    );
    let mut last = String::new();
    loop {
        let params = [
            Param::text(scope.store.pipeline()),
            Param::text(entity.name.as_str()),
            Param::text(last.as_str()),
        ];
        let rows = session.query(&page, &params).await?;
        let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
        let Some(end) = keys.last() else {
            return Ok(());
        };
        let targets: Vec<String> = keys.iter().map(|key| target(key)).collect();
        session
            .execute(
                "INSERT INTO pg_temp.driftless_absent (entity, key, target)
                 SELECT $1, n.key, n.target FROM unnest($2::text[], $3::text[]) AS n (key, target)
                 ON CONFLICT DO NOTHING",
                &[
                    Param::text(entity.name.as_str()),
                    Param::text_array(&keys),
                    Param::text_array(&targets),
                ],
            )
            .await?;
        last.clone_from(end);
    }
}
