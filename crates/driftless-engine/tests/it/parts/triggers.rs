//! Triggers of partitioned tables, as a role that may not silence them at once: those act that stand on the partitions.

use std::thread::JoinHandle;

use driftless_core::code;
use driftless_engine::error::EngineError;
use driftless_engine::run::{Stop, abandon, migrate, restart};
use driftless_testkit::{ServerPair, pg_dump_schema_without, server_of, servers, wait_until};

use tokio::sync::oneshot;

use super::checked::mapping;
use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, migrate_until, read};

const SOURCE: &str = "
    CREATE TABLE visits (id int PRIMARY KEY, year int); INSERT INTO visits SELECT n, 2023 + n % 3 FROM generate_series(1, 60) AS n;
    CREATE TABLE bills (id int PRIMARY KEY); INSERT INTO bills SELECT generate_series(1, 5);";

/// What every trigger notes. Modes differ from partition to partition.
const TABLES: &str = "
    CREATE TABLE journal (what text); GRANT ALL ON journal TO PUBLIC;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.journal VALUES (concat_ws(' ', TG_NAME, TG_TABLE_NAME, TG_OP)); RETURN NULL; END $$;
    CREATE TABLE visits (id uuid, year int, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
    CREATE TABLE visits_2023 PARTITION OF visits FOR VALUES IN (2023);
    CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES IN (2024) PARTITION BY HASH (id);
    CREATE TABLE visits_2024_0 PARTITION OF visits_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE visits_2024_1 PARTITION OF visits_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE visits_rest PARTITION OF visits DEFAULT;
    CREATE TABLE bills (id uuid PRIMARY KEY, n int8);";

const TRIGGERS: &str = "
    CREATE TRIGGER each AFTER INSERT OR UPDATE OR DELETE ON visits FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER once AFTER INSERT OR DELETE ON visits EXECUTE FUNCTION note();
    CREATE TRIGGER \"its own\" AFTER INSERT OR DELETE ON visits_2023 FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER unasked AFTER INSERT OR DELETE ON visits_2023 EXECUTE FUNCTION note();
    ALTER TABLE ONLY visits_2024_0 ENABLE ALWAYS TRIGGER each;
    ALTER TABLE ONLY visits_rest DISABLE TRIGGER each;";

const OWNED: &str = "
    DO $$ DECLARE one regclass; BEGIN
        FOR one IN SELECT relid FROM pg_partition_tree('visits') UNION ALL SELECT 'bills' LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO {role}', one);
        END LOOP;
    END $$;";

const ENTITIES: &str = "
    [entities.visits]\nfrom = \"public.visits\"\ninto = \"public.visits\"\ncolumns = { id = { id = true }, year = \"year\" }\n
    [entities.bills]\nfrom = \"public.bills\"\ninto = \"public.bills\"\nafter = [\"visits\"]\n\
     columns = { id = { id = true }, n = { sql = \"public.gate(id, 100)\" } }\n";

const MODES: &str = "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_trigger
    WHERE NOT tgisinternal OR tgparentid <> 0 ORDER BY 1, 2";

async fn taken_back(mapping: &str) -> Result<i64, EngineError> {
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let deleted = restart(&read(mapping), &[], &events).await?;
    Ok(deleted.iter().map(|one| one.rows).sum())
}

async fn journal(pair: &Pair) -> Vec<Vec<Option<String>>> {
    pair.target
        .rows("SELECT DISTINCT what FROM journal ORDER BY 1")
        .await
}

fn target(more: &str) -> String {
    format!("{GATE} {TABLES} {more}")
}

/// Loaded, taken back and loaded again: nobody hears of it, and whoever writes there afterwards is heard as before.
async fn silent_both_ways(servers: &ServerPair) {
    let pair = Pair::on(servers, "partitioned", SOURCE, &target(TRIGGERS)).await;
    let mapping = mapping(&pair, OWNED, ENTITIES).await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let modes = pair.target.rows(MODES).await;
    for _ in 0..2 {
        migrate_spec(&read(&mapping)).await.expect("a load");
        assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
        assert_eq!(pair.target.rows(MODES).await, modes);
        assert_eq!(taken_back(&mapping).await.expect("deleted"), 65);
        assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
        assert_eq!(pair.target.rows(MODES).await, modes);
    }
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    let theirs = "INSERT INTO visits SELECT gen_random_uuid(), year FROM generate_series(2023, 2025) AS year, generate_series(1, 30)";
    pair.target.run(theirs).await;
    let heard: Vec<String> = journal(&pair).await.into_iter().flatten().flatten().collect();
    assert_eq!(
        heard,
        [
            "each visits_2023 INSERT",
            "each visits_2024_0 INSERT",
            "each visits_2024_1 INSERT",
            "its own visits_2023 INSERT",
            "once visits INSERT",
        ]
    );
}

#[tokio::test]
async fn triggers_of_partitions_are_silent_both_ways() {
    silent_both_ways(&servers()).await;
}

#[tokio::test]
async fn triggers_of_partitions_are_silent_on_the_oldest_major() {
    let servers = ServerPair {
        source: server_of(14),
        target: server_of(14),
    };
    silent_both_ways(&servers).await;
}

#[tokio::test]
async fn triggers_of_partitions_are_silent_on_the_newest_major() {
    let servers = ServerPair {
        source: server_of(18),
        target: server_of(18),
    };
    silent_both_ways(&servers).await;
}

/// Triggers that came behind the load, which knew nothing of them.
#[tokio::test]
async fn triggers_of_partitions_are_silent_when_rows_are_taken_back() {
    let pair = Pair::create("behind", SOURCE, &target("")).await;
    let mapping = mapping(&pair, OWNED, ENTITIES).await;
    migrate_spec(&read(&mapping)).await.expect("a load");
    pair.target.run(TRIGGERS).await;
    let modes = pair.target.rows(MODES).await;
    assert_eq!(taken_back(&mapping).await.expect("deleted"), 65);
    assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
    assert_eq!(pair.target.rows(MODES).await, modes);
}

/// One partition is written by itself: what its parent's trigger left there is silenced like its own.
#[tokio::test]
async fn triggers_of_a_partition_that_is_written_are_silent() {
    let pair = Pair::create("partition", SOURCE, &target(TRIGGERS)).await;
    pair.source.run("UPDATE visits SET year = 2023").await;
    let entities = ENTITIES.replacen("into = \"public.visits\"", "into = \"public.visits_2023\"", 1);
    let mapping = mapping(&pair, OWNED, &entities).await;
    let modes = pair.target.rows(MODES).await;
    migrate_spec(&read(&mapping)).await.expect("a load");
    assert_eq!(taken_back(&mapping).await.expect("deleted"), 65);
    assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
    assert_eq!(pair.target.rows(MODES).await, modes);
}

/// Where the role may silence triggers at once those act that are to act always.
#[tokio::test]
async fn triggers_of_partitions_that_always_act_are_silent() {
    let pair = Pair::create("always", SOURCE, &target(TRIGGERS)).await;
    let modes = pair.target.rows(MODES).await;
    pair.migrate(ENTITIES).await.expect("a load");
    assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let deleted = restart(&pair.spec(ENTITIES), &[], &events)
        .await
        .expect("deleted");
    assert_eq!(deleted.iter().map(|one| one.rows).sum::<i64>(), 65);
    assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
    assert_eq!(pair.target.rows(MODES).await, modes);
}

async fn refused(pair: &Pair, mapping: &str, trigger: &str) {
    let error = migrate_spec(&read(mapping)).await.expect_err("refused");
    assert_eq!(error.code(), code::TRIGGERS_NOT_SILENCED, "{error}");
    assert!(error.to_string().contains(trigger), "{error}");
    let planned = driftless_engine::run::plan(&read(mapping))
        .await
        .expect_err("refused");
    assert_eq!(planned.code(), code::TRIGGERS_NOT_SILENCED, "{planned}");
    assert_eq!(pair.count("SELECT count(*) FROM visits WHERE year <> 0").await, 0);
    assert_eq!(journal(pair).await, Vec::<Vec<_>>::new());
}

const ITS_OWN: &str =
    "CREATE TRIGGER \"its own\" AFTER INSERT OR DELETE ON visits_2023 FOR EACH ROW EXECUTE FUNCTION note()";

#[tokio::test]
async fn a_trigger_of_a_partition_that_has_to_stay_refuses_the_load() {
    // Whoever writes there meanwhile counts on them.
    let rows = "INSERT INTO visits VALUES (gen_random_uuid(), 0)";
    let pair = Pair::create("filled", SOURCE, &target(&format!("{ITS_OWN}; {rows}"))).await;
    let filled = mapping(&pair, OWNED, ENTITIES).await;
    refused(&pair, &filled, "table public.visits_2023, trigger its own").await;

    let pair = Pair::create("anothers", SOURCE, &target(ITS_OWN)).await;
    let rights = format!(
        "{OWNED} ALTER TABLE visits_2023 OWNER TO CURRENT_USER; GRANT SELECT, INSERT, UPDATE, DELETE ON visits_2023 TO {{role}}"
    );
    let anothers = mapping(&pair, &rights, ENTITIES).await;
    refused(&pair, &anothers, "table public.visits_2023, trigger its own").await;

    // The rehearsal finds what nobody could know before.
    let forbids = "
        CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_query() LIKE '%DISABLE TRIGGER%' THEN RAISE 'triggers stay'; END IF; END $$;
        CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid()";
    let pair = Pair::create("forbidden", SOURCE, &target(&format!("{ITS_OWN}; {forbids}"))).await;
    let forbidden = mapping(&pair, OWNED, ENTITIES).await;
    refused(&pair, &forbidden, "triggers stay").await;
}

/// Loads until told to end, as kill -9 does: with all that belongs to it.
pub(super) fn load_until_killed(mapping: String, told: oneshot::Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().expect("a runtime");
        let spec = read(&mapping);
        runtime.block_on(async {
            tokio::select! {
                ended = migrate_spec(&spec) => panic!("not killed: {ended:?}"),
                _ = told => {}
            }
        });
    })
}

