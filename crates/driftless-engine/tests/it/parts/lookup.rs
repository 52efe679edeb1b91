//! Values of rows that the target has.

use driftless_core::code;

use super::resume::stopped_at;
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE person (id int PRIMARY KEY, iso char(2), iso_of_birth text, city text, zip int, extra text);
    INSERT INTO person VALUES
        (1, 'FR', 'fr', 'Paris', 75001, 'x'), (2, 'XX', 'DE', 'Lyon', 69001, NULL), (3, NULL, 'de', NULL, 1, NULL),
        (4, 'DE', 'zz', 'Paris', 75001, 'x'), (5, 'DE', NULL, 'Ville', 5, 'x'), (6, 'FR', 'FR', 'Twin', 6, 'x');
    CREATE TABLE nation (id int PRIMARY KEY, code text); INSERT INTO nation VALUES (1, 'FR'), (2, 'DE');";

const TARGET: &str = r#"
    CREATE EXTENSION citext;
    CREATE TABLE countries (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), iso citext UNIQUE, iso2 varchar(2), dial numeric);
    CREATE TABLE cities (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, zip bigint, UNIQUE (name, zip));
    CREATE TABLE "odd twins" ("s" text, "the value" int);
    INSERT INTO countries (iso, dial) VALUES ('FR', 33), ('DE', 49);
    INSERT INTO cities (name, zip) VALUES ('Paris', 75001), ('Lyon', 69001), ('Twin', 6);
    INSERT INTO "odd twins" VALUES ('Twin', 1), ('Twin', 2), ('Paris', 3);
    CREATE TABLE person (id uuid PRIMARY KEY, legacy_id int, country_id uuid REFERENCES countries, birth uuid, dial int,
        city_id bigint NOT NULL DEFAULT 0, twin int, meta jsonb);
    CREATE TABLE nation (id int PRIMARY KEY, code text UNIQUE);"#;

const MAPPING: &str = r#"
    [defaults]
    max_rejects = 100
    [entities.person]
    from = "public.person"
    into = "public.person"
    copy = "none"
    [entities.person.columns]
    id = { id = true }
    legacy_id = "id"
    country_id = { lookup = "public.countries", match = { iso = "iso" }, take = "id" }
    birth = { lookup = "public.countries", match = { iso = "iso_of_birth" }, take = "id", missing = "null" }
    dial = { lookup = "public.countries", match = { iso = "iso" }, take = "dial", missing = "null", default = 1 }
    city_id = { lookup = "public.cities", match = { name = "city", zip = "zip" }, take = "id", missing = "park", default = -1 }
    twin = { lookup = ["public", "odd twins"], match = { s = "city" }, take = "the value", missing = "null" }
    meta = { json = { country = { lookup = "public.countries", match = { iso = "iso" }, take = "iso", missing = "null" } } }
"#;

#[tokio::test]
async fn what_the_target_has_is_looked_up_there() {
    let pair = Pair::create("lookup", SOURCE, TARGET).await;
    pair.migrate(MAPPING).await.expect("a load");
    let rows = "SELECT legacy_id || ' ' || coalesce(c.iso, '-') || ' ' || coalesce(b.iso, '-') || ' ' || coalesce(p.dial::text, '-') || ' '
        || coalesce(t.name, city_id::text) || ' ' || coalesce(twin::text, '-') || ' ' || coalesce(meta ->> 'country', '-')
        FROM person AS p LEFT JOIN countries AS c ON c.id = country_id LEFT JOIN countries AS b ON b.id = birth
        LEFT JOIN cities AS t ON t.id = city_id ORDER BY 1";
    let rows = pair.target.rows(rows).await;
    let rows: Vec<&str> = rows.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!(
        rows,
        ["1 FR FR 33 Paris 3 FR", "3 - DE 1 -1 - -", "4 DE - 49 Paris 3 DE"]
    );
    let rejects = "SELECT key || ' ' || code || ' ' || state || ' ' || coalesce(column_name, '') FROM driftless.rejects ORDER BY key";
    let rejects = pair.target.rows(rejects).await;
    let rejects: Vec<&str> = rejects.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!(
        rejects,
        [
            "2 DL0400 rejected country_id",
            "5 DL0400 parked city_id",
            "6 DL0420 rejected twin"
        ]
    );
}

