//! What is known of failures: whatever was asked before, each row is told what asking about everything would tell.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::recall::{DAY, ZONE, all, evaluation, output, question, rows_of};
use crate::batch::{Batch, Table, append};
use crate::plan::{Evaluation, EvaluationOutput, Local};
use crate::transform::recall::{Clock, Failure, Question, Recall};

fn failure(output: usize, row: usize) -> Failure {
    Failure {
        output,
        row,
        sqlstate: "22P02".to_owned(),
        message: format!("output {output}"),
    }
}

/// Two rows of each value, of which nothing was asked yet.
fn rows(values: &[&str]) -> Batch {
    let rows = values
        .iter()
        .flat_map(|value| [[Some(value.as_bytes()), None]; 2]);
    rows_of(&rows.collect::<Vec<_>>())
}

/// What is left to ask about rows, and which of them are known to fail, in which outputs.
fn known(
    recall: &mut Recall,
    evaluation: &Evaluation,
    rows: &mut Batch,
) -> (Vec<Question>, Vec<(usize, usize)>) {
    let mut answers = Table::nulls(rows.rows(), evaluation.outputs.len());
    let questions = recall.answer(evaluation, rows, &all(rows), &mut answers);
    let failures = questions.failures.iter();
    (
        questions.asked,
        failures.map(|failure| (failure.row, failure.output)).collect(),
    )
}

#[test]
fn a_failure_is_remembered_by_the_inputs_that_it_is_computed_from() {
    let evaluation = evaluation(vec![output(&[0], true, None)]);
    let mut recall = Recall::new(&evaluation);
    recall.remember_failures(&evaluation, &rows(&["n/a"]), &[failure(0, 1)]);
    assert!(recall.remembers_failures(0));
    let mut second = rows_of(&[[Some(b"n/a"), Some(b"else")], [Some(b"1"), None]]);
    let mut answers = Table::nulls(2, 1);
    let questions = recall.answer(&evaluation, &mut second, &[0, 1], &mut answers);
    assert_eq!(questions.asked, [question(&[0], &[1])]);
    assert_eq!(questions.failures, [failure(0, 0)]);
}

#[test]
fn nothing_is_remembered_where_more_than_the_inputs_decides() {
    let moment = || output(&[0], true, Some(Local::Moment));
    let all_settled = evaluation(vec![output(&[0], true, None)]);
    let cases = [
        (evaluation(vec![output(&[0], false, None)]), None),
        (evaluation(vec![moment()]), None),
        (all_settled.clone(), Some(Recall::without(&all_settled))),
    ];
    for (evaluation, recall) in cases {
        let mut recall = recall.unwrap_or_else(|| Recall::new(&evaluation));
        let mut rows = rows(&["n/a"]);
        recall.remember_failures(&evaluation, &rows, &[failure(0, 0)]);
        assert!(!recall.remembers_failures(0));
        let expected = (vec![question(&[0], &[0, 1])], Vec::new());
        assert_eq!(known(&mut recall, &evaluation, &mut rows), expected);
    }
}

#[test]
fn what_may_fail_before_a_remembered_failure_is_asked_first() {
    // Whatever the second output fails for, the first one may fail for as well.
    let evaluation = evaluation(vec![
        output(&[0], false, None),
        output(&[0], true, None),
        output(&[0], false, None),
    ]);
    let mut recall = Recall::new(&evaluation);
    let mut rows = rows(&["n/a", "1"]);
    recall.remember_failures(&evaluation, &rows, &[failure(1, 0)]);
    assert_eq!(
        known(&mut recall, &evaluation, &mut rows),
        (
            vec![question(&[0, 1, 2], &[2, 3]), question(&[0], &[0, 1])],
            vec![(0, 1), (1, 1)]
        )
    );
}

#[test]
fn what_a_clock_or_memory_answers_does_not_fail() {
    let evaluation = evaluation(vec![
        output(&[0], true, Some(Local::Moment)),
        output(&[0], true, None),
        output(&[0], true, None),
    ]);
    let mut recall = Recall::new(&evaluation);
    let mut rows = rows_of(&[[Some(&(5 * DAY).to_be_bytes()), None]]);
    let [first, last] = Clock::ends(5);
    let clock = recall.clock(ZONE).expect("a clock");
    clock.learn(5, [(first, true), (last, true)]);
    let nulls = Table::nulls(1, 3);
    recall.remember_failures(&evaluation, &rows, &[failure(2, 0)]);
    assert_eq!(
        known(&mut recall, &evaluation, &mut rows).0,
        [question(&[0, 1], &[0])]
    );
    recall.remember(&evaluation, &rows, &question(&[0, 1], &[0]), &nulls);
    assert_eq!(
        known(&mut recall, &evaluation, &mut rows),
        (Vec::new(), vec![(0, 2)])
    );
}

/// A target that answers or fails as chance has it, but the same to the same inputs of what is settled.
#[derive(Debug)]
struct Target {
    evaluation: Evaluation,
    /// One in so many of each output's answers fails.
    one_in: Vec<u64>,
    seed: u64,
}

