//! Keys and identities: how one entity's rows are named.

use super::columns::Columns;
use super::entity::{IdentityPlan, KeyPart, Merge, Mint};
use super::fit::end_of;
use super::key_text::{is_comparable, is_derivable, key_form, native_text};
use super::program::{Canonical, Resolution};
use super::request::{World, applicable};
use super::sql_type::type_name;
use super::suggest::suggestion;
use crate::catalog::{Catalog, Column, Relation, builtin};
use crate::code;
use crate::error::{Finding, Span};
use crate::name::quote_ident;
use crate::spec::{EntitySpec, Form, IdentitySpec};

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

/// The column of the target that holds an entity's UUIDs.
pub(super) fn id_column<'s>(entity: &'s EntitySpec, target: &Catalog) -> Option<&'s str> {
    let columns = match target.relation(&entity.into.value) {
        Some(into) => applicable(entity, into),
        None => entity.columns.iter().collect(),
    };
    let found = columns.into_iter().find(|column| column.form == Form::Id);
    found.map(|column| column.name.as_str())
}

/// The identity that an entity has, said or by default.
pub(super) fn identity_of(entity: &EntitySpec, target: &Catalog) -> IdentitySpec {
    match &entity.identity {
        Some(identity) => identity.value.clone(),
        None if id_column(entity, target).is_some() => IdentitySpec::Derive { name: None },
        None => IdentitySpec::Columns,
    }
}

/// Whether an entity's rows have no key.
fn has_no_key(entity: &EntitySpec) -> bool {
    matches!(
        entity.identity.as_ref().map(|said| &said.value),
        Some(IdentitySpec::None)
    )
}

/// The key columns that an entity says or its source has.
pub(super) fn key_columns<'a>(entity: &EntitySpec, from: &'a Relation) -> Result<Vec<&'a Column>, Finding> {
    let place = format!("entity {}", entity.name);
    if has_no_key(entity) {
        return Ok(Vec::new());
    }
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
        .remedy(
            "say which columns identify a row: `key = [\"…\"]`; or load rows without a key, once: `identity = { by = \"none\" }`",
        ));
    }
    let span = entity.key.as_ref().map_or(entity.from.span, |key| key.span);
    let known: Vec<&str> = from.columns.iter().map(|column| column.name.as_str()).collect();
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
                .remedy(suggestion(name, &known))
            })
        })
        .collect()
}

