//! One writer: whoever else starts is refused, a dead holder is taken over, and a holder that was taken over cannot commit.

use driftless_core::code;
use driftless_core::spec::Spec;
use driftless_engine::run::status;
use driftless_testkit::wait_until;

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec};

/// Two entities, one after the other; the first one stops at the gate.
const MAPPING: &str = r#"
    [entities.first]
    from = "public.first"
    into = "public.first"
    columns = { id = { id = true }, n = { sql = "public.gate(id, 50)" } }
    [entities.second]
    from = "public.second"
    into = "public.second"
    after = ["first"]
    columns = { id = { id = true }, n = "id" }
"#;

async fn pair() -> (Pair, Spec) {
    let source = "CREATE TABLE first (id int PRIMARY KEY); INSERT INTO first SELECT generate_series(1, 100);
        CREATE TABLE second (id int PRIMARY KEY); INSERT INTO second SELECT generate_series(1, 100);";
    let target = format!(
        "{GATE} CREATE TABLE first (id uuid PRIMARY KEY, n int8 UNIQUE); CREATE TABLE second (id uuid PRIMARY KEY, n int UNIQUE);"
    );
    let pair = Pair::create("lease", source, &target).await;
    let spec = pair.spec(MAPPING);
    (pair, spec)
}

async fn whole(pair: &Pair) {
    for table in ["first", "second"] {
        assert_eq!(
            pair.count(&format!("SELECT count(DISTINCT n) FROM {table}"))
                .await,
            100,
            "{table}"
        );
    }
    assert_eq!(
        pair.count("SELECT count(*) FROM pg_constraint WHERE contype = 'u' AND conname LIKE '%_n_key'")
            .await,
        2
    );
}

#[tokio::test]
async fn a_second_instance_is_refused_while_the_first_one_works() {
    let (pair, spec) = pair().await;
    let gate = Gate::shut(&pair.target).await;
    let (first, ()) = tokio::join!(migrate_spec(&spec), async {
        gate.reached().await;
        let holder = status(&spec).await.expect("a status").holder.expect("a holder");
        let refused = migrate_spec(&spec).await.expect_err("refused");
        assert_eq!(refused.code(), code::PIPELINE_HELD, "{refused}");
        assert!(refused.to_string().contains(&holder), "{refused}");
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
        gate.open().await;
    });
    first.expect("a load");
    assert_eq!(status(&spec).await.expect("a status").holder, None);
    whole(&pair).await;
    let executions = "SELECT string_agg(state, ' ') FROM driftless.execution";
    assert_eq!(pair.target.value(executions).await.as_deref(), Some("done"));
}

#[tokio::test]
async fn of_many_that_start_at_once_one_works() {
    let (pair, spec) = pair().await;
    let gate = Gate::shut(&pair.target).await;
    let starts = (0..5).map(|_| migrate_spec(&spec));
    let (outcomes, ()) = tokio::join!(futures_util::future::join_all(starts), async {
        gate.reached().await;
        wait_until("four that are refused", async || {
            // The refused have left; the one that works has a row in the state.
            pair.count("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%control%' AND datname = current_database()").await <= 1
        })
        .await;
        gate.open().await;
    });
    let refused: Vec<_> = outcomes.iter().filter_map(|one| one.as_ref().err()).collect();
    assert!(
        refused.iter().all(|error| error.code() == code::PIPELINE_HELD),
        "{refused:?}"
    );
    assert_eq!(refused.len(), 4);
    whole(&pair).await;
    assert_eq!(pair.count("SELECT count(*) FROM driftless.execution").await, 1);
}

