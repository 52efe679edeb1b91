//! Expressions over a whole batch in one round trip, answered by the target.
//!
//! The evaluating session is read-only by default, so whatever an expression calls, nothing of it stays. When an expression
//! fails for some row the whole query fails: then `failing` finds the rows that fail, and a last query answers for the rest.
//!
//! What earlier batches were answered is not asked again, where it can be known (`driftless_core::transform::recall`), and rows whose
//! failures are known are kept out of the queries.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_core::batch::{Table, append};
use driftless_core::code;
use driftless_core::plan::{Evaluation, EvaluationInput};
use driftless_core::transform::recall::{Failure, Question, Recall, Subject};
use driftless_core::transform::{Answers, array};
use driftless_pg::{Disposition, Param, Pool, Session};

use super::clocks;
use super::failing::{failing, fault, is_of_a_row};
use super::suspects::Suspects;
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

/// What earlier batches have taught of an evaluation.
#[derive(Debug)]
pub struct Experience {
    suspects: Mutex<Suspects>,
    recall: Mutex<Recall>,
}

impl Experience {
    /// Before the first batch.
    pub fn new(evaluation: &Evaluation) -> Experience {
        Experience::with(Recall::new(evaluation))
    }

    /// The target is asked about every row.
    pub fn without_recall(evaluation: &Evaluation) -> Experience {
        Experience::with(Recall::without(evaluation))
    }

    fn with(recall: Recall) -> Experience {
        Experience {
            suspects: Mutex::default(),
            recall: Mutex::new(recall),
        }
    }

    fn suspects(&self) -> MutexGuard<'_, Suspects> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn recall(&self) -> MutexGuard<'_, Recall> {
        self.recall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from what was told about the rows of a question that are left, and about those that failed.
    fn take_in(
        &self,
        evaluation: &Evaluation,
        subject: &impl Subject,
        (question, failures): (&Question, &[Failure]),
        answers: &Table,
    ) {
        let mut recall = self.recall();
        recall.remember(evaluation, subject, question, answers);
        recall.remember_failures(evaluation, subject, failures);
    }
}

/// Evaluates for the rows with these numbers: answers that are known are taken as they are, the target is asked for the others.
pub async fn evaluate(
    session: &mut Session,
    evaluation: &Evaluation,
    experience: &Experience,
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
    clocks::learn(session, evaluation, experience, subject, rows).await?;
    let questions = experience
        .recall()
        .answer(evaluation, subject, rows, &mut answers.table);
    let mut failures: Vec<Failure> = Vec::new();
    for question in questions.asked {
        let mut asking = Asking {
            session: &mut *session,
            evaluation: evaluation.part(&question.outputs),
            question,
            experience,
            subject: &mut *subject,
            failures: Vec::new(),
        };
        asking.run(&mut answers.table).await?;
        let told = (&asking.question, asking.failures.as_slice());
        experience.take_in(evaluation, asking.subject, told, &answers.table);
        failures.append(&mut asking.failures);
    }
    let told: BTreeSet<usize> = failures.iter().map(|failure| failure.row).collect();
    let known = questions.failures.into_iter();
    failures.extend(known.filter(|failure| !told.contains(&failure.row)));
    answers.failed = failures
        .iter()
        .map(|failure| fault(evaluation, failure))
        .collect();
    Ok(answers)
}

/// So few rows are simply asked about, whatever failed before.
const FEW_ROWS: usize = 500;

/// A question that is asked.
struct Asking<'a, S> {
    session: &'a mut Session,
    /// The part of the evaluation that is asked.
    evaluation: Evaluation,
    /// The numbers of its outputs in the whole, and the rows that are not known to fail.
    question: Question,
    experience: &'a Experience,
    subject: &'a mut S,
    /// Rows that failed, with the numbers of outputs in the whole.
    failures: Vec<Failure>,
}

