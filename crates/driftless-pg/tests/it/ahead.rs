//! COPYs and statements that are sent one behind the other.

use bytes::Bytes;
use driftless_pg::{BeginMode, Copied, CopyEncoder, ErrorKind, Param};

use crate::{connect, fresh, one, refused};

const INTO_T: &str = "COPY public.t FROM STDIN (FORMAT binary)";

/// The same by another statement.
const INTO_N: &str = "COPY public.t (n) FROM STDIN (FORMAT binary)";

/// Rows of one int4.
fn rows(numbers: std::ops::Range<i32>) -> Bytes {
    let mut encoder = CopyEncoder::new();
    for number in numbers {
        encoder.row(1);
        encoder.field(Some(&number.to_be_bytes()));
    }
    encoder.take()
}

#[tokio::test]
async fn several_are_under_way_and_answered_in_order() {
    let (_database, mut session) = fresh("ahead").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    for part in 0..20_i32 {
        let numbers = part * 50_000..(part + 1) * 50_000 + part;
        let sent = numbers.len() as u64;
        let into = if part % 2 == 0 { INTO_T } else { INTO_N };
        tx.copy_ahead(into, rows(numbers), sent).await.unwrap();
        if part == 10 {
            // Another statement sees all that was sent before it.
            let seen: i64 = one(&tx, "SELECT count(*) FROM public.t").await;
            assert_eq!(seen, 11 * 50_000 + (0..=10).sum::<i64>());
        }
    }
    let copied = tx.copied().await.unwrap();
    let expected = (0..20).map(|part| Copied {
        sent: 50_000 + part,
        taken: 50_000 + part,
    });
    assert_eq!(copied, expected.collect::<Vec<_>>());
    assert_eq!(tx.copied().await.unwrap(), []);
    tx.commit().await.unwrap();
    let rows: i64 = one(&session, "SELECT count(*) FROM public.t").await;
    assert_eq!(rows, 1_000_190);
}

#[tokio::test]
async fn one_that_is_refused_is_told_and_takes_what_follows_with_it() {
    let (_database, mut session) = fresh("ahead_refused").await;
    session
        .batch("CREATE TABLE public.t (n int4 CHECK (n <> 70000))")
        .await
        .unwrap();
    for told_by_commit in [false, true] {
        let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
        let mut told = None;
        for part in 0..3 {
            let numbers = part * 50_000..(part + 1) * 50_000;
            // Whoever reads the answer first is told; at the latest the commit.
            if let Err(error) = tx.copy_ahead(INTO_T, rows(numbers), 50_000).await {
                told = Some(error);
                break;
            }
        }
        let error = match (told, told_by_commit) {
            (Some(error), _) => {
                drop(tx);
                error
            }
            (None, true) => refused(tx.commit().await),
            (None, false) => {
                let error = refused(tx.copied().await);
                drop(tx);
                error
            }
        };
        assert_eq!(error.sqlstate(), Some("23514"), "{error}");
        assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
    }
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.copy_ahead("COPY public.nowhere FROM STDIN (FORMAT binary)", rows(0..10), 10)
        .await
        .unwrap();
    let error = refused(tx.batch("SELECT 1").await);
    assert_eq!(error.sqlstate(), Some("42P01"), "{error}");
    drop(tx);
    session.batch("SELECT 1").await.unwrap();
}

/// Statements follow COPYs that are not answered. Where one of those is refused, the first who waits is told of it, nobody is told
/// twice, and nothing stays.
#[tokio::test]
async fn statements_behind_one_that_is_refused_are_told() {
    let (_database, mut session) = fresh("ahead_statements").await;
    session
        .batch("CREATE TABLE public.t (n int4 CHECK (n <> 7)); CREATE TABLE public.noted (n int4)")
        .await
        .unwrap();
    let note = "INSERT INTO public.noted VALUES (1)";
    for waits in [true, false] {
        let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
        tx.copy_ahead(INTO_T, rows(0..10), 10).await.unwrap();
        tx.ahead(note, &[]).await.unwrap();
        if waits {
            let error = refused(tx.execute(note, &[]).await);
            assert_eq!(error.sqlstate(), Some("23514"), "{error}");
            let error = refused(tx.execute(note, &[]).await);
            assert_eq!(error.sqlstate(), Some("25P02"), "{error}");
        }
        refused(tx.commit().await);
        assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
        assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.noted").await, 0);
    }
}

