//! `session_replication_role = replica`: only trying tells. Catalogs say no where a platform allows it by other means.

use driftless_pg::{BeginMode, ErrorKind, Session};

use crate::error::Result;

/// Whether this role may set the replica role. Sets it, reads it back, rolls back.
pub async fn probe(session: &mut Session) -> Result<bool> {
    let tx = session.begin(BeginMode::RolledBack).await?;
    let allowed = match tx.batch("SET LOCAL session_replication_role = replica").await {
        Ok(()) => {
            let row = tx
                .query_one("SELECT current_setting('session_replication_role')", &[])
                .await?;
            row.get::<String>(0)? == "replica"
        }
        Err(error) if error.kind() == ErrorKind::Server => false,
        Err(error) => return Err(error.into()),
    };
    tx.rollback().await?;
    Ok(allowed)
}

/// Sets it for a session, where [`probe`] said that this works: its DDL, which leaves every table as it was or concerns our
/// own state, is then no matter of event triggers either.
pub async fn set(session: &Session) -> Result<()> {
    Ok(session.batch("SET session_replication_role = replica").await?)
}
