//! Which rows an expression fails for.
//!
//! In a transaction that is rolled back a temporary function evaluates over ranges of the arrays under an exception handler, half as
//! many where something fails. The function does not stay for the next batch: event triggers see it being made, and what they do
//! about that, such as telling an API, must not stay either.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::builtin;
use driftless_core::code;
use driftless_core::name::quote_ident;
use driftless_core::plan::{Evaluation, EvaluationInput};
use driftless_core::transform::recall::Failure;
use driftless_core::transform::{Category, RowFault};
use driftless_pg::{BeginMode, Disposition, Param, Row, Session, disposition};

use crate::error::{EngineError, Result};

/// Whether a row can be blamed for what an expression runs into. Beside data errors: "not supported", which is what
/// PostgreSQL says of NaN as an integer, and what a function of the target's tells of the one row it looks at (no case for
/// it, no or too many rows). Where the target only `reads` a value, it may also call it bad syntax (of a tsquery, a path, a
/// label; an old hstore gives no code of its own for it), too long, or the name of an object that is not there.
pub(super) fn is_of_a_row(state: &str, reads: bool) -> bool {
    disposition(state) == Disposition::Row
        || matches!(state, "0A000" | "20000" | "P0002" | "P0003")
        || (reads
            && (matches!(state, "3F000" | "XX000") || state.starts_with("42") || state.starts_with("54")))
}

/// Most rows that one call of the function looks at. Each part of an array that it takes copies all of it before.
const AT_ONCE: usize = 1_000;

/// Which rows fail in one of an evaluation's outputs, and why; of several outputs that fail for a row the first one tells. `array`
/// makes the array of some inputs for some rows, those of the first input first.
pub(super) async fn failing(
    session: &mut Session,
    evaluation: &Evaluation,
    rows: &[usize],
    array: impl Fn(&[&EvaluationInput], &[usize]) -> Param,
) -> Result<Vec<Failure>> {
    let mut first: BTreeMap<usize, Failure> = BTreeMap::new();
    let tx = session.begin(BeginMode::RolledBack).await?;
    for (number, outputs) in groups(evaluation).into_iter().enumerate() {
        let part = evaluation.part(&outputs);
        let arrays = Arrays::of(&part);
        let name = format!("pg_temp.driftless_failing_{number}");
        tx.ahead(&function(&name, &part, &arrays), &[]).await?;
        let numbers: Vec<String> = (2..arrays.0.len() + 2)
            .map(|number| format!(", ${number}"))
            .collect();
        let sql = format!(
            "SELECT DISTINCT ON (row_number) row_number, output, state, message \
               FROM {name}($1::int4{}) ORDER BY row_number, output",
            numbers.concat()
        );
        for rows in rows.chunks(AT_ONCE) {
            let mut params = vec![Param::int4(i32::try_from(rows.len()).unwrap_or(i32::MAX))];
            params.extend(arrays.0.iter().map(|inputs| array(inputs, rows)));
            for row in &tx.query(&sql, &params).await? {
                if let Some(failure) = failure(row, evaluation, &outputs, rows)? {
                    first.entry(failure.row).or_insert(failure);
                }
            }
        }
    }
    tx.rollback().await?;
    Ok(first.into_values().collect())
}

/// What an answer of the function says.
fn failure(row: &Row, evaluation: &Evaluation, outputs: &[usize], rows: &[usize]) -> Result<Option<Failure>> {
    let (number, output): (i64, i32) = (row.get(0)?, row.get(1)?);
    let (state, message): (String, String) = (row.get(2)?, row.get(3)?);
    let output = usize::try_from(output).unwrap_or_default();
    let output = outputs.get(output).copied().unwrap_or_default();
    let told = evaluation.outputs.get(output);
    if !is_of_a_row(&state, told.is_some_and(|output| output.reads)) {
        return Err(EngineError::new(
            code::INTERNAL,
            "an evaluation",
            format!("SQLSTATE {state} for one row"),
        )
        .remedy("this is no error of a row: see what the server's log says at this time"));
    }
    let index = usize::try_from(number - 1).ok();
    let row = index.and_then(|index| rows.get(index)).copied();
    Ok(row.map(|row| Failure {
        output,
        row,
        sqlstate: state,
        message,
    }))
}

