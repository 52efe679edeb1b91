//! The rehearsal: everything that would be set aside is dropped and put back in one transaction that is rolled back. What
//! this role cannot drop or cannot put back exactly stays in place during the load, with PostgreSQL's own reason.
//!
//! The tables are empty, so this takes moments, and foreign keys of tables with rows are not validated; locks are waited for only as
//! long as the caller says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftless_core::name::{QualifiedName, quote_literal};
use driftless_core::plan::aside::{AsideItem, AsideKind, Kept};
use driftless_pg::{BeginMode, ErrorKind, Param, PgError, Row, Session, Transaction};

use super::busy;
use crate::error::{EngineError, InContext as _, Result};

/// What remains of a decision after the rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rehearsed {
    /// What can be dropped and put back, in dropping order.
    pub items: Vec<AsideItem>,
    /// What stays, beside what was decided before.
    pub kept: Vec<Kept>,
}

/// Tries to drop and restore the items, without those that turn out impossible, until all that remain go through.
///
/// # Errors
/// `TARGET_BUSY`, naming table and processes, if a lock is not had within `lock_timeout`; what servers and
/// connections refuse otherwise.
pub async fn rehearse(
    session: &mut Session,
    items: Vec<AsideItem>,
    lock_timeout: Duration,
) -> Result<Rehearsed> {
    let mut rehearsed = Rehearsed {
        items,
        kept: Vec::new(),
    };
    if rehearsed.items.is_empty() {
        return Ok(rehearsed);
    }
    let tx = session.begin(BeginMode::RolledBack).await?;
    let patience = format!("SET LOCAL lock_timeout = {}", lock_timeout.as_millis());
    for statement in [&patience, "SET LOCAL search_path TO DEFAULT", "SAVEPOINT start"] {
        tx.ahead(statement, &[]).await?;
    }
    let published = locked(&tx, &rehearsed.items).await?;
    rehearsed.exclude(&published);
    tx.ahead("SAVEPOINT round", &[]).await?;
    loop {
        let refused = round(&tx, &rehearsed.items).await?;
        if refused.is_empty() {
            break;
        }
        rehearsed.exclude(&refused);
        tx.ahead("ROLLBACK TO SAVEPOINT round", &[]).await?;
    }
    tx.rollback().await?;
    Ok(rehearsed)
}

/// Items by number, and why they stay.
type Refused = BTreeMap<usize, String>;

impl Rehearsed {
    fn exclude(&mut self, refused: &Refused) {
        let items = std::mem::take(&mut self.items);
        for (number, item) in items.into_iter().enumerate() {
            match refused.get(&number) {
                None => self.items.push(item),
                // It is a help, and nobody misses it.
                Some(_) if item.kind == AsideKind::Autovacuum => {}
                Some(reason) => self.kept.push(Kept {
                    table: item.table,
                    kind: item.kind,
                    name: item.name,
                    reason: reason.clone(),
                }),
            }
        }
    }
}

/// Takes every table's lock first, in one order, so that a busy table is named and nothing is waited for later. Gives what has to
/// stay for publications.
async fn locked(tx: &Transaction<'_>, items: &[AsideItem]) -> Result<Refused> {
    let alone = items.iter().filter(|item| item.needs_table_alone());
    let tables: BTreeSet<&QualifiedName> = alone.map(|item| &item.table).collect();
    let tables: Vec<&QualifiedName> = tables.into_iter().collect();
    if !tables.is_empty() {
        tx.ahead(&busy::lock_sql(&tables), &[]).await?;
    }
    match tx.query(PUBLISHED, &names(items)).await {
        Ok(rows) => published(&rows, items),
        Err(error) => Err(refusal(tx, "start", error, &tables).await?),
    }
}

fn tables(items: &[AsideItem]) -> BTreeSet<&QualifiedName> {
    items.iter().map(|item| &item.table).collect()
}

/// One round: all drops, all restores, and whether everything looks as before.
async fn round(tx: &Transaction<'_>, items: &[AsideItem]) -> Result<Refused> {
    // Nearly always everything goes through: then one round trip is enough.
    let batch = all_at_once(items);
    let (before, tried, after) = tokio::join!(appearance(tx, items), tx.batch(&batch), appearance(tx, items));
    let before = before?;
    let after = match tried {
        Ok(()) => after?,
        Err(error) if error.kind() == ErrorKind::Server => {
            tx.batch("ROLLBACK TO SAVEPOINT item").await?;
            let refused = one_by_one(tx, items).await?;
            if !refused.is_empty() {
                return Ok(refused);
            }
            appearance(tx, items).await?
        }
        Err(error) => return Err(error).context("rehearsal"),
    };
    Ok(changed(items, &before, &after))
}

/// Everything in one batch, behind a savepoint.
fn all_at_once(items: &[AsideItem]) -> String {
    let drops = items.iter().map(|item| item.drop_sql.clone());
    let statements: Vec<String> = drops.chain(items.iter().rev().map(restoration)).collect();
    format!(
        "SAVEPOINT item;\n{};\nRELEASE SAVEPOINT item",
        statements.join(";\n")
    )
}

async fn one_by_one(tx: &Transaction<'_>, items: &[AsideItem]) -> Result<Refused> {
    let mut refused = Refused::new();
    for (number, item) in items.iter().enumerate() {
        if let Some(reason) = attempt(tx, item, &item.drop_sql).await? {
            refused.insert(number, reason);
        }
    }
    for (number, item) in items.iter().enumerate().rev() {
        // A foreign key would be blamed for its parent's key that has just not come back: the next round tells.
        if item.kind == AsideKind::ForeignKey && !refused.is_empty() {
            break;
        }
        if refused.contains_key(&number) {
            continue;
        }
        if let Some(reason) = attempt(tx, item, &restoration(item)).await? {
            refused.insert(number, format!("it could not be put back: {reason}"));
        }
    }
    Ok(refused)
}

