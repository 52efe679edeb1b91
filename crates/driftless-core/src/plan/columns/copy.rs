//! Copies: a source column's value as one of the target column's type.

use super::{Columns, Compiling};
use crate::catalog::Column;
use crate::error::Finding;
use crate::plan::draft::Round;
use crate::plan::fit::{End, Fit, Misfit, Terms, fit, travel, type_with_modifier};
use crate::plan::program::{Check, Value};

impl<'a> Columns<'a, '_> {
    pub(super) fn terms(&self, lossy: bool) -> Terms<'a> {
        Terms {
            source_zone: self.spec.source.zone.as_ref().map(|zone| zone.value.as_str()),
            target_zone: self.spec.target.zone.as_ref().map(|zone| zone.value.as_str()),
            lossy,
        }
    }

    pub(super) fn misfit(&self, misfit: Misfit, place: &str, what: &str, target: &Column) -> Finding {
        self.finding(
            misfit.code,
            format!("{place}: {what} into {}: {}", target.type_sql, misfit.message),
        )
        .remedy(misfit.remedy)
    }

    pub(super) fn copy(
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
    pub(super) fn answer(
        &mut self,
        found: Fit,
        sql: &str,
        at: &Compiling<'a, '_>,
        place: &str,
    ) -> (Value, Vec<Check>) {
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
                let wide = crate::plan::fit::type_name(at.target.data_type.base());
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
}
