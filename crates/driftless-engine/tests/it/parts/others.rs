//! Rows of others that refer to ours: whatever happens to ours, theirs are neither left behind nor taken along.

use driftless_core::code;
use driftless_engine::run::Stop;
use driftless_testkit::{Client, wait_until};

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, migrate_until, read};
use crate::session::{session_of_new_role, url_as};

const SOURCE: &str = "
    CREATE TABLE item (id int PRIMARY KEY, code text, price text, parent int);
    INSERT INTO item SELECT n, 'c' || n, '1', CASE WHEN n > 50 THEN n - 50 END FROM generate_series(1, 100) AS n;";

/// Items with a row of others among them, and rows of others that refer to items.
fn target(rules: &str) -> String {
    format!(
        "{GATE}
         CREATE TABLE items (id int PRIMARY KEY, code text UNIQUE, price numeric CHECK (price < 100), parent int REFERENCES items {rules});
         INSERT INTO items VALUES (-1, 'theirs', 7);
         CREATE TABLE held (id int PRIMARY KEY);
         CREATE TABLE notes (item int REFERENCES items {rules}, text text);"
    )
}

const ENTITIES: &str = r#"
    [entities.items]
    from = "public.item"
    into = "public.items"
    columns = { price = { sql = "price::numeric" } }
    [entities.held]
    from = "public.item"
    into = "public.held"
    columns = { id = { sql = "public.gate(id, 1)::int4" } }
"#;

/// Stops a run when the items are loaded and something else is not.
async fn stopped_half_way(pair: &Pair, mapping: &str) {
    let gate = Gate::shut(&pair.target).await;
    let (spec, stop) = (read(mapping), Stop::new());
    let (error, ()) = tokio::join!(migrate_until(&spec, &stop), async {
        gate.reached().await;
        wait_until("a finished chunk", async || {
            pair.count("SELECT count(*) FROM driftless.chunk WHERE done")
                .await
                == 1
        })
        .await;
        stop.request();
    });
    gate.open().await;
    assert_eq!(error.expect_err("interrupted").code(), code::INTERRUPTED);
}

async fn mapping(pair: &Pair, least: bool) -> String {
    let url = if least {
        let (_, role) = session_of_new_role(&pair.target, "loader").await;
        pair.target
            .run(&format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON items, held TO {role}; GRANT SELECT ON notes TO {role};
                 CREATE SCHEMA driftless AUTHORIZATION {role}"
            ))
            .await;
        url_as(&pair.target, &role)
    } else {
        pair.target.url()
    };
    format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{url}\"\n{ENTITIES}",
        pair.source.url()
    )
}

async fn notes(pair: &Pair) -> String {
    let sql = "SELECT string_agg(n.item || ' ' || i.code || ' ' || i.price, ', ' ORDER BY n.item) FROM notes AS n LEFT JOIN items AS i ON i.id = n.item";
    pair.target.value(sql).await.unwrap_or_default()
}

/// Changed rows get their new values in place, others change hands as before; a row that is gone is not taken from others.
async fn rows_of_others_keep_what_they_refer_to(rules: &str, least: bool) {
    let pair = Pair::create("others", SOURCE, &target(rules)).await;
    let mapping = mapping(&pair, least).await;
    stopped_half_way(&pair, &mapping).await;
    pair.target
        .run("INSERT INTO notes VALUES (2, 'a'), (3, 'b'), (4, 'c'), (-1, 'd')")
        .await;
    pair.source
        .run(
            "UPDATE item SET price = '2' WHERE id IN (2, 12); UPDATE item SET code = 'new' WHERE id = 3; UPDATE item SET code = 'c3' WHERE id = 40;
             UPDATE item SET code = CASE id WHEN 20 THEN 'c21' ELSE 'c20' END WHERE id IN (20, 21); DELETE FROM item WHERE id IN (4, 54);",
        )
        .await;
    let error = migrate_spec(&read(&mapping)).await.expect_err("refused");
    assert_eq!(error.code(), code::INTEGRITY, "{error}");
    assert!(error.to_string().contains("table public.notes"), "{error}");
    assert_eq!(notes(&pair).await, "-1 theirs 7, 2 c2 1, 3 c3 1, 4 c4 1");

    pair.target.run("DELETE FROM notes WHERE item = 4").await;
    migrate_spec(&read(&mapping)).await.expect("continued");
    assert_eq!(notes(&pair).await, "-1 theirs 7, 2 c2 2, 3 new 1");
    let rows = "SELECT id::text, code, price::numeric::text FROM";
    let expected = pair.source.rows(&format!("{rows} item ORDER BY id")).await;
    let actual = pair
        .target
        .rows(&format!("{rows} items WHERE id > 0 ORDER BY id"))
        .await;
    assert_eq!(actual, expected);
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.identity_items").await,
        98
    );
}

