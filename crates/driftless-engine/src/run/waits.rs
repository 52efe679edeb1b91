//! Who waits for whom. Where foreign keys are checked at once a child that came before its parent would be refused; where
//! keys are, two writers of one table would wait for each other's values.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::{Catalog, ConstraintKind};
use driftless_core::plan::aside::AsideItem;
use driftless_core::plan::{Chunking, EntityPlan, Mint, Path};

use crate::apply::proof::keeps_key;

/// For every entity those that must be loaded before: what `after` says, and the parents by foreign keys that are in place.
/// Where parents wait for their children, one of them goes first: what it is refused for is tried again at the end.
pub fn waits(
    plans: &[&EntityPlan],
    target: &Catalog,
    aside: &[AsideItem],
) -> BTreeMap<String, BTreeSet<String>> {
    let mut waits: BTreeMap<String, BTreeSet<String>> = plans
        .iter()
        .map(|plan| (plan.name.clone(), plan.after.iter().cloned().collect()))
        .collect();
    for child in plans {
        let Some(table) = target.relation(&child.into) else {
            continue;
        };
        let in_place = table.constraints.iter().filter(|constraint| {
            let gone = |item: &AsideItem| item.table == child.into && item.name == constraint.name;
            !aside.iter().any(gone)
        });
        for foreign in in_place.filter_map(|constraint| constraint.foreign.as_ref()) {
            for parent in plans.iter().filter(|other| other.into == foreign.parent) {
                if parent.name != child.name && !leads(&waits, &parent.name, &child.name) {
                    waits
                        .entry(child.name.clone())
                        .or_default()
                        .insert(parent.name.clone());
                }
            }
        }
    }
    waits
}

/// Whether an entity must be the only writer of its table: a key or an exclusion is in place there whose values can meet in
/// two chunks. The smaller legacy key then comes first and stays, and no two transactions wait for each other.
pub fn is_alone(plan: &EntityPlan, plans: &[&EntityPlan], target: &Catalog, aside: &[AsideItem]) -> bool {
    if plan.path == Path::Beside {
        return true;
    }
    let shared = plans
        .iter()
        .any(|other| other.into == plan.into && other.name != plan.name);
    let in_place = |name: &str| {
        !aside
            .iter()
            .any(|item| item.table == plan.into && item.name == name)
    };
    let Some(table) = target.relation(&plan.into) else {
        return false;
    };
    let constraints = table.constraints.iter().any(|one| match one.kind {
        ConstraintKind::Primary | ConstraintKind::Unique => {
            in_place(&one.name) && (shared || !keeps_apart(plan, &one.columns))
        }
        ConstraintKind::Exclusion => in_place(&one.name),
        _ => false,
    });
    constraints
        || table
            .indexes
            .iter()
            .any(|index| index.unique && index.constraint.is_none() && in_place(&index.name))
}

/// Whether rows with one value in these columns stand in one chunk: it is the target's key, made of the source's key alone,
/// and chunks are ranges of that.
fn keeps_apart(plan: &EntityPlan, columns: &[String]) -> bool {
    let target = &plan.identity.target;
    matches!(plan.chunking, Chunking::Integer(_) | Chunking::Uuid(_))
        && (matches!(plan.identity.mint, Mint::Derive { .. }) || keeps_key(plan))
        && target.len() == columns.len()
        && target.iter().all(|(column, _)| columns.contains(column))
}

/// The order in which rows can be deleted: children before their parents. Those that refer to each other in a circle stand
/// together: their rows can go only at once.
pub fn children_first<'p>(plans: &[&'p EntityPlan], target: &Catalog) -> Vec<Vec<&'p EntityPlan>> {
    let mut parents: BTreeMap<String, BTreeSet<String>> = plans
        .iter()
        .map(|plan| (plan.name.clone(), plan.after.iter().cloned().collect()))
        .collect();
    for child in plans {
        let table = target.relation(&child.into).into_iter();
        let foreign = table.flat_map(|table| table.constraints.iter().filter_map(|one| one.foreign.as_ref()));
        for foreign in foreign {
            let of = plans.iter().filter(|other| other.into == foreign.parent);
            let names = of.map(|parent| parent.name.clone());
            parents.entry(child.name.clone()).or_default().extend(names);
        }
    }
    let both_ways =
        |one: &str, other: &str| one == other || (leads(&parents, one, other) && leads(&parents, other, one));
    let mut left = plans.to_vec();
    let mut ordered = Vec::new();
    while let Some(last) = left.last() {
        let is_free = |plan: &&&EntityPlan| {
            left.iter()
                .all(|other| both_ways(&other.name, &plan.name) || !leads(&parents, &other.name, &plan.name))
        };
        let first = left.iter().rev().find(is_free).unwrap_or(last).name.clone();
        let (circle, others) = left.into_iter().partition(|plan| both_ways(&plan.name, &first));
        ordered.push(circle);
        left = others;
    }
    ordered
}

/// Whether an entity waits for another, itself or by others.
fn leads(waits: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        for next in waits.get(at).into_iter().flatten() {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_back_is_found_through_others() {
        let waits: BTreeMap<String, BTreeSet<String>> = [("a", "b"), ("b", "c"), ("d", "d")]
            .map(|(child, parent)| (child.to_owned(), BTreeSet::from([parent.to_owned()])))
            .into();
        assert!(leads(&waits, "a", "c") && leads(&waits, "a", "a") && leads(&waits, "d", "d"));
        assert!(!leads(&waits, "c", "a") && !leads(&waits, "d", "a"));
    }
}
