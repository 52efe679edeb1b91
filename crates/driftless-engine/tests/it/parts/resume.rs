//! Interrupted and continued: what an earlier run loaded under an older snapshot is mended until everything stands as under
//! the last one.

use driftless_core::code;
use driftless_engine::run::{Event, Stop, migrate, restart};
use driftless_testkit::{pg_dump_schema_without, wait_until};

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, migrate_until};

/// Persons with a unique code, a boss and an amount that may be unreadable; five chunks. Keys that end in 9 are free.
fn source(key: &str) -> String {
    format!(
        "CREATE TABLE person (id {key} PRIMARY KEY, n int UNIQUE, name text, code text, boss {key}, amount text, filler text);
         ALTER TABLE person ALTER filler SET STORAGE PLAIN;
         INSERT INTO person SELECT n::text::{key}, n, 'name ' || n, 'code ' || n,
             (CASE WHEN n % 7 = 0 THEN n - 5 WHEN n % 7 = 1 THEN (n * 31) % 4800 WHEN n % 7 = 2 THEN 100000 + n END)::text::{key},
             CASE WHEN n % 500 = 60 THEN 'n/a' ELSE n || '.50' END, repeat('x', 7800)
         FROM generate_series(1, 4800) AS n WHERE n % 10 <> 9;
         ALTER TABLE person DROP filler;"
    )
}

fn target(key: &str, others: &str) -> String {
    format!(
        "{GATE}
         CREATE TABLE person (id uuid PRIMARY KEY, legacy_id {key}, n int UNIQUE, name text, code text UNIQUE,
             boss_id uuid REFERENCES person ON DELETE SET NULL, amount numeric(12,2));
         CREATE INDEX person_name ON person (name);
         {others}"
    )
}

/// Theirs, so that the load goes beside: a row that nobody may touch.
const OTHERS: &str =
    "INSERT INTO person VALUES ('00000000-0000-0000-0000-000000000001', NULL, -1, 'theirs', 'theirs');";

const MAPPING: &str = r#"
    [entities.person]
    from = "public.person"
    into = "public.person"
    batch_rows = 500
    max_rejects = 100
    [entities.person.columns]
    id = { id = true }
    legacy_id = "id"
    boss_id = { ref = "person", from = "boss", missing = "null" }
    amount = { sql = "(public.gate(n, 4400) * 0 + amount::numeric)" }
"#;

/// Everything that can happen to a row while a run is away, on both sides of what it has finished.
const MEANWHILE: &str = "
    UPDATE person SET name = 'changed' WHERE n IN (10, 1500, 4500);
    INSERT INTO person SELECT id::text, n, 'new', 'new ' || n, boss::text, amount FROM (SELECT n, n::text AS id, 10::text AS boss, '7.25' AS amount
        FROM (VALUES (9), (1509), (4509), (100002)) AS v (n)) AS new;
    DELETE FROM person WHERE n IN (20, 1520, 4520, 21);
    -- A unique value goes from row to row: within what is finished, out of it, into it.
    UPDATE person SET code = CASE n WHEN 30 THEN 'code 31' ELSE 'code 30' END WHERE n IN (30, 31);
    UPDATE person SET code = 'free' WHERE n = 40; UPDATE person SET code = 'code 40' WHERE n = 4700;
    UPDATE person SET code = 'free too' WHERE n = 4701; UPDATE person SET code = 'code 4701' WHERE n = 41;
    -- A key that becomes another.
    UPDATE person SET id = '4809', n = 4809 WHERE n = 50; UPDATE person SET id = '59', n = 59 WHERE n = 4650;
    -- What was bad is good, what was good is bad.
    UPDATE person SET amount = '60.60' WHERE n IN (60, 4560); UPDATE person SET amount = 'bad' WHERE n IN (61, 4561);
    UPDATE person SET boss = NULL WHERE n = 70; UPDATE person SET boss = '10' WHERE n IN (71, 4571);";

/// What the target must hold, out of the source alone.
const EXPECTED: &str = "
    WITH good AS (SELECT * FROM person WHERE amount ~ '^[0-9.]+$')
    SELECT p.id::text, p.n, p.name, p.code, b.n, p.amount::numeric(12,2) FROM good AS p LEFT JOIN good AS b ON b.id = p.boss ORDER BY p.n";

const ACTUAL: &str = "
    SELECT p.legacy_id::text, p.n, p.name, p.code, b.n, p.amount FROM person AS p LEFT JOIN person AS b ON b.id = p.boss_id
    WHERE p.n > 0 ORDER BY p.n";

