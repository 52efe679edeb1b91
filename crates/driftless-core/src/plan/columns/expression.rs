//! Expressions: what the target evaluates for a column.

use super::{Columns, Compiling};
use crate::catalog::{Column, ExpressionFacts, Relation, builtin};
use crate::code;
use crate::error::Finding;
use crate::plan::fit::{End, Terms, fit};
use crate::plan::program::{Check, Value};
use crate::plan::request::{ExpressionKey, extraction};
use crate::spec::Spanned;

impl<'a> Columns<'a, '_> {
    pub(super) fn expression_key(&self, place: &str) -> ExpressionKey {
        ExpressionKey {
            entity: self.entity.name.clone(),
            place: place.to_owned(),
        }
    }

    /// An expression of this type as a column's value.
    pub(super) fn expression(
        &mut self,
        sql: &str,
        result: End<'_>,
        at: &Compiling<'a, '_>,
        place: &str,
    ) -> Result<(Value, Vec<Check>), Finding> {
        // Its value is the target's own.
        let terms = Terms {
            same_money: true,
            same_interval: true,
            ..self.terms(at.lossy)
        };
        let found = fit(result, at.to(), terms).map_err(|misfit| {
            let what = format!("an expression of type {}", result.data_type.name.name);
            self.misfit(misfit, place, &what, at.target)
        })?;
        // The newline keeps a trailing comment of the user's from swallowing what follows.
        Ok(self.answer(found, &format!("{sql}\n"), result, at, place))
    }

    /// What PostgreSQL said about the expression at a place.
    pub(in crate::plan) fn expression_facts(
        &self,
        sql: &Spanned<String>,
        place: &str,
    ) -> Result<&'a ExpressionFacts, Finding> {
        let found = self.world.facts.expressions.get(&self.expression_key(place));
        found.ok_or_else(|| {
            self.finding(
                code::BAD_EXPRESSION,
                format!("{place}: PostgreSQL did not accept the expression"),
            )
            .at(sql.span)
            .remedy("see the finding about the expression itself")
        })
    }

    /// The text of the first match of a JSON path, in SQL.
    pub(super) fn extracted(
        &mut self,
        column: &Spanned<String>,
        path: &Spanned<String>,
        from: &'a Relation,
        place: &str,
    ) -> Result<String, Finding> {
        let column = self.named_column(from, column, place)?;
        if !holds_json(column) {
            return Err(self
                .finding(
                    code::TYPES_DO_NOT_FIT,
                    format!(
                        "{place}: column {} is {}, and holds no JSON",
                        column.name, column.type_sql
                    ),
                )
                .remedy("extract from a column of type json, jsonb or text"));
        }
        self.expression_facts(path, place)?;
        self.draft.lend(column);
        Ok(extraction(column, &path.value))
    }
}

fn holds_json(column: &Column) -> bool {
    matches!(
        column.data_type.base().oid,
        builtin::JSON | builtin::JSONB | builtin::TEXT | builtin::VARCHAR | builtin::BPCHAR
    )
}
