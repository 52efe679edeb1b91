//! Answers that are known without asking are the ones that the target would give.

use driftless_core::batch::{Batch, Table};
use driftless_core::catalog::builtin;
use driftless_core::plan::{Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource, Local};
use driftless_engine::shape::evaluate::{Experience, evaluate};
use driftless_pg::Session;
use driftless_testkit::Random;

use crate::session::{database, session};

/// The two questions that the copy of a local time asks.
fn evaluation(zone: &str, known: bool) -> Evaluation {
    let instant = format!("((t) AT TIME ZONE '{zone}')::timestamptz");
    let output = |sql, local| EvaluationOutput {
        sql,
        place: String::new(),
        column: None,
        reads: true,
        inputs: vec![0],
        settled: false,
        local: known.then(|| (zone.to_owned(), local)),
        for_rules: false,
    };
    Evaluation {
        inputs: vec![EvaluationInput {
            name: "t".to_owned(),
            from: EvaluationSource::Input(0),
            element: builtin::TIMESTAMP,
            array: builtin::of(builtin::TIMESTAMP).array_oid,
            cast: None,
        }],
        outputs: vec![
            output(instant.clone(), Local::Moment),
            output(
                format!("(({instant}) AT TIME ZONE '{zone}') IS NOT DISTINCT FROM (t)"),
                Local::Exists,
            ),
        ],
    }
}