async fn as_the_source_is(pair: &Pair) {
    let (expected, actual) = (pair.source.rows(EXPECTED).await, pair.target.rows(ACTUAL).await);
    let wrong: Vec<_> = expected.iter().filter(|row| !actual.contains(row)).collect();
    let surplus: Vec<_> = actual.iter().filter(|row| !expected.contains(row)).collect();
    assert_eq!((wrong, surplus), (Vec::new(), Vec::new()), "missing and surplus");
    assert_eq!(expected.len(), actual.len());
    let mut keys = pair
        .source
        .rows("SELECT id::text FROM person WHERE amount ~ '^[0-9.]+$'")
        .await;
    let mut identities = pair
        .target
        .rows("SELECT k1::text FROM driftless.identity_person")
        .await;
    keys.sort();
    identities.sort();
    assert!(keys == identities, "one identity a row");
    let bad = "SELECT id::text FROM person WHERE amount !~ '^[0-9.]+$' ORDER BY length(id::text), id::text";
    let bad: Vec<_> = pair.source.rows(bad).await;
    let rejects: Vec<_> = pair
        .rejects("person")
        .await
        .into_iter()
        .map(|(key, _)| vec![Some(key)])
        .collect();
    assert_eq!(rejects, bad);
}

/// Stops a run with two chunks finished and one half read, changes the source, continues.
async fn interrupted_between_chunks(key: &str, others: &str) {
    let pair = Pair::create("resume", &source(key), &target(key, others)).await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let spec = pair.spec(MAPPING);
    let stop = Stop::new();
    let gate = Gate::shut(&pair.target).await;
    let (error, ()) = tokio::join!(migrate_until(&spec, &stop), async {
        gate.reached().await;
        wait_until("four finished chunks", async || {
            pair.count("SELECT count(*) FROM driftless.chunk WHERE done")
                .await
                == 4
        })
        .await;
        stop.request();
    });
    gate.open().await;
    let error = error.expect_err("interrupted");
    assert_eq!(error.code(), code::INTERRUPTED, "{error}");
    // What a checkpoint says is there, and nothing else: rows, identities, rejects.
    let loaded = pair
        .count("SELECT sum(written) FROM driftless.chunk WHERE done")
        .await;
    assert_eq!(
        pair.count("SELECT count(*) FROM person WHERE n > 0").await,
        loaded
    );
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.identity_person").await,
        loaded
    );
    let rejected = pair
        .count("SELECT sum(rejected) FROM driftless.chunk WHERE done")
        .await;
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.rejects").await,
        rejected
    );
    assert!(
        loaded > 1000 && rejected > 0,
        "{loaded} loaded, {rejected} rejected"
    );

    pair.source
        .run(
            &MEANWHILE
                .replace("id::text, n, 'new'", &format!("id::{key}, n, 'new'"))
                .replace("boss::text", &format!("boss::{key}")),
        )
        .await;
    let report = migrate_spec(&spec).await.expect("continued");
    assert!(report.resumed);
    as_the_source_is(&pair).await;
    if !others.is_empty() {
        assert_eq!(report.entities[0].path, "beside");
        assert_eq!(
            pair.count("SELECT count(*) FROM person WHERE n = -1 AND name = 'theirs' AND legacy_id IS NULL")
                .await,
            1
        );
    }
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    assert_eq!(
        pair.count("SELECT count(DISTINCT snapshot) FROM driftless.chunk WHERE done")
            .await,
        1
    );
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.chunk WHERE NOT done OR snapshot <> (SELECT snapshot FROM driftless.execution ORDER BY id DESC LIMIT 1)").await,
        0
    );
    let states = "SELECT string_agg(state, ' ' ORDER BY id) FROM driftless.execution";
    assert_eq!(
        pair.target.value(states).await.as_deref(),
        Some("interrupted done")
    );
    assert!(migrate_spec(&spec).await.expect("nothing").nothing_to_do);
}

#[tokio::test]
async fn ranges_of_integers_continue() {
    interrupted_between_chunks("int", "").await;
}

#[tokio::test]
async fn ranges_of_pages_continue() {
    interrupted_between_chunks("text", "").await;
}

#[tokio::test]
async fn beside_rows_of_others_ranges_of_integers_continue() {
    interrupted_between_chunks("int", OTHERS).await;
}

#[tokio::test]
async fn beside_rows_of_others_ranges_of_pages_continue() {
    interrupted_between_chunks("text", OTHERS).await;
}

/// A small source for runs that are stopped often.
const SMALL: &str = "
    CREATE TABLE person (id int PRIMARY KEY, n int UNIQUE, name text, code text, boss int, amount text);
    INSERT INTO person SELECT n, n, 'name ' || n, 'code ' || n, CASE WHEN n % 3 = 0 THEN n - 1 WHEN n % 3 = 1 THEN n + 100 END,
        CASE WHEN n % 20 = 5 THEN 'n/a' ELSE n || '.50' END FROM generate_series(1, 100) AS n;";

/// Runs until a step begins, or to the end.
pub(super) async fn stopped_at(pair: &Pair, mapping: &str, step: &str) -> bool {
    let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let stop = Stop::new();
    let spec = pair.spec(mapping);
    let run = async {
        let done = migrate(&spec, &[], &events, &stop).await;
        drop(events);
        done
    };
    let (done, ()) = tokio::join!(run, async {
        while let Some(event) = heard.recv().await {
            let reached = matches!(&event, Event::Step { step: named } if named == step)
                || matches!(&event, Event::Phase { phase, .. } if *phase == step);
            if reached {
                stop.request();
            }
        }
    });
    match done {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.code(), code::INTERRUPTED, "{error}");
            true
        }
    }
}

