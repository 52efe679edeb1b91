//! Setting aside: which constraints, indexes and triggers of the loaded tables go away for the load, and autovacuum of them; how each is
//! put back, and which stay, with the reason.
//!
//! Items stand in the order in which they are dropped: what depends on something goes before it. They are put back
//! in three phases: `AsideItem::build` of all (in parallel), then `AsideItem::restore` in reverse order, then
//! `AsideItem::validate` (in parallel, one table at a time). Nothing is ever dropped with CASCADE; a rehearsal on the
//! target decides what remains of this list.

mod circle;
mod definition;
mod item;
mod keep;
mod loud;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::item::switch_trigger;
use self::keep::Loaded;
pub use self::loud::{unsilenced, unsilenced_under_lock};
use super::entity::Plan;
use crate::catalog::{Catalog, Constraint, ConstraintKind, Oid, Relation, TriggerMode};
use crate::error::Finding;
use crate::name::{QualifiedName, quote_ident};

/// How triggers are kept silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silencing {
    /// `session_replication_role = replica` works for this role: origin triggers and foreign keys are silent.
    ReplicaRole,
    /// It does not: user triggers are disabled one by one, foreign keys that stay are checked.
    EachTrigger,
}

impl Silencing {
    /// Whether a trigger or a rule of this mode acts in the sessions that load.
    pub fn lets(self, mode: TriggerMode) -> bool {
        match self {
            Silencing::ReplicaRole => matches!(mode, TriggerMode::Always | TriggerMode::Replica),
            Silencing::EachTrigger => matches!(mode, TriggerMode::Always | TriggerMode::Origin),
        }
    }
}

/// How long triggers are silent where a session cannot be silent by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triggers {
    /// As long as a load takes: they are set aside before its first row.
    SetAside,
    /// As long as a transaction takes that writes, under the lock of its table: it is in use, and whoever else writes there
    /// counts on them.
    UnderLock(Silencing),
}

/// What is set aside. The order is that of dropping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsideKind {
    /// That autovacuum looks after the table: switched off.
    Autovacuum,
    /// A trigger: disabled, not dropped.
    Trigger,
    /// A foreign key.
    ForeignKey,
    /// An EXCLUDE constraint.
    Exclusion,
    /// An index that is not unique.
    Index,
    /// A unique index without a constraint.
    UniqueIndex,
    /// A UNIQUE constraint.
    Unique,
    /// A PRIMARY KEY.
    Primary,
}

impl AsideKind {
    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            AsideKind::Autovacuum => "autovacuum",
            AsideKind::Trigger => "trigger",
            AsideKind::ForeignKey => "foreign_key",
            AsideKind::Exclusion => "exclusion",
            AsideKind::Index => "index",
            AsideKind::UniqueIndex => "unique_index",
            AsideKind::Unique => "unique",
            AsideKind::Primary => "primary",
        }
    }

    /// What people call it.
    pub fn noun(self) -> &'static str {
        match self {
            AsideKind::Autovacuum => "setting",
            AsideKind::Trigger => "trigger",
            AsideKind::ForeignKey => "foreign key",
            AsideKind::Exclusion => "exclusion constraint",
            AsideKind::Index | AsideKind::UniqueIndex => "index",
            AsideKind::Unique => "unique constraint",
            AsideKind::Primary => "primary key",
        }
    }
}

/// How rows that break a uniqueness are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uniqueness {
    /// Equality is that of the types: rows are grouped by these expressions.
    Keys {
        /// SQL over the table's columns, collation included.
        keys: Vec<String>,
        /// Only rows for which this is true take part.
        predicate: Option<String>,
        /// Whether nulls equal each other.
        nulls_not_distinct: bool,
    },
    /// Only the index can tell (operator classes): this, behind `CREATE UNIQUE INDEX ON copy`, on a copy.
    CopyIndex(String),
    /// Only the constraint can tell (EXCLUDE): this, behind `ALTER TABLE copy ADD`, on a copy.
    CopyConstraint(String),
}

/// The columns of a foreign key, for the proof of references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignColumns {
    /// The referencing columns.
    pub columns: Vec<String>,
    /// The referenced table.
    pub parent: QualifiedName,
    /// The referenced columns, in the same order.
    pub parent_columns: Vec<String>,
    /// Whether it is MATCH FULL: partly null is a violation.
    pub match_full: bool,
    /// Whether it is a temporal one (PERIOD), which only PostgreSQL itself can check.
    pub temporal: bool,
}

impl ForeignColumns {
    /// The columns of a constraint, if it is a foreign key.
    pub fn of(constraint: &Constraint) -> Option<ForeignColumns> {
        constraint.foreign.as_ref().map(|foreign| ForeignColumns {
            columns: constraint.columns.clone(),
            parent: foreign.parent.clone(),
            parent_columns: foreign.parent_columns.clone(),
            match_full: constraint.definition.contains(" MATCH FULL"),
            temporal: constraint.definition.contains("PERIOD "),
        })
    }
}

