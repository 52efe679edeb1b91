//! Column forms become values of the row program.

use std::collections::BTreeSet;

use super::draft::{Draft, Round, native_text};
use super::entity::{EvaluationInput, EvaluationSource, RefSite, RefTarget};
use super::fit::{End, Fit, Misfit, Terms, fit, travel, type_with_modifier};
use super::program::{Check, ConstantText, JsonKind, JsonMember, MapProgram, Output, RefProgram, Value};
use super::request::{ExpressionKey, Facts, applicable, walk, without_placeholders};
use crate::catalog::{Catalog, Column, Generated, Relation, builtin};
use crate::code;
use crate::error::{Finding, Span};
use crate::name::quote_literal;
use crate::spec::{
    ColumnSpec, EntitySpec, Form, JsonForm, MapForm, RefForm, RefSource, Spanned, Spec, Unknown,
};

/// The compiler of one entity's columns.
#[derive(Debug)]
pub(super) struct Columns<'a, 'f> {
    pub(super) spec: &'a Spec,
    pub(super) entity: &'a EntitySpec,
    pub(super) source_catalog: &'a Catalog,
    pub(super) facts: &'a Facts,
    pub(super) draft: Draft<'a>,
    pub(super) refs: Vec<RefProgram>,
    pub(super) sites: Vec<RefSite>,
    /// The written columns in order.
    pub(super) written: Vec<&'a Column>,
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

