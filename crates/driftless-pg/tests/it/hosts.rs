use std::time::Duration;

use driftless_pg::{ConnectConfig, ErrorKind, Pool, PoolLimits};
use driftless_testkit::{FaultProxy, ServerPair, TestDatabase, servers};

use crate::{connect, one, refused, try_connect};

/// A role that both servers know; on the source its transactions do not write.
struct Role {
    name: String,
    database: TestDatabase,
    other: TestDatabase,
}

impl Role {
    async fn create(hint: &str) -> Role {
        let ServerPair { source, target } = servers();
        let database = TestDatabase::create(&target, hint).await;
        let other = TestDatabase::create(&source, hint).await;
        let name = format!("r_{}", database.name());
        let make = format!("CREATE ROLE {name} LOGIN PASSWORD 'x'");
        database.run(&make).await;
        other
            .run(&format!(
                "{make}; ALTER ROLE {name} SET default_transaction_read_only = on"
            ))
            .await;
        Role {
            name,
            database,
            other,
        }
    }

    /// A URL of both servers, the one that only reads first.
    fn url(&self, parameters: &str) -> String {
        let port = |database: &TestDatabase| ConnectConfig::parse(&database.url()).unwrap().port();
        let (first, second) = (port(&self.other), port(&self.database));
        format!(
            "postgres://{}:x@127.0.0.1:{first},127.0.0.1:{second}/postgres?{parameters}",
            self.name
        )
    }

    async fn gone(self) {
        for database in [&self.database, &self.other] {
            database.run(&format!("DROP ROLE {}", self.name)).await;
        }
    }
}

#[tokio::test]
async fn the_first_host_in_the_state_that_is_asked_for_is_taken() {
    let role = Role::create("hosts").await;
    for (parameters, read_only) in [
        ("", "on"),
        ("target_session_attrs=read-only", "on"),
        ("target_session_attrs=read-write", "off"),
        ("target_session_attrs=primary", "on"),
        ("target_session_attrs=prefer-standby", "on"),
    ] {
        let session = connect(&role.url(parameters)).await;
        assert_eq!(
            one::<String>(&session, "SHOW default_transaction_read_only").await,
            read_only,
            "{parameters}"
        );
        assert!(!session.place().contains(','), "{}", session.place());
    }
    let error = refused(try_connect(&role.url("target_session_attrs=standby")).await);
    assert_eq!(error.kind(), ErrorKind::OtherState, "{error}");
    assert!(
        error.cause().starts_with("none of the servers will do"),
        "{error}"
    );
    role.gone().await;
}

#[tokio::test]
async fn hosts_that_do_not_answer_are_passed_over_and_refusals_are_not() {
    let database = TestDatabase::create(&servers().target, "passedover").await;
    let port = ConnectConfig::parse(&database.url()).unwrap().port();
    let (user, rest) = database
        .url()
        .rsplit_once('@')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    // Where one of the hosts is another machine, encryption is demanded, and this server has none.
    let error = refused(
        try_connect(&format!(
            "{user}@{rest}?host=127.0.0.1,db.example.org&port={port}"
        ))
        .await,
    );
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    let session = connect(&format!(
        "{user}@no.such.host.invalid,127.0.0.1:1,{rest}?sslmode=disable"
    ))
    .await;
    assert!(
        session
            .place()
            .ends_with(&format!("@127.0.0.1:{port}/{}", database.name()))
    );
    let dead = format!("{user}@127.0.0.1:1,127.0.0.1:2/{}", database.name());
    let error = refused(try_connect(&dead).await);
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(
        error.cause().contains("127.0.0.1:1") && error.cause().contains("127.0.0.1:2"),
        "{error}"
    );
    // A refused password is not carried to the next server.
    let second = FaultProxy::start(&database.url()).await;
    let next = second.url().rsplit_once('@').unwrap().1.to_owned();
    let url = format!("postgres://postgres:wrong@127.0.0.1:{port},{next}");
    assert_eq!(refused(try_connect(&url).await).kind(), ErrorKind::Authentication);
    assert_eq!(second.connections(), 0);
}

#[tokio::test]
async fn all_sessions_of_a_pool_reach_one_server() {
    let role = Role::create("onehost").await;
    let limits = PoolLimits {
        sessions: 8,
        acquire: Duration::from_secs(60),
        idle: Duration::from_secs(600),
    };
    for _ in 0..6 {
        let config = ConnectConfig::parse(&role.url("load_balance_hosts=random")).unwrap();
        let pool = Pool::new(config, limits);
        let first = pool.session("a").await.unwrap();
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(pool.session("b").await.unwrap());
        }
        assert!(sessions.iter().all(|session| session.place() == first.place()));
        assert_eq!(pool.place(), first.place());
    }
    role.gone().await;
}

#[tokio::test]
async fn hosts_with_ipv6_addresses_only_are_named_as_such() {
    let error = refused(try_connect("postgres://u:p@[2001:db8::1]/d?connect_timeout=1").await);
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(
        error
            .cause()
            .contains("the host has only IPv6 addresses (2001:db8::1)"),
        "{error}"
    );
    assert!(error.remedy().unwrap().contains("IPv6"));
    let supabase = "postgres://u:p@db.abc.supabase.co/d?connect_timeout=1&hostaddr=2001:db8::1";
    let error = refused(try_connect(supabase).await);
    assert!(error.remedy().unwrap().contains("session pooler"), "{error}");
}
