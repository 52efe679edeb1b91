use bytes::Bytes;
use driftless_core::batch::Cell;
use driftless_pg::{BeginMode, CopyEncoder, CopyOut, ErrorKind, RowRead, Session};

use crate::{fresh, one, refused};

const INTO_T: &str = "COPY public.t FROM STDIN (FORMAT binary)";

/// Reads a stream to its end.
async fn read_all(copy: &mut CopyOut<'_>) -> (Vec<u8>, Vec<Cell>) {
    let (mut arena, mut cells) = (Vec::new(), Vec::new());
    while copy.append_row(&mut arena, &mut cells).await.unwrap() == RowRead::Row {}
    (arena, cells)
}

/// Sends rows of int4 in pieces of so many bytes.
async fn send_numbers(
    session: &Session,
    numbers: std::ops::Range<i32>,
    piece: usize,
) -> Result<u64, driftless_pg::PgError> {
    let mut copy = session.copy_in(INTO_T).await?;
    let mut encoder = CopyEncoder::new();
    encoder.header();
    for number in numbers {
        encoder.row(1);
        encoder.field(Some(&number.to_be_bytes()));
        if encoder.len() >= piece {
            copy.send(encoder.take()).await?;
        }
    }
    encoder.trailer();
    copy.send(encoder.take()).await?;
    copy.finish().await
}

#[tokio::test]
async fn rows_of_many_types_go_out_and_in_unchanged() {
    let (_database, session) = fresh("roundtrip").await;
    session
        .batch(
            "CREATE TYPE public.mood AS ENUM ('low', 'high');
             CREATE TABLE public.a (n int8, i int2, b bool, t text, v varchar(40), d numeric, ts timestamptz, day date,
                                    j jsonb, u uuid, x bytea, m public.mood, f float8, arr text[]);
             INSERT INTO public.a SELECT n, n % 100, n % 2 = 0, nullif(repeat(chr(200 + n % 5000), n % 300), ''), 'v' || n,
                CASE n % 50 WHEN 0 THEN 'NaN' ELSE n / 7.0 END, to_timestamp(n * 1e6),
                CASE n % 9 WHEN 0 THEN 'infinity'::date ELSE date '2000-01-01' + n END,
                jsonb_build_object('n', n), gen_random_uuid(), CASE WHEN n % 11 > 0 THEN decode(md5(n::text), 'hex') END,
                CASE n % 3 WHEN 0 THEN 'low'::public.mood WHEN 1 THEN 'high' END, n / 3.0, ARRAY[n::text, NULL]
             FROM generate_series(1, 20000) AS n;
             CREATE TABLE public.t (LIKE public.a)",
        )
        .await
        .unwrap();
    let mut out = session
        .copy_out("COPY (SELECT * FROM public.a) TO STDOUT (FORMAT binary)")
        .await
        .unwrap();
    assert_eq!(out.columns(), 14);
    let (arena, cells) = read_all(&mut out).await;
    assert_eq!(
        out.append_row(&mut Vec::new(), &mut Vec::new()).await.unwrap(),
        RowRead::End
    );
    drop(out);
    assert_eq!(cells.len(), 14 * 20_000);

    let mut copy = session.copy_in(INTO_T).await.unwrap();
    assert_eq!(copy.columns(), 14);
    let mut encoder = CopyEncoder::new();
    encoder.header();
    for row in cells.chunks(14) {
        encoder.row(14);
        row.iter().for_each(|cell| encoder.field(cell.bytes(&arena)));
        if encoder.len() > 256 * 1024 {
            copy.send(encoder.take()).await.unwrap();
        }
    }
    encoder.trailer();
    copy.send(encoder.take()).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 20_000);
    let differing: i64 = one(
        &session,
        "SELECT count(*) FROM (SELECT a.*::text FROM public.a EXCEPT ALL SELECT t.*::text FROM public.t) AS d",
    )
    .await;
    assert_eq!(differing, 0);
    assert_eq!(
        one::<i64>(&session, "SELECT count(*) FROM public.t").await,
        20_000
    );
}

#[tokio::test]
async fn pieces_of_any_size_are_the_same_stream() {
    let (_database, session) = fresh("pieces").await;
    session.batch("CREATE TABLE public.t (a int4)").await.unwrap();
    for (round, piece) in [1, 100, 8 * 1024, 70_000, usize::MAX].into_iter().enumerate() {
        let rows = 30_000;
        assert_eq!(send_numbers(&session, 0..rows, piece).await.unwrap(), 30_000);
        let sum: i64 = one(&session, "SELECT sum(a) FROM public.t").await;
        assert_eq!(sum, (0..i64::from(rows)).sum::<i64>() * (round as i64 + 1));
    }
    let mut copy = session.copy_in(INTO_T).await.unwrap();
    copy.send(Bytes::new()).await.unwrap();
    assert_eq!(
        refused(copy.finish().await).sqlstate(),
        Some("22P04"),
        "an empty stream has no header"
    );
}

