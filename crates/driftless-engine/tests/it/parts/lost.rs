//! Connections that are lost in the middle of a load, which goes on by itself.

use driftless_core::code;
use driftless_engine::error::EngineError;
use driftless_engine::run::report::MigrateReport;
use driftless_engine::run::{Event, Stop, migrate};
use driftless_testkit::{TestDatabase, wait_until};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::gate::{GATE, Gate};
use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE item (id int PRIMARY KEY, n int);
    INSERT INTO item SELECT n, n FROM generate_series(1, 100) AS n;";

const TARGET: &str = "
    CREATE TABLE items (id uuid PRIMARY KEY, legacy_id int UNIQUE, n int);
    CREATE TABLE held (id uuid PRIMARY KEY, n int8 UNIQUE);";

const MAPPING: &str = r#"
    [entities.items]
    from = "public.item"
    into = "public.items"
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.held]
    from = "public.item"
    into = "public.held"
    where = "public.gate(id, 1) > 0"
    columns = { id = { id = true }, n = { sql = "public.gate(n, 1)" } }
"#;

const UNIQUE: &str = "SELECT count(*) FROM pg_constraint WHERE contype = 'u' AND conname LIKE '%_key'";

/// What a load came to, and what it told.
type Told = (Result<MigrateReport, EngineError>, UnboundedReceiver<Event>);

async fn load(pair: &Pair, stop: &Stop) -> Told {
    let (events, heard) = unbounded_channel();
    (migrate(&pair.spec(MAPPING), &[], &events, stop).await, heard)
}

/// Attempts that were lost.
fn lost(mut heard: UnboundedReceiver<Event>) -> usize {
    let mut count = 0;
    while let Ok(event) = heard.try_recv() {
        count += usize::from(matches!(event, Event::Lost { .. }));
    }
    count
}

/// Ends every session of a load, once `items` is loaded and `held` waits.
async fn terminate(pair: &Pair, gate: &Gate<'_>, of: &TestDatabase) {
    gate.reached().await;
    wait_until("a finished chunk", async || {
        pair.count("SELECT count(*) FROM driftless.chunk WHERE done")
            .await
            == 1
    })
    .await;
    assert_eq!(pair.count(UNIQUE).await, 0, "set aside");
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name LIKE 'driftless%'";
    let ended = of.value(ended).await;
    assert_ne!(ended.as_deref(), Some("0"), "nobody was there");
}

async fn pair(hint: &str) -> Pair {
    Pair::create(hint, &format!("{GATE} {SOURCE}"), &format!("{GATE} {TARGET}")).await
}

async fn goes_on(pair: &Pair, of: &TestDatabase) {
    let gate = Gate::shut(of).await;
    let stop = Stop::new();
    let ((report, heard), ()) = tokio::join!(load(pair, &stop), async {
        terminate(pair, &gate, of).await;
        pair.source.run("UPDATE item SET n = 7 WHERE id = 1").await;
        gate.open().await;
    });
    let report = report.expect("a load");
    assert!(report.resumed);
    assert_eq!(lost(heard), 1);
    let rows = "SELECT count(*) || ' ' || count(*) FILTER (WHERE legacy_id = 1 AND n = 7) FROM items";
    assert_eq!(pair.target.value(rows).await.as_deref(), Some("100 1"));
    assert_eq!(
        pair.count("SELECT count(*) FROM held").await,
        99,
        "of two with one value the first"
    );
    assert_eq!(pair.count(UNIQUE).await, 2);
    let executions = "SELECT string_agg(state, ' ' ORDER BY id) FROM driftless.execution";
    assert_eq!(
        pair.target.value(executions).await.as_deref(),
        Some("failed done")
    );
}

#[tokio::test]
async fn a_target_that_ends_every_session_is_found_again() {
    let pair = pair("lost_target").await;
    goes_on(&pair, &pair.target).await;
}

#[tokio::test]
async fn a_source_that_ends_every_session_is_found_again() {
    let pair = pair("lost_source").await;
    goes_on(&pair, &pair.source).await;
}

#[tokio::test]
async fn a_wish_to_stop_ends_the_pause_and_puts_things_back() {
    let pair = pair("lost_stop").await;
    let gate = Gate::shut(&pair.target).await;
    let (stop, (events, mut heard)) = (Stop::new(), unbounded_channel());
    let spec = pair.spec(MAPPING);
    let (outcome, (), ()) = tokio::join!(
        migrate(&spec, &[], &events, &stop),
        terminate(&pair, &gate, &pair.target),
        async {
            while let Some(event) = heard.recv().await {
                if matches!(event, Event::Lost { .. }) {
                    return stop.request();
                }
            }
        }
    );
    assert_eq!(outcome.expect_err("stopped").code(), code::INTERRUPTED);
    assert_eq!(pair.count(UNIQUE).await, 2);
    let executions = "SELECT string_agg(state, ' ' ORDER BY id) FROM driftless.execution";
    assert_eq!(
        pair.target.value(executions).await.as_deref(),
        Some("failed interrupted")
    );
    gate.open().await;
    load(&pair, &Stop::new()).await.0.expect("continued");
    assert_eq!(pair.count("SELECT count(*) FROM held").await, 100);
}

/// A database that takes no connections says so under a state against which no other attempt helps.
#[tokio::test]
async fn what_does_not_pass_ends_the_load_and_puts_things_back() {
    let pair = pair("lost_for_good").await;
    let gate = Gate::shut(&pair.source).await;
    let admin = TestDatabase::create(pair.source.server(), "admin").await;
    let stop = Stop::new();
    let ((outcome, heard), ()) = tokio::join!(load(&pair, &stop), async {
        gate.reached().await;
        let close = format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", pair.source.name());
        admin.run(&close).await;
        // The session that shuts the gate stays: with its end the load would go on.
        let ended = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = '{}' AND application_name LIKE 'driftless%'",
            pair.source.name()
        );
        admin.run(&ended).await;
    });
    let error = outcome.expect_err("no source");
    assert!(error.to_string().contains("55000"), "{error}");
    assert_eq!(lost(heard), 1);
    assert_eq!(pair.count(UNIQUE).await, 2);
    let open = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", pair.source.name());
    admin.run(&open).await;
}

/// A load that loses a deadlock to somebody else goes on by itself, too.
#[tokio::test]
async fn a_load_that_loses_a_deadlock_goes_on() {
    let pair = pair("deadlock").await;
    let other = pair.target.client().await;
    // Only the load looks whether it waits for ever.
    other
        .batch_execute("SET deadlock_timeout = '10min'; BEGIN; LOCK TABLE items IN ROW EXCLUSIVE MODE")
        .await
        .expect("a lock");
    let waits = "SELECT count(*) FROM pg_locks AS w JOIN pg_locks AS h USING (pid)
        WHERE w.relation = 'items'::regclass AND NOT w.granted AND h.relation = 'held'::regclass AND h.granted
          AND h.mode = 'AccessExclusiveLock'";
    let stop = Stop::new();
    let ((done, heard), ()) = tokio::join!(load(&pair, &stop), async {
        wait_until("a load that waits", async || pair.count(waits).await > 0).await;
        other
            .batch_execute("LOCK TABLE held IN ROW EXCLUSIVE MODE; COMMIT")
            .await
            .expect("the deadlock is won");
    });
    done.expect("a load");
    assert_eq!(lost(heard), 1);
    assert_eq!(pair.count("SELECT count(*) FROM items").await, 100);
    assert_eq!(pair.count(UNIQUE).await, 2);
}
