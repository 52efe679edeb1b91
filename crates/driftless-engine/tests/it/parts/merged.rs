//! Rows of the source that are one row of the target: all their keys point to it.

use driftless_core::code;

use super::resume::stopped_at;
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE users (id int PRIMARY KEY, email text, name text, seen int, account uuid UNIQUE);
    INSERT INTO users SELECT n, CASE WHEN n % 50 = 0 THEN NULL WHEN n % 2 = 0 THEN 'User' || n % 100 || '@x.org' ELSE 'user' || n % 100 || '@X.ORG' END,
        'name ' || n, 1000 - n, md5(n::text)::uuid FROM generate_series(1, 300) AS n;
    CREATE TABLE orders (id int PRIMARY KEY, buyer int);
    INSERT INTO orders SELECT n, 1 + n % 300 FROM generate_series(1, 900) AS n;";

const TARGET: &str = "
    CREATE TABLE users (id uuid PRIMARY KEY, legacy_id int, email text, name text);
    CREATE UNIQUE INDEX ON users (lower(email));
    CREATE TABLE orders (id uuid PRIMARY KEY, legacy_id int, buyer uuid REFERENCES users);";

fn mapping(identity: &str) -> String {
    format!(
        "[defaults]\nmax_rejects = \"50%\"\n[entities.orders]\nfrom = \"public.orders\"\ninto = \"public.orders\"\n\
         columns = {{ id = {{ id = true }}, legacy_id = \"id\", buyer = {{ ref = \"users\", from = \"buyer\" }} }}\n\
         [entities.users]\nfrom = \"public.users\"\ninto = \"public.users\"\nidentity = {{ {identity} }}\n\
         columns = {{ id = {{ id = true }}, legacy_id = \"id\", name = {{ copy = \"name\", required = true }} }}\n"
    )
}

/// What must be there: of equal addresses the one that `order` puts first, and every order with the one that stands for its
/// buyer.
async fn as_the_source_is(pair: &Pair, order: &str) {
    let winners = format!(
        "WITH w AS (SELECT id, first_value(id) OVER (PARTITION BY coalesce(lower(email), id::text) ORDER BY {order}) AS winner FROM users)"
    );
    let users = format!(
        "{winners} SELECT u.id, u.email, u.name FROM users AS u WHERE id IN (SELECT winner FROM w) ORDER BY 1"
    );
    let actual = "SELECT legacy_id, email, name FROM users ORDER BY 1";
    assert_eq!(
        pair.source.rows(&users).await,
        pair.target.rows(actual).await,
        "users"
    );
    let orders =
        format!("{winners} SELECT o.id, w.winner FROM orders AS o LEFT JOIN w ON w.id = o.buyer ORDER BY 1");
    let actual =
        "SELECT o.legacy_id, u.legacy_id FROM orders AS o LEFT JOIN users AS u ON u.id = o.buyer ORDER BY 1";
    assert_eq!(
        pair.source.rows(&orders).await,
        pair.target.rows(actual).await,
        "orders"
    );
    let keys = format!("{winners} SELECT id, winner FROM w ORDER BY 1");
    let actual = "SELECT i.k1, u.legacy_id FROM driftless.identity_users AS i LEFT JOIN users AS u ON u.id = i.t1 ORDER BY 1";
    assert_eq!(
        pair.source.rows(&keys).await,
        pair.target.rows(actual).await,
        "keys"
    );
    let looked_up = "SELECT count(*) FROM driftless.identity_users WHERE driftless.uuid_for('users', k1::text) IS DISTINCT FROM t1";
    assert_eq!(pair.count(looked_up).await, 0);
    assert_eq!(pair.count("SELECT count(*) FROM driftless.rejects").await, 0);
}

const MEANWHILE: &str = "
    DELETE FROM orders WHERE buyer IN (1, 2); DELETE FROM users WHERE id IN (1, 2); INSERT INTO users VALUES (0, 'USER3@x.org', 'new', 5000, md5('0')::uuid);
    UPDATE users SET email = 'alone@x.org' WHERE id = 104; UPDATE users SET email = 'user6@x.org' WHERE id = 7;
    UPDATE users SET name = 'changed' WHERE id IN (8, 109); INSERT INTO orders VALUES (1000, 0), (1001, 104);
    UPDATE users SET seen = 9000 WHERE id IN (112, 213);";

