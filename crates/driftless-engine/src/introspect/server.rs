//! Facts about the server and the role.

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_pg::Session;

use crate::error::{EngineError, Result};

const SERVER: &str = include_str!("sql/server.sql");

/// A catalog without relations.
pub(super) async fn facts(session: &Session) -> Result<Catalog> {
    let row = session.query_one(SERVER, &[]).await?;
    let version: i32 = row.get(0)?;
    let server_version = u32::try_from(version).map_err(|_| {
        EngineError::new(
            code::INTERNAL,
            "introspection",
            format!("server_version_num is {version}"),
        )
    })?;
    Ok(Catalog {
        server_version,
        encoding: row.get(1)?,
        role: row.get(2)?,
        superuser: row.get(3)?,
        bypass_rls: row.get(4)?,
        may_create_temp: row.get(5)?,
        may_create_schema: row.get(6)?,
        read_only: row.get(7)?,
        money_digits: row.get(8)?,
        ..Catalog::default()
    })
}
