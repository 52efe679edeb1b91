//! The kit itself, against real servers.

use std::io::Write as _;
use std::time::Duration;

use driftless_testkit::{
    Direction, Fault, FaultProxy, TestDatabase, load_dump, pg_dump_schema, servers, wait_until,
};
use tokio::time::timeout;
use tokio_postgres::NoTls;

#[tokio::test]
async fn a_database_is_fresh_and_gone_afterwards_even_while_it_is_open() {
    let servers = servers();
    let one = TestDatabase::create(&servers.source, "Same hint").await;
    let other = TestDatabase::create(&servers.source, "Same hint").await;
    assert_ne!(one.name(), other.name());
    one.run("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)")
        .await;
    assert_eq!(one.value("SELECT sum(n) FROM t").await.as_deref(), Some("3"));
    assert_eq!(other.value("SELECT to_regclass('t')").await, None);
    let name = one.name().to_owned();
    let open = one.client().await;
    drop(one);
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(other.value(&left).await.as_deref(), Some("0"));
    wait_until("the end of the open session", async || open.is_closed()).await;
}

#[tokio::test]
async fn a_role_logs_in_with_its_own_url() {
    let database = TestDatabase::create(&servers().target, "role").await;
    let role = format!("role_{}", database.name());
    database
        .run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'p@ss/wörd'"))
        .await;
    let client = database.client_as(&role, "p@ss/wörd").await;
    let user: String = client
        .query_one("SELECT current_user::text", &[])
        .await
        .expect("a row")
        .get(0);
    assert_eq!(user, role);
    database.run(&format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn dumps_go_in_and_come_out_equal() {
    let pair = servers();
    let source = TestDatabase::create(&pair.source, "dump_source").await;
    let target = TestDatabase::create(&pair.target, "dump_target").await;
    let folder = tempfile::tempdir().expect("a directory");
    let dump = folder.path().join("dump.sql");
    let sql = "CREATE TABLE t (id int PRIMARY KEY, s text);\nCOPY t FROM stdin;\n1\tone\n\\.\n";
    std::fs::File::create(&dump)
        .and_then(|mut f| f.write_all(sql.as_bytes()))
        .expect("written");
    load_dump(&source.url(), &dump);
    let packed = std::process::Command::new("gzip")
        .arg("-k")
        .arg(&dump)
        .status()
        .expect("gzip runs");
    assert!(packed.success());
    load_dump(&target.url(), &folder.path().join("dump.sql.gz"));
    assert_eq!(target.value("SELECT s FROM t").await.as_deref(), Some("one"));
    let (before, after) = (pg_dump_schema(&source.url()), pg_dump_schema(&target.url()));
    assert!(before.contains("CREATE TABLE public.t"), "{before}");
    assert_eq!(before, after);
    target.run("CREATE INDEX ON t (s)").await;
    assert_ne!(before, pg_dump_schema(&target.url()));
}

#[tokio::test]
async fn a_proxy_passes_cuts_and_lets_pass_again() {
    let database = TestDatabase::create(&servers().source, "cut").await;
    let proxy = FaultProxy::start(&database.url()).await;
    let (client, connection) = tokio_postgres::connect(proxy.url(), NoTls)
        .await
        .expect("it passes");
    tokio::spawn(connection);
    assert_eq!(client.query("SELECT 1", &[]).await.expect("an answer").len(), 1);
    proxy.arm(Fault::Cut(Direction::ToClient, 100_000));
    let cut = client
        .query(
            "SELECT n, repeat('x', 100) FROM generate_series(1, 100000) AS n",
            &[],
        )
        .await;
    assert!(cut.expect_err("cut in the middle").is_closed());
    assert!(proxy.fired());
    let (client, connection) = tokio_postgres::connect(proxy.url(), NoTls)
        .await
        .expect("it passes again");
    tokio::spawn(connection);
    assert_eq!(client.query("SELECT 1", &[]).await.expect("an answer").len(), 1);
}

#[tokio::test]
async fn a_black_hole_is_silent_until_it_is_healed() {
    let database = TestDatabase::create(&servers().source, "hole").await;
    let proxy = FaultProxy::start(&database.url()).await;
    let (client, connection) = tokio_postgres::connect(proxy.url(), NoTls)
        .await
        .expect("it passes");
    tokio::spawn(connection);
    proxy.arm(Fault::BlackHole(Direction::ToServer, 1));
    let unanswered = client.batch_execute("SELECT 1");
    tokio::pin!(unanswered);
    wait_until("the black hole", async || {
        timeout(Duration::from_millis(1), &mut unanswered).await.is_err() && proxy.fired()
    })
    .await;
    proxy.heal();
    assert!(
        unanswered
            .await
            .expect_err("what was swallowed is lost")
            .is_closed()
    );
}

#[tokio::test]
async fn a_delay_is_felt() {
    let database = TestDatabase::create(&servers().source, "delay").await;
    let proxy = FaultProxy::start(&database.url()).await;
    let (client, connection) = tokio_postgres::connect(proxy.url(), NoTls)
        .await
        .expect("it passes");
    tokio::spawn(connection);
    let delay = Duration::from_millis(200);
    proxy.arm(Fault::Delay(Direction::ToClient, delay));
    let start = tokio::time::Instant::now();
    client.batch_execute("SELECT 1").await.expect("an answer, late");
    assert!(start.elapsed() >= delay);
}
