//! One exported snapshot that all readers of a run share.

use driftless_core::name::quote_literal;
use driftless_pg::{Pool, Session};

use crate::error::Result;

/// Its name for other sessions, and what it sees. Equal texts must mean equal rows. The server's start stands beside the
/// snapshot, since a source that was restored from a backup may count its transactions up to the same snapshot again:
/// nobody restores a server, or takes over from it, without starting one. On a standby the text of a snapshot does not tell all
/// that it sees, so it gets something that no other one has.
const SNAPSHOT: &str = "SELECT e.id, pg_catalog.concat_ws(' ', pg_catalog.pg_current_snapshot()::text, \
    'server ' || (pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) * 1000000)::int8, \
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby ' || e.id || ' ' || pg_catalog.clock_timestamp()::text END) \
    FROM pg_catalog.pg_export_snapshot() AS e (id)";

/// A database in SQL_ASCII holds bytes of whatever encoding. Asked for UTF-8, its server gives no row that has others, and none
/// behind it; so the bytes come as they are, and [`super::reader`] looks at them.
const RAW_BYTES: &str = "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', true) \
    WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'";

/// A snapshot, kept alive by the session that exported it.
#[derive(Debug)]
pub struct Snapshot {
    session: Session,
    id: String,
    text: String,
}

impl Snapshot {
    /// Exports a snapshot of the source.
    pub async fn export(source: &Pool) -> Result<Snapshot> {
        let session = source.session("snapshot").await?;
        let begin = async {
            Ok(session
                .batch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                .await?)
        };
        let export = async { Ok(session.query_one(SNAPSHOT, &[]).await?) };
        let ((), row, (), ()) = tokio::try_join!(begin, export, raw_bytes(&session), keep(&session))?;
        Ok(Snapshot {
            id: row.get(0)?,
            text: row.get(1)?,
            session,
        })
    }

    /// What it sees: `pg_current_snapshot()`, and the server that shows it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A session that sees the snapshot, for questions about the source.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Opens another session that sees it.
    pub async fn reader(&self, source: &Pool, purpose: &str) -> Result<Session> {
        let session = source.session(purpose).await?;
        session
            .batch(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}; {RAW_BYTES}",
                quote_literal(&self.id)
            ))
            .await?;
        Ok(session)
    }
}

/// Lets a transaction read the texts of a database in SQL_ASCII as they are.
pub async fn raw_bytes(session: &Session) -> Result<()> {
    Ok(session.batch(RAW_BYTES).await?)
}

/// From now on [`recover`] brings a session back to here: what it sees stays, whatever statement fails.
pub async fn keep(session: &Session) -> Result<()> {
    Ok(session.batch("SAVEPOINT untouched").await?)
}

/// Makes a session that reads fit for other work after the source refused a statement: the snapshot stays, the locks go.
pub async fn recover(session: &Session) -> Result<()> {
    Ok(session.batch("ROLLBACK TO SAVEPOINT untouched").await?)
}
