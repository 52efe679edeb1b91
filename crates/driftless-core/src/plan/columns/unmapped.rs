//! Which source columns nothing uses.

use std::collections::BTreeSet;

use super::Columns;
use crate::catalog::{Column, Relation};
use crate::plan::keys::key_columns;
use crate::plan::request::walk;
use crate::spec::{ColumnSpec, EntitySpec, Form, IdentitySpec, JsonForm, RefSource, Spanned};

impl<'a> Columns<'a, '_> {
    /// Source columns that nothing else uses.
    pub(super) fn unmapped(&self, from: &'a Relation) -> Vec<&'a Column> {
        let mut used = BTreeSet::new();
        for column in applicable_to(self.entity, &self.written) {
            let place = format!("column {}", column.name);
            names_used(&column.form, &mut used);
            walk(&column.form, &place, &mut |place, _| {
                if let Some(facts) = self.facts.expressions.get(&self.expression_key(place)) {
                    used.extend(facts.columns.iter().cloned());
                }
            });
        }
        used.extend(
            key_columns(self.entity, from)
                .into_iter()
                .flatten()
                .map(|column| column.name.clone()),
        );
        if let Some(Spanned {
            value: IdentitySpec::Column(column),
            ..
        }) = &self.entity.identity
        {
            used.insert(column.clone());
        }
        for written in &self.written {
            if !self
                .entity
                .columns
                .iter()
                .any(|column| column.name == written.name)
            {
                used.insert(written.name.clone());
            }
        }
        from.columns
            .iter()
            .filter(|column| !used.contains(&column.name))
            .collect()
    }
}

fn applicable_to<'s>(entity: &'s EntitySpec, written: &[&Column]) -> Vec<&'s ColumnSpec> {
    entity
        .columns
        .iter()
        .filter(|column| written.iter().any(|target| target.name == column.name))
        .collect()
}

/// Source columns that a form names itself.
fn names_used(form: &Form, used: &mut BTreeSet<String>) {
    match form {
        Form::Copy(column) | Form::Extract { column, .. } => {
            used.insert(column.clone());
        }
        Form::Map(map) => {
            used.insert(map.column.clone());
        }
        Form::Ref(reference) => {
            used.extend(reference.from.iter().map(|column| column.value.clone()));
            if let RefSource::Polymorphic { by, .. } = &reference.to {
                used.insert(by.clone());
            }
        }
        Form::Json(JsonForm::Object(members)) => {
            for member in members {
                names_used(&member.form, used);
            }
        }
        Form::Json(JsonForm::Scope(_)) | Form::Id | Form::Sql(_) | Form::Const(_) | Form::Run(_) => {}
    }
}