    /// A source column by name.
    pub(super) fn source_column(
        &self,
        from: &'a Relation,
        name: &str,
        place: &str,
    ) -> Result<&'a Column, Finding> {
        from.column(name).ok_or_else(|| {
            let names: Vec<&str> = from.columns.iter().map(|column| column.name.as_str()).collect();
            self.finding(
                code::UNKNOWN_SOURCE_COLUMN,
                format!("{place}: {} has no column {name}", from.name),
            )
            .remedy(super::suggest::suggestion(name, &names))
        })
    }

    /// Compiles every written column.
    pub(super) fn outputs(&mut self, from: &'a Relation) -> Vec<Output> {
        let unmapped = self.unmapped(from);
        let written = self.written.clone();
        written
            .into_iter()
            .filter_map(|target| self.output(from, target, &unmapped))
            .collect()
    }

    fn output(&mut self, from: &'a Relation, target: &'a Column, unmapped: &[&'a Column]) -> Option<Output> {
        let entity = self.entity;
        let said = entity.columns.iter().find(|column| column.name == target.name);
        let at = Compiling {
            from,
            target,
            unmapped,
            lossy: said.is_some_and(|column| column.lossy),
        };
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
                self.findings.push(finding.at(span));
                None
            }
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

    /// Source columns that nothing else uses.
    fn unmapped(&self, from: &'a Relation) -> Vec<&'a Column> {
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
            super::keys::key_columns(self.entity, from)
                .into_iter()
                .flatten()
                .map(|column| column.name.clone()),
        );
        if let Some(Spanned {
            value: crate::spec::IdentitySpec::Column(column),
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

    fn expression_key(&self, place: &str) -> ExpressionKey {
        ExpressionKey {
            entity: self.entity.name.clone(),
            place: place.to_owned(),
        }
    }

    fn top(&mut self, form: &'a Form, at: &Compiling<'a, '_>) -> Result<(Value, Vec<Check>), Finding> {
        let target = at.target;
        let place = format!("column {}", target.name);
        let type_sql = type_with_modifier(&target.data_type, target.typmod);
        match form {
            Form::Id => self.uuid_only(target, Value::Id),
            Form::Ref(reference) => {
                let number = self.reference(reference, at.from, &place)?;
                self.site(reference, number, &target.name, Vec::new());
                self.uuid_only(target, Value::Ref(number))
            }
            Form::Copy(name) => {
                let column = self.source_column(at.from, name, &place)?;
                self.copy(column, at, &place)
            }
            Form::Map(map) => Ok((Value::Map(self.map(map, at.from, &type_sql, &place)?), Vec::new())),
            Form::Extract { column, path } => {
                let sql = self.extraction(column, path, at.from, &place)?;
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
                self.lend_columns(&facts.columns, at.from)?;
                let end = End {
                    data_type: &facts.result_type,
                    typmod: facts.result_typmod,
                };
                self.expression(&without_placeholders(&sql.value), end, at, &place)
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

    fn terms(&self, lossy: bool) -> Terms<'a> {
        Terms {
            source_zone: self.spec.source.zone.as_ref().map(|zone| zone.value.as_str()),
            target_zone: self.spec.target.zone.as_ref().map(|zone| zone.value.as_str()),
            lossy,
        }
    }

    fn misfit(&self, misfit: Misfit, place: &str, what: &str, target: &Column) -> Finding {
        self.finding(
            misfit.code,
            format!("{place}: {what} into {}: {}", target.type_sql, misfit.message),
        )
        .remedy(misfit.remedy)
    }

    fn copy(
        &mut self,
        column: &'a Column,
        at: &Compiling<'a, '_>,
        place: &str,
    ) -> Result<(Value, Vec<Check>), Finding> {
        let to = End {
            data_type: &at.target.data_type,
            typmod: at.target.typmod,
        };
        let terms = self.terms(at.lossy);
        let own = End {
            data_type: &column.data_type,
            typmod: column.typmod,
        };
        let found =
            fit(own, to, terms).map_err(|misfit| self.misfit(misfit, place, &column.type_sql, at.target))?;
        Ok(match found {
            Fit::Same => (Value::Input(self.draft.raw(column)), Vec::new()),
            Fit::Checked(check) => (Value::Input(self.draft.raw(column)), vec![check]),
            Fit::Integer(width) => (
                Value::Integer {
                    input: self.draft.raw(column),
                    width,
                },
                Vec::new(),
            ),
            Fit::IntegerText(check) => (
                Value::IntegerText(self.draft.raw(column)),
                check.into_iter().collect(),
            ),
            Fit::Cast { .. } => {
                // What the target does not know travels as text, and is cast from there.
                let travelled = travel(&column.data_type, self.draft.target_catalog).data_type;
                let end = if travelled == *column.data_type.base() {
                    own
                } else {
                    End {
                        data_type: &travelled,
                        typmod: -1,
                    }
                };
                let again = fit(end, to, terms)
                    .map_err(|misfit| self.misfit(misfit, place, &column.type_sql, at.target))?;
                let (name, _) = self.draft.lend(column, Round::Main);
                self.answer(again, &name, at, place)
            }
        })
    }

    /// A fit applied to an expression of the evaluation.
    fn answer(&mut self, found: Fit, sql: &str, at: &Compiling<'a, '_>, place: &str) -> (Value, Vec<Check>) {
        let column = Some(at.target.name.as_str());
        let exact = type_with_modifier(&at.target.data_type, at.target.typmod);
        let (value, lossless, check) = match found {
            Fit::Same | Fit::Integer(_) => (format!("({sql})::{exact}"), None, None),
            Fit::Checked(Check::Numeric { precision, scale }) => (
                format!("({sql})::pg_catalog.numeric"),
                None,
                Some(Check::Numeric { precision, scale }),
            ),
            Fit::Checked(Check::Microseconds(unit)) => {
                let wide = super::fit::type_name(at.target.data_type.base());
                (format!("({sql})::{wide}"), None, Some(Check::Microseconds(unit)))
            }
            Fit::Checked(check) => (format!("({sql})::pg_catalog.text"), None, Some(check)),
            Fit::IntegerText(check) => (format!("({sql})::pg_catalog.text"), None, check),
            Fit::Cast {
                value,
                lossless,
                check,
            } => {
                let inner = format!("({sql})");
                (
                    value.replace("{x}", &inner),
                    lossless.map(|text| text.replace("{x}", &inner)),
                    check,
                )
            }
        };
        let mut checks: Vec<Check> = check.into_iter().collect();
        let answer = self.draft.ask(value, place, column);
        if let Some(lossless) = lossless {
            checks.push(Check::Lossless(self.draft.ask(lossless, place, column)));
        }
        (Value::Answer(answer), checks)
    }

    fn expression(
        &mut self,
        sql: &str,
        result: End<'_>,
        at: &Compiling<'a, '_>,
        place: &str,
    ) -> Result<(Value, Vec<Check>), Finding> {
        let to = End {
            data_type: &at.target.data_type,
            typmod: at.target.typmod,
        };
        let found = fit(result, to, self.terms(at.lossy)).map_err(|misfit| {
            self.misfit(
                misfit,
                place,
                &format!("an expression of type {}", result.data_type.name.name),
                at.target,
            )
        })?;
        // The newline keeps a trailing comment of the user's from swallowing what follows.
        Ok(self.answer(found, &format!("{sql}\n"), at, place))
    }

    pub(super) fn expression_facts(
        &self,
        sql: &Spanned<String>,
        place: &str,
    ) -> Result<&'a crate::catalog::ExpressionFacts, Finding> {
        self.facts
            .expressions
            .get(&self.expression_key(place))
            .ok_or_else(|| {
                self.finding(
                    code::BAD_EXPRESSION,
                    format!("{place}: PostgreSQL did not accept the expression"),
                )
                .at(sql.span)
                .remedy("see the finding about the expression itself")
            })
    }

    /// Puts everything an expression reads into the main evaluation.
    pub(super) fn lend_columns(&mut self, names: &[String], from: &'a Relation) -> Result<(), Finding> {
        for name in names {
            let from_source = match name.strip_prefix(':') {
                None => None,
                Some("id") => Some((EvaluationSource::Id, builtin::of(builtin::UUID))),
                Some(output) => self.output_number(output).map(|number| {
                    (
                        EvaluationSource::Output(number),
                        self.written[number].data_type.clone(),
                    )
                }),
            };
            match from_source {
                Some((source, data_type)) => self.lend_value(name, source, &data_type),
                None => {
                    let column = self.source_column(from, name, "sql")?;
                    self.draft.lend(column, Round::Main);
                }
            }
        }
        Ok(())
    }

    fn lend_value(&mut self, name: &str, from: EvaluationSource, data_type: &crate::catalog::TypeRef) {
        let travel = travel(data_type, self.draft.target_catalog);
        let input = EvaluationInput {
            name: name.to_owned(),
            from,
            element: travel.element,
            array: travel.array,
            cast: travel.cast,
        };
        if !self.draft.evaluation.inputs.contains(&input) {
            self.draft.evaluation.inputs.push(input);
        }
    }

    fn extraction(
        &mut self,
        column: &str,
        path: &Spanned<String>,
        from: &'a Relation,
        place: &str,
    ) -> Result<String, Finding> {
        let column = self.source_column(from, column, place)?;
        let (name, _) = self.draft.lend(column, Round::Main);
        Ok(format!(
            "pg_catalog.jsonb_path_query_first(({name})::pg_catalog.jsonb, {}::pg_catalog.jsonpath) OPERATOR(pg_catalog.#>>) '{{}}'::pg_catalog.text[]",
            quote_literal(&path.value)
        ))
    }

    fn map(
        &mut self,
        map: &MapForm,
        from: &'a Relation,
        type_sql: &str,
        place: &str,
    ) -> Result<MapProgram, Finding> {
        let column = self.source_column(from, &map.column, place)?;
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

    fn site(&mut self, form: &RefForm, reference: usize, column: &str, path: Vec<String>) {
        let names: Vec<&str> = match &form.to {
            RefSource::Entity(entity) => vec![entity.value.as_str()],
            RefSource::Polymorphic { values, .. } => {
                values.iter().map(|(_, entity)| entity.value.as_str()).collect()
            }
        };
        let parents = names
            .into_iter()
            .filter_map(|name| {
                let parent = self.spec.entity(name)?;
                let id = parent.columns.iter().find(|column| column.form == Form::Id)?;
                Some(RefTarget {
                    entity: name.to_owned(),
                    table: parent.into.value.clone(),
                    column: id.name.clone(),
                })
            })
            .collect();
        self.sites.push(RefSite {
            column: column.to_owned(),
            path,
            parents,
            missing: form.missing,
            reference,
        });
    }

    fn members(
        &mut self,
        form: &'a JsonForm,
        at: &Compiling<'a, '_>,
        column: &str,
        path: &mut Vec<String>,
    ) -> Result<Vec<JsonMember>, Finding> {
        let mut members = Vec::new();
        match form {
            JsonForm::Scope(_) => {
                for source in at.unmapped {
                    let (value, kind) = self.json_copy(source);
                    members.push(JsonMember {
                        name: source.name.clone(),
                        value,
                        kind,
                        default: None,
                        volatile: false,
                    });
                }
            }
            JsonForm::Object(said) => {
                for member in said {
                    path.push(member.name.clone());
                    let compiled = self.member(member, at, column, path);
                    path.pop();
                    let (value, kind) =
                        compiled.map_err(|finding| keep_span(finding, self.entity.span, member.span))?;
                    members.push(JsonMember {
                        name: member.name.clone(),
                        value,
                        kind,
                        default: member.default.as_ref().map(|text| {
                            if member.bare {
                                text.clone()
                            } else {
                                serde_json::Value::from(text.as_str()).to_string()
                            }
                        }),
                        volatile: matches!(member.form, Form::Run(_)),
                    });
                }
            }
        }
        // As jsonb stores them.
        members.sort_by(|a, b| (a.name.len(), a.name.as_bytes()).cmp(&(b.name.len(), b.name.as_bytes())));
        Ok(members)
    }

    fn member(
        &mut self,
        said: &'a crate::spec::JsonMember,
        at: &Compiling<'a, '_>,
        column: &str,
        path: &mut Vec<String>,
    ) -> Result<(Value, JsonKind), Finding> {
        // Numbers and booleans of the mapping stand bare; the target reads them as jsonb.
        let (type_sql, kind) = if said.bare {
            ("pg_catalog.jsonb", JsonKind::Jsonb)
        } else {
            ("pg_catalog.text", JsonKind::String)
        };
        let place = format!("column {column}.{}", path.join("."));
        match &said.form {
            Form::Id => Ok((Value::Id, JsonKind::Uuid)),
            Form::Ref(reference) => {
                let number = self.reference(reference, at.from, &place)?;
                self.site(reference, number, column, path.clone());
                Ok((Value::Ref(number), JsonKind::Uuid))
            }
            Form::Copy(name) => {
                let source = self.source_column(at.from, name, &place)?;
                Ok(self.json_copy(source))
            }
            Form::Map(map) => {
                let program = self.map(map, at.from, type_sql, &place)?;
                Ok((Value::Map(program), kind))
            }
            Form::Extract { column, path } => {
                let sql = self.extraction(column, path, at.from, &place)?;
                Ok((
                    Value::Answer(self.draft.ask(sql, &place, Some(&at.target.name))),
                    JsonKind::String,
                ))
            }
            Form::Sql(sql) => {
                let facts = self.expression_facts(sql, &place)?;
                self.lend_columns(&facts.columns, at.from)?;
                let sql = format!("pg_catalog.to_jsonb({}\n)", without_placeholders(&sql.value));
                Ok((
                    Value::Answer(self.draft.ask(sql, &place, Some(&at.target.name))),
                    JsonKind::Jsonb,
                ))
            }
            Form::Const(text) => Ok((self.constant(text.as_deref(), type_sql), kind)),
            Form::Run(fact) => {
                let constant = self.draft.constant(ConstantText::Run(*fact), "pg_catalog.jsonb");
                Ok((Value::Constant(constant), JsonKind::Jsonb))
            }
            Form::Json(inner) => {
                let members = self.members(inner, at, column, path)?;
                Ok((
                    Value::Json {
                        members,
                        jsonb: false,
                    },
                    JsonKind::Object,
                ))
            }
        }
    }

    /// A source column as JSON: natively where its rendering is simple, else by the target's to_jsonb.
    fn json_copy(&mut self, column: &'a Column) -> (Value, JsonKind) {
        let base = column.data_type.base();
        let kind = match base.oid {
            builtin::INT2 | builtin::INT4 | builtin::INT8 => Some(JsonKind::Integer),
            builtin::BOOL => Some(JsonKind::Bool),
            builtin::UUID => Some(JsonKind::Uuid),
            builtin::NUMERIC => Some(JsonKind::Numeric),
            builtin::JSONB => Some(JsonKind::Jsonb),
            _ if native_text(base).is_some() => Some(JsonKind::String),
            _ => None,
        };
        match kind {
            Some(kind) => (Value::Input(self.draft.raw(column)), kind),
            None => {
                let (name, _) = self.draft.lend(column, Round::Main);
                let place = format!("column {}", column.name);
                let answer = self
                    .draft
                    .ask(format!("pg_catalog.to_jsonb({name})"), &place, None);
                (Value::Answer(answer), JsonKind::Jsonb)
            }
        }
    }
}

/// What a column's value is compiled with.
struct Compiling<'a, 'u> {
    from: &'a Relation,
    target: &'a Column,
    unmapped: &'u [&'a Column],
    lossy: bool,
}

fn keep_span(finding: Finding, entity: Span, member: Span) -> Finding {
    if finding.span == Some(entity) {
        finding.at(member)
    } else {
        finding
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
