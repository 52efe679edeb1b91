//! Single rows read again when their entities are loaded, and identities told apart before and behind it.

use driftless_core::plan::Plan;
use driftless_pg::Session;

use crate::apply::chunk::ChunkWork;
use crate::apply::lane::Lane;
use crate::apply::proof::{self, Corrections};
use crate::error::Result;
use crate::store::aside::Scope;
use crate::store::reject::{self, Due};

/// Tries everything of an entity again that is due. Gives how much that is.
pub(super) async fn due(work: &ChunkWork<'_, '_>, lane: &mut Lane, due: Due) -> Result<usize> {
    let (mut tried, mut last) = (0, String::new());
    loop {
        let keys = reject::due(&lane.writer, work.store, work.entity(), due, &last).await?;
        let Some(end) = keys.last() else {
            return Ok(tried);
        };
        last.clone_from(end);
        tried += keys.len();
        work.retry(lane, &keys, true).await?;
    }
}

/// Indexes identities, and reads the rows again that had to leave because theirs could not be told apart, until there
/// are none. Of the keys that contradict each other the largest is rejected each time, and not read again: so it ends.
pub(super) async fn identities(
    works: &[&ChunkWork<'_, '_>],
    lane: &mut Lane,
    sessions: &mut [Session],
    scope: &Scope<'_>,
    plan: &Plan,
) -> Result<Corrections> {
    let mut corrections = Corrections::default();
    loop {
        corrections.add(&proof::settle_identities(sessions, scope, plan).await?);
        let mut parked = 0;
        for work in works {
            parked += due(work, lane, Due::Twins).await?;
        }
        if parked == 0 {
            return Ok(corrections);
        }
    }
}
