//! Rejects tried again: every kind of them, with what proofs find afterwards.

use driftless_core::code;
use driftless_engine::run::rejects::Dismissal;
use driftless_engine::run::report::{RejectFilter, RetryReport};

use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE office (id int PRIMARY KEY, title text);
    CREATE TABLE patient (id int PRIMARY KEY, office int, code text, name text, price text, kind text, mail text, helper int);
    INSERT INTO office VALUES (1, 'one'), (2, 'two'), (3, NULL);
    INSERT INTO patient SELECT n, 1 + n % 2, 'c' || n, 'n' || n, '1.50', 'a', 'm@x', NULL FROM generate_series(1, 40) AS n;
    UPDATE patient SET price = 'n/a' WHERE id = 1;
    UPDATE patient SET kind = 'x' WHERE id = 2;
    UPDATE patient SET name = NULL WHERE id = 3;
    UPDATE patient SET name = 'far too long' WHERE id = 4;
    UPDATE patient SET mail = 'none' WHERE id = 5;
    UPDATE patient SET code = 'c6' WHERE id = 7;
    UPDATE patient SET price = '-1' WHERE id = 8;
    UPDATE patient SET office = 99 WHERE id = 9;
    UPDATE patient SET office = 3 WHERE id = 10;
    UPDATE patient SET helper = 999 WHERE id = 11;
    UPDATE patient SET helper = 10 WHERE id = 12;
    UPDATE patient SET helper = 12 WHERE id = 13;";

const TARGET: &str = "
    CREATE TABLE offices (id uuid PRIMARY KEY, legacy_id int, title text NOT NULL);
    CREATE TABLE patients (id uuid PRIMARY KEY, legacy_id int, office_id uuid NOT NULL REFERENCES offices, code text UNIQUE,
        name varchar(8) NOT NULL, price numeric(6,2) CHECK (price >= 0), kind text, helper_id uuid REFERENCES patients);";

const MAPPING: &str = r#"
    [defaults]
    max_rejects = "50%"
    [entities.offices]
    from = "public.office"
    into = "public.offices"
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.patients]
    from = "public.patient"
    into = "public.patients"
    batch_rows = 10
    [entities.patients.columns]
    id = { id = true }
    legacy_id = "id"
    office_id = { ref = "offices", from = "office" }
    helper_id = { ref = "patients", from = "helper", missing = "park" }
    price = { sql = "price::numeric" }
    kind = { map = "kind", values = { a = "b" }, unknown = "reject" }
    [[entities.patients.rules]]
    name = "mail"
    check = "mail ~ '@'"
"#;

/// Key and code of every reject of the patients, parked ones with a sign.
async fn on_record(pair: &Pair) -> String {
    let sql = "SELECT coalesce(string_agg(key || CASE state WHEN 'rejected' THEN ':' WHEN 'parked' THEN '~' ELSE '/' END || right(code, 3), \
               ' ' ORDER BY key::int), '') FROM driftless.rejects WHERE entity = 'patients'";
    pair.target.value(sql).await.unwrap_or_default()
}

fn numbers(report: &RetryReport) -> [i64; 4] {
    [report.tried, report.written, report.still_rejected, report.gone]
}

fn all() -> RejectFilter {
    RejectFilter::default()
}

