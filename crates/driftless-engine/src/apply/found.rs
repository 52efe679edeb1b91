//! Mappings that no key tells and that each run finds anew until the load is done: those of rows that are one, and those of
//! rows that are in the target already. What an earlier snapshot showed otherwise is read again.

use driftless_core::identity::Deriver;
use driftless_core::plan::{EntityPlan, Mint, Plan};
use driftless_pg::{Param, Transaction};

use super::record::{Shared, contradictions};
use crate::error::Result;
use crate::store::{Store, identity};

/// Keys that are derived at a time.
const PAGE: usize = 10_000;

/// Keys of the source with that of the first row of their group, their place in it, and whether they have a UUID of their
/// own. Where mappings are adopted beside `merge_on` all rows are there, else those that are not alone.
pub(super) const MEMBERS: &str = "pg_temp.driftless_member";
/// Keys of rows that are not written themselves, with the key of the row that is.
pub(super) const MERGED: &str = "pg_temp.driftless_merged";
/// Keys with the UUID of a row that is there already.
pub(super) const MATCHED: &str = "pg_temp.driftless_matched";

const TABLES: &str = "CREATE TEMPORARY TABLE driftless_merged \
     (key text COLLATE pg_catalog.\"C\" PRIMARY KEY, winner text COLLATE pg_catalog.\"C\" NOT NULL) ON COMMIT DROP; \
     CREATE TEMPORARY TABLE driftless_member (key text COLLATE pg_catalog.\"C\", first text COLLATE pg_catalog.\"C\", \
     place int8, has_uuid bool) ON COMMIT DROP; \
     CREATE TEMPORARY TABLE driftless_matched (key text COLLATE pg_catalog.\"C\", id uuid) ON COMMIT DROP";

/// Forgets what was found under an earlier snapshot, but for what is needed to see what changed.
pub(super) async fn forget(tx: &Transaction<'_>, store: &Store, plan: &EntityPlan) -> Result<()> {
    identity::create_recorded(tx, store, &plan.name).await?;
    let table = store.recorded_table(&plan.name).sql();
    tx.batch(&format!(
        "{TABLES}; CREATE TEMPORARY TABLE driftless_before ON COMMIT DROP AS SELECT key, id, merged FROM {table} WHERE merged OR found; \
         DELETE FROM {table} WHERE (merged OR found) AND NOT adopted; UPDATE {table} SET merged = false WHERE merged"
    ))
    .await?;
    Ok(())
}

/// Records what the run's snapshot shows.
pub(super) async fn record(
    tx: &Transaction<'_>,
    store: &Store,
    (all, plan): (&Plan, &EntityPlan),
) -> Result<()> {
    tx.batch(&together(store, plan)).await?;
    contradictions(tx, plan, "pg_temp.driftless_together", Shared::Refused).await?;
    winners(tx, store, all, plan).await?;
    let table = store.recorded_table(&plan.name).sql();
    tx.batch(&format!(
        "{}; \
         INSERT INTO {table} (key, id, adopted, merged) \
         SELECT m.key, w.id, false, true FROM {MERGED} AS m JOIN pg_temp.driftless_winner AS w ON w.key = m.winner \
         ON CONFLICT (key) DO UPDATE SET id = excluded.id, merged = true; \
         ANALYZE {table}; \
         CREATE TEMPORARY TABLE driftless_changed ON COMMIT DROP AS \
         SELECT coalesce(b.key, r.key) AS key FROM pg_temp.driftless_before AS b \
         FULL JOIN (SELECT key, id, merged FROM {table} WHERE merged OR found) AS r ON r.key = b.key \
         WHERE b.id IS DISTINCT FROM r.id OR b.merged IS DISTINCT FROM r.merged",
        take_over(&table),
    ))
    .await?;
    let changed = "SELECT EXISTS (SELECT FROM pg_temp.driftless_changed)";
    if tx.query_one(changed, &[]).await?.get::<bool>(0)? {
        read_again(tx, store, all, plan).await?;
    }
    tx.batch(&format!(
        "DROP TABLE {MEMBERS}, {MERGED}, {MATCHED}, pg_temp.driftless_together, pg_temp.driftless_winner, pg_temp.driftless_before, \
         pg_temp.driftless_changed"
    ))
    .await?;
    Ok(())
}

