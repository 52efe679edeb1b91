//! What is known of references by the keys that passed by, before the target is asked.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::Catalog;
use driftless_core::plan::{EntityPlan, Plan};
use driftless_core::transform::{Census, Shaper};
use driftless_pg::Session;
use uuid::Uuid;

use super::Corrections;
use super::site::{ForeignSite, Missing, Site, sites_of};
use crate::error::Result;
use crate::store::{Store, reject};

/// Most rejects of a parent that are subtracted from its keys; with more of them its table is joined.
const MOST_LEFT: usize = 100_000;

/// Most keys that lead nowhere and are looked for one by one; with more of them the tables are joined.
const MOST_DANGLING: usize = 10_000;

/// What was counted of entities that were loaded from the first row to the last, by their names.
pub type Censuses = BTreeMap<String, Census>;

/// References of an entity, by their numbers, that need not wait for the proof, with the entity that they lead to. Where they lead to
/// none of its rows the proof would make them null and do nothing else, and nobody but that entity writes what they lead to: so they
/// can be made null as rows pass by, once the parent's are all loaded.
pub fn decided_at_once(
    plan: &Plan,
    shaper: &Shaper<'_>,
    (entity, target): (&EntityPlan, &Catalog),
    foreign: &[ForeignSite],
    store: &Store,
) -> Vec<(usize, String)> {
    let sites = sites_of(plan, entity, target, foreign, store);
    let decided = sites.iter().filter_map(|site| {
        let counted = site.counted.as_ref()?;
        let alone = |other: &Site| site.columns.iter().any(|column| other.columns.contains(column));
        let lost = matches!(site.missing, Missing::Null { .. }) && shaper.can_lose(counted.reference);
        let by_one = site.parents == [counted.parent.clone()] && counted.parent != entity.name;
        let only = sites.iter().filter(|other| alone(other)).count() == 1;
        (lost && by_one && only).then(|| (counted.reference, counted.parent.clone()))
    });
    decided.collect()
}

/// Censuses, and which keys of parents were written and are not there any more.
pub(super) struct Known<'c> {
    censuses: &'c Censuses,
    left: BTreeMap<String, Vec<i64>>,
}

impl<'c> Known<'c> {
    /// Asks what is on record of the parents of these sites of which rows have left since they were counted.
    pub(super) async fn of<'s>(
        session: &Session,
        store: &Store,
        censuses: &'c Censuses,
        corrected: &Corrections,
        sites: impl Iterator<Item = &'s Site>,
    ) -> Result<Known<'c>> {
        let parents: BTreeSet<&str> = sites
            .filter_map(|site| Some(site.counted.as_ref()?.parent.as_str()))
            .filter(|parent| censuses.contains_key(*parent))
            .collect();
        let mut left = BTreeMap::new();
        for parent in parents {
            let keys = if corrected.entities.contains_key(parent) {
                reject::keys(session, store, parent, MOST_LEFT + 1).await?
            } else {
                Vec::new()
            };
            if keys.len() <= MOST_LEFT {
                // A key that is no integer is none of those that were counted.
                let numbers = keys.iter().filter_map(|key| key.parse().ok()).collect();
                left.insert(parent.to_owned(), numbers);
            }
        }
        Ok(Known { censuses, left })
    }

    /// The target keys that are referred to and not there, as far as rows passed by; nothing where that is not known.
    pub(super) fn dangling(&self, plan: &Plan, entity: &EntityPlan, site: &Site) -> Option<Vec<Uuid>> {
        let counted = site.counted.as_ref()?;
        let child = self.censuses.get(&entity.name)?;
        let parent = self.censuses.get(&counted.parent)?;
        let program = (entity.program.refs.get(counted.reference)?, counted.reference);
        let left = self.left.get(&counted.parent)?;
        child.dangling(plan.namespace, program, parent, left, MOST_DANGLING)
    }
}
