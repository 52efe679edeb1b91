//! Keys, identities and references: how one entity's rows are named, and how others name them.

use super::columns::Columns;
use super::draft::native_text;
use super::entity::{IdentityPlan, KeyPart, Mint};
use super::fit::type_name;
use super::program::{Canonical, KeyText, RefProgram, Resolution};
use super::request::Facts;
use crate::catalog::{Catalog, Column, Relation, TypeKind, builtin};
use crate::code;
use crate::error::Finding;
use crate::spec::{EntitySpec, Form, IdentitySpec, RefForm, RefSource, Spec, Unknown};

/// What others must know of an entity to refer to it.
#[derive(Debug, Clone)]
pub(super) struct Family<'a> {
    /// The entity whose derivation and recorded mappings count: itself, or the one it is `same_as`.
    pub(super) owner: &'a EntitySpec,
    /// What its identity says there.
    pub(super) identity: IdentitySpec,
    /// The key columns of the source.
    pub(super) key: Vec<&'a Column>,
}

/// The identity that an entity has, said or by default.
pub(super) fn identity_of(entity: &EntitySpec) -> IdentitySpec {
    match &entity.identity {
        Some(identity) => identity.value.clone(),
        None if entity.columns.iter().any(|column| column.form == Form::Id) => {
            IdentitySpec::Derive { name: None }
        }
        None => IdentitySpec::Columns,
    }
}

/// The key columns that an entity says or its source has.
pub(super) fn key_columns<'a>(entity: &EntitySpec, from: &'a Relation) -> Result<Vec<&'a Column>, Finding> {
    let place = format!("entity {}", entity.name);
    let names: &[String] = match &entity.key {
        Some(key) => &key.value,
        None => from.primary_key(),
    };
    if names.is_empty() {
        return Err(Finding::error(
            code::NO_KEY,
            place,
            format!("{} has no primary key, and the entity names none", from.name),
        )
        .at(entity.from.span)
        .remedy("say which columns identify a row: `key = [\"…\"]`"));
    }
    let span = entity.key.as_ref().map_or(entity.from.span, |key| key.span);
    names
        .iter()
        .map(|name| {
            from.column(name).ok_or_else(|| {
                Finding::error(
                    code::UNKNOWN_SOURCE_COLUMN,
                    place.clone(),
                    format!("the key column {name} does not exist in {}", from.name),
                )
                .at(span)
                .remedy("name a column of the source")
            })
        })
        .collect()
}

/// Finds whose identity counts for an entity; the mapping's checker has refused circles.
pub(super) fn family<'a>(
    spec: &'a Spec,
    source: &'a Catalog,
    facts: &'a Facts,
    entity: &'a EntitySpec,
) -> Option<Family<'a>> {
    let mut owner = entity;
    while let IdentitySpec::SameAs(other) = identity_of(owner) {
        owner = spec.entity(&other)?;
    }
    let key = key_columns(owner, facts.origin(owner, source)?).ok()?;
    Some(Family {
        owner,
        identity: identity_of(owner),
        key,
    })
}

impl Family<'_> {
    fn derivation_name(&self) -> String {
        match &self.identity {
            IdentitySpec::Derive { name: Some(name) } => name.clone(),
            _ => self.owner.name.clone(),
        }
    }

    /// How a reference to this family finds a UUID; `None` where its keys are no UUIDs.
    fn resolution(&self) -> Option<Resolution> {
        let entity = self.owner.name.clone();
        match (&self.identity, &self.owner.adopt) {
            (IdentitySpec::Derive { .. }, None) => Some(Resolution::Derive {
                name: self.derivation_name(),
            }),
            (IdentitySpec::Derive { .. }, Some(_)) => Some(Resolution::Recorded {
                entity,
                name: Some(self.derivation_name()),
            }),
            (IdentitySpec::Column(_), _) => Some(Resolution::Recorded { entity, name: None }),
            (IdentitySpec::Columns | IdentitySpec::SameAs(_), _) => None,
        }
    }
}

