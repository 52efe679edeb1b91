//! How much a relation holds, and whether it holds anything.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::{Oid, RelationKind};
use driftless_core::code;
use driftless_pg::{PgError, Row, Session};
use futures_util::future::try_join_all;

use super::relation::Found;
use super::{Wanted, oid_array};
use crate::error::{EngineError, Result};

const SIZES: &str = include_str!("sql/sizes.sql");

/// One statement looks into at most this many relations: the planner keeps every branch of a UNION in memory.
const LOOKED_AT_ONCE: usize = 500;

/// How long to wait for a relation that somebody else holds exclusively (ALTER TABLE, VACUUM FULL).
const LOCK_TIMEOUT: &str = "5s";

/// SQLSTATE of a lock that did not come in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// How long the session waits for locks otherwise.
pub(super) async fn patience(session: &Session) -> Result<String> {
    let sql = "SELECT pg_catalog.current_setting('lock_timeout')";
    Ok(session.query_one(sql, &[]).await?.get(0)?)
}

/// Sizes of relations, and whether there are rows in them.
#[derive(Default)]
pub(super) struct Seen {
    sizes: Vec<Row>,
    filled: Vec<Row>,
}

/// Looks for sizes and rows, all in one round trip. Only relations named in `wanted` are opened; of the others sizes are the
/// planner's. `patience` is what the session goes back to.
pub(super) async fn look(
    session: &Session,
    wanted: &Wanted,
    found: &BTreeMap<Oid, Found>,
    patience: &str,
) -> Result<Seen> {
    let named = named(wanted, found);
    let params = [oid_array(found.keys()), oid_array(&named)];
    if named.is_empty() {
        let sizes = session.query(SIZES, &params).await?;
        return Ok(Seen {
            sizes,
            ..Seen::default()
        });
    }
    let visible: Vec<&Found> = named.iter().filter_map(|oid| found.get(oid)).collect();
    let visible: Vec<&Found> = visible.into_iter().filter(|found| found.rows_visible).collect();
    let questions = visible.chunks(LOOKED_AT_ONCE).map(|some| {
        let parts: Vec<String> = some.iter().map(|found| exists(found)).collect();
        parts.join(" UNION ALL ")
    });
    let questions: Vec<String> = questions.collect();
    let (impatient, patient) = (set_lock_timeout(LOCK_TIMEOUT), set_lock_timeout(patience));
    let (set, sizes, filled, restored) = tokio::join!(
        session.batch(&impatient),
        session.query(SIZES, &params),
        try_join_all(questions.iter().map(|sql| session.query(sql, &[]))),
        session.batch(&patient)
    );
    set?;
    let seen = Seen {
        sizes: sizes.map_err(busy)?,
        filled: filled.map_err(busy)?.into_iter().flatten().collect(),
    };
    // In a transaction that failed the setting goes back with it.
    restored?;
    Ok(seen)
}

impl Seen {
    /// Fills in what was seen. `has_rows` stays true where rows cannot be looked at.
    pub(super) fn note(self, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
        for row in self.sizes {
            if let Some(found) = found.get_mut(&row.get(0)?) {
                found.relation.estimated_rows = row.get(1)?;
                found.relation.bytes = row.get(2)?;
                found.relation.pages = row.get(3)?;
            }
        }
        for row in self.filled {
            if let Some(found) = found.get_mut(&row.get(0)?) {
                found.relation.has_rows = row.get(1)?;
            }
        }
        Ok(())
    }
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

fn busy(error: PgError) -> EngineError {
    if error.sqlstate() != Some(LOCK_NOT_AVAILABLE) {
        return error.into();
    }
    EngineError::new(
        code::TARGET_BUSY,
        error.place(),
        format!("a table stayed locked by another session for {LOCK_TIMEOUT} while it was looked at"),
    )
    .remedy("find the session with pg_locks and pg_stat_activity, let it finish, and run the command again")
}
