use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driftless_pg::{BeginMode, ConnectConfig, ErrorKind, Pool, PoolLimits, Session};
use driftless_testkit::{Direction, Fault, FaultProxy, TestDatabase, servers, wait_until};

use crate::{fresh, one, refused};

const PATIENT: PoolLimits = PoolLimits {
    sessions: 2,
    acquire: Duration::from_secs(60),
    idle: Duration::from_secs(600),
};

const HASTY: PoolLimits = PoolLimits {
    acquire: Duration::from_millis(50),
    ..PATIENT
};

fn pool(url: &str, limits: PoolLimits) -> Pool {
    Pool::new(ConnectConfig::parse(url).unwrap(), limits)
}

/// Sessions of pools in this database, as the server sees them.
async fn there(session: &Session) -> i64 {
    one(
        session,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await
}

#[tokio::test]
async fn no_more_sessions_than_allowed_and_nobody_waits_for_ever() {
    let (database, watcher) = fresh("poolbound").await;
    let hasty = pool(&database.url(), HASTY);
    let (first, second) = (
        hasty.session("a").await.unwrap(),
        hasty.session("b").await.unwrap(),
    );
    let error = refused(hasty.session("c").await);
    assert_eq!(error.kind(), ErrorKind::PoolExhausted, "{error}");
    assert!(error.cause().contains("all 2 sessions are in use"), "{error}");
    assert!(error.remedy().unwrap().contains("max_connections"));
    assert_eq!(there(&watcher).await, 2);
    drop(first);
    let third = hasty.session("c").await.unwrap();
    assert_eq!(
        one::<String>(&third, "SHOW application_name").await,
        "driftless c"
    );
    assert_eq!(there(&watcher).await, 2);
    drop((second, third));

    // Whoever waits gets the session that becomes free.
    let patient = pool(
        &database.url(),
        PoolLimits {
            sessions: 1,
            ..PATIENT
        },
    );
    let held = patient.session("held").await.unwrap();
    let waiting = tokio::spawn({
        let patient = patient.clone();
        async move { patient.session("waited").await.unwrap().backend_pid() }
    });
    tokio::task::yield_now().await;
    let pid = held.backend_pid();
    drop(held);
    assert_eq!(waiting.await.unwrap(), pid);
}

#[tokio::test]
async fn a_session_that_is_used_again_knows_nothing_of_its_past() {
    let (database, _watcher) = fresh("poolreset").await;
    let pool = pool(
        &database.url(),
        PoolLimits {
            sessions: 1,
            ..PATIENT
        },
    );
    let session = pool.session("first").await.unwrap();
    let pid = session.backend_pid();
    session
        .batch(
            "SET search_path = public; SET statement_timeout = '1s'; SET session_replication_role = replica;
             CREATE TEMP TABLE mine (a int); SELECT pg_advisory_lock(7); PREPARE p AS SELECT 1; LISTEN me",
        )
        .await
        .unwrap();
    drop(session);
    let session = pool.session("second").await.unwrap();
    assert_eq!(session.backend_pid(), pid);
    for (sql, expected) in [
        ("SHOW search_path", "pg_catalog"),
        ("SHOW statement_timeout", "0"),
        ("SHOW session_replication_role", "origin"),
        ("SHOW row_security", "off"),
        ("SHOW application_name", "driftless second"),
        ("SELECT count(*)::text FROM pg_class WHERE relname = 'mine'", "0"),
        (
            "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            "0",
        ),
        ("SELECT count(*)::text FROM pg_prepared_statements", "0"),
        ("SELECT count(*)::text FROM pg_listening_channels()", "0"),
    ] {
        assert_eq!(one::<String>(&session, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn sessions_ahead_begin_with_those_that_nobody_uses() {
    let (database, watcher) = fresh("poolahead").await;
    let pool = pool(&database.url(), PATIENT);
    let session = pool.session("first").await.unwrap();
    let pid = session.backend_pid();
    drop(session);
    pool.open_ahead(["again", "fresh"]);
    let fresh = pool.session("fresh").await.unwrap();
    let again = pool.session("again").await.unwrap();
    assert_eq!(again.backend_pid(), pid);
    assert_ne!(fresh.backend_pid(), pid);
    for (session, name) in [(&again, "driftless again"), (&fresh, "driftless fresh")] {
        assert_eq!(one::<String>(session, "SHOW application_name").await, name);
    }
    assert_eq!(there(&watcher).await, 2);
    // One that was ended meanwhile is no loss.
    drop(again);
    let end = format!("SELECT pg_terminate_backend({pid})");
    watcher.batch(&end).await.unwrap();
    wait_until("its end", async || there(&watcher).await == 1).await;
    pool.open_ahead(["third"]);
    let third = pool.session("third").await.unwrap();
    assert_ne!(third.backend_pid(), pid);
    assert_eq!(
        one::<String>(&third, "SHOW application_name").await,
        "driftless third"
    );
}

#[tokio::test]
async fn sessions_in_the_middle_of_something_are_not_used_again() {
    let (database, watcher) = fresh("poolmiddle").await;
    let pool = pool(
        &database.url(),
        PoolLimits {
            sessions: 1,
            ..PATIENT
        },
    );
    let mut session = pool.session("open").await.unwrap();
    let pid = session.backend_pid();
    drop(session.begin(BeginMode::ReadWrite).await.unwrap());
    drop(session);
    let session = pool.session("next").await.unwrap();
    assert_ne!(session.backend_pid(), pid);
    // One that the server ended is replaced.
    let pid = session.backend_pid();
    drop(session);
    watcher
        .batch(&format!("SELECT pg_terminate_backend({pid}, 10000)"))
        .await
        .unwrap();
    assert_ne!(pool.session("after").await.unwrap().backend_pid(), pid);
}

#[tokio::test]
async fn idle_sessions_are_closed_in_time() {
    let (database, watcher) = fresh("poolidle").await;
    let pool = pool(
        &database.url(),
        PoolLimits {
            idle: Duration::from_millis(200),
            ..PATIENT
        },
    );
    let both = (pool.session("a").await.unwrap(), pool.session("b").await.unwrap());
    assert_eq!(there(&watcher).await, 2);
    drop(both);
    wait_until("idle sessions to be closed", async || there(&watcher).await == 0).await;
    pool.session("again").await.unwrap();
    drop(pool);
    wait_until("the end of the pool", async || there(&watcher).await == 0).await;
}

#[tokio::test]
async fn a_full_server_is_tried_again_until_there_is_room() {
    let database = TestDatabase::create(&servers().target, "full").await;
    let role = format!("r_{}", database.name());
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 1"
        ))
        .await;
    let url = database.url_as(&role, "x");
    let taken = crate::connect(&url).await;
    let error = refused(
        pool(
            &url,
            PoolLimits {
                acquire: Duration::from_millis(300),
                ..PATIENT
            },
        )
        .session("a")
        .await,
    );
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Full, Some("53300")),
        "{error}"
    );

    let proxy = FaultProxy::start(&url).await;
    let pool = pool(proxy.url(), PATIENT);
    let waiting = tokio::spawn(async move { pool.session("a").await.map(drop) });
    wait_until("a second attempt", async || proxy.connections() >= 2).await;
    drop(taken);
    waiting.await.unwrap().unwrap();
    database.run(&format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let database = TestDatabase::create(&servers().target, "once").await;
    let proxy = FaultProxy::start(&database.url_as("postgres", "wrong")).await;
    let pool = pool(proxy.url(), PATIENT);
    for _ in 0..3 {
        let error = refused(pool.session("a").await);
        assert_eq!(
            (error.kind(), error.sqlstate()),
            (ErrorKind::Authentication, Some("28P01"))
        );
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_broke_is_made_again() {
    let database = TestDatabase::create(&servers().target, "broke").await;
    let proxy = FaultProxy::start(&database.url()).await;
    proxy.arm(Fault::Cut(Direction::ToClient, 3));
    let pool = pool(proxy.url(), PATIENT);
    let session = pool.session("a").await.unwrap();
    assert!(proxy.fired());
    assert_eq!(proxy.connections(), 2);
    assert_eq!(one::<i32>(&session, "SELECT 1").await, 1);
}

#[tokio::test]
async fn a_server_that_keeps_silent_is_left_alone() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u:p@{}/d", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let door = tokio::spawn({
        let asked = asked.clone();
        // Whoever comes is turned away without a word.
        async move {
            while listener.accept().await.is_ok() {
                asked.fetch_add(1, Ordering::AcqRel);
            }
        }
    });
    let pool = pool(&url, PATIENT);
    for _ in 0..2 {
        let error = refused(pool.session("a").await);
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    }
    // Four attempts, and one more, after which it rests.
    assert_eq!(asked.load(Ordering::Acquire), 5);
    for _ in 0..3 {
        let error = refused(pool.session("a").await);
        assert_eq!(error.kind(), ErrorKind::Resting, "{error}");
        assert!(error.cause().contains("5 times in a row"), "{error}");
    }
    assert_eq!(asked.load(Ordering::Acquire), 5);
    door.abort();
}
