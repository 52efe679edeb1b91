//! Where rows come from and go to, and whether the columns that the mapping names are there.

use super::Compiler;
use crate::catalog::{Catalog, Column, Generated, Relation, RelationKind};
use crate::code;
use crate::error::Finding;
use crate::name::QualifiedName;
use crate::plan::entity::{EntityPlan, Origin};
use crate::plan::request::applicable;
use crate::plan::suggest::suggestion;
use crate::spec::{From, Spec};

/// What `[ignore]` names must be there: a line that means nothing hides what it was meant for.
pub(super) fn unknown_ignored(spec: &Spec, source: &Catalog, findings: &mut Vec<Finding>) {
    for one in &spec.ignore {
        let Some(relation) = source.relation(&one.relation) else {
            let names: Vec<String> = source.relations.keys().map(QualifiedName::to_string).collect();
            let message = format!("the source has no relation {}", one.relation);
            findings.push(
                Finding::error(code::UNKNOWN_SOURCE, "[ignore]", message)
                    .at(one.span)
                    .remedy(suggestion(&one.relation.to_string(), &names)),
            );
            continue;
        };
        if let Some(column) = one.column.as_ref().filter(|name| relation.column(name).is_none()) {
            let names: Vec<&str> = relation
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect();
            let message = format!("{} has no column {column}", one.relation);
            findings.push(
                Finding::error(code::UNKNOWN_SOURCE_COLUMN, "[ignore]", message)
                    .at(one.span)
                    .remedy(suggestion(column, &names)),
            );
        }
    }
}

/// A column that is left out on purpose is not read as well.
pub(super) fn ignored_columns(spec: &Spec, entities: &[EntityPlan], findings: &mut Vec<Finding>) {
    for one in &spec.ignore {
        let Some(column) = &one.column else { continue };
        let reads = |entity: &&EntityPlan| {
            entity.origin.relation.as_ref() == Some(&one.relation) && !entity.unused.contains(column)
        };
        if let Some(entity) = entities.iter().find(reads) {
            let message = format!(
                "entity {} reads {}.{column}, which is left out here",
                entity.name, one.relation
            );
            let remedy = format!("remove this line, or leave the column out there: `skip = [\"{column}\"]`");
            let finding = Finding::error(code::INVALID_VALUE, "[ignore]", message);
            findings.push(finding.at(one.span).remedy(remedy));
        }
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn from(&self, findings: &mut Vec<Finding>) -> Option<&'a Relation> {
        let found = self.world.facts.origin(self.entity, self.world.source);
        if let (None, From::Relation(name)) = (found, &self.entity.from.value) {
            let names: Vec<String> = self
                .world
                .source
                .relations
                .keys()
                .map(ToString::to_string)
                .collect();
            findings.push(
                self.finding(code::UNKNOWN_SOURCE, format!("the source has no relation {name}"))
                    .at(self.entity.from.span)
                    .remedy(suggestion(&name.to_string(), &names)),
            );
        }
        found
    }

    pub(super) fn into(&self, findings: &mut Vec<Finding>) -> Option<&'a Relation> {
        let name = &self.entity.into.value;
        let found = self.world.target.relation(name);
        let problem = match found {
            None => {
                let names: Vec<String> = self
                    .world
                    .target
                    .relations
                    .keys()
                    .map(ToString::to_string)
                    .collect();
                Some((
                    format!("the target has no table {name}"),
                    suggestion(&name.to_string(), &names),
                ))
            }
            Some(into) if !matches!(into.kind, RelationKind::Table | RelationKind::Partitioned) => Some((
                format!("{name} is no table"),
                "name a table of the target".to_owned(),
            )),
            Some(_) => None,
        };
        let Some((message, remedy)) = problem else {
            return found;
        };
        findings.push(
            self.finding(code::UNKNOWN_TARGET, message)
                .at(self.entity.into.span)
                .remedy(remedy),
        );
        None
    }

    /// Every column that the mapping names must be there and be writable.
    pub(super) fn named_columns(&self, from: &Relation, into: &Relation, findings: &mut Vec<Finding>) {
        let names: Vec<&str> = into.columns.iter().map(|column| column.name.as_str()).collect();
        for column in applicable(self.entity, into) {
            let place = format!("column {}", column.name);
            match into.column(&column.name) {
                None => findings.push(
                    self.finding(
                        code::UNKNOWN_TARGET_COLUMN,
                        format!("{} has no column {}", into.name, column.name),
                    )
                    .at(column.span)
                    .remedy(suggestion(&column.name, &names)),
                ),
                Some(there) if there.generated == Generated::Expression => findings.push(
                    self.finding(
                        code::UNWRITABLE_COLUMN,
                        format!("{place} is generated by the target"),
                    )
                    .at(column.span)
                    .remedy("leave it out: the target computes it"),
                ),
                Some(_) => {}
            }
        }
        for column in &self.entity.sensitive {
            if from.column(&column.value).is_none() && into.column(&column.value).is_none() {
                findings.push(
                    self.finding(
                        code::UNKNOWN_SOURCE_COLUMN,
                        format!("neither side has a column {}", column.value),
                    )
                    .at(column.span)
                    .remedy(suggestion(&column.value, &names)),
                );
            }
        }
    }

    pub(super) fn unfilled(&self, written: &[&Column], into: &Relation, findings: &mut Vec<Finding>) {
        for column in &into.columns {
            let filled = column.has_default
                || column.generated != Generated::No
                || !column.not_null
                || written.iter().any(|other| other.name == column.name);
            if !filled {
                findings.push(
                    self.finding(
                        code::UNFILLED_COLUMN,
                        format!(
                            "{}.{} is NOT NULL, has no default and gets no value",
                            into.name, column.name
                        ),
                    )
                    .remedy("map it, or give it a constant: `{ const = … }`"),
                );
            }
        }
    }

    /// A binary COPY asks for the binary form of every column's type, also of those that it does not fill.
    pub(super) fn unread(&self, written: &[&Column], into: &Relation, findings: &mut Vec<Finding>) {
        let left_out = |column: &&Column| !written.iter().any(|other| other.name == column.name);
        for column in into
            .columns
            .iter()
            .filter(left_out)
            .filter(|column| !column.data_type.binary)
        {
            let message = format!(
                "column {} of the target is {}, which has no binary form: PostgreSQL takes no binary COPY into its table, \
                 even where the column is left out",
                column.name, column.type_sql
            );
            let remedy = "give the column another type, or add it behind the load; update an old extension, whose newer version \
                          may have one";
            findings.push(self.finding(code::TYPES_DO_NOT_FIT, message).remedy(remedy));
        }
    }

    pub(super) fn origin(&self, from: &Relation) -> Origin {
        let filter = self.entity.filter.as_ref().map(|filter| filter.value.clone());
        let raw_text = self.world.source.encoding == "SQL_ASCII";
        match &self.entity.from.value {
            From::Relation(name) => Origin {
                sql: name.sql(),
                label: name.to_string(),
                relation: Some(from.name.clone()),
                filter,
                raw_text,
            },
            From::Query(sql) => Origin {
                sql: format!("({sql}\n) AS \"driftless query\""),
                label: format!("query of {}", self.entity.name),
                relation: None,
                filter,
                raw_text,
            },
        }
    }
}
