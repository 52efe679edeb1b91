//! Rows that are in the target already, found by what a source row would be there: they stay as they are, and everything
//! refers to them.

use driftless_core::code;
use driftless_engine::run::report::RejectFilter;
use driftless_engine::run::{restart, validate};

use super::resume::stopped_at;
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE users (id int PRIMARY KEY, mail text, name text, account uuid UNIQUE);
    INSERT INTO users SELECT n, CASE WHEN n % 50 = 0 THEN NULL ELSE 'user' || n || '@x.org' END, 'name ' || n, NULL
        FROM generate_series(1, 300) AS n;
    CREATE TABLE orders (id int PRIMARY KEY, buyer int);
    INSERT INTO orders SELECT n, 1 + n % 300 FROM generate_series(1, 900) AS n;";

/// Every seventh of them is there, in other letters; and some whom nobody knows, one without an address among them. The
/// operators of the type are where no search path looks.
const TARGET: &str = "
    CREATE SCHEMA odd; CREATE EXTENSION citext SCHEMA odd;
    CREATE TABLE users (id uuid PRIMARY KEY, legacy_id int, email odd.citext UNIQUE, name text);
    INSERT INTO users SELECT md5('there' || n)::uuid, NULL, 'USER' || n || '@X.org', 'there ' || n
        FROM generate_series(7, 420, 7) AS n WHERE n % 50 <> 0;
    INSERT INTO users VALUES (md5('nobody')::uuid, NULL, NULL, 'nobody');
    CREATE TABLE orders (id uuid PRIMARY KEY, legacy_id int, buyer uuid NOT NULL REFERENCES users);";

fn mapping(identity: &str) -> String {
    format!(
        "[defaults]\nmax_rejects = \"50%\"\n[entities.orders]\nfrom = \"public.orders\"\ninto = \"public.orders\"\n\
         columns = {{ id = {{ id = true }}, legacy_id = \"id\", buyer = {{ ref = \"users\", from = \"buyer\" }} }}\n\
         [entities.users]\nfrom = \"public.users\"\ninto = \"public.users\"\nidentity = {{ {identity} }}\n\
         columns = {{ id = {{ id = true }}, legacy_id = \"id\", email = {{ sql = \"trim(mail)\" }}, name = {{ copy = \"name\", required = true }} }}\n"
    )
}

const THERE: &str =
    "SELECT id, email, name FROM users WHERE name LIKE 'there%' OR name = 'nobody' ORDER BY id";

/// Each user of the source with its row: that which was there, or its own; and orders with their buyers.
async fn as_the_source_is(pair: &Pair, there: &[Vec<Option<String>>]) {
    assert_eq!(
        pair.target.rows(THERE).await,
        there,
        "rows of others are untouched"
    );
    let emails: Vec<String> = there
        .iter()
        .filter_map(|row| row[1].as_ref())
        .map(|email| format!("'{}'", email.to_lowercase()))
        .collect();
    let expected = format!(
        "SELECT id, lower(trim(mail)), CASE WHEN lower(trim(mail)) IN ({}) THEN NULL ELSE id::text END AS own FROM users ORDER BY id",
        emails.join(", ")
    );
    let actual = "SELECT i.k1, lower(u.email::text), u.legacy_id::text FROM driftless.identity_users AS i LEFT JOIN users AS u ON u.id = i.t1 ORDER BY i.k1";
    assert_eq!(
        pair.source.rows(&expected).await,
        pair.target.rows(actual).await,
        "users"
    );
    let statuses = "SELECT count(*) FROM driftless.identity_users AS i JOIN users AS u ON u.id = i.t1 \
                    WHERE (i.status = 1 AND i.offered IS NULL) IS DISTINCT FROM (u.legacy_id IS NULL)";
    assert_eq!(pair.count(statuses).await, 0);
    let expected = "SELECT o.id, u.id, lower(trim(u.mail)) FROM orders AS o JOIN users AS u ON u.id = o.buyer ORDER BY 1";
    let actual = "SELECT o.legacy_id, i.k1, lower(u.email::text) FROM orders AS o JOIN users AS u ON u.id = o.buyer \
                  JOIN driftless.identity_users AS i ON i.t1 = u.id ORDER BY 1";
    assert_eq!(
        pair.source.rows(expected).await,
        pair.target.rows(actual).await,
        "orders"
    );
    let looked_up = "SELECT count(*) FROM driftless.identity_users WHERE driftless.uuid_for('users', k1::text) IS DISTINCT FROM t1";
    assert_eq!(pair.count(looked_up).await, 0);
    assert_eq!(pair.count("SELECT count(*) FROM driftless.rejects").await, 0);
}

