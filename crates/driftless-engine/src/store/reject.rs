//! Rejects and warnings: state, not events. One per entity and key, written in the transaction that decides.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::code::{self, Code};
use driftless_pg::{Param, Row, Session, Transaction};

use super::Store;
use crate::error::Result;

/// A row that could not be shaped or written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reject {
    /// The canonical key.
    pub key: String,
    /// Whether it waits for its parent.
    pub parked: bool,
    /// Where on its way: `extract`, `transform`, `evaluate`, `rule`, `write`, `unique`, `reference`.
    pub stage: &'static str,
    /// The code, as text.
    pub code: String,
    /// PostgreSQL's code.
    pub sqlstate: Option<String>,
    /// `technical`, `data_quality`, `business_rule`.
    pub category: &'static str,
    /// What is wrong. May hold values; goes nowhere else.
    pub message: String,
    /// The target column.
    pub column: Option<String>,
    /// The constraint.
    pub constraint: Option<String>,
    /// The rule.
    pub rule: Option<String>,
    /// The entity of the parent that is missing or rejected.
    pub parent_entity: Option<String>,
    /// Its canonical key.
    pub parent_key: Option<String>,
    /// The source row as JSON text, sensitive columns masked.
    pub source_row: Option<String>,
}

impl Reject {
    /// A reject with a code.
    pub fn new(
        key: impl Into<String>,
        stage: &'static str,
        code: Code,
        message: impl Into<String>,
    ) -> Reject {
        Reject {
            key: key.into(),
            stage,
            code: code.to_string(),
            category: "data_quality",
            message: message.into(),
            ..Reject::default()
        }
    }
}

/// Records rejects in the transaction that leaves their rows out, with its next statement that somebody waits for.
pub async fn record(
    tx: &Transaction<'_>,
    store: &Store,
    entity: &str,
    execution: i64,
    rejects: &[Reject],
) -> Result<()> {
    // Rows without a key, and rows that share one, share one record: the last one's.
    let last: BTreeMap<&str, &Reject> = rejects
        .iter()
        .map(|reject| (reject.key.as_str(), reject))
        .collect();
    let last: Vec<&Reject> = last.into_values().collect();
    for part in last.chunks(500) {
        let rows: Vec<serde_json::Value> = part.iter().map(|reject| as_json(reject)).collect();
        // U+0000 cannot stand in jsonb; a row that has it is recorded with a sign in its place.
        let text = serde_json::Value::Array(rows)
            .to_string()
            .replace("\\u0000", "\\u2400");
        tx.ahead(
            &store.sql(include_str!("reject_record.sql")),
            &[
                Param::text(store.pipeline()),
                Param::text(entity),
                Param::int8(execution),
                Param::text(text),
            ],
        )
        .await?;
    }
    Ok(())
}

fn as_json(reject: &Reject) -> serde_json::Value {
    let source_row: Option<serde_json::Value> = reject
        .source_row
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    serde_json::json!({
        "key": reject.key,
        "state": if reject.parked { "parked" } else { "rejected" },
        "stage": reject.stage,
        "code": reject.code,
        "sqlstate": reject.sqlstate,
        "category": reject.category,
        "message": reject.message,
        "column_name": reject.column,
        "constraint_name": reject.constraint,
        "rule": reject.rule,
        "parent_entity": reject.parent_entity,
        "parent_key": reject.parent_key,
        "source_row": source_row,
    })
}

/// Forgets what is on record about these keys, in the transaction that decides about them anew.
pub async fn clear(tx: &Transaction<'_>, store: &Store, entity: &str, keys: &[String]) -> Result<u64> {
    let keyed = [
        Param::text(store.pipeline()),
        Param::text(entity),
        Param::text_array(keys),
    ];
    tx.execute(
        &store.sql("DELETE FROM {state}.warning WHERE pipeline = $1 AND entity = $2 AND key = ANY ($3)"),
        &keyed,
    )
    .await?;
    let sql = "DELETE FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 AND key = ANY ($3)";
    Ok(tx.execute(&store.sql(sql), &keyed).await?)
}

/// Records that rules warned about rows that were written: (key, rule).
pub async fn warn(
    tx: &Transaction<'_>,
    store: &Store,
    entity: &str,
    execution: i64,
    warnings: &[(String, String)],
) -> Result<()> {
    if warnings.is_empty() {
        return Ok(());
    }
    // Rows that share a key share one record.
    let each: BTreeSet<&(String, String)> = warnings.iter().collect();
    let (keys, rules): (Vec<&str>, Vec<&str>) = each
        .into_iter()
        .map(|(key, rule)| (key.as_str(), rule.as_str()))
        .unzip();
    tx.ahead(
        &store.sql(
            "INSERT INTO {state}.warning (pipeline, entity, key, rule, execution) \
             SELECT $1, $2, w.key, w.rule, $3 FROM ROWS FROM (pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[])) AS w (key, rule) \
             ON CONFLICT (pipeline, entity, key, rule) DO UPDATE SET execution = excluded.execution, seen_at = pg_catalog.clock_timestamp()",
        ),
        &[
            Param::text(store.pipeline()),
            Param::text(entity),
            Param::int8(execution),
            Param::text_array(&keys),
            Param::text_array(&rules),
        ],
    )
    .await?;
    Ok(())
}

