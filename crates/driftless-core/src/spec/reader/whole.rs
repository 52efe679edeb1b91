//! What can only be said of the whole mapping: names that refer to entities, and things that contradict each other.

use std::collections::{BTreeMap, HashSet};

use super::MOST_FINDINGS;
use crate::code;
use crate::error::{Finding, Span};
use crate::name::QualifiedName;
use crate::spec::nearest::nearest;
use crate::spec::placeholder::scan;
use crate::spec::{
    ColumnSpec, EntitySpec, Form, From, IdentitySpec, IgnoreSpec, JsonForm, RefSource, Spanned,
};

/// Checks the whole, and follows `same_as` to the entity whose identity it is in the end.
pub(super) fn check(
    entities: &mut [EntitySpec],
    declared: &[&str],
    defaults: &[ColumnSpec],
    ignored: &[IgnoreSpec],
    out: &mut Vec<Finding>,
) {
    let names = Names {
        declared,
        set: declared.iter().copied().collect(),
    };
    let left_out = ignored.iter().filter(|one| one.column.is_none());
    let left_out: HashSet<&QualifiedName> = left_out.map(|one| &one.relation).collect();
    for column in defaults {
        names.column(column, "[defaults]", out);
    }
    for entity in entities.iter() {
        names.entity(entity, out);
        ids(entity, out);
        placeholders(entity, out);
        ignored_source(entity, &left_out, out);
    }
    same_as(entities, out);
    derivations(entities, out);
}

fn place(entity: &EntitySpec) -> String {
    format!("entity {}", entity.name)
}

/// Which entities there are.
struct Names<'a> {
    declared: &'a [&'a str],
    set: HashSet<&'a str>,
}

impl Names<'_> {
    fn entity(&self, entity: &EntitySpec, out: &mut Vec<Finding>) {
        let place = place(entity);
        for after in &entity.after {
            if after.value == entity.name {
                out.push(
                    Finding::error(code::INVALID_VALUE, &place, "an entity cannot come after itself")
                        .remedy("remove it from `after`")
                        .at(after.span),
                );
            }
            self.known(&after.value, after.span, &format!("{place}, after"), out);
        }
        if let Some(Spanned {
            value: IdentitySpec::SameAs(other),
            span,
        }) = &entity.identity
        {
            self.known(other, *span, &format!("{place}, identity"), out);
        }
        for column in entity.columns.iter().filter(|column| !column.from_defaults) {
            self.column(column, &place, out);
        }
    }

    fn column(&self, column: &ColumnSpec, place: &str, out: &mut Vec<Finding>) {
        let place = format!("{place}, column {}", column.name);
        visit(&column.form, &mut |form| {
            let Form::Ref(reference) = form else {
                return;
            };
            match &reference.to {
                RefSource::Entity(entity) => self.known(&entity.value, entity.span, &place, out),
                RefSource::Polymorphic { values, .. } => {
                    for (_, entity) in values {
                        self.known(&entity.value, entity.span, &place, out);
                    }
                }
            }
        });
    }

    fn known(&self, name: &str, span: Span, place: &str, out: &mut Vec<Finding>) {
        if self.set.contains(name) {
            return;
        }
        // Where everything is wrong, what was meant is looked for as long as anybody is going to read it.
        let meant = (out.len() < MOST_FINDINGS).then(|| nearest(name, self.declared.iter().copied()));
        let remedy = match meant.flatten() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add `[entities.{name}]`, or name an entity that is there"),
        };
        out.push(
            Finding::error(
                code::UNKNOWN_ENTITY,
                place,
                format!("there is no entity `{name}`"),
            )
            .remedy(remedy)
            .at(span),
        );
    }
}

/// A form and all forms in it.
fn visit(form: &Form, look: &mut impl FnMut(&Form)) {
    look(form);
    if let Form::Json(JsonForm::Object(members)) = form {
        for member in members {
            visit(&member.form, look);
        }
    }
}

fn uses_id(form: &Form) -> bool {
    let mut found = false;
    visit(form, &mut |form| {
        found |= match form {
            Form::Id => true,
            Form::Sql(sql) => scan(&sql.value)
                .iter()
                .any(|placeholder| placeholder.name == "id"),
            _ => false,
        };
    });
    found
}

