//! Expressions, conditions and rules that PostgreSQL or a row does not bear.

use super::Scene;

const SOURCE: &str = "
CREATE TABLE public.item (id integer PRIMARY KEY, price numeric(12,2), parts integer, label text);
INSERT INTO public.item SELECT i, i, CASE i WHEN 777 THEN 0 ELSE 5 END, 'Item ' || i FROM generate_series(1, 20000) AS i;
";

const TARGET: &str = "
CREATE TABLE public.items (id uuid PRIMARY KEY, each numeric, label text);
";

/// One entity with this form for the column `each`.
fn with(each: &str) -> String {
    format!(
        "[entities.items]\nfrom = \"public.item\"\ninto = \"public.items\"\n\n[entities.items.columns]\nid = {{ id = true }}\n\
         each = {{ sql = \"{each}\" }}\n"
    )
}

const RULE: &str = "
[[entities.items.rules]]
name = \"parts_are_plausible\"
check = \"100 / parts > 1\"
";

#[tokio::test]
async fn expressions_that_are_refused() {
    let scene = Scene::new("told_expression", SOURCE, TARGET).await;
    let cases = [
        ("volatile", "price * random()"),
        ("clock", "extract(epoch from now())"),
        ("aggregate", "sum(price)"),
        ("window", "row_number() OVER (ORDER BY price)"),
        ("set", "generate_series(1, parts)"),
        (
            "sub_select",
            "(SELECT max(i) FROM generate_series(1, parts) AS i)",
        ),
        ("missing_function", "rownd(price)"),
        ("missing_function_for_these_types", "round(label)"),
        ("missing_column", "prize / parts"),
        ("wrong_operator", "label * 2"),
        ("syntax", "price / / parts"),
        ("two_expressions", "price; DROP TABLE public.items"),
        ("unknown_placeholder", "price * :lable"),
        ("other_type", "label"),
    ];
    for (name, each) in cases {
        scene.map(&with(each));
        insta::assert_snapshot!(name, scene.told(&["check"]));
    }
    scene.map(&(with("price") + &RULE.replace("parts >", "part >")));
    insta::assert_snapshot!("rule_without_its_column", scene.told(&["check"]));
    scene.map(&with("price").replace("\n\n", "\nwhere = \"deleted_at IS NULL\"\n\n"));
    insta::assert_snapshot!("where_without_its_column", scene.told(&["check"]));
    scene.map(&with("price").replace(
        "from = \"public.item\"",
        "sql = \"SELECT id FROM public.itme\"\nkey = \"id\"",
    ));
    insta::assert_snapshot!("query_without_its_table", scene.told(&["check"]));
}

#[tokio::test]
async fn one_row_in_many_fails() {
    let scene = Scene::new("told_division", SOURCE, TARGET).await;
    scene.map(&with("price / parts"));
    let told = [
        scene.told(&["migrate"]),
        scene.told(&["rejects", "list"]),
        scene.told(&["rejects", "show", "items", "777"]),
    ];
    insta::assert_snapshot!("division_by_zero", told.join("\n"));
    scene.told(&["teardown", "--forget-identities", "--yes"]);
    scene.target.run("TRUNCATE public.items").await;
    scene.map(&(with("price") + RULE));
    let told = [scene.told(&["migrate"]), scene.told(&["rejects", "list"])];
    insta::assert_snapshot!("rule_that_raises", told.join("\n"));
    scene.told(&["teardown", "--forget-identities", "--yes"]);
    scene.target.run("TRUNCATE public.items").await;
    scene.map(&(with("price") + &RULE.replace("100 / parts > 1", "parts > 0") + "on_fail = \"halt\"\n"));
    insta::assert_snapshot!("rule_that_halts", scene.told(&["migrate"]));
}