/// Which rows that are tried again are there already: everything else that is recorded stays as it is.
pub(super) async fn begin_again(tx: &Transaction<'_>) -> Result<()> {
    tx.batch(TABLES).await?;
    Ok(())
}

/// Records it. Keys that are one with such a row follow it.
pub(super) async fn record_again(
    tx: &Transaction<'_>,
    store: &Store,
    (all, plan): (&Plan, &EntityPlan),
) -> Result<()> {
    let table = store.recorded_table(&plan.name).sql();
    tx.batch(&format!(
        "CREATE TEMPORARY TABLE driftless_together ON COMMIT DROP AS SELECT key, id FROM {MATCHED} \
         UNION SELECT key, id FROM {table} WHERE (adopted OR found) AND NOT merged \
         AND id IN (SELECT id FROM {MATCHED})"
    ))
    .await?;
    contradictions(tx, plan, "pg_temp.driftless_together", Shared::Refused).await?;
    tx.batch(&format!(
        "INSERT INTO {MERGED} SELECT m.key, m.key FROM {MATCHED} AS m"
    ))
    .await?;
    let before = match &plan.identity.mint {
        Mint::Derive { .. } => {
            tx.batch("CREATE TEMPORARY TABLE driftless_winner (key text COLLATE pg_catalog.\"C\" PRIMARY KEY, id uuid) ON COMMIT DROP")
                .await?;
            derive(tx, all, plan).await?;
            "pg_temp.driftless_winner".to_owned()
        }
        _ => table.clone(),
    };
    tx.batch(&format!(
        "UPDATE {table} AS r SET id = m.id FROM {MATCHED} AS m JOIN {before} AS b ON b.key = m.key WHERE r.merged AND r.id = b.id; \
         {}; DROP TABLE {MEMBERS}, {MERGED}, {MATCHED}, pg_temp.driftless_together; DROP TABLE IF EXISTS pg_temp.driftless_winner",
        take_over(&table)
    ))
    .await?;
    Ok(())
}

/// What counts for each row that is written: the UUIDs that an earlier migration left for it or for one that is one with it,
/// that of a row that is there, and where the source has UUIDs its own, unless an adopted one stands for it.
fn together(store: &Store, plan: &EntityPlan) -> String {
    let table = store.recorded_table(&plan.name).sql();
    let own = if plan.identity.uuid_column.is_some() {
        format!(
            " UNION SELECT r.key, r.id FROM {table} AS r WHERE NOT r.adopted \
             AND NOT EXISTS (SELECT FROM {MERGED} AS m WHERE m.key = r.key) \
             AND NOT EXISTS (SELECT FROM {MERGED} AS m JOIN {table} AS a ON a.key = m.key WHERE a.adopted AND m.winner = r.key)"
        )
    } else {
        String::new()
    };
    // What an earlier migration made one of rows that the source no longer has contradicts nothing.
    let there = match &plan.identity.merge {
        Some(_) => format!(" AND EXISTS (SELECT FROM {MEMBERS} AS s WHERE s.key = r.key)"),
        None => String::new(),
    };
    format!(
        "CREATE TEMPORARY TABLE driftless_together ON COMMIT DROP AS \
         SELECT coalesce(m.winner, r.key) AS key, r.id FROM {table} AS r LEFT JOIN {MERGED} AS m ON m.key = r.key \
         WHERE r.adopted{there} \
         UNION SELECT key, id FROM {MATCHED}{own}; \
         CREATE INDEX ON pg_temp.driftless_together (key); ANALYZE pg_temp.driftless_together"
    )
}

/// Rows that are written get the UUID that was found, in place of what their key would give.
fn take_over(table: &str) -> String {
    format!(
        "INSERT INTO {table} AS r (key, id, adopted, found) SELECT t.key, t.id, false, true FROM pg_temp.driftless_together AS t \
         WHERE EXISTS (SELECT FROM {MERGED} AS m WHERE m.winner = t.key) OR EXISTS (SELECT FROM {MATCHED} AS m WHERE m.key = t.key) \
         ON CONFLICT (key) DO UPDATE SET id = excluded.id, found = true WHERE r.id <> excluded.id"
    )
}

