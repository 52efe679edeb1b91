//! Rows that the source cannot give: views, queries and filters that fail for some rows.

use driftless_core::code;
use driftless_engine::run::report::RejectFilter;
use driftless_engine::run::{Stop, validate};

use super::resume::stopped_at;
use crate::pair::{Pair, migrate_until};

/// A view, a query with a key of two columns, a filter over pages, and rows without a key: of each a few fail. The text of what
/// a function raises holds a value.
const SOURCE: &str = "
    CREATE TABLE measured (id int PRIMARY KEY, whole int, parts int);
    INSERT INTO measured SELECT n, n, CASE WHEN n IN (1, 700, 701, 5000) THEN 0 ELSE 5 END FROM generate_series(1, 5000) AS n;
    CREATE VIEW measure AS SELECT id, whole / parts AS share FROM measured;
    CREATE TABLE raw (a int, b text, v text, PRIMARY KEY (a, b));
    INSERT INTO raw SELECT n % 20, 'é''' || n, CASE WHEN n IN (7, 2000) THEN 'secret' ELSE n::text END FROM generate_series(1, 3000) AS n;
    CREATE TABLE paged (id text PRIMARY KEY, parts int, filler text);
    ALTER TABLE paged ALTER filler SET STORAGE PLAIN;
    INSERT INTO paged SELECT 'k ' || n, CASE WHEN n IN (3, 2100) THEN 0 ELSE n END, repeat('x', 7800) FROM generate_series(1, 4400) AS n;
    ALTER TABLE paged DROP filler;
    CREATE TABLE placed (n int, parts int);
    INSERT INTO placed SELECT n, CASE WHEN n = 250 THEN 0 ELSE 1 END FROM generate_series(1, 500) AS n;
    CREATE FUNCTION refuse(n int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN IF n IN (20, 21) THEN RAISE 'secret %', n; END IF; RETURN 'c' || n; END $$;
    CREATE TABLE coded (id int PRIMARY KEY, measure int);
    INSERT INTO coded SELECT n, n FROM generate_series(1, 900) AS n;
    CREATE VIEW code AS SELECT id, refuse(id) AS code, measure FROM coded;";

const TARGET: &str = "
    CREATE TABLE measures (id uuid PRIMARY KEY, legacy_id int, share int);
    CREATE TABLE parsed (id uuid PRIMARY KEY, a int, b text, v int);
    CREATE TABLE paged (id uuid PRIMARY KEY, legacy_id text, parts int);
    CREATE TABLE placed (n int, parts int);
    CREATE TABLE codes (id uuid PRIMARY KEY, legacy_id int, code text UNIQUE, measure uuid NOT NULL REFERENCES measures);
    INSERT INTO measures VALUES (md5('theirs')::uuid, NULL, 0);
    INSERT INTO codes SELECT md5('there ' || n)::uuid, NULL, 'c' || n, md5('theirs')::uuid FROM generate_series(20, 60, 10) AS n;";

const MAPPING: &str = r#"
    [defaults]
    max_rejects = 100
    [entities.codes]
    from = "public.code"
    key = "id"
    into = "public.codes"
    identity = { match = ["code"] }
    columns = { id = { id = true }, legacy_id = "id", measure = { ref = "measures", from = "measure" } }
    [entities.measures]
    from = "public.measure"
    key = "id"
    into = "public.measures"
    identity = { by = "random" }
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.parsed]
    sql = "SELECT a, b, v::integer AS v FROM public.raw -- a comment"
    key = ["a", "b"]
    into = "public.parsed"
    columns = { id = { id = true } }
    [entities.paged]
    from = "public.paged"
    into = "public.paged"
    where = "100 / parts >= 0 -- a comment"
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.placed]
    from = "public.placed"
    into = "public.placed"
    where = "1 / parts = 1"
    identity = { by = "none" }
"#;

const RECORD: &str = "SELECT entity, key, code || ' ' || sqlstate || ' ' || stage || ' ' || message FROM driftless.rejects ORDER BY entity, length(key), key";

