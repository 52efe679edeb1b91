use std::collections::BTreeSet;

use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::{AsideItem, Silencing};
use driftless_pg::Session;

use super::presence::{self, Presence};
use crate::apply::guarded;
use crate::crash;
use crate::error::{InContext as _, Result};
use crate::preflight::busy;
use crate::store::aside::{AsideRecord, AsideState, Scope, list, mark, owe_reload, record};

/// Most things dropped in one transaction. Each holds a few locks until the end, and a server with default settings has
/// room for some six thousand; platforms reload their API's cache once per transaction, so smaller is worse.
const BATCH: usize = 1000;

/// Records the items, commits, then drops them. Items that an earlier run dropped and did not restore are not recorded
/// again; what it had put back by half is dropped once more: an index whose constraint is missing, a foreign key that is
/// not yet valid. What it had recorded and not dropped stands in place: it is recorded as it stands now, or not at all.
///
/// # Errors
/// `TARGET_BUSY` if a table is locked for longer than DDL waits: nothing of that transaction is dropped then.
pub async fn set_aside(session: &mut Session, scope: &Scope<'_>, items: &[AsideItem]) -> Result<()> {
    let tx = guarded::ddl(session, scope).await?;
    record(&tx, scope, items).await?;
    tx.commit().await?;
    crash::point("aside-recorded");
    let records: Vec<AsideRecord> = list(session, scope)
        .await?
        .into_iter()
        .filter(|record| record.state != AsideState::Restored)
        .collect();
    // What nobody has begun to drop is all there.
    let there = if records.iter().all(|record| record.state == AsideState::Recorded) {
        vec![Presence::default(); records.len()]
    } else {
        presence::look(session, &records).await?
    };
    let mut due: Vec<AsideRecord> = records
        .into_iter()
        .zip(there)
        .filter_map(|(record, there)| due(record, &there))
        .collect();
    due.sort_by_key(|record| (record.item.kind, record.seq));
    for batch in due.chunks(BATCH) {
        remove(session, scope, batch).await?;
    }
    Ok(())
}

/// A record of something that is still, or again, to be taken away, with the statement that does it.
fn due(mut record: AsideRecord, there: &Presence) -> Option<AsideRecord> {
    if record.state != AsideState::Recorded {
        record.item.drop_sql = there.removal(&record.item)?;
    }
    Some(record)
}

async fn remove(session: &mut Session, scope: &Scope<'_>, records: &[AsideRecord]) -> Result<()> {
    let tables: BTreeSet<&QualifiedName> = records.iter().map(|record| &record.item.table).collect();
    let tables: Vec<&QualifiedName> = tables.into_iter().collect();
    let drops: Vec<&str> = records
        .iter()
        .map(|record| record.item.drop_sql.as_str())
        .collect();
    let seqs: Vec<i32> = records.iter().map(|record| record.seq).collect();
    let tx = guarded::ddl(session, scope).await?;
    tx.ahead(&busy::lock_sql(&tables), &[]).await?;
    for drop in drops {
        tx.ahead(drop, &[]).await?;
    }
    mark(&tx, scope, &seqs, AsideState::Dropped, None).await?;
    if scope.silencing == Silencing::ReplicaRole {
        owe_reload(&tx, scope).await?;
    }
    // What of all this is refused is told here, and then nothing of it stays.
    match tx.commit().await {
        Ok(()) => Ok(()),
        Err(error) if busy::timed_out(&error) => {
            let parents = records.iter().filter_map(|record| record.item.foreign.as_ref());
            let concerned: Vec<_> = tables.into_iter().chain(parents.map(|key| &key.parent)).collect();
            Err(busy::error(session, &concerned).await?)
        }
        Err(error) => Err(error).context("setting constraints and indexes aside"),
    }
}