#[tokio::test]
async fn statements_between_many_do_not_disturb_them() {
    let (_database, mut session) = fresh("ahead_between").await;
    session
        .batch("CREATE TABLE public.t (n int4); CREATE TABLE public.noted (n int4)")
        .await
        .unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    for part in 0..40_i32 {
        let into = if part % 3 == 0 { INTO_T } else { INTO_N };
        tx.copy_ahead(into, rows(part * 10..part * 10 + 10), 10)
            .await
            .unwrap();
        match part % 4 {
            0 => tx
                .ahead("INSERT INTO public.noted VALUES (1)", &[])
                .await
                .unwrap(),
            1 => tx
                .batch_ahead("INSERT INTO public.noted VALUES (2); INSERT INTO public.noted VALUES (3)")
                .await
                .unwrap(),
            2 => {
                let seen: i64 = one(&tx, "SELECT count(*) FROM public.t").await;
                assert_eq!(seen, i64::from(part + 1) * 10);
            }
            _ => {}
        }
    }
    let copied = tx.copied().await.unwrap();
    assert!(
        copied.iter().all(|copied| copied.taken == copied.sent),
        "{copied:?}"
    );
    tx.commit().await.unwrap();
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 400);
    assert_eq!(one::<i64>(&session, "SELECT sum(n) FROM public.noted").await, 60);
}