/// One thing that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsideItem {
    /// The entity that writes the table; several are joined by commas.
    pub entity: String,
    /// Its table.
    pub table: QualifiedName,
    /// What it is.
    pub kind: AsideKind,
    /// Its name: unquoted; an index's schema is the table's.
    pub name: String,
    /// How PostgreSQL describes it (`pg_get_constraintdef`, `pg_get_indexdef`): what is there again when it is back.
    pub definition: String,
    /// The columns of a constraint, in its order.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The statement that takes it away.
    pub drop_sql: String,
    /// The statement of the first phase (CREATE INDEX); may run beside builds of the same table.
    pub build: Option<String>,
    /// The tablespace of the build; empty for the database's default.
    pub tablespace: String,
    /// Quick statements of the second phase, in order.
    pub restore: Vec<String>,
    /// The statement of the third phase (VALIDATE CONSTRAINT); may run beside those of other tables.
    pub validate: Option<String>,
    /// How losing rows are found, for what is unique.
    pub unique: Option<Uniqueness>,
    /// The columns, for foreign keys.
    pub foreign: Option<ForeignColumns>,
    /// Whether its table has rows of others: a rehearsal must not read them all under its lock.
    #[serde(default)]
    pub filled: bool,
}

impl AsideItem {
    /// Whether taking it away and putting it back needs its table alone. Switching autovacuum off does not.
    pub fn needs_table_alone(&self) -> bool {
        self.kind != AsideKind::Autovacuum
    }

    /// Whether the proof of references builds on it, so that it is put back before: what is unique, and indexes over columns that
    /// refer, by which rows are found that refer to rows which leave. The proof changes rows; all other indexes are
    /// built behind it, or beside it where it has nothing to change just then.
    pub fn serves_proof<'i>(&self, items: impl IntoIterator<Item = &'i AsideItem>) -> bool {
        match self.kind {
            AsideKind::Autovacuum | AsideKind::Trigger | AsideKind::ForeignKey => false,
            AsideKind::Index => {
                let own = items.into_iter().filter(|item| item.table == self.table);
                let mut referring = own
                    .filter_map(|item| item.foreign.as_ref())
                    .flat_map(|key| &key.columns);
                let first = definition::parse(&self.definition).and_then(|text| text.keys.into_iter().next());
                first.is_some_and(|first| {
                    referring.any(|column| quote_ident(column) == first || *column == first)
                })
            }
            _ => true,
        }
    }

    /// Whether it is set aside for this entity.
    pub fn is_for(&self, entity: &str) -> bool {
        self.entity.split(", ").any(|name| name == entity)
    }

    /// As people name it: `primary key patients_pkey of public.patients`.
    pub fn label(&self) -> String {
        format!("{} {} of {}", self.kind.noun(), self.name, self.table)
    }
}

/// What stays in place, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its table.
    pub table: QualifiedName,
    /// What it is.
    pub kind: AsideKind,
    /// Its name.
    pub name: String,
    /// Why it stays, in the operator's words.
    pub reason: String,
}

/// What is set aside and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AsidePlan {
    /// In dropping order.
    pub items: Vec<AsideItem>,
    /// What stays.
    pub kept: Vec<Kept>,
}

/// Decides what is set aside for the tables that the plan loads; `recorded` is what the pipeline has on record as set aside by
/// earlier runs for entities that are not done.
pub fn set_aside(plan: &Plan, target: &Catalog, silencing: Silencing, recorded: &[AsideItem]) -> AsidePlan {
    let loaded = Loaded::of(plan, target);
    let mut draft = Draft::default();
    let triggers = loud::silenced(plan, target, silencing, recorded);
    let watched = loaded.relations().filter(|relation| keep::may_be_left(relation));
    let watched = watched.map(|relation| AsideItem {
        entity: writers(plan, &relation.name),
        ..item::autovacuum(relation)
    });
    for relation in loaded.relations() {
        draft.constraints(relation, &loaded, silencing);
        draft.indexes(relation, &loaded);
    }
    if silencing == Silencing::EachTrigger {
        draft.circles(plan, target, &loaded);
    }
    // Youngest first within a kind: foreign keys come back in the order in which they were made, as a dump lists them.
    draft.items.sort_by_key(|(oid, item)| (item.kind, Reverse(*oid)));
    let others = draft.items.into_iter().map(|(_, item)| AsideItem {
        entity: writers(plan, &item.table),
        ..item
    });
    AsidePlan {
        items: watched.chain(triggers).chain(others).collect(),
        kept: draft.kept,
    }
}

/// Whether tables would wait for each other for ever, with these things set aside and those not: the finding that says so.
pub fn stuck(
    plan: &Plan,
    target: &Catalog,
    silencing: Silencing,
    items: &[AsideItem],
    kept: &[Kept],
) -> Option<Finding> {
    match silencing {
        Silencing::ReplicaRole => None,
        Silencing::EachTrigger => circle::stuck(plan, target, items, kept),
    }
}