impl<S: Subject> Asking<'_, S> {
    /// Rows for which suspects fail are taken out first, so that most batches are evaluated once as a whole.
    async fn run(&mut self, answers: &mut Table) -> Result<()> {
        let suspects = self.suspects();
        let looks_first = self.question.rows.len() > FEW_ROWS && !suspects.is_empty();
        if looks_first {
            let candidates = self.failing_for(&suspects).await?;
            self.exclude(&candidates).await?;
        }
        self.ask_or_exclude(answers).await?;
        if looks_first {
            self.acquit(&suspects);
        }
        Ok(())
    }

    /// Where a row fails, those that do are found, and the others asked about again.
    async fn ask_or_exclude(&mut self, answers: &mut Table) -> Result<()> {
        let Err(error) = self.ask(answers).await else {
            return Ok(());
        };
        if !self.blames_rows(&error).await? {
            return Err(error);
        }
        let candidates = self.question.rows.clone();
        if self.exclude(&candidates).await? == 0 {
            return Err(error);
        }
        self.ask(answers).await
    }

    /// The outputs that are likely to fail, by their numbers in the part.
    fn suspects(&self) -> Vec<usize> {
        let known = self.experience.suspects();
        let outputs = self.question.outputs.iter().enumerate();
        let suspects = outputs.filter(|(_, output)| known.contains(**output));
        suspects.map(|(number, _)| number).collect()
    }

    /// Tells of which suspects no failure is new. One whose failures are not remembered stays what it is.
    fn acquit(&self, suspects: &[usize]) {
        let failed: BTreeSet<usize> = self.failures.iter().map(|failure| failure.output).collect();
        let outputs = suspects.iter().map(|number| self.question.outputs[*number]);
        for output in outputs.filter(|output| !failed.contains(output)) {
            if self.experience.recall().remembers_failures(output) {
                self.experience.suspects().went_well(output);
            }
        }
    }

    /// The rows for which one of these outputs fails. Nothing but what they are computed from is sent.
    async fn failing_for(&mut self, outputs: &[usize]) -> Result<Vec<usize>> {
        let part = self.evaluation.part(outputs);
        let arrays = |inputs: &[&EvaluationInput], rows: &[usize]| array_of(self.subject, inputs, rows);
        let found = failing(self.session, &part, &self.question.rows, arrays).await?;
        Ok(found.iter().map(|failure| failure.row).collect())
    }

    /// Takes those of the candidates that fail out of the rows; how many do. Of several outputs that fail for a row the first one
    /// tells, whichever were suspects.
    async fn exclude(&mut self, candidates: &[usize]) -> Result<usize> {
        if candidates.is_empty() {
            return Ok(0);
        }
        let arrays = |inputs: &[&EvaluationInput], rows: &[usize]| array_of(self.subject, inputs, rows);
        let found = failing(self.session, &self.evaluation, candidates, arrays).await?;
        let failed: BTreeSet<usize> = found.iter().map(|failure| failure.row).collect();
        self.question.rows.retain(|row| !failed.contains(row));
        for mut failure in found {
            failure.output = self.question.outputs[failure.output];
            self.experience.suspects().failed(failure.output);
            self.failures.push(failure);
        }
        Ok(failed.len())
    }

    /// Whether it is values of rows that an error is about.
    async fn blames_rows(&self, error: &EngineError) -> Result<bool> {
        let state = error.pg().and_then(|pg| pg.sqlstate()).unwrap_or_default();
        let reads = self.evaluation.outputs.iter().any(|output| output.reads);
        Ok(is_of_a_row(state, reads)
            && (is_of_a_row(state, false) || answers_nulls(self.session, &self.evaluation).await?))
    }

    /// Evaluates for the rows.
    async fn ask(&mut self, table: &mut Table) -> Result<()> {
        if self.question.rows.is_empty() {
            return Ok(());
        }
        let inputs = self.evaluation.inputs.iter();
        let mut params: Vec<Param> = inputs
            .map(|input| array_of(self.subject, &[input], &self.question.rows))
            .collect();
        if params.is_empty() {
            params.push(Param::int8(self.question.rows.len() as i64));
        }
        let answered = self.session.query(&self.evaluation.sql(), &params).await?;
        let (asked, told) = (self.question.rows.len(), answered.len());
        let rules_alone = self.evaluation.asks_rules_alone();
        if told > asked || (told < asked && !rules_alone) {
            return Err(astray(format!(
                "{asked} rows were asked about, {told} were answered"
            )));
        }
        if rules_alone {
            self.presume(table);
        }
        let batch = self.subject.batch_mut();
        for answer in &answered {
            let ordinal: i64 = answer.get(0)?;
            let row = usize::try_from(ordinal - 1)
                .ok()
                .and_then(|index| self.question.rows.get(index))
                .ok_or_else(|| astray("an answer for a row that was not asked about".to_owned()))?;
            for (column, output) in self.question.outputs.iter().enumerate() {
                let cell = append(&mut batch.arena, answer.raw(column + 1));
                table.set(*row, *output, cell);
            }
        }
        Ok(())
    }

    /// Rules hold for rows that no answer tells of.
    fn presume(&mut self, table: &mut Table) {
        let holds = append(&mut self.subject.batch_mut().arena, Some(&[1]));
        for row in &self.question.rows {
            for output in &self.question.outputs {
                table.set(*row, *output, holds);
            }
        }
    }
}

/// The array of some inputs of one type for these rows, those of the first input first.
fn array_of(subject: &impl Subject, inputs: &[&EvaluationInput], rows: &[usize]) -> Param {
    let first = inputs[0];
    let cells = inputs
        .iter()
        .flat_map(|input| rows.iter().map(|row| subject.cell(input, *row)));
    Param::raw(first.array, array(first.element, cells, &subject.batch().arena))
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
    match session.query(&evaluation.sql(), &params).await {
        Ok(_) => Ok(true),
        Err(error) if error.disposition() == Disposition::Retry => Err(error.into()),
        Err(_) => Ok(false),
    }
}