/// The UUIDs of the rows that stand for others: found, derived, or recorded already.
async fn winners(tx: &Transaction<'_>, store: &Store, all: &Plan, plan: &EntityPlan) -> Result<()> {
    tx.batch(&format!(
        "CREATE TEMPORARY TABLE driftless_winner (key text COLLATE pg_catalog.\"C\" PRIMARY KEY, id uuid) ON COMMIT DROP; \
         INSERT INTO pg_temp.driftless_winner SELECT t.key, t.id FROM pg_temp.driftless_together AS t \
         WHERE EXISTS (SELECT FROM {MERGED} AS m WHERE m.winner = t.key)"
    ))
    .await?;
    if matches!(plan.identity.mint, Mint::Derive { .. }) {
        return derive(tx, all, plan).await;
    }
    let table = store.recorded_table(&plan.name).sql();
    tx.batch(&format!(
        "INSERT INTO pg_temp.driftless_winner SELECT r.key, r.id FROM {table} AS r \
         WHERE EXISTS (SELECT FROM {MERGED} AS m WHERE m.winner = r.key) ON CONFLICT (key) DO NOTHING"
    ))
    .await?;
    Ok(())
}

/// Derives the UUIDs of those for which none was found.
async fn derive(tx: &Transaction<'_>, all: &Plan, plan: &EntityPlan) -> Result<()> {
    let Mint::Derive { name, .. } = &plan.identity.mint else {
        return Ok(());
    };
    let deriver = Deriver::new(all.namespace, name);
    tx.batch(&format!(
        "DECLARE driftless_winners NO SCROLL CURSOR FOR SELECT DISTINCT m.winner FROM {MERGED} AS m \
         WHERE NOT EXISTS (SELECT FROM pg_temp.driftless_winner AS w WHERE w.key = m.winner)"
    ))
    .await?;
    loop {
        let rows = tx
            .query(&format!("FETCH {PAGE} FROM driftless_winners"), &[])
            .await?;
        let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            break;
        }
        let ids: Vec<_> = keys.iter().map(|key| deriver.derive(key.as_bytes())).collect();
        let sql = "INSERT INTO pg_temp.driftless_winner SELECT w.key, w.id \
                   FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::uuid[])) AS w (key, id)";
        tx.execute(sql, &[Param::text_array(&keys), Param::uuid_array(&ids)])
            .await?;
    }
    tx.batch("CLOSE driftless_winners").await?;
    Ok(())
}

/// Rows whose mapping is another than before, and all that may refer to them, are read again: their stored hashes are
/// forgotten. A row of others that had been adopted is adopted no longer.
async fn read_again(tx: &Transaction<'_>, store: &Store, all: &Plan, plan: &EntityPlan) -> Result<()> {
    let changed = format!(
        "{} IN (SELECT key FROM pg_temp.driftless_changed)",
        identity::key_text(plan, "i")
    );
    let own = store.identity_table(&plan.name).sql();
    tx.batch(&format!(
        "DELETE FROM {own} AS i WHERE i.status = {adopted} AND {changed}; UPDATE {own} AS i SET row_hash = NULL WHERE {changed}",
        adopted = identity::ADOPTED,
    ))
    .await?;
    for other in &all.entities {
        let shares = other.name != plan.name && other.identity.mint.recorded() == Some(plan.name.as_str());
        if !shares && !other.program.refs.iter().any(|one| one.looks_up(&plan.name)) {
            continue;
        }
        let table = store.identity_table(&other.name).sql();
        let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        if !tx
            .query_one(there, &[Param::text(table.as_str())])
            .await?
            .get::<bool>(0)?
        {
            continue;
        }
        if shares {
            let changed = format!(
                "{} IN (SELECT key FROM pg_temp.driftless_changed)",
                identity::key_text(other, "i")
            );
            let adopted = identity::ADOPTED;
            tx.batch(&format!(
                "DELETE FROM {table} AS i WHERE i.status = {adopted} AND {changed}"
            ))
            .await?;
        }
        tx.batch(&format!("UPDATE {table} SET row_hash = NULL")).await?;
    }
    Ok(())
}
