//! Rows that cannot be shaped or written.

use driftless_pg::{ConnectConfig, Session};

use super::Scene;

const SOURCE: &str = r#"
CREATE TABLE public.sample (
  id integer PRIMARY KEY, amount numeric, code text, kind text, size integer, name text, document json, owner integer);
INSERT INTO public.sample
SELECT i, i, 'c' || i, 'small', 5, 'Sample ' || i, '{}', NULL FROM generate_series(1, 200) AS i;
UPDATE public.sample SET amount = 12345678901.5 WHERE id = 11;
UPDATE public.sample SET amount = 1.005 WHERE id = 12;
UPDATE public.sample SET code = 'far too long a code' WHERE id = 13;
UPDATE public.sample SET kind = 'gigantic' WHERE id = 14;
UPDATE public.sample SET size = -1 WHERE id = 15;
UPDATE public.sample SET name = NULL WHERE id = 16;
UPDATE public.sample SET document = '{"note": "a\u0000b"}' WHERE id = 17;
UPDATE public.sample SET code = 'c20' WHERE id IN (21, 22);
UPDATE public.sample SET owner = 4711 WHERE id = 23;
UPDATE public.sample SET name = repeat('long ', 1000) WHERE id = 24;
"#;

const TARGET: &str = "
CREATE TYPE public.kind AS ENUM ('small', 'large');
CREATE TABLE public.samples (
  id uuid PRIMARY KEY, amount numeric(12,2), code varchar(10) UNIQUE, kind public.kind,
  size integer CONSTRAINT size_is_positive CHECK (size > 0), name text NOT NULL, document jsonb,
  owner uuid REFERENCES public.samples);
";

const MAPPING: &str = r#"[defaults]
max_rejects = "50%"

[entities.samples]
from = "public.sample"
into = "public.samples"

[entities.samples.columns]
id = { id = true }
owner = { ref = "samples", from = "owner" }
"#;

#[tokio::test]
async fn values_that_do_not_fit() {
    let scene = Scene::new("told_row", SOURCE, TARGET).await;
    scene.map_with("max_row_bytes = \"4kB\"\n", MAPPING);
    insta::assert_snapshot!("check", scene.told(&["check"]));
    insta::assert_snapshot!("migrate", scene.told(&["migrate"]));
    insta::assert_snapshot!("list", scene.told(&["rejects", "list"]));
    for (name, key) in [
        ("numeric_overflow", "11"),
        ("too_many_decimals", "12"),
        ("text_too_long", "13"),
        ("missing_label", "14"),
        ("check_refuses", "15"),
        ("not_null", "16"),
        ("nul_character", "17"),
        ("duplicate", "21"),
        ("no_parent", "23"),
        ("row_too_large", "24"),
    ] {
        insta::assert_snapshot!(name, scene.told(&["rejects", "show", "samples", key]));
    }
}

#[tokio::test]
async fn bytes_of_another_encoding() {
    let mut scene = Scene::new(
        "told_bytes",
        "",
        "CREATE TABLE public.people (id uuid PRIMARY KEY, name text)",
    )
    .await;
    let raw = format!("{}_raw", scene.source.name());
    scene.name_first(&raw, "RAW");
    scene
        .source
        .run(&format!(
            "CREATE DATABASE {raw} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
        ))
        .await;
    let url = scene.source.server().url(&raw);
    let config = ConnectConfig::parse(&url).expect("a url");
    let session = Session::connect(&config, "filling").await.expect("a session");
    session
        .batch(
            "CREATE TABLE public.person (id integer PRIMARY KEY, name text);
             INSERT INTO public.person SELECT i, 'Person ' || i FROM generate_series(1, 200) AS i;
             UPDATE public.person SET name = E'Ren\\xe9' WHERE id = 7;",
        )
        .await
        .expect("rows");
    drop(session);
    scene.connect(&url, &scene.target.url());
    scene.map(
        "[entities.people]\nfrom = \"public.person\"\ninto = \"public.people\"\n\n[entities.people.columns]\nid = { id = true }\n",
    );
    let told = [
        scene.told(&["check"]),
        scene.told(&["migrate"]),
        scene.told(&["rejects", "list"]),
    ];
    scene
        .source
        .run(&format!("DROP DATABASE {raw} WITH (FORCE)"))
        .await;
    insta::assert_snapshot!("bytes_of_another_encoding", told.join("\n"));
}

