//! Validation where catalogs are odd: foreign keys of every form, rights that are missing, encodings, keys of many kinds.

use driftless_engine::run::validate;
use driftless_engine::verify::Validation;
use driftless_testkit::{TestDatabase, servers};

use super::{check, differing};
use crate::pair::{Pair, migrate_spec, read};

const FORMS_SOURCE: &str = "
    CREATE TABLE thing (id int PRIMARY KEY, title text);
    INSERT INTO thing SELECT n, 'Thing ' || n FROM generate_series(1, 10) AS n;";

/// The mapping writes id and title; everything else of the table is the application's.
const FORMS_TARGET: &str = "
    CREATE EXTENSION citext;
    CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b));
    CREATE TABLE names (name citext PRIMARY KEY);
    CREATE TABLE parts (n int PRIMARY KEY) PARTITION BY RANGE (n);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE things (id uuid PRIMARY KEY, title text, a int, b int, c int, d int, name citext REFERENCES names,
        n int REFERENCES parts, up uuid REFERENCES things, id_of_none uuid,
        CONSTRAINT whole FOREIGN KEY (a, b) REFERENCES pairs MATCH FULL,
        CONSTRAINT simple FOREIGN KEY (c, d) REFERENCES pairs);
    INSERT INTO pairs VALUES (1, 1), (1, 2);
    INSERT INTO names VALUES ('Anna');
    INSERT INTO parts VALUES (1);";

const FORMS_MAPPING: &str = r#"
    [entities.things]
    from = "public.thing"
    into = "public.things"
    columns = { id = { id = true } }
"#;

#[tokio::test]
async fn foreign_keys_of_every_form_are_proven() {
    let pair = Pair::create("forms", FORMS_SOURCE, FORMS_TARGET).await;
    pair.migrate(FORMS_MAPPING).await.expect("a load");
    let spec = pair.spec(FORMS_MAPPING);
    // Values that satisfy every key, in every way that there is.
    pair.target
        .run(
            "UPDATE things SET a = 1, b = 2, c = 1, d = 1, name = 'ANNA', n = 1, up = id WHERE title = 'Thing 1';
             UPDATE things SET c = 7 WHERE title = 'Thing 2';",
        )
        .await;
    let validation = validate(&spec, &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
    assert_eq!(validation.tables[0].checks.len(), 5);
    for (change, constraint) in [
        ("a = 5, b = 5", "whole"),
        ("a = 5", "whole"),
        ("b = 2", "whole"),
        ("c = 5, d = 1", "simple"),
        ("name = 'Berta'", "things_name_fkey"),
        ("n = 2", "things_n_fkey"),
        ("up = '00000000-0000-0000-0000-000000000001'", "things_up_fkey"),
    ] {
        pair.target
            .run(&format!(
                "SET session_replication_role = replica; UPDATE things SET {change} WHERE title = 'Thing 3'"
            ))
            .await;
        let validation = validate(&spec, &[]).await.expect("a report");
        assert_eq!(
            differing(&validation),
            [format!("public.things: orphans of {constraint}")],
            "{change}"
        );
        let check = check(&validation, "public.things", &format!("orphans of {constraint}"));
        assert_eq!(
            (check.count, check.examples.as_slice()),
            (1, ["3".to_owned()].as_slice())
        );
        pair.target
            .run("UPDATE things SET a = NULL, b = NULL, c = NULL, d = NULL, name = NULL, n = NULL, up = NULL WHERE title = 'Thing 3'")
            .await;
    }
    // A row of somebody else is no row of ours, but an orphan all the same.
    pair.target
        .run(
            "SET session_replication_role = replica;
             INSERT INTO things (id, title, n) VALUES ('00000000-0000-0000-0000-000000000001', 'theirs', 5)",
        )
        .await;
    let validation = validate(&spec, &[]).await.expect("a report");
    assert_eq!(
        differing(&validation),
        ["public.things: orphans of things_n_fkey"]
    );
    assert_eq!((validation.tables[0].ours, validation.tables[0].others), (10, 1));
    let check = check(&validation, "public.things", "orphans of things_n_fkey");
    assert!(check.examples[0].starts_with("ctid ("), "{check:?}");
}

#[tokio::test]
async fn what_the_role_may_not_read_is_said_to_be_unchecked() {
    let pair = Pair::create("rights", FORMS_SOURCE, FORMS_TARGET).await;
    pair.migrate(FORMS_MAPPING).await.expect("a load");
    let role = format!("reader_{}", pair.target.name());
    pair.target
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'let me in';
             GRANT USAGE ON SCHEMA driftless TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA driftless TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON things TO {role}; GRANT SELECT ON pairs, parts TO {role};"
        ))
        .await;
    let spec = read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n{FORMS_MAPPING}",
        pair.source.url(),
        pair.target.url_as(&role, "let me in")
    ));
    let validation = validate(&spec, &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
    assert_eq!(validation.unchecked, 1);
    assert_eq!(
        check(&validation, "public.things", "orphans of things_name_fkey").ok,
        None
    );
    assert_eq!(
        check(&validation, "public.things", "orphans of whole").ok,
        Some(true)
    );
}

