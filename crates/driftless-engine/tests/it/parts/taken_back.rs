//! What a restart meets when it takes rows back while others are at work.

use driftless_core::code;
use driftless_engine::error::EngineError;
use driftless_engine::run::restart;
use driftless_testkit::{Client, pg_dump_schema_without, wait_until};

use super::checked::mapping;
use crate::pair::{Pair, migrate_spec, read};

const SOURCE: &str = "
    CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 20);
    CREATE TABLE b (id int PRIMARY KEY, a int); INSERT INTO b SELECT n, n FROM generate_series(1, 20) AS n;";

const TARGET: &str = "
    CREATE TABLE journal (what text); GRANT ALL ON journal TO PUBLIC;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.journal VALUES (TG_NAME); RETURN NULL; END $$;
    CREATE TABLE a (id uuid PRIMARY KEY);
    CREATE TABLE b (id uuid PRIMARY KEY, a uuid REFERENCES a);
    CREATE TABLE notes (a uuid REFERENCES a ON DELETE CASCADE);
    CREATE TRIGGER each AFTER INSERT OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER once AFTER INSERT OR DELETE ON b EXECUTE FUNCTION note();
    CREATE TRIGGER former AFTER DELETE ON b EXECUTE FUNCTION note();";

const ENTITIES: &str = "
    [entities.a]\nfrom = \"public.a\"\ninto = \"public.a\"\ncolumns = { id = { id = true } }\n
    [entities.b]\nfrom = \"public.b\"\ninto = \"public.b\"\ncolumns = { id = { id = true }, a = { ref = \"a\", from = \"a\" } }\n";

const OWNED: &str =
    "ALTER TABLE a OWNER TO {role}; ALTER TABLE b OWNER TO {role}; ALTER TABLE notes OWNER TO {role}";

/// A load that is done, and its mapping.
async fn loaded(hint: &str) -> (Pair, String) {
    let pair = Pair::create(hint, SOURCE, TARGET).await;
    let mapping = mapping(&pair, OWNED, ENTITIES).await;
    migrate_spec(&read(&mapping)).await.expect("a load");
    (pair, mapping)
}

async fn taken_back(mapping: &str) -> Result<i64, EngineError> {
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let deleted = restart(&read(mapping), &[], &events).await?;
    Ok(deleted.iter().map(|one| one.rows).sum())
}

/// A session of this name, within a transaction that has done this.
async fn somebody(pair: &Pair, name: &str, done: &str) -> Client {
    let client = pair.target.client().await;
    let begun = format!("SET application_name = '{name}'; SET deadlock_timeout = '10min'; BEGIN; {done}");
    client.batch_execute(&begun).await.expect("a transaction");
    client
}

#[tokio::test]
async fn only_who_is_in_the_way_is_named() {
    let (pair, mapping) = loaded("in_the_way").await;
    let impatient = format!("ALTER DATABASE {} SET lock_timeout = '300ms'", pair.target.name());
    pair.target.run(&impatient).await;
    let reader = somebody(&pair, "reader", "SELECT FROM a; SELECT FROM b; SELECT FROM notes").await;
    for (what, place) in [
        ("LOCK TABLE b IN ROW EXCLUSIVE MODE", "public.b"),
        ("SELECT FROM a FOR UPDATE", "public.a"),
        ("SELECT FROM driftless.identity_b", "driftless.identity_b"),
        ("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE", "public.notes"),
    ] {
        if place == "public.notes" {
            // Whoever takes that lock would wait for it, too.
            reader.batch_execute("ROLLBACK").await.expect("gone");
        }
        let holder = somebody(&pair, "somebody", what).await;
        let busy = taken_back(&mapping).await.expect_err("locked");
        assert_eq!(busy.code(), code::TARGET_BUSY, "{what}: {busy}");
        let text = busy.to_string();
        assert!(text.contains(&format!("table {place}")), "{what}: {text}");
        assert!(
            text.contains("(somebody)") && !text.contains("(reader)"),
            "{what}: {text}"
        );
        holder.batch_execute("ROLLBACK").await.expect("a release");
    }
    assert_eq!(taken_back(&mapping).await.expect("deleted"), 40);
}

