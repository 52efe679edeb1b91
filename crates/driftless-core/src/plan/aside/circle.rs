//! Tables that refer to each other in a circle: where foreign keys are checked at once, no row of them can come first.

use std::collections::{BTreeMap, BTreeSet};

use super::{AsideItem, Kept};
use crate::catalog::{Catalog, Constraint, Relation};
use crate::code;
use crate::error::Finding;
use crate::name::QualifiedName;
use crate::plan::entity::{EntityPlan, Mint, Plan};

/// A foreign key of one table of the plan to another one.
#[derive(Clone, Copy)]
pub(super) struct Edge<'c> {
    pub(super) child: &'c Relation,
    pub(super) key: &'c Constraint,
    pub(super) parent: &'c QualifiedName,
}

/// The foreign keys that lie on a circle of the plan's tables. A table that refers to itself is no circle: its rows wait for each
/// other, and most of them find each other.
pub(super) fn circular<'c>(plan: &Plan, target: &'c Catalog) -> Vec<Edge<'c>> {
    on_circle(edges(plan, target))
}

fn edges<'c>(plan: &Plan, target: &'c Catalog) -> Vec<Edge<'c>> {
    let tables: BTreeSet<&QualifiedName> = plan.entities.iter().map(|entity| &entity.into).collect();
    let relations = tables.iter().filter_map(|table| target.relation(table));
    relations
        .flat_map(|child| child.constraints.iter().map(move |key| (child, key)))
        .filter_map(|(child, key)| {
            let parent = &key.foreign.as_ref()?.parent;
            (tables.contains(parent) && *parent != child.name).then_some(Edge { child, key, parent })
        })
        .collect()
}

fn on_circle(edges: Vec<Edge<'_>>) -> Vec<Edge<'_>> {
    let mut parents: BTreeMap<&QualifiedName, Vec<&QualifiedName>> = BTreeMap::new();
    for edge in &edges {
        parents.entry(&edge.child.name).or_default().push(edge.parent);
    }
    let leads_back = |edge: &Edge<'_>| {
        let mut seen = BTreeSet::from([edge.parent]);
        let mut open = vec![edge.parent];
        while let Some(at) = open.pop() {
            if *at == edge.child.name {
                return true;
            }
            for next in parents.get(at).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    };
    let circular: Vec<bool> = edges.iter().map(leads_back).collect();
    let marked = edges.into_iter().zip(circular);
    marked
        .filter_map(|(edge, circular)| circular.then_some(edge))
        .collect()
}

/// Why no row of some tables could ever come first: foreign keys that bear no null lie on a circle, stay in place and are
/// checked at once. `items` is what will be set aside, `kept` what will not, with the reasons.
pub(super) fn stuck(plan: &Plan, target: &Catalog, items: &[AsideItem], kept: &[Kept]) -> Option<Finding> {
    let stays = |edge: &Edge<'_>| {
        !items
            .iter()
            .any(|item| item.table == edge.child.name && item.name == edge.key.name)
    };
    let demands = |edge: &Edge<'_>| {
        let bears_null = |name: &String| edge.child.column(name).is_some_and(|column| !column.not_null);
        !edge.key.columns.iter().any(bears_null)
    };
    // Rows of an earlier migration may be there already.
    let waits = |edge: &Edge<'_>| {
        !plan
            .entities
            .iter()
            .any(|entity| entity.into == *edge.parent && may_stand(entity))
    };
    let left = edges(plan, target)
        .into_iter()
        .filter(|edge| stays(edge) && demands(edge) && waits(edge))
        .collect();
    let circle = on_circle(left);
    if circle.is_empty() {
        return None;
    }
    let names: Vec<String> = circle
        .iter()
        .map(|edge| format!("{} of {}", edge.key.name, edge.child.name))
        .collect();
    let reasons: BTreeSet<&str> = kept
        .iter()
        .filter(|kept| {
            circle
                .iter()
                .any(|edge| kept.table == edge.child.name && kept.name == edge.key.name)
        })
        .map(|kept| kept.reason.as_str())
        .collect();
    let why = reasons.into_iter().collect::<Vec<_>>().join("; ");
    let message = format!(
        "they refer to each other in a circle and are checked at once, so that no row can come first{}",
        if why.is_empty() {
            String::new()
        } else {
            format!("; they cannot be set aside: {why}")
        }
    );
    Some(
        Finding::error(code::KEYS_IN_CIRCLE, format!("foreign keys {}", names.join(", ")), message).remedy(
            "load as the owner of these tables, who can set them aside, or GRANT SET ON PARAMETER session_replication_role to the role \
             (from 15 on), or let the owner drop one of them for the load",
        ),
    )
}

fn may_stand(entity: &EntityPlan) -> bool {
    let identity = &entity.identity;
    identity.adopt.is_some()
        || matches!(
            identity.mint,
            Mint::Recorded { .. }
                | Mint::Derive {
                    recorded: Some(_),
                    ..
                }
        )
}
