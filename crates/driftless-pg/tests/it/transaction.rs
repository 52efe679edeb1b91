use driftless_core::batch::Cell;
use driftless_pg::{BeginMode, Disposition, ErrorKind, RowRead};
use driftless_testkit::{Cluster, ClusterOptions};

use crate::{connect, fresh, one, refused};

const COUNT: &str = "SELECT count(*) FROM public.t";

#[tokio::test]
async fn committed_stays_and_everything_else_goes() {
    let (_database, mut session) = fresh("ends").await;
    session.batch("CREATE TABLE public.t (a int)").await.unwrap();
    let insert = "INSERT INTO public.t VALUES (1)";

    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    transaction.execute(insert, &[]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(one::<i64>(&session, COUNT).await, 1);

    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    transaction.execute(insert, &[]).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(one::<i64>(&session, COUNT).await, 1);

    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    transaction.execute(insert, &[]).await.unwrap();
    drop(transaction);
    assert_eq!(one::<i64>(&session, COUNT).await, 1);

    let transaction = session.begin(BeginMode::RolledBack).await.unwrap();
    transaction.execute(insert, &[]).await.unwrap();
    assert_eq!(refused(transaction.commit().await).kind(), ErrorKind::Usage);
    assert_eq!(one::<i64>(&session, COUNT).await, 1);
    assert_eq!(
        one::<i64>(
            &session,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND relation = 'public.t'::regclass"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn a_commit_that_rolls_back_is_an_error() {
    let (_database, mut session) = fresh("falsecommit").await;
    session
        .batch("CREATE TABLE public.t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        .await
        .unwrap();
    // The server answers COMMIT of a failed transaction with success, and the tag ROLLBACK.
    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    transaction
        .execute("INSERT INTO public.t VALUES (1)", &[])
        .await
        .unwrap();
    refused(transaction.execute("SELECT 1/0", &[]).await);
    let error = refused(transaction.commit().await);
    assert_eq!(
        (error.kind(), error.disposition()),
        (ErrorKind::Server, Disposition::Stop)
    );

    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    transaction
        .execute("INSERT INTO public.t VALUES (1), (1)", &[])
        .await
        .unwrap();
    assert_eq!(refused(transaction.commit().await).sqlstate(), Some("23505"));
    assert_eq!(one::<i64>(&session, COUNT).await, 0);
}

#[tokio::test]
async fn savepoints_are_plain_statements() {
    let (_database, mut session) = fresh("savepoints").await;
    session
        .batch("CREATE TABLE public.t (a int PRIMARY KEY)")
        .await
        .unwrap();
    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    transaction
        .execute("INSERT INTO public.t VALUES (1)", &[])
        .await
        .unwrap();
    transaction.batch("SAVEPOINT one").await.unwrap();
    refused(transaction.execute("INSERT INTO public.t VALUES (1)", &[]).await);
    transaction.batch("ROLLBACK TO one").await.unwrap();
    transaction
        .execute("INSERT INTO public.t VALUES (2)", &[])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(one::<i64>(&session, COUNT).await, 2);
}

#[tokio::test]
async fn an_exported_snapshot_is_seen_by_all_who_import_it() {
    let (database, mut first) = fresh("snapshot").await;
    let mut second = connect(&database.url()).await;
    let writer = connect(&database.url()).await;
    writer
        .batch("CREATE TABLE public.t AS SELECT generate_series(1, 10) AS a")
        .await
        .unwrap();

    let exporter = first.begin(BeginMode::ReadOnlySnapshot(None)).await.unwrap();
    let id: String = one(&exporter, "SELECT pg_export_snapshot()").await;
    writer.batch("DELETE FROM public.t WHERE a > 3").await.unwrap();
    let importer = second
        .begin(BeginMode::ReadOnlySnapshot(Some(id.clone())))
        .await
        .unwrap();
    assert_eq!(one::<i64>(&importer, COUNT).await, 10);
    assert_eq!(one::<i64>(&writer, COUNT).await, 3);
    let same: String = one(&importer, "SELECT pg_current_snapshot()::text").await;
    assert_eq!(
        one::<String>(&exporter, "SELECT pg_current_snapshot()::text").await,
        same
    );
    assert_eq!(
        refused(importer.batch("DELETE FROM public.t").await).sqlstate(),
        Some("25006")
    );

    // COPY within it sees it too.
    drop(importer);
    let importer = second.begin(BeginMode::ReadOnlySnapshot(Some(id))).await.unwrap();
    let mut copy = importer
        .copy_out("COPY (SELECT a FROM public.t) TO STDOUT (FORMAT binary)")
        .await
        .unwrap();
    let (mut arena, mut cells) = (Vec::new(), Vec::<Cell>::new());
    while copy.append_row(&mut arena, &mut cells).await.unwrap() == RowRead::Row {}
    assert_eq!(cells.len(), 10);
    drop(copy);
    importer.commit().await.unwrap();
    exporter.rollback().await.unwrap();

    let error = refused(
        second
            .begin(BeginMode::ReadOnlySnapshot(Some("00000003-'x-1".to_owned())))
            .await,
    );
    assert_eq!(error.kind(), ErrorKind::Server);
    // Nothing is open after it: this would fail in a failed transaction.
    second.batch("VACUUM public.t").await.unwrap();
}

#[tokio::test]
async fn a_begin_that_was_dropped_leaves_nothing_open() {
    let (_database, mut session) = fresh("droppedbegin").await;
    for round in 1..=6 {
        let mut polled = 0;
        tokio::select! {
            biased;
            begun = session.begin(BeginMode::ReadWrite) => drop(begun.unwrap()),
            () = async { while polled < round { polled += 1; tokio::task::yield_now().await; } } => {}
        }
        session.batch("VACUUM pg_catalog.pg_am").await.unwrap();
    }
}

#[tokio::test]
async fn transactions_do_not_nest() {
    let (_database, mut session) = fresh("nesting").await;
    session.batch("BEGIN").await.unwrap();
    assert_eq!(
        refused(session.begin(BeginMode::ReadWrite).await).kind(),
        ErrorKind::Usage
    );
    session.batch("ROLLBACK").await.unwrap();
    session
        .begin(BeginMode::ReadWrite)
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
}

/// On a standby no transaction that writes begins. Whoever sent the first statement is told, and so is everybody behind.
#[tokio::test]
async fn nothing_runs_outside_of_a_transaction_that_did_not_begin() {
    let primary = Cluster::start(&ClusterOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let standby = primary.standby(&[]).unwrap_or_else(|error| panic!("{error}"));
    let mut session = connect(&standby.url("postgres")).await;
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    let set = |name: &str| format!("SELECT set_config('application_name', '{name}', false)");
    let (first, second) = (set("first"), set("second"));
    let (first, second) = tokio::join!(tx.query(&first, &[]), tx.query(&second, &[]));
    for told in [first, second] {
        assert_eq!(refused(told.map(drop)).sqlstate(), Some("0A000"));
    }
    assert_eq!(refused(tx.batch(&set("third")).await).sqlstate(), Some("0A000"));
    assert_eq!(
        refused(tx.ahead(&set("fourth"), &[]).await).sqlstate(),
        Some("0A000")
    );
    assert_eq!(refused(tx.commit().await).sqlstate(), Some("0A000"));
    let name: String = one(&session, "SELECT current_setting('application_name')").await;
    assert_eq!(name, "driftless test");
    let tx = session.begin(BeginMode::ReadOnlySnapshot(None)).await.unwrap();
    assert_eq!(one::<i32>(&tx, "SELECT 1").await, 1);
    tx.commit().await.unwrap();
}
