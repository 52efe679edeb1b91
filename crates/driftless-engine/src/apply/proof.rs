//! Proves uniqueness and references after a load, and removes what breaks them.
//!
//! Of several rows with one unique value the one with the smallest legacy key stays; rows that refer to a row that is not
//! there go the way that their `missing` says, until nothing changes any more. Only rows that the identities know
//! as loaded are ever touched; everybody else's rows win. A removed row leaves together with its identity, and its
//! reject is recorded in the same transaction.
//!
//! The order: `settle_identities`, a small ANALYZE, `settle_keys`, `references` beside the full one and
//! indexes that no proof needs, and then the restore of the rest.

/// How losing and orphaned rows leave the target: the parts of statements that all proofs share.
mod leave;
/// Where the target refers to rows, and what happens when one is not there.
mod site;
/// Legacy keys of rows that were left out, by the target key that others would refer to.
mod absent;
/// Uniqueness.
mod unique;
/// Rows that are one with others.
mod merged;
/// References, to a fixpoint.
mod reference;
/// What is known of references by the keys that passed by.
mod known;
/// The orphans of one reference.
mod gather;
/// References that become null.
mod null;
/// Identities that contradict each other.
mod twin;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use driftless_core::catalog::Catalog;
use driftless_core::plan::aside::{Silencing, late_keys};
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::Session;

pub use absent::keeps_key;
pub use known::{Censuses, decided_at_once};
pub use reference::{Proving, questions, references};
pub use site::{ForeignSite, foreign_sites, foreign_sites_beside};
pub use twin::{settle_identities, twins};
pub use unique::uniqueness;

use crate::apply::aside::{Failure, Mending, Part, Reach, Recorded, Restored, put_back_mending};
use crate::error::Result;
use crate::store::aside::{AsideRecord, Scope, outstanding};
use crate::store::execution::Counts;

/// What proofs did to an entity's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows removed and recorded as rejected.
    pub rejected: u64,
    /// Rows removed and recorded as parked.
    pub parked: u64,
    /// References set to null.
    pub nulled: u64,
}

/// What proofs did, by entity. Entities without changes are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Corrections {
    /// By name of the entity.
    pub entities: BTreeMap<String, Tally>,
}

impl Corrections {
    /// Adds what another proof did.
    pub fn add(&mut self, other: &Corrections) {
        for (entity, tally) in &other.entities {
            let own = self.entities.entry(entity.clone()).or_default();
            own.rejected += tally.rejected;
            own.parked += tally.parked;
            own.nulled += tally.nulled;
        }
    }

    /// What it means for what was written: rows that were taken out again were not.
    fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.entities.iter().map(|(entity, tally)| {
            let (rejected, parked) = (tally.rejected.cast_signed(), tally.parked.cast_signed());
            let counts = Counts {
                inserted: -(rejected + parked),
                rejected,
                parked,
                ..Counts::default()
            };
            (entity.as_str(), counts)
        })
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    fn of(entity: &str, tally: Tally) -> Corrections {
        let mut corrections = Corrections::default();
        if tally != Tally::default() {
            corrections.entities.insert(entity.to_owned(), tally);
        }
        corrections
    }
}

/// Puts indexes and keys back, removing rows that repeat a unique value until the builds go through. What then still
/// fails is in the answer: rows that are not ours contradict each other.
///
/// # Errors
/// As [`restore`](crate::apply::aside::restore) and [`uniqueness`].
pub async fn settle_keys(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    plan: &Plan,
    target: &Catalog,
    recorded: &mut Recorded,
) -> Result<(Restored, Corrections)> {
    let mut corrections = match sessions.first_mut() {
        Some(session) => late_uniqueness(session, scope, plan, target).await?,
        None => Corrections::default(),
    };
    let repeats = Repeats {
        scope,
        plan,
        target,
        left: Mutex::default(),
    };
    let mut restored = 0;
    let failures = loop {
        let attempt = put_back_mending(sessions, scope, Part::ForProof, recorded, &repeats).await?;
        restored += attempt.restored;
        // A constraint that is no unique index is only then found to be broken; of the others no row is left that could leave.
        let is_late = |failure: &&Failure| failure.is_duplicate() && failure.record.item.build.is_none();
        let broken = attempt.failures.iter().filter(is_late);
        let mut broken: Vec<&AsideRecord> = broken.map(|failure| &failure.record).collect();
        broken.sort_by_key(|record| record.seq);
        let mut left = false;
        if let Some(session) = sessions.first_mut() {
            for record in broken {
                left |= repeats.mend(session, record).await?;
            }
        }
        if !left {
            break attempt.failures;
        }
    };
    corrections.add(&repeats.left.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok((Restored { restored, failures }, corrections))
}

/// Has rows leave that repeat a unique value.
struct Repeats<'a> {
    scope: &'a Scope<'a>,
    plan: &'a Plan,
    target: &'a Catalog,
    left: Mutex<Corrections>,
}

impl Mending for Repeats<'_> {
    async fn mend(&self, session: &mut Session, record: &AsideRecord) -> Result<bool> {
        let found = uniqueness(session, self.scope, self.plan, &record.item).await?;
        self.left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&found);
        Ok(!found.is_empty())
    }

    /// Others where foreign keys act while rows leave, or tables share rows.
    fn reach(&self) -> Reach {
        let shares = |entity: &EntityPlan| {
            let relation = self.target.relation(&entity.into);
            relation.is_none_or(|relation| {
                !relation.around.shares_rows_with.is_empty() || !relation.around.heirs.is_empty()
            })
        };
        if self.scope.silencing == Silencing::ReplicaRole && !self.plan.entities.iter().any(shares) {
            Reach::Table
        } else {
            Reach::Others
        }
    }
}

/// Proves deferrable keys that are in place, or that somebody has put back there during the load: replica role silences the trigger
/// that checks them, and duplicates slip in beside a valid index.
///
/// # Errors
/// As [`uniqueness`].
pub async fn late_uniqueness(
    session: &mut Session,
    scope: &Scope<'_>,
    plan: &Plan,
    target: &Catalog,
) -> Result<Corrections> {
    let mut corrections = Corrections::default();
    if scope.silencing != Silencing::ReplicaRole {
        return Ok(corrections);
    }
    let late = late_keys(plan, target);
    if late.is_empty() {
        return Ok(corrections);
    }
    let records = outstanding(session, scope.store).await?;
    for item in late {
        let is_built = |record: &AsideRecord| {
            !record.stands && record.item.table == item.table && record.item.name == item.name
        };
        if !records.iter().any(is_built) {
            corrections.add(&uniqueness(session, scope, plan, &item).await?);
        }
    }
    Ok(corrections)
}
