//! Checkpoints. A chunk is done when the transaction that wrote its rows has committed, so `done` takes that
//! transaction and nothing else.

use std::collections::BTreeSet;

use driftless_pg::{Param, Session, Transaction};

use super::Store;
use super::execution::Counts;
use crate::error::{EngineError, Result};

/// A range of an entity's rows. Bounds are text of the chunking column's type; `None` is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its number within the entity.
    pub number: i32,
    /// The first value inside.
    pub low: Option<String>,
    /// The first value behind.
    pub high: Option<String>,
}

/// A chunk with how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The range.
    pub chunk: Chunk,
    /// The snapshot it was read under, if it is done.
    pub snapshot: Option<String>,
    /// Rows read.
    pub read: i64,
    /// Rows rejected.
    pub rejected: i64,
}

/// Records the chunks of an entity, in the transaction that records that its load begins.
pub async fn record(tx: &Transaction<'_>, store: &Store, entity: &str, chunks: &[Chunk]) -> Result<()> {
    for part in chunks.chunks(1000) {
        let mut values = Vec::new();
        let mut params = vec![Param::text(store.pipeline()), Param::text(entity)];
        for chunk in part {
            let at = params.len();
            values.push(format!("($1, $2, ${}, ${}, ${})", at + 1, at + 2, at + 3));
            params.push(Param::int4(chunk.number));
            params.push(Param::text_or_null(chunk.low.as_deref()));
            params.push(Param::text_or_null(chunk.high.as_deref()));
        }
        let sql = store.sql("INSERT INTO {state}.chunk (pipeline, entity, number, low, high) VALUES ");
        tx.ahead(&format!("{sql}{}", values.join(", ")), &params).await?;
    }
    Ok(())
}

/// Every chunk of an entity in order.
pub async fn all(session: &Session, store: &Store, entity: &str) -> Result<Vec<Checkpoint>> {
    let rows = session
        .query(
            &store.sql(
                "SELECT number, low, high, CASE WHEN done THEN snapshot END, coalesce(rows_read, 0), coalesce(rejected, 0) \
                 FROM {state}.chunk WHERE pipeline = $1 AND entity = $2 ORDER BY number",
            ),
            &[Param::text(store.pipeline()), Param::text(entity)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Checkpoint {
                chunk: Chunk {
                    number: row.get(0)?,
                    low: row.get(1)?,
                    high: row.get(2)?,
                },
                snapshot: row.get(3)?,
                read: row.get(4)?,
                rejected: row.get(5)?,
            })
        })
        .collect()
}

/// Entities of which a chunk is done.
pub async fn started(session: &Session, store: &Store) -> Result<BTreeSet<String>> {
    let sql = store.sql("SELECT DISTINCT entity FROM {state}.chunk WHERE pipeline = $1 AND done");
    let rows = session.query(&sql, &[Param::text(store.pipeline())]).await?;
    rows.iter().map(|row| Ok(row.get(0)?)).collect()
}

/// Marks a chunk as done in the transaction that wrote its rows.
pub async fn done(
    tx: &Transaction<'_>,
    store: &Store,
    entity: &str,
    number: i32,
    snapshot: &str,
    execution: i64,
    counts: &Counts,
) -> Result<()> {
    let changed = tx
        .execute(
            &store.sql(
                "UPDATE {state}.chunk SET done = true, snapshot = $4, rows_read = $5, written = $6, rejected = $7, bytes = $8, \
                 execution = $9, done_at = pg_catalog.clock_timestamp() \
                 WHERE pipeline = $1 AND entity = $2 AND number = $3 AND NOT done",
            ),
            &[
                Param::text(store.pipeline()),
                Param::text(entity),
                Param::int4(number),
                Param::text(snapshot),
                Param::int8(counts.read),
                Param::int8(counts.inserted),
                Param::int8(counts.rejected),
                Param::int8(counts.bytes),
                Param::int8(execution),
            ],
        )
        .await?;
    if changed == 1 {
        return Ok(());
    }
    Err(EngineError::new(
        driftless_core::code::INTEGRITY,
        format!("entity {entity}, chunk {number}"),
        "it was already done when its rows were written",
    ))
}

/// Records how many rows a finished range has now that it was read again.
pub async fn read_again(
    tx: &Transaction<'_>,
    store: &Store,
    entity: &str,
    number: i32,
    rows: i64,
) -> Result<()> {
    tx.execute(
        &store.sql(
            "UPDATE {state}.chunk SET rows_read = $4 WHERE pipeline = $1 AND entity = $2 AND number = $3",
        ),
        &[
            Param::text(store.pipeline()),
            Param::text(entity),
            Param::int4(number),
            Param::int8(rows),
        ],
    )
    .await?;
    Ok(())
}

/// What of an entity was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    /// The ranges that were finished.
    Finished,
    /// All of it, with so many rows read: nothing is left to load.
    Whole(i64),
}

/// What was mended now stands as under this snapshot: in the transaction that mended it.
pub async fn mended(
    tx: &Transaction<'_>,
    store: &Store,
    entity: &str,
    snapshot: &str,
    execution: i64,
    what: Mended,
) -> Result<()> {
    // Rows of the whole are no longer those of single ranges: the first range stands for all.
    let (set, condition) = match what {
        Mended::Finished => (String::new(), " AND done"),
        Mended::Whole(rows) => (
            format!(
                ", done = true, done_at = coalesce(done_at, pg_catalog.clock_timestamp()), \
                 rows_read = CASE number WHEN 0 THEN {rows} ELSE 0 END"
            ),
            "",
        ),
    };
    let sql = store.sql(&format!(
        "UPDATE {{state}}.chunk SET snapshot = $3, execution = coalesce(execution, $4){set} \
         WHERE pipeline = $1 AND entity = $2{condition}"
    ));
    tx.execute(
        &sql,
        &[
            Param::text(store.pipeline()),
            Param::text(entity),
            Param::text(snapshot),
            Param::int8(execution),
        ],
    )
    .await?;
    Ok(())
}
