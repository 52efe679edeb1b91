//! Which references are decided as rows pass by, and not in the proof.

use driftless_core::plan::aside::{AsideItem, Silencing};

use super::prepare::Prepared;
use crate::apply::proof::{decided_at_once, foreign_sites_beside};
use crate::shape::Shaping;

/// Those of each entity at work: the reference by its number in the entity, and the parent by its number among the entities. Where foreign keys are checked as rows go in, parents that they refused may come later: nothing is
/// decided then.
pub(super) fn of(
    prepared: &Prepared,
    at_work: &[Shaping<'_>],
    aside: &[AsideItem],
) -> Vec<Vec<(usize, usize)>> {
    if prepared.silencing != Silencing::ReplicaRole {
        return vec![Vec::new(); at_work.len()];
    }
    let (plan, target) = (&prepared.plan, &prepared.target_catalog);
    let aside: Vec<&AsideItem> = aside.iter().collect();
    let foreign = foreign_sites_beside(plan, target, &aside, prepared.silencing);
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