/// How many rows of an entity are on record: (rejected, parked).
pub async fn counts(session: &Session, store: &Store, entity: &str) -> Result<(i64, i64)> {
    let row = session
        .query_one(
            &store.sql(
                "SELECT pg_catalog.count(*) FILTER (WHERE state = 'rejected'), pg_catalog.count(*) FILTER (WHERE state = 'parked') \
                 FROM {state}.rejects WHERE pipeline = $1 AND entity = $2",
            ),
            &[Param::text(store.pipeline()), Param::text(entity)],
        )
        .await?;
    Ok((row.get(0)?, row.get(1)?))
}

/// The keys on record of an entity, at most so many.
pub async fn keys(session: &Session, store: &Store, entity: &str, most: usize) -> Result<Vec<String>> {
    let sql = store.sql("SELECT key FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 LIMIT $3");
    let params = [
        Param::text(store.pipeline()),
        Param::text(entity),
        Param::int8(most as i64),
    ];
    let rows = session.query(&sql, &params).await?;
    rows.iter().map(|row| Ok(row.get(0)?)).collect()
}

/// What most rows of an entity were rejected for, each as `17 times DL0406 a row repeats a unique value (orders_code_key)`.
pub async fn foremost(session: &Session, store: &Store, entity: &str, most: i32) -> Result<Vec<String>> {
    let rows = session
        .query(
            &store.sql(
                "SELECT pg_catalog.count(*), code, coalesce(rule, constraint_name, column_name) \
                 FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 AND state <> 'discarded' \
                 GROUP BY 2, 3 ORDER BY 1 DESC, 2, 3 LIMIT $3",
            ),
            &[
                Param::text(store.pipeline()),
                Param::text(entity),
                Param::int4(most),
            ],
        )
        .await?;
    let named = |row: &Row| {
        let (times, code, at): (i64, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let title = Code::parse(&code).map_or("", Code::title);
        let at = at.map_or_else(String::new, |at| format!(" ({at})"));
        Ok(format!("{times} times {code} {title}{at}"))
    };
    rows.iter().map(named).collect()
}

/// The same without what the end of the load tries again.
pub async fn lasting(session: &Session, store: &Store, entity: &str) -> Result<(i64, i64)> {
    let sql = format!(
        "SELECT pg_catalog.count(*) FILTER (WHERE r.state = 'rejected'), pg_catalog.count(*) FILTER (WHERE r.state = 'parked') \
         FROM {{state}}.rejects AS r WHERE r.pipeline = $1 AND r.entity = $2 AND NOT coalesce({} OR {}, false)",
        Due::Twins.condition(),
        Due::Orphans.condition()
    );
    let params = [Param::text(store.pipeline()), Param::text(entity)];
    let row = session.query_one(&store.sql(&sql), &params).await?;
    Ok((row.get(0)?, row.get(1)?))
}

/// How many rows of the whole pipeline are on record as rejected or parked.
pub async fn open(session: &Session, store: &Store) -> Result<i64> {
    let row = session
        .query_one(
            &store.sql(
                "SELECT pg_catalog.count(*) FROM {state}.rejects WHERE pipeline = $1 AND state IN ('rejected', 'parked')",
            ),
            &[Param::text(store.pipeline())],
        )
        .await?;
    Ok(row.get(0)?)
}

/// Keys that are read, and tried again, in one go.
pub const PAGE: i32 = 1000;

/// Rejects that a load tries again at its end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Rows that left the target because their identities could not be told apart.
    Twins,
    /// Rows that a foreign key of the target refused when they were written.
    Orphans,
}

impl Due {
    fn condition(self) -> &'static str {
        match self {
            Due::Twins => "(r.state = 'parked' AND r.stage = 'unique')",
            Due::Orphans => {
                "r.state IN ('rejected', 'parked') AND r.stage = 'write' AND r.sqlstate = '23503'"
            }
        }
    }
}

/// A page of the canonical keys that are due, behind this one, in their order.
pub async fn due(
    session: &Session,
    store: &Store,
    entity: &str,
    due: Due,
    behind: &str,
) -> Result<Vec<String>> {
    let sql = store.sql(&format!(
        "SELECT r.key FROM {{state}}.rejects AS r WHERE r.pipeline = $1 AND r.entity = $2 AND {} AND r.key > $3 \
         ORDER BY r.key LIMIT $4",
        due.condition()
    ));
    let params = [
        Param::text(store.pipeline()),
        Param::text(entity),
        Param::text(behind),
        Param::int4(PAGE),
    ];
    let rows = session.query(&sql, &params).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
}

