//! How much a relation holds, and whether it holds anything.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::{Oid, RelationKind};
use driftless_core::code;
use driftless_pg::{PgError, Session};

use super::relation::Found;
use super::{Wanted, oid_array};
use crate::error::{EngineError, Result};

const SIZES: &str = include_str!("sql/sizes.sql");

/// One statement looks into at most this many relations: the planner keeps every branch of a UNION in memory.
const LOOKED_AT_ONCE: usize = 500;

/// How long to wait for a relation that somebody else holds exclusively (ALTER TABLE, VACUUM FULL).
const LOCK_TIMEOUT: &str = "10s";

/// SQLSTATE of a lock that did not come in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Fills in sizes and whether there are rows. Only relations named in `wanted` are opened; of the others sizes are the
/// planner's, and `has_rows` stays true, as it does where rows cannot be looked at.
pub(super) async fn rows(session: &Session, wanted: &Wanted, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    let named = named(wanted, found);
    if named.is_empty() {
        return sizes(session, &named, found).await;
    }
    let before: String = session
        .query_one("SELECT pg_catalog.current_setting('lock_timeout')", &[])
        .await?
        .get(0)?;
    session.batch(&set_lock_timeout(LOCK_TIMEOUT)).await?;
    let looked = look(session, &named, found).await;
    // In a transaction that failed the setting goes back with it.
    let restored = session.batch(&set_lock_timeout(&before)).await;
    looked.map_err(busy)?;
    restored?;
    Ok(())
}

fn set_lock_timeout(value: &str) -> String {
    format!("SET lock_timeout = {}", driftless_pg::quote_literal(value))
}

fn named(wanted: &Wanted, found: &BTreeMap<Oid, Found>) -> BTreeSet<Oid> {
    let names: BTreeSet<_> = wanted.relations.iter().collect();
    found
        .iter()
        .filter(|(_, found)| names.contains(&found.relation.name))
        .map(|(oid, _)| *oid)
        .collect()
}

async fn look(session: &Session, named: &BTreeSet<Oid>, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    sizes(session, named, found).await?;
    let visible: Vec<Oid> = named
        .iter()
        .copied()
        .filter(|oid| found.get(oid).is_some_and(|found| found.rows_visible))
        .collect();
    for some in visible.chunks(LOOKED_AT_ONCE) {
        let parts: Vec<String> = some.iter().filter_map(|oid| found.get(oid)).map(exists).collect();
        for row in session.query(&parts.join(" UNION ALL "), &[]).await? {
            if let Some(found) = found.get_mut(&row.get(0)?) {
                found.relation.has_rows = row.get(1)?;
            }
        }
    }
    Ok(())
}

/// A partition root has no rows of its own; of an ordinary table only its own count, since only they are in the way.
fn exists(found: &Found) -> String {
    let only = match found.relation.kind {
        RelationKind::Table => "ONLY ",
        _ => "",
    };
    format!(
        "SELECT {}::oid, EXISTS (SELECT FROM {only}{})",
        found.relation.oid,
        found.relation.name.sql()
    )
}

async fn sizes(session: &Session, named: &BTreeSet<Oid>, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    let params = [oid_array(found.keys()), oid_array(named)];
    for row in session.query(SIZES, &params).await? {
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.estimated_rows = row.get(1)?;
            found.relation.bytes = row.get(2)?;
            found.relation.pages = row.get(3)?;
        }
    }
    Ok(())
}

fn busy(error: EngineError) -> EngineError {
    if error.pg().and_then(PgError::sqlstate) != Some(LOCK_NOT_AVAILABLE) {
        return error;
    }
    EngineError::new(
        code::TARGET_BUSY,
        error.pg().map(PgError::place).unwrap_or_default(),
        format!("a table stayed locked by another session for {LOCK_TIMEOUT} while it was looked at"),
    )
    .remedy("find the session with pg_locks and pg_stat_activity, let it finish, and run the command again")
}