#[tokio::test]
async fn a_dead_holder_is_taken_over_and_cannot_commit() {
    let (pair, spec) = pair().await;
    let gate = Gate::shut(&pair.target).await;
    let (first, second) = tokio::join!(migrate_spec(&spec), async {
        gate.reached().await;
        // The session that beats is gone, as after kill -9; the others still hold a transaction open.
        pair.target
            .run("SELECT pg_terminate_backend(backend_pid, 10000) FROM driftless.lease_holder")
            .await;
        gate.open().await;
        migrate_spec(&spec).await
    });
    // Which of the two loaded what is a matter of luck, and the first goes on by itself where it can; that one came to the end,
    // and nothing is there twice or missing, is not.
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    // Whoever takes over ends the sessions of the other, and the server says so (57P01).
    let ended = [
        code::LEASE_LOST,
        code::CONNECTION_LOST,
        code::COMMIT_UNKNOWN,
        code::PIPELINE_HELD,
    ];
    for error in [first, second].into_iter().filter_map(Result::err) {
        assert!(ended.contains(&error.code()), "{error}");
    }
    whole(&pair).await;
    assert_eq!(
        pair.count("SELECT count(*) FROM driftless.identity_first").await,
        100
    );
}

#[tokio::test]
async fn a_holder_that_was_paused_commits_nothing_after_its_epoch() {
    let (pair, spec) = pair().await;
    let gate = Gate::shut(&pair.target).await;
    let (first, ()) = tokio::join!(migrate_spec(&spec), async {
        gate.reached().await;
        // Somebody takes over: that waits for the open transaction, and every later one is refused. The lock keeps those
        // that come later from going first.
        let taker = pair.target.client().await;
        let take = taker.batch_execute(
            "BEGIN; LOCK TABLE driftless.lease IN EXCLUSIVE MODE; UPDATE driftless.lease SET epoch = epoch + 1; COMMIT",
        );
        let (taken, ()) = tokio::join!(take, async {
            wait_until("somebody who waits to take over", async || {
                let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                               AND wait_event_type = 'Lock' AND query LIKE 'BEGIN; LOCK TABLE driftless.lease %'";
                pair.count(waiting).await == 1
            })
            .await;
            gate.open().await;
        });
        taken.expect("the epoch is another");
    });
    let error = first.expect_err("taken over");
    assert_eq!(error.code(), code::LEASE_LOST, "{error}");
    assert_eq!(
        pair.count("SELECT count(*) FROM first").await,
        100,
        "the transaction that was open"
    );
    assert_eq!(
        pair.count("SELECT count(*) FROM second").await,
        0,
        "none after it"
    );
    let done = "SELECT string_agg(entity || ' ' || done, ', ' ORDER BY entity) FROM driftless.chunk";
    assert_eq!(
        pair.target.value(done).await.as_deref(),
        Some("first true, second false")
    );

    // Whoever took over and died is followed by the next start.
    pair.target
        .run("UPDATE driftless.lease_holder SET beat_at = 'epoch'")
        .await;
    migrate_spec(&spec).await.expect("a load");
    whole(&pair).await;
}

/// A program that was stopped within a transaction holds locks for which the catalog waits: whoever starts ends it before it can be
/// asked for the lease.
#[tokio::test]
async fn locks_of_a_dead_holder_do_not_stop_the_next_start() {
    let pair = Pair::create(
        "deadlocks",
        "CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1);",
        "CREATE TABLE items (id int PRIMARY KEY);",
    )
    .await;
    let mapping = "[entities.items]\nfrom = \"public.item\"\ninto = \"public.items\"\n";
    pair.migrate(mapping).await.expect("a load");
    let dead = pair.target.client().await;
    for sql in [
        "INSERT INTO driftless.lease_backend (pipeline, epoch, backend_pid, backend_start)
             SELECT l.pipeline, l.epoch, pid, backend_start FROM driftless.lease AS l, pg_stat_activity WHERE pid = pg_backend_pid()",
        "BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE",
    ] {
        dead.batch_execute(sql).await.expect("a lock");
    }
    let report = pair.migrate(mapping).await.expect("another start");
    assert!(report.nothing_to_do);
    dead.batch_execute("COMMIT").await.expect_err("it was ended");
}
