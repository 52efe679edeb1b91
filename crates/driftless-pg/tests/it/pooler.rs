use std::time::Duration;

use driftless_pg::{ConnectConfig, ErrorKind, Pool, PoolLimits};
use driftless_testkit::{PoolMode, Pooler, TestDatabase, servers};

use crate::{one, refused, try_connect};

fn pool(url: &str) -> Pool {
    let limits = PoolLimits {
        sessions: 4,
        acquire: Duration::from_secs(60),
        idle: Duration::from_secs(600),
    };
    Pool::new(ConnectConfig::parse(url).unwrap(), limits)
}

#[tokio::test]
async fn poolers_in_transaction_mode_are_recognised_by_what_they_do() {
    let database = TestDatabase::create(&servers().target, "txpool").await;
    for settings in [
        "",
        "default_pool_size = 1",
        "server_round_robin = 1\nmin_pool_size = 3",
    ] {
        let pooler = Pooler::start(&database.server().admin_url(), PoolMode::Transaction, settings);
        let error = refused(pool(&pooler.url(database.name())).session("a").await);
        assert_eq!(error.kind(), ErrorKind::TransactionPooler, "{settings}: {error}");
        assert!(error.remedy().unwrap().contains("session mode"), "{error}");
    }
}

#[tokio::test]
async fn poolers_in_session_mode_serve() {
    let database = TestDatabase::create(&servers().target, "sessionpool").await;
    database
        .run(&format!(
            "ALTER DATABASE {} SET extra_float_digits = 0",
            database.name()
        ))
        .await;
    let pooler = Pooler::start(&database.server().admin_url(), PoolMode::Session, "");
    let pool = pool(&pooler.url(database.name()));
    let (first, second) = (pool.session("a").await.unwrap(), pool.session("b").await.unwrap());
    assert!(first.is_pooled());
    for session in [&first, &second] {
        assert_eq!(one::<String>(session, "SHOW extra_float_digits").await, "3");
        assert_eq!(
            one::<i32>(session, "SELECT pg_backend_pid()").await,
            session.backend_pid()
        );
    }
    assert_eq!(
        one::<String>(&second, "SHOW application_name").await,
        "driftless b"
    );
    // A session that goes round through the pool is the same process, and clean.
    let pid = second.backend_pid();
    drop(second);
    assert_eq!(pool.session("c").await.unwrap().backend_pid(), pid);
}

#[tokio::test]
async fn refusals_of_a_pooler_are_understood() {
    let database = TestDatabase::create(&servers().target, "poolrefuse").await;
    let pooler = Pooler::start(&database.server().admin_url(), PoolMode::Session, "");
    let name = database.name();
    for (url, kind) in [
        (
            pooler.url_as("postgres", "wrong", name),
            ErrorKind::Authentication,
        ),
        (pooler.url_as("nobody_here", "x", name), ErrorKind::Authentication),
        (pooler.url("no_such_database"), ErrorKind::NoDatabase),
        (
            format!("{}?options=-c%20jit%3Doff", pooler.url(name)),
            ErrorKind::Server,
        ),
    ] {
        let error = refused(try_connect(&url).await);
        assert_eq!(error.kind(), kind, "{error} {:?}", error.server());
        assert!(error.remedy().is_some(), "{error}");
    }
    let full = Pooler::start(
        &database.server().admin_url(),
        PoolMode::Session,
        "max_client_conn = 1",
    );
    let held = try_connect(&full.url(name)).await.unwrap();
    let error = refused(try_connect(&full.url(name)).await);
    assert_eq!(error.kind(), ErrorKind::Full, "{error} {:?}", error.server());
    drop(held);
}
