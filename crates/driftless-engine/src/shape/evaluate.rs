//! Expressions over a whole batch in one round trip, answered by the target.
//!
//! The evaluating session is read-only by default, so whatever an expression calls, nothing of it stays. When an expression
//! fails for some row the whole query fails; a temporary function, in a transaction that is rolled back, then finds the rows that
//! fail by halving under an exception handler, and a last query answers for the rest.

use std::collections::BTreeSet;

use driftless_core::batch::{Batch, Table, append};
use driftless_core::code;
use driftless_core::name::quote_ident;
use driftless_core::plan::{Evaluation, EvaluationInput, EvaluationOutput};
use driftless_core::transform::{Answers, Category, RowFault};
use driftless_pg::{BeginMode, Disposition, Param, Pool, Session, disposition};

use crate::error::{EngineError, Result};

/// Where unqualified names of expressions are looked for, behind `pg_catalog`.
pub const SEARCH_PATH: &str = "pg_catalog, public, extensions";

/// Opens a session for expressions.
pub async fn connect(target: &Pool) -> Result<Session> {
    let session = target.session("expressions").await?;
    session
        .batch(&format!(
            "SET search_path = {SEARCH_PATH}; SET default_transaction_read_only = on"
        ))
        .await?;
    Ok(session)
}

/// What is evaluated: gives arrays, takes answers.
pub trait Subject {
    /// Appends the array of an input for these rows.
    fn array(&self, input: &EvaluationInput, rows: &[usize], out: &mut Vec<u8>);
    /// The batch whose arena takes the answers.
    fn batch(&mut self) -> &mut Batch;
}

/// Evaluates for the rows with these numbers.
pub async fn evaluate(
    session: &mut Session,
    evaluation: &Evaluation,
    subject: &mut impl Subject,
    rows: &[usize],
) -> Result<Answers> {
    let width = evaluation.outputs.len();
    let mut answers = Answers {
        table: Table::nulls(subject.batch().rows(), width),
        failed: Vec::new(),
    };
    if evaluation.is_empty() || rows.is_empty() {
        return Ok(answers);
    }
    let params = bind(evaluation, subject, rows);
    let first = ask(
        session,
        evaluation,
        &params,
        rows,
        subject.batch(),
        &mut answers.table,
    )
    .await;
    let Err(error) = first else { return Ok(answers) };
    let state = error.pg().and_then(|pg| pg.sqlstate()).unwrap_or_default();
    let reads = evaluation.outputs.iter().any(|output| output.reads);
    if !is_of_a_row(state, reads) {
        return Err(error);
    }
    if !is_of_a_row(state, false) && !answers_nulls(session, evaluation).await? {
        return Err(error);
    }
    answers.failed = failing(session, evaluation, &params, rows).await?;
    if answers.failed.is_empty() {
        return Err(error);
    }
    let failed: BTreeSet<u32> = answers.failed.iter().map(|fault| fault.row).collect();
    let whole: Vec<usize> = rows
        .iter()
        .copied()
        .filter(|row| !failed.contains(&(*row as u32)))
        .collect();
    let params = bind(evaluation, subject, &whole);
    ask(
        session,
        evaluation,
        &params,
        &whole,
        subject.batch(),
        &mut answers.table,
    )
    .await?;
    Ok(answers)
}

/// Whether a row can be blamed for what an expression runs into. Beside data errors: "not supported", which is what
/// PostgreSQL says of NaN as an integer, and what a function of the target's tells of the one row it looks at (no case for
/// it, no or too many rows). Where the target only `reads` a value, it may also call it bad syntax (of a tsquery, a path, a
/// label; an old hstore gives no code of its own for it), too long, or the name of an object that is not there.
fn is_of_a_row(state: &str, reads: bool) -> bool {
    disposition(state) == Disposition::Row
        || matches!(state, "0A000" | "20000" | "P0002" | "P0003")
        || (reads
            && (matches!(state, "3F000" | "XX000") || state.starts_with("42") || state.starts_with("54")))
}