/// Ends a load when the partitioned table has its rows and those behind it wait: stopped, or killed.
async fn interrupted(killed: bool) -> (Pair, String) {
    let pair = Pair::create("interrupted", SOURCE, &target(TRIGGERS)).await;
    let gated = ENTITIES.replace("public.gate(id, 100)", "public.gate(id, 1)");
    let mapping = mapping(&pair, OWNED, &gated).await;
    let gate = Gate::shut(&pair.target).await;
    let reached = async {
        gate.reached().await;
        wait_until("visits", async || {
            pair.count("SELECT count(*) FROM visits").await == 60
        })
        .await;
    };
    if killed {
        let (kill, told) = oneshot::channel();
        let load = load_until_killed(mapping.clone(), told);
        reached.await;
        kill.send(()).expect("a load");
        load.join().expect("killed");
    } else {
        let (spec, stop) = (read(&mapping), Stop::new());
        let (ended, ()) = tokio::join!(migrate_until(&spec, &stop), async {
            reached.await;
            stop.request();
        });
        let error = ended.expect_err("interrupted");
        assert_eq!(error.code(), code::INTERRUPTED, "{error}");
    }
    gate.open().await;
    (pair, mapping)
}

const SILENT: &str =
    "SELECT count(*) FROM pg_trigger WHERE tgname IN ('each', 'once', 'its own') AND tgenabled = 'D'";

