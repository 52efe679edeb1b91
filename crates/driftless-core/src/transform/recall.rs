//! What the target has answered before, so that it is not asked again.
//!
//! The answers stay the target's: one that depends on its inputs alone is remembered by their bytes as long as values come again
//! often enough to be worth it, and what a local time means follows from the offset that the target has told for its day. What is
//! not known is asked.
//!
//! Failures are remembered as answers are. Of several outputs that fail for a row the first one tells what is wrong, and so it does
//! here:
//!
//! 1. A row with a remembered failure is never asked about the output that fails, nor about those behind it: what they say does not
//!    matter, and the failure would fail the question for all its rows.
//! 2. If every output before is known to succeed, nothing is asked about the row.
//! 3. Otherwise it is asked about all outputs before, by itself or with other rows that fail in the same one. If one of them fails
//!    it tells; if not, what is remembered does.
//! 4. All other rows are asked about the outputs of which little is known, or, where something else is not known of them, about
//!    everything.

/// Answers by the bytes of their inputs.
mod values;
/// Failures by the bytes of their inputs.
mod failures;
/// What is known of an output that depends on its inputs alone.
mod settled;
/// The offsets of a zone, day by day.
mod clock;
/// What is left to ask.
mod questions;

use std::collections::{BTreeMap, BTreeSet};

pub use clock::{Clock, Day};
use failures::Told;
use questions::Gaps;
pub use questions::{Failure, Question, Questions};
use settled::{Known, Settled};

use crate::batch::{Batch, Cell, Table, append};
use crate::plan::{Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource, Local};

/// The rows that an evaluation is asked about.
pub trait Subject {
    /// Where the value of an input lies, in the batch's arena.
    fn cell(&self, input: &EvaluationInput, row: usize) -> Cell;
    /// The batch.
    fn batch(&self) -> &Batch;
    /// The batch, whose arena takes answers.
    fn batch_mut(&mut self) -> &mut Batch;
}

/// Rows as they were read: nothing is produced of them yet, and what reads something else reads null.
impl Subject for Batch {
    fn cell(&self, input: &EvaluationInput, row: usize) -> Cell {
        match input.from {
            EvaluationSource::Input(number) => self.cell(row, number),
            EvaluationSource::Output(_) | EvaluationSource::Id => Cell::NULL,
        }
    }

    fn batch(&self) -> &Batch {
        self
    }

    fn batch_mut(&mut self) -> &mut Batch {
        self
    }
}

/// What is known of the answers of one evaluation.
#[derive(Debug)]
pub struct Recall {
    outputs: Vec<Memory>,
    clocks: BTreeMap<String, Clock>,
}

/// What is known of one output.
#[derive(Debug)]
enum Memory {
    /// Nothing, ever.
    None,
    /// Answers and failures by the bytes of the inputs.
    Settled(Settled),
    /// What the offsets of a zone say.
    Clock(String, Local),
}

/// An output of which more than one row in so many is not known is asked about all rows.
const ONE_IN: usize = 8;

impl Recall {
    /// Before anything was asked.
    pub fn new(evaluation: &Evaluation) -> Recall {
        let memory = |output: &EvaluationOutput| match &output.local {
            Some((zone, local)) if Clock::knows(zone) => Memory::Clock(zone.clone(), *local),
            _ if output.settled => Memory::Settled(Settled::default()),
            _ => Memory::None,
        };
        let outputs: Vec<Memory> = evaluation.outputs.iter().map(memory).collect();
        let clocks = outputs.iter().filter_map(|memory| match memory {
            Memory::Clock(zone, _) => Some((zone.clone(), Clock::default())),
            _ => None,
        });
        Recall {
            clocks: clocks.collect(),
            outputs,
        }
    }

    /// Knows nothing, and learns nothing: everything is asked.
    pub fn without(evaluation: &Evaluation) -> Recall {
        Recall {
            outputs: evaluation.outputs.iter().map(|_| Memory::None).collect(),
            clocks: BTreeMap::new(),
        }
    }

    /// Days whose offset would help and is not known, by zone.
    pub fn unknown_days(
        &self,
        evaluation: &Evaluation,
        subject: &impl Subject,
        rows: &[usize],
    ) -> BTreeMap<String, BTreeSet<Day>> {
        let mut unknown: BTreeMap<String, BTreeSet<Day>> = BTreeMap::new();
        for (output, memory) in evaluation.outputs.iter().zip(&self.outputs) {
            let (Memory::Clock(zone, Local::Moment), [input]) = (memory, output.inputs.as_slice()) else {
                continue;
            };
            let clock = &self.clocks[zone];
            let input = &evaluation.inputs[*input];
            let bytes = |row: &usize| subject.cell(input, *row).bytes(&subject.batch().arena);
            let days = rows
                .iter()
                .filter_map(bytes)
                .filter_map(|bytes| clock.unknown(bytes));
            let days: BTreeSet<Day> = days.collect();
            if !days.is_empty() {
                unknown.entry(zone.clone()).or_default().extend(days);
            }
        }
        unknown
    }

    /// The clock of a zone that takes what the target told of it.
    pub fn clock(&mut self, zone: &str) -> Option<&mut Clock> {
        self.clocks.get_mut(zone)
    }

