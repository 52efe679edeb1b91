use bytes::Bytes;
use driftless_core::batch::Cell;
use driftless_pg::{BeginMode, CopyEncoder, Disposition, ErrorKind};
use driftless_testkit::{Direction, Fault, FaultProxy};

use crate::{connect, fresh, one, refused};

#[tokio::test]
async fn a_commit_without_an_answer_is_neither_done_nor_undone() {
    let (database, direct) = fresh("commitcut").await;
    direct.batch("CREATE TABLE public.t (a int)").await.unwrap();
    let proxy = FaultProxy::start(&database.url()).await;
    for direction in [Direction::ToClient, Direction::ToServer] {
        let mut session = connect(proxy.url()).await;
        let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
        transaction
            .execute("INSERT INTO public.t VALUES (1)", &[])
            .await
            .unwrap();
        proxy.arm(Fault::Cut(direction, 0));
        let error = refused(transaction.commit().await);
        assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error}");
        assert_eq!(error.disposition(), Disposition::Stop);
        assert!(proxy.fired());
        let error = refused(session.begin(BeginMode::ReadWrite).await);
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert!(session.is_closed());
    }
    // The answer was lost on its way; the request never arrived.
    driftless_testkit::wait_until("both back ends to be gone", async || {
        one::<i64>(
            &direct,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
        )
        .await
            == 1
    })
    .await;
    assert_eq!(one::<i64>(&direct, "SELECT count(*) FROM public.t").await, 1);
}

#[tokio::test]
async fn streams_that_are_cut_are_lost_connections() {
    let (database, direct) = fresh("streamcut").await;
    direct.batch("CREATE TABLE public.t (a text)").await.unwrap();
    let proxy = FaultProxy::start(&database.url()).await;
    let session = connect(proxy.url()).await;
    proxy.arm(Fault::Cut(Direction::ToClient, 500_001));
    let sql =
        "COPY (SELECT n, repeat('x', 999) FROM generate_series(1, 5000) AS n) TO STDOUT (FORMAT binary)";
    let mut copy = session.copy_out(sql).await.unwrap();
    let (mut arena, mut cells) = (Vec::new(), Vec::<Cell>::new());
    let error = loop {
        if let Err(error) = copy.append_row(&mut arena, &mut cells).await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert_eq!(error.disposition(), Disposition::Retry);
    assert!(cells.len() / 2 > 300, "what came before was delivered");
    drop(copy);
    proxy.heal();

    let session = connect(proxy.url()).await;
    proxy.arm(Fault::Cut(Direction::ToServer, 700_000));
    let mut copy = session
        .copy_in("COPY public.t FROM STDIN (FORMAT binary)")
        .await
        .unwrap();
    let mut encoder = CopyEncoder::new();
    encoder.header();
    let text = "y".repeat(1000);
    let error = loop {
        for _ in 0..200 {
            encoder.row(1);
            encoder.field(Some(text.as_bytes()));
        }
        if let Err(error) = copy.send(encoder.take()).await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert_eq!(
        refused(copy.send(Bytes::from_static(b"x")).await).kind(),
        ErrorKind::Usage
    );
    assert_eq!(one::<i64>(&direct, "SELECT count(*) FROM public.t").await, 0);
}
