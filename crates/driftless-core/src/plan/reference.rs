//! References: how a row names the row of another entity.

use super::columns::Columns;
use super::fit::end_of;
use super::key_text::key_form;
use super::keys::family;
use super::program::{KeyText, RefProgram, Resolution};
use crate::catalog::Relation;
use crate::code;
use crate::error::Finding;
use crate::spec::{RefForm, RefSource, Unknown};

impl<'a> Columns<'a, '_> {
    /// Compiles a reference; its number in the program.
    pub(super) fn reference(
        &mut self,
        form: &RefForm,
        from: &'a Relation,
        place: &str,
    ) -> Result<usize, Finding> {
        let named: Vec<(&str, &str, crate::error::Span)> = match &form.to {
            RefSource::Entity(entity) => vec![("", entity.value.as_str(), entity.span)],
            RefSource::Polymorphic { values, .. } => values
                .iter()
                .map(|(text, entity)| (text.as_str(), entity.value.as_str(), entity.span))
                .collect(),
        };
        let mut parents = Vec::new();
        let mut parts: Option<Vec<KeyText>> = None;
        for (text, name, span) in named {
            let (resolution, own) = self
                .parent(form, from, name, place)
                .map_err(|finding| finding.at(span))?;
            parents.push((text.as_bytes().to_vec(), resolution));
            if parts.as_ref().is_some_and(|parts| *parts != own) {
                return Err(self
                    .finding(
                        code::REF_SHAPE,
                        format!("{place}: the parents have keys of different types"),
                    )
                    .at(span)
                    .remedy("let one reference name parents whose keys have the same type"));
            }
            parts = Some(own);
        }
        let (discriminator, unknown) = match &form.to {
            RefSource::Entity(_) => (None, Unknown::Reject),
            RefSource::Polymorphic { by, unknown, .. } => {
                let column = self.source_column(from, by, place)?;
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

    fn parent(
        &mut self,
        form: &RefForm,
        from: &'a Relation,
        name: &str,
        place: &str,
    ) -> Result<(Resolution, Vec<KeyText>), Finding> {
        let family = self
            .world
            .spec
            .entity(name)
            .and_then(|parent| family(self.world, parent))
            .ok_or_else(|| {
                self.finding(
                    code::REF_SHAPE,
                    format!("{place}: the key of entity {name} is not known"),
                )
                .remedy("mend that entity first")
            })?;
        let Some(resolution) = family.resolution() else {
            return Err(self
                .finding(
                    code::REF_SHAPE,
                    format!("{place}: entity {name} keeps its own keys and has no UUIDs"),
                )
                .remedy("copy the column instead of referring to the entity"));
        };
        if family.key.len() != form.from.len() {
            return Err(self
                .finding(
                    code::REF_SHAPE,
                    format!(
                        "{place}: {} column(s) refer to a key of {} column(s)",
                        form.from.len(),
                        family.key.len()
                    ),
                )
                .remedy("name as many columns, in the order of the parent's key"));
        }
        let mut parts = Vec::new();
        for (child, parent) in form.from.iter().zip(&family.key) {
            let column = self
                .source_column(from, &child.value, place)
                .map_err(|finding| finding.at(child.span))?;
            let form = key_form(end_of(column), end_of(parent)).ok_or_else(|| {
                self.finding(
                    code::REF_SHAPE,
                    format!(
                        "{place}: column {} is {}, and the key {} of entity {name} is {}",
                        column.name, column.type_sql, parent.name, parent.type_sql
                    ),
                )
                .at(child.span)
                .remedy("refer by a column of the key's type: `sql = \"SELECT …\"` can make one")
            })?;
            parts.push(self.draft.key_text(column, form, place));
        }
        Ok((resolution, parts))
    }
}