#[tokio::test]
async fn rows_of_others_keep_what_they_refer_to_in_silence() {
    rows_of_others_keep_what_they_refer_to("", false).await;
}

#[tokio::test]
async fn rows_of_others_are_not_taken_along_by_a_cascade() {
    rows_of_others_keep_what_they_refer_to("ON DELETE CASCADE", true).await;
}

#[tokio::test]
async fn a_row_that_others_refer_to_is_not_rejected_away() {
    let pair = Pair::create("others", SOURCE, &target("ON DELETE CASCADE")).await;
    let mapping = mapping(&pair, false).await;
    stopped_half_way(&pair, &mapping).await;
    pair.target.run("INSERT INTO notes VALUES (2, 'a')").await;
    for price in ["n/a", "1000"] {
        pair.source
            .run(&format!("UPDATE item SET price = '{price}' WHERE id = 2"))
            .await;
        let error = migrate_spec(&read(&mapping)).await.expect_err("refused");
        assert_eq!(error.code(), code::INTEGRITY, "{error}");
        assert!(error.to_string().contains("entity items, key 2"), "{error}");
        assert_eq!(notes(&pair).await, "2 c2 1");
    }
    pair.source.run("UPDATE item SET price = '3' WHERE id = 2").await;
    migrate_spec(&read(&mapping)).await.expect("continued");
    assert_eq!(notes(&pair).await, "2 c2 3");
}

/// Proofs at the end of a load ask too: a foreign key that is not valid yet let rows of others come first.
#[tokio::test]
async fn a_proof_does_not_leave_rows_of_others_behind() {
    let target = "CREATE TABLE items (id int PRIMARY KEY, code text UNIQUE, price numeric, parent int REFERENCES items);
        CREATE TABLE notes (item int, text text); INSERT INTO notes VALUES (3, 'a'), (70, 'b');
        ALTER TABLE notes ADD FOREIGN KEY (item) REFERENCES items NOT VALID;";
    let pair = Pair::create("proofs", SOURCE, target).await;
    let mapping = "[entities.items]\nfrom = \"public.item\"\ninto = \"public.items\"\nmax_rejects = 10\ncolumns = { price = { const = 1 } }\n";
    for (broken, mended) in [
        (
            "UPDATE item SET code = 'c2' WHERE id = 3",
            "UPDATE item SET code = 'c3' WHERE id = 3",
        ),
        (
            "UPDATE item SET parent = 999 WHERE id = 70",
            "UPDATE item SET parent = 20 WHERE id = 70",
        ),
    ] {
        pair.source.run(broken).await;
        let error = pair.migrate(mapping).await.expect_err("refused");
        assert_eq!(error.code(), code::INTEGRITY, "{error}");
        assert!(error.to_string().contains("table public.notes"), "{error}");
        pair.source.run(mended).await;
    }
    pair.migrate(mapping).await.expect("a load");
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 100);
    assert_eq!(pair.rejects("items").await, []);
}

/// A row of others that is not committed yet: whoever asks does not see it, and only its lock tells of it.
struct Uncommitted(Client);

impl Uncommitted {
    async fn note(pair: &Pair, item: i32) -> Uncommitted {
        let client = pair.target.client().await;
        let insert = format!("BEGIN; INSERT INTO notes VALUES ({item}, 'late')");
        client.batch_execute(&insert).await.expect("a note");
        Uncommitted(client)
    }

