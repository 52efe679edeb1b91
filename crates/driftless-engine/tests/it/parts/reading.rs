//! Out of the source: snapshot, chunks, batches, sources of every kind.

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, read};

/// Four tables of two chunks and more. A column that was dropped leaves its bytes on the pages, so that the tables are
/// large for whoever cuts them and small for whoever reads them.
const WIDE: &str = "
    CREATE TABLE by_int (id bigint PRIMARY KEY, v text, filler text);
    CREATE TABLE by_uuid (id uuid PRIMARY KEY, v text, filler text);
    CREATE TABLE by_text (id text PRIMARY KEY, v text, filler text);
    ALTER TABLE by_int ALTER filler SET STORAGE PLAIN;
    ALTER TABLE by_uuid ALTER filler SET STORAGE PLAIN;
    ALTER TABLE by_text ALTER filler SET STORAGE PLAIN;
    -- Keys far apart, on both sides of zero and at both ends.
    INSERT INTO by_int SELECT CASE n WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807
        ELSE (n - 2200) * 4000000000000000 END, 'v' || n, repeat('x', 7800) FROM generate_series(1, 4400) AS n;
    INSERT INTO by_uuid SELECT md5(n::text)::uuid, 'v' || n, repeat('x', 7800) FROM generate_series(1, 4400) AS n;
    INSERT INTO by_text SELECT 'k ' || n, 'v' || n, repeat('x', 7800) FROM generate_series(1, 4400) AS n;
    ALTER TABLE by_int DROP filler;
    ALTER TABLE by_uuid DROP filler;
    ALTER TABLE by_text DROP filler;
    CREATE VIEW by_whole AS SELECT id AS n, v FROM by_int WHERE id > 0;";

const WIDE_TARGET: &str = "
    CREATE TABLE by_int (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, v text);
    CREATE TABLE by_uuid (id uuid PRIMARY KEY, v text);
    CREATE TABLE by_text (id uuid PRIMARY KEY, legacy_id text UNIQUE, v text);
    CREATE TABLE by_whole (n bigint PRIMARY KEY, v text);";

const WIDE_MAPPING: &str = r#"
    [entities.by_int]
    from = "public.by_int"
    into = "public.by_int"
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.by_uuid]
    from = "public.by_uuid"
    into = "public.by_uuid"
    identity = { by = "column", column = "id" }
    columns = { id = { id = true } }
    [entities.by_text]
    from = "public.by_text"
    into = "public.by_text"
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.by_whole]
    from = "public.by_whole"
    into = "public.by_whole"
    key = ["n"]
    identity = { by = "columns" }
"#;

#[tokio::test]
async fn chunks_of_every_kind_hold_every_row_once() {
    let pair = Pair::create("chunks", WIDE, WIDE_TARGET).await;
    let report = pair.migrate(WIDE_MAPPING).await.expect("a load");
    assert!(report.entities.iter().all(|one| one.rejected == 0), "{report:?}");
    for (entity, at_least) in [("by_int", 3), ("by_uuid", 3), ("by_text", 3), ("by_whole", 1)] {
        let chunks = pair
            .count(&format!(
                "SELECT count(*) FROM driftless.chunk WHERE entity = '{entity}' AND done"
            ))
            .await;
        assert!(chunks >= at_least, "{entity} has {chunks} chunk(s)");
        let undone = format!("SELECT count(*) FROM driftless.chunk WHERE entity = '{entity}' AND NOT done");
        assert_eq!(pair.count(&undone).await, 0);
        let rows = pair.count(&format!("SELECT count(*) FROM public.{entity}")).await;
        for counted in ["rows_read", "written"] {
            let sum = format!("SELECT sum({counted}) FROM driftless.chunk WHERE entity = '{entity}'");
            assert_eq!(pair.count(&sum).await, rows, "{entity} {counted}");
        }
        let busy =
            format!("SELECT count(*) FROM driftless.chunk WHERE entity = '{entity}' AND rows_read > 100");
        assert!(
            pair.count(&busy).await >= at_least,
            "{entity}: chunks share the rows"
        );
    }
    for (source, target) in [
        ("SELECT id, v FROM by_int", "SELECT legacy_id, v FROM by_int"),
        ("SELECT id, v FROM by_uuid", "SELECT id, v FROM by_uuid"),
        ("SELECT id, v FROM by_text", "SELECT legacy_id, v FROM by_text"),
        ("SELECT n, v FROM by_whole", "SELECT n, v FROM by_whole"),
    ] {
        let (mut here, mut there) = (pair.source.rows(source).await, pair.target.rows(target).await);
        here.sort();
        there.sort();
        assert!(here == there && here.len() > 2000, "{target}");
    }
    let snapshots = "SELECT count(DISTINCT snapshot) FROM driftless.chunk";
    assert_eq!(pair.count(snapshots).await, 1, "one snapshot for all workers");
}

