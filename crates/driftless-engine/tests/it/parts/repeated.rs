//! Keys and values that repeat while single rows are read again: which row stays does not depend on luck.

use driftless_core::code;
use driftless_engine::run::report::RejectFilter;
use driftless_engine::run::{Stop, rejects};

use super::resume::stopped_at;
use crate::pair::Pair;

const CODES: &str = "
    [entities.codes]
    from = \"public.item\"
    into = \"public.codes\"
    key = [\"id\"]
    max_rejects = \"90%\"
    identity = { by = \"columns\" }
    columns = { amount = { sql = \"amount::int\" } }
";

const TARGET: &str = "CREATE TABLE codes (code text PRIMARY KEY, amount int);";

/// `code` of what stands in the target, and the keys on record.
async fn outcome(pair: &Pair) -> (String, Vec<(String, String)>) {
    let codes = "SELECT coalesce(string_agg(code, ' ' ORDER BY code), '') FROM codes";
    let found = pair.target.value(codes).await.unwrap_or_default();
    (found, pair.rejects("codes").await)
}

fn duplicates(keys: &[&str]) -> Vec<(String, String)> {
    let code = code::ROW_DUPLICATE.to_string();
    keys.iter().map(|key| ((*key).to_owned(), code.clone())).collect()
}

const INDEXED: &str = "SELECT count(*) FROM pg_index WHERE indrelid = 'driftless.identity_codes'::regclass AND indisunique AND indisvalid";

#[tokio::test]
async fn a_key_that_occurs_often_shares_its_target_key() {
    let source = "CREATE TABLE item (id int, code text, amount text);
        INSERT INTO item SELECT k, c, 1 FROM unnest(ARRAY[1, 1, 1, 1, 2, 3, 4, 5], ARRAY['T', 'T', 'T', 'U', 'T', 'W', 'X', 'X']) AS i (k, c);";
    let pair = Pair::create("twins", source, TARGET).await;
    pair.migrate(CODES).await.expect("a load");
    assert_eq!(
        outcome(&pair).await,
        ("T W X".to_owned(), duplicates(&["1", "2", "5"]))
    );
    assert_eq!(pair.count(INDEXED).await, 2);
    let known = "SELECT string_agg(k1 || t1, ' ' ORDER BY k1) FROM driftless.identity_codes";
    assert_eq!(pair.target.value(known).await.as_deref(), Some("1T 3W 4X"));
    assert!(pair.migrate(CODES).await.expect("nothing").nothing_to_do);
}

#[tokio::test]
async fn a_rejected_key_that_occurs_twice_is_tried_again() {
    let source = "CREATE TABLE item (id int, code text, amount text);
        INSERT INTO item VALUES (5, 'A', 'bad'), (6, 'F', '6'), (7, 'G', 'bad');";
    let pair = Pair::create("retwins", source, TARGET).await;
    pair.migrate(CODES).await.expect("a load");
    pair.source
        .run("UPDATE item SET amount = '1'; INSERT INTO item VALUES (5, 'B', '2'), (5, 'A', '3')")
        .await;
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let retried = rejects::retry(&pair.spec(CODES), &RejectFilter::default(), &events, &Stop::new()).await;
    let retried = retried.expect("tried again");
    assert_eq!(
        (retried.tried, retried.written, retried.still_rejected),
        (2, 1, 1)
    );
    assert_eq!(outcome(&pair).await, ("A F G".to_owned(), duplicates(&["5"])));
    assert_eq!(pair.count(INDEXED).await, 2);
    let known = "SELECT string_agg(k1 || t1, ' ' ORDER BY k1) FROM driftless.identity_codes";
    assert_eq!(pair.target.value(known).await.as_deref(), Some("5A 6F 7G"));
    assert!(pair.migrate(CODES).await.expect("nothing").nothing_to_do);
}

/// Beside rows of others the first of two equal values stays: what is read again comes in the order of its keys.
#[tokio::test]
async fn of_new_rows_beside_those_of_others_the_smallest_key_stays() {
    let source = "CREATE TABLE item (id int PRIMARY KEY, code text); INSERT INTO item VALUES (1, 'first'), (9000, 'last');
        CREATE TABLE label (id text PRIMARY KEY COLLATE \"en-x-icu\", code text); INSERT INTO label VALUES ('a', 'same'), ('B', 'same'), ('c', 'same');";
    let target = "CREATE TABLE items (id uuid PRIMARY KEY, legacy_id int, code text UNIQUE);
        CREATE TABLE labels (id uuid PRIMARY KEY, name text, code text UNIQUE);
        INSERT INTO items VALUES (gen_random_uuid(), NULL, 'theirs'); INSERT INTO labels VALUES (gen_random_uuid(), NULL, 'theirs');";
    let mapping = "
        [entities.items]
        from = \"public.item\"
        into = \"public.items\"
        max_rejects = 3000
        columns = { id = { id = true }, legacy_id = \"id\" }
        [entities.labels]
        from = \"public.label\"
        into = \"public.labels\"
        max_rejects = 2
        columns = { id = { id = true }, name = \"id\" }
    ";
    let pair = Pair::create("order", source, target).await;
    assert!(stopped_at(&pair, mapping, "indexing identities").await);
    pair.source
        .run("INSERT INTO item SELECT n, 'code ' || n % 2500 FROM generate_series(2, 5001) AS n ORDER BY n DESC")
        .await;
    pair.migrate(mapping).await.expect("continued");
    let smallest = "SELECT count(*) FROM items WHERE legacy_id BETWEEN 2 AND 2501";
    assert_eq!(pair.count(smallest).await, 2500);
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 2503);
    // Keys that are texts are compared as bytes, whatever the source's collation is.
    let label = "SELECT name FROM labels WHERE code = 'same'";
    assert_eq!(pair.target.value(label).await.as_deref(), Some("B"));
}
