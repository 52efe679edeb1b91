//! Which references are decided as rows pass by, and not in the proof.

use driftless_core::plan::aside::{AsideItem, Silencing};

use super::prepare::Prepared;
use crate::apply::proof::{ForeignSite, decided_at_once, foreign_sites};
use crate::shape::Shaping;

/// A reference by its number in the entity, and the parent by its number among the entities at work.
pub(super) type Decided = (usize, usize);

/// Those of each entity at work. Where foreign keys are checked as rows go in, parents that they refused may come later: nothing is
/// decided then.
pub(super) fn of(prepared: &Prepared, at_work: &[Shaping<'_>], aside: &[AsideItem]) -> Vec<Vec<Decided>> {
    if prepared.silencing != Silencing::ReplicaRole {
        return vec![Vec::new(); at_work.len()];
    }
    let (plan, target) = (&prepared.plan, &prepared.target_catalog);
    let aside: Vec<&AsideItem> = aside.iter().collect();
    let foreign: Vec<ForeignSite> = foreign_sites(plan, target, &[], prepared.silencing)
        .into_iter()
        .map(|site| site.beside(&aside))
        .collect();
    let number = |name: &str| at_work.iter().position(|one| one.plan.name == name);
    let decided = at_work.iter().map(|shaping| {
        let entity = (shaping.plan, target);
        let found = decided_at_once(plan, &shaping.shaper, entity, &foreign, &prepared.store);
        let ours = found
            .into_iter()
            .filter_map(|(reference, parent)| Some((reference, number(&parent)?)));
        ours.collect()
    });
    decided.collect()
}
