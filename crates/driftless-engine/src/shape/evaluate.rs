//! Expressions over a whole batch in one round trip, answered by the target.
//!
//! The evaluating session is read-only by default, so whatever an expression calls, nothing of it stays. When an expression
//! fails for some row the whole query fails: then `failing` finds the rows that fail, and a last query answers for the rest.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use driftless_core::batch::{Batch, Table, append};
use driftless_core::code;
use driftless_core::plan::{Evaluation, EvaluationInput};
use driftless_core::transform::Answers;
use driftless_pg::{Disposition, Param, Pool, Session};

use super::failing::{Failure, failing, is_of_a_row};
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

/// The outputs of an evaluation that failed for some row of an earlier batch: they are likely to fail again.
#[derive(Debug, Default)]
pub struct Suspects(Mutex<BTreeSet<usize>>);

impl Suspects {
    fn known(&self) -> Vec<usize> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().copied().collect()
    }

    fn remember(&self, output: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(output);
    }
}

/// Evaluates for the rows with these numbers. Rows for which suspects fail are taken out first, so that most batches are
/// evaluated once as a whole.
pub async fn evaluate(
    session: &mut Session,
    evaluation: &Evaluation,
    suspects: &Suspects,
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
    let known = suspects.known();
    let mut asking = Asking {
        session,
        evaluation,
        suspects,
        subject,
        rows: rows.to_vec(),
    };
    if !known.is_empty() {
        let found = asking.failing(rows, &known).await?;
        let candidates: Vec<usize> = found.iter().map(|failure| failure.fault.row as usize).collect();
        asking.exclude(&candidates, &mut answers).await?;
    }
    let Err(error) = asking.ask(&mut answers.table).await else {
        return Ok(answers);
    };
    if !asking.blames_rows(&error).await? {
        return Err(error);
    }
    let candidates = asking.rows.clone();
    if asking.exclude(&candidates, &mut answers).await? == 0 {
        return Err(error);
    }
    asking.ask(&mut answers.table).await?;
    Ok(answers)
}

/// A batch that is asked about.
struct Asking<'a, S> {
    session: &'a mut Session,
    evaluation: &'a Evaluation,
    suspects: &'a Suspects,
    subject: &'a mut S,
    /// Rows that are not known to fail.
    rows: Vec<usize>,
}

impl<S: Subject> Asking<'_, S> {
    /// The array of each input.
    fn bind(&self, rows: &[usize]) -> Vec<Param> {
        let one = |input: &EvaluationInput| {
            let mut bytes = Vec::new();
            self.subject.array(input, rows, &mut bytes);
            Param::raw(input.array, bytes)
        };
        self.evaluation.inputs.iter().map(one).collect()
    }

    /// Which of these rows fail in one of these outputs.
    async fn failing(&mut self, rows: &[usize], outputs: &[usize]) -> Result<Vec<Failure>> {
        let params = self.bind(rows);
        failing(self.session, self.evaluation, outputs, &params, rows).await
    }

    /// Takes those of the candidates that fail out of the rows; how many do. Of several outputs that fail for a row the first one
    /// tells, whichever were suspects.
    async fn exclude(&mut self, candidates: &[usize], answers: &mut Answers) -> Result<usize> {
        if candidates.is_empty() {
            return Ok(0);
        }
        let all: Vec<usize> = (0..self.evaluation.outputs.len()).collect();
        let found = self.failing(candidates, &all).await?;
        let failed: BTreeSet<usize> = found.iter().map(|failure| failure.fault.row as usize).collect();
        self.rows.retain(|row| !failed.contains(row));
        for failure in found {
            self.suspects.remember(failure.output);
            answers.failed.push(failure.fault);
        }
        Ok(failed.len())
    }

    /// Whether it is values of rows that an error is about.
    async fn blames_rows(&self, error: &EngineError) -> Result<bool> {
        let state = error.pg().and_then(|pg| pg.sqlstate()).unwrap_or_default();
        let reads = self.evaluation.outputs.iter().any(|output| output.reads);
        Ok(is_of_a_row(state, reads)
            && (is_of_a_row(state, false) || answers_nulls(self.session, self.evaluation).await?))
    }

    /// Evaluates for the rows.
    async fn ask(&mut self, table: &mut Table) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let number = vec![Param::int8(self.rows.len() as i64)];
        let params = if self.evaluation.inputs.is_empty() {
            number
        } else {
            self.bind(&self.rows)
        };
        let answered = self.session.query(&statement(self.evaluation), &params).await?;
        if answered.len() != self.rows.len() {
            let (asked, answered) = (self.rows.len(), answered.len());
            return Err(astray(format!(
                "{asked} rows were asked about, {answered} were answered"
            )));
        }
        let batch = self.subject.batch();
        for answer in &answered {
            let ordinal: i64 = answer.get(0)?;
            let row = usize::try_from(ordinal - 1)
                .ok()
                .and_then(|index| self.rows.get(index))
                .ok_or_else(|| astray("an answer for a row that was not asked about".to_owned()))?;
            for column in 0..self.evaluation.outputs.len() {
                let cell = append(&mut batch.arena, answer.raw(column + 1));
                table.set(*row, column, cell);
            }
        }
        Ok(())
    }
}

fn astray(cause: String) -> EngineError {
    EngineError::new(code::INTEGRITY, "an evaluation", cause)
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
