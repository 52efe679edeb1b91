//! Mappings that were recorded before the load: looked up for a whole batch.

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
        // One by one by the index, as OFFSET 0 has it: PostgreSQL would rather read the whole table for each batch, as long as its
        // default costs are those of disks that seek.
        let sql = format!(
            "SELECT r.key, r.id FROM (SELECT pg_catalog.unnest($1) AS key) AS k, \
             LATERAL (SELECT key, id FROM {} WHERE key = k.key OFFSET 0) AS r",
            store.recorded_table(entity).sql()
        );
        let found = recorded.0.entry(entity.clone()).or_default();
        for row in target.query(&sql, &[Param::text_array(&texts)]).await? {
            found.insert(row.get::<String>(0)?.into_bytes(), row.get::<Uuid>(1)?);
        }
    }
    Ok(recorded)
}
