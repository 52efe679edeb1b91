//! Mappings that were recorded before the load: looked up for a whole batch.

use driftless_core::name::quote_literal;
use driftless_core::transform::{Lookups, Recorded};
use driftless_pg::{Param, Session};
use uuid::Uuid;

use crate::error::Result;
use crate::store::Store;

/// Answers what a batch needs: one round trip for each entity that is looked up.
pub async fn look_up(target: &Session, store: &Store, lookups: &Lookups) -> Result<Recorded> {
    let mut recorded = Recorded::default();
    for (entity, keys) in &lookups.0 {
        let texts: Vec<String> = keys
            .iter()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect();
        let sql = statement(&store.recorded_table(entity).sql());
        let found = recorded.0.entry(entity.clone()).or_default();
        for row in target.query(&sql, &[Param::text_array(&texts)]).await? {
            found.insert(row.get::<String>(0)?.into_bytes(), row.get::<Uuid>(1)?);
        }
    }
    Ok(recorded)
}

/// A table of mappings below this size is read as a whole for a batch of keys, in a few milliseconds.
const SMALL: i64 = 4 << 20;

/// The mappings of the keys $1. In a larger table each is found by the index, as OFFSET 0 has it, where PostgreSQL would read the whole
/// table for every batch, up to a size of several times that: its default costs are those of disks that seek. Of the two halves only
/// one is run.
fn statement(table: &str) -> String {
    let small = format!(
        "(SELECT pg_catalog.pg_relation_size({}::pg_catalog.regclass) < {SMALL})",
        quote_literal(table)
    );
    format!(
        "SELECT key, id FROM {table} WHERE {small} AND key = ANY ($1) \
         UNION ALL SELECT r.key, r.id FROM (SELECT pg_catalog.unnest($1) AS key) AS k, \
         LATERAL (SELECT key, id FROM {table} WHERE key = k.key OFFSET 0) AS r WHERE NOT {small}"
    )
}