    /// Puts what is known into the answers for these rows, and says what is left to ask and which rows are known to fail.
    pub fn answer(
        &mut self,
        evaluation: &Evaluation,
        subject: &mut impl Subject,
        rows: &[usize],
        answers: &mut Table,
    ) -> Questions {
        let mut gaps = Gaps::default();
        for (number, (output, memory)) in evaluation.outputs.iter().zip(&mut self.outputs).enumerate() {
            let mut answer = |row, cell| {
                answers.set(row, number, cell);
            };
            let missing = match memory {
                Memory::None => None,
                Memory::Clock(zone, local) => Some(from_clock(
                    &self.clocks[zone],
                    *local,
                    (evaluation, output),
                    subject,
                    rows,
                    &mut answer,
                )),
                Memory::Settled(settled) => {
                    let fails = |row, told: &Told| gaps.fails(row, || failure(number, row, told));
                    from_memory(settled, (evaluation, output), subject, rows, (&mut answer, fails))
                }
            };
            match missing {
                Some(missing) if missing.len() * ONE_IN <= rows.len() => gaps.ask(number, missing),
                _ => gaps.ask_everywhere(number),
            }
            if let Memory::Settled(settled) = memory {
                settled.judge();
            }
        }
        gaps.questions(evaluation.outputs.len(), rows)
    }

    /// Remembers what was answered to a question, but for rows that failed.
    pub fn remember(
        &mut self,
        evaluation: &Evaluation,
        subject: &impl Subject,
        question: &Question,
        answers: &Table,
    ) {
        let arena = &subject.batch().arena;
        let mut key = Vec::new();
        for &number in &question.outputs {
            let Memory::Settled(settled) = &mut self.outputs[number] else {
                continue;
            };
            let Some(values) = settled.answers() else { continue };
            for &row in &question.rows {
                if values.is_full() {
                    break;
                }
                write_key((evaluation, &evaluation.outputs[number]), subject, row, &mut key);
                values.remember(&key, answers.cell(row, number).bytes(arena));
            }
        }
    }

    /// Remembers which outputs the target said to fail.
    pub fn remember_failures(
        &mut self,
        evaluation: &Evaluation,
        subject: &impl Subject,
        failures: &[Failure],
    ) {
        let mut key = Vec::new();
        for failure in failures {
            let Memory::Settled(settled) = &mut self.outputs[failure.output] else {
                continue;
            };
            let Some(known) = settled.failures() else { continue };
            let output = &evaluation.outputs[failure.output];
            write_key((evaluation, output), subject, failure.row, &mut key);
            known.remember(&key, &failure.sqlstate, &failure.message);
        }
    }

    /// Whether failures of an output are remembered, so that those which come again are not asked about.
    pub fn remembers_failures(&self, output: usize) -> bool {
        matches!(&self.outputs[output], Memory::Settled(settled) if settled.remembers_failures())
    }
}

fn failure(output: usize, row: usize, told: &Told) -> Failure {
    Failure {
        output,
        row,
        sqlstate: told.sqlstate.to_string(),
        message: told.message.to_string(),
    }
}

/// Answers of an output from a clock; the rows that it does not know.
fn from_clock(
    clock: &Clock,
    local: Local,
    (evaluation, output): (&Evaluation, &EvaluationOutput),
    subject: &mut impl Subject,
    rows: &[usize],
    mut answer: impl FnMut(usize, Cell),
) -> Vec<usize> {
    let [input] = output.inputs.as_slice() else {
        return rows.to_vec();
    };
    let input = &evaluation.inputs[*input];
    let yes = append(&mut subject.batch_mut().arena, Some(&[1]));
    let mut missing = Vec::new();
    for &row in rows {
        let cell = subject.cell(input, row);
        let instant = match cell.bytes(&subject.batch().arena) {
            None => Some(None),
            Some(bytes) => clock.instant(bytes).map(Some),
        };
        match (instant, local) {
            (None, _) => missing.push(row),
            (Some(_), Local::Exists) => answer(row, yes),
            (Some(None), Local::Moment) => answer(row, Cell::NULL),
            (Some(Some(instant)), Local::Moment) => {
                let bytes = instant.to_be_bytes();
                answer(row, append(&mut subject.batch_mut().arena, Some(&bytes)));
            }
        }
    }
    missing
}

/// Answers and failures of an output that are remembered; the rows of which neither is, if answers are remembered.
fn from_memory(
    settled: &mut Settled,
    asked: (&Evaluation, &EvaluationOutput),
    subject: &mut impl Subject,
    rows: &[usize],
    (mut answer, mut fails): (impl FnMut(usize, Cell), impl FnMut(usize, &Told)),
) -> Option<Vec<usize>> {
    let mut missing = Vec::new();
    let mut key = Vec::new();
    let looked_up = if settled.is_of_use() { rows } else { &[] };
    for &row in looked_up {
        write_key(asked, subject, row, &mut key);
        match settled.look_up(&key) {
            Known::Answer(known) => answer(row, append(&mut subject.batch_mut().arena, known)),
            Known::Failure(told) => fails(row, told),
            Known::Nothing => missing.push(row),
        }
    }
    settled.remembers_answers().then_some(missing)
}

/// The bytes of an output's inputs, each with its length.
fn write_key(
    (evaluation, output): (&Evaluation, &EvaluationOutput),
    subject: &impl Subject,
    row: usize,
    key: &mut Vec<u8>,
) {
    key.clear();
    let arena = &subject.batch().arena;
    for input in &output.inputs {
        match subject.cell(&evaluation.inputs[*input], row).bytes(arena) {
            None => key.extend_from_slice(&u32::MAX.to_be_bytes()),
            Some(bytes) => {
                key.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                key.extend_from_slice(bytes);
            }
        }
    }
}
