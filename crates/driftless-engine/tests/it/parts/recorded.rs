//! Recorded mappings that change between an interruption and the resume, and keys that repeat where they are adopted.

use super::resume::stopped_at;
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE parent (id int PRIMARY KEY, account uuid, v text);
    INSERT INTO parent SELECT n, md5(n::text)::uuid, 'v' || n FROM generate_series(1, 9) AS n WHERE n <> 5;
    UPDATE parent SET account = NULL WHERE id = 6;
    CREATE TABLE pair (a int, b text, account uuid, PRIMARY KEY (a, b));
    INSERT INTO pair SELECT n, 'b', md5('pair' || n)::uuid FROM generate_series(1, 9) AS n;
    CREATE TABLE child (id int PRIMARY KEY, parent int, kind text, b text);
    INSERT INTO child SELECT n, n, CASE WHEN n % 2 = 0 THEN 'P' ELSE 'Q' END, 'b' FROM generate_series(1, 9) AS n;
    INSERT INTO child VALUES (10, NULL, NULL, NULL), (11, 77, 'P', 'none');
    CREATE TABLE profile (parent int PRIMARY KEY, nick text);
    INSERT INTO profile SELECT n, 'nick' || n FROM generate_series(1, 9) AS n WHERE n NOT IN (5, 6);";

const TARGET: &str = "
    CREATE TABLE parents (id uuid PRIMARY KEY, v text);
    CREATE TABLE pairs (id uuid PRIMARY KEY, a int);
    CREATE TABLE children (id uuid PRIMARY KEY, legacy_id int, parent uuid REFERENCES parents, pair uuid, either uuid, doc jsonb);
    CREATE TABLE profiles (id uuid PRIMARY KEY, nick text);";

const MAPPING: &str = r#"
    [defaults]
    max_rejects = 5
    [entities.parents]
    from = "public.parent"
    into = "public.parents"
    identity = { by = "column", column = "account" }
    columns = { id = { id = true } }
    [entities.pairs]
    from = "public.pair"
    into = "public.pairs"
    identity = { by = "column", column = "account" }
    columns = { id = { id = true } }
    [entities.profiles]
    from = "public.profile"
    into = "public.profiles"
    identity = { same_as = "parents" }
    columns = { id = { id = true } }
    [entities.children]
    from = "public.child"
    into = "public.children"
    [entities.children.columns]
    id = { id = true }
    legacy_id = "id"
    parent = { ref = "parents", from = "parent", missing = "null" }
    pair = { ref = "pairs", from = ["parent", "b"], missing = "null" }
    either = { ref = { by = "kind", values = { P = "parents", Q = "profiles" } }, from = "parent", missing = "null" }
    doc = { json = { of = { json = { parent = { ref = "parents", from = "parent", missing = "null" } } } } }
"#;

/// Children with the legacy keys that their references mean.
const CHILDREN: &str = "
    SELECT c.legacy_id::text, p.v, q.a::text, CASE c.legacy_id % 2 WHEN 0 THEN e.v ELSE r.nick END, d.v, c.either::text
      FROM children AS c LEFT JOIN parents AS p ON p.id = c.parent LEFT JOIN pairs AS q ON q.id = c.pair
      LEFT JOIN parents AS e ON e.id = c.either LEFT JOIN profiles AS r ON r.id = c.either
      LEFT JOIN parents AS d ON d.id::text = c.doc #>> '{of,parent}' ORDER BY c.legacy_id";

/// The same of the source alone.
const EXPECTED: &str = "
    SELECT c.id::text, p.v, q.a::text, CASE c.id % 2 WHEN 0 THEN p.v ELSE r.nick END, p.v,
           CASE WHEN c.id % 2 = 0 OR r.nick IS NOT NULL THEN p.account::text END
      FROM child AS c LEFT JOIN parent AS p ON p.id = c.parent AND p.account IS NOT NULL
      LEFT JOIN pair AS q ON q.a = c.parent AND q.b = c.b LEFT JOIN profile AS r ON r.parent = p.id ORDER BY c.id";

async fn children_refer_as_the_source_says(pair: &Pair) {
    let (expected, actual) = (pair.source.rows(EXPECTED).await, pair.target.rows(CHILDREN).await);
    assert_eq!(actual, expected);
}

