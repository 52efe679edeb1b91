use driftless_pg::{ConnectConfig, Disposition, ErrorKind, Session};
use driftless_testkit::{TestDatabase, servers};

use crate::{connect, one, refused, try_connect};

#[tokio::test]
async fn nasty_passwords_log_in() {
    let database = TestDatabase::create(&servers().target, "passwords").await;
    let role = format!("r_{}", database.name());
    for (password, encoded) in [
        ("p@ss/w:o%rd?#&+ ", "p%40ss%2Fw%3Ao%25rd%3F%23%26%2B%20"),
        ("schlüssel🔑", "schlüssel🔑"),
        ("it's \"\\", "it's%20%22%5C"),
    ] {
        let quoted = driftless_pg::quote_literal(password);
        database
            .run(&format!(
                "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD {quoted}"
            ))
            .await;
        let address = database.url().rsplit_once('@').unwrap().1.to_owned();
        let session = connect(&format!("postgres://{role}:{encoded}@{address}")).await;
        assert_eq!(one::<String>(&session, "SELECT current_user::text").await, role);
        let config = format!(
            "user={role} password='{}' host=127.0.0.1 port={} dbname={}",
            password.replace('\\', "\\\\").replace('\'', "\\'"),
            ConnectConfig::parse(&database.url()).unwrap().port(),
            database.name(),
        );
        connect(&config).await;
    }
    database.run("SET password_encryption = 'md5'").await;
    database.run(&format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn refusals_have_kinds_and_remedies() {
    let database = TestDatabase::create(&servers().target, "refusals").await;
    let address = database.url().rsplit_once('@').unwrap().1.to_owned();
    let port = ConnectConfig::parse(&database.url()).unwrap().port();
    for (url, kind, state) in [
        (
            format!("postgres://postgres:hunter2@{address}"),
            ErrorKind::Authentication,
            Some("28P01"),
        ),
        (
            format!("postgres://nobody_here:hunter2@{address}"),
            ErrorKind::Authentication,
            Some("28P01"),
        ),
        (
            format!("postgres://postgres@{address}"),
            ErrorKind::Authentication,
            None,
        ),
        (
            format!("postgres://postgres:hunter2@{address}?channel_binding=require"),
            ErrorKind::Authentication,
            None,
        ),
        (
            format!("postgres://postgres:hunter2@{address}?sslmode=require"),
            ErrorKind::Tls,
            None,
        ),
        (
            format!("postgres://postgres:hunter2@{address}?sslmode=verify-full&sslrootcert=/nowhere.pem"),
            ErrorKind::Tls,
            None,
        ),
        (
            format!(
                "postgres://postgres:hunter2@127.0.0.1:{port}/nowhere?hostaddr=127.0.0.1&host=no.such.host.invalid&port=1"
            ),
            ErrorKind::Unreachable,
            None,
        ),
        (
            "postgres://u:hunter2@no.such.host.invalid/d".to_owned(),
            ErrorKind::Unreachable,
            None,
        ),
        (
            "postgres://u:hunter2@/d?host=/nowhere".to_owned(),
            ErrorKind::Unreachable,
            None,
        ),
    ] {
        let error = refused(try_connect(&url).await);
        assert_eq!((error.kind(), error.sqlstate()), (kind, state), "{url}: {error}");
        assert!(error.remedy().is_some(), "{url}: {error}");
        assert!(
            !format!("{error} {error:?} {:?}", error.remedy()).contains("hunter2"),
            "{error}"
        );
    }
    let url = database.server().url("nowhere");
    let error = refused(try_connect(&url).await);
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::NoDatabase, Some("3D000"))
    );
    assert_eq!(error.disposition(), Disposition::Gone);
}

#[tokio::test]
async fn the_state_that_was_asked_for_is_looked_at() {
    let database = TestDatabase::create(&servers().target, "attrs").await;
    let url = database.url();
    connect(&format!("{url}?target_session_attrs=read-write")).await;
    connect(&format!("{url}?target_session_attrs=primary")).await;
    for wanted in ["standby", "read-only"] {
        let error = refused(try_connect(&format!("{url}?target_session_attrs={wanted}")).await);
        assert_eq!(error.kind(), ErrorKind::OtherState);
    }
    database
        .run(&format!(
            "ALTER DATABASE {} SET default_transaction_read_only = on",
            database.name()
        ))
        .await;
    connect(&format!("{url}?target_session_attrs=read-only")).await;
}

#[tokio::test]
async fn what_is_not_postgresql_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        // Says something else, hangs up, sends a length that nobody sends, and is silent.
        for answer in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"",
            b"N\x52\x7f\xff\xff\xff\0\0\0\0",
        ] {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_exact(&mut [0; 8]).await.unwrap();
            socket.write_all(answer).await.unwrap();
            socket.shutdown().await.unwrap();
            drop(socket.read_to_end(&mut Vec::new()).await);
        }
        let (_silent, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    for kind in [
        ErrorKind::Protocol,
        ErrorKind::Unreachable,
        ErrorKind::Protocol,
        ErrorKind::Unreachable,
    ] {
        let config = ConnectConfig::parse(&format!("postgres://u:p@{address}/d?connect_timeout=1")).unwrap();
        let error = refused(Session::connect(&config, "test").await);
        assert_eq!(error.kind(), kind, "{error}");
    }
    server.abort();
}
