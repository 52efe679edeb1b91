//! Objects: `{ json = … }` with its members.

use super::{Columns, Compiling};
use crate::catalog::{Column, builtin};
use crate::error::{Finding, Span};
use crate::plan::key_text::native_text;
use crate::plan::program::{ConstantText, JsonKind, JsonMember, Value};
use crate::spec::{self, Form, JsonForm};

impl<'a> Columns<'a, '_> {
    pub(super) fn members(
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
                    let (value, kind) = self.json_copy(source, &format!("column {column}"));
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
        said: &'a spec::JsonMember,
        at: &Compiling<'a, '_>,
        column: &str,
        path: &mut Vec<String>,
    ) -> Result<(Value, JsonKind), Finding> {
        self.draft.turn_to_next();
        // Numbers and booleans of the mapping stand bare; the target reads them as jsonb.
        let (type_sql, kind) = if said.bare {
            ("pg_catalog.jsonb", JsonKind::Jsonb)
        } else {
            ("pg_catalog.text", JsonKind::String)
        };
        let place = format!("column {column}.{}", path.join("."));
        match &said.form {
            Form::Id => self.own_uuid(&place).map(|()| (Value::Id, JsonKind::Uuid)),
            Form::Ref(reference) => {
                let number = self.reference(reference, at.from, &place)?;
                self.site(reference, number, column, path.clone());
                Ok((Value::Ref(number), JsonKind::Uuid))
            }
            Form::Copy(name) => {
                let source = self.named_column(at.from, name, &place)?;
                Ok(self.json_copy(source, &place))
            }
            Form::Map(map) => {
                let program = self.map(map, at.from, type_sql, &place)?;
                Ok((Value::Map(program), kind))
            }
            Form::Extract { column, path } => {
                let sql = self.extracted(column, path, at.from, &place)?;
                Ok((
                    Value::Answer(self.draft.ask(sql, &place, Some(&at.target.name))),
                    JsonKind::String,
                ))
            }
            Form::Sql(sql) => {
                let facts = self.expression_facts(sql, &place)?;
                let text = self.readable(sql, facts, at.from, &place)?;
                let sql = format!("pg_catalog.to_jsonb({text}\n)");
                Ok((
                    Value::Answer(self.draft.ask(sql, &place, Some(&at.target.name))),
                    JsonKind::Jsonb,
                ))
            }
            Form::Lookup(lookup) => {
                let found = self.lookup(lookup, at.from, &place)?;
                let sql = format!("pg_catalog.to_jsonb({})", found.sql);
                let answer = Value::Answer(self.draft.ask(sql, &place, Some(&at.target.name)));
                Ok((self.found(lookup, &found, answer, &place), JsonKind::Jsonb))
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
    fn json_copy(&mut self, column: &'a Column, place: &str) -> (Value, JsonKind) {
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
            // As the source prints it: the target would read another amount.
            None if base.oid == builtin::MONEY && !self.world.same_money() => {
                (Value::Input(self.draft.text(column)), JsonKind::String)
            }
            None => {
                self.draft.turn_to_next();
                let name = self.draft.lend(column);
                let answer = self
                    .draft
                    .ask(format!("pg_catalog.to_jsonb({name})"), place, None);
                (Value::Answer(answer), JsonKind::Jsonb)
            }
        }
    }
}

fn keep_span(finding: Finding, entity: Span, member: Span) -> Finding {
    if finding.span == Some(entity) {
        finding.at(member)
    } else {
        finding
    }
}
