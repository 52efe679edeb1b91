//! Rows that are one row of the target: which they are is told by the source, before the first one is shaped. One of them is
//! written, and the keys of the others are recorded as pointing to it.

use driftless_core::name::quote_ident;
use driftless_core::plan::{EntityPlan, Merge};
use driftless_pg::{Session, Transaction};

use super::found::{MEMBERS, MERGED};
use super::survey::{has_key, transfer};
use crate::error::{InContext as _, Result};
use crate::extract::select::{self, Rows};
use crate::store::Store;

/// Finds which rows are one under the run's snapshot.
pub(super) async fn groups(
    (source, tx): (&Session, &Transaction<'_>),
    store: &Store,
    plan: &EntityPlan,
    merge: &Merge,
) -> Result<()> {
    transfer(source, tx, plan, &members(plan, merge), (MEMBERS, 4))
        .await
        .context(format!("entity {}, merge_on", plan.name))?;
    // Who has no UUID cannot stand for others, unless one was adopted for any of them.
    tx.batch(&format!(
        "INSERT INTO {MERGED} SELECT DISTINCT ON (g.key) g.key, g.winner FROM ( \
         SELECT m.key, m.has_uuid OR m.adopted AS counts, CASE WHEN m.adopted THEN m.first_of_all ELSE m.first_with_uuid END AS winner \
         FROM (SELECT m.key, m.has_uuid, pg_catalog.bool_or(r.key IS NOT NULL) OVER (PARTITION BY m.first) AS adopted, \
         pg_catalog.first_value(m.key) OVER (PARTITION BY m.first ORDER BY m.place) AS first_of_all, \
         pg_catalog.first_value(m.key) OVER (PARTITION BY m.first ORDER BY NOT m.has_uuid, m.place) AS first_with_uuid \
         FROM {MEMBERS} AS m LEFT JOIN {table} AS r ON r.key = m.key AND r.adopted) AS m) AS g \
         WHERE g.counts AND g.key <> g.winner ORDER BY g.key, g.winner; \
         CREATE INDEX ON {MERGED} (winner); ANALYZE {MERGED}; CREATE INDEX ON {MEMBERS} (key); ANALYZE {MEMBERS}",
        table = store.recorded_table(&plan.name).sql(),
    ))
    .await?;
    Ok(())
}

fn members(plan: &EntityPlan, merge: &Merge) -> String {
    let key = select::key_text(plan);
    let mut condition = select::condition(plan, Rows::All);
    condition.push_str(if condition.is_empty() { " WHERE " } else { " AND " });
    condition.push_str(&has_key(plan));
    let has_uuid = match &plan.identity.uuid_column {
        Some(column) => format!("{} IS NOT NULL", quote_ident(column)),
        None => "true".to_owned(),
    };
    let which = if plan.identity.adopt.is_some() {
        ""
    } else {
        " WHERE g.is_said AND g.members > 1"
    };
    format!(
        "SELECT g.key, CASE WHEN g.is_said THEN g.first ELSE g.key END, g.place, g.has_uuid \
         FROM (SELECT {key} AS key, ({on}\n) IS NOT NULL AS is_said, {has_uuid} AS has_uuid, \
         pg_catalog.count(*) OVER (PARTITION BY ({on}\n)) AS members, pg_catalog.row_number() OVER w AS place, \
         pg_catalog.first_value({key}) OVER w AS first FROM {from}{condition} \
         WINDOW w AS (PARTITION BY ({on}\n) ORDER BY {order})) AS g{which}",
        on = merge.on,
        order = merge.order,
        from = plan.origin.sql,
    )
}