/// Finds whose identity counts for an entity; the mapping's checker has refused circles.
pub(super) fn family<'a>(world: World<'a>, entity: &'a EntitySpec) -> Option<Family<'a>> {
    let mut owner = entity;
    while let IdentitySpec::SameAs(other) = identity_of(owner, world.target) {
        owner = world.spec.entity(&other)?;
    }
    let key = key_columns(owner, world.facts.origin(owner, world.source)?).ok()?;
    Some(Family {
        owner,
        identity: identity_of(owner, world.target),
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

    /// Whether mappings are recorded that no key tells: adopted ones, those of rows that are one, and those of rows that are
    /// there already.
    fn is_recorded(&self) -> bool {
        self.owner.adopt.is_some() || self.owner.merge.is_some() || !self.owner.natural_key.is_empty()
    }

    /// How a reference to this family finds a UUID; `None` where its keys are no UUIDs.
    pub(super) fn resolution(&self) -> Option<Resolution> {
        let entity = self.owner.name.clone();
        match (&self.identity, self.is_recorded()) {
            (IdentitySpec::Derive { .. }, false) => Some(Resolution::Derive {
                name: self.derivation_name(),
            }),
            (IdentitySpec::Derive { .. }, true) => Some(Resolution::Recorded {
                entity,
                name: Some(self.derivation_name()),
            }),
            (IdentitySpec::Column(_) | IdentitySpec::Random, _) => {
                Some(Resolution::Recorded { entity, name: None })
            }
            (IdentitySpec::Columns | IdentitySpec::SameAs(_) | IdentitySpec::None, _) => None,
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

impl<'a> Columns<'a, '_> {
    /// The identity of the entity at hand. Outputs must be known already. `None` where findings say why not.
    pub(super) fn identity(&mut self, from: &'a Relation, into: &Relation) -> Option<IdentityPlan> {
        let entity = self.entity;
        if has_no_key(entity) {
            return self.place(from);
        }
        let columns = match key_columns(entity, from) {
            Ok(columns) => columns,
            Err(finding) => {
                self.findings.push(finding);
                return None;
            }
        };
        let said = identity_of(entity, self.world.target);
        let family = family(self.world, entity)?;
        if family.key.len() != columns.len() {
            let message = "the key has another number of columns than that of the entity it is same_as";
            let remedy = "name as many columns, in the order of the other's key: `key = [\"…\"]`";
            let finding = self.finding(code::REF_SHAPE, message);
            self.findings.push(finding.remedy(remedy).at(self.key_span()));
            return None;
        }
        let key: Vec<Option<KeyPart>> = columns
            .iter()
            .zip(&family.key)
            .map(|(column, owned)| self.key_part(column, owned, &said))
            .collect();
        let mint = self.mint(&family, &said, from, into);
        let target = self.target_key(&said, into);
        let (owns, mint) = (std::ptr::eq(family.owner, entity), mint?);
        Some(IdentityPlan {
            key: key.into_iter().collect::<Option<_>>()?,
            mint,
            target: target?,
            adopt: entity
                .adopt
                .as_ref()
                .filter(|_| owns)
                .map(|sql| sql.value.clone()),
            prerecord: owns && matches!(family.identity, IdentitySpec::Column(_) | IdentitySpec::Random),
            merge: if owns { self.merge(from, &columns) } else { None },
            natural_key: None,
            uuid_column: match &family.identity {
                IdentitySpec::Column(column) if owns => Some(column.clone()),
                _ => None,
            },
            signature: self.signature(&family, &columns),
        })
    }

    /// How rows that are one row of the target are found in the source.
    fn merge(&mut self, from: &Relation, key: &[&Column]) -> Option<Merge> {
        let merge = self.entity.merge.as_ref()?;
        let direction = if merge.winner.last { "DESC" } else { "ASC" };
        let mut order = Vec::new();
        if let Some(by) = &merge.winner.by {
            match self.source_column(from, &by.value, "identity") {
                Ok(column) => order.push(format!("{} {direction} NULLS LAST", quote_ident(&column.name))),
                Err(finding) => self.findings.push(finding.at(by.span)),
            }
        }
        let by_key = if order.is_empty() { direction } else { "ASC" };
        order.extend(
            key.iter()
                .map(|column| format!("{} {by_key}", quote_ident(&column.name))),
        );
        Some(Merge {
            on: merge.on.value.clone(),
            order: order.join(", "),
        })
    }

    /// What must stay as it is between runs, in words that no release changes.
    fn signature(&self, family: &Family<'_>, columns: &[&Column]) -> String {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let how = match &family.identity {
            IdentitySpec::Derive { .. } => "derive".to_owned(),
            IdentitySpec::Column(column) => format!("column {column}"),
            IdentitySpec::Random => "random".to_owned(),
            IdentitySpec::None => "none".to_owned(),
            IdentitySpec::Columns | IdentitySpec::SameAs(_) => "columns".to_owned(),
        };
        format!(
            "{}|{}|{how}|{}",
            self.world.spec.pipeline.namespace,
            family.derivation_name(),
            names.join(",")
        )
    }

    /// Where the mapping names the key.
    fn key_span(&self) -> Span {
        let key = self.entity.key.as_ref().map(|key| key.span);
        key.unwrap_or(self.entity.from.span)
    }

    /// One column of the key; `owned` is that column of the entity whose identity counts.
    fn key_part(&mut self, column: &Column, owned: &Column, said: &IdentitySpec) -> Option<KeyPart> {
        let what = format!("column {} ({})", column.name, column.type_sql);
        let problem = if !is_comparable(&column.data_type) {
            Some((
                format!("values of {what} cannot be told apart by an index"),
                "name another key",
            ))
        } else if matches!(said, IdentitySpec::Derive { .. }) && !is_derivable(column) {
            Some((
                format!("equal keys of {what} need not print the same text"),
                "name another key, or take the UUID from the source: `identity = { by = \"column\", column = \"…\" }`",
            ))
        } else {
            None
        };
        if let Some((message, remedy)) = problem {
            let finding = self.finding(code::UNUSABLE_KEY, message).remedy(remedy);
            self.findings.push(finding.at(self.key_span()));
            return None;
        }
        let Some(form) = key_form(end_of(column), end_of(owned)) else {
            let message = format!(
                "{what} is part of a key that is shared, and {} ({}) is there",
                owned.name, owned.type_sql
            );
            let finding = self.finding(code::REF_SHAPE, message);
            let remedy = "name a column of the other key's type, in its order";
            self.findings.push(finding.remedy(remedy).at(self.key_span()));
            return None;
        };
        let text = self.draft.key_text(column, form, &format!("key {}", column.name));
        let base = column.data_type.base();
        let input = if base.is_builtin() || base.labels().is_some() {
            self.draft.raw(column)
        } else {
            self.draft.text(column)
        };
        Some(KeyPart {
            column: column.name.clone(),
            input,
            text,
            type_sql: identity_type(column),
        })
    }

    fn mint(
        &mut self,
        family: &Family<'_>,
        said: &IdentitySpec,
        from: &Relation,
        into: &Relation,
    ) -> Option<Mint> {
        let recorded = family.is_recorded().then(|| family.owner.name.clone());
        match &family.identity {
            IdentitySpec::Derive { .. } => Some(Mint::Derive {
                name: family.derivation_name(),
                recorded,
            }),
            IdentitySpec::Column(name) if matches!(said, IdentitySpec::Column(_)) && recorded.is_none() => {
                self.uuid_column(name, from).map(Mint::Column)
            }
            IdentitySpec::Column(_) | IdentitySpec::Random => Some(Mint::Recorded {
                entity: family.owner.name.clone(),
            }),
            _ if matches!(said, IdentitySpec::SameAs(_)) => {
                let message = format!(
                    "entity {} keeps its own keys: there is no UUID to share",
                    family.owner.name
                );
                let finding = self.finding(code::REF_SHAPE, message);
                let remedy = "leave `identity` out, and map the key's columns";
                self.findings
                    .push(finding.remedy(remedy).at(self.identity_span()));
                None
            }
            _ => self.kept_key(into).map(Mint::Columns),
        }
    }

    /// Where the mapping says what the identity is.
    fn identity_span(&self) -> Span {
        let said = self.entity.identity.as_ref().map(|said| said.span);
        said.unwrap_or(self.entity.span)
    }

    fn uuid_column(&mut self, name: &str, from: &Relation) -> Option<usize> {
        let span = self.identity_span();
        let Some(column) = from.column(name) else {
            let names: Vec<&str> = from.columns.iter().map(|column| column.name.as_str()).collect();
            let message = format!("the identity column {name} does not exist in {}", from.name);
            let finding = self.finding(code::UNKNOWN_SOURCE_COLUMN, message);
            self.findings
                .push(finding.remedy(suggestion(name, &names)).at(span));
            return None;
        };
        if column.data_type.base().oid != builtin::UUID {
            let message = format!("the identity column {name} is {}", column.type_sql);
            let finding = self.finding(code::NOT_A_UUID, message);
            let remedy = "name a column of type uuid, or derive the identity";
            self.findings.push(finding.remedy(remedy).at(span));
            return None;
        }
        Some(self.draft.raw(column))
    }

    fn kept_key(&mut self, into: &Relation) -> Option<Vec<usize>> {
        if into.primary_key().is_empty() {
            let message = format!("{} has no primary key that identifies a row", into.name);
            let finding = self.finding(code::NO_KEY, message);
            let remedy = "give the target a primary key, or a uuid column with { id = true }";
            self.findings
                .push(finding.remedy(remedy).at(self.entity.into.span));
            return None;
        }
        let mut outputs = Vec::new();
        for name in into.primary_key() {
            match self.output_number(name) {
                Some(number) => outputs.push(number),
                None => {
                    let message = format!("the key column {name} of {} gets no value", into.name);
                    let finding = self.finding(code::UNFILLED_COLUMN, message);
                    let remedy = "map it, or give the entity a uuid identity with { id = true }";
                    self.findings.push(finding.remedy(remedy));
                }
            }
        }
        (outputs.len() == into.primary_key().len()).then_some(outputs)
    }

    fn target_key(&mut self, said: &IdentitySpec, into: &Relation) -> Option<Vec<(String, String)>> {
        if *said == IdentitySpec::Columns {
            let columns = into.primary_key().iter().filter_map(|name| into.column(name));
            return Some(
                columns
                    .map(|column| (column.name.clone(), column.type_sql.clone()))
                    .collect(),
            );
        }
        if let Some(column) = id_column(self.entity, self.world.target) {
            return Some(vec![(column.to_owned(), "pg_catalog.uuid".to_owned())]);
        }
        let finding = self.finding(code::UNFILLED_COLUMN, "no column holds the row's UUID");
        self.findings
            .push(finding.remedy("say which one does: `id = { id = true }`"));
        None
    }
}