#[tokio::test]
async fn all_workers_share_one_snapshot() {
    let source = "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, parent_id int, note text);
        INSERT INTO parent SELECT n FROM generate_series(1, 100) AS n;
        INSERT INTO child SELECT n, n, 'before' FROM generate_series(1, 100) AS n;";
    let target = format!(
        "{GATE} CREATE TABLE parent (id uuid PRIMARY KEY, legacy_id bigint);
         CREATE TABLE child (id uuid PRIMARY KEY, parent_id uuid NOT NULL REFERENCES parent, note text, legacy_id int);"
    );
    let pair = Pair::create("snapshot", source, &target).await;
    let spec = pair.spec(
        r#"
        [entities.parent]
        from = "public.parent"
        into = "public.parent"
        columns = { id = { id = true }, legacy_id = { sql = "public.gate(id, 50)" } }
        [entities.child]
        from = "public.child"
        into = "public.child"
        after = ["parent"]
        columns = { id = { id = true }, legacy_id = "id", parent_id = { ref = "parent", from = "parent_id" } }
        "#,
    );
    let gate = Gate::shut(&pair.target).await;
    let (report, ()) = tokio::join!(crate::pair::migrate_spec(&spec), async {
        gate.reached().await;
        // Parents are half read, children not yet: all of this is after the snapshot.
        pair.source
            .run(
                "INSERT INTO parent SELECT n FROM generate_series(101, 200) AS n;
                 INSERT INTO child SELECT n, n, 'new' FROM generate_series(101, 200) AS n;
                 UPDATE child SET note = 'changed', parent_id = 150 WHERE id <= 50;
                 DELETE FROM child WHERE id > 90 AND id <= 100; DELETE FROM parent WHERE id > 90 AND id <= 100;",
            )
            .await;
        gate.open().await;
    });
    assert_eq!(
        report
            .expect("a load")
            .entities
            .iter()
            .map(|one| one.read)
            .sum::<i64>(),
        200
    );
    assert_eq!(pair.count("SELECT count(*) FROM driftless.rejects").await, 0);
    assert_eq!(
        pair.count("SELECT count(*) FROM parent WHERE legacy_id <= 100")
            .await,
        100
    );
    assert_eq!(
        pair.count("SELECT count(*) FROM child AS c JOIN parent AS p ON p.id = c.parent_id WHERE c.legacy_id = p.legacy_id AND note = 'before'")
            .await,
        100
    );
}

#[tokio::test]
async fn batches_are_bounded_in_rows_and_in_bytes() {
    // Each batch is evaluated in a transaction of its own, whose number tells the batches apart.
    let target = "CREATE FUNCTION public.batch(n int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RETURN pg_current_xact_id()::text; END $$;
        CREATE TABLE few (id uuid PRIMARY KEY, batch text, body text); CREATE TABLE wide (id uuid PRIMARY KEY, batch text, body text);";
    let source =
        "CREATE TABLE few (id int PRIMARY KEY, body text); CREATE TABLE wide (id int PRIMARY KEY, body text);
        INSERT INTO few SELECT n, 'x' FROM generate_series(1, 1005) AS n;
        INSERT INTO wide SELECT n, repeat(n::text, 2000) FROM generate_series(1000, 1499) AS n;";
    let pair = Pair::create("batches", source, target).await;
    pair.migrate(
        r#"
        [entities.few]
        from = "public.few"
        into = "public.few"
        batch_rows = 100
        columns = { id = { id = true }, batch = { sql = "public.batch(id)" } }
        [entities.wide]
        from = "public.wide"
        into = "public.wide"
        batch_bytes = "64kB"
        columns = { id = { id = true }, batch = { sql = "public.batch(id)" } }
        "#,
    )
    .await
    .expect("a load");
    let sizes =
        "SELECT string_agg(n::text, ' ' ORDER BY n) FROM (SELECT count(*) AS n FROM few GROUP BY batch) AS b";
    let expected = format!("5{}", " 100".repeat(10));
    assert_eq!(pair.target.value(sizes).await, Some(expected));
    let bytes =
        "SELECT max(bytes) FROM (SELECT sum(octet_length(body)) AS bytes FROM wide GROUP BY batch) AS b";
    let most = pair.count(bytes).await;
    // A batch ends with the row that fills it.
    assert!(
        (40_000..=65_536 + 8_100).contains(&most),
        "{most} bytes in a batch"
    );
    assert_eq!(pair.count("SELECT count(*) FROM wide").await, 500);
}