/// Compares both ways for these times.
async fn compare(session: &mut Session, zone: &str, times: &[i64]) {
    let mut batch = Batch::new(1);
    for time in times {
        batch.push_row([Some(&time.to_be_bytes()[..])]);
    }
    let rows: Vec<usize> = (0..times.len()).collect();
    let mut answers = Vec::new();
    for known in [true, false] {
        let evaluation = evaluation(zone, known);
        let mut subject = batch.clone();
        let experience = Experience::new(&evaluation);
        let found = evaluate(session, &evaluation, &experience, &mut subject, &rows)
            .await
            .expect("answers");
        assert!(found.failed.is_empty(), "{zone}");
        answers.push((found.table, subject));
    }
    for (row, time) in times.iter().enumerate() {
        for output in 0..2 {
            let answer = |(table, batch): &(Table, Batch)| {
                table.cell(row, output).bytes(&batch.arena).map(<[u8]>::to_vec)
            };
            assert_eq!(
                answer(&answers[0]),
                answer(&answers[1]),
                "{zone}, {time}, output {output}"
            );
        }
    }
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

#[tokio::test]
async fn local_times_mean_what_the_target_says_in_every_zone() {
    let database = database("zones").await;
    let mut session = session(&database).await;
    let zones = session
        .query(
            "SELECT name FROM pg_timezone_names WHERE name !~ '^posix' ORDER BY 1",
            &[],
        )
        .await
        .expect("zones");
    assert!(zones.len() > 300, "{}", zones.len());
    let mut random = Random::from_env();
    for zone in &zones {
        let zone: String = zone.get(0).expect("a name");
        let mut times: Vec<i64> = (0..40)
            .map(|_| {
                (random.below(73_000 * 2) as i64 - 73_000) * DAY / 2 + random.below(86_400_000_000) as i64
            })
            .collect();
        times.extend([i64::MIN, i64::MAX, -730_120 * DAY, 2_921_940 * DAY]);
        compare(&mut session, &zone, &times).await;
    }
}

/// Zones whose clocks were changed in odd ways: by days, by half an hour, at odd minutes, twice within days, for Ramadan.
const ODD: [&str; 10] = [
    "Europe/Paris",
    "America/New_York",
    "Africa/Casablanca",
    "Africa/Freetown",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Gaza",
    "Europe/Amsterdam",
];

#[tokio::test]
async fn local_times_around_every_change_of_the_clocks_mean_what_the_target_says() {
    let database = database("changes").await;
    let mut session = session(&database).await;
    for zone in ODD {
        let changes = format!(
            "SELECT (extract(epoch FROM d) - 946684800)::int8 FROM generate_series('1910-01-01'::timestamp, '2040-01-01', '1 day') AS d
              WHERE ((d + interval '1 day') AT TIME ZONE '{zone}') - (d AT TIME ZONE '{zone}') <> interval '1 day'"
        );
        let days = session.query(&changes, &[]).await.expect("changes");
        assert!(!days.is_empty(), "{zone}");
        let mut times = Vec::new();
        for day in &days {
            let day: i64 = day.get(0).expect("a day");
            times.extend((-36..108).map(|step| (day + step * 1_200) * SECOND + 59 * (step % 3) * SECOND));
        }
        compare(&mut session, zone, &times).await;
    }
}

/// Expressions over a text, a number and a price, of which several fail for some values. Some of them are asked each time.
fn expressions() -> Evaluation {
    let input = |number, name: &str, element| EvaluationInput {
        name: name.to_owned(),
        from: EvaluationSource::Input(number),
        element,
        array: builtin::of(element).array_oid,
        cast: None,
    };
    let output = |sql: &str, inputs: &[usize]| EvaluationOutput {
        sql: sql.to_owned(),
        place: format!("column {sql}"),
        column: Some(sql.to_owned()),
        reads: false,
        inputs: inputs.to_vec(),
        settled: true,
        local: None,
        for_rules: false,
    };
    let asked_always = |sql: &str, inputs: &[usize]| EvaluationOutput {
        settled: false,
        ..output(sql, inputs)
    };
    Evaluation {
        inputs: vec![
            input(0, "a", builtin::TEXT),
            input(1, "n", builtin::INT8),
            input(2, "price", builtin::TEXT),
        ],
        outputs: vec![
            output("n % 2 = 1", &[1]),
            output("lower(a) || coalesce(price, '-')", &[0, 2]),
            output("to_jsonb(a)", &[0]),
            output("true", &[]),
            asked_always("10 / (n % 29)", &[1]),
            output("price::numeric(12,2)", &[2]),
            output("10 / (n % 13)", &[1]),
            asked_always("price::jsonb", &[2]),
            output("10 / (length(a) + n % 3 - 3)", &[0, 1]),
        ],
    }
}

/// Values of which most come again, some never do, some are null, and some make an expression fail.
fn some_rows(random: &mut Random, rows: usize) -> Batch {
    let mut batch = Batch::new(3);
    for _ in 0..rows {
        let text = format!("T{}", random.below(40));
        let number = if random.below(30) == 0 {
            random.bits() >> 1
        } else {
            random.below(50)
        };
        let price = match random.below(200) {
            0 => "n/a".to_owned(),
            1 => format!("bad {}", random.below(1_000_000)),
            _ => format!("{}.5", random.below(60)),
        };
        let number = number.to_be_bytes();
        let null = |bytes, among| (among > 0).then_some(bytes);
        batch.push_row([
            null(text.as_bytes(), random.below(20)),
            null(&number[..], random.below(20)),
            null(price.as_bytes(), random.below(20)),
        ]);
    }
    batch
}

#[tokio::test]
async fn remembered_answers_and_failures_are_those_of_asking_always() {
    let database = database("remembered").await;
    let mut session = session(&database).await;
    let evaluation = expressions();
    let ways = [
        Experience::new(&evaluation),
        Experience::without_recall(&evaluation),
    ];
    let mut random = Random::from_env();
    for _ in 0..8 {
        let batch = some_rows(&mut random, 1_500);
        let rows: Vec<usize> = (0..batch.rows()).filter(|row| row % 11 != 3).collect();
        let mut told = Vec::new();
        for experience in &ways {
            let mut subject = batch.clone();
            let found = evaluate(&mut session, &evaluation, experience, &mut subject, &rows)
                .await
                .expect("answers");
            let faults = found.failed.iter();
            let mut failed: Vec<(u32, String)> =
                faults.map(|fault| (fault.row, format!("{fault:?}"))).collect();
            failed.sort();
            assert!(failed.len() > 20, "{}", failed.len());
            told.push((found.table, subject, failed));
        }
        let [(known, with, failed), (asked, without, expected)] = &told[..] else {
            unreachable!("two ways");
        };
        assert_eq!(failed, expected);
        let fails = |row: usize| failed.iter().any(|(one, _)| *one as usize == row);
        for row in rows.iter().copied().filter(|row| !fails(*row)) {
            for output in 0..evaluation.outputs.len() {
                assert_eq!(
                    known.cell(row, output).bytes(&with.arena),
                    asked.cell(row, output).bytes(&without.arena),
                    "row {row}: {}",
                    evaluation.outputs[output].sql
                );
            }
        }
    }
}

/// Rules that hold, do not hold, are null, and fail; answered by the rows that they refuse, and as columns are. What is null lets a row
/// pass as well.
#[tokio::test]
async fn rules_alone_refuse_the_rows_that_they_refuse_beside_columns() {
    let database = database("rules_alone").await;
    let mut session = session(&database).await;
    let rules = |alone: bool| {
        let mut evaluation = expressions();
        let rule = |(sql, inputs, settled): (&str, &[usize], bool)| EvaluationOutput {
            sql: format!("({sql})::pg_catalog.bool"),
            place: format!("rule {sql}"),
            inputs: inputs.to_vec(),
            settled,
            for_rules: alone,
            ..evaluation.outputs[0].clone()
        };
        let rules: [(&str, &[usize], bool); 4] = [
            ("n % 3 > 0", &[1], true),
            ("10 / (n % 13) < 5", &[1], false),
            ("length(a) + n % 7 > 4", &[0, 1], false),
            ("price::numeric < 50", &[2], true),
        ];
        evaluation.outputs = rules.map(rule).into();
        evaluation
    };
    let ways = [true, false].map(|alone| (rules(alone), Experience::new(&rules(alone))));
    let mut random = Random::from_env();
    let mut seen = [0; 3];
    for _ in 0..6 {
        let batch = some_rows(&mut random, 1_500);
        let rows: Vec<usize> = (0..batch.rows()).filter(|row| row % 11 != 3).collect();
        let mut told = Vec::new();
        for (evaluation, experience) in &ways {
            let mut subject = batch.clone();
            let found = evaluate(&mut session, evaluation, experience, &mut subject, &rows)
                .await
                .expect("answers");
            let mut failed: Vec<(u32, String)> = found
                .failed
                .iter()
                .map(|fault| (fault.row, fault.message.clone()))
                .collect();
            failed.sort();
            told.push((found.table, subject, failed));
        }
        let [(alone, with, failed), (beside, without, expected)] = &told[..] else {
            unreachable!("two ways");
        };
        assert_eq!(failed, expected);
        let fails = |row: usize| failed.iter().any(|(one, _)| *one as usize == row);
        for row in rows.iter().copied().filter(|row| !fails(*row)) {
            for output in 0..4 {
                let answer = alone.cell(row, output).bytes(&with.arena);
                let expected = beside.cell(row, output).bytes(&without.arena);
                let refuses = expected == Some(&[0]);
                assert_eq!(
                    answer == Some(&[0]),
                    refuses,
                    "row {row}, rule {output}: {expected:?}"
                );
                seen[expected.map_or(2, |_| usize::from(refuses))] += 1;
            }
        }
    }
    assert!(
        seen.iter().all(|answers| *answers > 100),
        "held, refused, null: {seen:?}"
    );
}

/// A function has a hundred parameters at most, and an expression may read more columns than that.
#[tokio::test]
async fn a_row_that_fails_is_found_among_any_number_of_columns() {
    let database = database("columns").await;
    let mut session = session(&database).await;
    let input = |number: usize| EvaluationInput {
        name: format!("i{number}"),
        from: EvaluationSource::Input(number),
        element: builtin::TEXT,
        array: builtin::TEXT_ARRAY,
        cast: None,
    };
    let output = |place: &str, inputs: std::ops::Range<usize>| {
        let terms: Vec<String> = inputs.clone().map(|number| format!("i{number}::int4")).collect();
        EvaluationOutput {
            sql: terms.join(" + "),
            place: place.to_owned(),
            column: None,
            reads: false,
            inputs: inputs.collect(),
            settled: false,
            local: None,
            for_rules: false,
        }
    };
    let evaluation = Evaluation {
        inputs: (0..150).map(input).collect(),
        outputs: vec![
            output("some", 0..10),
            output("others", 60..120),
            output("all", 0..150),
        ],
    };
    let mut batch = Batch::new(150);
    for row in 0..4_100 {
        let bad = match row {
            3 | 699 | 2_000 | 4_099 => Some(149),
            1_999 => Some(0),
            77 => Some(5),
            500 => Some(119),
            _ => None,
        };
        let cells = (0..150).map(|column| {
            if bad == Some(column) {
                &b"none"[..]
            } else {
                &b"1"[..]
            }
        });
        batch.push_row(cells.map(Some));
    }
    let experience = Experience::without_recall(&evaluation);
    let rows: Vec<usize> = (0..4_100).collect();
    // Once without experience, and once with it.
    for _ in 0..2 {
        let mut subject = batch.clone();
        let found = evaluate(&mut session, &evaluation, &experience, &mut subject, &rows)
            .await
            .expect("answers");
        let failed: Vec<(u32, &str)> = found
            .failed
            .iter()
            .map(|fault| (fault.row, fault.message.split(':').next().unwrap_or_default()))
            .collect();
        let expected = [
            (3, "all"),
            (77, "some"),
            (500, "others"),
            (699, "all"),
            (1_999, "some"),
            (2_000, "all"),
            (4_099, "all"),
        ];
        assert_eq!(failed, expected);
        let sum = found.table.cell(4, 2).bytes(&subject.arena).map(<[u8]>::to_vec);
        assert_eq!(sum, Some(150_i32.to_be_bytes().to_vec()));
    }
}
