//! A lock that could not be had in time becomes an error that names the table and the processes in the way.

use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_pg::{Param, PgError, Session};

use crate::error::{EngineError, Result};

/// Whether a statement gave up waiting for a lock.
pub fn timed_out(error: &PgError) -> bool {
    error.sqlstate() == Some("55P03")
}

/// Lets the current transaction wait for a lock as long as the role's or the database's own `lock_timeout` says, otherwise long enough
/// for ordinary transactions of an application and short enough that a forgotten one is named.
///
/// The view of all settings has the former, too, but in a new session it takes milliseconds.
pub const PATIENT: [&str; 2] = [
    "SET LOCAL lock_timeout TO DEFAULT",
    "SELECT pg_catalog.set_config('lock_timeout', '60s', true) WHERE pg_catalog.current_setting('lock_timeout') = '0'",
];

/// Lets a session wait for locks only so long.
pub async fn be_patient(session: &Session) -> Result<()> {
    let sql = "SET lock_timeout TO DEFAULT; \
        SELECT pg_catalog.set_config('lock_timeout', '60s', false) WHERE pg_catalog.current_setting('lock_timeout') = '0'";
    Ok(session.batch(sql).await?)
}

/// The statement that takes the strongest lock of every table, in the order given; nothing for none.
pub fn lock_sql(tables: &[&QualifiedName]) -> String {
    if tables.is_empty() {
        return String::new();
    }
    let names: Vec<String> = tables
        .iter()
        .map(|table| format!("ONLY {}", table.sql()))
        .collect();
    format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "))
}

/// What is asked of a table: what others hold of it is in the way, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To read its rows.
    Read,
    /// To lock single rows, as a foreign key does with those that it checks.
    KeepRows,
    /// To write, without rows of others: ROW EXCLUSIVE.
    Write,
    /// To change rows, any of which others may hold.
    Change,
    /// To change its triggers: SHARE ROW EXCLUSIVE.
    Silence,
    /// To have it alone: ACCESS EXCLUSIVE.
    Alone,
}

/// Locks of tables, the weakest first.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

impl Wish {
    /// The locks of others that are in the way: these wishes meet each one from a certain strength on.
    fn in_the_way(self) -> &'static [&'static str] {
        let weakest = match self {
            Wish::Read => 7,
            Wish::KeepRows => 6,
            Wish::Write => 4,
            // The lock of the table is one thing; rows are held by who has locked or changed them.
            Wish::Change => 1,
            Wish::Silence => 2,
            Wish::Alone => 0,
        };
        &MODES[weakest..]
    }
}

/// The error for tables of which one is locked by somebody else, where each is wished for alone. The session must be able to run
/// statements: a failed transaction is rolled back to a savepoint first.
pub async fn error(session: &Session, tables: &[&QualifiedName]) -> Result<EngineError> {
    let asked: Vec<(&QualifiedName, Wish)> = tables.iter().map(|table| (*table, Wish::Alone)).collect();
    told(session, &asked, false).await
}

/// As [`error`], where something certain is asked of each table, its partitions and inheriting tables included: whoever is not in
/// the way of that is not named.
pub async fn error_asking(session: &Session, asked: &[(&QualifiedName, Wish)]) -> Result<EngineError> {
    told(session, asked, true).await
}

async fn told(session: &Session, asked: &[(&QualifiedName, Wish)], below: bool) -> Result<EngineError> {
    let holders = session.query(HOLDERS, &parameters(asked, below)).await?;
    let mut table = None;
    let mut processes = Vec::new();
    for row in &holders {
        let holder = (row.get::<String>(0)?, row.get::<i32>(1)?, row.get::<String>(2)?);
        if *table.get_or_insert_with(|| holder.0.clone()) == holder.0 {
            processes.push(format!("{} ({})", holder.1, holder.2));
        }
    }
    let place = table
        .or_else(|| asked.first().map(|(table, _)| table.to_string()))
        .unwrap_or_default();
    let message = if processes.is_empty() {
        "it was locked by another session, which has finished by now".to_owned()
    } else {
        format!("it is locked by process {}", processes.join(", "))
    };
    Ok(EngineError::new(code::TARGET_BUSY, format!("table {place}"), message).remedy(
        "wait until the other session has finished, or end it with SELECT pg_terminate_backend(PROCESS), then try \
         again",
    ))
}

/// Locks of these modes ($3, joined by commas) that others hold on these tables and, where $4 says so, on what is below them; a
/// prepared transaction has no process.
const HOLDERS: &str = "
    WITH RECURSIVE wanted (place, oid, modes) AS (
        SELECT w.place, c.oid, string_to_array(w.modes, ',')
          FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (schema, name, modes, place)
          JOIN pg_namespace n ON n.nspname = w.schema
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
         UNION
        SELECT w.place, i.inhrelid, w.modes FROM wanted w JOIN pg_inherits i ON i.inhparent = w.oid WHERE $4::bool
    )
    SELECT n.nspname || '.' || c.relname, l.pid, coalesce(nullif(a.application_name, ''), 'no name')
      FROM wanted
      JOIN pg_class c ON c.oid = wanted.oid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = c.oid AND l.granted AND l.mode = ANY (wanted.modes)
                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.pid <> pg_backend_pid()
     GROUP BY wanted.place, n.nspname, c.relname, l.pid, a.application_name
     ORDER BY wanted.place, n.nspname, c.relname, l.pid";

fn parameters(asked: &[(&QualifiedName, Wish)], below: bool) -> [Param; 4] {
    let schemas: Vec<&str> = asked.iter().map(|(table, _)| table.schema.as_str()).collect();
    let names: Vec<&str> = asked.iter().map(|(table, _)| table.name.as_str()).collect();
    let modes: Vec<String> = asked
        .iter()
        .map(|(_, wish)| wish.in_the_way().join(","))
        .collect();
    [
        Param::text_array(&schemas),
        Param::text_array(&names),
        Param::text_array(&modes),
        Param::bool(below),
    ]
}
