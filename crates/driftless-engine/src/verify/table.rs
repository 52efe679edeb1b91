//! One target table: its foreign keys, and whose rows it holds.

use driftless_core::name::QualifiedName;
use driftless_core::plan::EntityPlan;
use driftless_pg::Session;

use super::orphans;
use super::report::TableValidation;
use crate::error::Result;
use crate::store::{Store, identity};

/// Looks at a table that some of `loaded`, the entities whose load has begun, write.
pub(super) async fn validate(
    target: &Session,
    store: &Store,
    table: &QualifiedName,
    loaded: &[&EntityPlan],
) -> Result<TableValidation> {
    let writers: Vec<&EntityPlan> = loaded
        .iter()
        .copied()
        .filter(|entity| entity.into == *table)
        .collect();
    let (ours, others) = owners(target, store, table, &writers).await?;
    let mut checks = Vec::new();
    for key in orphans::foreign_keys(target, table).await? {
        checks.push(orphans::foreign_key(target, store, table, &writers, &key).await?);
    }
    Ok(TableValidation {
        table: table.to_string(),
        ours,
        others,
        checks,
    })
}

/// Rows that an identity of this pipeline knows as written, and all others.
async fn owners(
    target: &Session,
    store: &Store,
    table: &QualifiedName,
    writers: &[&EntityPlan],
) -> Result<(i64, i64)> {
    let known: Vec<String> = writers
        .iter()
        .map(|entity| {
            format!(
                "EXISTS (SELECT FROM {} AS i WHERE {} AND i.status = {})",
                store.identity_table(&entity.name).sql(),
                identity::belongs(entity, "i", "t"),
                identity::LIVE
            )
        })
        .collect();
    let sql = format!(
        "SELECT pg_catalog.count(*) FILTER (WHERE k.ours), pg_catalog.count(*) FILTER (WHERE NOT k.ours) \
         FROM (SELECT {} AS ours FROM {} AS t) AS k",
        known.join(" OR "),
        table.sql()
    );
    let row = target.query_one(&sql, &[]).await?;
    Ok((row.get(0)?, row.get(1)?))
}
