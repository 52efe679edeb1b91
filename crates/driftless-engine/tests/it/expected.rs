//! What a target must hold, worked out beside the engine: UUIDs by the documented formula, rows by plain SQL.

use driftless_testkit::TestDatabase;
use uuid::Uuid;

/// The UUID of a key as `docs/reference/identity.md` says, made by another library's UUIDv5.
pub(crate) fn derived(namespace: Uuid, name: &str, key: &str) -> Uuid {
    let length = u32::try_from(name.len()).expect("a short name");
    let hashed = [&length.to_be_bytes()[..], name.as_bytes(), key.as_bytes()].concat();
    Uuid::new_v5(&namespace, &hashed)
}

/// Puts the UUIDs of an entity's keys into the table `expected.id (entity, key, id)` of a database. `keys` is a query
/// there that gives canonical key texts.
pub(crate) async fn expect_ids(database: &TestDatabase, namespace: Uuid, entity: &str, keys: &str) {
    let keys: Vec<String> = database
        .rows(keys)
        .await
        .into_iter()
        .map(|mut row| row.remove(0).expect("a key"))
        .collect();
    let ids: Vec<Uuid> = keys.iter().map(|key| derived(namespace, entity, key)).collect();
    let client = database.client().await;
    client
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS expected; \
             CREATE TABLE IF NOT EXISTS expected.id (entity text, key text, id uuid NOT NULL, PRIMARY KEY (entity, key))",
        )
        .await
        .expect("a table");
    client
        .execute(
            "INSERT INTO expected.id SELECT $1, k, i FROM unnest($2::text[], $3::uuid[]) AS u (k, i)",
            &[&entity, &keys, &ids],
        )
        .await
        .expect("expected UUIDs");
    client
        .batch_execute("ANALYZE expected.id")
        .await
        .expect("statistics");
}

/// Asserts that two queries in one database give the same rows, counted as often, and some.
pub(crate) async fn same_rows(database: &TestDatabase, what: &str, expected: &str, actual: &str) {
    let sql = format!(
        "SET extra_float_digits = 1; WITH e AS MATERIALIZED ({expected}), a AS MATERIALIZED ({actual}), \
         missing AS (SELECT * FROM e EXCEPT ALL SELECT * FROM a), surplus AS (SELECT * FROM a EXCEPT ALL SELECT * FROM e) \
         SELECT (SELECT count(*) FROM e), (SELECT count(*) FROM missing), (SELECT count(*) FROM surplus), \
         (SELECT m::text FROM missing AS m LIMIT 1), (SELECT s::text FROM surplus AS s LIMIT 1)"
    );
    let row = database.rows(&sql).await.remove(0);
    let text = |column: usize| row[column].as_deref().unwrap_or("-");
    assert_ne!(text(0), "0", "{what}: nothing is expected");
    assert_eq!(
        (text(1), text(2)),
        ("0", "0"),
        "{what}: of {} rows expected {} are missing, such as {}; {} too many, such as {}",
        text(0),
        text(1),
        text(3),
        text(2),
        text(4)
    );
}
