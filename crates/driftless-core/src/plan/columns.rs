//! Column forms become values of the row program.

mod copy;
mod expression;
mod lookup;
mod object;
mod origin;
mod placeholder;
mod site;

use std::collections::BTreeSet;

pub(super) use placeholder::MAY_LOSE;

use super::constant::loss;
use super::draft::Draft;
use super::entity::{Lookup, RefSite};
use super::fit::End;
use super::program::{Check, ConstantText, MapProgram, Output, RefProgram, Value};
use super::request::{World, applicable, leaves};
use super::sql_type::type_with_modifier;
use crate::catalog::{Column, Generated, Relation, builtin};
use crate::code;
use crate::error::Finding;
use crate::spec::{ColumnSpec, EntitySpec, Form, MapForm, Spanned, Unknown};

/// The compiler of one entity's columns.
#[derive(Debug)]
pub(super) struct Columns<'a, 'f> {
    pub(super) world: World<'a>,
    pub(super) entity: &'a EntitySpec,
    pub(super) draft: Draft<'a>,
    pub(super) refs: Vec<RefProgram>,
    pub(super) sites: Vec<RefSite>,
    /// What is looked up in, with the columns that are read there.
    pub(super) lookups: Vec<Lookup>,
    /// The written columns in order.
    pub(super) written: Vec<&'a Column>,
    /// What is written to them, as far as it is compiled.
    pub(super) outputs: Vec<Option<Output>>,
    /// Whether rows have a UUID.
    pub(super) has_uuid: bool,
    pub(super) findings: &'f mut Vec<Finding>,
}

/// The target columns that an entity writes, in the target's order: those with a form, and those that are copied by name.
pub(super) fn written_columns<'a>(
    entity: &EntitySpec,
    from: &Relation,
    into: &'a Relation,
) -> Vec<&'a Column> {
    let formed: BTreeSet<&str> = applicable(entity, into)
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let copied = |column: &Column| {
        entity.copy_same_name
            && column.generated != Generated::Expression
            && !entity.skip.contains(&column.name)
            && from.column(&column.name).is_some()
    };
    into.columns
        .iter()
        .filter(|column| formed.contains(column.name.as_str()) || copied(column))
        .collect()
}

