//! What happens around a load while it runs, or while it is interrupted.

use std::process::Command;

use driftless_core::code;
use driftless_engine::run::Stop;
use driftless_engine::run::rejects::Dismissal;
use driftless_engine::run::report::RejectFilter;
use driftless_testkit::{Client, Cluster, ClusterOptions, Server, TestDatabase, servers, wait_until};

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, migrate_until};

const SOURCE: &str = "
    CREATE TABLE item (id int PRIMARY KEY, price text, n int);
    INSERT INTO item SELECT n, CASE WHEN n % 10 = 1 THEN 'n/a' ELSE '1' END, n FROM generate_series(1, 100) AS n;";

const MAPPING: &str = r#"
    [entities.items]
    from = "public.item"
    into = "public.items"
    max_rejects = 50
    columns = { id = { id = true }, legacy_id = "id", price = { sql = "price::numeric" } }
    [entities.held]
    from = "public.item"
    into = "public.held"
    max_rejects = 50
    columns = { id = { id = true }, n = { sql = "public.gate(n, 1)" } }
"#;

fn target() -> String {
    format!(
        "{GATE} CREATE TABLE items (id uuid PRIMARY KEY, legacy_id int, price numeric); \
         CREATE TABLE held (id uuid PRIMARY KEY, n int8);"
    )
}

/// Stops a run when `items` is loaded and `held` is not.
async fn stopped_half_way(pair: &Pair) {
    let gate = Gate::shut(&pair.target).await;
    let (spec, stop) = (pair.spec(MAPPING), Stop::new());
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

#[tokio::test]
async fn what_was_dismissed_stays_dismissed_when_a_load_goes_on() {
    let pair = Pair::create("dismissed", SOURCE, &target()).await;
    stopped_half_way(&pair).await;
    let filter = RejectFilter {
        keys: vec!["11".to_owned(), "21".to_owned(), "31".to_owned()],
        ..RejectFilter::default()
    };
    let dismissal = Dismissal::of(&pair.spec(MAPPING), &filter)
        .await
        .expect("counted");
    assert_eq!(dismissal.carry_out().await.expect("dismissed"), 3);
    pair.source
        .run(
            "UPDATE item SET price = 'still bad' WHERE id = 21; DELETE FROM item WHERE id = 31;
             UPDATE item SET price = '2' WHERE id = 41;",
        )
        .await;
    let report = migrate_spec(&pair.spec(MAPPING)).await.expect("continued");
    assert!(report.resumed);
    let states = "SELECT string_agg(key || ' ' || state, ', ' ORDER BY key::int) FROM driftless.rejects WHERE entity = 'items' AND key::int < 60";
    assert_eq!(
        pair.target.value(states).await.as_deref(),
        Some("1 rejected, 11 discarded, 21 discarded, 51 rejected")
    );
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 91);
    // A changed row that was dismissed is not tried by itself: only `rejects retry --key` does that.
    pair.source.run("UPDATE item SET price = '2' WHERE id = 21").await;
    let named = RejectFilter {
        keys: vec!["21".to_owned()],
        ..RejectFilter::default()
    };
    assert_eq!(pair.retry(MAPPING, named).await.written, 1);
}

#[tokio::test]
async fn a_load_whose_control_session_was_lost_is_done() {
    let pair = Pair::create("control", SOURCE, &target()).await;
    let gate = Gate::shut(&pair.target).await;
    let spec = pair.spec(MAPPING);
    let (report, ()) = tokio::join!(migrate_spec(&spec), async {
        gate.reached().await;
        let killed = "SELECT count(pg_terminate_backend(pid)) FROM driftless.lease_holder JOIN pg_stat_activity ON pid = backend_pid";
        assert_eq!(pair.count(killed).await, 1);
        gate.open().await;
    });
    let report = report.expect("a load");
    assert_eq!(report.entities.iter().map(|one| one.inserted).sum::<i64>(), 190);
    let states =
        "SELECT state || ' ' || (SELECT released FROM driftless.lease_holder) FROM driftless.execution";
    assert_eq!(pair.target.value(states).await.as_deref(), Some("done true"));
    assert!(migrate_spec(&spec).await.expect("nothing to do").nothing_to_do);
}

