//! References: how a row names the row of another entity.

use std::collections::BTreeSet;

use super::columns::Columns;
use super::fit::end_of;
use super::key_text::key_form;
use super::keys::{Family, family};
use super::program::{KeyText, RefProgram, Resolution};
use crate::catalog::{Column, Relation};
use crate::code;
use crate::error::Finding;
use crate::spec::{From, RefForm, RefSource, Spanned, Unknown};

const OTHER_TYPES: &str = "the parents have keys of different types";

impl<'a> Columns<'a, '_> {
    /// Compiles a reference; its number in the program.
    pub(super) fn reference(
        &mut self,
        form: &RefForm,
        from: &'a Relation,
        place: &str,
    ) -> Result<usize, Finding> {
        let named: Vec<(&str, &Spanned<String>)> = match &form.to {
            RefSource::Entity(entity) => vec![("", entity)],
            RefSource::Polymorphic { values, .. } => values
                .iter()
                .map(|(text, entity)| (text.as_str(), entity))
                .collect(),
        };
        let mut parents = Vec::new();
        let mut parts: Option<Vec<KeyText>> = None;
        for (text, entity) in named {
            let (resolution, own) = self.parent(form, from, entity, place)?;
            parents.push((text.as_bytes().to_vec(), resolution));
            if parts.as_ref().is_some_and(|parts| *parts != own) {
                let remedy = "let one reference name parents whose keys have the same type";
                return Err(self.unlike(place, OTHER_TYPES).at(entity.span).remedy(remedy));
            }
            parts = Some(own);
        }
        let (discriminator, unknown) = match &form.to {
            RefSource::Entity(_) => (None, Unknown::Reject),
            RefSource::Polymorphic { by, unknown, .. } => {
                let column = self.named_column(from, by, place)?;
                (Some(self.draft.canonical(column)), unknown.clone())
            }
        };
        self.refs.push(RefProgram {
            parts: parts.unwrap_or_default(),
            discriminator,
            parents,
            unknown,
            missing: form.missing,
        });
        Ok(self.refs.len() - 1)
    }

    fn unlike(&self, place: &str, what: &str) -> Finding {
        self.finding(code::REF_SHAPE, format!("{place}: {what}"))
    }

    /// How one parent is found, and from which texts.
    fn parent(
        &mut self,
        form: &RefForm,
        from: &'a Relation,
        entity: &Spanned<String>,
        place: &str,
    ) -> Result<(Resolution, Vec<KeyText>), Finding> {
        let (family, resolution) = self
            .family_of(&entity.value, place)
            .map_err(|finding| finding.at(entity.span))?;
        if family.key.len() != form.from.len() {
            let (own, wanted) = (form.from.len(), family.key.len());
            let what = format!("{own} column(s) refer to a key of {wanted} column(s)");
            let remedy = "name as many columns, in the order of the parent's key";
            return Err(self.unlike(place, &what).at(entity.span).remedy(remedy));
        }
        if let Some(finding) = self.beside_the_key(form, from, &family, place) {
            return Err(finding.at(entity.span));
        }
        let mut parts = Vec::new();
        for (child, parent) in form.from.iter().zip(&family.key) {
            let text = self
                .source_column(from, &child.value, place)
                .and_then(|column| self.part(column, parent, &entity.value, place));
            parts.push(text.map_err(|finding| finding.at(child.span))?);
        }
        Ok((resolution, parts))
    }

    /// A foreign key of the source that says otherwise: these columns hold values of a unique column beside the key, and taken
    /// for keys they would name other rows, or none.
    fn beside_the_key(
        &self,
        form: &RefForm,
        from: &Relation,
        family: &Family<'_>,
        place: &str,
    ) -> Option<Finding> {
        let From::Relation(parent) = &family.owner.from.value else {
            return None;
        };
        let named = form.from.iter().map(|column| column.value.as_str());
        let wanted: BTreeSet<(&str, &str)> = named
            .zip(family.key.iter().map(|column| column.name.as_str()))
            .collect();
        let mut others = Vec::new();
        for constraint in &from.constraints {
            let Some(foreign) = constraint
                .foreign
                .as_ref()
                .filter(|foreign| foreign.parent == *parent)
            else {
                continue;
            };
            let own = constraint.columns.iter().map(String::as_str);
            let pairs: BTreeSet<(&str, &str)> = own
                .zip(foreign.parent_columns.iter().map(String::as_str))
                .collect();
            if pairs == wanted {
                return None;
            }
            if pairs
                .iter()
                .map(|pair| pair.0)
                .eq(wanted.iter().map(|pair| pair.0))
            {
                others.push((constraint.name.as_str(), foreign.parent_columns.join(", ")));
            }
        }
        let (constraint, columns) = others.first()?;
        let key: Vec<&str> = family.key.iter().map(|column| column.name.as_str()).collect();
        let message = format!(
            "{place}: the foreign key {constraint} of the source refers to {columns} of {parent}, and rows of entity {} are \
             known by {}",
            family.owner.name,
            key.join(", ")
        );
        let remedy = format!(
            "read a query of the source that joins {parent} and gives its key, or let {columns} be the key of entity {}",
            family.owner.name
        );
        Some(self.finding(code::BESIDE_THE_KEY, message).remedy(remedy))
    }

    fn family_of(&self, entity: &str, place: &str) -> Result<(Family<'a>, Resolution), Finding> {
        let parent = self.world.spec.entity(entity);
        let Some(family) = parent.and_then(|parent| family(self.world, parent)) else {
            let what = format!("the key of entity {entity} is not known");
            return Err(self.unlike(place, &what).remedy("mend that entity first"));
        };
        let Some(resolution) = family.resolution() else {
            let what = format!("entity {entity} keeps its own keys and has no UUIDs");
            let remedy = "copy the column instead of referring to the entity";
            return Err(self.unlike(place, &what).remedy(remedy));
        };
        Ok((family, resolution))
    }

    /// The text of one part of the parent's key, from the child's column.
    fn part(
        &mut self,
        child: &Column,
        parent: &Column,
        entity: &str,
        place: &str,
    ) -> Result<KeyText, Finding> {
        let Some(form) = key_form(end_of(child), end_of(parent)) else {
            let what = format!(
                "column {} is {}, and the key {} of entity {entity} is {}",
                child.name, child.type_sql, parent.name, parent.type_sql
            );
            let remedy = "refer by a column of the key's type: a query (`sql = \"SELECT …\"`) can make one";
            return Err(self.unlike(place, &what).remedy(remedy));
        };
        Ok(self.draft.key_text(child, form, place))
    }
}