/// The outputs in their order, as many together as one function has parameters for.
fn groups(evaluation: &Evaluation) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut inputs: BTreeSet<usize> = BTreeSet::new();
    for (number, output) in evaluation.outputs.iter().enumerate() {
        inputs.extend(&output.inputs);
        match groups.last_mut() {
            Some(group) if inputs.len() <= MOST_ARRAYS => group.push(number),
            _ => {
                inputs = output.inputs.iter().copied().collect();
                groups.push(vec![number]);
            }
        }
    }
    groups
}

/// What is wrong with a row for which an output of an evaluation fails.
pub(super) fn fault(evaluation: &Evaluation, failure: &Failure) -> RowFault {
    let output = &evaluation.outputs[failure.output];
    // PostgreSQL gives the reason in the detail, among the row's text.
    let reason = if failure.sqlstate == "22P05" {
        ": the character U+0000, or one that the target's encoding does not have"
    } else {
        ""
    };
    let rule = output.place.strip_prefix("rule ").map(str::to_owned);
    RowFault {
        column: output.column.clone(),
        sqlstate: Some(failure.sqlstate.clone()),
        category: if rule.is_some() {
            Category::BusinessRule
        } else {
            Category::DataQuality
        },
        rule,
        ..RowFault::new(
            failure.row,
            code::ROW_EXPRESSION_FAILED,
            format!("{}: {}{reason}", output.place, failure.message),
        )
    }
}

/// Most inputs that have an array of their own: a function has 100 parameters at most.
const MOST_ARRAYS: usize = 98;

/// The arrays that a function takes, with the inputs that lie in each, one behind the other.
struct Arrays<'e>(Vec<Vec<&'e EvaluationInput>>);

