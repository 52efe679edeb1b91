//! What becomes of single rows: those that cannot be shaped, those that the target refuses, those that a rule finds.

use driftless_core::code;

use crate::gate::{GATE, Gate};
use crate::pair::Pair;

/// Expected rejects: key and code.
fn expected(rejects: &[(&str, u16)]) -> Vec<(String, String)> {
    let one = |(key, code): &(&str, u16)| ((*key).to_owned(), format!("DL{code:04}"));
    rejects.iter().map(one).collect()
}

const FAULTY: &str = "
    CREATE TABLE item (id int PRIMARY KEY, price text, qty int, code text, kind text, born timestamp);
    INSERT INTO item SELECT n, '1.50', 2, 'c' || n, 'a', '2024-01-01' FROM generate_series(1, 300) AS n;
    UPDATE item SET price = 'n/a' WHERE id IN (3, 150, 299);
    UPDATE item SET qty = 0 WHERE id = 4;
    UPDATE item SET price = '1e400000' WHERE id = 5;
    UPDATE item SET code = NULL WHERE id = 6;
    UPDATE item SET code = 'far too long for it' WHERE id = 7;
    UPDATE item SET kind = 'nobody knows' WHERE id = 8;
    UPDATE item SET price = '-1' WHERE id = 9;
    UPDATE item SET qty = 1000 WHERE id = 10;
    UPDATE item SET price = '12345678901' WHERE id = 11;";

const FAULTY_TARGET: &str = "
    CREATE DOMAIN quantity AS int CHECK (VALUE < 1000);
    CREATE TABLE item (id uuid PRIMARY KEY, legacy_id int UNIQUE, price numeric(12,2) CHECK (price >= 0), half numeric, qty quantity,
        code varchar(8) NOT NULL, kind text);";

/// The same mapping with and without an expression that never fails, which changes the way the batch goes.
const FAULTY_MAPPING: &str = r#"
    [defaults]
    max_rejects = "50%"
    [entities.item]
    from = "public.item"
    into = "public.item"
    batch_rows = 100
    [entities.item.columns]
    id = { id = true }
    legacy_id = "id"
    price = { sql = "price::numeric" }
    half = { sql = "10.0 / qty" }
    kind = { map = "kind", values = { a = "b" }, unknown = "reject" }
"#;

