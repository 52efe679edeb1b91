//! `session_replication_role = replica`: only trying tells. Catalogs say no where a platform allows it by other means.

use driftless_pg::{ErrorKind, Session};

use crate::error::Result;

/// Whether this role may set the replica role. Sets it, for the statement alone that does so, and reads it back. Not in a
/// transaction.
pub async fn probe(session: &Session) -> Result<bool> {
    const TRY: &str = "SELECT pg_catalog.set_config('session_replication_role', 'replica', true)";
    match session.query_one(TRY, &[]).await {
        Ok(row) => Ok(row.get::<String>(0)? == "replica"),
        Err(error) if error.kind() == ErrorKind::Server => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What sets it for a session.
pub const SET: &str = "SET session_replication_role = replica";

/// Sets it for a session, where [`probe`] said that this works: its DDL, which leaves every table as it was or concerns our
/// own state, is then no matter of event triggers either.
pub async fn set(session: &Session) -> Result<()> {
    Ok(session.batch(SET).await?)
}