#[tokio::test]
async fn rows_beyond_the_limit_are_marked_and_the_rest_comes() {
    let (_database, session) = fresh("toolarge").await;
    let sql = "COPY (SELECT n::int4, repeat('x', CASE n WHEN 3 THEN 3000000 WHEN 5 THEN 900000 ELSE n END), -n::int4 \
               FROM generate_series(1, 8) AS n ORDER BY n) TO STDOUT (FORMAT binary)";
    let mut copy = session.copy_out_limited(sql, 1_000_000).await.unwrap();
    let (mut arena, mut cells) = (Vec::new(), Vec::new());
    let mut marked = Vec::new();
    for n in 1i32..=8 {
        match copy.append_row(&mut arena, &mut cells).await.unwrap() {
            RowRead::Row => {}
            RowRead::TooLarge { column, bytes } => marked.push((n, column, bytes)),
            RowRead::End => panic!("it ended at row {n}"),
        }
        // The key of a row that was marked is there, so is what follows the large field.
        let row = &cells[cells.len() - 3..];
        assert_eq!(row[0].bytes(&arena), Some(&n.to_be_bytes()[..]));
        assert_eq!(row[1].is_null(), n == 3);
        assert_eq!(row[2].bytes(&arena), Some(&(-n).to_be_bytes()[..]));
    }
    assert_eq!(marked, [(3, 1, 3_000_000)]);
    assert_eq!(
        copy.append_row(&mut arena, &mut cells).await.unwrap(),
        RowRead::End
    );
    assert!(arena.len() < 1_000_000);
}

#[tokio::test]
async fn a_refusal_amid_the_rows_comes_after_the_rows_before_it() {
    let (_database, session) = fresh("amid").await;
    let sql = "COPY (SELECT 1 / (n - 5000) FROM generate_series(1, 9000) AS n) TO STDOUT (FORMAT binary)";
    let mut copy = session.copy_out(sql).await.unwrap();
    let (mut arena, mut cells) = (Vec::new(), Vec::new());
    let error = loop {
        match copy.append_row(&mut arena, &mut cells).await {
            Ok(RowRead::Row) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), Some("22012"));
    assert_eq!(cells.len(), 4999);
    drop(copy);
    assert_eq!(one::<i32>(&session, "SELECT 1").await, 1);
}

#[tokio::test]
async fn a_copy_that_violates_writes_nothing_and_says_so() {
    let (_database, mut session) = fresh("violates").await;
    session
        .batch("CREATE TABLE public.t (a int4 PRIMARY KEY CHECK (a <> 7))")
        .await
        .unwrap();
    let error = refused(send_numbers(&session, 0..300_000, 100_000).await);
    assert_eq!(error.sqlstate(), Some("23514"));
    assert_eq!(error.server().unwrap().constraint.as_deref(), Some("t_a_check"));
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);

    // Once refused, always refused.
    let mut copy = session.copy_in(INTO_T).await.unwrap();
    let noise = Bytes::from(vec![1; 100_000]);
    let mut error = None;
    for _ in 0..1_000 {
        error = copy.send(noise.clone()).await.err();
        if error.is_some() {
            break;
        }
    }
    assert_eq!(error.expect("a refusal").sqlstate(), Some("22P04"));
    assert_eq!(refused(copy.send(noise).await).kind(), ErrorKind::Usage);
    assert_eq!(refused(copy.finish().await).kind(), ErrorKind::Usage);

    // Within a transaction a savepoint brings back what was before.
    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    assert_eq!(send_numbers(&transaction, 10..20, 64).await.unwrap(), 10);
    transaction.batch("SAVEPOINT s").await.unwrap();
    assert_eq!(
        refused(send_numbers(&transaction, 15..25, 64).await).sqlstate(),
        Some("23505")
    );
    transaction.batch("ROLLBACK TO s").await.unwrap();
    assert_eq!(send_numbers(&transaction, 20..25, 64).await.unwrap(), 5);
    transaction.commit().await.unwrap();
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 15);
}