#[tokio::test]
async fn every_kind_of_reject_is_tried_again() {
    let pair = Pair::create("retry", SOURCE, TARGET).await;
    pair.migrate(MAPPING).await.expect("a load");
    let first = "1:404 2:401 3:402 4:403 5:405 7:406 8:407 9:400 10:412 11~400 12~412 13~412";
    assert_eq!(on_record(&pair).await, first);
    assert_eq!(pair.rejects("offices").await, [("3".into(), "DL0402".into())]);

    // Nothing was mended: everything comes out as before, and nothing is there twice.
    let report = pair.retry(MAPPING, all()).await;
    assert_eq!(numbers(&report), [13, 0, 13, 0]);
    assert_eq!(on_record(&pair).await, first);
    assert_eq!(pair.count("SELECT count(*) FROM patients").await, 28);

    // One of each kind is mended; a parent brings its children along, three levels down.
    pair.source
        .run(
            "UPDATE office SET title = 'three' WHERE id = 3; UPDATE patient SET price = '2' WHERE id IN (1, 8);
             UPDATE patient SET kind = 'a' WHERE id = 2; UPDATE patient SET code = 'c7' WHERE id = 7;
             DELETE FROM patient WHERE id = 3; INSERT INTO office VALUES (99, 'late');",
        )
        .await;
    let report = pair.retry(MAPPING, all()).await;
    assert_eq!(numbers(&report), [13, 8, 4, 1]);
    // The office that came late is not loaded by a retry of patients: only what is on record is tried.
    assert_eq!(on_record(&pair).await, "4:403 5:405 9:400 11~400");
    assert_eq!(pair.rejects("offices").await, []);
    assert_eq!(pair.count("SELECT count(*) FROM patients").await, 35);
    let chain = "SELECT count(*) FROM patients AS a JOIN patients AS b ON b.id = a.helper_id JOIN patients AS c ON c.id = b.helper_id \
                 JOIN offices AS o ON o.id = c.office_id WHERE a.legacy_id = 13 AND c.legacy_id = 10 AND o.legacy_id = 3";
    assert_eq!(pair.count(chain).await, 1);
    // Each reject says what stands in the source now.
    let shown = "SELECT count(*) FROM driftless.rejects WHERE source_row ->> 'id' = key";
    assert_eq!(pair.count(shown).await, 4);

    // What a person dismissed is tried only by name.
    let only = |keys: &[&str]| RejectFilter {
        entities: vec!["patients".to_owned()],
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..RejectFilter::default()
    };
    let spec = pair.spec(MAPPING);
    let dismissal = Dismissal::of(&spec, &only(&["4", "5"])).await.expect("counted");
    assert_eq!(dismissal.rows(), 2);
    assert_eq!(dismissal.carry_out().await.expect("dismissed"), 2);
    pair.source
        .run("UPDATE patient SET name = 'short', mail = 'a@b', helper = NULL WHERE id IN (4, 5, 11)")
        .await;
    assert_eq!(numbers(&pair.retry(MAPPING, all()).await), [2, 1, 1, 0]);
    assert_eq!(on_record(&pair).await, "4/403 5/405 9:400");
    assert_eq!(numbers(&pair.retry(MAPPING, only(&["5"])).await), [1, 1, 0, 0]);
    assert_eq!(on_record(&pair).await, "4/403 9:400");
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.identity_patients JOIN patients ON id = t1")
            .await,
        37
    );
}

/// What is dismissed is what somebody has seen: a run in between may have put other rows on record.
#[tokio::test]
async fn a_dismissal_is_refused_if_another_run_came_between() {
    let pair = Pair::create("dismissal", SOURCE, TARGET).await;
    pair.migrate(MAPPING).await.expect("a load");
    let spec = pair.spec(MAPPING);
    let seen = Dismissal::of(&spec, &all()).await.expect("counted");
    assert_eq!(seen.rows(), 13);
    pair.retry(MAPPING, all()).await;
    let refused = seen.carry_out().await.expect_err("other rows than were seen");
    assert_eq!(refused.code(), code::PIPELINE_HELD);
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.rejects WHERE state = 'discarded'")
            .await,
        0
    );
}

/// A key that PostgreSQL checks at commit is not checked at all in a replica session.
#[tokio::test]
async fn a_late_key_is_proven_behind_a_retry() {
    let pair = Pair::create(
        "latekeys",
        "CREATE TABLE item (id int PRIMARY KEY, code text, price text);
         INSERT INTO item VALUES (1, 'a', 'n/a'), (2, 'b', '1'), (3, 'c', 'n/a'), (4, 'd', '1');",
        "CREATE TABLE items (id uuid PRIMARY KEY, legacy_id int, code text, price numeric,
            UNIQUE (code) DEFERRABLE INITIALLY DEFERRED);",
    )
    .await;
    let mapping = r#"
        [entities.items]
        from = "public.item"
        into = "public.items"
        max_rejects = 4
        columns = { id = { id = true }, legacy_id = "id", price = { sql = "price::numeric" } }
    "#;
    pair.migrate(mapping).await.expect("a load");
    pair.source
        .run("UPDATE item SET price = '2', code = 'b' WHERE id IN (1, 3)")
        .await;
    let report = pair.retry(mapping, all()).await;
    assert_eq!(numbers(&report), [2, 1, 1, 0]);
    // The smallest key keeps the value, as at the end of a load.
    let kept = "SELECT string_agg(legacy_id || code, ' ' ORDER BY legacy_id) FROM items";
    assert_eq!(pair.target.value(kept).await.as_deref(), Some("1b 4d"));
    let rejects = pair.rejects("items").await;
    assert_eq!(
        rejects,
        [("2".into(), "DL0406".into()), ("3".into(), "DL0406".into())]
    );
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.identity_items").await,
        2
    );
}

