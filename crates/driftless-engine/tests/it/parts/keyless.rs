//! Rows without a key: each is loaded once, whatever happens to the run.

use driftless_core::code;

use super::resume::stopped_at;
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE person (id int PRIMARY KEY, name text); INSERT INTO person SELECT n, 'name ' || n FROM generate_series(1, 50) AS n;
    CREATE TABLE log (at int, what text, person int, amount text);
    INSERT INTO log SELECT n % 40, 'what ' || n % 7, n % 60, CASE WHEN n % 100 = 99 THEN 'n/a' ELSE n % 9 || '.5' END
        FROM generate_series(1, 600) AS n;
    INSERT INTO log SELECT 1, 'same', 1, '1' FROM generate_series(1, 5);
    CREATE TABLE part (at int, what text) PARTITION BY RANGE (at);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20);
    INSERT INTO part SELECT n % 20, 'p' FROM generate_series(1, 100) AS n;";

const TARGET: &str = "
    CREATE TABLE person (id uuid PRIMARY KEY, legacy_id int, name text);
    CREATE TABLE log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at int, what text, person_id uuid REFERENCES person,
        strict_id uuid REFERENCES person, amount numeric(6,2));
    CREATE INDEX ON log (at);
    CREATE TABLE part (at int, what text) PARTITION BY LIST (at);
    CREATE TABLE part_a PARTITION OF part FOR VALUES IN (1, 2, 3, 11, 12, 13); CREATE TABLE part_b PARTITION OF part DEFAULT;";

const MAPPING: &str = r#"
    [defaults]
    max_rejects = "50%"
    [entities.log]
    from = "public.log"
    into = "public.log"
    batch_rows = 100
    identity = { by = "none" }
    [entities.log.columns]
    person_id = { ref = "person", from = "person", missing = "null" }
    strict_id = { ref = "person", from = "at" }
    amount = { sql = "amount::numeric" }
    [entities.person]
    from = "public.person"
    into = "public.person"
    where = "id <> 30"
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.part]
    from = "public.part"
    into = "public.part"
    identity = { by = "none" }
"#;

/// What must be there: as many rows of each content as the source has good ones.
async fn as_the_source_is(pair: &Pair) {
    let expected = "SELECT at, what, CASE WHEN person BETWEEN 1 AND 50 AND person <> 30 THEN person END, at, amount::numeric(6,2)
        FROM log WHERE amount <> 'n/a' AND at BETWEEN 1 AND 50 AND at <> 30 ORDER BY 1, 2, 3, 4, 5";
    let actual = "SELECT l.at, what, p.legacy_id, s.legacy_id, amount FROM log AS l LEFT JOIN person AS p ON p.id = person_id
        LEFT JOIN person AS s ON s.id = strict_id ORDER BY 1, 2, 3, 4, 5";
    let (expected, actual) = (pair.source.rows(expected).await, pair.target.rows(actual).await);
    assert_eq!(expected.len(), actual.len());
    assert_eq!(expected, actual);
    let rows = "SELECT at, what FROM part ORDER BY 1, 2";
    assert_eq!(pair.source.rows(rows).await, pair.target.rows(rows).await);
    // A row is in the target or on record, and each record shows its row.
    let bad = "SELECT count(*) FROM log WHERE NOT (amount <> 'n/a' AND at BETWEEN 1 AND 50 AND at <> 30)";
    let bad: i64 = pair
        .source
        .value(bad)
        .await
        .expect("a number")
        .parse()
        .expect("a number");
    let rejects = "SELECT count(*) FROM driftless.rejects WHERE entity = 'log' AND source_row ? 'what'";
    assert_eq!(pair.count(rejects).await, bad);
    let placed = "SELECT count(*) FROM driftless.identity_log AS i JOIN log AS t ON (i.t1, i.t2) = (t.tableoid, t.ctid) AND i.t3 = t.xmin";
    assert_eq!(pair.count(placed).await, actual.len() as i64);
}

const MEANWHILE: &str = "
    UPDATE log SET what = 'changed' WHERE at = 3; DELETE FROM log WHERE ctid IN (SELECT ctid FROM log WHERE what = 'same' LIMIT 2);
    INSERT INTO log SELECT 4, 'new', 4, '4' FROM generate_series(1, 20); UPDATE log SET amount = '7' WHERE amount = 'n/a' AND at < 20;
    UPDATE part SET at = (at + 10) % 20 WHERE at < 5; INSERT INTO part VALUES (7, 'p'), (7, 'p');
    INSERT INTO person VALUES (55, 'late'); DELETE FROM person WHERE id = 9;";

#[tokio::test]
async fn rows_without_a_key_are_loaded_once() {
    let pair = Pair::create("keyless", SOURCE, TARGET).await;
    pair.migrate(MAPPING).await.expect("a load");
    as_the_source_is(&pair).await;
    assert_eq!(
        pair.count("SELECT count(*) FROM log WHERE what = 'same'").await,
        5
    );
    let report = pair.migrate(MAPPING).await.expect("nothing");
    assert!(report.nothing_to_do);
}