#[tokio::test]
async fn duplicates_become_one_row_and_all_keys_point_to_it() {
    for (identity, order) in [
        ("merge_on = \"lower(email)\"", "id"),
        (
            "by = \"random\", merge_on = \"lower(email)\", winner = \"newest\"",
            "id DESC",
        ),
        (
            "by = \"column\", column = \"account\", merge_on = \"lower(email)\", winner = { newest = \"seen\" }",
            "seen DESC NULLS LAST, id",
        ),
    ] {
        let pair = Pair::create("merged", SOURCE, TARGET).await;
        let mapping = mapping(identity);
        assert!(stopped_at(&pair, &mapping, "building indexes").await);
        pair.source.run(MEANWHILE).await;
        pair.migrate(&mapping).await.expect("continued");
        as_the_source_is(&pair, order).await;
        let restarted = "SELECT count(*) FROM driftless.identity_users WHERE status = 2";
        assert!(pair.count(restarted).await > 150, "{identity}");
    }
}

#[tokio::test]
async fn rows_that_are_one_with_a_rejected_row_are_rejected_with_it() {
    let pair = Pair::create("merged_rejected", SOURCE, TARGET).await;
    pair.source
        .run("UPDATE users SET name = NULL WHERE id = 5; UPDATE users SET name = NULL WHERE id = 106")
        .await;
    pair.migrate(&mapping("merge_on = \"lower(email)\""))
        .await
        .expect("a load");
    let rejects = pair.rejects("users").await;
    let told = |key: &str| {
        let found = rejects.iter().find(|(one, _)| one == key);
        found.map(|(_, code)| code.as_str())
    };
    assert_eq!(
        (told("5"), told("105"), told("205")),
        (Some("DL0402"), Some("DL0412"), Some("DL0412"))
    );
    // Of 6, 106 and 206 the first one stands for all: what is wrong with another one is on record beside it.
    assert_eq!(rejects.len(), 4, "{rejects:?}");
    let orders = "SELECT count(*) FROM driftless.rejects WHERE entity = 'orders' AND code = 'DL0412'";
    assert_eq!(pair.count(orders).await, 9);
}

#[tokio::test]
async fn what_is_merged_on_is_checked_before_anything_is_written() {
    let pair = Pair::create("merged_findings", SOURCE, TARGET).await;
    for (identity, code, message) in [
        ("merge_on = \"lower(emale)\"", code::BAD_EXPRESSION, "emale"),
        (
            "merge_on = \"email\", winner = { oldest = \"sen\" }",
            code::UNKNOWN_SOURCE_COLUMN,
            "seen",
        ),
    ] {
        let error = pair.migrate(&mapping(identity)).await.expect_err(identity);
        assert_eq!(error.code(), code, "{identity}: {error}");
        assert!(error.to_string().contains(message), "{identity}: {error}");
    }
}