pub(super) async fn is_proven(pair: &Pair, mapping: &str) {
    let validation = validate(&pair.spec(mapping), &[]).await.expect("a report");
    let differences: Vec<String> = validation
        .differences()
        .map(|(entity, check)| format!("{entity}: {check:?}"))
        .collect();
    assert_eq!(differences, [""; 0]);
    assert!(pair.migrate(mapping).await.expect("done").nothing_to_do);
}

/// Addresses change hands, also with rows that are there; users leave, one comes with an address that is there.
const MEANWHILE: &str = "
    DELETE FROM orders WHERE buyer IN (7, 9, 14); DELETE FROM users WHERE id IN (7, 9, 14);
    UPDATE users SET mail = 'user7@x.org' WHERE id = 8; UPDATE users SET mail = 'elsewhere@x.org' WHERE id = 21;
    UPDATE users SET mail = 'user21@x.org', name = 'of another' WHERE id = 22;
    UPDATE users SET mail = NULL WHERE id = 28; UPDATE users SET mail = 'user35@x.org ' WHERE id = 35;
    INSERT INTO users VALUES (1000, 'user399@x.org', 'new', md5('1000')::uuid), (1001, 'none@x.org', 'new', md5('1001')::uuid);
    INSERT INTO orders VALUES (1000, 1000), (1001, 1001), (1002, 8), (1003, 21);";

#[tokio::test]
async fn rows_that_are_there_are_adopted_and_referred_to() {
    for (identity, accounts) in [
        ("match = [\"email\"]", "NULL"),
        ("by = \"random\", match = [\"email\"]", "NULL"),
        (
            "by = \"column\", column = \"account\", match = [\"email\"]",
            "CASE WHEN id % 7 = 0 AND id % 50 <> 0 THEN NULL ELSE md5(id::text)::uuid END",
        ),
    ] {
        let pair = Pair::create("matched", SOURCE, TARGET).await;
        pair.source
            .run(&format!("UPDATE users SET account = {accounts}"))
            .await;
        let mapping = mapping(identity);
        let there = pair.target.rows(THERE).await;
        assert!(
            stopped_at(&pair, &mapping, "building indexes").await,
            "{identity}"
        );
        as_the_source_is(&pair, &there).await;
        let kept = "SELECT k1, t1 FROM driftless.identity_users WHERE k1 NOT IN (7, 8, 9, 14, 21, 22, 28, 1000, 1001) ORDER BY 1";
        let before = pair.target.rows(kept).await;
        pair.source.run(MEANWHILE).await;
        if accounts != "NULL" {
            let own = "UPDATE users SET account = NULL WHERE id IN (8, 22, 1000); UPDATE users SET account = md5(id::text)::uuid WHERE id IN (21, 28)";
            pair.source.run(own).await;
        }
        let report = pair.migrate(&mapping).await.expect("continued");
        let users = report
            .entities
            .iter()
            .find(|one| one.entity == "users")
            .expect("users");
        assert_eq!(users.path, "beside");
        as_the_source_is(&pair, &there).await;
        assert_eq!(pair.target.rows(kept).await, before, "{identity}");
        is_proven(&pair, &mapping).await;
        let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
        restart(&pair.spec(&mapping), &[], &events)
            .await
            .expect("taken back");
        assert_eq!(
            pair.target
                .rows("SELECT id, email, name FROM users ORDER BY id")
                .await,
            there
        );
        pair.migrate(&mapping).await.expect("once more");
        as_the_source_is(&pair, &there).await;
    }
}