/// The type that a key column has in the identity table, as SQL writes it; its bytes are the input's.
fn identity_type(column: &Column) -> String {
    let base = column.data_type.base();
    match native_text(&column.data_type) {
        // Byte order and byte equality, whatever the database's collation is.
        Some(Canonical::Text) => "pg_catalog.text COLLATE pg_catalog.\"C\"".to_owned(),
        _ if base.is_builtin() => type_name(base),
        _ => "pg_catalog.text COLLATE pg_catalog.\"C\"".to_owned(),
    }
}

/// Whether equal keys of this type always print the same text.
fn derivable(column: &Column) -> bool {
    let base = column.data_type.base();
    match base.oid {
        builtin::FLOAT4 | builtin::FLOAT8 | builtin::MONEY | builtin::INTERVAL | builtin::TIMETZ => false,
        builtin::JSON | builtin::JSONB => false,
        builtin::NUMERIC => column.typmod >= 0,
        _ => {
            column.deterministic
                && (base.is_builtin() || base.labels().is_some())
                && base.kind != TypeKind::Composite
        }
    }
}

impl<'a> Columns<'a, '_> {
    /// The identity of the entity at hand. Outputs must be known already.
    pub(super) fn identity(
        &mut self,
        from: &'a Relation,
        into: &Relation,
    ) -> Result<IdentityPlan, Vec<Finding>> {
        let entity = self.entity;
        let columns = key_columns(entity, from).map_err(|finding| vec![finding])?;
        let said = identity_of(entity);
        let mut findings = Vec::new();
        let key: Vec<KeyPart> = columns
            .iter()
            .map(|column| self.key_part(column, &said, &mut findings))
            .collect();
        let Some(family) = family(self.spec, self.source_catalog, self.facts, entity) else {
            return Err(findings);
        };
        if family.key.len() != key.len() {
            findings.push(self.finding(
                code::REF_SHAPE,
                "the key has another number of columns than that of the entity it is same_as",
            ));
        }
        let mint = self.mint(&family, &said, from, into, &mut findings);
        let target = self.target_key(&said, into, &mut findings);
        let owns = std::ptr::eq(family.owner, entity);
        let signature = format!(
            "{}|{}|{:?}|{}",
            self.spec.pipeline.namespace,
            family.derivation_name(),
            std::mem::discriminant(&family.identity),
            columns
                .iter()
                .map(|column| column.name.as_str())
                .collect::<Vec<_>>()
                .join(",")
        );
        let Some(mint) = mint.filter(|_| findings.is_empty()) else {
            return Err(findings);
        };
        Ok(IdentityPlan {
            key,
            mint,
            target,
            adopt: entity
                .adopt
                .as_ref()
                .filter(|_| owns)
                .map(|sql| sql.value.clone()),
            prerecord: owns && matches!(family.identity, IdentitySpec::Column(_)),
            uuid_column: match &family.identity {
                IdentitySpec::Column(column) if owns => Some(column.clone()),
                _ => None,
            },
            signature,
        })
    }

    fn key_part(&mut self, column: &Column, said: &IdentitySpec, findings: &mut Vec<Finding>) -> KeyPart {
        if !derivable(column) && matches!(said, IdentitySpec::Derive { .. }) {
            findings.push(
                self.finding(
                    code::UNUSABLE_KEY,
                    format!("equal keys of column {} ({}) need not print the same text", column.name, column.type_sql),
                )
                .remedy("name another key, or take the UUID from the source: `identity = { by = \"column\", column = \"…\" }`"),
            );
        }
        let text = match native_text(&column.data_type) {
            Some(canonical) => KeyText::Input(self.draft.raw(column), canonical),
            None => self
                .draft
                .key_answer(column, None, &format!("key {}", column.name)),
        };
        let base = column.data_type.base();
        let input = if base.is_builtin() || base.labels().is_some() {
            self.draft.raw(column)
        } else {
            self.draft.text(column)
        };
        KeyPart {
            column: column.name.clone(),
            input,
            text,
            type_sql: identity_type(column),
        }
    }

    fn mint(
        &mut self,
        family: &Family<'_>,
        said: &IdentitySpec,
        from: &Relation,
        into: &Relation,
        findings: &mut Vec<Finding>,
    ) -> Option<Mint> {
        let recorded = family.owner.adopt.is_some().then(|| family.owner.name.clone());
        match &family.identity {
            IdentitySpec::Derive { .. } => Some(Mint::Derive {
                name: family.derivation_name(),
                recorded,
            }),
            IdentitySpec::Column(name) if matches!(said, IdentitySpec::Column(_)) && recorded.is_none() => {
                self.uuid_column(name, from, findings).map(Mint::Column)
            }
            IdentitySpec::Column(_) => Some(Mint::Recorded {
                entity: family.owner.name.clone(),
            }),
            _ => self.kept_key(into, findings).map(Mint::Columns),
        }
    }

    fn uuid_column(&mut self, name: &str, from: &Relation, findings: &mut Vec<Finding>) -> Option<usize> {
        let Some(column) = from.column(name) else {
            findings.push(self.finding(
                code::UNKNOWN_SOURCE_COLUMN,
                format!("the identity column {name} does not exist in {}", from.name),
            ));
            return None;
        };
        if column.data_type.base().oid != builtin::UUID {
            findings.push(
                self.finding(
                    code::NOT_A_UUID,
                    format!("the identity column {name} is {}", column.type_sql),
                )
                .remedy("name a column of type uuid, or derive the identity"),
            );
            return None;
        }
        Some(self.draft.raw(column))
    }

    fn kept_key(&self, into: &Relation, findings: &mut Vec<Finding>) -> Option<Vec<usize>> {
        if into.primary_key().is_empty() {
            findings.push(
                self.finding(
                    code::NO_KEY,
                    format!("{} has no primary key that identifies a row", into.name),
                )
                .remedy("give the target a primary key, or a uuid column with { id = true }"),
            );
            return None;
        }
        let mut outputs = Vec::new();
        for name in into.primary_key() {
            match self.output_number(name) {
                Some(number) => outputs.push(number),
                None => findings.push(
                    self.finding(
                        code::UNFILLED_COLUMN,
                        format!("the key column {name} of {} gets no value", into.name),
                    )
                    .remedy("map it, or give the entity a uuid identity with { id = true }"),
                ),
            }
        }
        (outputs.len() == into.primary_key().len()).then_some(outputs)
    }

    fn target_key(
        &self,
        said: &IdentitySpec,
        into: &Relation,
        findings: &mut Vec<Finding>,
    ) -> Vec<(String, String)> {
        if *said == IdentitySpec::Columns {
            return into
                .primary_key()
                .iter()
                .filter_map(|name| into.column(name))
                .map(|column| (column.name.clone(), column.type_sql.clone()))
                .collect();
        }
        let id = self.entity.columns.iter().find(|column| column.form == Form::Id);
        match id {
            Some(column) => vec![(column.name.clone(), "pg_catalog.uuid".to_owned())],
            None => {
                findings.push(
                    self.finding(code::UNFILLED_COLUMN, "no column holds the row's UUID")
                        .remedy("say which one does: `id = { id = true }`"),
                );
                Vec::new()
            }
        }
    }

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
            .spec
            .entity(name)
            .and_then(|parent| family(self.spec, self.source_catalog, self.facts, parent))
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
            parts.push(self.ref_part(column, parent, place));
        }
        Ok((resolution, parts))
    }

    /// A child's column as the text that the parent's key has: natively where both print alike, else by a cast.
    fn ref_part(&mut self, child: &Column, parent: &Column, place: &str) -> KeyText {
        match (native_text(&child.data_type), native_text(&parent.data_type)) {
            (Some(own), Some(wanted)) if own == wanted => KeyText::Input(self.draft.raw(child), own),
            (_, Some(Canonical::Text)) => self.draft.key_answer(child, None, place),
            _ => {
                let cast = super::fit::type_with_modifier(parent.data_type.base(), parent.typmod);
                self.draft.key_answer(child, Some(&cast), place)
            }
        }
    }
}