/// What stands in the way, and what the operator is told.
#[tokio::test]
async fn what_is_wrong_with_a_lookup_is_told_before_anything_is_written() {
    let pair = Pair::create("lookup_findings", SOURCE, TARGET).await;
    let of = |form: &str| {
        format!(
            "[entities.person]\nfrom = \"public.person\"\ninto = \"public.person\"\ncopy = \"none\"\n\
             columns = {{ id = {{ id = true }}, birth = {{ lookup = {form}, missing = \"null\" }} }}\n"
        )
    };
    for (form, code, message) in [
        (
            "\"public.contries\", match = { iso = \"iso\" }, take = \"id\"",
            code::UNKNOWN_TARGET,
            "public.countries",
        ),
        (
            "\"public.countries\", match = { izo = \"iso\" }, take = \"id\"",
            code::UNKNOWN_TARGET_COLUMN,
            "iso",
        ),
        (
            "\"public.countries\", match = { iso = \"iso\" }, take = \"ib\"",
            code::UNKNOWN_TARGET_COLUMN,
            "id",
        ),
        (
            "\"public.countries\", match = { iso = \"isoo\" }, take = \"id\"",
            code::UNKNOWN_SOURCE_COLUMN,
            "iso",
        ),
        (
            "\"public.person\", match = { dial = \"zip\" }, take = \"id\"",
            code::INVALID_VALUE,
            "ref =",
        ),
        (
            "\"public.countries\", match = { dial = \"iso\" }, take = \"id\"",
            code::TYPES_DO_NOT_FIT,
            "operator does not exist",
        ),
        (
            "\"public.countries\", match = { iso = \"iso\" }, take = \"dial\"",
            code::TYPES_DO_NOT_FIT,
            "uuid",
        ),
    ] {
        let error = pair.migrate(&of(form)).await.expect_err(form);
        assert_eq!(error.code(), code, "{form}: {error}");
        assert!(error.to_string().contains(message), "{form}: {error}");
    }
    assert_eq!(
        pair.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'driftless'")
            .await,
        0
    );
}

#[tokio::test]
async fn what_writes_the_table_that_is_looked_up_in_goes_first() {
    let pair = Pair::create("lookup_order", SOURCE, TARGET).await;
    let mapping = r#"
        [entities.person]
        from = "public.person"
        into = "public.person"
        copy = "none"
        where = "iso <> 'XX'"
        columns = { id = { id = true }, legacy_id = "id", dial = { lookup = "public.nation", match = { code = "iso" }, take = "id" } }
        [entities.nation]
        from = "public.nation"
        into = "public.nation"
    "#;
    pair.migrate(mapping).await.expect("a load");
    assert_eq!(pair.count("SELECT sum(dial) FROM person").await, 1 + 2 + 2 + 1);
}

#[tokio::test]
async fn what_was_not_there_is_looked_for_again() {
    let pair = Pair::create("lookup_again", SOURCE, TARGET).await;
    let mapping = "[entities.person]\nfrom = \"public.person\"\ninto = \"public.person\"\ncopy = \"none\"\n\
        columns = { id = { id = true }, legacy_id = \"id\", dial = { lookup = \"public.nation\", match = { code = \"iso\" }, take = \"id\", missing = \"null\" } }\n";
    pair.target.run("INSERT INTO nation VALUES (1, 'FR')").await;
    assert!(stopped_at(&pair, mapping, "building indexes").await);
    pair.target.run("INSERT INTO nation VALUES (2, 'DE')").await;
    pair.source
        .run("UPDATE person SET extra = 'another snapshot' WHERE id = 1")
        .await;
    pair.migrate(mapping).await.expect("continued");
    let dials = "SELECT string_agg(coalesce(dial::text, '-'), ' ' ORDER BY legacy_id) FROM person";
    assert_eq!(pair.target.value(dials).await.as_deref(), Some("1 - - 2 2 1"));
}
