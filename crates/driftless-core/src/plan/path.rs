//! Where an entity's rows go and how: the write path with its reason, chunks, order.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::{Chunking, DrawnFrom, Path};
use super::request::{Facts, leaves};
use crate::catalog::{Column, Relation, RelationKind, TypeRef, builtin};
use crate::code;
use crate::error::Finding;
use crate::name::quote_ident;
use crate::spec::{EntitySpec, Form, RefSource, Spec};

/// The write path of a target, with the reason in the operator's words.
pub(super) fn path(into: &Relation, facts: &Facts) -> (Path, String) {
    if into.kind != RelationKind::Table {
        return (
            Path::Beside,
            "it is not an ordinary table, so its constraints stay in place".into(),
        );
    }
    if !into.owned {
        return (
            Path::Beside,
            format!("it belongs to {}, so its constraints stay in place", into.owner),
        );
    }
    if facts.begun.contains(&into.name) {
        return (Path::Load, "its load has begun and goes on".into());
    }
    if into.has_rows {
        return (Path::Beside, "it has rows already, which stay untouched".into());
    }
    (Path::Load, "it is empty and ours to alter".into())
}

/// How the source is cut into chunks.
pub(super) fn chunking(from: &Relation, key: &[&Column]) -> Chunking {
    if let [column] = key {
        let quoted = quote_ident(&column.name);
        let ranged = indexed(from, &column.name);
        match column.data_type.base().oid {
            builtin::INT2 | builtin::INT4 | builtin::INT8 if ranged => return Chunking::Integer(quoted),
            builtin::UUID if ranged => return Chunking::Uuid(quoted),
            _ => {}
        }
    }
    match from.kind {
        RelationKind::Table | RelationKind::MaterializedView => Chunking::Pages,
        _ => Chunking::Whole,
    }
}

/// Whether ranges of a column can be read without reading everything.
fn indexed(from: &Relation, column: &str) -> bool {
    from.indexes.iter().any(|index| {
        index.valid
            && index.predicate.is_none()
            && index.definition.contains(" USING btree ")
            && index.columns.first().and_then(Option::as_deref) == Some(column)
    })
}

/// The sequences of integer columns among these, which must be moved behind the kept keys.
pub(super) fn sequences(written: &[&Column]) -> Vec<DrawnFrom> {
    let integer = |data_type: &TypeRef| {
        matches!(
            data_type.base().oid,
            builtin::INT2 | builtin::INT4 | builtin::INT8
        )
    };
    written
        .iter()
        .filter(|column| integer(&column.data_type))
        .filter_map(|column| {
            Some(DrawnFrom {
                column: column.name.clone(),
                sequence: column.sequence.clone()?,
            })
        })
        .collect()
}

/// Entities in the order in which they start: behind those that `after` names, and where no circle forbids it behind
/// those that they refer to.
pub(super) fn order(spec: &Spec) -> Result<Vec<String>, Finding> {
    let parents: Parents<'_> = spec
        .entities
        .iter()
        .map(|entity| (entity.name.as_str(), parents(entity)))
        .collect();
    let mut open: BTreeSet<&str> = parents.keys().copied().collect();
    let mut order = Vec::new();
    while !open.is_empty() {
        let left = || {
            let entities = spec.entities.iter();
            entities.filter(|entity| open.contains(entity.name.as_str()))
        };
        let free = |entity: &&EntitySpec| {
            waits_for(spec, entity)
                .iter()
                .all(|before| !open.contains(before))
        };
        let is_last = |entity: &&EntitySpec| parents[entity.name.as_str()].is_disjoint(&open);
        let next = left()
            .find(|entity| is_last(entity) && free(entity))
            .or_else(|| {
                left().find(|entity| free(entity) && is_in_circle_alone(&parents, &entity.name, &open))
            })
            .or_else(|| left().find(free));
        let Some(entity) = next else {
            return Err(circle(&left().collect::<Vec<_>>()));
        };
        order.push(entity.name.clone());
        open.remove(entity.name.as_str());
    }
    Ok(order)
}

/// To which others each entity refers.
type Parents<'s> = BTreeMap<&'s str, BTreeSet<&'s str>>;

/// Whether all open entities that one refers to, by however many others, refer to it in turn: of such a circle one has to be the first.
fn is_in_circle_alone<'s>(parents: &Parents<'s>, entity: &'s str, open: &BTreeSet<&'s str>) -> bool {
    let mut above = ancestors(parents, entity, open).into_iter();
    above.all(|other| ancestors(parents, other, open).contains(entity))
}

/// The open entities to which one refers, by however many others.
fn ancestors<'s>(parents: &Parents<'s>, entity: &'s str, open: &BTreeSet<&'s str>) -> BTreeSet<&'s str> {
    let mut found = BTreeSet::new();
    let mut next = vec![entity];
    while let Some(entity) = next.pop() {
        let parents = parents.get(entity).into_iter().flatten();
        next.extend(parents.filter(|parent| open.contains(*parent) && found.insert(**parent)));
    }
    found
}

/// The entities that must be loaded before this one: those that it says, and those that write what it looks up in.
pub(super) fn waits_for<'s>(spec: &'s Spec, entity: &'s EntitySpec) -> Vec<&'s str> {
    let mut before: Vec<&str> = entity.after.iter().map(|after| after.value.as_str()).collect();
    for column in &entity.columns {
        leaves(&column.form, "", &mut |_, form| {
            let Form::Lookup(lookup) = form else { return };
            let writers = spec
                .entities
                .iter()
                .filter(|other| other.into.value == lookup.table.value && other.name != entity.name);
            before.extend(writers.map(|other| other.name.as_str()));
        });
    }
    before.sort_unstable();
    before.dedup();
    before
}

fn circle(waiting: &[&EntitySpec]) -> Finding {
    let names: Vec<&str> = waiting.iter().map(|entity| entity.name.as_str()).collect();
    let finding = Finding::error(
        code::ORDER_CYCLE,
        format!("entities {}", names.join(", ")),
        "each waits for another by `after` or `lookup`",
    );
    let after = waiting.iter().find_map(|entity| entity.after.first());
    finding
        .at(after.map_or_else(Default::default, |after| after.span))
        .remedy("take one `after` out, or turn a `lookup` into a `ref`: references need no order")
}

/// The entities that an entity refers to, without itself.
fn parents(entity: &EntitySpec) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for column in &entity.columns {
        leaves(&column.form, "", &mut |_, form| {
            let Form::Ref(reference) = form else { return };
            match &reference.to {
                RefSource::Entity(entity) => {
                    found.insert(entity.value.as_str());
                }
                RefSource::Polymorphic { values, .. } => {
                    found.extend(values.iter().map(|(_, entity)| entity.value.as_str()));
                }
            }
        });
    }
    found.remove(entity.name.as_str());
    found
}
