//! Random identities: a UUIDv7 for every key that has none yet, committed before the first row is shaped. A key keeps what was
//! drawn for it, whatever becomes of the run.

use driftless_core::plan::EntityPlan;
use driftless_pg::{Session, Transaction};

use super::survey::{has_key, transfer};
use crate::error::Result;
use crate::extract::select::{self, Rows};
use crate::store::{Store, identity};

/// A UUIDv7 in SQL: 48 bits of milliseconds since 1970, version 7, the rest of a random UUID. Version 4 has the highest but
/// one of the version's four bits set; setting the two below it makes a 7.
const UUID_V7: &str = "pg_catalog.encode(pg_catalog.set_bit(pg_catalog.set_bit(pg_catalog.overlay( \
    pg_catalog.uuid_send(pg_catalog.gen_random_uuid()), pg_catalog.substring(pg_catalog.int8send(pg_catalog.floor( \
    EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000)::pg_catalog.int8), 3), 1, 6), 52, 1), 53, 1), 'hex')::pg_catalog.uuid";

/// Draws for every key of the source that has no recorded mapping.
pub async fn draw(source: &Session, tx: &Transaction<'_>, store: &Store, plan: &EntityPlan) -> Result<()> {
    identity::create_recorded(tx, store, &plan.name).await?;
    tx.batch("CREATE TEMPORARY TABLE driftless_key (key text COLLATE pg_catalog.\"C\") ON COMMIT DROP")
        .await?;
    let mut condition = select::condition(plan, Rows::All);
    condition.push_str(if condition.is_empty() { " WHERE " } else { " AND " });
    let query = format!(
        "SELECT {} FROM {}{condition}{}",
        select::key_text(plan),
        plan.origin.sql,
        has_key(plan)
    );
    transfer(source, tx, plan, &query, ("pg_temp.driftless_key", 1)).await?;
    let table = store.recorded_table(&plan.name).sql();
    tx.batch(&format!(
        "INSERT INTO {table} (key, id, adopted) SELECT k.key, {UUID_V7}, false \
         FROM (SELECT DISTINCT key FROM pg_temp.driftless_key) AS k ORDER BY k.key ON CONFLICT (key) DO NOTHING; \
         DROP TABLE pg_temp.driftless_key; ANALYZE {table}"
    ))
    .await?;
    Ok(())
}