#[tokio::test]
async fn a_batch_that_is_refused_fails_the_commit() {
    let (_database, mut session) = fresh("ahead_batch").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.execute("INSERT INTO public.t VALUES (1)", &[]).await.unwrap();
    tx.batch_ahead("INSERT INTO public.t VALUES (2); INSERT INTO public.nowhere VALUES (3)")
        .await
        .unwrap();
    tx.ahead("INSERT INTO public.t VALUES (4)", &[]).await.unwrap();
    let error = refused(tx.commit().await);
    assert_eq!(error.sqlstate(), Some("42P01"), "{error}");
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
    let error = refused(session.batch_ahead("SELECT 1").await);
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// A transaction that was dropped keeps its locks until the session says something: at rest they are gone.
#[tokio::test]
async fn at_rest_nothing_of_a_dropped_transaction_is_left() {
    let (database, mut session) = fresh("ahead_rest").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.copy_ahead(INTO_T, rows(0..10), 10).await.unwrap();
    tx.copied().await.unwrap();
    drop(tx);
    let other = connect(&database.url()).await;
    let locks = format!(
        "SELECT count(*) FROM pg_locks WHERE pid = {} AND mode = 'RowExclusiveLock'",
        session.backend_pid()
    );
    assert_eq!(one::<i64>(&other, &locks).await, 1);
    session.rest().await.unwrap();
    assert_eq!(one::<i64>(&other, &locks).await, 0);
}

#[tokio::test]
async fn one_that_is_dropped_half_way_leaves_a_session_that_works() {
    let (_database, mut session) = fresh("ahead_dropped").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    // Far more than sockets hold: it cannot be sent at once.
    let large = rows(0..5_000_000);
    let sending = tx.copy_ahead(INTO_T, large, 5_000_000);
    let sent = tokio::select! {
        biased;
        _ = sending => true,
        () = tokio::task::yield_now() => false,
    };
    assert!(!sent, "the whole stream went out at once");
    drop(tx);
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
}

#[tokio::test]
async fn what_is_written_behind_a_dropped_transaction_stays() {
    let (_database, mut session) = fresh("ahead_behind").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.copy_ahead(INTO_T, rows(0..10), 10).await.unwrap();
    drop(tx);
    session.batch("INSERT INTO public.t VALUES (77)").await.unwrap();
    for _ in 0..2 {
        assert_eq!(one::<i64>(&session, "SELECT sum(n) FROM public.t").await, 77);
    }
}

#[tokio::test]
async fn a_commit_waits_for_what_was_dropped_half_way() {
    let (_database, mut session) = fresh("ahead_half").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.copy_ahead(INTO_T, rows(0..10), 10).await.unwrap();
    tokio::select! {
        biased;
        _ = tx.copy_ahead(INTO_T, rows(10..3_000_000), 2_999_990) => panic!("the whole stream went out at once"),
        () = tokio::task::yield_now() => {}
    }
    tx.copy_ahead(INTO_T, rows(3_000_000..3_000_010), 10)
        .await
        .unwrap();
    let taken: Vec<u64> = tx.copied().await.unwrap().iter().map(|one| one.taken).collect();
    assert_eq!(taken, [3_000_010]);
    tx.commit().await.unwrap();
    assert_eq!(
        one::<i64>(&session, "SELECT count(*) FROM public.t").await,
        3_000_010
    );
}

#[tokio::test]
async fn a_talking_trigger_does_not_stop_them() {
    let (_database, mut session) = fresh("ahead_talk").await;
    session
        .batch(
            "CREATE TABLE public.t (a int4);
             CREATE FUNCTION public.talk() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE NOTICE '%', repeat('x', 1000); RETURN NEW; END $$;
             CREATE TRIGGER talk BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.talk();
             SET client_min_messages = notice",
        )
        .await
        .unwrap();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    for part in 0..3 {
        let numbers = part * 60_000..(part + 1) * 60_000;
        tx.copy_ahead(INTO_T, rows(numbers), 60_000).await.unwrap();
    }
    assert_eq!(tx.copied().await.unwrap().len(), 1);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn outside_of_a_transaction_it_is_a_mistake() {
    let (_database, session) = fresh("ahead_alone").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let error = refused(session.copy_ahead(INTO_T, rows(0..1), 1).await);
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// A session whose table `public.t` notes each statement that writes into it.
async fn with_noted_table(hint: &str) -> (driftless_testkit::TestDatabase, driftless_pg::Session) {
    let (database, session) = with_table(hint).await;
    session
        .batch(
            "CREATE TABLE public.noted (n int4);
             CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN INSERT INTO public.noted VALUES (1); RETURN NULL; END $$;
             CREATE TRIGGER note AFTER INSERT ON public.t FOR EACH STATEMENT EXECUTE FUNCTION public.note()",
        )
        .await
        .unwrap();
    (database, session)
}

#[tokio::test]
async fn rows_that_follow_each_other_are_one_copy() {
    let (_database, mut session) = with_noted_table("ahead_one").await;
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    for part in 0..20_i32 {
        let into = if part < 15 { INTO_T } else { INTO_N };
        tx.copy_ahead(into, rows(part * 100..part * 100 + 100), 100)
            .await
            .unwrap();
    }
    let taken: Vec<Copied> = tx.copied().await.unwrap();
    let of = |rows| Copied {
        sent: rows,
        taken: rows,
    };
    assert_eq!(taken, [of(1500), of(500)]);
    tx.copy_ahead(INTO_N, rows(0..1), 1).await.unwrap();
    assert_eq!(one::<i64>(&tx, "SELECT count(*) FROM public.t").await, 2001);
    tx.copy_ahead(INTO_N, rows(0..1), 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 2002);
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.noted").await, 4);
}

#[tokio::test]
async fn nothing_stays_of_one_that_is_open_when_its_transaction_ends() {
    let (_database, mut session) = with_noted_table("ahead_open").await;
    for dropped in [true, false] {
        let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
        tx.copy_ahead(INTO_T, rows(0..1000), 1000).await.unwrap();
        if dropped {
            drop(tx);
        } else {
            tx.rollback().await.unwrap();
        }
        let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
        tx.copy_ahead(INTO_T, rows(0..10), 10).await.unwrap();
        assert_eq!(tx.copied().await.unwrap().len(), 1);
        tx.commit().await.unwrap();
    }
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 20);
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.noted").await, 2);
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.copy_ahead(INTO_T, rows(0..1000), 1000).await.unwrap();
    drop(tx);
    session.rest().await.unwrap();
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 20);
}

#[tokio::test]
async fn a_refusal_is_told_before_more_is_sent() {
    let (database, mut session) = with_table("ahead_heard").await;
    session
        .batch("ALTER TABLE public.t ADD CHECK (n <> 7)")
        .await
        .unwrap();
    let other = connect(&database.url()).await;
    let aborted = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND state = 'idle in transaction (aborted)'",
        session.backend_pid()
    );
    for begun in [1, 2] {
        let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
        for into in [INTO_N, INTO_T].into_iter().take(begun) {
            // Of the second one the server takes nothing: the first one was refused.
            tx.copy_ahead(into, rows(0..5000), 5000).await.unwrap();
        }
        while one::<i64>(&other, &aborted).await == 0 {
            tokio::task::yield_now().await;
        }
        let last = if begun == 1 { INTO_N } else { INTO_T };
        let error = refused(tx.copy_ahead(last, rows(0..5000), 5000).await);
        assert_eq!(error.sqlstate(), Some("23514"), "{error}");
        let error = refused(tx.execute("SELECT 1", &[]).await);
        assert_eq!(error.sqlstate(), Some("25P02"), "{error}");
        drop(tx);
        assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
    }
}

#[tokio::test]
async fn the_last_word_of_a_server_is_told_behind_an_open_one() {
    let (database, mut session) = with_table("ahead_last").await;
    let other = connect(&database.url()).await;
    let pid = session.backend_pid();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.copy_ahead(INTO_T, rows(0..1000), 1000).await.unwrap();
    other
        .query(&format!("SELECT pg_terminate_backend({pid})"), &[])
        .await
        .unwrap();
    let alive = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    while one::<i64>(&other, &alive).await > 0 {
        tokio::task::yield_now().await;
    }
    let error = refused(tx.copy_ahead(INTO_T, rows(0..1000), 1000).await);
    assert_eq!(error.sqlstate(), Some("57P01"), "{error}");
    let error = refused(tx.execute("SELECT 1", &[]).await);
    assert_eq!(error.sqlstate(), Some("57P01"), "{error}");
}