impl Target {
    /// What decides an answer of the n-th batch.
    fn chance(&self, number: usize, row: usize, batch: &Batch, nth: usize) -> u64 {
        let output = &self.evaluation.outputs[number];
        let asked = if output.settled { 0 } else { nth as u64 + 1 };
        let inputs = output.inputs.iter().map(|input| batch.get(row, *input));
        let inputs = inputs.map(|bytes| bytes.map_or(0, |bytes| u64::from(bytes[0]) + 1));
        [number as u64, asked]
            .into_iter()
            .chain(inputs)
            .fold(self.seed, |sum, next| {
                (sum ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            })
    }

    /// The first of these outputs that fails for a row.
    fn failure(&self, outputs: &[usize], row: usize, (batch, nth): (&Batch, usize)) -> Option<Failure> {
        let fails = |number: &&usize| {
            self.chance(**number, row, batch, nth)
                .is_multiple_of(self.one_in[**number])
        };
        outputs.iter().find(fails).map(|number| Failure {
            message: format!("{:x}", self.chance(*number, row, batch, nth)),
            ..failure(*number, row)
        })
    }

    /// Answers a question, but for the rows that fail.
    fn answer(
        &self,
        question: &mut Question,
        batch: &mut Batch,
        nth: usize,
        answers: &mut Table,
    ) -> Vec<Failure> {
        let outputs = &question.outputs;
        let failed = |row: &usize| self.failure(outputs, *row, (batch, nth));
        let failures: Vec<Failure> = question.rows.iter().filter_map(failed).collect();
        question
            .rows
            .retain(|row| failures.iter().all(|failure| failure.row != *row));
        for row in &question.rows {
            for number in outputs {
                let bytes = self.chance(*number, *row, batch, nth).to_be_bytes();
                let cell = append(&mut batch.arena, Some(&bytes));
                answers.set(*row, *number, cell);
            }
        }
        failures
    }
}

fn target() -> impl Strategy<Value = Target> {
    let inputs = prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1]), Just(vec![])];
    let output = (
        inputs,
        prop::bool::weighted(0.7),
        prop_oneof![Just(3_u64), Just(9), Just(u64::MAX)],
    );
    (prop::collection::vec(output, 1..6), any::<u64>()).prop_map(|(outputs, seed)| Target {
        one_in: outputs.iter().map(|output| output.2).collect(),
        evaluation: evaluation(outputs.iter().map(settled).collect()),
        seed,
    })
}

fn settled((inputs, settled, _): &(Vec<usize>, bool, u64)) -> EvaluationOutput {
    output(inputs, *settled, None)
}

/// Rows of values of which most come again, and some numbers of rows that are asked about.
fn batches() -> impl Strategy<Value = Vec<Vec<(Option<u8>, u8)>>> {
    let value = prop_oneof![8 => 0..3_u8, 1 => any::<u8>()];
    let row = (prop::option::weighted(0.9, value.clone()), value);
    prop::collection::vec(prop::collection::vec(row, 1..40), 1..7)
}

/// Each output with the inputs that it was said to fail for.
type Told = BTreeSet<(usize, Vec<Option<Vec<u8>>>)>;

fn key(target: &Target, batch: &Batch, output: usize, row: usize) -> (usize, Vec<Option<Vec<u8>>>) {
    let inputs = target.evaluation.outputs[output].inputs.iter();
    let bytes = inputs.map(|input| batch.get(row, *input).map(<[u8]>::to_vec));
    (output, bytes.collect())
}

/// Asks about a batch what is not known, and compares with asking about everything.
fn compare(target: &Target, recall: &mut Recall, (mut batch, nth): (Batch, usize), told: &mut Told) {
    let evaluation = &target.evaluation;
    let width = evaluation.outputs.len();
    let rows: Vec<usize> = all(&batch).into_iter().filter(|row| row % 7 != 5).collect();
    let mut answers = Table::nulls(batch.rows(), width);
    let questions = recall.answer(evaluation, &mut batch, &rows, &mut answers);
    let mut failures = Vec::new();
    for mut question in questions.asked {
        for (output, row) in question
            .outputs
            .iter()
            .flat_map(|output| question.rows.iter().map(move |row| (*output, *row)))
        {
            assert!(
                !told.contains(&key(target, &batch, output, row)),
                "{output} is known to fail for {row}"
            );
        }
        let found = target.answer(&mut question, &mut batch, nth, &mut answers);
        recall.remember(evaluation, &batch, &question, &answers);
        recall.remember_failures(evaluation, &batch, &found);
        failures.extend(found);
    }
    let settled = failures
        .iter()
        .filter(|failure| evaluation.outputs[failure.output].settled);
    told.extend(settled.map(|failure| key(target, &batch, failure.output, failure.row)));
    let asked: BTreeSet<usize> = failures.iter().map(|failure| failure.row).collect();
    failures.extend(
        questions
            .failures
            .into_iter()
            .filter(|failure| !asked.contains(&failure.row)),
    );
    let everything: Vec<usize> = (0..width).collect();
    for row in rows {
        let expected = target.failure(&everything, row, (&batch, nth));
        assert_eq!(
            failures.iter().find(|failure| failure.row == row),
            expected.as_ref()
        );
        for number in everything.iter().filter(|_| expected.is_none()) {
            let bytes = target.chance(*number, row, &batch, nth).to_be_bytes();
            assert_eq!(answers.cell(row, *number).bytes(&batch.arena), Some(&bytes[..]));
        }
    }
}

proptest! {
    #[test]
    fn every_row_is_told_what_asking_about_everything_tells(target in target(), batches in batches()) {
        let mut recall = Recall::new(&target.evaluation);
        let mut told = Told::new();
        for (nth, values) in batches.iter().enumerate() {
            let cells: Vec<_> = values.iter().map(|(one, other)| (one.map(|one| [one]), [*other])).collect();
            let cells = cells.iter().map(|(one, other)| [one.as_ref().map(|one| &one[..]), Some(&other[..])]);
            let batch = rows_of(&cells.collect::<Vec<_>>());
            compare(&target, &mut recall, (batch, nth), &mut told);
        }
    }
}
