//! Mappings that must be known before the load: what an earlier migration left in the target, and UUIDs that the source
//! has. One key with two UUIDs, or one UUID for two keys, is never guessed about: it stops the run, reported in full.

use driftless_core::code;
use driftless_core::name::quote_ident;
use driftless_core::plan::EntityPlan;
use driftless_core::transform::{COPY_HEADER, COPY_TRAILER};
use driftless_pg::{RowRead, Session, Transaction};

use super::send::copy;
use crate::error::{EngineError, InContext as _, Result};
use crate::extract::select::{self, Rows};
use crate::store::{Store, identity};

/// The temporary table of mappings that an earlier run had read and that the source no longer has: key and old UUID.
pub(super) const MOVED: &str = "driftless_moved";

/// Bytes that are sent in one COPY.
const COPY_BYTES: usize = 8 << 20;

/// Takes over what the entity's `adopt` query yields, once, when its load begins.
pub async fn adopt(tx: &Transaction<'_>, store: &Store, plan: &EntityPlan) -> Result<u64> {
    let Some(sql) = &plan.identity.adopt else {
        return Ok(0);
    };
    identity::create_recorded(tx, store, &plan.name).await?;
    let names: Vec<String> = (1..=plan.identity.key.len())
        .map(|number| format!("k{number}"))
        .collect();
    let casts: Vec<String> = names
        .iter()
        .zip(&plan.identity.key)
        .map(|(name, part)| {
            let bare = part.type_sql.split(" COLLATE ").next().unwrap_or(&part.type_sql);
            format!("(q.{name})::{bare}::pg_catalog.text")
        })
        .collect();
    let text = match casts.as_slice() {
        [single] => single.clone(),
        several => format!(
            "pg_catalog.to_json(ARRAY[{}])::pg_catalog.text",
            several.join(", ")
        ),
    };
    tx.batch(&format!(
        "CREATE TEMPORARY TABLE driftless_found ON COMMIT DROP AS SELECT DISTINCT {text} AS key, (q.id)::pg_catalog.uuid AS id \
         FROM ({sql}\n) AS q ({}, id) WHERE q.id IS NOT NULL",
        names.join(", ")
    ))
    .await
    .context(format!("entity {}, adopt", plan.name))?;
    contradictions(tx, plan, "pg_temp.driftless_found", Shared::of(plan)).await?;
    let table = store.recorded_table(&plan.name).sql();
    let adopted = tx
        .execute(
            &format!("INSERT INTO {table} (key, id, adopted) SELECT key, id, true FROM pg_temp.driftless_found WHERE key IS NOT NULL"),
            &[],
        )
        .await?;
    tx.batch("DROP TABLE pg_temp.driftless_found").await?;
    Ok(adopted)
}

/// Reads the UUIDs that the source has, under the run's snapshot, in place of those of an earlier run. What an earlier run
/// had otherwise is left in a temporary table.
pub async fn read_column(
    source: &Session,
    tx: &Transaction<'_>,
    store: &Store,
    plan: &EntityPlan,
    column: &str,
) -> Result<()> {
    identity::create_recorded(tx, store, &plan.name).await?;
    let table = store.recorded_table(&plan.name).sql();
    let known = format!("SELECT EXISTS (SELECT FROM {table})");
    if !tx.query_one(&known, &[]).await?.get::<bool>(0)?
        && read_first(source, tx, plan, column, &table).await?
    {
        return Ok(());
    }
    read_again(source, tx, plan, column, &table).await
}

/// Reads them straight into their table, which holds none; false, and nothing is there, where a key repeats.
async fn read_first(
    source: &Session,
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    column: &str,
    table: &str,
) -> Result<bool> {
    tx.batch("SAVEPOINT first").await?;
    let sql = format!("COPY {table} (key, id, adopted) FROM STDIN (FORMAT binary)");
    match send(source, tx, (plan, column), &sql, &[&[0]]).await {
        Err(error) if error.pg().and_then(|pg| pg.sqlstate()) == Some("23505") => {
            tx.batch("ROLLBACK TO SAVEPOINT first").await?;
            return Ok(false);
        }
        sent => sent?,
    }
    tx.batch(&format!(
        "RELEASE SAVEPOINT first; ANALYZE {table} (key, id); \
         CREATE TEMPORARY TABLE {MOVED} (key text COLLATE pg_catalog.\"C\", id uuid) ON COMMIT DROP"
    ))
    .await?;
    contradictions(tx, plan, table, Shared::of(plan)).await?;
    Ok(true)
}