fn shell(command: &str, arguments: &[&str]) {
    let status = Command::new(command).args(arguments).status().expect("a process");
    assert!(status.success(), "{command} {arguments:?}");
}

/// A source that is restored from a backup counts its transactions up to the same snapshot once more.
#[tokio::test]
async fn a_restored_source_is_looked_at_anew() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).expect("a server");
    let pair = Pair {
        source: TestDatabase::create(&Server::of(&cluster), "restored").await,
        target: TestDatabase::create(&servers().target, "restored").await,
    };
    pair.source.run(SOURCE).await;
    pair.target.run(&target()).await;
    let admin = TestDatabase::create(&Server::of(&cluster), "admin").await;
    admin.run("ALTER SYSTEM SET autovacuum = off").await;
    let directory = admin.value("SELECT current_setting('data_directory')").await;
    let directory = directory.expect("a directory");
    let backup = format!("{directory}.backup");
    drop(admin);
    cluster.stop_immediate();
    shell("cp", &["-a", &directory, &backup]);
    cluster.restart().expect("up again");
    pair.source.run("UPDATE item SET price = '2' WHERE id = 2").await;
    stopped_half_way(&pair).await;
    assert_eq!(pair.count("SELECT count(*) FROM items WHERE price = 2").await, 1);

    cluster.stop_immediate();
    shell("rm", &["-r", &directory]);
    shell("mv", &[&backup, &directory]);
    cluster.restart().expect("up again");
    pair.source.run("UPDATE item SET price = '3' WHERE id = 3").await;
    migrate_spec(&pair.spec(MAPPING)).await.expect("continued");
    let texts = "SELECT count(DISTINCT split_part(snapshot, ' ', 1)) FROM driftless.execution";
    assert_eq!(
        pair.count(texts).await,
        1,
        "both runs read under a snapshot of one text"
    );
    let changed = "SELECT string_agg(legacy_id || ' ' || price, ', ') FROM items WHERE price <> 1";
    assert_eq!(pair.target.value(changed).await.as_deref(), Some("3 3"));
}

/// An index that an interrupted run had recorded and not yet dropped, and that somebody took away or changed since.
#[tokio::test]
async fn what_was_recorded_and_never_dropped_is_decided_anew() {
    let target = format!(
        "{} CREATE INDEX items_gone ON items (price); CREATE INDEX items_other ON items (price);",
        target()
    );
    let pair = Pair::create("recorded", SOURCE, &target).await;
    stopped_half_way(&pair).await;
    pair.target
        .run(
            "UPDATE driftless.set_aside SET state = 'recorded' WHERE name LIKE 'items_%';
             DROP INDEX items_gone; DROP INDEX items_other; CREATE INDEX items_other ON items (legacy_id);",
        )
        .await;
    migrate_spec(&pair.spec(MAPPING)).await.expect("continued");
    let indexes =
        "SELECT string_agg(indexdef, '; ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'items'";
    assert_eq!(
        pair.target.value(indexes).await.as_deref(),
        Some(
            "CREATE INDEX items_other ON public.items USING btree (legacy_id); \
             CREATE UNIQUE INDEX items_pkey ON public.items USING btree (id)"
        )
    );
}

#[tokio::test]
async fn contradicting_mappings_are_shown_up_to_twenty() {
    let adopted = "CREATE TABLE map (k int, id uuid);
        INSERT INTO map SELECT n % 30, gen_random_uuid() FROM generate_series(0, 59) AS n;
        INSERT INTO map SELECT 1000 + n, '00000000-0000-0000-0000-00000000000a' FROM generate_series(1, 50) AS n;";
    let pair = Pair::create("contradict", SOURCE, &format!("{} {adopted}", target())).await;
    let mapping = MAPPING.replacen(
        "max_rejects = 50",
        "max_rejects = 50\n    identity = { by = \"derive\", adopt = { sql = \"SELECT k, id FROM public.map\" } }",
        1,
    );
    let error = pair.migrate(&mapping).await.expect_err("contradictions");
    assert_eq!(error.code(), code::UUID_CONFLICT);
    let text = error.to_string();
    assert!(text.contains("31 mapping(s) contradict each other"), "{text}");
    assert_eq!(text.matches("has the UUIDs").count(), 20, "{text}");
    assert!(text.contains(" and 11 more"), "{text}");

    let pair = Pair::create("contradict", SOURCE, &format!("{} {adopted}", target())).await;
    pair.target.run("DELETE FROM map WHERE k < 1000").await;
    let text = pair
        .migrate(&mapping)
        .await
        .expect_err("contradictions")
        .to_string();
    assert!(
        text.contains("1001, 1002") && text.contains("1020 and 30 more"),
        "{text}"
    );
}