/// Entity, key and what is told, as they are expected.
fn told(rows: &[(&str, &str, &str)]) -> Vec<Vec<Option<String>>> {
    let cause = |state: &str| match state {
        "22012" => "22012 division_by_zero",
        "22P02" => "22P02 invalid_text_representation",
        _ => "P0001 raise_exception",
    };
    rows.iter()
        .map(|(entity, key, state)| {
            let message = match *state {
                "" => return vec![Some((*entity).to_owned()), Some((*key).to_owned()), None],
                state => format!(
                    "DL0413 {state} extract the source cannot give the row: {}",
                    cause(state)
                ),
            };
            vec![Some((*entity).to_owned()), Some((*key).to_owned()), Some(message)]
        })
        .collect()
}

/// What is there is what the source can give.
async fn as_the_source_is(pair: &Pair) {
    for (what, expected, actual) in [
        (
            "measures",
            "SELECT id, whole / parts FROM measured WHERE parts <> 0 ORDER BY 1",
            "SELECT legacy_id, share FROM measures WHERE legacy_id IS NOT NULL ORDER BY 1",
        ),
        (
            "parsed",
            "SELECT a, b, v FROM raw WHERE v <> 'secret' ORDER BY 1, 2",
            "SELECT a, b, v FROM parsed ORDER BY 1, 2",
        ),
        (
            "paged",
            "SELECT id, parts FROM paged WHERE parts <> 0 AND parts <= 4400 ORDER BY 1",
            "SELECT legacy_id, parts FROM paged ORDER BY 1",
        ),
        (
            "placed",
            "SELECT n, parts FROM placed WHERE parts <> 0 ORDER BY 1",
            "SELECT n, parts FROM placed ORDER BY 1",
        ),
        (
            "codes",
            "SELECT c.id, 'c' || c.id, CASE WHEN c.id NOT IN (30, 40, 50, 60) THEN c.measure END FROM coded AS c JOIN measured AS m ON m.id = c.measure \
             WHERE c.id NOT IN (20, 21) AND m.parts <> 0 ORDER BY 1",
            "SELECT i.k1, c.code, m.legacy_id FROM driftless.identity_codes AS i JOIN codes AS c ON c.id = i.t1 \
             JOIN measures AS m ON m.id = c.measure ORDER BY 1",
        ),
    ] {
        assert_eq!(
            pair.target.rows(actual).await,
            pair.source.rows(expected).await,
            "{what}"
        );
    }
    let validation = validate(&pair.spec(MAPPING), &[]).await.expect("a report");
    let differences: Vec<String> = validation
        .differences()
        .map(|(entity, check)| format!("{entity}: {check:?}"))
        .collect();
    assert_eq!(differences, [""; 0]);
}

/// The rejects of all entities but those without a key, whose places are not told in advance.
async fn on_record(pair: &Pair) -> Vec<Vec<Option<String>>> {
    let rows = pair.target.rows(RECORD).await.into_iter();
    rows.filter(|row| row[0].as_deref() != Some("placed")).collect()
}