/// Keys and exclusions of the plan's tables that are checked late (DEFERRABLE). A trigger checks them, so replica role
/// silences the check: where they stay in place, they have to be proven after the load like those set aside.
pub fn late_keys(plan: &Plan, target: &Catalog) -> Vec<AsideItem> {
    let tables: BTreeSet<&QualifiedName> = plan.entities.iter().map(|entity| &entity.into).collect();
    let relations = tables.into_iter().filter_map(|table| target.relation(table));
    let late = relations.flat_map(|relation| {
        let constraints = relation
            .constraints
            .iter()
            .filter(|constraint| constraint.deferrable);
        constraints.filter_map(move |constraint| {
            let kind = keep::kind(constraint.kind).filter(|kind| *kind != AsideKind::ForeignKey)?;
            Some(item::constraint(relation, constraint, kind))
        })
    });
    late.map(|item| AsideItem {
        entity: writers(plan, &item.table),
        ..item
    })
    .collect()
}

/// What is found table by table, items with their age.
#[derive(Default)]
struct Draft {
    items: Vec<(Oid, AsideItem)>,
    kept: Vec<Kept>,
}

impl Draft {
    fn constraints(&mut self, relation: &Relation, loaded: &Loaded<'_>, silencing: Silencing) {
        for constraint in &relation.constraints {
            let Some(kind) = keep::kind(constraint.kind) else {
                continue;
            };
            let reason =
                keep::table(relation).or_else(|| keep::constraint(relation, constraint, loaded, silencing));
            match reason {
                Some(reason) => self.keep(relation, kind, &constraint.name, reason),
                None => self
                    .items
                    .push((constraint.oid, item::constraint(relation, constraint, kind))),
            }
        }
    }

    fn indexes(&mut self, relation: &Relation, loaded: &Loaded<'_>) {
        for index in relation.indexes.iter().filter(|index| index.constraint.is_none()) {
            let kind = if index.unique {
                AsideKind::UniqueIndex
            } else {
                AsideKind::Index
            };
            let reason = keep::table(relation).or_else(|| keep::index(relation, index, loaded));
            match reason {
                Some(reason) => self.keep(relation, kind, &index.name, reason),
                None => self.items.push((index.oid, item::index(relation, index, kind))),
            }
        }
    }

    /// Foreign keys that are checked at once beside rows of others stay in place, but for those on a circle, whose rows could
    /// not come in in any order.
    fn circles(&mut self, plan: &Plan, target: &Catalog, loaded: &Loaded<'_>) {
        for edge in circle::circular(plan, target) {
            let (relation, key) = (edge.child, edge.key);
            if loaded.relations().any(|one| one.name == relation.name) {
                continue;
            }
            let inherited = key
                .inherited
                .then(|| "it comes from a partitioned table".to_owned());
            match keep::table(relation).or(inherited) {
                Some(reason) => self.keep(relation, AsideKind::ForeignKey, &key.name, reason),
                None => {
                    let item = item::constraint(relation, key, AsideKind::ForeignKey);
                    self.items.push((key.oid, AsideItem { filled: true, ..item }));
                }
            }
        }
    }

    fn keep(&mut self, relation: &Relation, kind: AsideKind, name: &str, reason: String) {
        self.kept.push(Kept {
            table: relation.name.clone(),
            kind,
            name: name.to_owned(),
            reason,
        });
    }
}

/// The entities that write a table.
fn writers(plan: &Plan, table: &QualifiedName) -> String {
    let names: Vec<&str> = plan
        .entities
        .iter()
        .filter(|entity| entity.into == *table)
        .map(|entity| entity.name.as_str())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;

/// The catalog with autovacuum looking after the tables that it leaves alone for now: statistics are left to it as before. That
/// they say so themselves stays, so that it is not set aside once more.
#[must_use]
pub fn with_autovacuum_back(mut target: Catalog, aside: &[AsideItem]) -> Catalog {
    for item in aside.iter().filter(|item| item.kind == AsideKind::Autovacuum) {
        if let Some(relation) = target.relations.get_mut(&item.table) {
            relation.around.autovacuum = true;
        }
    }
    target
}

/// The catalog as it was before these things were set aside, as far as keys go: a plan made while a load is under way is
/// the plan that it was begun with.
#[must_use]
pub fn with_keys_back(mut target: Catalog, aside: &[AsideItem]) -> Catalog {
    for item in aside.iter().filter(|item| item.kind == AsideKind::Primary) {
        let Some(relation) = target.relations.get_mut(&item.table) else {
            continue;
        };
        if relation.primary_key().is_empty() {
            relation.constraints.push(Constraint {
                oid: 0,
                name: item.name.clone(),
                kind: ConstraintKind::Primary,
                columns: item.columns.clone(),
                definition: item.definition.clone(),
                foreign: None,
                validated: true,
                inherited: false,
                deferrable: false,
                index_oid: 0,
                comment: None,
            });
        }
    }
    target
}
