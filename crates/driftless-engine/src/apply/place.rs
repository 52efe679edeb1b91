//! Rows without a key: written one by one, so that the target tells where each came to lie.

use driftless_core::plan::EntityPlan;
use driftless_core::transform::{COPY_HEADER, COPY_TRAILER, Shaped, Shaper, Stamp};
use driftless_pg::Transaction;

use super::care::Care;
use super::isolate::{self, Refused};
use super::send::copy;
use crate::error::Result;
use crate::store::{Store, identity};

/// Writes rows and notes where they lie; those that the target refuses come back, or fail the transaction where nobody
/// takes care.
pub(super) async fn insert(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    shaper: &Shaper<'_>,
    (shaped, rows): (&Shaped, &[usize]),
    care: Care,
) -> Result<Vec<Refused>> {
    tx.batch(PLACED).await?;
    isolate::by_function(tx, plan, shaper, (shaped, rows), &function(plan, care)).await
}

/// Where the rows of a batch lie.
const PLACED: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS driftless_placed (n int8, t1 oid, t2 tid, t3 xid) ON COMMIT DROP; \
                      TRUNCATE pg_temp.driftless_placed";

fn function(plan: &EntityPlan, care: Care) -> String {
    let table = plan.into.sql();
    let insert = format!(
        "{} RETURNING tableoid, ctid INTO own_table, own_place; \
         SELECT t.xmin INTO own_version FROM {table} AS t WHERE t.tableoid = own_table AND t.ctid = own_place; \
         INSERT INTO pg_temp.driftless_placed VALUES (one.n, own_table, own_place, own_version);",
        isolate::insertion(plan)
    );
    let caught = match care {
        Care::Fast => insert,
        Care::Isolating => format!("BEGIN {insert} {} END;", isolate::CAUGHT),
    };
    isolate::function("own_table oid; own_place tid; own_version xid;", &caught)
}

/// Records the identities of rows that were written.
pub(super) async fn identities(
    tx: &Transaction<'_>,
    store: &Store,
    (plan, shaper): (&EntityPlan, &Shaper<'_>),
    (shaped, rows): (&Shaped, &[usize]),
    stamp: Stamp,
) -> Result<()> {
    let columns = identity::copied_columns(plan);
    let table = store.identity_table(&plan.name).sql();
    tx.batch(&format!(
        "CREATE TEMPORARY TABLE driftless_named ON COMMIT DROP AS SELECT 0::int8 AS n, {} FROM {table} WITH NO DATA",
        columns.join(", ")
    ))
    .await?;
    let mut encoded = COPY_HEADER.to_vec();
    for row in rows {
        isolate::numbered(*row, &mut encoded, |tuple| {
            shaper.encode_identities(shaped, stamp, [*row], tuple);
        });
    }
    encoded.extend_from_slice(COPY_TRAILER);
    let sql = "COPY pg_temp.driftless_named FROM STDIN (FORMAT binary)";
    copy(tx, sql, encoded, rows.len(), &plan.name).await?;
    tx.batch(&format!(
        "INSERT INTO {table} ({columns}, t1, t2, t3) SELECT {own}, p.t1, p.t2, p.t3 \
         FROM pg_temp.driftless_named AS n JOIN pg_temp.driftless_placed AS p USING (n); \
         DROP TABLE pg_temp.driftless_named",
        columns = columns.join(", "),
        own = columns
            .iter()
            .map(|column| format!("n.{column}"))
            .collect::<Vec<_>>()
            .join(", "),
    ))
    .await?;
    Ok(())
}
