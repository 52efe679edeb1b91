//! Where an entity's rows go and how: the write path with its reason, chunks, order.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::{Chunking, Path};
use super::request::Facts;
use crate::catalog::{Column, Relation, RelationKind, TypeRef, builtin};
use crate::code;
use crate::error::Finding;
use crate::name::quote_ident;
use crate::spec::{Form, JsonForm, RefForm, RefSource, Spec};

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

/// The integer columns among these whose sequences must be moved behind the kept keys.
pub(super) fn sequences(written: &[&Column]) -> Vec<String> {
    let integer = |data_type: &TypeRef| {
        matches!(
            data_type.base().oid,
            builtin::INT2 | builtin::INT4 | builtin::INT8
        )
    };
    written
        .iter()
        .filter(|column| column.sequence.is_some() && integer(&column.data_type))
        .map(|column| column.name.clone())
        .collect()
}

/// Entities in the order in which they start: behind those that `after` names, and where no circle forbids it behind
/// those that they refer to.
pub(super) fn order(spec: &Spec) -> Result<Vec<String>, Finding> {
    let mut strict: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut soft: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entity in &spec.entities {
        strict.insert(
            &entity.name,
            entity.after.iter().map(|after| after.value.as_str()).collect(),
        );
        let mut parents = BTreeSet::new();
        for column in &entity.columns {
            referred(&column.form, &mut parents);
        }
        parents.remove(entity.name.as_str());
        soft.insert(&entity.name, parents);
    }
    let mut done: Vec<&str> = Vec::new();
    while done.len() < spec.entities.len() {
        let waits = |needs: &BTreeMap<&str, BTreeSet<&str>>, name: &str| {
            needs
                .get(name)
                .is_some_and(|needs| needs.iter().any(|need| !done.contains(need)))
        };
        let open = || {
            spec.entities
                .iter()
                .map(|entity| entity.name.as_str())
                .filter(|name| !done.contains(name))
        };
        let next = open()
            .find(|name| !waits(&strict, name) && !waits(&soft, name))
            .or_else(|| open().find(|name| !waits(&strict, name)));
        match next {
            Some(name) => done.push(name),
            None => {
                let circle: Vec<&str> = open().collect();
                return Err(Finding::error(
                    code::ORDER_CYCLE,
                    format!("entities {}", circle.join(", ")),
                    "each waits for another by `after`",
                )
                .remedy("take one `after` out: references need no order"));
            }
        }
    }
    Ok(done.into_iter().map(str::to_owned).collect())
}

fn referred<'s>(form: &'s Form, parents: &mut BTreeSet<&'s str>) {
    match form {
        Form::Ref(RefForm {
            to: RefSource::Entity(entity),
            ..
        }) => {
            parents.insert(&entity.value);
        }
        Form::Ref(RefForm {
            to: RefSource::Polymorphic { values, .. },
            ..
        }) => {
            parents.extend(values.iter().map(|(_, entity)| entity.value.as_str()));
        }
        Form::Json(JsonForm::Object(members)) => {
            for member in members {
                referred(&member.form, parents);
            }
        }
        _ => {}
    }
}
