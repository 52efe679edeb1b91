//! Which rows an expression fails for.
//!
//! In a transaction that is rolled back the arrays become rows of temporary tables, and a temporary function evaluates over ranges
//! of them under an exception handler, half as many where something fails.

use driftless_core::catalog::builtin;
use driftless_core::code;
use driftless_core::name::quote_ident;
use driftless_core::plan::{Evaluation, EvaluationInput, EvaluationOutput};
use driftless_core::transform::{Category, RowFault};
use driftless_pg::{BeginMode, Disposition, Param, Session, disposition};

use crate::error::{EngineError, Result};

/// An output that fails for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The output's number.
    pub(super) output: usize,
    /// What is wrong with the row.
    pub(super) fault: RowFault,
}

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

/// Which rows fail in one of these outputs, and why; of several outputs that fail for a row the first one tells. `params` are the
/// arrays of the inputs for these rows.
pub(super) async fn failing(
    session: &mut Session,
    evaluation: &Evaluation,
    outputs: &[usize],
    params: &[Param],
    rows: &[usize],
) -> Result<Vec<Failure>> {
    let tx = session.begin(BeginMode::RolledBack).await?;
    tx.ahead(&rows_table(evaluation, 0, rows.len()), &[]).await?;
    for (table, part) in params.chunks(COLUMNS).enumerate() {
        if table > 0 {
            tx.ahead(&rows_table(evaluation, table, rows.len()), &[]).await?;
        }
        tx.ahead(&fill(table, part.len()), part).await?;
        let index = format!("CREATE UNIQUE INDEX ON pg_temp.{ROWS}{table} ({ORDINAL})");
        tx.ahead(&index, &[]).await?;
    }
    tx.ahead(&function(evaluation, outputs), &[]).await?;
    let sql = format!(
        "SELECT DISTINCT ON (row_number) row_number, output, state, message \
           FROM pg_temp.driftless_failing({}::int8) ORDER BY row_number, output",
        rows.len()
    );
    let found = tx.query(&sql, &[]).await?;
    tx.rollback().await?;
    let mut failures = Vec::new();
    for row in &found {
        let (number, output): (i64, i32) = (row.get(0)?, row.get(1)?);
        let (state, message): (String, String) = (row.get(2)?, row.get(3)?);
        let output = usize::try_from(output).unwrap_or_default();
        let told = evaluation.outputs.get(output);
        if !is_of_a_row(&state, told.is_some_and(|output| output.reads)) {
            return Err(EngineError::new(
                code::INTERNAL,
                "an evaluation",
                format!("SQLSTATE {state} for one row"),
            )
            .remedy("this is no error of a row: see what the server's log says at this time"));
        }
        let row = usize::try_from(number - 1)
            .ok()
            .and_then(|index| rows.get(index))
            .copied();
        if let (Some(row), Some(told)) = (row, told) {
            let fault = fault(row, told, state, &message);
            failures.push(Failure { output, fault });
        }
    }
    Ok(failures)
}

fn fault(row: usize, output: &EvaluationOutput, state: String, message: &str) -> RowFault {
    // PostgreSQL gives the reason in the detail, among the row's text.
    let reason = if state == "22P05" {
        ": the character U+0000, or one that the target's encoding does not have"
    } else {
        ""
    };
    let rule = output.place.strip_prefix("rule ").map(str::to_owned);
    RowFault {
        column: output.column.clone(),
        sqlstate: Some(state),
        category: if rule.is_some() {
            Category::BusinessRule
        } else {
            Category::DataQuality
        },
        rule,
        ..RowFault::new(
            row,
            code::ROW_EXPRESSION_FAILED,
            format!("{}: {message}{reason}", output.place),
        )
    }
}

/// The rows of the arrays, by number: as many tables as there are of columns, and at least one.
const ROWS: &str = "driftless_rows";

/// Columns of one of these tables: the pointers to as many large values fit into a row.
const COLUMNS: usize = 100;

/// The number of a row of the batch, from 1.
const ORDINAL: &str = "\"driftless ord\"";

/// Makes a table of rows. Without inputs its rows have nothing but numbers.
fn rows_table(evaluation: &Evaluation, table: usize, rows: usize) -> String {
    if evaluation.inputs.is_empty() {
        return format!(
            "CREATE TEMPORARY TABLE {ROWS}{table} ON COMMIT DROP AS \
             SELECT ord AS {ORDINAL} FROM pg_catalog.generate_series(1::int8, {rows}::int8) AS ord"
        );
    }
    let inputs = evaluation.inputs.iter().enumerate();
    let columns: Vec<String> = inputs
        .skip(table * COLUMNS)
        .take(COLUMNS)
        .map(|(number, input)| format!("c{number} {}, ", builtin::element_name(input.array)))
        .collect();
    format!(
        "CREATE TEMPORARY TABLE {ROWS}{table} ({}{ORDINAL} int8) ON COMMIT DROP",
        columns.concat()
    )
}

/// Fills a table of rows from arrays, its parameters.
fn fill(table: usize, arrays: usize) -> String {
    let arrays: Vec<String> = (1..=arrays)
        .map(|number| format!("pg_catalog.unnest(${number})"))
        .collect();
    format!(
        "INSERT INTO pg_temp.{ROWS}{table} SELECT * FROM ROWS FROM ({}) WITH ORDINALITY",
        arrays.join(", ")
    )
}

/// The function that says which rows fail in these outputs, output by output. It evaluates as many rows at once as went well the last time, and
/// twice as many after that; where something fails half as many, down to the one that fails.
fn function(evaluation: &Evaluation, outputs: &[usize]) -> String {
    let shown = |(number, input): (usize, &EvaluationInput)| {
        let cast = input
            .cast
            .as_ref()
            .map_or(String::new(), |cast| format!("::{cast}"));
        let table = number / COLUMNS;
        format!("(r{table}.c{number}){cast} AS {}", quote_ident(&input.name))
    };
    let shown: Vec<String> = evaluation.inputs.iter().enumerate().map(shown).collect();
    let joined: String = (1..evaluation.inputs.len().div_ceil(COLUMNS))
        .map(|table| format!(" JOIN pg_temp.{ROWS}{table} AS r{table} USING ({ORDINAL})"))
        .collect();
    let outputs: Vec<String> = outputs
        .iter()
        .filter_map(|number| Some((number, evaluation.outputs.get(*number)?)))
        .map(|(number, output)| {
            format!(
                "low := 1; wide := rows;
                 WHILE low <= rows LOOP
                     high := LEAST(low + wide - 1, rows);
                     BEGIN
                         PERFORM {} FROM (SELECT {} FROM pg_temp.{ROWS}0 AS r0{joined}
                                           WHERE r0.{ORDINAL} BETWEEN bounds.low AND bounds.high) AS s;
                         low := high + 1; wide := wide * 2;
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
                shown.join(", ")
            )
        })
        .collect();
    format!(
        "CREATE FUNCTION pg_temp.driftless_failing(rows int8) \
         RETURNS TABLE (row_number int8, output int4, state text, message text) LANGUAGE plpgsql AS $driftless$ \
         #variable_conflict use_column\n\
         <<bounds>> DECLARE low int8; high int8; wide int8; BEGIN {} END $driftless$",
        outputs.join("\n")
    )
}
