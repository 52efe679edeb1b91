//! Executions: every run is one.

use driftless_core::code::Code;
use driftless_pg::{Param, Session};

use super::Store;
use crate::error::Result;

/// What an execution did with one entity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows read from the source.
    pub read: i64,
    /// Rows written.
    pub inserted: i64,
    /// Rows replaced, while mending finished ranges.
    pub updated: i64,
    /// Rows of adopted mappings that were there already.
    pub unchanged: i64,
    /// Rows removed because the source no longer has them.
    pub deleted: i64,
    /// Rows on record as rejected.
    pub rejected: i64,
    /// Rows on record as parked.
    pub parked: i64,
    /// Bytes read.
    pub bytes: i64,
    /// Time spent, in milliseconds.
    pub duration_ms: i64,
}

impl Counts {
    /// Adds what another part of the work counted.
    pub fn add(&mut self, other: &Counts) {
        self.read += other.read;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.rejected += other.rejected;
        self.parked += other.parked;
        self.bytes += other.bytes;
        self.duration_ms += other.duration_ms;
    }
}

/// An execution as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its number.
    pub id: i64,
    /// The command.
    pub command: String,
    /// `running`, `done`, `failed`, `interrupted`.
    pub state: String,
    /// When it began, ISO 8601.
    pub started_at: String,
    /// When it ended, ISO 8601.
    pub ended_at: Option<String>,
    /// The code it ended with.
    pub code: Option<String>,
    /// What it said then.
    pub message: Option<String>,
    /// Per entity.
    pub entities: Vec<(String, Counts)>,
}

/// Begins an execution; those that a dead process left running are marked as interrupted. Gives its number and the moment
/// it started, as microseconds since 2000-01-01 UTC.
pub async fn begin(session: &Session, store: &Store, command: &str, epoch: i64) -> Result<(i64, i64)> {
    let interrupt = store.sql(
        "UPDATE {state}.execution SET state = 'interrupted', ended_at = pg_catalog.clock_timestamp() \
         WHERE pipeline = $1 AND state = 'running'",
    );
    let insert = store.sql(
        "INSERT INTO {state}.execution (pipeline, command, epoch, state) VALUES ($1, $2, $3, 'running') \
         RETURNING id, (pg_catalog.date_part('epoch', started_at - '2000-01-01 00:00:00+00'::timestamptz) * 1000000)::int8",
    );
    let pipeline = [Param::text(store.pipeline())];
    let new = [
        Param::text(store.pipeline()),
        Param::text(command),
        Param::int8(epoch),
    ];
    let (_, row) = tokio::try_join!(
        session.execute(&interrupt, &pipeline),
        session.query_one(&insert, &new)
    )?;
    Ok((row.get(0)?, row.get(1)?))
}

/// Notes under which snapshot an execution reads, with the transaction's next statement or its commit.
pub async fn snapshot(tx: &Session, store: &Store, execution: i64, snapshot: &str) -> Result<()> {
    tx.ahead(
        &store.sql("UPDATE {state}.execution SET snapshot = $2 WHERE id = $1"),
        &[Param::int8(execution), Param::text(snapshot)],
    )
    .await?;
    Ok(())
}

/// Ends an execution.
pub async fn end(
    session: &Session,
    store: &Store,
    execution: i64,
    state: &str,
    error: Option<(Code, String)>,
) -> Result<()> {
    let (code, message) = error.map_or((None, None), |(code, message)| {
        (Some(code.to_string()), Some(message))
    });
    session
        .execute(
            &store.sql(
                "UPDATE {state}.execution SET state = $2, code = $3, message = $4, ended_at = pg_catalog.clock_timestamp() WHERE id = $1",
            ),
            &[Param::int8(execution), Param::text(state), Param::text_or_null(code), Param::text_or_null(message)],
        )
        .await?;
    Ok(())
}

/// Adds counts to an execution's entity, in the transaction that wrote what they count.
pub async fn count(
    session: &Session,
    store: &Store,
    execution: i64,
    entity: &str,
    counts: &Counts,
) -> Result<()> {
    let numbers = [
        counts.read,
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.deleted,
        counts.rejected,
        counts.parked,
        counts.bytes,
        counts.duration_ms,
    ];
    let mut params = vec![Param::int8(execution), Param::text(entity)];
    params.extend(numbers.map(Param::int8));
    session
        .execute(&store.sql(include_str!("execution_count.sql")), &params)
        .await?;
    Ok(())
}

/// What all executions together did to an entity since its load began: rows of the target that are theirs, and rows adopted.
pub async fn written(session: &Session, store: &Store, entity: &str) -> Result<(i64, i64)> {
    let row = session
        .query_one(
            &store.sql(
                "SELECT coalesce(pg_catalog.sum(e.inserted - e.deleted), 0)::int8, coalesce(pg_catalog.sum(e.unchanged), 0)::int8 \
                 FROM {state}.entity AS n JOIN {state}.execution_entity AS e ON e.entity = n.entity AND e.execution >= n.execution \
                 WHERE n.pipeline = $1 AND n.entity = $2",
            ),
            &[Param::text(store.pipeline()), Param::text(entity)],
        )
        .await?;
    Ok((row.get(0)?, row.get(1)?))
}

/// The last executions, newest first.
pub async fn last(session: &Session, store: &Store, most: i64) -> Result<Vec<Execution>> {
    let rows = session
        .query(
            &store.sql(include_str!("execution_last.sql")),
            &[Param::text(store.pipeline()), Param::int8(most)],
        )
        .await?;
    let mut executions: Vec<Execution> = Vec::new();
    for row in rows {
        let id: i64 = row.get(0)?;
        if executions.last().is_none_or(|execution| execution.id != id) {
            executions.push(Execution {
                id,
                command: row.get(1)?,
                state: row.get(2)?,
                started_at: row.get(3)?,
                ended_at: row.get(4)?,
                code: row.get(5)?,
                message: row.get(6)?,
                entities: Vec::new(),
            });
        }
        if let (Some(entity), Some(execution)) = (row.get::<Option<String>>(7)?, executions.last_mut()) {
            let counts = Counts {
                read: row.get(8)?,
                inserted: row.get(9)?,
                updated: row.get(10)?,
                unchanged: row.get(11)?,
                deleted: row.get(12)?,
                rejected: row.get(13)?,
                parked: row.get(14)?,
                bytes: row.get(15)?,
                duration_ms: row.get(16)?,
            };
            execution.entities.push((entity, counts));
        }
    }
    Ok(executions)
}