/// Whether anything of any entity may be due, or was refused for a parent that was left out.
pub async fn any_due(session: &Session, store: &Store) -> Result<bool> {
    let sql = store.sql(&format!(
        "SELECT EXISTS (SELECT FROM {{state}}.rejects AS r WHERE r.pipeline = $1 AND ({} OR (r.stage = 'write' AND r.sqlstate = '23503')))",
        Due::Twins.condition()
    ));
    let row = session.query_one(&sql, &[Param::text(store.pipeline())]).await?;
    Ok(row.get(0)?)
}

/// Entities of which rejects have no source row yet.
pub async fn undescribed(session: &Session, store: &Store) -> Result<Vec<String>> {
    let sql =
        store.sql("SELECT DISTINCT entity FROM {state}.rejects WHERE pipeline = $1 AND source_row IS NULL");
    let rows = session.query(&sql, &[Param::text(store.pipeline())]).await?;
    rows.iter().map(|row| Ok(row.get(0)?)).collect()
}

/// Tells rows that a foreign key refused, and whose parent is on record itself, that it is the parent's fault. In a transaction
/// of its own that begins with the guard.
pub async fn blame_parents(session: &mut Session, store: &Store, guard: &str) -> Result<()> {
    let tx = session.begin(driftless_pg::BeginMode::ReadWrite).await?;
    tx.ahead(guard, &[]).await?;
    let sql = store.sql(&format!(
        "UPDATE {{state}}.rejects AS r SET code = '{}', \
         message = pg_catalog.concat('column ', r.column_name, ' refers to a row of ', r.parent_entity, ' that was left out') \
         FROM {{state}}.rejects AS p WHERE r.pipeline = $1 AND r.stage = 'write' AND r.sqlstate = '23503' AND r.code = '{}' \
         AND p.pipeline = r.pipeline AND p.entity = r.parent_entity AND p.key = r.parent_key",
        code::ROW_PARENT_REJECTED,
        code::ROW_REFERENCE_MISSING
    ));
    tx.ahead(&sql, &[Param::text(store.pipeline())]).await?;
    tx.commit().await?;
    Ok(())
}

/// Lists what a condition over `r` finds in a temporary table of this session: what is tried again is decided once, and
/// held where there is room for it.
pub async fn list(session: &Session, store: &Store, condition: &str) -> Result<()> {
    session
        .batch(
            "CREATE TEMPORARY TABLE driftless_listed \
             (entity text, key text COLLATE pg_catalog.\"C\", PRIMARY KEY (entity, key))",
        )
        .await?;
    let sql = store
        .sql("INSERT INTO pg_temp.driftless_listed SELECT r.entity, r.key FROM {state}.rejects AS r WHERE ");
    session.execute(&(sql + condition), &[]).await?;
    Ok(())
}

/// A page of an entity's listed keys, behind this one, in their order.
pub async fn listed(session: &Session, entity: &str, behind: &str) -> Result<Vec<String>> {
    let rows = session
        .query(
            "SELECT key FROM pg_temp.driftless_listed WHERE entity = $1 AND key > $2 ORDER BY key LIMIT $3",
            &[Param::text(entity), Param::text(behind), Param::int4(PAGE)],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
}

/// A page of an entity's listed keys that a foreign key refused, behind this one, in their order.
pub async fn listed_due(session: &Session, store: &Store, entity: &str, behind: &str) -> Result<Vec<String>> {
    let sql = store.sql(&format!(
        "SELECT l.key FROM {{state}}.rejects AS r JOIN pg_temp.driftless_listed AS l USING (entity, key) \
         WHERE r.pipeline = $1 AND l.entity = $2 AND {} AND l.key > $3 ORDER BY l.key LIMIT $4",
        Due::Orphans.condition()
    ));
    let params = [
        Param::text(store.pipeline()),
        Param::text(entity),
        Param::text(behind),
        Param::int4(PAGE),
    ];
    let rows = session.query(&sql, &params).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
}

/// How many of an entity's listed keys are on record.
pub async fn listed_left(session: &Session, store: &Store, entity: &str) -> Result<i64> {
    let row = session
        .query_one(
            &store.sql(
                "SELECT pg_catalog.count(*) FROM {state}.rejects AS r JOIN pg_temp.driftless_listed AS l USING (entity, key) \
                 WHERE r.pipeline = $1 AND r.entity = $2",
            ),
            &[Param::text(store.pipeline()), Param::text(entity)],
        )
        .await?;
    Ok(row.get(0)?)
}

/// Dismisses what a condition over `r` finds. Gives how many.
pub async fn discard(session: &mut Session, store: &Store, guard: &str, condition: &str) -> Result<i64> {
    let tx = session.begin(driftless_pg::BeginMode::ReadWrite).await?;
    tx.batch(guard).await?;
    let sql = store.sql(
        "UPDATE {state}.rejects AS r SET state = 'discarded', last_seen = pg_catalog.clock_timestamp() \
         WHERE r.state <> 'discarded' AND ",
    );
    let discarded = tx.execute(&(sql + condition), &[]).await?;
    tx.commit().await?;
    Ok(discarded.cast_signed())
}
