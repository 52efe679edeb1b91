//! Indexes that would help and are not there. Nothing needs them: they are advice.

use super::entity::{EntityPlan, Path, Plan};
use crate::catalog::{Catalog, Constraint, ConstraintKind, Relation, RelationKind};
use crate::name::{QualifiedName, quote_ident};

/// Bytes below which a table is read from end to end as quickly as through an index.
const SMALL: i64 = 1 << 20;

/// A database of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where rows come from.
    Source,
    /// Where they go.
    Target,
}

impl Side {
    /// As reports name it.
    pub fn text(self) -> &'static str {
        match self {
            Side::Source => "source",
            Side::Target => "target",
        }
    }
}

/// An index that would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexAdvice {
    /// Where.
    pub side: Side,
    /// The table.
    pub table: QualifiedName,
    /// The statement that makes it.
    pub sql: String,
    /// What is slow without it, in the operator's words.
    pub why: String,
}

/// Indexes that would help with an entity: in the source one over its key, in the target one for each foreign key that
/// has none, of its table and of tables that refer to it.
pub fn indexes(plan: &Plan, entity: &EntityPlan, source: &Catalog, target: &Catalog) -> Vec<IndexAdvice> {
    let origin = entity.origin.relation.as_ref();
    let from = origin.and_then(|name| source.relation(name));
    let mut found: Vec<IndexAdvice> = from.and_then(|from| over_key(entity, from)).into_iter().collect();
    let grows = from.is_none_or(|from| !from.has_rows || from.bytes >= SMALL);
    if let Some(into) = target.relation(&entity.into)
        && first_writer(plan, entity)
    {
        if grows {
            found.extend(foreign_keys(into).filter_map(|key| over_foreign(into, key)));
        }
        found.extend(of_others(plan, into, target));
    }
    found
}

/// Several entities may write one table, of which it is said once.
fn first_writer(plan: &Plan, entity: &EntityPlan) -> bool {
    let first = plan.entities.iter().find(|other| other.into == entity.into);
    first.is_some_and(|first| first.name == entity.name)
}

fn over_key(entity: &EntityPlan, from: &Relation) -> Option<IndexAdvice> {
    let key: Vec<&str> = entity
        .identity
        .key
        .iter()
        .map(|part| part.column.as_str())
        .collect();
    if key.is_empty() || from.bytes < SMALL || serves(from, &key) {
        return None;
    }
    let sorted = match entity.path {
        Path::Beside => "rows are read in the order of their key, which sorts them; ",
        Path::Load => "",
    };
    advice(
        Side::Source,
        from,
        &key,
        format!(
            "{sorted}rows that are tried again are looked up by their key, which reads the whole table each time"
        ),
    )
}

fn over_foreign(table: &Relation, key: &Constraint) -> Option<IndexAdvice> {
    let parent = &key.foreign.as_ref()?.parent;
    let columns: Vec<&str> = key.columns.iter().map(String::as_str).collect();
    if serves(table, &columns) {
        return None;
    }
    advice(
        Side::Target,
        table,
        &columns,
        format!(
            "whenever a row of {parent} is deleted or its key changes, the foreign key {} reads the whole table",
            key.name
        ),
    )
}

/// Foreign keys of tables that no entity writes.
fn of_others(plan: &Plan, into: &Relation, target: &Catalog) -> Vec<IndexAdvice> {
    let ours = |name: &QualifiedName| plan.entities.iter().any(|entity| entity.into == *name);
    let referring = into.referenced_by.iter().filter(|(name, _)| !ours(name));
    referring
        .filter_map(|(name, key)| {
            let table = target.relation(name).filter(|table| table.bytes >= SMALL)?;
            over_foreign(table, foreign_keys(table).find(|one| one.name == *key)?)
        })
        .collect()
}

fn foreign_keys(table: &Relation) -> impl Iterator<Item = &Constraint> {
    let of_table = table.constraints.iter();
    of_table.filter(|key| key.kind == ConstraintKind::Foreign)
}

/// Whether an index finds rows by these columns: they are its first ones, in whatever order, and it knows every row.
fn serves(table: &Relation, columns: &[&str]) -> bool {
    table.indexes.iter().any(|index| {
        let first: Vec<Option<&str>> = index
            .columns
            .iter()
            .take(columns.len())
            .map(Option::as_deref)
            .collect();
        let equals = index.definition.contains(" USING btree ") || index.definition.contains(" USING hash ");
        let whole = index.valid && equals && index.predicate.is_none() && first.len() == columns.len();
        whole && columns.iter().all(|column| first.contains(&Some(column)))
    })
}

fn advice(side: Side, table: &Relation, columns: &[&str], why: String) -> Option<IndexAdvice> {
    let (concurrently, why) = match table.kind {
        RelationKind::Table | RelationKind::MaterializedView => (" CONCURRENTLY", why),
        // PostgreSQL builds none concurrently over all partitions.
        RelationKind::Partitioned => ("", format!("{why}; while it is built nobody writes the table")),
        RelationKind::View | RelationKind::Foreign | RelationKind::Query => return None,
    };
    let columns: Vec<String> = columns.iter().map(|column| quote_ident(column)).collect();
    Some(IndexAdvice {
        side,
        table: table.name.clone(),
        sql: format!(
            "CREATE INDEX{concurrently} ON {} ({})",
            table.name.sql(),
            columns.join(", ")
        ),
        why,
    })
}