/// What an earlier migration left for one of several rows that are one is the UUID of all: whether it is the one that is
/// written, whether its row is there, and whoever stands for them after an interruption.
#[tokio::test]
async fn an_adopted_uuid_is_that_of_all_duplicates() {
    for identity in [
        "by = \"derive\"",
        "by = \"random\"",
        "by = \"column\", column = \"account\"",
    ] {
        let pair = Pair::create("merged_adopted", SOURCE, TARGET).await;
        pair.target
            .run(
                "CREATE TABLE old_map (legacy int, id uuid);
                 INSERT INTO old_map VALUES (3, md5('a3')::uuid), (104, md5('a104')::uuid), (205, md5('a205')::uuid),
                     (6, md5('a6')::uuid), (106, md5('a6')::uuid), (777, md5('gone')::uuid), (778, md5('gone')::uuid), (9, md5('a9')::uuid);
                 INSERT INTO users VALUES (md5('a205')::uuid, NULL, 'there@y.org', 'there'), (md5('a9')::uuid, NULL, 'nine@y.org', 'there')",
            )
            .await;
        // Where the source has UUIDs, those of adopted keys are the same.
        pair.source
            .run("UPDATE users SET account = NULL WHERE id IN (3, 104, 205, 6, 106, 9)")
            .await;
        let mapping = mapping(&format!(
            "{identity}, merge_on = \"lower(email)\", adopt = {{ sql = \"SELECT legacy, id FROM public.old_map\" }}"
        ));
        assert!(stopped_at(&pair, &mapping, "building indexes").await);
        let merged = "SELECT i.k1, i.t1, i.status FROM driftless.identity_users AS i WHERE k1 % 100 IN (3, 4, 5, 6, 9) ORDER BY 1";
        let adopted = |key: i64, id: &str, status: i64| {
            vec![
                Some(key.to_string()),
                Some(id.to_owned()),
                Some(status.to_string()),
            ]
        };
        let id = async |text: &str| {
            let sql = format!("SELECT md5('{text}')::uuid::text");
            pair.target.value(&sql).await.expect("a UUID")
        };
        let (three, four, five) = (id("a3").await, id("a104").await, id("a205").await);
        let (six, nine) = (id("a6").await, id("a9").await);
        let found = pair.target.rows(merged).await;
        let expected: Vec<_> = [
            adopted(3, &three, 0),
            adopted(4, &four, 0),
            adopted(5, &five, 1),
            adopted(6, &six, 0),
            adopted(9, &nine, 1),
            adopted(103, &three, 2),
            adopted(104, &four, 2),
            adopted(105, &five, 2),
            adopted(106, &six, 2),
            adopted(109, &nine, 2),
            adopted(203, &three, 2),
            adopted(204, &four, 2),
            adopted(205, &five, 2),
            adopted(206, &six, 2),
            adopted(209, &nine, 2),
        ]
        .into();
        assert_eq!(found, expected, "{identity}");
        // Of some the first one goes, of some the adopted one, whose UUID goes with it; one leaves its fellows.
        pair.source
            .run(
                "DELETE FROM orders WHERE buyer IN (3, 4, 205); DELETE FROM users WHERE id IN (3, 4, 205);
                 UPDATE users SET email = 'alone@x.org' WHERE id = 9",
            )
            .await;
        pair.migrate(&mapping).await.expect("continued");
        let found = pair.target.rows(merged).await;
        let pick = |key: i64| {
            let row = found.iter().find(|row| row[0] == Some(key.to_string()));
            (
                row.expect("a row")[1].clone().expect("a UUID"),
                row.expect("a row")[2].clone(),
            )
        };
        assert_eq!(pick(104), (four.clone(), Some("0".to_owned())), "{identity}");
        assert_eq!(pick(204), (four.clone(), Some("2".to_owned())), "{identity}");
        assert_eq!(pick(9), (nine.clone(), Some("1".to_owned())), "{identity}");
        assert_ne!(pick(109).0, nine, "{identity}");
        assert_eq!(pick(103).1.as_deref(), Some("0"), "{identity}");
        assert_ne!(pick(103).0, three, "{identity}");
        assert_ne!(pick(5).0, five, "{identity}");
        let orders = "SELECT o.id, lower(coalesce(u.email, o.buyer::text)) FROM orders AS o JOIN users AS u ON u.id = o.buyer WHERE u.id <> 9 ORDER BY 1";
        let actual = "SELECT o.legacy_id, lower(coalesce(u.email, i.k1::text)) FROM orders AS o JOIN users AS u ON u.id = o.buyer \
                      LEFT JOIN driftless.identity_users AS i ON i.t1 = u.id AND u.email IS NULL WHERE u.email IS DISTINCT FROM 'nine@y.org' ORDER BY 1";
        assert_eq!(
            pair.source.rows(orders).await,
            pair.target.rows(actual).await,
            "{identity}"
        );
        assert_eq!(
            pair.count("SELECT count(*) FROM driftless.rejects WHERE entity = 'orders'")
                .await,
            0
        );
        let there = "SELECT count(*) FROM users WHERE name = 'there' AND legacy_id IS NULL";
        assert_eq!(pair.count(there).await, 2, "{identity}");
    }
}