#[tokio::test]
async fn unfinished_loads_are_differences() {
    let pair = Pair::create("unfinished", FORMS_SOURCE, FORMS_TARGET).await;
    pair.migrate(FORMS_MAPPING).await.expect("a load");
    let spec = pair.spec(FORMS_MAPPING);
    for (change, phase) in [
        ("UPDATE driftless.entity SET phase = 'loaded'", "loaded"),
        ("DELETE FROM driftless.entity", "-"),
    ] {
        pair.target.run(change).await;
        let validation = validate(&spec, &[]).await.expect("a report");
        assert_eq!(differing(&validation), ["things: loaded"]);
        assert_eq!(validation.entities[0].phase, phase);
    }
}

/// One entity for each kind of key, all into the same shape.
const KEYS_SOURCE: &str = "
    CREATE DOMAIN code AS varchar(20);
    CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
    CREATE TABLE by_small (k smallint PRIMARY KEY, v int);
    CREATE TABLE by_big (k bigint PRIMARY KEY, v int);
    CREATE TABLE by_numeric (k numeric(10,2) PRIMARY KEY, v int);
    CREATE TABLE by_char (k char(8) PRIMARY KEY, v int);
    CREATE TABLE by_domain (k code PRIMARY KEY, v int);
    CREATE TABLE by_time (k timestamptz PRIMARY KEY, v int);
    CREATE TABLE by_colour (k colour, l boolean, v int, PRIMARY KEY (k, l));
    INSERT INTO by_small SELECT n, n FROM generate_series(-300, 300) AS n;
    INSERT INTO by_big SELECT n, n FROM unnest(ARRAY[-9223372036854775808, -1, 0, 1, 10, 9, 9223372036854775807]) WITH ORDINALITY AS u (n, o);
    INSERT INTO by_numeric SELECT n / 4.0, n FROM generate_series(-50, 50) AS n;
    INSERT INTO by_char SELECT left(md5(n::text), 1 + n % 6) || n, n FROM generate_series(1, 60) AS n;
    INSERT INTO by_domain SELECT chr(64 + n) || chr(300 + n), n FROM generate_series(1, 60) AS n;
    INSERT INTO by_time SELECT '2024-03-30 22:00+01'::timestamptz + n * interval '20 minutes', n FROM generate_series(1, 60) AS n;
    INSERT INTO by_time VALUES ('-infinity', 0);
    INSERT INTO by_colour SELECT c, b, 1 FROM unnest(enum_range(NULL::colour)) AS c, unnest(ARRAY[true, false]) AS b;";

const KEYED: [&str; 7] = [
    "by_small",
    "by_big",
    "by_numeric",
    "by_char",
    "by_domain",
    "by_time",
    "by_colour",
];

