//! Sources in SQL_ASCII, whose server vouches for no encoding.

use driftless_engine::run::report::RejectFilter;
use driftless_testkit::{TestDatabase, servers};

use super::matched::is_proven;
use super::resume::stopped_at;
use crate::pair::Pair;
use crate::survey::database_with;

/// Texts in keys, arrays, composites and jsonb, read by expressions and references: each row is rejected for itself, found
/// again when a load is continued and when it is tried again, and validated.
#[tokio::test]
async fn bytes_of_no_encoding_stand_anywhere() {
    let source = database_with("asciideep", "SQL_ASCII").await;
    source
        .run(
            "CREATE FUNCTION raw(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT convert_from(bytes, 'SQL_ASCII') $$;
             CREATE TYPE pair AS (a text, b int);
             CREATE TABLE person (code text PRIMARY KEY, name text, tags text[], doc jsonb, both_of pair);
             INSERT INTO person SELECT 'p' || n, 'name ' || n, ARRAY['ok', NULL], '{\"a\": 1}', ROW('x', n)::pair FROM generate_series(1, 300) AS n;
             INSERT INTO person VALUES (raw('\\x52656ee95c'), 'one', NULL, NULL, NULL), (raw('\\x52656ee8'), 'other', NULL, NULL, NULL),
                 (raw('\\x52656ec3a9'), 'readable', NULL, NULL, NULL);
             UPDATE person SET tags = ARRAY['ok', raw('\\x93')] WHERE code = 'p1';
             UPDATE person SET doc = ('{\"a\": \"' || raw('\\x93') || '\"}')::jsonb WHERE code = 'p2';
             UPDATE person SET both_of = ROW(raw('\\x93'), 1) WHERE code = 'p3';
             CREATE TABLE pet (a int, b text, owner text, PRIMARY KEY (a, b));
             INSERT INTO pet SELECT n, 'b' || n, 'p' || (4 + n % 290) FROM generate_series(1, 600) AS n;
             INSERT INTO pet VALUES (1, raw('\\xe9'), 'p9'), (2, 'owner', raw('\\x52656ee95c')), (3, 'readable', raw('\\x52656ec3a9'));",
        )
        .await;
    let pair = Pair {
        source,
        target: TestDatabase::create(&servers().target, "asciideep").await,
    };
    pair.target
        .run(
            "CREATE TABLE people (id uuid PRIMARY KEY, code text, name text UNIQUE, first_tag text, doc jsonb, both_of text);
             CREATE TABLE pets (id uuid PRIMARY KEY, a int, b text, owner uuid NOT NULL REFERENCES people);
             INSERT INTO people VALUES (md5('there')::uuid, 'there', 'name 7', NULL, NULL, NULL);",
        )
        .await;
    let mapping = "[defaults]\nmax_rejects = 50\n[entities.people]\nfrom = \"public.person\"\ninto = \"public.people\"\n\
        identity = { by = \"random\", match = [\"name\"] }\n\
        columns = { id = { id = true }, first_tag = { sql = \"tags[1]\" }, doc = { sql = \"doc || '{}'\" }, both_of = { sql = \"both_of::text\" } }\n\
        [entities.pets]\nfrom = \"public.pet\"\ninto = \"public.pets\"\n\
        columns = { id = { id = true }, owner = { ref = \"people\", from = \"owner\" } }\n";
    assert!(stopped_at(&pair, mapping, "building indexes").await);
    let rejected = "SELECT entity, key, code FROM driftless.rejects ORDER BY entity, key COLLATE \"C\"";
    let expected = |rows: &[(&str, &str)]| -> Vec<Vec<Option<String>>> {
        let row = |(entity, key): &(&str, &str)| {
            [*entity, *key, "DL0411"]
                .map(|value| Some(value.to_owned()))
                .to_vec()
        };
        rows.iter().map(row).collect()
    };
    let all = [
        ("people", r"Ren\350"),
        ("people", r"Ren\351\\"),
        ("people", "p1"),
        ("people", "p2"),
        ("people", "p3"),
        ("pets", r#"["1","\\351"]"#),
        ("pets", r#"["2","owner"]"#),
    ];
    assert_eq!(pair.target.rows(rejected).await, expected(&all));
    pair.source
        .run(
            "UPDATE person SET tags = NULL WHERE code = 'p1'; DELETE FROM person WHERE name = 'other';
             UPDATE person SET name = raw('\\x93') WHERE code = 'p300'",
        )
        .await;
    pair.migrate(mapping).await.expect("continued");
    let left = [
        ("people", r"Ren\351\\"),
        ("people", "p2"),
        ("people", "p3"),
        ("people", "p300"),
        ("pets", r#"["1","\\351"]"#),
        ("pets", r#"["2","owner"]"#),
    ];
    assert_eq!(pair.target.rows(rejected).await, expected(&left));
    is_proven(&pair, mapping).await;
    pair.source
        .run("UPDATE person SET both_of = NULL WHERE code = 'p3'; UPDATE pet SET owner = 'p10' WHERE b = raw('\\xe9')")
        .await;
    let report = pair.retry(mapping, RejectFilter::default()).await;
    assert_eq!(
        (report.tried, report.written, report.gone),
        (6, 1, 0),
        "{report:?}"
    );
    is_proven(&pair, mapping).await;
    let people = "SELECT count(*) FROM people WHERE name <> 'name 7' AND code IS NOT NULL";
    assert_eq!(pair.count(people).await, 298);
    assert_eq!(pair.count("SELECT count(*) FROM pets").await, 601);
}