/// The restart holds one table and waits for the other.
const WAITS: &str = "SELECT count(*) FROM pg_locks AS w JOIN pg_locks AS h USING (pid)
    WHERE w.relation = 'b'::regclass AND NOT w.granted AND h.relation = 'a'::regclass AND h.granted AND h.mode = 'ShareRowExclusiveLock'";

/// Triggers that change between the look at the catalog and the lock.
#[tokio::test]
async fn triggers_are_given_back_as_they_are_when_the_table_is_locked() {
    let (pair, mapping) = loaded("late").await;
    let other = somebody(&pair, "somebody", "LOCK TABLE b IN ROW EXCLUSIVE MODE").await;
    let changes = "
        CREATE TRIGGER late AFTER DELETE ON b FOR EACH ROW EXECUTE FUNCTION note();
        ALTER TABLE b ENABLE ALWAYS TRIGGER once;
        ALTER TABLE b DISABLE TRIGGER former;
        COMMIT";
    let (deleted, ()) = tokio::join!(taken_back(&mapping), async {
        wait_until("a restart that waits", async || pair.count(WAITS).await > 0).await;
        other.batch_execute(changes).await.expect("the changes");
    });
    assert_eq!(deleted.expect("deleted"), 40);
    assert_eq!(pair.count("SELECT count(*) FROM journal").await, 0);
    let modes = "SELECT string_agg(tgname || ' ' || tgenabled::text, ', ' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal";
    let modes = pair.target.value(modes).await;
    assert_eq!(modes.as_deref(), Some("each O, former D, late O, once A"));
}

#[tokio::test]
async fn a_restart_that_loses_a_deadlock_goes_on() {
    let (pair, mapping) = loaded("deadlocked").await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let other = somebody(&pair, "somebody", "LOCK TABLE b IN ROW EXCLUSIVE MODE").await;
    let (deleted, ()) = tokio::join!(taken_back(&mapping), async {
        wait_until("a restart that waits", async || pair.count(WAITS).await > 0).await;
        let wins = "LOCK TABLE a IN ROW EXCLUSIVE MODE; COMMIT";
        other.batch_execute(wins).await.expect("the deadlock is won");
    });
    assert_eq!(deleted.expect("deleted"), 40);
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
}

#[tokio::test]
async fn a_restart_that_loses_every_deadlock_names_who_wins() {
    let (pair, mapping) = loaded("outlasted").await;
    // Only the restart looks whether it waits for ever, and sooner than usual.
    let quick = format!(
        "ALTER DATABASE {} SET deadlock_timeout = '300ms'",
        pair.target.name()
    );
    pair.target.run(&quick).await;
    let other = somebody(
        &pair,
        "somebody",
        "LOCK TABLE b IN ROW EXCLUSIVE MODE; SAVEPOINT b",
    )
    .await;
    let mut won = 0;
    let winning = async {
        loop {
            wait_until("a restart that waits", async || pair.count(WAITS).await > 0).await;
            let wins = "LOCK TABLE a IN ROW EXCLUSIVE MODE; ROLLBACK TO SAVEPOINT b";
            other.batch_execute(wins).await.expect("the deadlock is won");
            won += 1;
        }
    };
    let busy = tokio::select! {
        taken = taken_back(&mapping) => taken.expect_err("outlasted"),
        () = winning => unreachable!(),
    };
    assert_eq!(busy.code(), code::TARGET_BUSY, "{busy}");
    // Of the last round the other table may not be free again yet.
    let told = busy.to_string();
    let table = told.contains("table public.b") || told.contains("table public.a");
    assert!(table && told.contains("(somebody)"), "{told}");
    assert!(won > 1, "it was tried again");
    assert_eq!(pair.count("SELECT count(*) FROM b").await, 20);
}