async fn faults_are_found(pair: &Pair) {
    let rejects = pair.rejects("item").await;
    let unlike = [
        ("3", 404),
        ("4", 404),
        ("5", 404),
        ("6", 402),
        ("7", 403),
        ("8", 401),
        ("9", 407),
        ("10", 407),
        ("11", 403),
    ];
    assert_eq!(rejects[..9], expected(&unlike));
    assert_eq!(rejects[9..], expected(&[("150", 404), ("299", 404)]));
    let states = pair
        .target
        .rows("SELECT key, sqlstate FROM driftless.rejects WHERE sqlstate IS NOT NULL ORDER BY key::int")
        .await;
    let states: Vec<String> = states
        .iter()
        .map(|row| {
            format!(
                "{} {}",
                row[0].as_deref().unwrap_or("-"),
                row[1].as_deref().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        states.join(", "),
        "3 22P02, 4 22012, 5 22003, 9 23514, 10 23514, 150 22P02, 299 22P02"
    );
    let rows = "SELECT count(*) FROM item WHERE price = 1.50 AND half = 5 AND qty = 2 AND kind = 'b' AND code = 'c' || legacy_id";
    assert_eq!(pair.count(rows).await, 289);
}

#[tokio::test]
async fn faults_of_single_rows_leave_the_others_alone() {
    let pair = Pair::create("faults", FAULTY, FAULTY_TARGET).await;
    pair.migrate(FAULTY_MAPPING).await.expect("a load");
    faults_are_found(&pair).await;
    assert_eq!(pair.count("SELECT count(*) FROM item").await, 289);
    // Each reject says what stood in the row, where it failed and how it is looked at.
    let complete = "SELECT count(*) FROM driftless.rejects WHERE source_row ->> 'id' = key AND message <> '' AND stage <> '' \
                    AND category IN ('data_quality', 'technical', 'business_rule')";
    assert_eq!(pair.count(complete).await, 11);
}

/// What failed in an earlier batch is looked for first, and yet does not tell of a row in which something before it fails.
#[tokio::test]
async fn of_several_expressions_that_fail_the_first_one_tells() {
    let source = "CREATE TABLE item (id int PRIMARY KEY, price text, qty int, code text, kind text);
        INSERT INTO item SELECT n, '1.50', 2, 'c' || n, 'a' FROM generate_series(1, 300) AS n;
        UPDATE item SET qty = 0 WHERE id IN (4, 150);
        UPDATE item SET price = 'n/a' WHERE id IN (150, 299);";
    let pair = Pair::create("first_tells", source, FAULTY_TARGET).await;
    pair.migrate(FAULTY_MAPPING).await.expect("a load");
    let told = "SELECT string_agg(key || ' ' || column_name, ', ' ORDER BY key::int) FROM driftless.rejects";
    assert_eq!(
        pair.target.value(told).await.as_deref(),
        Some("4 half, 150 price, 299 price")
    );
    assert_eq!(pair.count("SELECT count(*) FROM item WHERE half = 5").await, 297);
}

#[tokio::test]
async fn faults_beside_rows_of_others() {
    let others = format!(
        "{FAULTY_TARGET} INSERT INTO item VALUES ('00000000-0000-0000-0000-000000000001', 20, 7, 7, 7, 'theirs', 'theirs');
         INSERT INTO item VALUES ('00000000-0000-0000-0000-000000000002', 5000, 7, 7, 7, 'theirs', 'theirs');
         CREATE UNIQUE INDEX ON item (lower(code)) WHERE kind = 'b'"
    );
    let pair = Pair::create("beside", FAULTY, &others).await;
    pair.source
        .run("UPDATE item SET code = 'C200' WHERE id = 290; UPDATE item SET code = 'C31' WHERE id = 30")
        .await;
    let mapping = FAULTY_MAPPING.replace(
        "from = \"public.item\"",
        "from = \"public.item\"\nwhere = \"id > 0\"",
    );
    let report = pair.migrate(&mapping).await.expect("a load");
    assert_eq!(report.entities[0].path, "beside");
    let rejects = pair.rejects("item").await;
    let duplicates: Vec<_> = rejects
        .iter()
        .filter(|(_, code)| code == "DL0406")
        .cloned()
        .collect();
    // 20 is theirs; of 30 and 31, and of 200 and 290, the smaller key has it.
    assert_eq!(duplicates, expected(&[("20", 406), ("31", 406), ("290", 406)]));
    assert_eq!(rejects.len(), 14);
    assert_eq!(
        pair.count("SELECT count(*) FROM item WHERE code = 'theirs' AND price = 7")
            .await,
        2
    );
    assert_eq!(pair.count("SELECT count(*) FROM item").await, 300 - 14 + 2);
}

#[tokio::test]
async fn rules_reject_warn_and_halt() {
    let source = "CREATE TABLE person (id int PRIMARY KEY, name text, mail text, age int);
        INSERT INTO person SELECT n, 'n' || n, 'm' || n || '@x', n FROM generate_series(1, 100) AS n;
        UPDATE person SET name = 'X' WHERE id = 10; UPDATE person SET mail = 'none' WHERE id IN (20, 21); UPDATE person SET mail = NULL WHERE id = 22;
        UPDATE person SET age = NULL WHERE id = 30; UPDATE person SET name = 'X', mail = 'none' WHERE id = 40;";
    let target = "CREATE TABLE person (id uuid PRIMARY KEY, name text, mail text, age int);";
    let mapping = |age: &str| {
        format!(
            r#"
            [entities.person]
            from = "public.person"
            into = "public.person"
            max_rejects = 10
            [entities.person.columns]
            id = {{ id = true }}
            name = {{ sql = "upper(name)" }}
            [[entities.person.rules]]
            name = "lower"
            check = "name ~ '^n'"
            [[entities.person.rules]]
            name = "mail"
            check = "mail ~ '@' AND name ~ '^N'"
            on = "target"
            on_fail = "warn"
            [[entities.person.rules]]
            name = "age"
            check = "{age}"
            on_fail = "halt"
            "#
        )
    };
    let pair = Pair::create("rules", source, target).await;
    let error = pair
        .migrate(&mapping("age < 100"))
        .await
        .expect_err("100 is no age");
    assert_eq!(error.code(), code::RULE_HALTED);
    assert!(error.to_string().contains("age"), "{error}");
    assert_eq!(
        pair.count("SELECT count(*) FROM person").await,
        0,
        "what halts is not loaded by half"
    );

    let pair = Pair::create("rules", source, target).await;
    pair.migrate(&mapping("age <= 100")).await.expect("a load");
    assert_eq!(
        pair.rejects("person").await,
        expected(&[("10", 405), ("40", 405)])
    );
    let rules = "SELECT string_agg(key || ' ' || rule, ', ' ORDER BY key) FROM driftless.warning";
    assert_eq!(
        pair.target.value(rules).await.as_deref(),
        Some("20 mail, 21 mail")
    );
    let named = "SELECT count(*) FROM driftless.rejects WHERE rule = 'lower' AND category = 'business_rule'";
    assert_eq!(pair.count(named).await, 2);
    assert_eq!(pair.count("SELECT count(*) FROM person").await, 98);
}

const MANY: &str = "CREATE TABLE item (id int PRIMARY KEY, price text); \
    INSERT INTO item SELECT n, CASE WHEN n <= 120 THEN 'n/a' ELSE '1' END FROM generate_series(1, 4000) AS n;";

fn many(max_rejects: &str) -> String {
    format!(
        r#"
        [entities.item]
        from = "public.item"
        into = "public.item"
        max_rejects = {max_rejects}
        columns = {{ id = {{ id = true }}, price = {{ sql = "price::numeric" }} }}
        "#
    )
}

#[tokio::test]
async fn more_rejects_than_allowed_halt_and_can_be_allowed() {
    let target =
        "CREATE TABLE item (id uuid PRIMARY KEY, price numeric); CREATE INDEX item_price ON item (price);";
    let pair = Pair::create("maxrejects", MANY, target).await;
    for too_few in ["0", "119", "\"2.9%\""] {
        let error = pair.migrate(&many(too_few)).await.expect_err("too many rejects");
        assert_eq!(error.code(), code::TOO_MANY_REJECTS, "{too_few}: {error}");
        assert!(error.to_string().contains("120"), "{error}");
        let undone = "SELECT count(*) FROM driftless.entity WHERE phase <> 'done'";
        assert_eq!(
            pair.count(undone).await,
            1,
            "max_rejects = {too_few}: what is halted is not done"
        );
        let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'item' AND schemaname = 'public'";
        assert_eq!(pair.count(indexes).await, 2, "what was set aside is back");
    }
    for enough in ["120", "\"3%\""] {
        let report = pair.migrate(&many(enough)).await.expect("a load");
        assert_eq!(report.entities[0].rejected, 120);
    }
    assert_eq!(pair.count("SELECT count(*) FROM item").await, 3880);
    assert_eq!(pair.count("SELECT count(*) FROM driftless.rejects").await, 120);
}

#[tokio::test]
async fn rejects_that_a_proof_finds_count_too() {
    let source = "CREATE TABLE a (id int PRIMARY KEY, b int); INSERT INTO a SELECT n, n % 50 FROM generate_series(1, 100) AS n;";
    let target = "CREATE TABLE a (id uuid PRIMARY KEY, b int UNIQUE);";
    let pair = Pair::create("proven", source, target).await;
    let mapping = |max: &str| {
        format!(
            "[entities.a]\nfrom = \"public.a\"\ninto = \"public.a\"\nmax_rejects = {max}\ncolumns = {{ id = {{ id = true }} }}\n"
        )
    };
    let error = pair
        .migrate(&mapping("\"10%\""))
        .await
        .expect_err("too many rejects");
    assert_eq!(error.code(), code::TOO_MANY_REJECTS, "{error}");
    let error = pair
        .migrate(&mapping("\"10%\""))
        .await
        .expect_err("too many rejects, and again");
    assert_eq!(error.code(), code::TOO_MANY_REJECTS, "{error}");
    pair.migrate(&mapping("50")).await.expect("a load");
    assert_eq!(pair.count("SELECT count(*) FROM a").await, 50);
}

#[tokio::test]
async fn sensitive_values_are_stored_nowhere_in_clear() {
    let source = "CREATE TABLE patient (id int PRIMARY KEY, diagnosis text, weight text, insurance text);
        INSERT INTO patient SELECT n, 'hidden-illness-' || n, '70', 'hidden-number-' || n FROM generate_series(1, 20) AS n;
        UPDATE patient SET weight = 'hidden-weight' WHERE id = 3;               -- an expression that quotes its input
        UPDATE patient SET insurance = 'hidden-number-1' WHERE id IN (4, 5);     -- a duplicate, found by the proof
        UPDATE patient SET insurance = 'hidden-number-refused' WHERE id = 6;     -- a CHECK
        UPDATE patient SET diagnosis = 'hidden-illness-too-long-for-the-column' WHERE id = 7;
        UPDATE patient SET diagnosis = NULL WHERE id = 8;";
    for beside in ["", "INSERT INTO patient VALUES (gen_random_uuid(), 'x', 1, 'y');"] {
        let target = format!(
            "CREATE TABLE patient (id uuid PRIMARY KEY, diagnosis varchar(20) NOT NULL, weight numeric, insurance text UNIQUE
             CONSTRAINT real CHECK (insurance !~ 'refused')); {beside}"
        );
        let pair = Pair::create("sensitive", source, &target).await;
        pair.migrate(
            r#"
            [entities.patient]
            from = "public.patient"
            into = "public.patient"
            max_rejects = 10
            sensitive = ["diagnosis", "weight", "insurance"]
            columns = { id = { id = true }, weight = { sql = "weight::numeric" } }
            "#,
        )
        .await
        .expect("a load");
        let rejects = [
            ("3", 404),
            ("4", 406),
            ("5", 406),
            ("6", 407),
            ("7", 403),
            ("8", 402),
        ];
        assert_eq!(pair.rejects("patient").await, expected(&rejects));
        // Every table of the state, as text.
        let clear = "SELECT coalesce(sum(length(x) - length(replace(x, 'hidden-', '')))::text, '0') FROM (SELECT \
             query_to_xml(format('SELECT * FROM driftless.%I', relname), true, true, '')::text AS x FROM pg_class \
             WHERE relnamespace = 'driftless'::regnamespace AND relkind = 'r') AS t";
        assert_eq!(pair.target.value(clear).await.as_deref(), Some("0"), "{beside}");
        // Nulls are no secret, and what is not sensitive is there.
        let row = "SELECT source_row ->> 'id' || ' ' || (source_row ->> 'diagnosis' IS NULL) FROM driftless.rejects WHERE key = '8'";
        assert_eq!(pair.target.value(row).await.as_deref(), Some("8 true"));
    }
}

#[tokio::test]
async fn characters_of_every_kind() {
    let source = r#"CREATE TABLE texts (id int PRIMARY KEY, t text, j json, b bytea);
        INSERT INTO texts VALUES (1, e'quote " apostrophe '' backslash \\ tab \t line \n return \r end \\N \\.', '{"a": "b"}', '\x00ff'),
            (2, '👩‍👩‍👧‍👦 \u0000 é e' || U&'\0301', '{"a": "\ud83d\ude00", "a": 2,  "b" : [1.0, 1e5]}', ''),
            (3, '', '"\u0000"', NULL), (4, NULL, 'null', '\x5c'), (5, chr(1) || chr(127) || chr(65534) || chr(1114111), '[]', NULL),
            (6, 'x', '{"n": "a\u0000b"}', NULL);"#;
    let target = "CREATE TABLE texts (id int PRIMARY KEY, t text, j json, b bytea, all_of_it jsonb, u text);
        CREATE TABLE as_jsonb (id int PRIMARY KEY, j jsonb);";
    let pair = Pair::create("characters", source, target).await;
    pair.migrate(
        r#"
        [defaults]
        max_rejects = 10
        [entities.texts]
        from = "public.texts"
        into = "public.texts"
        where = "id <> 6"
        identity = { by = "columns" }
        columns = { all_of_it = { json = { t = "t", b = "b" } }, u = { sql = "upper(t)" } }
        [entities.as_jsonb]
        from = "public.texts"
        into = "public.as_jsonb"
        identity = { by = "columns" }
        columns = { id = "id", j = { sql = "j::text::jsonb" } }
        "#,
    )
    .await
    .expect("a load");
    // jsonb knows no U+0000.
    assert_eq!(
        pair.rejects("as_jsonb").await,
        expected(&[("3", 404), ("6", 404)])
    );
    assert_eq!(pair.rejects("texts").await, expected(&[]));
    let read = "SELECT id, t, j::text, b, jsonb_build_object('t', t, 'b', b)::text, upper(t) FROM texts WHERE id <> 6 ORDER BY id";
    let written = "SELECT id, t, j::text, b, all_of_it::text, u FROM texts ORDER BY id";
    assert_eq!(pair.source.rows(read).await, pair.target.rows(written).await);
}

/// A trigger that somebody makes while a load is under way, and that keeps a row out, is found wherever rows go in: among rows of
/// which others are refused, too.
#[tokio::test]
async fn a_row_that_a_trigger_swallows_is_missed() {
    for price in ["1", "100"] {
        let pair = Pair::create(
            "swallowed",
            &format!(
                "CREATE TABLE item (id int PRIMARY KEY, price text);
                 INSERT INTO item SELECT n, CASE n WHEN 5 THEN '{price}' ELSE '1' END FROM generate_series(1, 20) AS n;"
            ),
            &format!(
                "{GATE} CREATE TABLE held (id int PRIMARY KEY);
                 CREATE TABLE items (id int PRIMARY KEY, price numeric CHECK (price < 100));"
            ),
        )
        .await;
        let mapping = r#"
            [defaults]
            max_rejects = "50%"
            [entities.held]
            from = "public.item"
            into = "public.held"
            columns = { id = { sql = "public.gate(id, 1)::int4" } }
            [entities.items]
            from = "public.item"
            into = "public.items"
            after = ["held"]
            columns = { price = { sql = "price::numeric" } }
        "#;
        let gate = Gate::shut(&pair.target).await;
        let (loaded, ()) = tokio::join!(pair.migrate(mapping), async {
            gate.reached().await;
            pair.target
                .run(
                    "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                     CREATE TRIGGER swallow BEFORE INSERT ON items FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION swallow();
                     ALTER TABLE items ENABLE ALWAYS TRIGGER swallow;",
                )
                .await;
            gate.open().await;
        });
        let error = loaded.expect_err("a row is missing");
        assert_eq!(error.code(), code::INTEGRITY, "{error}");
        assert!(error.to_string().contains("swallows rows"), "{error}");
        assert_eq!(pair.count("SELECT count(*) FROM items").await, 0);
    }
}