/// Many rejects go page by page; what is found again on the way is not tried twice.
#[tokio::test]
async fn many_rejects_go_page_by_page() {
    let pair = Pair::create(
        "pages",
        "CREATE TABLE item (id int PRIMARY KEY, price text);
         INSERT INTO item SELECT n, 'n/a' FROM generate_series(1, 3500) AS n;",
        "CREATE TABLE items (id uuid PRIMARY KEY, legacy_id int, price numeric);",
    )
    .await;
    let mapping = r#"
        [entities.items]
        from = "public.item"
        into = "public.items"
        max_rejects = 4000
        columns = { id = { id = true }, legacy_id = "id", price = { sql = "price::numeric" } }
    "#;
    pair.migrate(mapping).await.expect("a load");
    pair.source
        .run("UPDATE item SET price = '1' WHERE id % 7 <> 0")
        .await;
    assert_eq!(numbers(&pair.retry(mapping, all()).await), [3500, 3000, 500, 0]);
    pair.source.run("UPDATE item SET price = '1'").await;
    assert_eq!(numbers(&pair.retry(mapping, all()).await), [500, 500, 0, 0]);
    assert_eq!(
        pair.count("SELECT count(DISTINCT legacy_id) FROM items").await,
        3500
    );
}

/// References that became null because their parent was rejected are given back when the parent comes.
#[tokio::test]
async fn children_get_their_references_back() {
    const MAPPING: &str = r#"
        [defaults]
        max_rejects = "50%"
        [entities.parents]
        from = "public.parent"
        into = "public.parents"
        columns = { id = { id = true }, price = { sql = "price::numeric" } }
        [entities.children]
        from = "public.child"
        into = "public.children"
        columns = { id = { id = true }, legacy_id = "id", parent_id = { ref = "parents", from = "parent", missing = "null" } }
    "#;
    let pair = Pair::create(
        "given_back",
        "CREATE TABLE parent (id int PRIMARY KEY, price text);
         CREATE TABLE child (id int PRIMARY KEY, parent int);
         INSERT INTO parent SELECT n, CASE WHEN n < 4 THEN 'n/a' ELSE '1' END FROM generate_series(1, 20) AS n;
         INSERT INTO child SELECT n, 1 + n % 21 FROM generate_series(1, 210) AS n",
        "CREATE TABLE parents (id uuid PRIMARY KEY, price numeric NOT NULL);
         CREATE TABLE children (id uuid PRIMARY KEY, legacy_id int, parent_id uuid REFERENCES parents)",
    )
    .await;
    pair.migrate(MAPPING).await.expect("a load");
    let without = "SELECT count(*) FROM children WHERE parent_id IS NULL";
    // Three parents were rejected, and one does not exist.
    assert_eq!(pair.count(without).await, 40);
    pair.source
        .run("UPDATE parent SET price = '2' WHERE id IN (1, 2)")
        .await;
    let report = pair.retry(MAPPING, all()).await;
    assert_eq!(numbers(&report), [3, 2, 1, 0]);
    assert_eq!(pair.count(without).await, 20);
    let wrong = "SELECT count(*) FROM children AS c WHERE c.parent_id IS DISTINCT FROM (SELECT p.id FROM parents AS p \
                 WHERE p.id = driftless.uuid_for('parents', (1 + c.legacy_id % 21)::text))";
    assert_eq!(pair.count(wrong).await, 0);
    let done = "SELECT count(*) FROM driftless.entity WHERE phase = 'done'";
    assert_eq!(pair.count(done).await, 2);
}
