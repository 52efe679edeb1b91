//! Random identities: drawn once, kept whatever happens to the run, known to everything that refers to them.

use driftless_engine::run::report::MigrateReport;

use super::resume::stopped_at;
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE person (id int PRIMARY KEY, name text, boss int);
    INSERT INTO person SELECT n, 'name ' || n, nullif(n * 7 % 300, 0) FROM generate_series(1, 300) AS n;
    CREATE TABLE pet (a int, b text, owner int, PRIMARY KEY (a, b));
    INSERT INTO pet SELECT n, 'é' || n, n FROM generate_series(1, 310) AS n;";

const TARGET: &str = "
    CREATE TABLE person (id uuid PRIMARY KEY, legacy_id int UNIQUE, name text, boss uuid REFERENCES person);
    CREATE TABLE profile (id uuid PRIMARY KEY REFERENCES person, name text);
    CREATE TABLE pet (id uuid PRIMARY KEY, a int, owner uuid REFERENCES person);
    CREATE TABLE old_map (legacy int, id uuid);
    INSERT INTO old_map VALUES (5, md5('five')::uuid);";

const MAPPING: &str = r#"
    [defaults]
    max_rejects = 100
    [entities.pet]
    from = "public.pet"
    into = "public.pet"
    identity = { by = "random" }
    columns = { id = { id = true }, owner = { ref = "person", from = "owner", missing = "null" } }
    [entities.profile]
    from = "public.person"
    into = "public.profile"
    identity = { same_as = "person" }
    columns = { id = { id = true } }
    [entities.person]
    from = "public.person"
    into = "public.person"
    identity = { by = "random", adopt = { sql = "SELECT legacy, id FROM public.old_map" } }
    columns = { id = { id = true }, legacy_id = "id", boss = { ref = "person", from = "boss" } }
"#;

async fn migrated(pair: &Pair) -> MigrateReport {
    pair.migrate(MAPPING).await.expect("a load")
}

#[tokio::test]
async fn drawn_once_and_kept() {
    let pair = Pair::create("random", SOURCE, TARGET).await;
    assert!(stopped_at(&pair, MAPPING, "building indexes").await);
    let drawn = "SELECT legacy_id || ' ' || id FROM person ORDER BY legacy_id";
    let before = pair.target.rows(drawn).await;
    assert_eq!(before.len(), 300);
    // What changes is written again under the UUID that it has; what comes gets one; what goes takes nothing along.
    pair.source
        .run(
            "UPDATE person SET name = 'changed' WHERE id = 7; INSERT INTO person VALUES (301, 'new', 301), (302, 'new', 7);
             DELETE FROM person WHERE id = 8; UPDATE person SET boss = NULL WHERE boss = 8",
        )
        .await;
    assert!(migrated(&pair).await.resumed);
    let after = pair.target.rows(drawn).await;
    let kept = before.iter().filter(|row| after.contains(row)).count();
    assert_eq!((kept, after.len()), (299, 301), "all but the one that is gone");
    for (what, sql, expected) in [
        (
            "version 7 and variant 2, but for the adopted one",
            "SELECT count(*) FROM person WHERE substr(id::text, 15, 1) = '7' AND substr(id::text, 20, 1) IN ('8', '9', 'a', 'b')",
            300,
        ),
        (
            "of this hour",
            "SELECT count(*) FROM person WHERE legacy_id <> 5 AND ('x0000' || left(replace(id::text, '-', ''), 12))::bit(64)::int8
                 BETWEEN extract(epoch FROM now() - '1 hour'::interval) * 1000 AND extract(epoch FROM now()) * 1000",
            300,
        ),
        ("the adopted one", "SELECT count(*) FROM person WHERE legacy_id = 5 AND id = md5('five')::uuid", 1),
        (
            "bosses",
            "SELECT count(*) FROM person AS p JOIN person AS b ON b.id = p.boss WHERE b.legacy_id = p.legacy_id * 7 % 300
                 OR p.legacy_id > 300",
            299,
        ),
        ("shared", "SELECT count(*) FROM profile AS f JOIN person AS p USING (id, name)", 301),
        ("owners", "SELECT count(*) FROM pet AS t JOIN person AS p ON p.id = t.owner AND p.legacy_id = t.a", 301),
        ("pets", "SELECT count(DISTINCT id) FROM pet", 310),
        (
            "looked up",
            "SELECT count(*) FROM person WHERE id = driftless.uuid_for('person', legacy_id::text)",
            301,
        ),
    ] {
        assert_eq!(pair.count(sql).await, expected, "{what}");
    }
    assert!(migrated(&pair).await.nothing_to_do);
}