/// All statements that put an item back, as one batch.
fn restoration(item: &AsideItem) -> String {
    let tablespace = quote_literal(&item.tablespace);
    let mut statements = vec![format!("SET LOCAL default_tablespace = {tablespace}")];
    statements.extend(item.build.clone());
    statements.extend(item.restore.iter().cloned());
    if !item.filled {
        statements.extend(item.validate.clone());
    }
    statements.join(";\n")
}

/// Runs an item's statements behind a savepoint; PostgreSQL's reason if it refuses.
async fn attempt(tx: &Transaction<'_>, item: &AsideItem, sql: &str) -> Result<Option<String>> {
    let batch = format!("SAVEPOINT item;\n{sql};\nRELEASE SAVEPOINT item");
    match tx.batch(&batch).await {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Server && !busy::timed_out(&error) => {
            tx.batch("ROLLBACK TO SAVEPOINT item").await?;
            Ok(Some(reason(&error)))
        }
        Err(error) => {
            let parent = item.foreign.as_ref().map(|foreign| &foreign.parent);
            let tables: Vec<_> = std::iter::once(&item.table).chain(parent).collect();
            Err(refusal(tx, "item", error, &tables).await?)
        }
    }
}

/// The error of a statement that forbids going on.
async fn refusal(
    tx: &Transaction<'_>,
    savepoint: &str,
    error: PgError,
    tables: &[&QualifiedName],
) -> Result<EngineError> {
    if busy::timed_out(&error) {
        tx.batch(&format!("ROLLBACK TO SAVEPOINT {savepoint}")).await?;
        return busy::error(tx, tables).await;
    }
    let place = tables.first().map(ToString::to_string).unwrap_or_default();
    Ok(EngineError::from(error).context(format!("rehearsal on table {place}")))
}

/// What PostgreSQL says; of DDL on empty tables it holds no row's values.
fn reason(error: &PgError) -> String {
    let Some(server) = error.server() else {
        return error.cause().to_owned();
    };
    let text = match &server.detail {
        Some(detail) => format!("{}: {detail}", server.message),
        None => server.message.clone(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is said of the tables: (schema, table, name of the thing, text), the table itself under the empty name.
type Appearance = BTreeSet<(String, String, String, String)>;

async fn appearance(tx: &Transaction<'_>, items: &[AsideItem]) -> Result<Appearance> {
    let [schemas, tables] = names(items);
    let filled = items.iter().filter(|item| item.filled);
    let open: Vec<&str> = filled.map(|item| item.name.as_str()).collect();
    let rows = tx
        .query(
            include_str!("rehearsal.sql"),
            &[schemas, tables, Param::text_array(&open)],
        )
        .await
        .context("rehearsal")?;
    rows.iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .collect()
}

/// Items that look otherwise than before; all items of a table that itself does.
fn changed(items: &[AsideItem], before: &Appearance, after: &Appearance) -> Refused {
    let differing: BTreeSet<(&str, &str, &str)> = before
        .symmetric_difference(after)
        .map(|(schema, table, name, _)| (schema.as_str(), table.as_str(), name.as_str()))
        .collect();
    let differs = |item: &AsideItem| {
        ["", &item.name]
            .into_iter()
            .any(|name| differing.contains(&(item.table.schema.as_str(), item.table.name.as_str(), name)))
    };
    items
        .iter()
        .enumerate()
        .filter(|(_, item)| differs(item))
        .map(|(number, _)| (number, "it would not come back exactly as it is".to_owned()))
        .collect()
}

/// Keys that a publication needs while rows are corrected: without them UPDATE and DELETE fail on the table.
fn published(rows: &[Row], items: &[AsideItem]) -> Result<Refused> {
    let mut refused = Refused::new();
    for row in rows {
        let (schema, table): (String, String) = (row.get(0)?, row.get(1)?);
        let (index, publication): (Option<String>, String) = (row.get(2)?, row.get(3)?);
        for (number, item) in items.iter().enumerate() {
            let identity = match &index {
                Some(index) => item.name == *index,
                None => item.kind == AsideKind::Primary,
            };
            if identity && item.table.schema == schema && item.table.name == table {
                refused.insert(
                    number,
                    format!("publication {publication} needs it as the replica identity"),
                );
            }
        }
    }
    Ok(refused)
}

/// Tables of publications of updates or deletes, with the index of their replica identity unless it is the primary key.
const PUBLISHED: &str = "
    SELECT t.schemaname::text, t.tablename::text, i.relname::text, min(p.pubname::text)
      FROM pg_publication_tables t
      JOIN pg_publication p ON p.pubname = t.pubname AND (p.pubupdate OR p.pubdelete)
      JOIN unnest($1::text[], $2::text[]) AS w (schema, name) ON w.schema = t.schemaname AND w.name = t.tablename
      JOIN pg_namespace n ON n.nspname = t.schemaname
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename AND c.relreplident IN ('d', 'i')
      LEFT JOIN pg_index x ON x.indrelid = c.oid AND x.indisreplident AND c.relreplident = 'i'
      LEFT JOIN pg_class i ON i.oid = x.indexrelid
     GROUP BY 1, 2, 3";

fn names(items: &[AsideItem]) -> [Param; 2] {
    let tables = tables(items);
    let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    [Param::text_array(&schemas), Param::text_array(&names)]
}
