//! What the target has answered before, so that it is not asked again.
//!
//! The answers stay the target's: one that depends on its inputs alone is remembered by their bytes as long as values come again
//! often enough to be worth it, and what a local time means follows from the offset that the target has told for its day. What is
//! not known is asked, and what fails is never remembered.

/// Answers by the bytes of their inputs.
mod values;
/// The offsets of a zone, day by day.
mod clock;

use std::collections::{BTreeMap, BTreeSet};

pub use clock::{Clock, Day};
use values::Values;

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
    /// Answers by the bytes of the inputs.
    Values(Values),
    /// What the offsets of a zone say.
    Clock(String, Local),
}

/// What is left to ask for the rows of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Questions {
    /// Outputs of which little is known: they are asked about all rows.
    pub outputs: Vec<usize>,
    /// Rows of which something else is not known: they are asked about everything.
    pub rows: Vec<usize>,
}

/// An output of which more than one row in so many is not known is asked about all rows.
const ONE_IN: usize = 8;

impl Recall {
    /// Before anything was asked.
    pub fn new(evaluation: &Evaluation) -> Recall {
        let memory = |output: &EvaluationOutput| match &output.local {
            Some((zone, local)) if Clock::knows(zone) => Memory::Clock(zone.clone(), *local),
            _ if output.settled => Memory::Values(Values::default()),
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

    /// Puts what is known into the answers for these rows, and says what is left to ask.
    pub fn answer(
        &mut self,
        evaluation: &Evaluation,
        subject: &mut impl Subject,
        rows: &[usize],
        answers: &mut Table,
    ) -> Questions {
        let mut questions = Questions::default();
        let mut left: BTreeSet<usize> = BTreeSet::new();
        for (number, (output, memory)) in evaluation.outputs.iter().zip(&mut self.outputs).enumerate() {
            let missing = match memory {
                Memory::None => None,
                Memory::Clock(zone, local) => Some(from_clock(
                    &self.clocks[zone],
                    *local,
                    (evaluation, output),
                    subject,
                    rows,
                    |row, cell| {
                        answers.set(row, number, cell);
                    },
                )),
                Memory::Values(values) => Some(from_values(
                    values,
                    (evaluation, output),
                    subject,
                    rows,
                    |row, cell| {
                        answers.set(row, number, cell);
                    },
                )),
            };
            match missing {
                Some(missing) if missing.len() * ONE_IN <= rows.len() => left.extend(missing),
                _ => questions.outputs.push(number),
            }
            if let Memory::Values(values) = memory
                && !values.is_worth_it()
            {
                *memory = Memory::None;
            }
        }
        questions.rows = left.into_iter().collect();
        questions
    }

    /// Remembers what was answered about these outputs and rows.
    pub fn remember(
        &mut self,
        evaluation: &Evaluation,
        subject: &impl Subject,
        (outputs, rows): (&[usize], &[usize]),
        answers: &Table,
    ) {
        let arena = &subject.batch().arena;
        let mut key = Vec::new();
        for &number in outputs {
            let Memory::Values(values) = &mut self.outputs[number] else {
                continue;
            };
            for &row in rows {
                if values.is_full() {
                    break;
                }
                write_key((evaluation, &evaluation.outputs[number]), subject, row, &mut key);
                values.remember(&key, answers.cell(row, number).bytes(arena));
            }
        }
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

/// Answers of an output that are remembered; the rows whose are not.
fn from_values(
    values: &mut Values,
    asked: (&Evaluation, &EvaluationOutput),
    subject: &mut impl Subject,
    rows: &[usize],
    mut answer: impl FnMut(usize, Cell),
) -> Vec<usize> {
    let mut missing = Vec::new();
    let mut key = Vec::new();
    for &row in rows {
        write_key(asked, subject, row, &mut key);
        match values.look_up(&key) {
            Some(known) => answer(row, append(&mut subject.batch_mut().arena, known)),
            None => missing.push(row),
        }
    }
    missing
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
