use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};

use driftless_core::name::quote_literal;
use driftless_pg::Session;
use futures_util::future::join_all;

use super::presence::Presence;
use super::queue::{Job, Queue, Sized};
use super::workers::allow;
use super::{Failure, Mending, Work};
use crate::apply::guarded;
use crate::error::Result;
use crate::store::aside::{AsideRecord, AsideState, Scope, mark};

/// Builds the missing indexes over all sessions, those of the largest table first; of those that rows keep from being built, again
/// when rows have left. The first session has them leave.
pub(super) async fn run(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    work: &mut Work,
    mending: &impl Mending,
) -> Result<()> {
    let queue = Queue::new(missing(&work.pending), sessions.len(), mending.reach());
    let builders = sessions.iter_mut().enumerate().map(async |(number, session)| {
        while let Some(job) = queue.next(number == 0).await {
            let done = match job {
                Job::Build(sized, workers) => build(session, scope, sized.0, workers)
                    .await
                    .map(|failure| queue.built(sized, failure)),
                Job::Mend(broken) => mend(session, &broken, mending)
                    .await
                    .map(|left| queue.mended(broken, left)),
            };
            if let Err(error) = done {
                queue.stop();
                return Err(error);
            }
        }
        Ok(())
    });
    // Each ends what it has begun: the locks of what is left behind would stand in the way of what comes next.
    let done: Vec<Result<()>> = join_all(builders).await;
    done.into_iter().collect::<Result<()>>()?;
    work.failures.extend(queue.failures());
    Ok(())
}

async fn mend(
    session: &mut Session,
    broken: &[(Sized<'_>, Failure)],
    mending: &impl Mending,
) -> Result<bool> {
    let mut left = false;
    for ((record, _), _) in broken {
        left |= mending.mend(session, record).await?;
    }
    Ok(left)
}

/// What is still to be built, that of the largest table first, with the size of that.
pub(super) fn missing(pending: &[(AsideRecord, Presence)]) -> Vec<(&AsideRecord, u64)> {
    let mut missing: Vec<&(AsideRecord, Presence)> = pending
        .iter()
        .filter(|(record, presence)| {
            let item = &record.item;
            item.build.is_some() && !presence.has_index(item) && !presence.has_constraint(item)
        })
        .collect();
    missing.sort_by_key(|(record, presence)| (Reverse(presence.table_size), record.seq));
    missing
        .into_iter()
        .map(|(record, presence)| (record, presence.table_size))
        .collect()
}

/// Hands jobs to sessions as they become free; what the jobs gave, in no order.
///
/// # Errors
/// The first error, after the other sessions have ended the jobs that they had begun.
pub(in crate::apply) async fn spread<J, R>(
    sessions: &mut [Session],
    jobs: &[J],
    run: impl AsyncFn(&mut Session, &J) -> Result<R>,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let workers = sessions.iter_mut().map(async |session| {
        let mut results = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            match run(session, job).await {
                Ok(result) => results.push(result),
                Err(error) => {
                    next.store(jobs.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(results)
    });
    let results: Vec<Vec<R>> = join_all(workers).await.into_iter().collect::<Result<_>>()?;
    Ok(results.into_iter().flatten().collect())
}

/// Builds one index. Where nothing else is to be done for it, that restores it, in the same transaction.
pub(super) async fn build(
    session: &mut Session,
    scope: &Scope<'_>,
    record: &AsideRecord,
    workers: u64,
) -> Result<Option<Failure>> {
    let Some(create) = &record.item.build else {
        return Ok(None);
    };
    let tx = guarded::ddl(session, scope).await?;
    allow(&tx, workers).await?;
    let tablespace = quote_literal(&record.item.tablespace);
    tx.ahead(&format!("SET LOCAL default_tablespace = {tablespace}"), &[])
        .await?;
    tx.ahead(create, &[]).await?;
    if record.item.restore.is_empty() {
        mark(&tx, scope, &[record.seq], AsideState::Restored, None).await?;
    }
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

/// Records a failure in a transaction of its own.
pub(super) async fn note(session: &mut Session, scope: &Scope<'_>, failure: &Failure) -> Result<()> {
    let tx = guarded::ddl(session, scope).await?;
    let seqs = [failure.record.seq];
    mark(&tx, scope, &seqs, AsideState::Failed, Some(&failure.reason)).await?;
    Ok(tx.commit().await?)
}
