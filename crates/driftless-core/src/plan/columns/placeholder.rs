//! `:id` and `:COLUMN` in expressions: values of this row that are known before, or are computed beside, the expression.

use std::collections::BTreeSet;

use super::Columns;
use crate::catalog::{ExpressionFacts, Relation, builtin};
use crate::code;
use crate::error::Finding;
use crate::name::{quote_ident, quote_literal};
use crate::plan::entity::{EvaluationInput, EvaluationSource};
use crate::plan::program::{ConstantText, Output, Value};
use crate::plan::sql_type::type_with_modifier;
use crate::plan::travel::{bytes_travel, travel};
use crate::spec::{Spanned, WhenMissing, placeholder};

/// What is wrong with reading a reference that [may become null](Columns::may_lose).
pub(in crate::plan) const MAY_LOSE: &str = "becomes null where its row is not there (`missing = \"null\"`): that is known only when the row is written already";

/// How an expression gets at a value of this row.
enum Reading {
    /// Its bytes are lent to the evaluation.
    Lent(EvaluationInput),
    /// It is computed there.
    Computed(String),
}

impl<'a> Columns<'a, '_> {
    /// An expression as the main evaluation asks it. Everything that it reads is put there.
    pub(in crate::plan) fn readable(
        &mut self,
        sql: &Spanned<String>,
        facts: &ExpressionFacts,
        from: &'a Relation,
        place: &str,
    ) -> Result<String, Finding> {
        let (values, columns): (Vec<&str>, Vec<&str>) = facts
            .columns
            .iter()
            .map(String::as_str)
            .partition(|name| name.starts_with(':'));
        if !facts.settled {
            self.draft.unsettle();
        }
        for name in columns {
            let column = self.source_column(from, name, place)?;
            self.draft.lend(column);
        }
        let said = placeholder::scan(&sql.value);
        let read = values.into_iter().map(|name| &name[1..]);
        let names: BTreeSet<&str> = said.iter().map(|one| one.name.as_str()).chain(read).collect();
        let mut computed = Vec::new();
        for name in names {
            let reading = self
                .reading(name, from, place)
                .map_err(|finding| finding.at(sql.span))?;
            match reading {
                Reading::Lent(input) => self.draft.lend_input(input),
                Reading::Computed(value) => computed.push((name.to_owned(), value)),
            }
        }
        Ok(placeholder::replace(&sql.value, |name| {
            let found = computed.iter().find(|(one, _)| one == name);
            found.map_or_else(|| quote_ident(&format!(":{name}")), |(_, value)| value.clone())
        }))
    }

    fn reading(&mut self, name: &str, from: &'a Relation, place: &str) -> Result<Reading, Finding> {
        if name == "id" {
            return self.own_uuid(place).map(|()| Reading::Lent(own_id()));
        }
        let unknown = |columns: &Self, why: &str| {
            let finding = columns.finding(
                code::BAD_EXPRESSION,
                format!("{place} reads :{name}, which {why}"),
            );
            finding.remedy("read the source's columns instead")
        };
        let Some(number) = self.output_number(name) else {
            return Err(unknown(self, "is no column that is written"));
        };
        let Some(output) = self.outputs[number].clone() else {
            return Err(unknown(self, "cannot be mapped itself"));
        };
        if self.may_lose(&output) {
            return Err(unknown(self, MAY_LOSE));
        }
        if let Some(sql) = self.computed(number, &output, from)? {
            return Ok(Reading::Computed(sql));
        }
        match self.lent_output(number, format!(":{name}")) {
            Some(input) => Ok(Reading::Lent(input)),
            None => Err(unknown(self, "cannot be handed to an expression")),
        }
    }

    /// Whether an output is a reference that becomes null where its row is not there: rows are shaped before that is known.
    pub(in crate::plan) fn may_lose(&self, output: &Output) -> bool {
        match output.value {
            Value::Ref(reference) => self.refs[reference].missing == WhenMissing::Null,
            _ => false,
        }
    }

    /// The SQL of an output whose bytes are not there before the evaluation, or cannot go into one.
    fn computed(
        &mut self,
        number: usize,
        output: &Output,
        from: &'a Relation,
    ) -> Result<Option<String>, Finding> {
        let target = self.written[number];
        let exact = type_with_modifier(&target.data_type, target.typmod);
        let value = match &output.value {
            Value::Answer(answer) => {
                self.draft.build_on(*answer);
                self.draft.evaluation.outputs[*answer].sql.clone()
            }
            _ if bytes_travel(&target.data_type) => return Ok(None),
            Value::Input(input) => {
                let name = self.draft.inputs[*input].column.clone();
                let column = self.source_column(from, &name, &target.name)?;
                self.draft.lend(column)
            }
            Value::Constant(constant) => match &self.draft.constants[*constant].text {
                ConstantText::Text(text) => quote_literal(text),
                ConstantText::Null => "NULL".to_owned(),
                ConstantText::Run(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        let value = format!("({value})::{exact}");
        Ok(Some(
            match output.default.map(|number| &self.draft.constants[number].text) {
                Some(ConstantText::Text(text)) => {
                    format!("coalesce({value}, {}::{exact})", quote_literal(text))
                }
                _ => format!("({value})"),
            },
        ))
    }

    /// An output as an input of an evaluation, unless its bytes are none that could go there.
    pub(in crate::plan) fn lent_output(&self, number: usize, name: String) -> Option<EvaluationInput> {
        let target = self.written[number];
        if !bytes_travel(&target.data_type) {
            return None;
        }
        let travel = travel(&target.data_type, self.draft.target_catalog, true);
        // The column will show as many digits, or blanks, as its modifier says; so does the value here.
        let end = super::End {
            data_type: &target.data_type,
            typmod: target.typmod,
        };
        let shown = crate::plan::fit::unwrap(end);
        let padded = matches!(shown.data_type.oid, builtin::NUMERIC | builtin::BPCHAR) && shown.typmod >= 0;
        Some(EvaluationInput {
            name,
            from: EvaluationSource::Output(number),
            element: travel.element,
            array: travel.array,
            cast: if padded {
                Some(type_with_modifier(shown.data_type, shown.typmod))
            } else {
                travel.cast
            },
        })
    }

    /// Whether rows have a UUID at all.
    pub(super) fn own_uuid(&self, place: &str) -> Result<(), Finding> {
        if self.has_uuid {
            return Ok(());
        }
        Err(self
            .finding(
                code::NOT_A_UUID,
                format!("{place} reads the row's UUID, and the entity keeps its own keys"),
            )
            .remedy("give a column of the target the UUID: `id = { id = true }`"))
    }
}

fn own_id() -> EvaluationInput {
    let uuid = builtin::of(builtin::UUID);
    EvaluationInput {
        name: ":id".to_owned(),
        from: EvaluationSource::Id,
        element: uuid.oid,
        array: uuid.array_oid,
        cast: None,
    }
}
