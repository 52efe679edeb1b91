//! Single rows read again when their entities are loaded, and identities told apart before and behind it.

use std::sync::atomic::Ordering;

use driftless_core::plan::Plan;
use driftless_core::plan::aside::Silencing;
use driftless_pg::Session;
use futures_util::future::try_join_all;

use crate::apply::chunk::ChunkWork;
use crate::apply::lane::Lane;
use crate::apply::proof::{self, Corrections};
use crate::apply::retry::Retrying;
use crate::apply::reunite::{Nulled, may_null};
use crate::apply::write::Parents;
use crate::error::Result;
use crate::store::aside::Scope;
use crate::store::reject::{self, Due};

/// Tries everything of an entity again that is due. Gives how much that is.
pub(super) async fn due(
    work: &ChunkWork<'_, '_>,
    lane: &mut Lane,
    due: Due,
    parents: Parents,
) -> Result<usize> {
    let (mut tried, mut last) = (0, String::new());
    let how = Retrying {
        before: true,
        parents,
    };
    loop {
        let keys = reject::due(&lane.writer, work.store, work.entity(), due, &last).await?;
        let Some(end) = keys.last() else {
            return Ok(tried);
        };
        last.clone_from(end);
        tried += keys.len();
        work.retry(lane, &keys, how).await?;
    }
}

/// The entities of which something is due, asked for all of them at once.
pub(super) async fn with_due<'w, 's, 'p>(
    works: &[&'w ChunkWork<'s, 'p>],
    lane: &Lane,
    due: Due,
) -> Result<Vec<&'w ChunkWork<'s, 'p>>> {
    let asked = works
        .iter()
        .map(|work| reject::due(&lane.writer, work.store, work.entity(), due, ""));
    let keys = try_join_all(asked).await?;
    let found = works.iter().zip(keys).filter(|(_, keys)| !keys.is_empty());
    Ok(found.map(|(work, _)| *work).collect())
}

/// Gives rows the references back that were made null before their parents came. Where foreign keys are silent none was.
pub(super) async fn reunite(
    works: &[&ChunkWork<'_, '_>],
    lane: &mut Lane,
    silencing: Silencing,
) -> Result<()> {
    if silencing == Silencing::ReplicaRole {
        return Ok(());
    }
    for work in works.iter().filter(|work| may_null(work.shaping.plan)) {
        work.reunite(lane, Nulled::Now).await?;
    }
    Ok(())
}

/// Reads the rows again that had to leave because their identities could not be told apart, and indexes identities anew, until there
/// are none. Of the keys that contradict each other the largest is rejected each time, and not read again.
pub(super) async fn twins(
    works: &[&ChunkWork<'_, '_>],
    lane: &mut Lane,
    sessions: &mut [Session],
    scope: &Scope<'_>,
    plan: &Plan,
) -> Result<Corrections> {
    let mut corrections = Corrections::default();
    loop {
        let mut parked = 0;
        for work in with_due(works, lane, Due::Twins).await? {
            parked += due(work, lane, Due::Twins, Parents::Coming).await?;
        }
        if parked == 0 {
            return Ok(corrections);
        }
        corrections
            .add(&proof::settle_identities(sessions, scope, plan, |entity| written(works, entity)).await?);
    }
}

/// Rows of an entity that this run has written.
pub(super) fn written(works: &[&ChunkWork<'_, '_>], entity: &str) -> u64 {
    let work = works.iter().find(|work| work.entity() == entity);
    work.map_or(0, |work| work.progress.written.load(Ordering::Relaxed))
}

/// Indexes identities, and tells them apart.
pub(super) async fn identities(
    works: &[&ChunkWork<'_, '_>],
    lane: &mut Lane,
    sessions: &mut [Session],
    scope: &Scope<'_>,
    plan: &Plan,
) -> Result<Corrections> {
    let mut corrections =
        proof::settle_identities(sessions, scope, plan, |entity| written(works, entity)).await?;
    corrections.add(&twins(works, lane, sessions, scope, plan).await?);
    Ok(corrections)
}
