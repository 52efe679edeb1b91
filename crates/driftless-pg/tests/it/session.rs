use driftless_core::catalog::builtin;
use driftless_pg::{Disposition, ErrorKind, Param, Row};
use driftless_testkit::wait_until;

use crate::{connect, fresh, one, refused};

#[tokio::test]
async fn settings_hold_against_the_databases_own() {
    let (database, session) = fresh("settings").await;
    let name = database.name();
    drop(session);
    database
        .run(&format!(
            "ALTER DATABASE {name} SET extra_float_digits = 0; ALTER DATABASE {name} SET statement_timeout = '2min';
             ALTER DATABASE {name} SET datestyle = 'SQL, DMY'; ALTER DATABASE {name} SET timezone = 'Asia/Kolkata';
             ALTER DATABASE {name} SET search_path = 'public'; ALTER DATABASE {name} SET bytea_output = 'escape'"
        ))
        .await;
    let session = connect(&database.url()).await;
    for (name, value) in [
        ("client_encoding", "UTF8"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("row_security", "off"),
        ("datestyle", "ISO, YMD"),
        ("intervalstyle", "postgres"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        ("timezone", "UTC"),
        ("search_path", "pg_catalog"),
        ("default_transaction_isolation", "read committed"),
    ] {
        assert_eq!(
            one::<String>(&session, &format!("SHOW {name}")).await,
            value,
            "{name}"
        );
    }
    if session.server_version() >= 170_000 {
        assert_eq!(one::<String>(&session, "SHOW transaction_timeout").await, "0");
    }
    assert_eq!(
        one::<String>(&session, "SHOW application_name").await,
        "driftless test"
    );
    assert_eq!(
        one::<i32>(&session, "SELECT pg_backend_pid()").await,
        session.backend_pid()
    );
    let version: String = one(&session, "SHOW server_version_num").await;
    assert_eq!(version, session.server_version().to_string());
    assert!(!session.is_pooled() && !session.in_recovery() && !session.is_encrypted());
    assert_eq!(
        session.place(),
        format!("postgres@{}", database.url().split_once('@').unwrap().1)
    );
}

#[tokio::test]
async fn parameters_go_there_and_rows_come_back() {
    let (_database, session) = fresh("values").await;
    let id = uuid::Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    let sql = "SELECT $1, $2, $3, $4, $5, $6, $7, $8::text, $9 = '2026-01-02 03:04:05.000006+00', $10, $11, $12, $13, \
               $14::text, 'x'::\"char\", 2.5::float4, $15 IS NULL, NULL::int4, $16, $17";
    let params = [
        Param::int2(-7),
        Param::int4(i32::MIN),
        Param::int8(i64::MAX),
        Param::text("O'Brien \\ 🦷 \n"),
        Param::bool(true),
        Param::uuid(id),
        Param::bytea(vec![0, 255, 39]),
        Param::json(r#"{"a": 1}"#),
        Param::timestamptz_micros(1_767_323_045_000_006),
        Param::text_array(&["", "a,b", "\"q\"", "{}"]),
        Param::int8_array(&[i64::MIN, 0]),
        Param::array(
            builtin::TEXT,
            builtin::of(builtin::TEXT).array_oid,
            [None, Some(&b"x"[..])],
        ),
        Param::uuid_array(&[id, id]),
        Param::jsonb("[1,2]"),
        Param::null(builtin::DATE),
        Param::oid(u32::MAX),
        Param::float8(-0.1),
    ];
    let row = session.query_one(sql, &params).await.unwrap();
    assert_eq!(row.get::<i16>(0).unwrap(), -7);
    assert_eq!(row.get::<i32>(1).unwrap(), i32::MIN);
    assert_eq!(row.get::<i64>(2).unwrap(), i64::MAX);
    assert_eq!(row.get::<String>(3).unwrap(), "O'Brien \\ 🦷 \n");
    assert!(row.get::<bool>(4).unwrap());
    assert_eq!(row.get::<uuid::Uuid>(5).unwrap(), id);
    assert_eq!(row.get::<Vec<u8>>(6).unwrap(), [0, 255, 39]);
    assert_eq!(row.get::<String>(7).unwrap(), r#"{"a": 1}"#);
    assert!(row.get::<bool>(8).unwrap());
    assert_eq!(row.get::<Vec<String>>(9).unwrap(), ["", "a,b", "\"q\"", "{}"]);
    assert_eq!(row.get::<Vec<i64>>(10).unwrap(), [i64::MIN, 0]);
    assert_eq!(
        row.get::<Vec<Option<String>>>(11).unwrap(),
        [None, Some("x".to_owned())]
    );
    assert_eq!(row.get::<Vec<uuid::Uuid>>(12).unwrap(), [id, id]);
    assert_eq!(row.get::<String>(13).unwrap(), "[1, 2]");
    assert_eq!(row.get::<char>(14).unwrap(), 'x');
    assert!((row.get::<f32>(15).unwrap() - 2.5).abs() < f32::EPSILON);
    assert!(row.get::<bool>(16).unwrap());
    assert_eq!(row.get::<Option<i32>>(17).unwrap(), None);
    assert_eq!(row.get::<u32>(18).unwrap(), u32::MAX);
    assert_eq!(row.get::<f64>(19).unwrap().to_bits(), (-0.1f64).to_bits());
    assert_eq!(row.columns()[17].type_oid, builtin::INT4);
    for error in [
        refused(row.get::<i32>(17)),
        refused(row.get::<i64>(1)),
        refused(row.get::<i32>(99)),
    ] {
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}

/// The form of a query's column of a type that PostgreSQL does not bring must not cost a look-up: a driver that asks for
/// it amid the answer waits for ever once the answer is large.
#[tokio::test]
async fn large_results_of_the_users_types_come() {
    let (_database, session) = fresh("usertypes").await;
    session
        .batch("CREATE TYPE public.mood AS ENUM ('low', 'high'); CREATE DOMAIN public.age AS int4")
        .await
        .unwrap();
    let sql = "SELECT 'high'::public.mood, 7::public.age, ARRAY['low'::public.mood], repeat('x', 100) \
               FROM generate_series(1, 50000)";
    let rows = session.query(sql, &[]).await.unwrap();
    assert_eq!(rows.len(), 50_000);
    assert!(
        rows.iter()
            .all(|row| row.raw(0) == Some(b"high") && row.get::<i32>(1).is_ok_and(|age| age == 7))
    );
    let left: i64 = one(&session, "SELECT count(*) FROM pg_prepared_statements").await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn statements_are_described_and_not_run() {
    let (_database, session) = fresh("describe").await;
    session
        .batch("CREATE TABLE public.t (id int8 PRIMARY KEY, name varchar(12)); CREATE SEQUENCE public.s")
        .await
        .unwrap();
    let seen = session
        .describe(
            "SELECT id, name, nextval('public.s') AS n FROM public.t WHERE id = $1 AND name = $2",
            &[0, builtin::TEXT],
        )
        .await
        .unwrap();
    assert_eq!(seen.params, [builtin::INT8, builtin::TEXT]);
    assert!(seen.gives_rows);
    let names: Vec<_> = seen
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.type_oid))
        .collect();
    assert_eq!(
        names,
        [
            ("id", builtin::INT8),
            ("name", builtin::VARCHAR),
            ("n", builtin::INT8)
        ]
    );
    assert_eq!(seen.columns[1].type_modifier, 16);
    assert_eq!(seen.columns[1].table_column, 2);
    assert!(!one::<bool>(&session, "SELECT is_called FROM public.s").await);

    let silent = session.describe("DELETE FROM public.t", &[]).await.unwrap();
    assert!(!silent.gives_rows && silent.columns.is_empty());
    let error = refused(session.describe("SELECT 1; SELECT 2", &[]).await);
    assert_eq!(error.sqlstate(), Some("42601"));
    let error = refused(session.describe("SELECT 1); DROP TABLE public.t; --", &[]).await);
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
}

#[tokio::test]
async fn a_refusal_is_told_without_values_and_leaves_the_session_usable() {
    let (_database, session) = fresh("refusal").await;
    session
        .batch("CREATE TABLE public.people (email text CONSTRAINT people_email_key UNIQUE)")
        .await
        .unwrap();
    let insert = "INSERT INTO public.people VALUES ($1)";
    assert_eq!(
        session
            .execute(insert, &[Param::text("anna@example.org")])
            .await
            .unwrap(),
        1
    );
    let error = refused(session.execute(insert, &[Param::text("anna@example.org")]).await);
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(error.disposition(), Disposition::Row);
    assert!(!format!("{error} {error:?} {:?}", error.remedy()).contains("anna"));
    assert!(
        error
            .to_string()
            .contains("23505 unique_violation, table public.people, constraint people_email_key")
    );
    let server = error.server().unwrap();
    assert_eq!(server.constraint.as_deref(), Some("people_email_key"));
    assert!(server.detail.as_deref().unwrap().contains("anna@example.org"));

    let error = refused(session.query("SELECT * FROM public.nobody", &[]).await);
    assert_eq!(error.disposition(), Disposition::Gone);
    assert!(
        error.to_string().contains("\"public.nobody\" does not exist"),
        "{error}"
    );
    let error = refused(
        session
            .batch("SELECT 1; SELECT 1/0; INSERT INTO public.people VALUES ('x')")
            .await,
    );
    assert_eq!(error.sqlstate(), Some("22012"));
    assert_eq!(
        one::<i64>(&session, "SELECT count(*) FROM public.people").await,
        1
    );
}

#[tokio::test]
async fn rows_are_counted_as_asked() {
    let (_database, session) = fresh("counts").await;
    assert!(
        session
            .query("SELECT 1 WHERE false", &[])
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        session
            .query_opt("SELECT 1 WHERE false", &[])
            .await
            .unwrap()
            .is_none()
    );
    for rows in [0, 2] {
        let error = refused(
            session
                .query_one(&format!("SELECT generate_series(1, {rows})"), &[])
                .await,
        );
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
    assert_eq!(session.query("", &[]).await.unwrap().len(), 0);
    session.batch("CREATE TABLE public.t (a int)").await.unwrap();
    let inserted = session
        .execute("INSERT INTO public.t SELECT generate_series(1, 12)", &[])
        .await
        .unwrap();
    assert_eq!(inserted, 12);
    assert_eq!(session.execute("SELECT * FROM public.t", &[]).await.unwrap(), 12);
    assert_eq!(
        session
            .query("DELETE FROM public.t WHERE a > 10 RETURNING a", &[])
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(session.execute("TRUNCATE public.t", &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_copy_is_no_ordinary_statement() {
    let (_database, session) = fresh("copystatement").await;
    session.batch("CREATE TABLE public.t (a int)").await.unwrap();
    for sql in [
        "COPY public.t FROM STDIN (FORMAT binary)",
        "COPY (SELECT generate_series(1, 9)) TO STDOUT",
    ] {
        assert_eq!(
            refused(session.execute(sql, &[]).await).kind(),
            ErrorKind::Usage,
            "{sql}"
        );
        assert_eq!(
            refused(session.query(sql, &[]).await).kind(),
            ErrorKind::Usage,
            "{sql}"
        );
        assert_eq!(
            refused(session.batch(sql).await).kind(),
            ErrorKind::Usage,
            "{sql}"
        );
        assert_eq!(one::<i64>(&session, "SELECT count(*) FROM public.t").await, 0);
    }
}

#[tokio::test]
async fn a_running_statement_is_cancelled_from_elsewhere() {
    let (database, session) = fresh("cancel").await;
    let canceller = session.canceller();
    let pid = session.backend_pid();
    let watcher = connect(&database.url()).await;
    let waited = tokio::spawn(async move {
        let error = refused(session.query("SELECT pg_sleep(600)", &[]).await);
        (session, error)
    });
    wait_until("the statement to run", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
        let row = watcher.query_one(sql, &[Param::int4(pid)]).await;
        row.and_then(|row| row.get::<i64>(0)).unwrap() == 1
    })
    .await;
    canceller.cancel().await.unwrap();
    let (session, error) = waited.await.unwrap();
    assert_eq!(error.sqlstate(), Some("57014"));
    assert_eq!(error.disposition(), Disposition::Stop);
    assert_eq!(one::<i32>(&session, "SELECT 1").await, 1);
    assert!(!format!("{canceller:?}").contains(&database.url()));
}

#[tokio::test]
async fn a_terminated_backend_is_told_by_every_later_call() {
    let (database, session) = fresh("terminated").await;
    let watcher = connect(&database.url()).await;
    assert!(!session.is_closed());
    let ended: bool = watcher
        .query_one(
            "SELECT pg_terminate_backend($1)",
            &[Param::int4(session.backend_pid())],
        )
        .await
        .and_then(|row| row.get(0))
        .unwrap();
    assert!(ended);
    wait_until("the session to notice", async || session.is_closed()).await;
    for _ in 0..2 {
        let error = refused(session.query("SELECT 1", &[]).await);
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert_eq!(error.sqlstate(), Some("57P01"));
        assert_eq!(error.disposition(), Disposition::Retry);
    }
}

#[tokio::test]
async fn a_statement_that_was_dropped_does_not_disturb_the_next() {
    let (_database, session) = fresh("dropped").await;
    session.batch("CREATE SEQUENCE public.s").await.unwrap();
    // Large parameter and large result: dropped while sending, while waiting, while reading.
    let large = Param::text("x".repeat(3_000_000));
    for round in 1..=30 {
        let sql = "SELECT nextval('public.s'), $1 || repeat('y', 3000000)";
        let polled = std::cell::Cell::new(0);
        tokio::select! {
            biased;
            result = session.query(sql, std::slice::from_ref(&large)) => { result.unwrap(); }
            () = async {
                while polled.get() < round {
                    polled.set(polled.get() + 1);
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        assert_eq!(one::<i32>(&session, &format!("SELECT {round}")).await, round);
    }
}

#[tokio::test]
async fn tasks_share_a_session() {
    let (_database, session) = fresh("shared").await;
    let session = std::sync::Arc::new(session);
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let session = std::sync::Arc::clone(&session);
            tokio::spawn(async move { one::<i32>(&session, &format!("SELECT {n}")).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(usize::try_from(task.await.unwrap()).unwrap(), n);
    }
}

#[tokio::test]
async fn what_is_too_large_for_the_protocol_is_refused_before_it_is_sent() {
    let (_database, session) = fresh("toolarge").await;
    let large = Param::bytea(vec![0; 600 * 1024 * 1024]);
    let error = refused(
        session
            .query("SELECT length($1) + length($2)", &[large.clone(), large])
            .await,
    );
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert_eq!(one::<i32>(&session, "SELECT 1").await, 1);
}

#[tokio::test]
async fn many_columns_and_many_parameters() {
    let (_database, session) = fresh("many").await;
    let numbers: Vec<i32> = (0..1600).collect();
    let list: Vec<String> = numbers.iter().map(|n| format!("${}", n + 1)).collect();
    let params: Vec<Param> = numbers.iter().copied().map(Param::int4).collect();
    let row: Row = session
        .query_one(&format!("SELECT {}", list.join(", ")), &params)
        .await
        .unwrap();
    assert_eq!(row.len(), 1600);
    let back: Vec<i32> = (0..1600).map(|n| row.get(n).unwrap()).collect();
    assert_eq!(back, numbers);
}
