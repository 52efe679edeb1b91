//! Rejects tried again while the tables are in use: their triggers act for their users, and not for rows that are moved.

use driftless_core::code;
use driftless_engine::error::EngineError;
use driftless_engine::run::report::{RejectFilter, RetryReport};
use driftless_engine::run::{Stop, rejects};
use driftless_testkit::wait_until;

use super::checked::mapping;
use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, read};

/// Of the items one has a price that is none, and so has one whose parent is not there.
const SOURCE: &str = "
    CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
    CREATE TABLE item (id int PRIMARY KEY, year int, price text, parent int);
    INSERT INTO item SELECT n, 2023 + n % 2, CASE WHEN n < 3 THEN 'n/a' ELSE '1' END, CASE n WHEN 1 THEN 9 ELSE 1 END
        FROM generate_series(1, 20) AS n;";

const TARGET: &str = "
    CREATE TABLE journal (what text); GRANT ALL ON journal TO PUBLIC;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.journal VALUES (concat_ws(' ', TG_NAME, TG_TABLE_NAME, TG_OP)); RETURN NULL; END $$;
    CREATE TABLE parents (id uuid PRIMARY KEY);
    CREATE TABLE items (id uuid, year int, price numeric, parent_id uuid) PARTITION BY LIST (year);
    CREATE TABLE items_2023 PARTITION OF items FOR VALUES IN (2023);
    CREATE TABLE items_2024 PARTITION OF items FOR VALUES IN (2024);";

const TRIGGERS: &str = "
    CREATE TRIGGER each AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER once AFTER INSERT OR DELETE ON items EXECUTE FUNCTION note();
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON items_2024 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
    ALTER TABLE ONLY items_2024 ENABLE ALWAYS TRIGGER each;
    ALTER TABLE ONLY items_2023 DISABLE TRIGGER each;";

const OWNED: &str = "
    DO $$ DECLARE one regclass; BEGIN
        FOR one IN SELECT relid FROM pg_partition_tree('items') UNION ALL SELECT 'parents' LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO {role}', one);
        END LOOP;
    END $$;";

const ENTITIES: &str = r#"
    [defaults]
    max_rejects = "50%"
    [entities.parents]
    from = "public.parent"
    into = "public.parents"
    columns = { id = { id = true } }
    [entities.items]
    from = "public.item"
    into = "public.items"
    columns.id = { id = true }
    columns.year = "year"
    columns.price = { sql = "price::numeric * public.gate(id, 1)" }
    columns.parent_id = { ref = "parents", from = "parent" }
"#;

const MODES: &str = "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_trigger
    WHERE NOT tgisinternal OR tgparentid <> 0 ORDER BY 1, 2";

async fn tried_again(mapping: &str) -> Result<RetryReport, EngineError> {
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    rejects::retry(&read(mapping), &RejectFilter::default(), &events, &Stop::new()).await
}

async fn heard(pair: &Pair) -> Vec<String> {
    let rows = pair.target.rows("SELECT what FROM journal ORDER BY 1").await;
    rows.into_iter().flatten().flatten().collect()
}

/// A load, and prices that are mended behind it.
async fn loaded(pair: &Pair, mapping: &str) {
    migrate_spec(&read(mapping)).await.expect("a load");
    assert_eq!(heard(pair).await, Vec::<String>::new());
    pair.source.run("UPDATE item SET price = '2' WHERE id < 3").await;
}

/// One row stays, and one leaves again when references are proven.
async fn silent_while_tried_again(pair: &Pair, mapping: &str) {
    loaded(pair, mapping).await;
    let modes = pair.target.rows(MODES).await;
    let report = tried_again(mapping).await.expect("tried again");
    assert_eq!((report.tried, report.written), (2, 1));
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 19);
    assert_eq!(heard(pair).await, Vec::<String>::new());
    assert_eq!(pair.target.rows(MODES).await, modes);
}

#[tokio::test]
async fn no_trigger_fires_for_rows_that_are_tried_again() {
    let pair = Pair::create("retried", SOURCE, &format!("{GATE} {TARGET} {TRIGGERS}")).await;
    let mapping = mapping(&pair, OWNED, ENTITIES).await;
    silent_while_tried_again(&pair, &mapping).await;
}

/// Where the role may silence triggers at once those act that are to act always.
#[tokio::test]
async fn no_trigger_that_always_acts_fires_for_rows_that_are_tried_again() {
    let pair = Pair::create("retried_always", SOURCE, &format!("{GATE} {TARGET} {TRIGGERS}")).await;
    let head = "[pipeline]\nname = \"test\"";
    let mapping = format!(
        "{head}\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n{ENTITIES}",
        pair.source.url(),
        pair.target.url()
    );
    silent_while_tried_again(&pair, &mapping).await;
}

#[tokio::test]
async fn whoever_writes_while_rows_are_tried_again_waits_and_is_heard() {
    let pair = Pair::create("retried_busy", SOURCE, &format!("{GATE} {TARGET} {TRIGGERS}")).await;
    let mapping = mapping(&pair, OWNED, ENTITIES).await;
    loaded(&pair, &mapping).await;
    let gate = Gate::shut(&pair.target).await;
    let (tried, ()) = tokio::join!(tried_again(&mapping), async {
        gate.reached().await;
        let theirs = "INSERT INTO items VALUES (gen_random_uuid(), 2024)";
        let ((), ()) = tokio::join!(pair.target.run(theirs), async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass";
            wait_until("who writes", async || pair.count(waiting).await == 1).await;
            gate.open().await;
        });
    });
    assert_eq!(tried.expect("tried again").written, 1);
    let theirs = [
        "each items_2024 INSERT",
        "late items_2024 INSERT",
        "once items INSERT",
    ];
    assert_eq!(heard(&pair).await, theirs);
}

#[tokio::test]
async fn a_trigger_of_somebody_else_refuses_the_retry() {
    let pair = Pair::create("retried_others", SOURCE, &format!("{GATE} {TARGET}")).await;
    let mapping = mapping(&pair, OWNED, ENTITIES).await;
    loaded(&pair, &mapping).await;
    pair.target
        .run(
            "CREATE TRIGGER theirs AFTER INSERT ON items_2023 FOR EACH ROW EXECUTE FUNCTION note();
             GRANT ALL ON items_2023 TO PUBLIC; ALTER TABLE items_2023 OWNER TO CURRENT_USER",
        )
        .await;
    let error = tried_again(&mapping).await.expect_err("refused");
    assert_eq!(error.code(), code::TRIGGERS_NOT_SILENCED, "{error}");
    assert!(
        error
            .to_string()
            .contains("table public.items_2023, trigger theirs"),
        "{error}"
    );
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 18);
    assert_eq!(heard(&pair).await, Vec::<String>::new());
}
