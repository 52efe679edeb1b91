use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use driftless_core::name::QualifiedName;
use driftless_pg::Session;

use super::build::{note, spread};
use super::{Failure, Work};
use crate::apply::guarded;
use crate::error::{InContext as _, Result};
use crate::preflight::busy;
use crate::store::aside::{AsideRecord, AsideState, Scope, mark};

/// Validates foreign keys over all sessions; those of one table, which would wait for each other, one after the other.
pub(super) async fn run(sessions: &mut [Session], scope: &Scope<'_>, work: &mut Work) -> Result<()> {
    let sizes: BTreeMap<&QualifiedName, u64> = work
        .pending
        .iter()
        .map(|(record, presence)| (&record.item.table, presence.table_size))
        .collect();
    let size = |table: &QualifiedName| sizes.get(table).copied().unwrap_or(0);
    let mut tables: BTreeMap<&QualifiedName, (u64, Vec<&AsideRecord>)> = BTreeMap::new();
    for (record, presence) in &work.pending {
        let item = &record.item;
        if item.validate.is_some() && !presence.is_validated(item) && !work.failed(record.seq) {
            // Both tables are joined.
            let parent = item.foreign.as_ref().map_or(0, |key| size(&key.parent));
            let (joined, records) = tables.entry(&item.table).or_default();
            *joined += presence.table_size + parent;
            records.push(record);
        }
    }
    // What takes longest first, so that no session ends long after the others.
    let mut jobs: Vec<(u64, Vec<&AsideRecord>)> = tables.into_values().collect();
    jobs.sort_by_key(|(joined, _)| Reverse(*joined));
    let jobs: Vec<Vec<&AsideRecord>> = jobs.into_iter().map(|(_, records)| records).collect();
    let failures = spread(sessions, &jobs, async |session, records| {
        let mut failures = Vec::new();
        if at_once(session, scope, records).await? {
            return Ok(failures);
        }
        for record in records {
            failures.extend(validate(session, scope, record).await?);
        }
        Ok(failures)
    })
    .await?;
    work.failures.extend(failures.into_iter().flatten());
    Ok(())
}

/// Tries those of one table together: nearly always all are valid. False where one is not, which leaves no trace.
async fn at_once(session: &mut Session, scope: &Scope<'_>, records: &[&AsideRecord]) -> Result<bool> {
    if records.len() < 2 {
        return Ok(false);
    }
    let tx = guarded::ddl(session, scope).await?;
    for statement in records.iter().filter_map(|record| record.item.validate.as_ref()) {
        tx.ahead(statement, &[]).await?;
    }
    let seqs: Vec<i32> = records.iter().map(|record| record.seq).collect();
    mark(&tx, scope, &seqs, AsideState::Restored, None).await?;
    match tx.commit().await {
        Ok(()) => Ok(true),
        Err(error) if guarded::concerns_item(&error) => Ok(false),
        Err(error) if busy::timed_out(&error) => {
            let parents = records.iter().filter_map(|record| record.item.foreign.as_ref());
            let tables: BTreeSet<_> = records.iter().map(|record| &record.item.table).collect();
            let concerned: Vec<_> = tables.into_iter().chain(parents.map(|key| &key.parent)).collect();
            Err(busy::error(session, &concerned).await?)
        }
        Err(error) => Err(error).context("validating foreign keys"),
    }
}

async fn validate(session: &mut Session, scope: &Scope<'_>, record: &AsideRecord) -> Result<Option<Failure>> {
    let Some(statement) = &record.item.validate else {
        return Ok(None);
    };
    let tx = guarded::ddl(session, scope).await?;
    tx.ahead(statement, &[]).await?;
    mark(&tx, scope, &[record.seq], AsideState::Restored, None).await?;
    match tx.commit().await {
        Ok(()) => Ok(None),
        Err(error) if guarded::concerns_item(&error) => {
            let failure = Failure::refused(record, &error);
            note(session, scope, &failure).await?;
            Ok(Some(failure))
        }
        Err(error) => Err(super::stopped(session, error, record).await?),
    }
}
