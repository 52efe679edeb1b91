//! What becomes of the source as a whole: every relation and column is mapped, left out with a reason, or forgotten.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::{EntityPlan, Plan};
use crate::catalog::{Catalog, Relation, RelationKind};
use crate::name::QualifiedName;
use crate::spec::Spec;

/// What the catalog alone does not tell of a source.
#[derive(Debug, Clone, Default)]
pub struct Kinship {
    /// Partitions and inheriting tables, with the relations that their rows are also rows of.
    pub parents: BTreeMap<QualifiedName, Vec<QualifiedName>>,
    /// What the queries of entities read, by entity.
    pub queried: BTreeMap<String, BTreeSet<QualifiedName>>,
}

/// What becomes of a relation or a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// These entities read it.
    Mapped(Vec<String>),
    /// It is left out for this reason.
    Ignored(String),
    /// Nobody says anything of it.
    Forgotten,
}

/// One source relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// The relation.
    pub relation: QualifiedName,
    /// The planner's estimate of its rows.
    pub estimated_rows: i64,
    /// What becomes of it.
    pub fate: Fate,
    /// Its columns, in order; empty where the relation is not mapped, or only read by queries, which do not tell which columns
    /// they use.
    pub columns: Vec<(String, Fate)>,
}

/// What becomes of every relation of the source that holds rows of its own. Views are left out: their rows are others'.
pub fn coverage(spec: &Spec, plan: &Plan, source: &Catalog, kinship: &Kinship) -> Vec<Covered> {
    let survey = Survey { spec, plan, kinship };
    let held = source.relations.values().filter(|relation| {
        matches!(
            relation.kind,
            RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign
        )
    });
    held.filter(|relation| !survey.is_told_with_parent(&relation.name))
        .map(|relation| survey.relation(relation))
        .collect()
}

struct Survey<'a> {
    spec: &'a Spec,
    plan: &'a Plan,
    kinship: &'a Kinship,
}

impl Survey<'_> {
    /// Whether what is said of a parent holds for a relation, and nothing is said of the relation itself.
    fn is_told_with_parent(&self, name: &QualifiedName) -> bool {
        let Some(parents) = self.kinship.parents.get(name) else {
            return false;
        };
        let told =
            |parent: &QualifiedName| self.fate(parent) != Fate::Forgotten || self.is_told_with_parent(parent);
        self.fate(name) == Fate::Forgotten && parents.iter().any(told)
    }

    fn readers<'s>(&'s self, name: &'s QualifiedName) -> impl Iterator<Item = &'s EntityPlan> {
        self.plan
            .entities
            .iter()
            .filter(move |entity| entity.origin.relation.as_ref() == Some(name))
    }

    fn fate(&self, name: &QualifiedName) -> Fate {
        let queries = self.kinship.queried.iter();
        let readers: Vec<String> = self
            .readers(name)
            .map(|entity| entity.name.clone())
            .chain(
                queries
                    .filter(|(_, read)| read.contains(name))
                    .map(|(entity, _)| entity.clone()),
            )
            .collect();
        if readers.is_empty() {
            self.reason(name, None).map_or(Fate::Forgotten, Fate::Ignored)
        } else {
            Fate::Mapped(readers)
        }
    }

    fn reason(&self, relation: &QualifiedName, column: Option<&str>) -> Option<String> {
        let ignored = self.spec.ignore.iter();
        let mut found = ignored.filter(|one| one.relation == *relation && one.column.as_deref() == column);
        found.next().map(|one| one.reason.clone())
    }

    fn relation(&self, relation: &Relation) -> Covered {
        let by_query = |read: &BTreeSet<QualifiedName>| read.contains(&relation.name);
        let judged =
            self.readers(&relation.name).next().is_some() && !self.kinship.queried.values().any(by_query);
        let columns = relation.columns.iter().filter(|_| judged);
        Covered {
            relation: relation.name.clone(),
            estimated_rows: relation.estimated_rows,
            fate: self.fate(&relation.name),
            columns: columns
                .map(|column| (column.name.clone(), self.column(&relation.name, &column.name)))
                .collect(),
        }
    }

    fn column(&self, relation: &QualifiedName, column: &str) -> Fate {
        let uses = |entity: &&EntityPlan| !entity.unused.iter().any(|unused| unused == column);
        let users: Vec<String> = self
            .readers(relation)
            .filter(uses)
            .map(|entity| entity.name.clone())
            .collect();
        if users.is_empty() {
            self.reason(relation, Some(column))
                .map_or(Fate::Forgotten, Fate::Ignored)
        } else {
            Fate::Mapped(users)
        }
    }
}