/// Rows of which the last five have no parent, in two entities, and an index that waits before a gate.
struct Orphans {
    pair: Pair,
    mapping: String,
    /// Holds the record of rejects: no orphan can leave.
    recording: Client,
}

impl Orphans {
    async fn with_parents_loaded(name: &str) -> Orphans {
        let source = "CREATE TABLE parent (id int PRIMARY KEY);
            INSERT INTO parent SELECT generate_series(1, 20);
            CREATE TABLE child (id int PRIMARY KEY, parent_id int);
            INSERT INTO child SELECT n, n FROM generate_series(1, 25) AS n;
            CREATE TABLE item (id int PRIMARY KEY, n int);
            INSERT INTO item SELECT n, n FROM generate_series(1, 100) AS n;";
        let child = "(id uuid PRIMARY KEY, parent_id uuid NOT NULL REFERENCES parents, n int)";
        let target = format!(
            "{GATE} CREATE TABLE parents (id uuid PRIMARY KEY);
             CREATE TABLE children {child};
             CREATE INDEX children_n ON children (n);
             CREATE TABLE cousins {child};
             CREATE TABLE items (id uuid PRIMARY KEY, n int8);
             CREATE INDEX items_gate ON items (public.gate(n, 1));"
        );
        let parents = r#"
            [entities.parents]
            from = "public.parent"
            into = "public.parents"
            columns.id = { id = true }
        "#;
        let child = |name: &str| {
            format!(
                r#"
                [entities.{name}]
                from = "public.child"
                into = "public.{name}"
                max_rejects = 10
                columns = {{ id = {{ id = true }}, parent_id = {{ ref = "parents", from = "parent_id" }}, n = "parent_id" }}
                "#
            )
        };
        let items = r#"
            [entities.items]
            from = "public.item"
            into = "public.items"
            columns = { id = { id = true }, n = "n" }
        "#;
        let pair = Pair::create(name, source, &target).await;
        pair.migrate(parents).await.expect("loaded");
        let recording = locking(&pair, "LOCK TABLE driftless.rejects IN SHARE MODE").await;
        Orphans {
            mapping: [parents, &child("children"), &child("cousins"), items].concat(),
            pair,
            recording,
        }
    }

    async fn left(&self, entity: &str) {
        wait_until("orphans that left", async || {
            let rejects = format!("SELECT count(*) FROM driftless.rejects WHERE entity = '{entity}'");
            self.pair.count(&rejects).await == 5
        })
        .await;
    }
}

/// A session that holds what a statement locks until it commits.
async fn locking(pair: &Pair, statement: &str) -> Client {
    let client = pair.target.client().await;
    client
        .batch_execute(&format!("BEGIN; {statement}"))
        .await
        .expect("locked");
    client
}

async fn let_go(client: &Client) {
    client.batch_execute("COMMIT").await.expect("let go");
}

#[tokio::test]
async fn indexes_that_no_proof_needs_are_built_while_it_corrects() {
    let orphans = Orphans::with_parents_loaded("built-meanwhile").await;
    let pair = &orphans.pair;
    let gate = Gate::shut(&pair.target).await;
    let spec = pair.spec(&orphans.mapping);
    let (report, ()) = tokio::join!(migrate_spec(&spec), async {
        gate.reached().await;
        let_go(&orphans.recording).await;
        orphans.left("cousins").await;
        gate.open().await;
    });
    report.expect("loaded");
    assert_eq!(pair.count("SELECT count(*) FROM children").await, 20);
    let valid = "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text IN ('items_gate', 'children_n')";
    assert_eq!(pair.count(valid).await, 2);
}