impl<'a> Columns<'a, '_> {
    /// A finding about this entity.
    pub(super) fn finding(&self, code: code::Code, message: impl Into<String>) -> Finding {
        Finding::error(code, format!("entity {}", self.entity.name), message).at(self.entity.span)
    }

    /// The number of the output that writes a column.
    pub(super) fn output_number(&self, column: &str) -> Option<usize> {
        self.written.iter().position(|written| written.name == column)
    }

    /// A source column that the mapping names at a place of its own.
    pub(super) fn named_column(
        &self,
        from: &'a Relation,
        name: &Spanned<String>,
        place: &str,
    ) -> Result<&'a Column, Finding> {
        let found = self.source_column(from, &name.value, place);
        found.map_err(|finding| finding.at(name.span))
    }

    /// A source column by name.
    pub(super) fn source_column(
        &self,
        from: &'a Relation,
        name: &str,
        place: &str,
    ) -> Result<&'a Column, Finding> {
        from.column(name).ok_or_else(|| {
            let names: Vec<&str> = from.columns.iter().map(|column| column.name.as_str()).collect();
            Finding::error(
                code::UNKNOWN_SOURCE_COLUMN,
                format!("entity {}, {place}", self.entity.name),
                format!("{} has no column {name}", from.name),
            )
            .at(self.entity.span)
            .remedy(super::suggest::suggestion(name, &names))
        })
    }

    /// Compiles every written column. Expressions come last: they may read the others.
    pub(super) fn compile(&mut self, from: &'a Relation) {
        let unmapped = self.unmapped(from);
        let numbered = self.written.clone().into_iter().enumerate();
        let (asking, native): (Vec<_>, Vec<_>) =
            numbered.partition(|(_, target)| self.holds_sql(&target.name));
        for (number, target) in native.into_iter().chain(asking) {
            self.outputs[number] = self.output(from, target, &unmapped);
        }
    }

    /// What the entity says of a target column.
    fn said(&self, column: &str) -> Option<&'a ColumnSpec> {
        let entity = self.entity;
        entity.columns.iter().find(|said| said.name == column)
    }

    fn holds_sql(&self, column: &str) -> bool {
        let mut found = false;
        if let Some(said) = self.said(column) {
            leaves(&said.form, "", &mut |_, form| {
                found |= matches!(form, Form::Sql(_))
            });
        }
        found
    }

    fn output(&mut self, from: &'a Relation, target: &'a Column, unmapped: &[&'a Column]) -> Option<Output> {
        let entity = self.entity;
        let said = self.said(&target.name);
        let at = Compiling {
            from,
            target,
            unmapped,
            lossy: said.is_some_and(|column| column.lossy),
        };
        self.draft.turn_to_next();
        if let Some(column) = said.filter(|column| !column.lossy) {
            self.whole_constants(column, &at);
        }
        let compiled = match said {
            Some(column) => self.top(&column.form, &at),
            None => self.same_name(&at),
        };
        match compiled {
            Ok((value, checks)) => Some(Output {
                column: target.name.clone(),
                value,
                default: said.and_then(|column| column.default.as_ref()).map(|text| {
                    let type_sql = type_with_modifier(&target.data_type, target.typmod);
                    self.draft.constant(ConstantText::Text(text.clone()), &type_sql)
                }),
                required: target.not_null || said.is_some_and(|column| column.required),
                checks,
                volatile: said.is_some_and(|column| matches!(column.form, Form::Run(_))),
            }),
            Err(finding) => {
                let own = said.map_or(entity.span, |column| column.span);
                let span = finding.span.filter(|span| *span != entity.span).unwrap_or(own);
                let finding = match said {
                    Some(column) if column.from_defaults => of_defaults(finding, &column.name),
                    _ => finding,
                };
                self.findings.push(finding.at(span));
                None
            }
        }
    }

    /// Refuses constants of which the column would keep a part only.
    fn whole_constants(&mut self, said: &ColumnSpec, at: &Compiling<'a, '_>) {
        let (values, unknown) = match &said.form {
            Form::Map(map) => (map.values.as_slice(), Some(&map.unknown)),
            _ => (&[][..], None),
        };
        let texts = values.iter().filter_map(|(_, value)| value.as_ref());
        let texts = texts.chain(&said.default).chain(match (&said.form, unknown) {
            (Form::Const(text), _) => text.as_ref(),
            (_, Some(Unknown::Const(text))) => Some(text),
            _ => None,
        });
        for text in texts {
            let Some(loss) = loss(text, at.to()) else { continue };
            let what = format!(
                "column {}: {text:?} into {}: {loss}",
                said.name, at.target.type_sql
            );
            let finding = self.finding(code::BAD_CONSTANT, what).at(said.span);
            self.findings
                .push(finding.remedy("write a value that the column keeps as it stands"));
        }
    }

    fn same_name(&mut self, at: &Compiling<'a, '_>) -> Result<(Value, Vec<Check>), Finding> {
        let place = format!("column {}", at.target.name);
        let column = self.source_column(at.from, &at.target.name, &place)?;
        self.copy(column, at, &place).map_err(|finding| {
            let remedy = format!(
                "{}; or leave it out: `skip = [\"{}\"]`",
                finding.remedy, at.target.name
            );
            finding.remedy(remedy)
        })
    }

    fn top(&mut self, form: &'a Form, at: &Compiling<'a, '_>) -> Result<(Value, Vec<Check>), Finding> {
        let target = at.target;
        let place = format!("column {}", target.name);
        let type_sql = type_with_modifier(&target.data_type, target.typmod);
        match form {
            Form::Id => self
                .own_uuid(&place)
                .and_then(|()| self.uuid_only(target, Value::Id)),
            Form::Ref(reference) => {
                let number = self.reference(reference, at.from, &place)?;
                self.site(reference, number, &target.name, Vec::new());
                self.uuid_only(target, Value::Ref(number))
            }
            Form::Copy(name) => {
                let column = self.named_column(at.from, name, &place)?;
                self.copy(column, at, &place)
            }
            Form::Map(map) => Ok((Value::Map(self.map(map, at.from, &type_sql, &place)?), Vec::new())),
            Form::Extract { column, path } => {
                let sql = self.extracted(column, path, at.from, &place)?;
                self.expression(
                    &sql,
                    End {
                        data_type: &builtin::of(builtin::TEXT),
                        typmod: -1,
                    },
                    at,
                    &place,
                )
            }
            Form::Sql(sql) => {
                let facts = self.expression_facts(sql, &place)?;
                let text = self.readable(sql, facts, at.from, &place)?;
                let end = End {
                    data_type: &facts.result_type,
                    typmod: facts.result_typmod,
                };
                self.expression(&text, end, at, &place)
            }
            Form::Lookup(lookup) => {
                let found = self.lookup(lookup, at.from, &place)?;
                let (value, checks) = self.expression(&found.sql, found.end, at, &place)?;
                Ok((self.found(lookup, &found, value, &place), checks))
            }
            Form::Const(text) => Ok((self.constant(text.as_deref(), &type_sql), Vec::new())),
            Form::Run(fact) => Ok((
                Value::Constant(self.draft.constant(ConstantText::Run(*fact), &type_sql)),
                Vec::new(),
            )),
            Form::Json(json) => {
                let oid = target.data_type.base().oid;
                if oid != builtin::JSON && oid != builtin::JSONB {
                    return Err(self
                        .finding(
                            code::TYPES_DO_NOT_FIT,
                            format!("{place} is {}, and json builds an object", target.type_sql),
                        )
                        .remedy("map it into a json or jsonb column"));
                }
                let members = self.members(json, at, &target.name, &mut Vec::new())?;
                Ok((
                    Value::Json {
                        members,
                        jsonb: oid == builtin::JSONB,
                    },
                    Vec::new(),
                ))
            }
        }
    }

    fn constant(&mut self, text: Option<&str>, type_sql: &str) -> Value {
        let text = text.map_or(ConstantText::Null, |text| ConstantText::Text(text.to_owned()));
        Value::Constant(self.draft.constant(text, type_sql))
    }

    fn uuid_only(&self, target: &Column, value: Value) -> Result<(Value, Vec<Check>), Finding> {
        if target.data_type.base().oid == builtin::UUID {
            return Ok((value, Vec::new()));
        }
        Err(self
            .finding(
                code::NOT_A_UUID,
                format!("column {} is {}, and gets a UUID", target.name, target.type_sql),
            )
            .remedy("make the target column uuid, or map another value into it"))
    }

    fn map(
        &mut self,
        map: &MapForm,
        from: &'a Relation,
        type_sql: &str,
        place: &str,
    ) -> Result<MapProgram, Finding> {
        let column = self.named_column(from, &map.column, place)?;
        let (input, text) = self.draft.canonical(column);
        let values = map
            .values
            .iter()
            .map(|(key, value)| {
                let constant = value
                    .as_ref()
                    .map(|value| self.draft.constant(ConstantText::Text(value.clone()), type_sql));
                (key.as_bytes().to_vec(), constant)
            })
            .collect();
        let unknown_constant = match &map.unknown {
            Unknown::Const(value) => Some(self.draft.constant(ConstantText::Text(value.clone()), type_sql)),
            _ => None,
        };
        Ok(MapProgram {
            input,
            text,
            values,
            unknown: map.unknown.clone(),
            unknown_constant,
        })
    }
}

/// A column of `[defaults.columns]` need not suit every entity.
fn of_defaults(finding: Finding, column: &str) -> Finding {
    let remedy = format!(
        "{}; or give this entity its own `{column}`, or leave it out here: `skip = [\"{column}\"]`",
        finding.remedy
    );
    finding.remedy(remedy)
}

/// What a column's value is compiled with.
struct Compiling<'a, 'u> {
    from: &'a Relation,
    target: &'a Column,
    unmapped: &'u [&'a Column],
    lossy: bool,
}

impl Compiling<'_, '_> {
    /// Where the value goes.
    fn to(&self) -> End<'_> {
        End {
            data_type: &self.target.data_type,
            typmod: self.target.typmod,
        }
    }
}