/// Reads them beside what is recorded, and compares.
async fn read_again(
    source: &Session,
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    column: &str,
    table: &str,
) -> Result<()> {
    tx.batch(
        "CREATE TEMPORARY TABLE driftless_found (key text COLLATE pg_catalog.\"C\", id uuid) ON COMMIT DROP",
    )
    .await?;
    let sql = "COPY pg_temp.driftless_found FROM STDIN (FORMAT binary)";
    send(source, tx, (plan, column), sql, &[]).await?;
    tx.batch(&format!(
        "INSERT INTO pg_temp.driftless_found SELECT key, id FROM {table} WHERE adopted; ANALYZE pg_temp.driftless_found"
    ))
    .await?;
    contradictions(tx, plan, "pg_temp.driftless_found", Shared::of(plan)).await?;
    // In the order of its index, which takes half the time.
    tx.batch(&format!(
        "CREATE TEMPORARY TABLE {MOVED} ON COMMIT DROP AS SELECT r.key, r.id FROM {table} AS r WHERE NOT r.adopted \
         AND NOT EXISTS (SELECT FROM pg_temp.driftless_found AS f WHERE f.key = r.key AND f.id = r.id); \
         DELETE FROM {table} AS r USING pg_temp.{MOVED} AS m WHERE r.key = m.key; \
         INSERT INTO {table} (key, id, adopted) SELECT DISTINCT key, id, false FROM pg_temp.driftless_found ORDER BY key \
         ON CONFLICT (key) DO NOTHING; DROP TABLE pg_temp.driftless_found; ANALYZE {table}"
    ))
    .await?;
    Ok(())
}

/// Sends keys and UUIDs of the source by COPYs, each row with these values behind them. The source is read to its end, whatever the
/// target says.
async fn send(
    source: &Session,
    tx: &Transaction<'_>,
    (plan, column): (&EntityPlan, &str),
    sql: &str,
    behind: &[&[u8]],
) -> Result<()> {
    let fields = u16::try_from(2 + behind.len()).unwrap_or(u16::MAX);
    let mut stream = source.copy_out(&keys_and_uuids(plan, column)).await?;
    let mut sent = Ok(());
    loop {
        let (mut arena, mut cells) = (Vec::new(), Vec::new());
        while arena.len() < COPY_BYTES && stream.append_row(&mut arena, &mut cells).await? != RowRead::End {}
        if cells.is_empty() {
            return sent;
        }
        if sent.is_err() {
            continue;
        }
        let mut encoded = COPY_HEADER.to_vec();
        for row in cells.chunks(2) {
            encoded.extend_from_slice(&fields.to_be_bytes());
            let values = row.iter().map(|cell| cell.bytes(&arena).unwrap_or_default());
            for bytes in values.chain(behind.iter().copied()) {
                encoded.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                encoded.extend_from_slice(bytes);
            }
        }
        encoded.extend_from_slice(COPY_TRAILER);
        sent = copy(tx, sql, encoded, cells.len() / 2, &plan.name).await;
    }
}

/// Canonical key text and UUID of every row that has both.
fn keys_and_uuids(plan: &EntityPlan, column: &str) -> String {
    let text = select::key_text(plan);
    let mut condition = select::condition(plan, Rows::All);
    condition.push_str(if condition.is_empty() { " WHERE " } else { " AND " });
    let keys: Vec<String> = plan
        .identity
        .key
        .iter()
        .map(|part| format!("{} IS NOT NULL", quote_ident(&part.column)))
        .collect();
    let uuid = quote_ident(column);
    format!(
        "COPY (SELECT {text}, {uuid} FROM {}{condition}{uuid} IS NOT NULL AND {}) TO STDOUT (FORMAT binary)",
        plan.origin.sql,
        keys.join(" AND ")
    )
}

