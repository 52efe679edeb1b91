//! What expressions and rules read: values that are computed beside them, arrays, names that clash.

use crate::pair::Pair;

const SOURCE: &str = r#"
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE t (id int PRIMARY KEY, price text, amount numeric, labels text[], addresses inet[], host inet, mood mood,
        moods mood[], span int4range, relation regclass, ":id" text, "driftless ord" int, "a""b" text, code char(3), flag smallint);
    INSERT INTO t VALUES
        (1, '1.50', 2, '{a,"b c"}', '{10.0.0.1}', '10.0.0.1', 'good', '{good,bad}', '[1,5)', 'pg_class', 'odd', 3, 'quote', 'x', 1),
        (2, NULL, 2.5, '{}', '{}', '10.0.0.2', NULL, '{}', 'empty', 'pg_type', NULL, 4, NULL, NULL, 0),
        (3, '3', NULL, NULL, NULL, NULL, 'bad', NULL, NULL, NULL, '', NULL, '', 'yz', NULL),
        (4, '4', 4, '{x}', '{10.0.0.3}', '10.0.0.9', 'bad', '{bad}', '[1,2)', 'pg_class', 'odd', 5, 'q', 'z', 2);
"#;

const TARGET: &str = r#"
    CREATE TYPE mood AS ENUM ('bad', 'good', 'fair');
    CREATE TABLE t (id uuid PRIMARY KEY, legacy int, price numeric(9,2), amount numeric(9,2), label text, shown text, tags text[],
        tag_count int, hosts inet[], last_byte int, mood mood, mood_text text, moods mood[], span int4range, relation regclass,
        odd text, ord int, ab text, code char(5), code_text text, flag bool);
"#;

const MAPPING: &str = r#"
    [defaults]
    max_rejects = "90%"
    [entities.t]
    from = "public.t"
    into = "public.t"
    skip = ["id"]
    [entities.t.columns]
    id = { id = true }
    legacy = "id"
    price = { copy = "price", default = "9.99" }
    label = { sql = ":price::text || ' ' || left(:id::text, 0)" }
    shown = { sql = ":amount::text" }
    amount = "amount"
    tags = "labels"
    tag_count = { sql = "cardinality(:tags)" }
    hosts = "addresses"
    last_byte = { sql = "100 / (split_part(host(host), '.', 4)::int - 9)" }
    mood_text = { sql = ":mood || '!'" }
    mood = "mood"
    odd = ":id"
    ord = "driftless ord"
    ab = 'a"b'
    code_text = { sql = "'[' || :code || ']'" }
    code = "code"
    [[entities.t.rules]]
    name = "few tags"
    check = "cardinality(tags) < 9 AND price < 100"
    on = "target"
    [[entities.t.rules]]
    name = "nobody is at 10.0.0.200"
    check = "host <> '10.0.0.200'"
    on = "source"
"#;

#[tokio::test]
async fn expressions_read_what_the_columns_will_hold() {
    let pair = Pair::create("reading", SOURCE, TARGET).await;
    let report = pair.migrate(MAPPING).await.expect("a load");
    assert_eq!(report.entities[0].rejected, 1, "{report:?}");
    let rows = pair
        .target
        .rows(
            "SELECT legacy, price, label, shown, tags, tag_count, hosts, last_byte, mood, mood_text, moods, span, relation, odd, ord, ab, \
             code_text, flag FROM t ORDER BY legacy",
        )
        .await;
    let text = |row: usize| -> Vec<String> {
        let values = rows[row].iter();
        values
            .map(|value| value.clone().unwrap_or_else(|| "-".to_owned()))
            .collect()
    };
    assert_eq!(rows.len(), 3);
    assert_eq!(
        text(0),
        [
            "1",
            "1.50",
            "1.50 ",
            "2.00",
            "{a,\"b c\"}",
            "2",
            "{10.0.0.1}",
            "-12",
            "good",
            "good!",
            "{good,bad}",
            "[1,5)",
            "pg_class",
            "odd",
            "3",
            "quote",
            "[x]",
            "t"
        ]
    );
    assert_eq!(
        text(1),
        [
            "2", "9.99", "9.99 ", "2.50", "{}", "0", "{}", "-14", "-", "-", "{}", "empty", "pg_type", "-",
            "4", "-", "-", "f"
        ]
    );
    assert_eq!(
        text(2),
        [
            "3", "3.00", "3.00 ", "-", "-", "-", "-", "-", "bad", "bad!", "-", "-", "-", "", "-", "", "[yz]",
            "-"
        ]
    );
    // The fourth row divides by zero, and its flag is neither of two: one fault each.
    let faults = pair
        .target
        .rows("SELECT sqlstate, coalesce(message, '') FROM driftless.rejects")
        .await;
    assert_eq!(faults.len(), 1, "{faults:?}");
}
