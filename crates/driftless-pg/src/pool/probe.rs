//! Whether the pooler that stands between keeps a session for each of us.

use std::time::Duration;

use tokio::time::timeout;

use crate::error::PgError;
use crate::session::{Session, transaction_pooler};
use crate::url::ConnectConfig;

/// How long the question may take. A pooler that has only one session to give lets the second of us wait.
const LIMIT: Duration = Duration::from_secs(5);

/// Refuses a pooler in transaction mode. A second session holds a transaction open while the first one asks who serves it: in
/// session mode both keep the process that they had, in transaction mode they get each other's, or another one, or none.
pub(super) async fn refuse_transaction_pooler(
    session: &Session,
    config: &ConnectConfig,
) -> Result<(), PgError> {
    // What fails here, and silence, is no proof: every session reads its settings back as well.
    let told = timeout(LIMIT, ask(session, config)).await;
    match told {
        Ok(Ok(Some(evidence))) => Err(transaction_pooler(session.place(), evidence)),
        Ok(Ok(None) | Err(_)) | Err(_) => Ok(()),
    }
}

async fn ask(session: &Session, config: &ConnectConfig) -> Result<Option<&'static str>, PgError> {
    let own = session.backend_pid();
    let other = Session::connect(config, "probe").await?;
    other.batch("BEGIN").await?;
    let others = pid(&other).await?;
    if others == own {
        return Ok(Some("two sessions were served by one process"));
    }
    // Poolers that deal their sessions out in turn show it only after some rounds.
    for _ in 0..4 {
        if pid(session).await? != own {
            return Ok(Some("the process that serves changed between two transactions"));
        }
    }
    Ok(None)
}

async fn pid(session: &Session) -> Result<i32, PgError> {
    session
        .query_one("SELECT pg_catalog.pg_backend_pid()", &[])
        .await?
        .get(0)
}