#[tokio::test]
async fn what_an_interrupted_proof_took_out_is_not_told_as_written() {
    let orphans = Orphans::with_parents_loaded("told").await;
    let pair = &orphans.pair;
    let gate = Gate::shut(&pair.target).await;
    let (spec, stop) = (pair.spec(&orphans.mapping), Stop::new());
    let (error, cousins) = tokio::join!(migrate_until(&spec, &stop), async {
        gate.reached().await;
        let cousins = locking(pair, "SELECT FROM cousins FOR UPDATE").await;
        let_go(&orphans.recording).await;
        gate.open().await;
        orphans.left("children").await;
        stop.request();
        cousins
    });
    assert_eq!(error.expect_err("interrupted").code(), code::INTERRUPTED);
    let_go(&cousins).await;
    let report = migrate_spec(&spec).await.expect("continued");
    for entity in report.entities.iter().filter(|one| one.rejected > 0) {
        assert_eq!(
            (entity.rejected, entity.inserted + entity.kept),
            (5, 20),
            "{}",
            entity.entity
        );
    }
    assert_eq!(report.entities.iter().filter(|one| one.rejected > 0).count(), 2);
}

/// Of two sessions one builds an index, which waits before a gate, and the other one has rows leave that repeat a value.
#[tokio::test]
async fn rows_that_repeat_a_value_leave_while_other_tables_are_indexed() {
    let source = "
        CREATE TABLE item (id int PRIMARY KEY, code int); INSERT INTO item SELECT n, n % 99 FROM generate_series(1, 100) AS n;
        CREATE TABLE note (id int PRIMARY KEY, n int); INSERT INTO note SELECT n, n FROM generate_series(1, 20) AS n;";
    let target = format!(
        "{GATE} CREATE TABLE items (id uuid, code int UNIQUE, filler text DEFAULT repeat('x', 400));
         CREATE TABLE notes (id uuid, n int); CREATE UNIQUE INDEX notes_gate ON notes (public.gate(n, 1));"
    );
    let mapping = r#"
        [entities.items]
        from = "public.item"
        into = "public.items"
        max_rejects = 1
        columns = { id = { id = true }, code = "code" }
        [entities.notes]
        from = "public.note"
        into = "public.notes"
        columns = { id = { id = true }, n = "n" }
    "#;
    let pair = Pair::create("repeat-meanwhile", source, &target).await;
    let gate = Gate::shut(&pair.target).await;
    let spec = pair.spec(mapping);
    let (report, ()) = tokio::join!(migrate_spec(&spec), async {
        gate.reached().await;
        let rejects = "SELECT count(*) FROM driftless.rejects WHERE entity = 'items'";
        wait_until("a row that left", async || {
            pair.target
                .value("SELECT to_regclass('driftless.rejects')::text")
                .await
                .is_some()
                && pair.count(rejects).await == 1
        })
        .await;
        gate.open().await;
    });
    report.expect("loaded");
    assert_eq!(
        pair.rejects("items").await,
        [("100".to_owned(), "DL0406".to_owned())]
    );
    let valid = "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text IN ('notes_gate', 'items_code_key')";
    assert_eq!(pair.count(valid).await, 2);
}

/// An index that takes ten minutes.
const SLOW: &str = "
    CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN n; END $$;
    CREATE TABLE items (id int PRIMARY KEY, n int);
    CREATE INDEX items_slow ON items (public.slow(n));";

#[tokio::test]
async fn a_build_does_not_outlive_the_run_that_was_interrupted() {
    let source = "CREATE TABLE item (id int PRIMARY KEY, n int);
                  INSERT INTO item SELECT n, n FROM generate_series(1, 3000) AS n";
    let pair = Pair::create("outlive", source, SLOW).await;
    let building = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
                    AND query LIKE 'CREATE INDEX items_slow%'";
    let spec = pair.spec("[entities.item]\nfrom = \"public.item\"\ninto = \"public.items\"\n");
    let stop = Stop::new();
    let (error, ()) = tokio::join!(migrate_until(&spec, &stop), async {
        wait_until("a build", async || pair.count(building).await > 0).await;
        stop.request();
    });
    assert_eq!(error.expect_err("interrupted").code(), code::INTERRUPTED);
    wait_until("its end", async || pair.count(building).await == 0).await;
}