/// A row of an entity without UUIDs has none to give.
fn ids(entity: &EntitySpec, out: &mut Vec<Finding>) {
    let by = match entity.identity.as_ref().map(|identity| &identity.value) {
        Some(IdentitySpec::Columns) => "columns",
        Some(IdentitySpec::None) => "none",
        _ => return,
    };
    if let (Some(key), "none") = (&entity.key, by) {
        out.push(
            Finding::error(
                code::INVALID_VALUE,
                format!("{}, key", place(entity)),
                "a key is named, but `identity = { by = \"none\" }` says that rows have none",
            )
            .remedy("remove one of the two")
            .at(key.span),
        );
    }
    let own = entity.columns.iter().filter(|column| !column.from_defaults);
    for column in own.filter(|column| uses_id(&column.form)) {
        out.push(
            Finding::error(
                code::INVALID_VALUE,
                format!("{}, column {}", place(entity), column.name),
                format!("uses the row's UUID, but `identity = {{ by = \"{by}\" }}` gives rows none"),
            )
            .remedy("map the key's column, or choose `identity = { by = \"derive\" }`")
            .at(column.span),
        );
    }
}

/// `:COLUMN` stands for a value that is there before the expressions are evaluated.
fn placeholders(entity: &EntitySpec, out: &mut Vec<Finding>) {
    for column in entity.columns.iter().filter(|column| !column.from_defaults) {
        visit(&column.form, &mut |form| {
            let Form::Sql(sql) = form else {
                return;
            };
            for placeholder in scan(&sql.value) {
                let meant = entity.columns.iter().find(|other| other.name == placeholder.name);
                let evaluated = meant.is_some_and(|other| {
                    let mut evaluated = false;
                    visit(&other.form, &mut |form| evaluated |= matches!(form, Form::Sql(_)));
                    evaluated
                });
                if evaluated && placeholder.name != "id" {
                    out.push(
                        Finding::error(
                            code::INVALID_VALUE,
                            format!("{}, column {}", place(entity), column.name),
                            format!("`:{}` stands for a column that is itself an expression", placeholder.name),
                        )
                        .remedy("repeat that column's expression here: only values of the other forms can be used")
                        .at(sql.span),
                    );
                }
            }
        });
    }
}

/// What is ignored is not read.
fn ignored_source(entity: &EntitySpec, left_out: &HashSet<&QualifiedName>, out: &mut Vec<Finding>) {
    let From::Relation(relation) = &entity.from.value else {
        return;
    };
    if left_out.contains(relation) {
        out.push(
            Finding::error(
                code::INVALID_VALUE,
                format!("{}, from", place(entity)),
                format!("`{relation}` is read here, and listed in [ignore]"),
            )
            .remedy("remove one of the two")
            .at(entity.from.span),
        );
    }
}

/// Follows `same_as` to its end, and refuses circles.
fn same_as(entities: &mut [EntitySpec], out: &mut Vec<Finding>) {
    let next: BTreeMap<String, String> = entities
        .iter()
        .filter_map(|entity| match &entity.identity {
            Some(Spanned {
                value: IdentitySpec::SameAs(other),
                ..
            }) => Some((entity.name.clone(), other.clone())),
            _ => None,
        })
        .collect();
    for entity in entities {
        let place = place(entity);
        let Some(Spanned {
            value: IdentitySpec::SameAs(other),
            span,
        }) = &mut entity.identity
        else {
            continue;
        };
        match end_of(&next, other) {
            Some(end) => *other = end.to_owned(),
            None => out.push(
                Finding::error(
                    code::INVALID_VALUE,
                    format!("{place}, identity"),
                    "`same_as` leads in a circle",
                )
                .remedy("give one of these entities an identity of its own")
                .at(*span),
            ),
        }
    }
}

/// The entity at the end of a chain, `None` in a circle.
fn end_of<'a>(next: &'a BTreeMap<String, String>, start: &'a str) -> Option<&'a str> {
    let mut at = start;
    // A chain without a circle has at most as many links as there are.
    for _ in 0..=next.len() {
        match next.get(at) {
            Some(further) => at = further,
            None => return Some(at),
        }
    }
    None
}

/// Two entities that derive under one name would give row 5 of both the same UUID.
fn derivations(entities: &[EntitySpec], out: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &EntitySpec> = BTreeMap::new();
    for entity in entities {
        let name = match entity.identity.as_ref().map(|identity| &identity.value) {
            None | Some(IdentitySpec::Derive { name: None }) => entity.name.as_str(),
            Some(IdentitySpec::Derive { name: Some(name) }) => name,
            Some(_) => continue,
        };
        let Some(earlier) = seen.insert(name, entity) else {
            continue;
        };
        let at = entity
            .identity
            .as_ref()
            .map_or(entity.span, |identity| identity.span);
        out.push(
            Finding::error(
                code::DUPLICATE_SETTING,
                format!("{}, identity", place(entity)),
                format!(
                    "derives UUIDs under the name `{name}`, as entity {} does",
                    earlier.name
                ),
            )
            .remedy(format!(
                "choose another `name`, or share the identity with `same_as = \"{}\"`",
                earlier.name
            ))
            .at(at),
        );
    }
}