#[tokio::test]
async fn all_others_are_loaded() {
    let pair = Pair::create("withheld", SOURCE, TARGET).await;
    let report = pair.migrate(MAPPING).await.expect("a load");
    let placed = report.entities.iter().find(|one| one.entity == "placed");
    assert_eq!(placed.map(|one| (one.read, one.rejected)), Some((500, 1)));
    let mut found = on_record(&pair).await;
    let children: Vec<_> = found
        .extract_if(.., |row| {
            row[2].as_deref().is_some_and(|text| text.starts_with("DL0412"))
        })
        .collect();
    let keys: Vec<_> = children.iter().filter_map(|row| row[1].as_deref()).collect();
    assert_eq!(keys, ["1", "700", "701"]);
    assert_eq!(
        found,
        told(&[
            ("codes", "20", "P0001"),
            ("codes", "21", "P0001"),
            ("measures", "1", "22012"),
            ("measures", "700", "22012"),
            ("measures", "701", "22012"),
            ("measures", "5000", "22012"),
            ("paged", "k 3", "22012"),
            ("paged", "k 2100", "22012"),
            ("parsed", r#"["7","é'7"]"#, "22P02"),
            ("parsed", r#"["0","é'2000"]"#, "22P02"),
        ])
    );
    as_the_source_is(&pair).await;
    assert!(pair.migrate(MAPPING).await.expect("done").nothing_to_do);
    // What the source can give now is written; the others are tried, and stay on record.
    pair.source
        .run("UPDATE measured SET parts = 5 WHERE id = 700; UPDATE raw SET v = '7' WHERE a = 7 AND v = 'secret'")
        .await;
    let report = pair.retry(MAPPING, RejectFilter::default()).await;
    assert_eq!(
        (report.tried, report.written, report.still_rejected),
        (13, 3, 10),
        "{report:?}"
    );
    as_the_source_is(&pair).await;
}

/// Interrupted and continued while rows that could be given cannot be any more, and the other way round.
#[tokio::test]
async fn and_so_they_are_when_it_is_continued() {
    let pair = Pair::create("withheld_resumed", SOURCE, TARGET).await;
    assert!(stopped_at(&pair, MAPPING, "building indexes").await);
    pair.source
        .run(
            "UPDATE measured SET parts = 0 WHERE id IN (2, 800); UPDATE measured SET parts = 5 WHERE id IN (1, 701);
             UPDATE raw SET v = 'secret' WHERE b = 'é''9'; UPDATE raw SET v = '1' WHERE b = 'é''7';
             UPDATE paged SET parts = 0 WHERE id = 'k 5'; UPDATE paged SET parts = 3 WHERE id = 'k 3';
             DELETE FROM coded WHERE id IN (2, 21); DELETE FROM measured WHERE id = 5000; INSERT INTO coded VALUES (1000, 800)",
        )
        .await;
    let report = pair.migrate(MAPPING).await.expect("continued");
    assert!(report.resumed);
    let mut found = on_record(&pair).await;
    found.retain(|row| row[2].as_deref().is_some_and(|text| !text.starts_with("DL0412")));
    assert_eq!(
        found,
        told(&[
            ("codes", "20", "P0001"),
            ("measures", "2", "22012"),
            ("measures", "700", "22012"),
            ("measures", "800", "22012"),
            ("paged", "k 5", "22012"),
            ("paged", "k 2100", "22012"),
            ("parsed", r#"["9","é'9"]"#, "22P02"),
            ("parsed", r#"["0","é'2000"]"#, "22P02"),
        ])
    );
    as_the_source_is(&pair).await;
    // Behind the load: validation finds the row that can no longer be given.
    pair.source
        .run("UPDATE measured SET parts = 0 WHERE id = 900")
        .await;
    let validation = validate(&pair.spec(MAPPING), &["measures".to_owned()])
        .await
        .expect("a report");
    let differences: Vec<String> = validation
        .differences()
        .map(|(_, check)| format!("{check:?}"))
        .collect();
    assert!(
        differences
            .iter()
            .any(|one| one.contains("rows that changed in the source since") && one.contains("900")),
        "{differences:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_told_apart_stops_the_entity() {
    for (source, code, message) in [
        // Every row fails, the key itself does, or far too many.
        (
            "SELECT id, whole / 0 AS share FROM public.measured WHERE id < 90",
            code::STATEMENT_REFUSED,
            "22012 division_by_zero",
        ),
        (
            "SELECT id / parts AS id, whole AS share FROM public.measured",
            code::STATEMENT_REFUSED,
            "22012 division_by_zero",
        ),
        (
            "SELECT id, whole / (id % 3) AS share FROM public.measured",
            code::TOO_MANY_REJECTS,
            "more than 1000 rows",
        ),
    ] {
        let pair = Pair::create("withheld_whole", SOURCE, TARGET).await;
        let mapping = format!(
            "[entities.measures]\nsql = \"{source}\"\nkey = \"id\"\ninto = \"public.measures\"\nmax_rejects = \"50%\"\n\
             columns = {{ id = {{ id = true }}, legacy_id = \"id\" }}\n"
        );
        let error = migrate_until(&pair.spec(&mapping), &Stop::new())
            .await
            .expect_err(source);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(
            pair.count("SELECT count(*) FROM measures WHERE legacy_id IS NOT NULL")
                .await,
            0
        );
    }
}
