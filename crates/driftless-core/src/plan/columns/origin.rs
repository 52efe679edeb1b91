//! Which source columns a target column is made of, and which ones nothing uses.

use std::collections::BTreeSet;

use super::Columns;
use crate::catalog::{Column, Relation};
use crate::plan::keys::key_columns;
use crate::plan::request::leaves;
use crate::spec::{ColumnSpec, Form, IdentitySpec, JsonForm, RefSource};

impl<'a> Columns<'a, '_> {
    /// Source columns that nothing else uses and that are not left out on purpose. A rule that looks at a column does not
    /// keep its value.
    pub(super) fn unmapped(&self, from: &'a Relation) -> Vec<&'a Column> {
        let ignored = |column: &Column| {
            let mut lines = self.world.spec.ignore.iter();
            lines.any(|one| one.relation == from.name && one.column.as_ref() == Some(&column.name))
        };
        let left = self.unnamed(from).into_iter();
        left.filter(|column| !ignored(column)).collect()
    }

    /// Source columns that no key and no column names.
    fn unnamed(&self, from: &'a Relation) -> Vec<&'a Column> {
        let mut used: BTreeSet<String> = key_columns(self.entity, from)
            .into_iter()
            .flatten()
            .map(|column| column.name.clone())
            .collect();
        if let Some(IdentitySpec::Column(column)) = self.entity.identity.as_ref().map(|said| &said.value) {
            used.insert(column.clone());
        }
        for target in &self.written {
            match self.said(&target.name) {
                Some(said) => used.extend(self.made_of(said)),
                None => {
                    used.insert(target.name.clone());
                }
            }
        }
        let left = from.columns.iter().filter(|column| !used.contains(&column.name));
        left.collect()
    }

    /// Source columns of which nothing gets into the target.
    pub(in crate::plan) fn unused(&self, from: &'a Relation) -> Vec<String> {
        let mut said = self.written.iter().filter_map(|target| self.said(&target.name));
        let collected = if said.any(|said| collects(&said.form)) {
            self.unmapped(from)
        } else {
            Vec::new()
        };
        let left = self.unnamed(from).into_iter();
        left.filter(|column| !collected.iter().any(|other| other.name == column.name))
            .map(|column| column.name.clone())
            .collect()
    }

    /// Source columns that may not be shown: those that the mapping names, and those that a named target column is made of.
    pub(in crate::plan) fn sensitive(&self, from: &'a Relation) -> Vec<String> {
        let mut names = BTreeSet::new();
        for named in self.entity.sensitive.iter().map(|named| &named.value) {
            if from.column(named).is_some() {
                names.insert(named.clone());
            }
            let Some(said) = self.said(named).filter(|_| self.output_number(named).is_some()) else {
                continue;
            };
            names.extend(self.made_of(said));
            if matches!(said.form, Form::Json(_)) && collects(&said.form) {
                names.extend(self.unmapped(from).into_iter().map(|column| column.name.clone()));
            }
        }
        names.retain(|name| from.column(name).is_some());
        names.into_iter().collect()
    }

    /// Source columns that a target column is made of, but for those that nothing else uses.
    fn made_of(&self, said: &ColumnSpec) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        let place = format!("column {}", said.name);
        leaves(&said.form, &place, &mut |place, form| match form {
            Form::Copy(column) | Form::Extract { column, .. } => {
                used.insert(column.value.clone());
            }
            Form::Map(map) => {
                used.insert(map.column.value.clone());
            }
            Form::Ref(reference) => {
                used.extend(reference.from.iter().map(|column| column.value.clone()));
                if let RefSource::Polymorphic { by, .. } = &reference.to {
                    used.insert(by.value.clone());
                }
            }
            Form::Lookup(lookup) => used.extend(lookup.on.iter().map(|pair| pair.from.value.clone())),
            Form::Sql(_) => {
                let facts = self.world.facts.expressions.get(&self.expression_key(place));
                used.extend(facts.into_iter().flat_map(|facts| facts.columns.iter().cloned()));
            }
            Form::Json(_) | Form::Id | Form::Const(_) | Form::Run(_) => {}
        });
        used
    }
}

/// Whether a form collects what nothing else uses.
fn collects(form: &Form) -> bool {
    let mut found = false;
    leaves(form, "", &mut |_, form| {
        found |= matches!(form, Form::Json(JsonForm::Scope(_)))
    });
    found
}