/// A session with an empty table `public.t` of an int4.
async fn with_table(hint: &str) -> (driftless_testkit::TestDatabase, driftless_pg::Session) {
    let (database, session) = fresh(hint).await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    (database, session)
}

#[tokio::test]
async fn statements_sent_ahead_are_run_in_their_order() {
    let (_database, mut session) = with_table("ahead_order").await;
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.ahead("INSERT INTO public.t VALUES ($1)", &[Param::int4(1)])
        .await
        .unwrap();
    tx.ahead("UPDATE public.t SET n = n * 10", &[]).await.unwrap();
    tx.each(&["INSERT INTO public.t VALUES (2)", "UPDATE public.t SET n = n + 5"])
        .await
        .unwrap();
    assert_eq!(one::<i64>(&tx, "SELECT sum(n) FROM public.t").await, 22);
    // The last one goes with the commit.
    tx.ahead("DELETE FROM public.t WHERE n = 7", &[]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(one::<i64>(&session, "SELECT sum(n) FROM public.t").await, 15);
}

#[tokio::test]
async fn a_statement_sent_ahead_that_is_refused_is_told_by_who_waits_next_and_nothing_behind_it_is_run() {
    let (_database, mut session) = with_table("ahead_told").await;
    session.batch("CREATE SEQUENCE public.tried").await.unwrap();
    for told_by in ["statement", "each", "ahead and each", "commit"] {
        let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
        tx.ahead("SELECT 1 / 0", &[]).await.unwrap();
        // What a sequence gave is not taken back by a rollback: it shows what was run.
        let told = match told_by {
            "statement" => tx.query("SELECT nextval('public.tried')", &[]).await.map(drop),
            "each" => tx.each(&["SELECT nextval('public.tried')"; 2]).await,
            "ahead and each" => {
                tx.ahead("SELECT nextval('public.tried')", &[]).await.unwrap();
                tx.each(&["SELECT nextval('public.tried')"]).await
            }
            _ => {
                let error = refused(tx.commit().await);
                assert_eq!(error.sqlstate(), Some("22012"), "{told_by}: {error}");
                continue;
            }
        };
        assert_eq!(refused(told).sqlstate(), Some("22012"), "{told_by}");
        // It is told once; the transaction stays failed.
        assert_eq!(
            refused(tx.execute("SELECT 1", &[]).await).sqlstate(),
            Some("25P02")
        );
    }
    assert!(!one::<bool>(&session, "SELECT is_called FROM public.tried").await);
}

#[tokio::test]
async fn the_first_refusal_of_each_is_told() {
    let (_database, mut session) = with_table("ahead_each").await;
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    let told = tx
        .each(&[
            "INSERT INTO public.t VALUES (1)",
            "SELECT 1 / 0",
            "SELECT nothing",
        ])
        .await;
    assert_eq!(refused(told).sqlstate(), Some("22012"));
    drop(tx);
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
    let error = refused(session.each(&["SELECT 1", "SELECT 2"]).await);
    assert_eq!(error.kind(), ErrorKind::Usage, "outside of a transaction");
}

#[tokio::test]
async fn a_copy_follows_statements_sent_ahead() {
    let (_database, mut session) = with_table("ahead_copy").await;
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    tx.ahead("ALTER TABLE public.t ADD CHECK (n < 100)", &[])
        .await
        .unwrap();
    tx.copy_ahead(INTO_T, rows(0..10), 10).await.unwrap();
    tx.ahead("UPDATE public.t SET n = n + 1", &[]).await.unwrap();
    let mut copy = tx.copy_in(INTO_T).await.unwrap();
    let mut encoder = CopyEncoder::new();
    encoder.header();
    for number in 50_i32..60 {
        encoder.row(1);
        encoder.field(Some(&number.to_be_bytes()));
    }
    encoder.trailer();
    copy.send(encoder.take()).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 10);
    tx.commit().await.unwrap();
    assert_eq!(
        one::<i64>(&session, "SELECT sum(n) FROM public.t").await,
        55 + 545
    );
    // One that is refused is told by the COPY, which is not begun then.
    for ahead in [true, false] {
        let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
        tx.ahead("SELECT 1 / 0", &[]).await.unwrap();
        let told = match ahead {
            true => tx.copy_ahead(INTO_T, rows(0..10), 10).await,
            false => tx.copy_in(INTO_T).await.map(drop),
        };
        assert_eq!(refused(told).sqlstate(), Some("22012"));
        drop(tx);
        assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 20);
    }
}