/// Whether a row of nulls is answered: then what is wrong with others is their values, and not the types that they are read
/// as.
async fn answers_nulls(session: &Session, evaluation: &Evaluation) -> Result<bool> {
    let null = |input: &EvaluationInput| {
        let fields = [1, 1, input.element, 1, 1, u32::MAX];
        Param::raw(
            input.array,
            fields
                .iter()
                .flat_map(|field| field.to_be_bytes())
                .collect::<Vec<u8>>(),
        )
    };
    let params: Vec<Param> = evaluation.inputs.iter().map(null).collect();
    match session.query(&statement(evaluation), &params).await {
        Ok(_) => Ok(true),
        Err(error) if error.disposition() == Disposition::Retry => Err(error.into()),
        Err(_) => Ok(false),
    }
}

fn bind(evaluation: &Evaluation, subject: &impl Subject, rows: &[usize]) -> Vec<Param> {
    let one = |input: &EvaluationInput| {
        let mut bytes = Vec::new();
        subject.array(input, rows, &mut bytes);
        Param::raw(input.array, bytes)
    };
    evaluation.inputs.iter().map(one).collect()
}

async fn ask(
    session: &Session,
    evaluation: &Evaluation,
    params: &[Param],
    rows: &[usize],
    batch: &mut Batch,
    table: &mut Table,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = statement(evaluation);
    let number = [Param::int8(rows.len() as i64)];
    let params = if evaluation.inputs.is_empty() {
        &number
    } else {
        params
    };
    let answered = session.query(&sql, params).await?;
    if answered.len() != rows.len() {
        return Err(EngineError::new(
            code::INTEGRITY,
            "an evaluation",
            format!(
                "{} rows were asked about, {} were answered",
                rows.len(),
                answered.len()
            ),
        ));
    }
    for answer in &answered {
        let ordinal: i64 = answer.get(0)?;
        let row = usize::try_from(ordinal - 1)
            .ok()
            .and_then(|index| rows.get(index))
            .copied();
        let Some(row) = row else {
            return Err(EngineError::new(
                code::INTEGRITY,
                "an evaluation",
                "an answer for a row that was not asked about",
            ));
        };
        for column in 0..evaluation.outputs.len() {
            let cell = append(&mut batch.arena, answer.raw(column + 1));
            table.set(row, column, cell);
        }
    }
    Ok(())
}

/// The statement that evaluates for a batch: its parameters are one array per input, or the number of rows if there is none.
pub fn statement(evaluation: &Evaluation) -> String {
    if evaluation.inputs.is_empty() {
        without_inputs(evaluation)
    } else {
        evaluation.sql()
    }
}

/// Expressions that read no column still have one value a row.
fn without_inputs(evaluation: &Evaluation) -> String {
    let outputs: Vec<&str> = evaluation
        .outputs
        .iter()
        .map(|output| output.sql.as_str())
        .collect();
    format!(
        "SELECT ord, {} FROM pg_catalog.generate_series(1::int8, $1::int8) AS ord",
        outputs.join(", ")
    )
}