/// Most contradictions that an error shows, and most keys or UUIDs of one of them.
const SHOWN: i64 = 20;

/// What it means that several keys have one UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// A contradiction.
    Refused,
    /// Perhaps that their rows are one, which is known later.
    Possible,
}

impl Shared {
    fn of(plan: &EntityPlan) -> Shared {
        if plan.identity.merge.is_some() {
            Shared::Possible
        } else {
            Shared::Refused
        }
    }
}

/// Stops where two mappings contradict each other, with the first of them: keys and UUIDs, which are no row values.
pub(super) async fn contradictions(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    table: &str,
    shared: Shared,
) -> Result<()> {
    let is_told = shared == Shared::Refused;
    // Nearly always nothing repeats, and then nothing is counted apart.
    let repeated = format!(
        "SELECT EXISTS (SELECT FROM {table} GROUP BY key HAVING pg_catalog.count(*) > 1) \
         OR ({is_told} AND EXISTS (SELECT FROM {table} GROUP BY id HAVING pg_catalog.count(*) > 1))"
    );
    if !tx.query_one(&repeated, &[]).await?.get::<bool>(0)? {
        return Ok(());
    }
    let sql = format!(
        "WITH several AS MATERIALIZED ( \
         SELECT key, NULL::uuid AS id, pg_catalog.count(DISTINCT id) AS n FROM {table} GROUP BY key HAVING pg_catalog.count(DISTINCT id) > 1 \
         UNION ALL SELECT NULL, id, pg_catalog.count(DISTINCT key) FROM {table} WHERE {is_told} GROUP BY id HAVING pg_catalog.count(DISTINCT key) > 1) \
         SELECT (SELECT pg_catalog.count(*) FROM several), coalesce(s.key, s.id::text), s.key IS NOT NULL, s.n, o.others \
         FROM (SELECT * FROM several ORDER BY key, id LIMIT {SHOWN}) AS s CROSS JOIN LATERAL ( \
         SELECT pg_catalog.array_agg(d.other ORDER BY d.other) AS others FROM ( \
         SELECT DISTINCT CASE WHEN s.key IS NULL THEN f.key ELSE f.id::text END COLLATE pg_catalog.\"C\" AS other FROM {table} AS f \
         WHERE f.key = s.key OR f.id = s.id ORDER BY 1 LIMIT {SHOWN}) AS d) AS o ORDER BY s.key, s.id"
    );
    let rows = tx.query(&sql, &[]).await?;
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let count: i64 = first.get(0)?;
    let with = match (&plan.identity.merge, shared) {
        (Some(_), Shared::Refused) => " (with those that are one with it)",
        _ => "",
    };
    let mut shown = Vec::new();
    for row in &rows {
        let (one, is_key, several): (String, bool, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let others = and_more(row.get(4)?, several);
        shown.push(if is_key {
            format!("key {one}{with} has the UUIDs {others}")
        } else {
            format!("UUID {one} is that of the keys {others}")
        });
    }
    Err(EngineError::new(
        code::UUID_CONFLICT,
        format!("entity {}", plan.name),
        format!(
            "{count} mapping(s) contradict each other: {}",
            and_more(shown, count)
        ),
    )
    .remedy(remedy(plan)))
}

fn remedy(plan: &EntityPlan) -> String {
    let mut corrected = Vec::new();
    if plan.identity.adopt.is_some() || plan.identity.natural_key.is_none() {
        corrected.push("the adopted mappings".to_owned());
    }
    if plan.identity.uuid_column.is_some() {
        corrected.push("the source's uuid column".to_owned());
    }
    if let Some(natural) = &plan.identity.natural_key {
        let columns = natural.columns.join(", ");
        corrected.push(format!(
            "what repeats in {columns} (`match`), on whichever side it does"
        ));
    }
    format!("one key must have one UUID: correct {}", corrected.join(" or "))
}

/// A list that says how many more there are than it shows.
fn and_more(shown: Vec<String>, all: i64) -> String {
    let more = all - shown.len() as i64;
    let list = shown.join(", ");
    if more > 0 {
        format!("{list} and {more} more")
    } else {
        list
    }
}