#[tokio::test]
async fn two_adopted_uuids_of_one_row_are_a_conflict() {
    for (rows, told) in [
        (
            "(5, md5('a')::uuid), (205, md5('b')::uuid), (7, md5('c')::uuid), (107, md5('c')::uuid)",
            "1 mapping(s) contradict each other: key 5 (with those that are one with it) has the UUIDs",
        ),
        (
            "(5, md5('a')::uuid), (7, md5('a')::uuid)",
            "is that of the keys 5, 7",
        ),
        ("(5, md5('a')::uuid), (5, md5('b')::uuid)", "key 5 has the UUIDs"),
    ] {
        let pair = Pair::create("merged_conflict", SOURCE, TARGET).await;
        pair.target
            .run(&format!(
                "CREATE TABLE old_map (legacy int, id uuid); INSERT INTO old_map VALUES {rows}"
            ))
            .await;
        let mapping = mapping(
            "merge_on = \"lower(email)\", adopt = { sql = \"SELECT legacy, id FROM public.old_map\" }",
        );
        let error = pair.migrate(&mapping).await.expect_err("a conflict");
        assert_eq!(error.code(), code::UUID_CONFLICT, "{error}");
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(pair.count("SELECT count(*) FROM users").await, 0);
    }
}

/// The first of three rows that are one leaves only in the proof, where its own parent is found missing. What refers to it or to
/// those that are one with it, without a foreign key, goes with it: as a column, by kind, and within a document.
#[tokio::test]
async fn rows_that_are_one_with_a_row_that_a_proof_takes_out_take_their_children_along() {
    let source = format!(
        "{SOURCE} CREATE TABLE offices (id int PRIMARY KEY); INSERT INTO offices VALUES (1), (2);
         ALTER TABLE users ADD office int; UPDATE users SET office = CASE WHEN id = 5 THEN 99 ELSE 1 END;
         CREATE TABLE notes (id int PRIMARY KEY, kind text, about int, author int, reader int);
         INSERT INTO notes VALUES (1, 'User', 5, 7, 7), (2, 'User', 105, 7, 7), (3, 'User', 205, 7, 7), (4, 'User', 107, 7, 7),
             (5, 'Office', 2, 7, 7), (6, 'User', 7, 105, 7), (7, 'User', 7, 7, 205), (8, 'Office', 99, 7, 7)"
    );
    let target = format!(
        "CREATE TABLE offices (id uuid PRIMARY KEY); {TARGET} ALTER TABLE users ADD office uuid REFERENCES offices;
         CREATE TABLE notes (id uuid PRIMARY KEY, legacy_id int, about uuid, author uuid, doc jsonb)"
    );
    let pair = Pair::create("merged_leaves", &source, &target).await;
    let office = "office = { ref = \"offices\", from = \"office\" }, name =";
    let mapping = format!(
        "{users}[entities.offices]\nfrom = \"public.offices\"\ninto = \"public.offices\"\ncolumns = {{ id = {{ id = true }} }}\n\
         [entities.notes]\nfrom = \"public.notes\"\ninto = \"public.notes\"\n[entities.notes.columns]\n\
         id = {{ id = true }}\nlegacy_id = \"id\"\n\
         about = {{ ref = {{ by = \"kind\", values = {{ User = \"users\", Office = \"offices\" }} }}, from = \"about\" }}\n\
         author = {{ ref = \"users\", from = \"author\", missing = \"null\" }}\n\
         doc = {{ json = {{ reader = {{ ref = \"users\", from = \"reader\", missing = \"null\" }} }} }}\n",
        users = mapping("merge_on = \"lower(email)\"").replace("name =", office),
    );
    pair.migrate(&mapping).await.expect("a load");
    let notes = "SELECT legacy_id, author IS NULL, (doc ->> 'reader') IS NULL FROM notes ORDER BY 1";
    let row = |id: &str, author: &str, reader: &str| {
        vec![
            Some(id.to_owned()),
            Some(author.to_owned()),
            Some(reader.to_owned()),
        ]
    };
    assert_eq!(
        pair.target.rows(notes).await,
        [
            row("4", "f", "f"),
            row("5", "f", "f"),
            row("6", "t", "f"),
            row("7", "f", "t"),
        ]
    );
    assert_eq!(
        pair.rejects("notes").await.len(),
        4,
        "three with their user, one with its office"
    );
    let left = pair.rejects("users").await;
    assert_eq!(
        left.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
        ["5", "105", "205"]
    );
    let identities = "SELECT count(*) FROM driftless.identity_users WHERE k1 IN (5, 105, 205)";
    assert_eq!(pair.count(identities).await, 0);
    let orders = "SELECT count(*) FROM driftless.rejects WHERE entity = 'orders'";
    assert_eq!(pair.count(orders).await, 9);
}