/// Which rows fail, and why.
async fn failing(
    session: &mut Session,
    evaluation: &Evaluation,
    params: &[Param],
    rows: &[usize],
) -> Result<Vec<RowFault>> {
    let tx = session.begin(BeginMode::RolledBack).await?;
    if !evaluation.inputs.is_empty() {
        tx.batch(&lending(evaluation)).await?;
    }
    for (table, part) in params.chunks(ASKED_COLUMNS).enumerate() {
        let numbers: Vec<String> = (1..=part.len()).map(|number| format!("${number}")).collect();
        let sql = format!(
            "INSERT INTO pg_temp.{ASKED}{table} VALUES ({})",
            numbers.join(", ")
        );
        tx.execute(&sql, part).await?;
    }
    tx.batch(&format!(
        "{}{}",
        self::rows(evaluation, rows.len()),
        function(evaluation)
    ))
    .await?;
    // Of several outputs that fail for a row the first one tells.
    let sql = format!(
        "SELECT DISTINCT ON (row_number) row_number, output, state, message \
           FROM pg_temp.driftless_failing({}::int8) ORDER BY row_number, output",
        rows.len()
    );
    let found = tx.query(&sql, &[]).await?;
    tx.rollback().await?;
    let mut faults = Vec::new();
    for row in &found {
        let (number, output): (i64, i32) = (row.get(0)?, row.get(1)?);
        let (state, message): (String, String) = (row.get(2)?, row.get(3)?);
        let output = usize::try_from(output)
            .ok()
            .and_then(|index| evaluation.outputs.get(index));
        if !is_of_a_row(&state, output.is_some_and(|output| output.reads)) {
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
        if let (Some(row), Some(output)) = (row, output) {
            faults.push(fault(row, output, state, &message));
        }
    }
    Ok(faults)
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

/// Arrays are lent to the function by tables of one row: PostgreSQL takes no more than 100 arguments.
const ASKED: &str = "driftless_asked";

/// The rows of these arrays, by number.
const ROWS: &str = "driftless_rows";

/// Columns of one of these tables: the pointers to as many large values fit into a row.
const ASKED_COLUMNS: usize = 100;

/// The number of a row of the batch, from 1.
const ORDINAL: &str = "\"driftless ord\"";

/// The tables that arrays are lent by.
fn lending(evaluation: &Evaluation) -> String {
    let columns: Vec<String> = (evaluation.inputs.iter().enumerate())
        .map(|(number, input)| format!("p{number} {}", array_type(input.array)))
        .collect();
    let tables = columns.chunks(ASKED_COLUMNS).enumerate().map(|(table, columns)| {
        let columns = columns.join(", ");
        format!("CREATE TEMPORARY TABLE {ASKED}{table} ({columns}) ON COMMIT DROP;\n")
    });
    tables.collect()
}

/// The arrays as rows: as many tables as there are of arrays, and at least one.
fn rows(evaluation: &Evaluation, rows: usize) -> String {
    if evaluation.inputs.is_empty() {
        return format!(
            "CREATE TEMPORARY TABLE {ROWS}0 ON COMMIT DROP AS \
             SELECT ord AS {ORDINAL} FROM pg_catalog.generate_series(1::int8, {rows}::int8) AS ord;\n"
        );
    }
    let numbers: Vec<usize> = (0..evaluation.inputs.len()).collect();
    let tables = numbers.chunks(ASKED_COLUMNS).enumerate().map(|(table, part)| {
        let arrays: Vec<String> = part
            .iter()
            .map(|number| format!("pg_catalog.unnest(p{number})"))
            .collect();
        let names: Vec<String> = part.iter().map(|number| format!("c{number}")).collect();
        format!(
            "CREATE TEMPORARY TABLE {ROWS}{table} ON COMMIT DROP AS SELECT u.* FROM pg_temp.{ASKED}{table}, \
             ROWS FROM ({}) WITH ORDINALITY AS u({}, {ORDINAL});\n\
             CREATE UNIQUE INDEX ON pg_temp.{ROWS}{table} ({ORDINAL});\n",
            arrays.join(", "),
            names.join(", ")
        )
    });
    tables.collect()
}

/// The function that says which rows fail, output by output. It evaluates as many rows at once as went well the last time, and
/// twice as many after that; where something fails half as many, down to the one that fails.
fn function(evaluation: &Evaluation) -> String {
    let shown = |(number, input): (usize, &EvaluationInput)| {
        let cast = input
            .cast
            .as_ref()
            .map_or(String::new(), |cast| format!("::{cast}"));
        let table = number / ASKED_COLUMNS;
        format!("(r{table}.c{number}){cast} AS {}", quote_ident(&input.name))
    };
    let shown: Vec<String> = evaluation.inputs.iter().enumerate().map(shown).collect();
    let joined: String = (1..evaluation.inputs.len().div_ceil(ASKED_COLUMNS))
        .map(|table| format!(" JOIN pg_temp.{ROWS}{table} AS r{table} USING ({ORDINAL})"))
        .collect();
    let outputs: Vec<String> = (evaluation.outputs.iter().enumerate())
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

/// The name of a built-in array type by its oid, without asking.
fn array_type(oid: u32) -> String {
    driftless_core::catalog::builtin::array_name(oid)
}
