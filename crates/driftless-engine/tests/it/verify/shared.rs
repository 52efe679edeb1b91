//! Validation where rows are not one to one: adopted mappings, keys that repeat, tables that two entities write.

use driftless_engine::run::validate;

use super::{check, differing};
use crate::pair::Pair;

#[tokio::test]
async fn adopted_rows_that_stayed_are_not_compared() {
    let source = "CREATE TABLE account (id int PRIMARY KEY, email text, credit numeric);
        INSERT INTO account SELECT n, 'a' || n || '@example.org', n FROM generate_series(1, 50) AS n";
    // Ten were brought over by hand, with other values, and stay as they are.
    let target = "CREATE TABLE accounts (id uuid PRIMARY KEY, email text, credit numeric, legacy_id int);
        INSERT INTO accounts SELECT gen_random_uuid(), 'by hand', 1000, n FROM generate_series(1, 10) AS n;
        INSERT INTO accounts SELECT gen_random_uuid(), 'of others', 5000, NULL FROM generate_series(1, 3)";
    let mapping = r#"
        [entities.accounts]
        from = "public.account"
        into = "public.accounts"
        columns = { id = { id = true }, legacy_id = "id" }
        identity = { by = "derive", adopt = { sql = "SELECT legacy_id, id FROM public.accounts WHERE legacy_id IS NOT NULL" } }
    "#;
    let pair = Pair::create("adopted", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let validation = validate(&pair.spec(mapping), &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
    let counts = &validation.entities[0].counts;
    assert_eq!((counts.source, counts.live, counts.adopted), (50, 40, 10));
    assert_eq!((validation.tables[0].ours, validation.tables[0].others), (40, 13));
    // 11 + … + 50.
    assert_eq!(
        check(&validation, "accounts", "sum of credit").target.as_deref(),
        Some("1220")
    );
    // The application may do with them what it likes.
    pair.target
        .run("UPDATE accounts SET credit = 0 WHERE email = 'by hand'")
        .await;
    pair.source
        .run("UPDATE account SET credit = 7 WHERE id = 3")
        .await;
    let validation = validate(&pair.spec(mapping), &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
}

#[tokio::test]
async fn rows_that_share_a_key_or_have_none_are_accounted_for() {
    let source = "CREATE TABLE loose (code text, amount int);
        INSERT INTO loose SELECT 'k' || n, n FROM generate_series(1, 30) AS n;
        INSERT INTO loose VALUES ('k7', 700), ('k7', 7000), ('k9', 900), (NULL, 1), (NULL, 2)";
    let target = "CREATE TABLE loosely (id uuid PRIMARY KEY, code text, amount int)";
    let mapping = r#"
        [entities.loose]
        from = "public.loose"
        into = "public.loosely"
        key = ["code"]
        max_rejects = 10
        columns = { id = { id = true } }
    "#;
    let pair = Pair::create("loose", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let validation = validate(&pair.spec(mapping), &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0], "{validation:#?}");
    let undecided = check(&validation, "loose", "rows whose key is not unique");
    assert_eq!(
        (undecided.ok, undecided.examples.as_slice()),
        (None, ["k7".to_owned(), "k9".to_owned()].as_slice())
    );
    let counts = &validation.entities[0].counts;
    assert_eq!(
        (counts.source, counts.repeated, counts.live, counts.rejected),
        (35, 4, 30, 3)
    );
    let sum = pair
        .target
        .value("SELECT sum(amount) FROM loosely WHERE code NOT IN ('k7', 'k9')")
        .await;
    assert_eq!(check(&validation, "loose", "sum of amount").source, sum);
}

#[tokio::test]
async fn rows_that_leave_the_filter_are_only_in_the_target() {
    let source = "CREATE TABLE task (id int PRIMARY KEY, kind text, hours int);
        INSERT INTO task SELECT n, CASE WHEN n % 3 = 0 THEN 'paid' ELSE 'free' END, n FROM generate_series(1, 60) AS n";
    let target = "CREATE TABLE tasks (id uuid PRIMARY KEY, hours int, paid boolean);";
    let mapping = r#"
        [entities.paid]
        from = "public.task"
        into = "public.tasks"
        where = "kind = 'paid'"
        columns = { id = { id = true }, paid = { const = "true" } }
        [entities.free]
        from = "public.task"
        into = "public.tasks"
        where = "kind = 'free'"
        columns = { id = { id = true }, paid = { const = "false" } }
    "#;
    let pair = Pair::create("filter", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let validation = validate(&pair.spec(mapping), &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
    // One table, each entity sees its own rows in it.
    assert_eq!(validation.tables.len(), 1);
    assert_eq!((validation.tables[0].ours, validation.tables[0].others), (60, 0));
    assert_eq!(
        check(&validation, "paid", "sum of hours").target.as_deref(),
        Some("630")
    );
    let alone = validate(&pair.spec(mapping), &["paid".to_owned()])
        .await
        .expect("a report");
    assert_eq!((alone.tables[0].ours, alone.tables[0].others), (60, 0));
    pair.source
        .run("UPDATE task SET kind = 'free' WHERE id = 3")
        .await;
    let validation = validate(&pair.spec(mapping), &[]).await.expect("a report");
    assert_eq!(
        differing(&validation),
        [
            "paid: keys that only the target has",
            "paid: sum of hours",
            "paid: min of hours",
            "free: rows in the target or on record",
            "free: keys that only the source has",
            "free: sum of hours",
        ]
    );
}
