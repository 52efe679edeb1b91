//! What a load will do, asked of PostgreSQL by EXPLAIN: it checks every right, those behind views and functions included,
//! and touches no row. Transactions that are rolled back, like all of preflight.

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::name::quote_ident;
use driftless_core::plan::{EntityPlan, Plan};
use driftless_core::spec::WhenMissing;
use driftless_pg::{BeginMode, ErrorKind, PgError, Session, Transaction};

use super::busy;
use crate::error::Result;
use crate::introspect::right;

/// A relation that stays locked has been told about before.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '3s'";

/// A statement on trial.
struct Trial<'p> {
    entity: &'p EntityPlan,
    /// The statement's first words, for the finding.
    what: String,
    sql: String,
}

/// What the source's role cannot read although its own rights look sufficient: what views and functions need, and rows that
/// row-level security would hide.
pub async fn source(plan: &Plan, session: &mut Session, told: &[Finding]) -> Result<Vec<Finding>> {
    let trials = plan.entities.iter().map(|entity| Trial {
        entity,
        what: format!("reading {}", entity.origin.label),
        sql: read(entity),
    });
    // As the load reads it: a standby has no transactions that may write.
    let tx = session.begin(BeginMode::ReadOnlySnapshot(None)).await?;
    attempt(tx, "the source", (trials.collect(), &[]), told).await
}

/// What the target's role cannot write, and the temporary tables and functions that isolating rows takes.
pub async fn target(plan: &Plan, session: &mut Session, told: &[Finding]) -> Result<Vec<Finding>> {
    let trials = plan.entities.iter().flat_map(written).collect();
    let tx = session.begin(BeginMode::RolledBack).await?;
    let is_told = |finding: &Finding| finding.place == "the target" && is_about_rights(finding);
    let temporary: &[&str] = if told.iter().any(is_told) { &[] } else { &TEMPORARY };
    attempt(tx, "the target", (trials, temporary), told).await
}

fn read(entity: &EntityPlan) -> String {
    let columns: Vec<&str> = entity.inputs.iter().map(|input| input.select.as_str()).collect();
    let filter = entity.origin.filter.as_ref();
    let filter = filter.map_or(String::new(), |filter| format!(" WHERE ({filter}\n)"));
    format!("SELECT {} FROM {}{filter}", columns.join(", "), entity.origin.sql)
}

fn written(entity: &EntityPlan) -> Vec<Trial<'_>> {
    let table = entity.into.sql();
    let columns: Vec<String> = entity
        .columns
        .iter()
        .map(|column| quote_ident(&column.name))
        .collect();
    let (columns, key) = (columns.join(", "), key(entity));
    let trial = |what: &str, sql: String| Trial {
        entity,
        what: format!("{what} {}", entity.into),
        sql,
    };
    let mut trials = vec![
        trial(
            "writing into",
            format!("INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {table}"),
        ),
        trial("taking rows out of", format!("DELETE FROM {table} WHERE {key}")),
    ];
    let nulled = entity
        .refs
        .iter()
        .find(|site| site.missing == WhenMissing::Null && site.path.is_empty());
    if let Some(site) = nulled {
        let column = quote_ident(&site.column);
        trials.push(trial(
            "correcting rows of",
            format!("UPDATE {table} SET {column} = NULL WHERE {key}"),
        ));
    }
    trials
}

fn key(entity: &EntityPlan) -> String {
    let columns = entity.identity.target.iter();
    let parts: Vec<String> = columns
        .map(|(column, _)| format!("{} IS NULL", quote_ident(column)))
        .collect();
    if parts.is_empty() {
        "false".to_owned()
    } else {
        parts.join(" AND ")
    }
}

/// Nearly always everything goes through at once; only otherwise one by one. What was told already is not told again.
async fn attempt(
    tx: Transaction<'_>,
    side: &str,
    (trials, temporary): (Vec<Trial<'_>>, &[&str]),
    told: &[Finding],
) -> Result<Vec<Finding>> {
    let told: Vec<String> = told
        .iter()
        .filter(|finding| is_about_rights(finding))
        .map(|finding| finding.place.clone())
        .collect();
    let open = |trial: &Trial<'_>| !told.contains(&place(trial));
    let trials: Vec<Trial<'_>> = trials.into_iter().filter(open).collect();
    let mut findings = Vec::new();
    for statement in [LOCK_TIMEOUT, "SAVEPOINT trial"] {
        tx.ahead(statement, &[]).await?;
    }
    let explained = trials.iter().map(|trial| explain(&trial.sql));
    let all: Vec<String> = explained
        .chain(temporary.iter().map(ToString::to_string))
        .collect();
    if let Err(error) = tx.each(&all).await {
        refused(error)?;
        for trial in &trials {
            tx.batch("ROLLBACK TO SAVEPOINT trial").await?;
            if let Err(error) = tx.batch(&explain(&trial.sql)).await {
                findings.extend(finding(&refused(error)?, trial, side));
            }
        }
        tx.batch("ROLLBACK TO SAVEPOINT trial").await?;
        if let Err(error) = tx.each(temporary).await {
            findings.push(no_temporary(&refused(error)?));
        }
    }
    tx.rollback().await?;
    Ok(findings)
}

fn is_about_rights(finding: &Finding) -> bool {
    matches!(
        finding.code,
        code::PRIVILEGE_MISSING | code::ROW_SECURITY | code::SOURCE_UNREADABLE
    )
}

fn place(trial: &Trial<'_>) -> String {
    format!("entity {}", trial.entity.name)
}

fn explain(sql: &str) -> String {
    format!("EXPLAIN (COSTS off) {sql}")
}

/// The error, if it is the server's word on the statement.
fn refused(error: PgError) -> std::result::Result<PgError, PgError> {
    if error.kind() == ErrorKind::Server {
        Ok(error)
    } else {
        Err(error)
    }
}

fn finding(error: &PgError, trial: &Trial<'_>, side: &str) -> Option<Finding> {
    let server = error.server()?;
    let message = format!("{} is refused by {side}: {}", trial.what, server.message);
    let (code, remedy) = match right(server) {
        Some(missing) => missing,
        None if busy::timed_out(error) => return None,
        None => (
            code::SOURCE_UNREADABLE,
            "mend what PostgreSQL names, or read another relation",
        ),
    };
    Some(Finding::error(code, place(trial), message).remedy(remedy))
}

/// Rows that the target refuses are told apart in a temporary table, by a temporary function in PL/pgSQL.
const TEMPORARY: [&str; 3] = [
    "CREATE TEMPORARY TABLE driftless_trial (n int8) ON COMMIT DROP",
    "CREATE FUNCTION pg_temp.driftless_trial() RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
    "SELECT pg_temp.driftless_trial()",
];

fn no_temporary(error: &PgError) -> Finding {
    let message = error
        .server()
        .map(|server| server.message.clone())
        .unwrap_or_default();
    Finding::error(
        code::PRIVILEGE_MISSING,
        "the target",
        format!(
            "temporary tables and functions are refused, without which rows cannot be told apart: {message}"
        ),
    )
    .remedy("GRANT TEMPORARY on the database and USAGE on the language plpgsql to the role")
}
