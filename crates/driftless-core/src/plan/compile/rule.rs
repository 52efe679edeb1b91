//! Rules: conditions that rows must meet.

use super::Compiler;
use crate::catalog::Relation;
use crate::catalog::builtin;
use crate::code;
use crate::error::Finding;
use crate::plan::columns::{Columns, MAY_LOSE};
use crate::plan::draft::{Basis, ask_whether, position_or_push};
use crate::plan::entity::{Evaluation, EvaluationInput, EvaluationSource, RulePlan};
use crate::plan::program::Value;
use crate::plan::sql_type::type_with_modifier;
use crate::spec::{RuleSide, RuleSpec};

impl<'a> Compiler<'a> {
    /// Rules over source columns: questions of the main evaluation.
    pub(super) fn source_rules(&self, columns: &mut Columns<'a, '_>, from: &'a Relation) -> Vec<RulePlan> {
        let mut rules = Vec::new();
        for rule in self.rules(RuleSide::Source) {
            let place = format!("rule {}", rule.name);
            let asked = columns.expression_facts(&rule.check, &place).and_then(|facts| {
                columns.draft.turn_to_next();
                let sql = columns.readable(&rule.check, facts, from, &place)?;
                Ok(columns.draft.ask_whether(condition(&sql), &place))
            });
            match asked {
                Ok(answer) => rules.push(plan(rule, answer)),
                Err(finding) => columns.findings.push(finding),
            }
        }
        rules
    }

    /// Rules over shaped values: questions of an evaluation of their own.
    pub(super) fn target_rules(
        &self,
        columns: &mut Columns<'a, '_>,
        from: &'a Relation,
    ) -> (Evaluation, Vec<RulePlan>) {
        let mut evaluation = Evaluation::default();
        let mut rules = Vec::new();
        for rule in self.rules(RuleSide::Target) {
            let place = format!("rule {}", rule.name);
            let inputs = columns.expression_facts(&rule.check, &place).and_then(|facts| {
                let names = facts.columns.iter();
                let inputs = names.map(|name| shaped(columns, name, rule, from));
                Ok((inputs.collect::<Result<Vec<_>, _>>()?, facts.settled))
            });
            match inputs {
                Ok((inputs, settled)) => {
                    let numbers = inputs
                        .into_iter()
                        .map(|input| position_or_push(&mut evaluation.inputs, input));
                    let basis = Basis {
                        inputs: numbers.collect(),
                        settled,
                    };
                    let answer = ask_whether(&mut evaluation, basis, condition(&rule.check.value), &place);
                    rules.push(plan(rule, answer));
                }
                Err(finding) => columns.findings.push(finding),
            }
        }
        (evaluation, rules)
    }

    fn rules(&self, side: RuleSide) -> impl Iterator<Item = &'a RuleSpec> {
        self.entity.rules.iter().filter(move |rule| rule.side == side)
    }
}

fn condition(sql: &str) -> String {
    format!("({sql}\n)::pg_catalog.bool")
}

fn plan(rule: &RuleSpec, answer: usize) -> RulePlan {
    RulePlan {
        name: rule.name.clone(),
        answer,
        on_fail: rule.on_fail,
    }
}

/// A written column as an input of the target evaluation.
fn shaped<'a>(
    columns: &mut Columns<'a, '_>,
    name: &str,
    rule: &RuleSpec,
    from: &'a Relation,
) -> Result<EvaluationInput, Finding> {
    let refused = |columns: &Columns<'a, '_>, why: &str| {
        columns
            .finding(
                code::BAD_EXPRESSION,
                format!("rule {} reads {name}, which {why}", rule.name),
            )
            .at(rule.check.span)
            .remedy("look at the source's columns instead: `on = \"source\"`")
    };
    let Some(number) = columns.output_number(name) else {
        return Err(refused(columns, "is no column that is written"));
    };
    if columns.outputs[number]
        .as_ref()
        .is_some_and(|output| columns.may_lose(output))
    {
        return Err(refused(columns, MAY_LOSE));
    }
    if let Some(input) = columns.lent_output(number, name.to_owned()) {
        return Ok(input);
    }
    // Its bytes cannot go into an evaluation; where they are a source column's, that column's text can.
    let copied = match &columns.outputs[number] {
        Some(output) if output.default.is_none() => match output.value {
            Value::Input(input) => Some(columns.draft.inputs[input].column.clone()),
            _ => None,
        },
        _ => None,
    };
    let Some(column) = copied.and_then(|column| from.column(&column)) else {
        return Err(refused(
            columns,
            "has a type that cannot be handed to an expression",
        ));
    };
    let target = columns.written[number];
    Ok(EvaluationInput {
        name: name.to_owned(),
        from: EvaluationSource::Input(columns.draft.text(column)),
        element: builtin::TEXT,
        array: builtin::TEXT_ARRAY,
        cast: Some(type_with_modifier(&target.data_type, target.typmod)),
    })
}
