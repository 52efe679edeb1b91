//! Mistakes in the mapping, and what the catalogs have to say to it.

use super::Scene;

const SOURCE: &str = "
CREATE TABLE public.customer (id integer PRIMARY KEY, name text, mail text, created timestamp);
CREATE TABLE public.customer_order (id integer PRIMARY KEY, customer_id integer, amount text);
CREATE TABLE public.customer_note (customer_id integer, note text);
INSERT INTO public.customer VALUES (1, 'One', 'one@example.org');
INSERT INTO public.customer_order VALUES (1, 1, '1.25');
";

const TARGET: &str = "
CREATE TABLE public.customers (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, email text);
CREATE TABLE public.orders (
  id uuid PRIMARY KEY, customer_id uuid NOT NULL REFERENCES public.customers, amount numeric(12,2) NOT NULL);
CREATE TABLE public.kept (id integer PRIMARY KEY, name text);
";

const CUSTOMERS: &str = r#"[entities.customers]
from = "public.customer"
into = "public.customers"

[entities.customers.columns]
id = { id = true }
legacy_id = "id"
email = "mail"
"#;

const ORDERS: &str = r#"
[entities.orders]
from = "public.customer_order"
into = "public.orders"

[entities.orders.columns]
id = { id = true }
customer_id = { ref = "customers", from = "customer_id" }
amount = { sql = "amount::numeric(12,2)" }
"#;

/// The mapping with one line changed.
fn with(line: &str, changed: &str) -> String {
    let text = format!("{CUSTOMERS}{ORDERS}");
    assert!(text.contains(line), "{line}");
    text.replace(line, changed)
}

const KEPT_TWICE: &str = r#"
[entities.first]
from = "public.customer"
into = "public.kept"

[entities.second]
from = "public.customer"
into = "public.kept"
"#;

#[tokio::test]
async fn wrong_mappings() {
    let scene = Scene::new("told_mapping", SOURCE, TARGET).await;
    let cases = [
        (
            "unknown_key",
            with("into = \"public.customers\"", "in_to = \"public.customers\""),
        ),
        (
            "unknown_column_key",
            with("{ id = true }\nlegacy", "{ di = true }\nlegacy"),
        ),
        (
            "unknown_source_table",
            with("public.customer_order", "public.customer_orders"),
        ),
        (
            "unknown_target_table",
            with("into = \"public.orders\"", "into = \"public.order\""),
        ),
        (
            "unknown_source_column",
            with("email = \"mail\"", "email = \"mial\""),
        ),
        (
            "unknown_target_column",
            with("email = \"mail\"", "emial = \"mail\""),
        ),
        ("wrong_type", with("into = \"public.orders\"", "into = 7")),
        (
            "types_do_not_fit",
            with("legacy_id = \"id\"", "legacy_id = \"created\""),
        ),
        (
            "colliding_identities",
            with(CUSTOMERS, &format!("{CUSTOMERS}{KEPT_TWICE}")),
        ),
        (
            "ref_to_an_unmapped_entity",
            with("ref = \"customers\"", "ref = \"custmers\""),
        ),
        (
            "ref_to_nothing_alike",
            with("ref = \"customers\"", "ref = \"people\""),
        ),
        (
            "cycle",
            with(
                "into = \"public.customers\"",
                "into = \"public.customers\"\nafter = [\"orders\"]",
            )
            .replace(
                "into = \"public.orders\"",
                "into = \"public.orders\"\nafter = [\"customers\"]",
            ),
        ),
        (
            "no_key",
            with("public.customer_order\"", "public.customer_note\""),
        ),
        (
            "unfilled_column",
            with("amount = {", "#").replace(
                "[entities.orders.columns]",
                "skip = [\"amount\"]\n[entities.orders.columns]",
            ),
        ),
        (
            "three_mistakes",
            with("email = \"mail\"", "emial = \"mail\"")
                .replace("ref = \"customers\"", "ref = \"custmers\"")
                .replace(
                    "from = \"public.customer_order\"",
                    "form = \"public.customer_order\"",
                ),
        ),
    ];
    for (name, mapping) in cases {
        scene.map(&mapping);
        insta::assert_snapshot!(name, scene.told(&["check"]));
    }
}

/// What only the target can say of constants, all of it at once; and references that may become null, which nothing may read.
#[tokio::test]
async fn constants_and_references_that_do_not_go() {
    let scene = Scene::new(
        "told_constants",
        "CREATE TABLE public.man (id integer PRIMARY KEY, boss integer, state text, since text)",
        "CREATE TYPE public.state AS ENUM ('active', 'left');
         CREATE TABLE public.men (id uuid PRIMARY KEY, boss uuid, state public.state, since date, label text)",
    )
    .await;
    let mapping = |columns: &str| {
        format!(
            "[entities.men]\nfrom = \"public.man\"\ninto = \"public.men\"\n\n[entities.men.columns]\nid = {{ id = true }}\n\
             boss = {{ ref = \"men\", from = \"boss\", missing = \"null\" }}\n{columns}"
        )
    };
    scene.map(&mapping(
        "state = { map = \"state\", values = { a = \"aktive\", l = \"left\" }, unknown = \"null\" }\nsince = { const = \"2024-02-30\" }\n\
         label = { const = \"x\" }\n",
    ));
    insta::assert_snapshot!("constants_of_no_value", scene.told(&["check"]));
    scene.map(&mapping(
        "state = { const = \"active\" }\nsince = { sql = \"since::date\" }\nlabel = { sql = \"CASE WHEN :boss IS NULL THEN 'free' ELSE 'led' END\" }\n\
         \n[[entities.men.rules]]\nname = \"led\"\ncheck = \"boss IS NOT NULL\"\non = \"target\"\non_fail = \"warn\"\n",
    ));
    insta::assert_snapshot!("reference_that_may_become_null", scene.told(&["check"]));
}
