use std::collections::BTreeSet;

use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::{AsideItem, Silencing};
use driftless_pg::{Session, Transaction};

use super::presence::{self, Presence};
use crate::apply::guarded;
use crate::crash;
use crate::error::Result;
use crate::preflight::busy;
use crate::store::aside::{AsideRecord, AsideState, Scope, list, mark, owe_reload, record};

/// Most things dropped in one transaction. Each holds a few locks until the end, and a server with default settings has
/// room for some six thousand; platforms reload their API's cache once per transaction, so smaller is worse.
const BATCH: usize = 1000;

/// Records the items and drops them, in one transaction if possible; where there are too many for that, or some were dropped before, when all
/// of them are on record. Items that an earlier run dropped and did not restore are not recorded
/// again; what it had put back by half is dropped once more: an index whose constraint is missing, a foreign key that is
/// not yet valid. What it had recorded and not dropped stands in place: it is recorded as it stands now, or not at all.
/// The answer is everything that is aside then.
///
/// # Errors
/// `TARGET_BUSY` if a table is locked for longer than DDL waits: nothing of that transaction is dropped then.
pub async fn set_aside(
    session: &mut Session,
    scope: &Scope<'_>,
    items: &[AsideItem],
) -> Result<Vec<AsideRecord>> {
    let tx = guarded::ddl(session, scope).await?;
    record(&tx, scope, items).await?;
    let mut records = list(&tx, scope).await?;
    records.retain(|record| record.state != AsideState::Restored);
    // What nobody has begun to drop is all there.
    if records.len() <= BATCH && records.iter().all(|record| record.state == AsideState::Recorded) {
        let due = in_order(records.clone());
        let removed = remove(tx, scope, &due).await;
        told(session, &due, removed).await?;
        return Ok(records);
    }
    // There is too much of it for one transaction, or some of it has to be looked for.
    tx.commit().await?;
    let there = presence::look(session, &records).await?;
    let due = records
        .iter()
        .cloned()
        .zip(there)
        .filter_map(|(record, there)| due(record, &there));
    for batch in in_order(due).chunks(BATCH) {
        let tx = guarded::ddl(session, scope).await?;
        let removed = remove(tx, scope, batch).await;
        told(session, batch, removed).await?;
    }
    Ok(records)
}

/// In the order of dropping.
fn in_order(due: impl IntoIterator<Item = AsideRecord>) -> Vec<AsideRecord> {
    let mut due: Vec<AsideRecord> = due.into_iter().collect();
    due.sort_by_key(|record| (record.item.kind, record.seq));
    due
}

/// A record of something that is still, or again, to be taken away, with the statement that does it.
fn due(mut record: AsideRecord, there: &Presence) -> Option<AsideRecord> {
    if record.state != AsideState::Recorded {
        record.item.drop_sql = there.removal(&record.item)?;
    }
    Some(record)
}

/// The tables of records that need them alone, in one order for everybody.
fn tables(records: &[AsideRecord]) -> Vec<&QualifiedName> {
    let items = records.iter().map(|record| &record.item);
    let alone = items.filter(|item| item.needs_table_alone());
    let tables: BTreeSet<&QualifiedName> = alone.map(|item| &item.table).collect();
    tables.into_iter().collect()
}

/// Drops things, and commits. What of all this is refused is told at the end, and then nothing of it stays.
async fn remove(tx: Transaction<'_>, scope: &Scope<'_>, records: &[AsideRecord]) -> Result<()> {
    if !records.is_empty() {
        let tables = tables(records);
        if !tables.is_empty() {
            tx.ahead(&busy::lock_sql(&tables), &[]).await?;
        }
        for record in records {
            tx.ahead(&record.item.drop_sql, &[]).await?;
        }
        let seqs: Vec<i32> = records.iter().map(|record| record.seq).collect();
        mark(&tx, scope, &seqs, AsideState::Dropped, None).await?;
        if scope.silencing == Silencing::ReplicaRole {
            owe_reload(&tx, scope).await?;
        }
    }
    crash::point("aside-before-commit");
    Ok(tx.commit().await?)
}

/// Says who was in the way.
async fn told(session: &Session, records: &[AsideRecord], removed: Result<()>) -> Result<()> {
    match removed {
        Ok(()) => Ok(()),
        Err(error) if error.pg().is_some_and(busy::timed_out) => {
            let parents = records.iter().filter_map(|record| record.item.foreign.as_ref());
            let parents = parents.map(|key| &key.parent);
            let concerned: Vec<_> = tables(records).into_iter().chain(parents).collect();
            Err(busy::error(session, &concerned).await?)
        }
        Err(error) => Err(error.context("setting constraints and indexes aside")),
    }
}
