//! What is known of answers, and what is left to ask.

use crate::batch::{Batch, Table, append};
use crate::plan::{Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource, Local};
use crate::transform::recall::{Clock, Question, Recall};

pub(super) const ZONE: &str = "Europe/Paris";
pub(super) const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

pub(super) fn rows_of(rows: &[[Option<&[u8]>; 2]]) -> Batch {
    let mut batch = Batch::new(2);
    for row in rows {
        batch.push_row(*row);
    }
    batch
}

pub(super) fn all(batch: &Batch) -> Vec<usize> {
    (0..batch.rows()).collect()
}

fn nothing(batch: &Batch) -> Table {
    Table::nulls(batch.rows(), 2)
}

pub(super) fn output(inputs: &[usize], settled: bool, local: Option<Local>) -> EvaluationOutput {
    EvaluationOutput {
        sql: String::new(),
        place: String::new(),
        column: None,
        reads: false,
        inputs: inputs.to_vec(),
        settled,
        local: local.map(|local| (ZONE.to_owned(), local)),
        for_rules: false,
    }
}

pub(super) fn question(outputs: &[usize], rows: &[usize]) -> Question {
    Question {
        outputs: outputs.to_vec(),
        rows: rows.to_vec(),
    }
}

pub(super) fn evaluation(outputs: Vec<EvaluationOutput>) -> Evaluation {
    let input = |number: usize| EvaluationInput {
        name: format!("c{number}"),
        from: EvaluationSource::Input(number),
        element: 25,
        array: 1009,
        cast: None,
    };
    Evaluation {
        inputs: vec![input(0), input(1)],
        outputs,
    }
}

/// What the target says: the first input twice.
fn told(rows: &mut Batch, answers: &mut Table, output: usize) {
    for row in all(rows) {
        let doubled = rows.get(row, 0).map(|bytes| [bytes, bytes].concat());
        let cell = append(&mut rows.arena, doubled.as_deref());
        answers.set(row, output, cell);
    }
}

#[test]
fn an_answer_is_remembered_by_the_inputs_that_it_is_computed_from() {
    let evaluation = evaluation(vec![output(&[0], true, None), output(&[1], false, None)]);
    let mut recall = Recall::new(&evaluation);
    let mut first = rows_of(&[[Some(b"a"), Some(b"1")], [None, Some(b"2")]]);
    let (numbers, mut answers) = (all(&first), nothing(&first));
    let questions = recall.answer(&evaluation, &mut first, &numbers, &mut answers);
    assert_eq!(
        questions.asked,
        [question(&[0, 1], &numbers)],
        "nothing is known yet"
    );
    told(&mut first, &mut answers, 0);
    recall.remember(&evaluation, &first, &questions.asked[0], &answers);

    // A value that was never seen is asked for by itself among many that were.
    let mut rows = vec![[Some(&b"a"[..]), Some(&b"9"[..])]; 15];
    rows[3] = [None, None];
    rows[7] = [Some(b"b"), Some(b"9")];
    let mut second = rows_of(&rows);
    let (numbers, mut answers) = (all(&second), nothing(&second));
    let questions = recall.answer(&evaluation, &mut second, &numbers, &mut answers);
    let others: Vec<usize> = numbers.iter().copied().filter(|row| *row != 7).collect();
    assert_eq!(
        questions.asked,
        [question(&[1], &others), question(&[0, 1], &[7])],
        "an answer that depends on more than its inputs is asked for each time"
    );
    let answer = |row| answers.cell(row, 0).bytes(&second.arena);
    assert_eq!(
        (answer(0), answer(3), answer(14)),
        (Some(&b"aa"[..]), None, Some(&b"aa"[..]))
    );
}

#[test]
fn an_output_of_which_little_is_known_is_asked_about_all_rows() {
    let evaluation = evaluation(vec![output(&[0], true, None)]);
    let mut recall = Recall::new(&evaluation);
    let mut rows = rows_of(&[[Some(b"a"), None], [Some(b"b"), None]]);
    let (numbers, mut answers) = (all(&rows), nothing(&rows));
    told(&mut rows, &mut answers, 0);
    recall.remember(&evaluation, &rows, &question(&[0], &[0]), &answers);
    let questions = recall.answer(&evaluation, &mut rows, &numbers, &mut answers);
    assert_eq!(questions.asked, [question(&[0], &[0, 1])]);
}

#[test]
fn local_times_follow_from_the_offset_of_their_day() {
    let evaluation = evaluation(vec![
        output(&[0], true, Some(Local::Moment)),
        output(&[0], true, Some(Local::Exists)),
    ]);
    let mut recall = Recall::new(&evaluation);
    let times: Vec<[u8; 8]> = (0..9).map(|hour| (5 * DAY + hour * HOUR).to_be_bytes()).collect();
    let other_day = (6 * DAY).to_be_bytes();
    let mut rows: Vec<[Option<&[u8]>; 2]> = times.iter().map(|time| [Some(&time[..]), None]).collect();
    rows[2] = [None, None];
    rows.push([Some(&other_day), None]);
    let mut rows = rows_of(&rows);
    let (numbers, mut answers) = (all(&rows), nothing(&rows));
    let unknown = recall.unknown_days(&evaluation, &rows, &numbers);
    assert_eq!(unknown[ZONE].iter().copied().collect::<Vec<_>>(), [5, 6]);

    let clock = recall.clock(ZONE).expect("a clock");
    for (day, offsets) in [(5, [HOUR, HOUR]), (6, [HOUR, 2 * HOUR])] {
        let [first, last] = Clock::ends(day);
        clock.learn(day, [(first - offsets[0], true), (last - offsets[1], true)]);
    }
    assert!(recall.unknown_days(&evaluation, &rows, &numbers).is_empty());
    let questions = recall.answer(&evaluation, &mut rows, &numbers, &mut answers);
    assert_eq!(
        questions.asked,
        [question(&[0, 1], &[9])],
        "the day on which the clocks change is asked about"
    );
    let answer = |row, output| answers.cell(row, output).bytes(&rows.arena);
    assert_eq!(answer(8, 0), Some(&(5 * DAY + 7 * HOUR).to_be_bytes()[..]));
    assert_eq!((answer(8, 1), answer(2, 1)), (Some(&[1][..]), Some(&[1][..])));
    assert_eq!(answer(2, 0), None);
}
