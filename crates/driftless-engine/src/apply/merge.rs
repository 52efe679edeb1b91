//! Rows that are one row of the target: which they are is told by the source, before the first one is shaped. One of them is
//! written, and the keys of the others are recorded as pointing to it.

use driftless_core::identity::Deriver;
use driftless_core::plan::{EntityPlan, Merge, Mint, Plan, Resolution};
use driftless_pg::{Param, Session, Transaction};

use super::survey::{has_key, key_text, transfer};
use crate::error::{InContext as _, Result};
use crate::extract::select::{self, Rows};
use crate::store::{Store, identity};

/// Keys that are derived at a time.
const PAGE: usize = 10_000;

/// Forgets which rows were one under an earlier snapshot, but for what is needed to see what changed.
pub(super) async fn forget(tx: &Transaction<'_>, store: &Store, plan: &EntityPlan) -> Result<()> {
    identity::create_recorded(tx, store, &plan.name).await?;
    let table = store.recorded_table(&plan.name).sql();
    tx.batch(&format!(
        "CREATE TEMPORARY TABLE driftless_before ON COMMIT DROP AS SELECT key, id FROM {table} WHERE merged; \
         DELETE FROM {table} WHERE merged"
    ))
    .await?;
    Ok(())
}

/// Records which rows are one under the run's snapshot. What was written otherwise under an earlier one will be read again.
pub(super) async fn record(
    source: &Session,
    tx: &Transaction<'_>,
    store: &Store,
    (all, plan, merge): (&Plan, &EntityPlan, &Merge),
) -> Result<()> {
    tx.batch(
        "CREATE TEMPORARY TABLE driftless_merged \
         (key text COLLATE pg_catalog.\"C\", winner text COLLATE pg_catalog.\"C\") ON COMMIT DROP; \
         CREATE TEMPORARY TABLE driftless_winner (key text COLLATE pg_catalog.\"C\" PRIMARY KEY, id uuid) ON COMMIT DROP",
    )
    .await?;
    transfer(
        source,
        tx,
        plan,
        &losers(plan, merge),
        ("pg_temp.driftless_merged", 2),
    )
    .await
    .context(format!("entity {}, merge_on", plan.name))?;
    winners(tx, store, all, plan).await?;
    let table = store.recorded_table(&plan.name).sql();
    tx.batch(&format!(
        "INSERT INTO {table} (key, id, adopted, merged) \
         SELECT DISTINCT ON (m.key) m.key, w.id, false, true FROM pg_temp.driftless_merged AS m \
         JOIN pg_temp.driftless_winner AS w ON w.key = m.winner ORDER BY m.key, m.winner \
         ON CONFLICT (key) DO UPDATE SET id = excluded.id, merged = true; \
         ANALYZE {table}; \
         CREATE TEMPORARY TABLE driftless_changed ON COMMIT DROP AS \
         SELECT coalesce(b.key, r.key) AS key FROM pg_temp.driftless_before AS b \
         FULL JOIN (SELECT key, id FROM {table} WHERE merged) AS r ON r.key = b.key WHERE b.id IS DISTINCT FROM r.id"
    ))
    .await?;
    let changed = "SELECT EXISTS (SELECT FROM pg_temp.driftless_changed)";
    if tx.query_one(changed, &[]).await?.get::<bool>(0)? {
        read_again(tx, store, all, plan).await?;
    }
    tx.batch("DROP TABLE pg_temp.driftless_merged, pg_temp.driftless_winner, pg_temp.driftless_before, pg_temp.driftless_changed")
        .await?;
    Ok(())
}

/// Key and winner's key of every row that is not written itself.
fn losers(plan: &EntityPlan, merge: &Merge) -> String {
    let key = key_text(plan);
    let mut condition = select::condition(plan, Rows::All);
    condition.push_str(if condition.is_empty() { " WHERE " } else { " AND " });
    condition.push_str(&has_key(plan));
    if let Some(column) = &plan.identity.uuid_column {
        // Who has no UUID cannot stand for others.
        condition.push_str(&format!(
            " AND {} IS NOT NULL",
            driftless_core::name::quote_ident(column)
        ));
    }
    format!(
        "SELECT g.key, g.winner FROM (SELECT {key} AS key, ({on}\n) IS NOT NULL AS is_said, \
         pg_catalog.first_value({key}) OVER (PARTITION BY ({on}\n) ORDER BY {order}) AS winner FROM {from}{condition}) AS g \
         WHERE g.is_said AND g.key <> g.winner",
        on = merge.on,
        order = merge.order,
        from = plan.origin.sql,
    )
}

/// The UUIDs of the winners: derived, or recorded already.
async fn winners(tx: &Transaction<'_>, store: &Store, all: &Plan, plan: &EntityPlan) -> Result<()> {
    let Mint::Derive { name, .. } = &plan.identity.mint else {
        let table = store.recorded_table(&plan.name).sql();
        tx.batch(&format!(
            "INSERT INTO pg_temp.driftless_winner SELECT r.key, r.id FROM {table} AS r \
             WHERE EXISTS (SELECT FROM pg_temp.driftless_merged AS m WHERE m.winner = r.key)"
        ))
        .await?;
        return Ok(());
    };
    let deriver = Deriver::new(all.namespace, name);
    tx.batch(
        "DECLARE driftless_winners NO SCROLL CURSOR FOR SELECT DISTINCT winner FROM pg_temp.driftless_merged",
    )
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

/// Rows that are one with others otherwise than before, and all that may refer to them, are read again: their stored hashes
/// are forgotten.
async fn read_again(tx: &Transaction<'_>, store: &Store, all: &Plan, plan: &EntityPlan) -> Result<()> {
    tx.batch(&format!(
        "UPDATE {} AS i SET row_hash = NULL WHERE {} IN (SELECT key FROM pg_temp.driftless_changed)",
        store.identity_table(&plan.name).sql(),
        identity::key_text(plan, "i")
    ))
    .await?;
    for other in all.entities.iter().filter(|other| looks_up(other, plan)) {
        let table = store.identity_table(&other.name).sql();
        let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        if tx
            .query_one(there, &[Param::text(table.as_str())])
            .await?
            .get::<bool>(0)?
        {
            tx.batch(&format!("UPDATE {table} SET row_hash = NULL")).await?;
        }
    }
    Ok(())
}

/// Whether an entity's rows hold what is recorded of another one, by reference or as their own.
fn looks_up(entity: &EntityPlan, owner: &EntityPlan) -> bool {
    let of_owner =
        |how: &Resolution| matches!(how, Resolution::Recorded { entity, .. } if *entity == owner.name);
    let refers = |(_, how): &(Vec<u8>, Resolution)| of_owner(how);
    let shares = match &entity.identity.mint {
        Mint::Derive { recorded, .. } => recorded.as_ref() == Some(&owner.name),
        Mint::Recorded { entity } => *entity == owner.name,
        _ => false,
    };
    entity
        .program
        .refs
        .iter()
        .any(|one| one.parents.iter().any(refers))
        || (shares && entity.name != owner.name)
}