#[tokio::test]
async fn keys_of_every_kind_meet_on_both_sides() {
    // by_big holds numbers that do not fit v's own column: v says nothing there.
    let source = KEYS_SOURCE.replace("SELECT n, n FROM unnest", "SELECT n, o FROM unnest");
    let mut target = String::new();
    let mut mapping = String::new();
    for name in KEYED {
        target.push_str(&format!("CREATE TABLE to_{name} (id uuid PRIMARY KEY, v int);"));
        mapping.push_str(&format!(
            "[entities.{name}]\nfrom = \"public.{name}\"\ninto = \"public.to_{name}\"\ncolumns = {{ id = {{ id = true }} }}\n"
        ));
    }
    let pair = Pair::create("keys", &source, &target).await;
    pair.migrate(&mapping).await.expect("a load");
    let validation = validate(&pair.spec(&mapping), &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
    for entity in &validation.entities {
        assert!(
            entity.counts.source > 0 && entity.counts.source == entity.counts.live,
            "{entity:?}"
        );
    }
}

#[tokio::test]
async fn another_encoding_orders_its_keys_as_the_target_does() {
    let pair = servers();
    let target = TestDatabase::create(&pair.target, "latin").await;
    target
        .run("CREATE TABLE words (id uuid PRIMARY KEY, word text)")
        .await;
    // Named after the target's database, which is unique, and dropped with WITH (FORCE) below.
    let name = format!("latin_{}", target.name());
    let admin = TestDatabase::create(&pair.source, "admin").await;
    admin
        .run(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN9' LOCALE 'C'"
        ))
        .await;
    let url = admin.url().replace(admin.name(), &name);
    // In LATIN9 the euro sign is 0xA4, between ¡ and é; in UTF-8 it comes behind both.
    let words = "CREATE TABLE word (word text PRIMARY KEY); \
                 INSERT INTO word SELECT w || n FROM unnest(ARRAY['a', 'é', '€', '¡', 'z']) AS w, generate_series(1, 5) AS n";
    let spec = read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{url}\"\n[target]\nurl = \"{}\"\n\
         [entities.words]\nfrom = \"public.word\"\ninto = \"public.words\"\ncolumns = {{ id = {{ id = true }} }}\n",
        target.url()
    ));
    run_at(&url, words).await;
    migrate_spec(&spec).await.expect("a load");
    let validation = validate(&spec, &[]).await;
    admin.run(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    let validation: Validation = validation.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
    assert_eq!(validation.entities[0].counts.live, 25);
}

async fn run_at(url: &str, sql: &str) {
    let config = driftless_pg::ConnectConfig::parse(url).expect("a URL");
    let session = driftless_pg::Session::connect(&config, "test")
        .await
        .expect("a session");
    session.batch("SET search_path = public").await.expect("a path");
    session.batch(sql).await.expect("the statements");
}

#[tokio::test]
async fn tables_with_very_many_columns_are_compared() {
    let columns: Vec<String> = (0..320).map(|number| format!("c{number} int")).collect();
    let numbers: Vec<String> = (0..320).map(|number| format!("n * {number}")).collect();
    let source = format!(
        "CREATE TABLE wide (id int PRIMARY KEY, {}); INSERT INTO wide SELECT n, {} FROM generate_series(1, 20) AS n",
        columns.join(", "),
        numbers.join(", ")
    );
    let target = format!("CREATE TABLE wides (id uuid PRIMARY KEY, {})", columns.join(", "));
    let mapping = "[entities.wide]\nfrom = \"public.wide\"\ninto = \"public.wides\"\ncolumns = { id = { id = true } }\n";
    let pair = Pair::create("wide", &source, &target).await;
    pair.migrate(mapping).await.expect("a load");
    pair.target
        .run("UPDATE wides SET c317 = c317 + 1 WHERE c1 = 4")
        .await;
    let validation = validate(&pair.spec(mapping), &[]).await.expect("a report");
    assert_eq!(differing(&validation), ["wide: sum of c317"]);
}

#[tokio::test]
async fn sensitive_keys_are_not_shown() {
    let mapping = FORMS_MAPPING.replace("into =", "sensitive = [\"id\"]\n    into =");
    let pair = Pair::create("sensitive", FORMS_SOURCE, FORMS_TARGET).await;
    pair.migrate(&mapping).await.expect("a load");
    pair.source.run("DELETE FROM thing WHERE id = 5").await;
    let validation = validate(&pair.spec(&mapping), &[]).await.expect("a report");
    assert_eq!(differing(&validation), ["things: keys that only the target has"]);
    let check = check(&validation, "things", "keys that only the target has");
    assert_eq!((check.count, check.examples.len()), (1, 0));
}
