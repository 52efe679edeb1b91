//! Answers that are known without asking are the ones that the target would give.

use driftless_core::batch::{Batch, Cell};
use driftless_core::catalog::builtin;
use driftless_core::plan::{Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource, Local};
use driftless_core::transform::recall::Subject;
use driftless_engine::shape::evaluate::{Experience, evaluate};
use driftless_pg::Session;
use driftless_testkit::Random;

use crate::session::{database, session};

/// Local times, one a row.
struct Times(Batch);

impl Subject for Times {
    fn cell(&self, _: &EvaluationInput, row: usize) -> Cell {
        self.0.cell(row, 0)
    }

    fn batch(&self) -> &Batch {
        &self.0
    }

    fn batch_mut(&mut self) -> &mut Batch {
        &mut self.0
    }
}

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
            output(instant.clone(), Local::Instant),
            output(
                format!("(({instant}) AT TIME ZONE '{zone}') IS NOT DISTINCT FROM (t)"),
                Local::Exists,
            ),
        ],
    }
}

/// Compares both ways for these times; how many were asked about alike.
async fn compare(session: &mut Session, zone: &str, times: &[i64]) {
    let mut batch = Batch::new(1);
    for time in times {
        batch.push_row([Some(&time.to_be_bytes()[..])]);
    }
    let rows: Vec<usize> = (0..times.len()).collect();
    let mut answers = Vec::new();
    for known in [true, false] {
        let evaluation = evaluation(zone, known);
        let mut subject = Times(batch.clone());
        let experience = Experience::new(&evaluation);
        let found = evaluate(session, &evaluation, &experience, &mut subject, &rows)
            .await
            .expect("answers");
        assert!(found.failed.is_empty(), "{zone}");
        answers.push((found.table, subject.0));
    }
    for (row, time) in times.iter().enumerate() {
        for output in 0..2 {
            let answer = |(table, batch): &(driftless_core::batch::Table, Batch)| {
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
