//! Copies: a source column's value as one of the target column's type.

use super::{Columns, Compiling};
use crate::catalog::Column;
use crate::error::Finding;
use crate::plan::entity::Local;
use crate::plan::fit::{Clock, End, Fit, Misfit, Terms, fit, fit_of_text};
use crate::plan::program::{Check, Value};
use crate::plan::travel::travel;
use crate::spec::ServerSpec;

impl<'a> Columns<'a, '_> {
    /// What else decides how a source column is copied.
    pub(super) fn terms(&self, lossy: bool) -> Terms<'a> {
        let spec = self.world.spec;
        let zone = |server: &'a ServerSpec| server.zone.as_ref().map(|zone| zone.value.as_str());
        Terms {
            source_zone: zone(&spec.source),
            target_zone: zone(&spec.target),
            same_money: self.world.same_money(),
            same_interval: self.world.same_interval(),
            lossy,
        }
    }

    /// A misfit as a finding.
    pub(super) fn misfit(&self, misfit: Misfit, place: &str, what: &str, target: &Column) -> Finding {
        self.finding(
            misfit.code,
            format!("{place}: {what} into {}: {}", target.type_sql, misfit.message),
        )
        .remedy(misfit.remedy)
    }

    /// A source column as the target column's value.
    pub(super) fn copy(
        &mut self,
        column: &'a Column,
        at: &Compiling<'a, '_>,
        place: &str,
    ) -> Result<(Value, Vec<Check>), Finding> {
        let to = at.to();
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
                let (catalog, same) = (self.draft.target_catalog, self.draft.same_interval);
                let travelled = travel(&column.data_type, catalog, same).data_type;
                let (again, end) = if travelled == *column.data_type.base() {
                    (Ok(found), own)
                } else {
                    let end = End {
                        data_type: &travelled,
                        typmod: -1,
                    };
                    (fit_of_text(own, to, terms), end)
                };
                let again =
                    again.map_err(|misfit| self.misfit(misfit, place, &column.type_sql, at.target))?;
                let zone = again.offset_of().map(str::to_owned);
                let name = self.draft.lend(column);
                let asked = self.draft.evaluation.outputs.len();
                let answer = self.answer(again, &name, end, at, place);
                self.draft.reads(asked);
                if let (Some(zone), (Value::Answer(instant), checks)) = (zone, &answer) {
                    self.draft.follows_from(*instant, &zone, Local::Moment);
                    for check in checks {
                        if let Check::Clock { answer, .. } = check {
                            self.draft.follows_from(*answer, &zone, Local::Exists);
                        }
                    }
                }
                answer
            }
        })
    }

    /// A fit applied to an expression of the evaluation.
    pub(super) fn answer(
        &mut self,
        found: Fit,
        sql: &str,
        from: End<'_>,
        at: &Compiling<'a, '_>,
        place: &str,
    ) -> (Value, Vec<Check>) {
        let column = Some(at.target.name.as_str());
        let spoken = found.spoken(sql, from, at.to());
        let mut checks: Vec<Check> = spoken.check.into_iter().collect();
        let answer = self.draft.ask(spoken.value, place, column);
        let clock = spoken.clock.as_ref().map(|clock| clock.sql.clone());
        if let Some(Clock { sql, change, .. }) = spoken.clock {
            let answer = self.draft.ask(sql, place, column);
            checks.push(Check::Clock { answer, change });
        }
        // What can only be the clock is told once.
        if let Some(lossless) = spoken.lossless.filter(|sql| clock.as_ref() != Some(sql)) {
            checks.push(Check::Lossless(self.draft.ask(lossless, place, column)));
        }
        (Value::Answer(answer), checks)
    }
}