impl<'e> Arrays<'e> {
    /// One for each input; where that is more than a function takes, one for each type.
    fn of(evaluation: &'e Evaluation) -> Arrays<'e> {
        let mut arrays: Vec<Vec<&EvaluationInput>> = Vec::new();
        let shared = evaluation.inputs.len() > MOST_ARRAYS;
        for input in &evaluation.inputs {
            let own = |array: &&mut Vec<&EvaluationInput>| shared && array[0].array == input.array;
            match arrays.iter_mut().find(own) {
                Some(array) => array.push(input),
                None => arrays.push(vec![input]),
            }
        }
        Arrays(arrays)
    }

    /// The function's parameters.
    fn parameters(&self) -> String {
        let declared = self.0.iter().enumerate().map(|(number, inputs)| {
            let element = builtin::element_name(inputs[0].array);
            format!(", \"driftless {number}\" {element}[]")
        });
        declared.collect()
    }

    /// The part of an array between the bounds that holds an input.
    fn range(&self, input: &EvaluationInput) -> String {
        let mut places = self.0.iter().enumerate().filter_map(|(number, inputs)| {
            let place = inputs.iter().position(|own| own.name == input.name)?;
            Some((number, place))
        });
        let (number, place) = places.next().unwrap_or_default();
        format!("\"driftless {number}\"[bounds.low + {place} * rows : bounds.high + {place} * rows]")
    }

    /// The rows between the bounds, with a column for each of these inputs by its name. Without inputs there are only so many.
    fn rows<'i>(&self, inputs: impl Iterator<Item = &'i EvaluationInput>) -> String {
        let (mut columns, mut ranges, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (number, input) in inputs.enumerate() {
            let cast = input
                .cast
                .as_ref()
                .map_or(String::new(), |cast| format!("::{cast}"));
            columns.push(format!("(u.c{number}){cast} AS {}", quote_ident(&input.name)));
            ranges.push(format!("pg_catalog.unnest({})", self.range(input)));
            names.push(format!("c{number}"));
        }
        if names.is_empty() {
            return "pg_catalog.generate_series(bounds.low, bounds.high) AS \"driftless ord\"".to_owned();
        }
        format!(
            "(SELECT {} FROM ROWS FROM ({}) AS u({})) AS s",
            columns.join(", "),
            ranges.join(", "),
            names.join(", ")
        )
    }
}

/// The function that says which rows fail, output by output. It evaluates as many rows at once as
/// went well the last time, and twice as many after that; where something fails half as many, down to the one that fails.
fn function(name: &str, evaluation: &Evaluation, arrays: &Arrays<'_>) -> String {
    let outputs: Vec<String> = evaluation
        .outputs
        .iter()
        .enumerate()
        .map(|(number, output)| {
            format!(
                "low := 1; wide := rows;
                 WHILE low <= rows LOOP
                     high := LEAST(low + wide - 1, rows);
                     BEGIN
                         PERFORM {} FROM {};
                         low := high + 1; wide := LEAST(wide, rows) * 2;
                     EXCEPTION WHEN OTHERS THEN
                         IF low = high THEN
                             row_number := low; output := {number}; state := SQLSTATE; message := SQLERRM; RETURN NEXT;
                             low := high + 1;
                         ELSE
                             wide := (high - low + 1) / 2;
                         END IF;
                     END;
                 END LOOP;",
                output.sql,
                arrays.rows(output.inputs.iter().map(|input| &evaluation.inputs[*input]))
            )
        })
        .collect();
    format!(
        "CREATE FUNCTION {name}(rows int4{}) RETURNS TABLE (row_number int8, output int4, state text, message text) LANGUAGE plpgsql AS $driftless$ \
         #variable_conflict use_column\n\
         <<bounds>> DECLARE low int4; high int4; wide int4; BEGIN {} END $driftless$",
        arrays.parameters(),
        outputs.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use driftless_core::plan::{EvaluationOutput, EvaluationSource};

    use super::*;

    fn evaluation(inputs: usize, outputs: &[std::ops::Range<usize>]) -> Evaluation {
        let input = |number: usize| EvaluationInput {
            name: format!("i{number}"),
            from: EvaluationSource::Input(number),
            element: builtin::TEXT,
            array: builtin::TEXT_ARRAY,
            cast: None,
        };
        let output = |inputs: &std::ops::Range<usize>| EvaluationOutput {
            sql: String::new(),
            place: String::new(),
            column: None,
            reads: false,
            inputs: inputs.clone().collect(),
            settled: false,
            local: None,
            for_rules: false,
        };
        Evaluation {
            inputs: (0..inputs).map(input).collect(),
            outputs: outputs.iter().map(output).collect(),
        }
    }

    #[test]
    fn outputs_go_together_as_far_as_a_function_has_parameters() {
        let few = evaluation(3, &[0..1, 1..3]);
        assert_eq!(groups(&few), [vec![0, 1]]);
        let many = evaluation(250, &[0..90, 80..98, 90..100, 100..101, 0..250]);
        assert_eq!(groups(&many), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(groups(&evaluation(0, &[0..0, 0..0])), [vec![0, 1]]);
    }

    #[test]
    fn an_output_of_too_many_inputs_finds_them_in_one_array() {
        let many = evaluation(150, std::slice::from_ref(&(0..150)));
        let arrays = Arrays::of(&many);
        assert_eq!(arrays.0.len(), 1);
        assert_eq!(
            arrays.range(&many.inputs[149]),
            "\"driftless 0\"[bounds.low + 149 * rows : bounds.high + 149 * rows]"
        );
        let few = evaluation(3, std::slice::from_ref(&(0..3)));
        let arrays = Arrays::of(&few);
        assert_eq!(arrays.0.len(), 3);
        assert!(
            arrays
                .range(&few.inputs[2])
                .starts_with("\"driftless 2\"[bounds.low + 0 * rows")
        );
    }
}