    /// Commits when somebody waits for it.
    async fn committed_when_awaited(self, pair: &Pair) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        wait_until("who waits for a row", async || pair.count(waiting).await > 0).await;
        self.0.batch_execute("COMMIT").await.expect("committed");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Superuser,
    Ordinary,
    /// It may lock no single rows.
    WithoutUpdate,
}

/// Somebody refers to a row that is gone in the source, just when it is to be taken out.
async fn a_row_that_is_referred_to_while_it_is_mended_stays(rules: &str, role: Role) {
    let pair = Pair::create("while_mended", SOURCE, &target(rules)).await;
    let mapping = mapping(&pair, role != Role::Superuser).await;
    if role == Role::WithoutUpdate {
        let revoked = format!("REVOKE UPDATE ON items FROM loader_{}", pair.target.name());
        pair.target.run(&revoked).await;
    }
    stopped_half_way(&pair, &mapping).await;
    pair.source.run("DELETE FROM item WHERE id IN (4, 54)").await;
    let note = Uncommitted::note(&pair, 4).await;
    let spec = read(&mapping);
    let (loaded, ()) = tokio::join!(migrate_spec(&spec), note.committed_when_awaited(&pair));
    let error = loaded.expect_err("refused");
    assert_eq!(error.code(), code::INTEGRITY, "{error}");
    assert!(error.to_string().contains("table public.notes"), "{error}");
    assert_eq!(notes(&pair).await, "4 c4 1");
}

#[tokio::test]
async fn a_row_that_is_referred_to_while_it_is_mended_stays_in_silence() {
    a_row_that_is_referred_to_while_it_is_mended_stays("", Role::Superuser).await;
}

#[tokio::test]
async fn a_row_that_is_referred_to_while_it_is_mended_stays_before_a_cascade() {
    for role in [Role::Ordinary, Role::WithoutUpdate] {
        a_row_that_is_referred_to_while_it_is_mended_stays("ON DELETE CASCADE", role).await;
    }
}

/// As [`a_proof_does_not_leave_rows_of_others_behind`], just when the row is to be taken out.
async fn a_row_that_is_referred_to_while_it_is_proven_stays(unique: &str, broken: &str, item: i32) {
    let target = format!(
        "{GATE} CREATE TABLE items (id int PRIMARY KEY, code text {unique}, price numeric, parent int REFERENCES items);
         CREATE TABLE notes (item int REFERENCES items, text text); CREATE TABLE held (id int PRIMARY KEY);"
    );
    let pair = Pair::create("while_proven", SOURCE, &target).await;
    let mapping = format!(
        "[defaults]\nmax_rejects = 10\n{}",
        ENTITIES.replace("price::numeric", "1::numeric")
    );
    pair.source.run(broken).await;
    let gate = Gate::shut(&pair.target).await;
    let (loaded, ()) = tokio::join!(pair.migrate(&mapping), async {
        gate.reached().await;
        wait_until("items", async || {
            pair.count("SELECT count(*) FROM items").await == 100
        })
        .await;
        let note = Uncommitted::note(&pair, item).await;
        gate.open().await;
        note.committed_when_awaited(&pair).await;
    });
    let error = loaded.expect_err("refused");
    assert_eq!(error.code(), code::INTEGRITY, "{error}");
    assert!(error.to_string().contains("table public.notes"), "{error}");
    let left = "SELECT count(*) FROM notes WHERE item NOT IN (SELECT id FROM items)";
    assert_eq!(pair.count(left).await, 0);
}

#[tokio::test]
async fn a_row_that_is_referred_to_while_references_are_proven_stays() {
    let broken = "UPDATE item SET parent = 999 WHERE id = 70";
    // A key that comes back before would wait for the row of others, and the proof not any more.
    a_row_that_is_referred_to_while_it_is_proven_stays("", broken, 70).await;
}

#[tokio::test]
async fn a_row_that_is_referred_to_while_uniqueness_is_proven_stays() {
    let broken = "UPDATE item SET code = 'c2' WHERE id = 3";
    a_row_that_is_referred_to_while_it_is_proven_stays("UNIQUE", broken, 3).await;
}
