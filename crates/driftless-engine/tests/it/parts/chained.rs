//! References without a foreign key, whose rows leave one after the other: what the proof asks is no more than it needs.

use driftless_core::code;
use driftless_engine::run::plan;

use crate::pair::{Pair, migrate_spec, read};
use crate::session::{session_of_new_role, url_as};

/// The firsts of 8 and of 9 refer to nothing; the third of 9 refers to no second.
const SOURCE: &str = "
    CREATE FUNCTION uid(n int) RETURNS uuid RETURN ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid;
    CREATE TABLE first (id int PRIMARY KEY, uid uuid, beyond int);
    INSERT INTO first SELECT n, uid(n), CASE WHEN n IN (8, 9) THEN 99 END FROM generate_series(1, 50) AS n;
    CREATE TABLE second (id int PRIMARY KEY, uid uuid, first int); INSERT INTO second SELECT n, uid(n), n FROM generate_series(1, 50) AS n;
    CREATE TABLE third (id int PRIMARY KEY, second int); INSERT INTO third SELECT n, nullif(n, 9) FROM generate_series(1, 50) AS n;";

/// No third may refer to the second of 9; a row of others, that refers to nothing, has no key. Those of third keep their integers.
const TARGET: &str = "
    CREATE DOMAIN picked AS uuid CHECK (VALUE <> '00000000-0000-0000-0000-000000000009');
    CREATE TABLE firsts (id uuid PRIMARY KEY, beyond uuid);
    CREATE TABLE seconds (id uuid UNIQUE, first uuid, secret text);
    CREATE TABLE thirds (id int PRIMARY KEY, second picked, secret text);
    INSERT INTO seconds VALUES (NULL, gen_random_uuid(), 'theirs');";

const ENTITIES: &str = r#"
    [defaults]
    max_rejects = 10
    [entities.first]
    from = "public.first"
    into = "public.firsts"
    identity = { by = "column", column = "uid" }
    columns = { id = { id = true }, beyond = { ref = "first", from = "beyond" } }
    [entities.second]
    from = "public.second"
    into = "public.seconds"
    identity = { by = "column", column = "uid" }
    columns = { id = { id = true }, first = { ref = "first", from = "first" } }
    [entities.third]
    from = "public.third"
    into = "public.thirds"
    columns = { second = { ref = "second", from = "second" } }
"#;

/// The mapping of a role that may read no column but those that are written.
async fn mapping(pair: &Pair) -> String {
    let (_, role) = session_of_new_role(&pair.target, "loader").await;
    let rights = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON firsts TO {role};
         GRANT SELECT (id, first), INSERT (id, first), UPDATE, DELETE ON seconds TO {role};
         GRANT SELECT (id, second), INSERT (id, second), UPDATE, DELETE ON thirds TO {role};
         CREATE SCHEMA driftless AUTHORIZATION {role}"
    );
    pair.target.run(&rights).await;
    format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n{ENTITIES}",
        pair.source.url(),
        url_as(&pair.target, &role)
    )
}

#[tokio::test]
async fn rows_that_leave_take_others_along_with_the_least_that_a_role_may_read() {
    let pair = Pair::create("chained", SOURCE, TARGET).await;
    let mapping = mapping(&pair).await;
    let planned = plan(&read(&mapping)).await.expect("a plan");
    let statements = planned.entities.iter().flat_map(|one| &one.statements);
    let questions: Vec<&str> = statements
        .filter(|one| one.step.starts_with("prove references"))
        .map(|one| one.sql.as_str())
        .collect();
    // Orphans are remembered by their keys, integers too.
    assert_eq!(questions.len(), 3);
    assert!(
        questions.iter().all(|one| one.contains("AS key")),
        "{questions:?}"
    );
    migrate_spec(&read(&mapping)).await.expect("a load");
    let missing = |key: &str| (key.to_owned(), code::ROW_REFERENCE_MISSING.to_string());
    let rejected = |key: &str| (key.to_owned(), code::ROW_PARENT_REJECTED.to_string());
    assert_eq!(pair.rejects("first").await, [missing("8"), missing("9")]);
    assert_eq!(pair.rejects("second").await, [rejected("8"), rejected("9")]);
    assert_eq!(pair.rejects("third").await, [rejected("8")]);
    let theirs = "SELECT count(*) FROM seconds WHERE secret = 'theirs'";
    assert_eq!(pair.count(theirs).await, 1);
}
