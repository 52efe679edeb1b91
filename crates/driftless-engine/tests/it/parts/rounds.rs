//! How many answers a load waits for one after the other: what it costs that servers are far away.

use driftless_core::spec::Spec;
use driftless_engine::run::report::MigrateReport;
use driftless_engine::run::{Event, Stop, migrate};
use driftless_testkit::Rounds;
use tokio::sync::mpsc::unbounded_channel;

use crate::pair::{Pair, read};

const SOURCE: &str = "
    CREATE TABLE office (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE doctor (id int PRIMARY KEY, office_id int NOT NULL REFERENCES office, name text NOT NULL);
    CREATE TABLE patient (id int PRIMARY KEY, number text NOT NULL, gender text, office_id int NOT NULL REFERENCES office,
        doctor_id int REFERENCES doctor, notes text);
    INSERT INTO office SELECT n, 'Office ' || n FROM generate_series(1, 5) AS n;
    INSERT INTO doctor SELECT n, 1 + n % 5, 'Doctor ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO patient SELECT n, 'P' || n, CASE n % 2 WHEN 0 THEN 'f' ELSE 'm' END, 1 + n % 5, 1 + n % 20, 'note ' || n
        FROM generate_series(1, 500) AS n;
    ANALYZE office, doctor, patient;";

const TARGET: &str = "
    CREATE TYPE gender AS ENUM ('female', 'male');
    CREATE TABLE offices (id uuid PRIMARY KEY, name text NOT NULL);
    CREATE TABLE doctors (id uuid PRIMARY KEY, office_id uuid NOT NULL REFERENCES offices, name text NOT NULL);
    CREATE TABLE patients (id uuid PRIMARY KEY, number text NOT NULL UNIQUE, gender gender, office_id uuid NOT NULL
        REFERENCES offices, doctor_id uuid REFERENCES doctors, metadata jsonb NOT NULL);";

const MAPPING: &str = r#"
    [defaults]
    copy = "same-name"
    [entities.offices]
    from = "public.office"
    into = "public.offices"
    columns.id = { id = true }
    [entities.doctors]
    from = "public.doctor"
    into = "public.doctors"
    columns.id = { id = true }
    columns.office_id = { ref = "offices", from = "office_id" }
    [entities.patients]
    from = "public.patient"
    into = "public.patients"
    [entities.patients.columns]
    id = { id = true }
    gender = { map = "gender", values = { f = "female", m = "male" }, unknown = "reject" }
    office_id = { ref = "offices", from = "office_id" }
    doctor_id = { ref = "doctors", from = "doctor_id" }
    metadata = { json = { legacy_id = "id", migrated_at = { run = "started_at" }, legacy = { json = "unmapped" } } }
"#;

/// How many answers are waited for one after the other in each step, at most.
type Bounds = [(&'static str, usize); 10];

#[tokio::test]
async fn one_lane_waits_for_few_answers() {
    let bounds: Bounds = [
        ("at first", 0),
        ("preparing", 10),
        ("snapshot", 3),
        ("setting aside", 2),
        ("loading", 8),
        ("indexing identities", 6),
        ("gathering statistics", 1),
        ("building indexes", 5),
        ("proving references", 3),
        ("restoring constraints", 6),
    ];
    holds("rounds_one", [1, 2], bounds).await;
}

#[tokio::test]
async fn several_lanes_wait_for_fewer() {
    let bounds: Bounds = [
        ("at first", 0),
        ("preparing", 10),
        ("snapshot", 3),
        ("setting aside", 2),
        ("loading", 4),
        ("indexing identities", 2),
        ("gathering statistics", 1),
        ("building indexes", 2),
        ("proving references", 1),
        ("restoring constraints", 4),
    ];
    holds("rounds_several", [4, 8], bounds).await;
}

/// Loads with so many connections, and compares.
async fn holds(hint: &str, [of_source, of_target]: [usize; 2], bounds: Bounds) {
    let pair = Pair::create(hint, SOURCE, TARGET).await;
    let mut rounds = Rounds::start();
    let (source, target) = (rounds.lead(&pair.source.url()), rounds.lead(&pair.target.url()));
    let spec = read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{source}\"\nmax_connections = {of_source}\n\
         [target]\nurl = \"{target}\"\nmax_connections = {of_target}\n{MAPPING}"
    ));
    let (report, steps) = counted(&mut rounds, &spec).await;
    let entities = report.entities;
    assert_eq!(entities.iter().map(|entity| entity.inserted).sum::<i64>(), 525);
    println!("{}", rounds.told());
    let names: Vec<&str> = steps.iter().map(|(step, _)| step.as_str()).collect();
    assert_eq!(names, bounds.map(|(step, _)| step));
    for ((step, waited), (_, most)) in steps.iter().zip(bounds) {
        assert!(
            *waited <= most,
            "{step}: {waited} rounds of answers, {most} at most; {steps:?}"
        );
    }
    println!("{steps:?} {}", rounds.count());
}

/// Loads, and counts the rounds of each step.
async fn counted(rounds: &mut Rounds, spec: &Spec) -> (MigrateReport, Vec<(String, usize)>) {
    let (events, mut heard) = unbounded_channel();
    let stop = Stop::new();
    let marking = async {
        rounds.mark("preparing");
        while let Some(event) = heard.recv().await {
            if let Event::Step { step } = event {
                rounds.mark(&step);
            }
        }
    };
    let loading = async {
        let report = migrate(spec, &[], &events, &stop).await;
        drop(events);
        report
    };
    let (report, ()) = tokio::join!(loading, marking);
    (report.expect("a load"), rounds.steps())
}

/// A table of six chunks, of whose rows little is read.
const WIDE: &str = "
    CREATE TABLE item (id int PRIMARY KEY, n int, filler text);
    INSERT INTO item SELECT n, n, repeat('x', 1500) FROM generate_series(1, 30000) AS n;
    ANALYZE item;";

/// One chunk is read and written while the end of the one before is on its way to the server and back.
#[tokio::test]
async fn the_end_of_a_chunk_keeps_the_next_one_waiting_for_nothing() {
    let pair = Pair::create(
        "rounds_chunks",
        WIDE,
        "CREATE TABLE items (id int PRIMARY KEY, n int)",
    )
    .await;
    let mut rounds = Rounds::start();
    let (source, target) = (rounds.lead(&pair.source.url()), rounds.lead(&pair.target.url()));
    let spec = read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{source}\"\nmax_connections = 1\n\
         [target]\nurl = \"{target}\"\nmax_connections = 2\n[entities.item]\nfrom = \"public.item\"\n\
         into = \"public.items\"\n"
    ));
    let (_, steps) = counted(&mut rounds, &spec).await;
    println!("{}", rounds.told());
    let chunks = pair.count("SELECT count(*) FROM driftless.chunk").await;
    let loading = steps.iter().find(|(step, _)| step == "loading");
    let waited = loading.map_or(usize::MAX, |(_, rounds)| *rounds) as i64;
    // Two for each chunk, which one session reads, and three for the end of the last one.
    assert!(
        chunks == 6 && waited <= 2 * chunks + 3,
        "{waited} rounds of answers for {chunks} chunks"
    );
}