#[tokio::test]
async fn rows_that_are_too_large_are_rejected_and_nothing_else() {
    let source = "CREATE TABLE doc (id int PRIMARY KEY, a text, b text);
        INSERT INTO doc SELECT n, repeat('a', CASE WHEN n = 7 THEN 2000000 ELSE 10 END), repeat('b', CASE WHEN n = 8 THEN 700000 ELSE 10 END)
        FROM generate_series(1, 20) AS n;
        UPDATE doc SET a = repeat('a', 700000) WHERE id = 8;";
    let pair = Pair::create(
        "large",
        source,
        "CREATE TABLE doc (id int PRIMARY KEY, a text, b text);",
    )
    .await;
    let spec = read(&format!(
        "[pipeline]\nname = \"test\"\nmax_row_bytes = \"1MB\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n\
         [defaults]\nmax_rejects = 5\n[entities.doc]\nfrom = \"public.doc\"\ninto = \"public.doc\"\nidentity = {{ by = \"columns\" }}\n",
        pair.source.url(),
        pair.target.url()
    ));
    crate::pair::migrate_spec(&spec).await.expect("a load");
    let large = |key: &str| (key.to_owned(), "DL0408".to_owned());
    assert_eq!(pair.rejects("doc").await, [large("7"), large("8")]);
    assert_eq!(
        pair.count("SELECT count(*) FROM doc WHERE length(a) = 10 AND length(b) = 10")
            .await,
        18
    );
    // A row too large to load is too large to keep on record.
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.rejects WHERE pg_column_size(source_row) > 100000")
            .await,
        0
    );
}

#[tokio::test]
async fn sources_of_every_kind() {
    let source = r#"
        CREATE TABLE empty (id int PRIMARY KEY, v text);
        CREATE TABLE single (id smallint PRIMARY KEY, v text); INSERT INTO single VALUES (-1, 'only');
        CREATE TABLE texts (code text PRIMARY KEY, v text);
        INSERT INTO texts VALUES ('', 'empty'), (' ', 'blank'), ('"', 'quote'), ('\', 'backslash'), ('é😀', 'emoji'), ('a,b', 'comma');
        CREATE TABLE pairs (a int, b text, c uuid, v text, PRIMARY KEY (a, b, c));
        INSERT INTO pairs VALUES (1, 'x', '00000000-0000-0000-0000-000000000001', 'first'), (1, '["]', '00000000-0000-0000-0000-000000000001', 'odd'),
            (-1, e'tab\there', '00000000-0000-0000-0000-000000000002', 'tab');
        CREATE SCHEMA "odd schema"; CREATE TABLE "odd schema"."odd.table" ("Key ""k""" int PRIMARY KEY, "select" text);
        INSERT INTO "odd schema"."odd.table" VALUES (1, 'quoted'), (2, 'names');
        CREATE TABLE part (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
        CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a'); CREATE TABLE part_rest PARTITION OF part DEFAULT;
        INSERT INTO part SELECT n, CASE WHEN n % 2 = 0 THEN 'a' ELSE 'z' END, 'p' || n FROM generate_series(1, 10) AS n;
        CREATE VIEW seen AS SELECT id, upper(v) AS v FROM single;
        CREATE MATERIALIZED VIEW kept AS SELECT n AS id, 'm' || n AS v FROM generate_series(1, 5) AS n;
        CREATE TABLE filtered (id int PRIMARY KEY, gone bool, v text);
        INSERT INTO filtered SELECT n, CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END, 'f' || n FROM generate_series(1, 9) AS n;
    "#;
    let names = [
        "empty", "single", "texts", "pairs", "odd", "part", "seen", "kept", "filtered", "query",
    ];
    let target: String = names
        .iter()
        .map(|name| format!("CREATE TABLE {name} (id uuid PRIMARY KEY, v text);"))
        .collect();
    let pair = Pair::create("sources", source, &target).await;
    let simple = |name: &str, more: &str| {
        format!(
            "[entities.{name}]\nfrom = \"public.{name}\"\ninto = \"public.{name}\"\n{more}\ncolumns = {{ id = {{ id = true }} }}\n"
        )
    };
    let mapping = [
        simple("empty", ""),
        simple("single", ""),
        simple("texts", ""),
        simple("pairs", ""),
        simple("part", ""),
        simple("seen", "key = [\"id\"]"),
        simple("kept", "key = [\"id\"]"),
        simple("filtered", "where = \"gone -- null is not true\""),
        r#"
        [entities.odd]
        from = ["odd schema", "odd.table"]
        into = "public.odd"
        columns = { id = { id = true }, v = "select" }
        [entities.query]
        sql = "SELECT s.id + n AS id, s.v || n AS v FROM public.single AS s, generate_series(1, 3) AS n -- three"
        into = "public.query"
        key = ["id"]
        columns = { id = { id = true } }
        "#
        .to_owned(),
    ]
    .concat();
    let report = pair.migrate(&mapping).await.expect("a load");
    assert_eq!(report.entities.len(), names.len());
    let values = |name: &'static str| {
        let pair = &pair;
        async move {
            pair.target
                .value(&format!(
                    "SELECT string_agg(v, ' ' ORDER BY v) FROM public.{name}"
                ))
                .await
                .unwrap_or_default()
        }
    };
    for (name, expected) in [
        ("empty", ""),
        ("single", "only"),
        ("texts", "backslash blank comma emoji empty quote"),
        ("pairs", "first odd tab"),
        ("odd", "names quoted"),
        ("part", "p1 p10 p2 p3 p4 p5 p6 p7 p8 p9"),
        ("seen", "ONLY"),
        ("kept", "m1 m2 m3 m4 m5"),
        ("filtered", "f3 f6 f9"),
        ("query", "only1 only2 only3"),
    ] {
        assert_eq!(values(name).await, expected, "{name}");
    }
}