#[tokio::test]
async fn a_row_that_the_source_cannot_give() {
    let source = "
        CREATE TABLE public.measured (id integer PRIMARY KEY, whole integer, parts integer);
        INSERT INTO public.measured SELECT i, i, i % 100 FROM generate_series(1, 200) AS i;
        CREATE VIEW public.measure AS SELECT id, whole / parts AS share FROM public.measured";
    let scene = Scene::new(
        "told_source",
        source,
        "CREATE TABLE public.measures (id uuid PRIMARY KEY, share integer)",
    )
    .await;
    let mapping = |key: &str| {
        format!(
            "[entities.measures]\nfrom = \"public.measure\"\ninto = \"public.measures\"\nkey = \"{key}\"\n\n\
             [entities.measures.columns]\nid = {{ id = true }}\n"
        )
    };
    scene.map(&mapping("id"));
    let told = [
        scene.told(&["migrate"]),
        scene.told(&["rejects", "list"]),
        scene.told(&["rejects", "show", "measures", "100"]),
        scene.told(&["validate"]),
    ];
    insta::assert_snapshot!("source_cannot_give", told.join("\n"));
    scene.told(&["teardown", "--forget-identities", "--yes"]);
    scene.target.run("TRUNCATE public.measures").await;
    scene.source.run("UPDATE public.measured SET parts = 0").await;
    let every_row = scene.told(&["migrate"]);
    scene.told(&["teardown", "--forget-identities", "--yes"]);
    scene.map(&mapping("share"));
    let told = [every_row, scene.told(&["migrate"])];
    insta::assert_snapshot!("source_cannot_tell", told.join("\n"));
}

const FAMILY: &str = "
CREATE TABLE public.customer (id integer PRIMARY KEY, name text);
CREATE TABLE public.customer_order (id integer PRIMARY KEY, customer_id integer);
INSERT INTO public.customer SELECT i, CASE i WHEN 7 THEN NULL ELSE 'Customer ' || i END FROM generate_series(1, 200) AS i;
INSERT INTO public.customer_order SELECT i, CASE WHEN i <= 1000 THEN 7 ELSE i % 200 + 1 END FROM generate_series(1, 3000) AS i;
";

const NEW_FAMILY: &str = "
CREATE TABLE public.customers (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.orders (id uuid PRIMARY KEY, customer_id uuid NOT NULL REFERENCES public.customers);
";

const FAMILY_MAPPING: &str = r#"[entities.customers]
from = "public.customer"
into = "public.customers"

[entities.customers.columns]
id = { id = true }

[entities.orders]
from = "public.customer_order"
into = "public.orders"
max_rejects = LIMIT

[entities.orders.columns]
id = { id = true }
customer_id = { ref = "customers", from = "customer_id" }
"#;

#[tokio::test]
async fn a_parent_takes_its_children_along() {
    let scene = Scene::new("told_family", FAMILY, NEW_FAMILY).await;
    scene.map(&FAMILY_MAPPING.replace("LIMIT", "100"));
    let told = [
        scene.told(&["migrate"]),
        scene.told(&["migrate"]),
        scene.told(&["status"]),
    ];
    insta::assert_snapshot!("too_many_rejects", told.join("\n"));
    // Whether the next run reads everything again would depend on who else wrote to the server meanwhile.
    scene
        .source
        .run("UPDATE public.customer SET name = name WHERE id = 1")
        .await;
    scene.map(&FAMILY_MAPPING.replace("LIMIT", "\"50%\""));
    let told = [
        scene.told(&["migrate"]),
        scene.told(&["rejects", "list", "--groups"]),
        scene.told(&["rejects", "list", "--limit", "3"]),
        scene.told(&["rejects", "show", "orders", "17"]),
    ];
    insta::assert_snapshot!("a_thousand_children", told.join("\n"));
}