#[tokio::test]
async fn beside_rows_of_others_only_what_is_known_to_be_ours_is_touched() {
    let others = format!(
        "{TARGET} INSERT INTO log (at, what, amount) VALUES (1, 'theirs', 1), (1, 'same', 1); CREATE UNIQUE INDEX ON log (at, what) WHERE what = 'what 3'"
    );
    let pair = Pair::create("keyless_beside", SOURCE, &others).await;
    for step in ["indexing identities", "building indexes", "proving references"] {
        assert!(stopped_at(&pair, MAPPING, step).await, "{step}");
        pair.source
            .run("UPDATE log SET what = 'again' WHERE at = 6")
            .await;
    }
    pair.migrate(MAPPING).await.expect("a load");
    let theirs = "SELECT count(*) FROM log WHERE strict_id IS NULL AND person_id IS NULL";
    assert_eq!(pair.count(theirs).await, 2);
    let repeated = "SELECT count(*) FROM driftless.rejects WHERE entity = 'log' AND code = 'DL0406' AND (source_row ->> 'at')::int NOT IN (0, 30)";
    let once = "SELECT count(DISTINCT at) FROM log WHERE what = 'what 3'";
    let all = "SELECT count(*) FROM log WHERE what = 'what 3' AND amount <> 'n/a' AND at BETWEEN 1 AND 50 AND at <> 30";
    let all: i64 = pair
        .source
        .value(all)
        .await
        .expect("a number")
        .parse()
        .expect("a number");
    assert_eq!(pair.count(repeated).await + pair.count(once).await, all);
    assert_eq!(
        pair.count("SELECT count(*) FROM log WHERE what = 'again'").await,
        15
    );
}

#[tokio::test]
async fn interrupted_and_continued_nothing_is_lost_or_doubled() {
    for step in ["indexing identities", "building indexes", "restoring constraints"] {
        let pair = Pair::create("keyless_resume", SOURCE, TARGET).await;
        assert!(stopped_at(&pair, MAPPING, step).await, "{step}");
        pair.source
            .run(&MEANWHILE.replace("DELETE FROM person WHERE id = 9;", ""))
            .await;
        let mapping = MAPPING.to_owned();
        pair.migrate(&mapping).await.expect("continued");
        as_the_source_is_with_late(&pair).await;
    }
}

/// The same with the person who came later.
async fn as_the_source_is_with_late(pair: &Pair) {
    pair.source
        .run("UPDATE log SET person = NULL WHERE person = 55")
        .await;
    pair.target
        .run("UPDATE log SET person_id = NULL WHERE person_id = (SELECT id FROM person WHERE legacy_id = 55)")
        .await;
    let expected = "SELECT at, what, CASE WHEN person BETWEEN 1 AND 50 AND person <> 30 THEN person END, amount::numeric(6,2)
        FROM log WHERE amount <> 'n/a' AND at BETWEEN 1 AND 50 AND at <> 30 ORDER BY 1, 2, 3, 4";
    let actual = "SELECT l.at, what, p.legacy_id, amount FROM log AS l LEFT JOIN person AS p ON p.id = person_id ORDER BY 1, 2, 3, 4";
    assert_eq!(pair.source.rows(expected).await, pair.target.rows(actual).await);
    let rows = "SELECT at, what FROM part ORDER BY 1, 2";
    assert_eq!(pair.source.rows(rows).await, pair.target.rows(rows).await);
}

#[tokio::test]
async fn rows_that_somebody_touched_meanwhile_are_not_guessed_about() {
    let pair = Pair::create("keyless_touched", SOURCE, TARGET).await;
    assert!(stopped_at(&pair, MAPPING, "building indexes").await);
    pair.target
        .run("UPDATE log SET what = 'edited' WHERE at = 5")
        .await;
    pair.source.run("DELETE FROM log WHERE at = 7").await;
    let error = pair.migrate(MAPPING).await.expect_err("halted");
    assert_eq!(error.code(), code::INTEGRITY, "{error}");
    assert!(error.to_string().contains("entity log"), "{error}");
    assert_eq!(
        pair.count("SELECT count(*) FROM log WHERE what = 'edited'").await,
        15
    );
}

#[tokio::test]
async fn only_tables_go_without_a_key() {
    let pair = Pair::create("keyless_view", SOURCE, TARGET).await;
    pair.source.run("CREATE VIEW log_view AS TABLE log").await;
    let mapping = MAPPING.replace("from = \"public.log\"", "from = \"public.log_view\"");
    let error = pair.migrate(&mapping).await.expect_err("refused");
    assert_eq!(error.code(), code::NO_KEY, "{error}");
    let mapping = MAPPING.replace("from = \"public.log\"", "sql = \"SELECT * FROM public.log\"");
    let error = pair.migrate(&mapping).await.expect_err("refused");
    assert_eq!(error.code(), code::NO_KEY, "{error}");
}
