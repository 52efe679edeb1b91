//! Constraints that are set aside, and that somebody adds again while a load is under way: rows that come later are not checked.

use driftless_testkit::{pg_dump_schema_without, wait_until};

use crate::gate::{GATE, Gate};
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 40);
    CREATE TABLE held (id int PRIMARY KEY); INSERT INTO held VALUES (1);
    CREATE TABLE child (id int PRIMARY KEY, parent int, code text);
    INSERT INTO child SELECT n, 1 + n % 40, 'c' || n % 99 FROM generate_series(1, 100) AS n;";

/// `child` waits for `held`, which stands before the gate.
const ENTITIES: &str = r#"
    [defaults]
    max_rejects = "20%"
    [entities.parents]
    from = "public.parent"
    into = "public.parents"
    columns = { id = { id = true } }
    [entities.held]
    from = "public.held"
    into = "public.held"
    columns.id = { id = true }
    columns.n = { sql = "public.gate(id::int8, 1)" }
    [entities.children]
    from = "public.child"
    into = "public.children"
    after = ["held", "parents"]
    columns = { id = { id = true }, parent_id = { ref = "parents", from = "parent" }, code = "code" }
"#;

fn target(code: &str) -> String {
    format!(
        "{GATE}
         CREATE TABLE parents (id uuid PRIMARY KEY);
         CREATE TABLE held (id uuid PRIMARY KEY, n int8);
         CREATE TABLE children (id uuid PRIMARY KEY, parent_id uuid REFERENCES parents, code text {code});"
    )
}

/// Loads, and lets somebody act when the parents are in and no child is.
async fn meanwhile(hint: &str, code: &str, theirs: &str) -> Pair {
    let pair = Pair::create(hint, SOURCE, &target(code)).await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let gate = Gate::shut(&pair.target).await;
    let (loaded, ()) = tokio::join!(pair.migrate(ENTITIES), async {
        gate.reached().await;
        wait_until("parents", async || {
            pair.count("SELECT count(*) FROM parents").await == 40
        })
        .await;
        pair.target.run(theirs).await;
        gate.open().await;
    });
    loaded.expect("a load");
    let after = pg_dump_schema_without(&pair.target.url(), "driftless");
    assert_eq!(after, before);
    pair
}

/// The parent leaves while the key stands and no child is there: nobody objects, and nobody who counted keys has seen it.
#[tokio::test]
async fn a_foreign_key_that_is_added_again_is_proven_by_a_join() {
    let theirs = "ALTER TABLE parents ADD CONSTRAINT parents_pkey PRIMARY KEY (id);
        ALTER TABLE children ADD CONSTRAINT children_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES parents(id);
        DELETE FROM parents WHERE id = driftless.uuid_for('parents', '7');";
    let pair = meanwhile("added_key", "", theirs).await;
    let orphans = "SELECT count(*) FROM children AS c WHERE NOT EXISTS (SELECT FROM parents AS p WHERE p.id = c.parent_id)";
    assert_eq!(pair.count(orphans).await, 0);
    assert_eq!(pair.count("SELECT count(*) FROM children").await, 97);
    let missing = |key: &str| (key.to_owned(), "DL0400".to_owned());
    assert_eq!(
        pair.rejects("children").await,
        [missing("6"), missing("46"), missing("86")]
    );
}

/// A key that is checked late is not checked at all in a replica session.
#[tokio::test]
async fn a_late_key_that_is_added_again_is_proven() {
    let theirs = "ALTER TABLE children ADD CONSTRAINT children_code_key UNIQUE (code) DEFERRABLE";
    let pair = meanwhile("added_late", "UNIQUE DEFERRABLE", theirs).await;
    let twice = "SELECT count(*) - count(DISTINCT code) FROM children";
    assert_eq!(pair.count(twice).await, 0);
    assert_eq!(
        pair.rejects("children").await,
        [("100".to_owned(), "DL0406".to_owned())]
    );
}