#[tokio::test]
async fn a_copy_dropped_or_aborted_writes_nothing() {
    let (_database, mut session) = fresh("aborted").await;
    session.batch("CREATE TABLE public.t (a int4)").await.unwrap();
    let mut encoder = CopyEncoder::new();
    encoder.header();
    encoder.row(1);
    encoder.field(None);
    let bytes = encoder.take();

    let mut copy = session.copy_in(INTO_T).await.unwrap();
    copy.send(bytes.clone()).await.unwrap();
    copy.abort("the test says so").await.unwrap();
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);

    let transaction = session.begin(BeginMode::ReadWrite).await.unwrap();
    transaction
        .execute("INSERT INTO public.t VALUES (1)", &[])
        .await
        .unwrap();
    let mut copy = transaction.copy_in(INTO_T).await.unwrap();
    copy.send(bytes).await.unwrap();
    drop(copy);
    let error = refused(transaction.commit().await);
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
}

#[tokio::test]
async fn a_stream_that_is_not_read_to_its_end_does_not_disturb() {
    let (_database, session) = fresh("unread").await;
    let sql =
        "COPY (SELECT n, repeat('x', 2000000) FROM generate_series(1, 10) AS n) TO STDOUT (FORMAT binary)";
    for rows in 0..3 {
        let mut copy = session.copy_out(sql).await.unwrap();
        let (mut arena, mut cells) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            assert_eq!(
                copy.append_row(&mut arena, &mut cells).await.unwrap(),
                RowRead::Row
            );
        }
        drop(copy);
        assert_eq!(one::<i32>(&session, "SELECT 5").await, 5);
    }
}

#[tokio::test]
async fn a_statement_amid_a_copy_is_refused_at_once() {
    let (_database, session) = fresh("amidcopy").await;
    session.batch("CREATE TABLE public.t (a int4)").await.unwrap();
    let copy = session.copy_in(INTO_T).await.unwrap();
    assert_eq!(
        refused(session.query("SELECT 1", &[]).await).kind(),
        ErrorKind::Usage
    );
    drop(copy);
    assert_eq!(one::<i32>(&session, "SELECT 1").await, 1);
}

#[tokio::test]
async fn only_binary_copies_of_the_right_direction_begin() {
    let (_database, session) = fresh("nocopy").await;
    session.batch("CREATE TABLE public.t (a int4)").await.unwrap();
    for sql in [
        INTO_T,
        "COPY public.t TO STDOUT",
        "SELECT generate_series(1, 100)",
        "",
        "CREATE TABLE public.u ()",
    ] {
        assert_eq!(
            refused(session.copy_out(sql).await.map(drop)).kind(),
            ErrorKind::Usage,
            "{sql}"
        );
    }
    for sql in [
        "COPY public.t TO STDOUT (FORMAT binary)",
        "COPY public.t FROM STDIN",
        "SELECT 1",
    ] {
        assert_eq!(
            refused(session.copy_in(sql).await.map(drop)).kind(),
            ErrorKind::Usage,
            "{sql}"
        );
    }
    let error = refused(
        session
            .copy_out("COPY public.nothing TO STDOUT (FORMAT binary)")
            .await
            .map(drop),
    );
    assert_eq!(error.sqlstate(), Some("42P01"));
    assert_eq!(one::<i32>(&session, "SELECT 1").await, 1);
}

/// A trigger that talks fills the way back while we fill the way there: whoever does not read while writing waits for
/// ever.
#[tokio::test]
async fn a_talking_trigger_does_not_stop_a_copy() {
    let (_database, session) = fresh("notices").await;
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
    assert_eq!(
        send_numbers(&session, 0..60_000, usize::MAX).await.unwrap(),
        60_000
    );
}

/// The rollback waits for the end of the COPY: its words would be taken for data, and the data for its answer.
#[tokio::test]
async fn one_that_is_dropped_within_a_message_and_rolled_back_at_once_leaves_a_session_that_works() {
    let (_database, mut session) = fresh("copy_rolled_back").await;
    session.batch("CREATE TABLE public.t (n int4)").await.unwrap();
    let process = session.backend_pid();
    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    let mut copy = tx
        .copy_in("COPY public.t FROM STDIN (FORMAT binary)")
        .await
        .unwrap();
    // Far more than sockets hold: it cannot be sent at once.
    let piece = Bytes::from(vec![0; 64 << 20]);
    tokio::select! {
        biased;
        _ = copy.send(piece) => panic!("all of it went out at once"),
        () = tokio::task::yield_now() => {}
    }
    drop(copy);
    tx.rollback().await.unwrap();
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);

    let tx = session.begin(BeginMode::ReadWrite).await.unwrap();
    let many = "COPY (SELECT n FROM generate_series(1, 1000000) AS n) TO STDOUT (FORMAT binary)";
    let mut copy = tx.copy_out(many).await.unwrap();
    copy.append_row(&mut Vec::new(), &mut Vec::new()).await.unwrap();
    drop(copy);
    tx.rollback().await.unwrap();
    assert_eq!(one::<i32>(&session, "SELECT pg_backend_pid()").await, process);
}