#[tokio::test]
pub(super) async fn stopped_at_every_step_and_continued() {
    let pair = Pair::create("steps", SMALL, &target("int", "")).await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let steps = [
        "snapshot",
        "setting aside",
        "loading",
        "indexing identities",
        "mending",
        "gathering statistics",
        "building indexes",
        "proving references",
        "restoring constraints",
    ];
    for (number, step) in steps.into_iter().enumerate() {
        assert!(
            stopped_at(&pair, MAPPING, step).await,
            "the run ended before {step}"
        );
        // Meanwhile parents come and go, codes change hands, bad rows become good.
        let (new, old) = (200 + number, 2 + 3 * number);
        pair.source
            .run(&format!(
                "INSERT INTO person VALUES ({new}, {new}, 'new', 'new {new}', {old}, '1');
                 INSERT INTO person SELECT boss, boss, 'a boss', 'boss ' || boss, NULL, '2' FROM person AS p
                     WHERE n % 3 = 1 AND n % 10 = {number} AND NOT EXISTS (SELECT FROM person AS b WHERE b.id = p.boss);
                 DELETE FROM person WHERE id = {old};
                 UPDATE person SET code = CASE WHEN n = 1 THEN (SELECT code FROM person WHERE n = 4) ELSE (SELECT code FROM person WHERE n = 1) END
                     WHERE n IN (1, 4);
                 UPDATE person SET amount = CASE amount WHEN 'n/a' THEN '5' ELSE 'n/a' END WHERE n IN (5, 6, 25);"
            ))
            .await;
    }
    assert!(!stopped_at(&pair, MAPPING, "never").await);
    as_the_source_is(&pair).await;
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    assert_eq!(
        pair.count("SELECT count(*) FROM pg_constraint WHERE NOT convalidated")
            .await,
        0
    );
}

#[tokio::test]
async fn an_entity_whose_mapping_changed_is_refused_and_the_others_continue() {
    let source = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text); CREATE TABLE c (id int PRIMARY KEY, a int);
        INSERT INTO a SELECT n, 'a' || n FROM generate_series(1, 50) AS n; INSERT INTO b SELECT n, 'b' || n FROM generate_series(1, 50) AS n;
        INSERT INTO c SELECT n, n FROM generate_series(1, 50) AS n;";
    let target =
        "CREATE TABLE a (id uuid PRIMARY KEY, v text, w text); CREATE TABLE b (id uuid PRIMARY KEY, v text);
        CREATE TABLE c (id uuid PRIMARY KEY, a uuid REFERENCES a);";
    let pair = Pair::create("changed", source, target).await;
    let mapping = |w: &str, name: &str| {
        format!(
            "[entities.a]\nfrom = \"public.a\"\ninto = \"public.a\"\nidentity = {{ by = \"derive\", name = \"{name}\" }}\n\
             columns = {{ id = {{ id = true }}, w = {{ sql = \"{w}\" }} }}\n\
             [entities.b]\nfrom = \"public.b\"\ninto = \"public.b\"\ncolumns = {{ id = {{ id = true }} }}\n\
             [entities.c]\nfrom = \"public.c\"\ninto = \"public.c\"\ncolumns = {{ id = {{ id = true }}, a = {{ ref = \"a\", from = \"a\" }} }}\n"
        )
    };
    assert!(stopped_at(&pair, &mapping("v || 1", "a"), "indexing identities").await);
    let changed = mapping("v || 2", "a");
    let error = pair.migrate(&changed).await.expect_err("refused");
    assert_eq!(error.code(), code::PLAN_CHANGED);
    let text = error.to_string();
    assert!(
        text.contains("entity a") && text.contains("column w") && text.contains("--restart"),
        "{text}"
    );
    assert!(!text.contains("entity b"), "{text}");
    let phases = "SELECT string_agg(entity || ' ' || phase, ', ' ORDER BY entity) FROM driftless.entity";
    let reached = pair.target.value(phases).await.unwrap_or_default();
    assert!(
        reached.contains("b loaded") || reached.contains("b done"),
        "{reached}"
    );
    let error = pair
        .migrate(&mapping("v || 1", "other"))
        .await
        .expect_err("refused");
    assert_eq!(error.code(), code::IDENTITY_CHANGED, "{error}");

    // What refers to a goes with it; b stays.
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let deleted = restart(&pair.spec(&changed), &["a".to_owned()], &events)
        .await
        .expect("deleted");
    let named: Vec<(&str, i64)> = deleted
        .iter()
        .map(|one| (one.entity.as_str(), one.rows))
        .collect();
    assert_eq!(named, [("c", 50), ("a", 50)], "children go first");
    assert_eq!(pair.count("SELECT count(*) FROM b").await, 50);
    pair.migrate(&changed).await.expect("a load");
    assert_eq!(
        pair.count("SELECT count(*) FROM a AS a JOIN c ON c.a = a.id WHERE w = v || 2")
            .await,
        50
    );
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.entity WHERE phase = 'done'")
            .await,
        3
    );
}
