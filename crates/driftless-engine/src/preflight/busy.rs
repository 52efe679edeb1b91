//! A lock that could not be had in time becomes an error that names the table and the processes in the way.

use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_pg::{Param, PgError, Session};

use crate::error::{EngineError, Result};

/// Whether a statement gave up waiting for a lock.
pub fn timed_out(error: &PgError) -> bool {
    error.sqlstate() == Some("55P03")
}

/// How long work waits for a lock: as long as the role's or the database's own `lock_timeout` says, otherwise long enough for
/// ordinary transactions of an application and short enough that a forgotten one is named.
const PATIENCE: &str = "SELECT pg_catalog.set_config(name, CASE reset_val WHEN '0' THEN '60s' ELSE reset_val || 'ms' END, {local}) \
     FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'";

/// Lets a session wait for locks only so long.
pub async fn be_patient(session: &Session) -> Result<()> {
    Ok(session.batch(&PATIENCE.replace("{local}", "false")).await?)
}

/// The statement that lets the current transaction wait only so long.
pub fn patience_sql() -> String {
    PATIENCE.replace("{local}", "true")
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

/// The error for tables of which one is locked by somebody else. The session must be able to run statements: a failed
/// transaction is rolled back to a savepoint first.
pub async fn error(session: &Session, tables: &[&QualifiedName]) -> Result<EngineError> {
    let holders = session.query(HOLDERS, &names(tables)).await?;
    let mut table = None;
    let mut processes = Vec::new();
    for row in &holders {
        let holder = (row.get::<String>(0)?, row.get::<i32>(1)?, row.get::<String>(2)?);
        if *table.get_or_insert_with(|| holder.0.clone()) == holder.0 {
            processes.push(format!("{} ({})", holder.1, holder.2));
        }
    }
    let place = table
        .or_else(|| tables.first().map(ToString::to_string))
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

/// Locks that others hold on these tables, the strongest first; a prepared transaction has no process.
const HOLDERS: &str = "
    SELECT n.nspname || '.' || c.relname, l.pid, coalesce(nullif(a.application_name, ''), 'no name')
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (schema, name, place)
      JOIN pg_namespace n ON n.nspname = wanted.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
      JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = c.oid AND l.granted
                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.pid <> pg_backend_pid()
     GROUP BY wanted.place, n.nspname, c.relname, l.pid, a.application_name
     ORDER BY wanted.place, l.pid";

fn names(tables: &[&QualifiedName]) -> [Param; 2] {
    let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    [Param::text_array(&schemas), Param::text_array(&names)]
}
