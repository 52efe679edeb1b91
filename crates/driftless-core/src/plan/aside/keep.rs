//! What stays in place, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::{AsideKind, Silencing, definition};
use crate::catalog::{Catalog, Constraint, ConstraintKind, Index, Relation, RelationKind};
use crate::name::QualifiedName;
use crate::plan::entity::{Path, Plan};

/// The tables that the plan loads, and what the rest of the database expects of them.
pub(super) struct Loaded<'c> {
    relations: BTreeMap<&'c QualifiedName, &'c Relation>,
    /// Columns that foreign keys of other tables refer to, with one of those keys.
    awaited: BTreeMap<(&'c QualifiedName, BTreeSet<&'c str>), String>,
}

impl<'c> Loaded<'c> {
    pub(super) fn of(plan: &Plan, target: &'c Catalog) -> Loaded<'c> {
        let relations: BTreeMap<_, _> = plan
            .entities
            .iter()
            .filter(|entity| entity.path == Path::Load)
            .filter_map(|entity| target.relation(&entity.into))
            .map(|relation| (&relation.name, relation))
            .collect();
        let mut awaited = BTreeMap::new();
        for relation in relations.values().copied() {
            for (child, constraint) in &relation.referenced_by {
                if !relations.contains_key(child) {
                    let columns = referenced_columns(relation, target.relation(child), constraint);
                    awaited.insert((&relation.name, columns), format!("{constraint} of {child}"));
                }
            }
        }
        Loaded { relations, awaited }
    }

    pub(super) fn relations(&self) -> impl Iterator<Item = &'c Relation> {
        self.relations.values().copied()
    }

    /// The foreign key outside the plan that needs these columns to be unique.
    fn awaiting(&self, relation: &Relation, columns: BTreeSet<&str>) -> Option<&str> {
        self.awaited
            .iter()
            .find(|((table, awaited), _)| **table == relation.name && *awaited == columns)
            .map(|(_, constraint)| constraint.as_str())
    }
}

/// The columns that a foreign key refers to; the primary key's where its table was not looked at.
fn referenced_columns<'c>(
    parent: &'c Relation,
    child: Option<&'c Relation>,
    constraint: &str,
) -> BTreeSet<&'c str> {
    child
        .and_then(|child| {
            child
                .constraints
                .iter()
                .find(|candidate| candidate.name == constraint)
        })
        .and_then(|candidate| candidate.foreign.as_ref())
        .map_or(parent.primary_key(), |foreign| &foreign.parent_columns)
        .iter()
        .map(String::as_str)
        .collect()
}

/// What setting aside calls a constraint; `None` for those that it never touches.
pub(super) fn kind(kind: ConstraintKind) -> Option<AsideKind> {
    match kind {
        ConstraintKind::Primary => Some(AsideKind::Primary),
        ConstraintKind::Unique => Some(AsideKind::Unique),
        ConstraintKind::Foreign => Some(AsideKind::ForeignKey),
        ConstraintKind::Exclusion => Some(AsideKind::Exclusion),
        ConstraintKind::Check | ConstraintKind::Other => None,
    }
}

/// Why everything of a table stays.
pub(super) fn table(relation: &Relation) -> Option<String> {
    if relation.kind != RelationKind::Table {
        return Some("a partitioned table keeps its constraints and indexes during a load".to_owned());
    }
    (!relation.owned).then(|| format!("the table belongs to {}", relation.owner))
}

/// Whether autovacuum may leave a table for a while: it looks after it, and nothing that the table says of that has to be put back.
pub(super) fn may_be_left(relation: &Relation) -> bool {
    table(relation).is_none() && relation.around.autovacuum && !relation.around.autovacuum_said
}

/// Why a constraint stays.
pub(super) fn constraint(
    relation: &Relation,
    constraint: &Constraint,
    loaded: &Loaded<'_>,
    silencing: Silencing,
) -> Option<String> {
    if constraint.inherited {
        return Some("it comes from a partitioned table".to_owned());
    }
    match constraint.kind {
        ConstraintKind::Foreign => foreign(constraint, loaded, silencing),
        ConstraintKind::Primary | ConstraintKind::Unique => unique(relation, constraint, loaded),
        _ => behind(relation, constraint).and_then(index_itself),
    }
}

/// A foreign key that refers to a table which is not loaded costs nothing under replica role, and dropping it would
/// lock that table: it stays, and the proof of references covers it.
fn foreign(constraint: &Constraint, loaded: &Loaded<'_>, silencing: Silencing) -> Option<String> {
    let foreign = constraint.foreign.as_ref()?;
    let parent = loaded.relations.get(&foreign.parent);
    let temporal = constraint.definition.contains("PERIOD ");
    (silencing == Silencing::ReplicaRole && !temporal && parent.is_none_or(|parent| table(parent).is_some()))
        .then(|| {
            format!(
                "replica role keeps it silent, {} keeps its key, and it is proven after the load",
                foreign.parent
            )
        })
}

fn unique(relation: &Relation, constraint: &Constraint, loaded: &Loaded<'_>) -> Option<String> {
    if constraint.definition.contains("WITHOUT OVERLAPS") {
        return Some("a temporal key cannot be rebuilt from an index".to_owned());
    }
    let Some(index) = behind(relation, constraint) else {
        return Some("its index is not visible".to_owned());
    };
    let columns = constraint.columns.iter().map(String::as_str).collect();
    index_itself(index).or_else(|| awaited(loaded.awaiting(relation, columns)))
}

/// Why an index without a constraint stays.
pub(super) fn index(relation: &Relation, index: &Index, loaded: &Loaded<'_>) -> Option<String> {
    let columns: Option<BTreeSet<&str>> = index.columns.iter().map(Option::as_deref).collect();
    let needed = columns
        .filter(|_| index.unique)
        .and_then(|columns| loaded.awaiting(relation, columns));
    index_itself(index).or_else(|| awaited(needed))
}

fn awaited(constraint: Option<&str>) -> Option<String> {
    constraint.map(|constraint| format!("the foreign key {constraint}, outside the plan, refers to it"))
}

fn index_itself(index: &Index) -> Option<String> {
    let reason = if index.inherited {
        "it is attached to an index of a partitioned table"
    } else if !index.valid {
        "it is invalid: it could not be put back as it is"
    } else if index.unique && definition::parse(&index.definition).is_none() {
        "its definition is of a form that is not known here"
    } else if index.statistics {
        "statistics targets are set on it"
    } else {
        return None;
    };
    Some(reason.to_owned())
}

/// The index behind a constraint.
pub(super) fn behind<'r>(relation: &'r Relation, constraint: &Constraint) -> Option<&'r Index> {
    relation
        .indexes
        .iter()
        .find(|index| index.constraint.as_deref() == Some(constraint.name.as_str()))
}