#[tokio::test]
async fn a_reference_without_a_recorded_mapping_is_looked_at_again() {
    let pair = Pair::create("nulled", SOURCE, TARGET).await;
    assert!(stopped_at(&pair, MAPPING, "indexing identities").await);
    let waiting =
        "SELECT string_agg(k1::text, ' ' ORDER BY k1) FROM driftless.identity_children WHERE nulled";
    assert_eq!(pair.target.value(waiting).await.as_deref(), Some("5 6 11"));
    pair.source
        .run(
            "INSERT INTO parent VALUES (5, md5('5')::uuid, 'v5'); UPDATE parent SET account = md5('6')::uuid WHERE id = 6;
             INSERT INTO profile VALUES (5, 'nick5'); INSERT INTO pair VALUES (77, 'none', md5('77')::uuid)",
        )
        .await;
    pair.migrate(MAPPING).await.expect("continued");
    children_refer_as_the_source_says(&pair).await;
    assert_eq!(pair.count("SELECT count(*) FROM driftless.rejects").await, 0);
}

#[tokio::test]
async fn children_follow_a_uuid_that_changes_in_the_source() {
    let pair = Pair::create("moved", SOURCE, TARGET).await;
    assert!(stopped_at(&pair, MAPPING, "indexing identities").await);
    // New ones, two that change hands, one that is no longer there.
    pair.source
        .run(
            "UPDATE parent SET account = md5('new' || id)::uuid WHERE id IN (3, 4);
             UPDATE parent SET account = md5((3 - id)::text)::uuid WHERE id IN (1, 2);
             UPDATE pair SET account = md5('pair' || (15 - a))::uuid WHERE a IN (7, 8);
             DELETE FROM parent WHERE id IN (8, 9)",
        )
        .await;
    pair.migrate(MAPPING).await.expect("continued");
    let profiles = "SELECT id::text, nick FROM profiles ORDER BY nick";
    let expected = "SELECT p.account::text, r.nick FROM profile AS r JOIN parent AS p ON p.id = r.parent ORDER BY r.nick";
    assert_eq!(pair.target.rows(profiles).await, pair.source.rows(expected).await);
    let (eight, nine) = (
        ("8".to_owned(), "DL0400".to_owned()),
        ("9".to_owned(), "DL0400".to_owned()),
    );
    assert_eq!(
        pair.rejects("profiles").await,
        [eight, nine],
        "they share no identity any more"
    );
    pair.source.run("DELETE FROM profile WHERE parent > 7").await;
    children_refer_as_the_source_says(&pair).await;
}

/// Beside rows of others, with a key that repeats: once where the adopted row is there, once where it is not.
#[tokio::test]
async fn the_second_row_of_an_adopted_key_is_rejected() {
    let source = "CREATE TABLE account (id int, v text);
        INSERT INTO account SELECT k, 'v' || n FROM unnest(ARRAY[1, 1, 2, 2, 3, 4, 4]) WITH ORDINALITY AS a (k, n);";
    let target = "CREATE TABLE accounts (id uuid PRIMARY KEY, v text);
        CREATE TABLE old_map AS SELECT n AS legacy, md5(n::text)::uuid AS id FROM generate_series(1, 3) AS n;
        INSERT INTO accounts VALUES (md5('2')::uuid, 'edited there');";
    let map = |batch: usize| {
        format!(
            "[entities.accounts]\nfrom = \"public.account\"\ninto = \"public.accounts\"\nkey = [\"id\"]\nbatch_rows = {batch}\n\
             max_rejects = 3\ncolumns = {{ id = {{ id = true }} }}\n\
             identity = {{ by = \"derive\", adopt = {{ sql = \"SELECT legacy, id FROM public.old_map\" }} }}\n"
        )
    };
    for (path, batch) in [("beside", 1), ("beside", 1000), ("load", 1), ("load", 1000)] {
        let pair = Pair::create("standing", source, target).await;
        if path == "load" {
            pair.target.run("DELETE FROM accounts").await;
        }
        let report = pair.migrate(&map(batch)).await.expect("a load");
        assert_eq!(report.entities[0].path, path);
        let repeated: Vec<String> = pair
            .rejects("accounts")
            .await
            .into_iter()
            .map(|one| one.0 + &one.1)
            .collect();
        assert_eq!(repeated, ["1DL0406", "2DL0406", "4DL0406"], "{path} {batch}");
        assert_eq!(pair.count("SELECT count(*) FROM accounts").await, 4);
        let statuses = "SELECT string_agg(k1 || ' ' || status || ' ' || (offered IS NULL)::text, ', ' ORDER BY k1) FROM driftless.identity_accounts";
        let two = if path == "load" { "2 0 false" } else { "2 1 true" };
        let expected = format!("1 0 false, {two}, 3 0 false, 4 0 false");
        assert_eq!(
            pair.target.value(statuses).await,
            Some(expected),
            "{path} {batch}"
        );
    }
}
