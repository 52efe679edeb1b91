//! Expressions: what the target evaluates for a column.

use super::{Columns, Compiling};
use crate::catalog::{ExpressionFacts, Relation, TypeRef, builtin};
use crate::code;
use crate::error::Finding;
use crate::name::quote_literal;
use crate::plan::draft::Round;
use crate::plan::entity::{EvaluationInput, EvaluationSource};
use crate::plan::fit::{End, fit, travel};
use crate::plan::program::{Check, Value};
use crate::plan::request::ExpressionKey;
use crate::spec::Spanned;

impl<'a> Columns<'a, '_> {
    pub(super) fn expression_key(&self, place: &str) -> ExpressionKey {
        ExpressionKey {
            entity: self.entity.name.clone(),
            place: place.to_owned(),
        }
    }

    pub(super) fn expression(
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

    pub(in super::super) fn expression_facts(
        &self,
        sql: &Spanned<String>,
        place: &str,
    ) -> Result<&'a ExpressionFacts, Finding> {
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
    pub(in super::super) fn lend_columns(
        &mut self,
        names: &[String],
        from: &'a Relation,
    ) -> Result<(), Finding> {
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

    fn lend_value(&mut self, name: &str, from: EvaluationSource, data_type: &TypeRef) {
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

    pub(super) fn extraction(
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
}