#[tokio::test]
async fn what_matches_twice_is_reported_and_nothing_is_written() {
    let target = TARGET.replace("citext UNIQUE", "citext");
    for (source, there, told) in [
        (
            "INSERT INTO users VALUES (1007, 'USER7@x.org', 'again')",
            "",
            "2 mapping(s)|is that of the keys 1007, 7|is that of the keys 1035, 35",
        ),
        (
            "",
            "INSERT INTO users VALUES (md5('twice')::uuid, NULL, 'user14@x.ORG', 'there twice')",
            "1 mapping(s)|key 14 has the UUIDs",
        ),
        (
            "INSERT INTO users VALUES (1007, 'USER7@x.org', 'again')",
            "INSERT INTO users VALUES (md5('twice')::uuid, NULL, 'user7@x.ORG', 'there twice')",
            "2 mapping(s)|key 1007 has the UUIDs|is that of the keys 1007, 7",
        ),
    ] {
        let pair = Pair::create("matched_twice", SOURCE, &target).await;
        pair.source.run(source).await;
        if told.contains("35") {
            pair.source
                .run("INSERT INTO users VALUES (1035, 'USER35@x.org', 'again')")
                .await;
        }
        pair.target.run(there).await;
        let rows = pair.target.rows(THERE).await;
        let error = pair
            .migrate(&mapping("match = [\"email\"]"))
            .await
            .expect_err("a conflict");
        assert_eq!(error.code(), code::UUID_CONFLICT, "{error}");
        let text = error.to_string();
        for part in told.split('|') {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.to_lowercase().contains("@x.org"), "{text}");
        let written = "SELECT id, email, name FROM users ORDER BY id";
        assert_eq!(pair.target.rows(written).await, rows);
    }
}

#[tokio::test]
async fn duplicates_that_nobody_has_are_no_conflict() {
    let pair = Pair::create("matched_repeated", SOURCE, TARGET).await;
    pair.source
        .run("INSERT INTO users VALUES (1006, 'User6@x.org', 'again')")
        .await;
    pair.migrate(&mapping("match = [\"email\"]"))
        .await
        .expect("a load");
    assert_eq!(
        pair.rejects("users").await,
        [("1006".to_owned(), code::ROW_DUPLICATE.to_string())]
    );
}

/// A row that could not be shaped is found when it can be, and so is who refers to it.
#[tokio::test]
async fn rejects_that_are_tried_again_are_matched() {
    let pair = Pair::create("matched_retry", SOURCE, TARGET).await;
    let there = pair.target.rows(THERE).await;
    let mapping = mapping("match = [\"email\"]");
    pair.source
        .run("UPDATE users SET name = NULL WHERE id IN (5, 6); UPDATE users SET mail = 'user' || id || 'x@x.org', name = NULL WHERE id IN (14, 21)")
        .await;
    pair.migrate(&mapping).await.expect("a load");
    let keys: Vec<String> = pair.rejects("users").await.into_iter().map(|one| one.0).collect();
    assert_eq!(keys, ["5", "6", "14", "21"]);
    let orders = "SELECT count(*) FROM driftless.rejects WHERE entity = 'orders'";
    assert_eq!(pair.count(orders).await, 12);
    pair.source
        .run("UPDATE users SET name = 'name ' || id, mail = 'user' || id || '@x.org' WHERE id IN (5, 6, 14, 21)")
        .await;
    let report = pair.retry(&mapping, RejectFilter::default()).await;
    assert_eq!((report.tried, report.still_rejected), (16, 0), "{report:?}");
    as_the_source_is(&pair, &there).await;
    is_proven(&pair, &mapping).await;
}