#[tokio::test]
async fn triggers_of_partitions_come_back_from_an_interrupted_load() {
    for killed in [false, true] {
        let (pair, mapping) = interrupted(killed).await;
        // The default partition's was disabled before.
        assert_eq!(pair.count(SILENT).await, if killed { 6 } else { 1 });
        migrate_spec(&read(&mapping)).await.expect("it goes on");
        assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
        assert_eq!(pair.count(SILENT).await, 1);
        assert_eq!(pair.count("SELECT count(*) FROM visits").await, 60);
    }
    let (pair, mapping) = interrupted(true).await;
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    abandon(&read(&mapping), &events).await.expect("put back");
    assert_eq!(pair.count(SILENT).await, 1);
    let always =
        "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'A' AND tgrelid = 'visits_2024_0'::regclass";
    assert_eq!(pair.count(always).await, 1);
}

/// Entities that come later, one into a table of its own and one into the partitioned one.
const LATER: &str = "
    [entities.notes]\nfrom = \"public.bills\"\ninto = \"public.notes\"\ncolumns = { id = { id = true } }\n
    [entities.more]\nfrom = \"public.more\"\ninto = \"public.visits\"\ncolumns = { id = { id = true }, year = \"year\" }\n";

#[tokio::test]
async fn triggers_are_silent_for_the_load_that_found_the_table_empty_and_for_no_other() {
    let (pair, mapping) = interrupted(false).await;
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'bills'";
    let owner = pair.target.value(owner).await.expect("an owner");
    let notes = format!("CREATE TABLE notes (id uuid PRIMARY KEY); ALTER TABLE notes OWNER TO {owner}");
    pair.target.run(&notes).await;
    pair.source
        .run("CREATE TABLE more (id int PRIMARY KEY, year int); INSERT INTO more VALUES (1, 2023)")
        .await;
    let later = read(&format!("{mapping}{LATER}"));
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let stop = Stop::new();
    let only = |name: &str| [name.to_owned()];
    // A load of others lies between.
    migrate(&later, &only("notes"), &events, &stop)
        .await
        .expect("a load");
    migrate_spec(&read(&mapping)).await.expect("it goes on");
    assert_eq!(journal(&pair).await, Vec::<Vec<_>>::new());
    assert_eq!(pair.count("SELECT count(*) FROM visits").await, 60);
    // The table is in use by now, and its triggers are its users'.
    let refused = migrate(&later, &only("more"), &events, &stop).await;
    let error = refused.expect_err("refused");
    assert_eq!(error.code(), code::TRIGGERS_NOT_SILENCED, "{error}");
    assert_eq!(pair.count("SELECT count(*) FROM visits").await, 60);
}