/// Merged first, then matched: whoever stands for the others is looked for. What was adopted is not looked at.
#[tokio::test]
async fn beside_merged_and_adopted_rows() {
    let pair = Pair::create("matched_merged", SOURCE, TARGET).await;
    pair.source
        .run(
            "INSERT INTO users SELECT n + 1000, upper(mail), 'again', NULL FROM users AS u (n) WHERE n < 100",
        )
        .await;
    pair.source
        .run("INSERT INTO orders SELECT n + 1000, n + 1000 FROM generate_series(1, 99) AS n")
        .await;
    pair.target
        .run("CREATE TABLE old_map AS SELECT 1014 AS legacy, md5('there14')::uuid AS id UNION ALL SELECT 1003, md5('adopted')::uuid")
        .await;
    let mapping = mapping(
        "adopt = { sql = \"SELECT legacy, id FROM public.old_map\" }, merge_on = \"lower(mail)\", match = [\"email\"]",
    );
    assert!(stopped_at(&pair, &mapping, "building indexes").await);
    pair.source
        .run("DELETE FROM orders WHERE buyer IN (14, 3); DELETE FROM users WHERE id IN (14, 3)")
        .await;
    pair.migrate(&mapping).await.expect("continued");
    let expected = "SELECT id, lower(mail) FROM users WHERE mail IS NOT NULL ORDER BY id";
    let actual = "SELECT i.k1, lower(u.email::text) FROM driftless.identity_users AS i JOIN users AS u ON u.id = i.t1 \
                  WHERE u.email IS NOT NULL ORDER BY i.k1";
    assert_eq!(pair.source.rows(expected).await, pair.target.rows(actual).await);
    let expected = "SELECT o.id, lower(u.mail) FROM orders AS o JOIN users AS u ON u.id = o.buyer ORDER BY 1";
    let actual = "SELECT o.legacy_id, lower(u.email::text) FROM orders AS o JOIN users AS u ON u.id = o.buyer ORDER BY 1";
    assert_eq!(pair.source.rows(expected).await, pair.target.rows(actual).await);
    let adopted = "SELECT count(*) FROM users WHERE id = md5('adopted')::uuid AND legacy_id = 1003";
    assert_eq!(pair.count(adopted).await, 1);
    assert_eq!(pair.count("SELECT count(*) FROM driftless.rejects").await, 0);
    is_proven(&pair, &mapping).await;
}

/// Several columns, one of them another entity's UUID that is matched itself, under the column's own collation.
#[tokio::test]
async fn natural_keys_are_compared_as_the_target_does() {
    let source = "CREATE TABLE office (id int PRIMARY KEY, code text);
        INSERT INTO office SELECT n, 'o' || n FROM generate_series(1, 4) AS n;
        CREATE TABLE room (id int PRIMARY KEY, office int, door text, size numeric);
        INSERT INTO room SELECT n, 1 + n % 4, 'Door ' || n % 5, n FROM generate_series(1, 20) AS n;
        INSERT INTO room VALUES (21, 1, repeat('x', 30), 1), (22, NULL, 'Door 1', 1);";
    let target = "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE DOMAIN door AS varchar(20) COLLATE no_case CHECK (VALUE <> 'no');
        CREATE TABLE office (id uuid PRIMARY KEY, code text UNIQUE);
        CREATE TABLE room (id uuid PRIMARY KEY, legacy_id int, office uuid REFERENCES office, door door, size numeric(9,1), UNIQUE (office, door));
        INSERT INTO office VALUES (md5('o2')::uuid, 'o2'), (md5('o3')::uuid, 'o3');
        INSERT INTO room VALUES (md5('r1')::uuid, NULL, md5('o2')::uuid, 'DOOR 1', 7), (md5('r2')::uuid, NULL, md5('o3')::uuid, 'door 3', 7),
            (md5('r3')::uuid, NULL, NULL, 'Door 1', 7);";
    let mapping = "[entities.room]\nfrom = \"public.room\"\ninto = \"public.room\"\nmax_rejects = 1\n\
        identity = { match = [\"office\", \"door\"] }\n\
        columns = { id = { id = true }, legacy_id = \"id\", office = { ref = \"office\", from = \"office\" } }\n\
        [entities.office]\nfrom = \"public.office\"\ninto = \"public.office\"\nidentity = { by = \"random\", match = [\"code\"] }\n\
        columns = { id = { id = true } }\n";
    let pair = Pair::create("matched_collation", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let found = "SELECT i.k1, o.code, lower(r.door), r.legacy_id IS NULL FROM driftless.identity_room AS i JOIN room AS r ON r.id = i.t1 \
                 LEFT JOIN office AS o ON o.id = r.office ORDER BY 1";
    let expected = "SELECT r.id, o.code, lower(r.door), coalesce((o.code, r.door) IN (('o2', 'Door 1'), ('o3', 'Door 3')), false) \
                    FROM room AS r LEFT JOIN office AS o ON o.id = r.office WHERE r.id <> 21 ORDER BY 1";
    assert_eq!(pair.target.rows(found).await, pair.source.rows(expected).await);
    let keys: Vec<String> = pair.rejects("room").await.into_iter().map(|one| one.0).collect();
    assert_eq!(keys, ["21"]);
    is_proven(&pair, mapping).await;
}
