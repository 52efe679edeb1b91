//! The gate for expressions: what PostgreSQL accepts, and what we refuse of that.

use driftless_core::catalog::{
    ExpressionCategory, ExpressionFacts, ExpressionInput, ExpressionProblem, ExpressionRequest,
};
use driftless_core::code;
use driftless_engine::introspect::{Described, describe_expressions};
use driftless_pg::Session;
use driftless_testkit::TestDatabase;

use crate::session::{database, session, session_of_new_role};

fn request(sql: &str, inputs: &[(&str, &str)]) -> ExpressionRequest {
    let input = |(name, type_sql): &(&str, &str)| ExpressionInput {
        name: (*name).to_owned(),
        type_sql: (*type_sql).to_owned(),
    };
    ExpressionRequest {
        sql: sql.to_owned(),
        inputs: inputs.iter().map(input).collect(),
    }
}

/// The row of most tests.
const INPUTS: [(&str, &str); 8] = [
    ("id", "int4"),
    (":id", "uuid"),
    ("first_name", "text"),
    ("CustomerId", "int8"),
    ("price", "text"),
    ("finished_at", "timestamptz"),
    ("extra", "jsonb"),
    ("status", "public.status"),
];

const FIXTURE: &str = "
    CREATE TYPE status AS ENUM ('open', 'done');
    CREATE DOMAIN positive AS numeric(12,2) CHECK (VALUE > 0);
    CREATE SEQUENCE numbers;
    CREATE TABLE t (id int);
    CREATE FUNCTION shout(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1)';
    CREATE FUNCTION rate(text) RETURNS numeric STABLE LANGUAGE sql AS 'SELECT 1.5';
    CREATE FUNCTION guess(int, int) RETURNS bool VOLATILE LANGUAGE sql AS 'SELECT random() > 0.5';
    CREATE FUNCTION same(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 = $2';
    CREATE FUNCTION nothing(int) RETURNS void IMMUTABLE LANGUAGE sql AS '';
    CREATE OPERATOR === (FUNCTION = guess, LEFTARG = int, RIGHTARG = int);
    CREATE OPERATOR ==== (FUNCTION = same, LEFTARG = int, RIGHTARG = int);";

async fn fixture(hint: &str) -> (TestDatabase, Session) {
    let database = database(hint).await;
    database.run(FIXTURE).await;
    let session = session(&database).await;
    (database, session)
}

async fn describe(session: &mut Session, expressions: &[&str]) -> Vec<Described> {
    let requests: Vec<_> = expressions.iter().map(|sql| request(sql, &INPUTS)).collect();
    let described = describe_expressions(session, &requests).await.expect("answers");
    assert_eq!(described.len(), expressions.len());
    described
}

fn facts(described: &Described) -> &ExpressionFacts {
    described
        .as_ref()
        .unwrap_or_else(|problem| panic!("refused: {problem}"))
}

async fn problem(session: &mut Session, sql: &str) -> ExpressionProblem {
    let mut described = describe(session, &[sql]).await;
    match described.remove(0) {
        Err(problem) => problem,
        Ok(facts) => panic!("accepted: {sql}: {facts:?}"),
    }
}

#[tokio::test]
async fn good_expressions_tell_type_and_columns() {
    let (_database, mut session) = fixture("good").await;
    let cases: [(&str, &str, &[&str]); 22] = [
        (
            "CASE WHEN finished_at IS NULL THEN 'active' ELSE 'done' END",
            "text",
            &["finished_at"],
        ),
        (
            "coalesce(nullif(price, ''), '0')::numeric(12,2)",
            "numeric",
            &["price"],
        ),
        (r#"first_name || ' ' || ":id""#, "text", &[":id", "first_name"]),
        (r#""CustomerId" + id"#, "int8", &["id", "CustomerId"]),
        ("id -- the number", "int4", &["id"]),
        ("/* why */ id", "int4", &["id"]),
        ("1", "int4", &[]),
        ("'it''s :) ( ['", "text", &[]),
        ("NULL", "text", &[]),
        ("public.shout(first_name)", "text", &["first_name"]),
        ("public.rate(price) * 2", "numeric", &["price"]),
        (
            "to_char(finished_at, 'YYYY') || concat(id, price)",
            "text",
            &["id", "price", "finished_at"],
        ),
        ("format('%s-%s', id, price)", "text", &["id", "price"]),
        ("finished_at::text", "text", &["finished_at"]),
        ("price::timestamptz", "timestamptz", &["price"]),
        (
            "jsonb_build_object('a', extra -> 'a', 'b', id)",
            "jsonb",
            &["id", "extra"],
        ),
        ("status = 'open'", "bool", &["status"]),
        ("'done'::public.status", "status", &[]),
        ("price::public.positive", "numeric", &["price"]),
        ("ARRAY[id, 2]", "_int4", &["id"]),
        (
            "id OPERATOR(public.====) 1 AND price = 'now'",
            "bool",
            &["id", "price"],
        ),
        ("date '2020-01-01' + id", "date", &["id"]),
    ];
    let expressions: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let described = describe(&mut session, &expressions).await;
    for ((sql, result, columns), described) in cases.iter().zip(&described) {
        let facts = match described {
            Ok(facts) => facts,
            Err(problem) => panic!("{sql}: {problem}"),
        };
        assert_eq!((facts.result_type.name.name.as_str(), *sql), (*result, *sql));
        assert_eq!(
            (facts.columns.as_slice(), *sql),
            (columns.map_to_strings().as_slice(), *sql)
        );
    }
    assert_eq!(facts(&described[1]).result_typmod, ((12 << 16) | 2) + 4);
    assert_eq!(facts(&described[0]).result_typmod, -1);
    assert_eq!(
        facts(&described[17]).result_type.labels().map(<[String]>::len),
        Some(2)
    );
}

#[tokio::test]
async fn what_a_function_of_others_reads_may_decide_too() {
    let (_database, mut session) = fixture("settled").await;
    let cases = [
        ("id + 1", true),
        ("public.shout(first_name)", true),
        // PostgreSQL's own, which read settings.
        ("to_char(finished_at, 'YYYY') || price::date", true),
        ("id OPERATOR(public.====) 1", true),
        // It may read a table, which somebody may write meanwhile.
        ("public.rate(price) * 2", false),
    ];
    let expressions: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let described = describe(&mut session, &expressions).await;
    for ((sql, settled), described) in cases.iter().zip(&described) {
        assert_eq!(facts(described).settled, *settled, "{sql}");
    }
}

trait MapToStrings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl MapToStrings for &[&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[tokio::test]
async fn bad_expressions_are_refused_one_by_one() {
    let (database, mut session) = fixture("bad").await;
    use ExpressionCategory::{NotAllowed, Other, Syntax, UnknownFunction};
    let cases = [
        ("1); drop table public.t; --", Syntax),
        ("1; drop table public.t", Syntax),
        ("1) FROM pg_class WHERE (true", Syntax),
        ("1) IS NOT NULL), ADD CHECK ((true", Syntax),
        ("1 END IS NOT NULL), ADD CHECK (CASE WHEN true THEN true", Syntax),
        ("true) OR (true", Syntax),
        ("id, price", Syntax),
        ("id AS x", Syntax),
        ("id END", Syntax),
        ("id +", Syntax),
        ("", Syntax),
        ("'open", Syntax),
        ("id /* open", Syntax),
        ("(id", Syntax),
        ("id\0", Syntax),
        ("(SELECT 1)", NotAllowed),
        ("EXISTS (SELECT FROM pg_class)", NotAllowed),
        ("price IN (SELECT relname FROM pg_class)", NotAllowed),
        ("sum(id)", NotAllowed),
        ("count(*)", NotAllowed),
        ("row_number() OVER ()", NotAllowed),
        ("generate_series(1, id)", NotAllowed),
        ("pg_class.relname", NotAllowed),
        ("driftless_expression_inputs", NotAllowed),
        ("driftless_expression_inputs.*", NotAllowed),
        ("tableoid", NotAllowed),
        ("ROW(id, price)", NotAllowed),
        ("public.nothing(id)", NotAllowed),
        ("nosuch(id)", UnknownFunction),
        ("shout(first_name)", UnknownFunction),
        ("price + 1", UnknownFunction),
        ("nosuch.f(id)", Other),
        ("id::nosuch", Other),
        ("'x'::int", Other),
        ("1 / 0", Other),
        ("$1", Other),
        ("$1 + id", Other),
    ];
    let expressions: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let described = describe(&mut session, &expressions).await;
    for ((sql, category), described) in cases.iter().zip(described) {
        let problem = described.expect_err(sql);
        println!(
            "{sql:?}: {:?} at {:?}: {problem}",
            problem.category, problem.position
        );
        assert_eq!((&problem.category, *sql), (category, *sql), "{problem}");
        assert!(
            !problem.message.contains("check constraint") && !problem.message.contains("pg_temp"),
            "{problem}"
        );
        if let Some(at) = problem.position {
            assert!(sql.is_char_boundary(at), "{sql}: {at}");
        }
    }
    assert_eq!(
        database.value("SELECT count(*) FROM public.t").await.as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn what_depends_on_more_than_the_row_is_refused() {
    let (_database, mut session) = fixture("volatile").await;
    let cases = [
        ("random()", "random()"),
        ("gen_random_uuid()", "gen_random_uuid()"),
        ("nextval('public.numbers')", "nextval()"),
        ("clock_timestamp()", "clock_timestamp()"),
        ("now()", "now()"),
        ("coalesce(finished_at, CURRENT_TIMESTAMP)", "CURRENT_TIMESTAMP"),
        ("CURRENT_TIMESTAMP(3)", "CURRENT_TIMESTAMP"),
        ("LOCALTIMESTAMP", "LOCALTIMESTAMP"),
        ("LOCALTIME", "LOCALTIME"),
        ("CURRENT_DATE - 1", "CURRENT_DATE"),
        ("transaction_timestamp()", "transaction_timestamp()"),
        ("statement_timestamp()", "statement_timestamp()"),
        ("age(finished_at)", "age()"),
        ("CURRENT_USER", "CURRENT_USER"),
        ("SESSION_USER", "SESSION_USER"),
        ("CURRENT_CATALOG", "CURRENT_CATALOG"),
        ("CURRENT_SCHEMA", "CURRENT_SCHEMA"),
        ("current_query()", "current_query()"),
        ("current_setting('timezone')", "current_setting()"),
        ("pg_backend_pid()", "pg_backend_pid()"),
        ("version()", "version()"),
        ("table_to_xml('public.t', true, true, '')", "table_to_xml()"),
        ("pg_sleep(id)", "pg_sleep()"),
        ("finished_at < 'now'", "'now' as a date or time"),
        ("date ' Tomorrow'", "'tomorrow' as a date or time"),
        ("'today'::text::timestamptz", "'today' as a date or time"),
        ("CASE WHEN id OPERATOR(public.===) 1 THEN 1 END", "public.guess()"),
        ("public.guess(id, id)", "public.guess()"),
        ("(id, random()) < (1, 2)", "random()"),
        ("ARRAY[1, (random() * 10)::int]", "random()"),
    ];
    let expressions: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let described = describe(&mut session, &expressions).await;
    for ((sql, function), described) in cases.iter().zip(described) {
        let problem = described.expect_err(sql);
        let expected = ExpressionCategory::Volatile {
            function: (*function).to_owned(),
        };
        assert_eq!((&problem.category, *sql), (&expected, *sql), "{problem}");
        assert_eq!(problem.code(), code::VOLATILE_EXPRESSION);
        assert!(!problem.remedy.is_empty(), "{problem}");
    }
    let now = problem(&mut session, "now()").await;
    assert!(now.remedy.contains(r#"{ run = "started_at" }"#), "{now}");
}

#[tokio::test]
async fn problems_point_at_their_place() {
    let (_database, mut session) = fixture("positions").await;
    let missing = problem(&mut session, "'é' || frist_name").await;
    assert_eq!(missing.position, Some("'é' || ".len()));
    assert_eq!(
        missing.category,
        ExpressionCategory::UnknownColumn {
            nearest: Some("first_name".to_owned())
        }
    );
    let folded = problem(&mut session, "CustomerId + 1").await;
    assert_eq!(
        folded.category,
        ExpressionCategory::UnknownColumn {
            nearest: Some("CustomerId".to_owned())
        }
    );
    assert!(folded.remedy.contains(r#""CustomerId""#), "{folded}");
    let unlike = problem(&mut session, "something_else").await;
    assert_eq!(
        unlike.category,
        ExpressionCategory::UnknownColumn { nearest: None }
    );
    let sum = problem(&mut session, "1 + sum(id)").await;
    assert_eq!(sum.position, Some(4));
    let elsewhere = problem(&mut session, "id::text || Shout(first_name)").await;
    assert!(elsewhere.remedy.contains(r#""public"."shout"("#), "{elsewhere}");
    let arguments = problem(&mut session, "public.shout(id)").await;
    assert!(!arguments.remedy.contains("another schema"), "{arguments}");
    let cut = problem(&mut session, "id +").await;
    assert_eq!(cut.position, Some(4));
    let quoted = problem(&mut session, r#""Quoted" = 1"#).await;
    assert!(quoted.message.contains("Quoted"), "{quoted}");
}

#[tokio::test]
async fn inputs_of_every_name_and_sets_of_their_own() {
    let (_database, mut session) = fixture("inputs").await;
    let odd = [
        (r#"we"ird"#, "int4"),
        ("select", "int4"),
        (":funcid 1598", "int4"),
        ("}) :opno 96", "int4"),
        ("ünïcödé", "text"),
    ];
    let requests = [
        request(r#""we""ird" + "select" + ":funcid 1598" + "}) :opno 96""#, &odd),
        request("id", &[("id", "text")]),
        request("id", &[("id", "int8")]),
        request("a", &[("a", "public.nosuch")]),
        request("ctid", &[("ctid", "tid")]),
        request("ünïcödé || missing", &odd),
        request("1", &[]),
        request("id", &[("id", "text")]),
    ];
    let described = describe_expressions(&mut session, &requests)
        .await
        .expect("answers");
    assert_eq!(
        facts(&described[0]).columns,
        [r#"we"ird"#, "select", ":funcid 1598", "}) :opno 96"]
    );
    assert_eq!(facts(&described[1]).result_type.oid, 25);
    assert_eq!(facts(&described[2]).result_type.oid, 20);
    assert_eq!(facts(&described[6]).result_type.oid, 23);
    assert_eq!(facts(&described[7]).result_type.oid, 25);
    for refused in [3, 4] {
        let problem = described[refused].as_ref().expect_err("no such table");
        assert_eq!(problem.category, ExpressionCategory::Other, "{problem}");
    }
    assert!(described[5].is_err());
}

#[tokio::test]
async fn nothing_remains_and_the_session_goes_on() {
    let (database, mut session) = fixture("remains").await;
    describe(
        &mut session,
        &["id", "sum(id)", "nosuch", "nextval('public.numbers')"],
    )
    .await;
    let left = database
        .value("SELECT count(*) FROM pg_class WHERE relname LIKE 'driftless%' OR relpersistence = 't'")
        .await;
    assert_eq!(left.as_deref(), Some("0"));
    assert_eq!(
        database.value("SELECT is_called FROM numbers").await.as_deref(),
        Some("false")
    );
    let idle = session
        .query_one("SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL", &[])
        .await;
    assert!(idle.expect("a row").get::<bool>(0).expect("a bool"));
    assert!(
        describe_expressions(&mut session, &[])
            .await
            .expect("no answers")
            .is_empty()
    );
}

#[tokio::test]
async fn rights_of_the_role_count() {
    let (database, _superuser) = fixture("rights").await;
    let (mut session, role) = session_of_new_role(&database, "checker").await;
    database
        .run("REVOKE EXECUTE ON FUNCTION shout(text) FROM PUBLIC; CREATE SCHEMA closed")
        .await;
    let refused = problem(&mut session, "public.shout(first_name)").await;
    assert!(
        refused.message.contains("permission denied for function shout"),
        "{refused}"
    );
    assert!(refused.remedy.contains("EXECUTE"), "{refused}");

    let denied = describe(&mut session, &["closed.f(id)", "id"]).await;
    assert_eq!(
        denied[0].as_ref().expect_err("closed").category,
        ExpressionCategory::Forbidden
    );
    assert!(denied[1].is_ok());

    database
        .run(&format!(
            "REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC, {role}",
            database.name()
        ))
        .await;
    let error = describe_expressions(&mut session, &[request("id", &INPUTS)])
        .await
        .expect_err("no temporary tables");
    assert_eq!(error.code(), code::PRIVILEGE_MISSING, "{error}");
    assert!(error.to_string().contains("GRANT TEMPORARY"), "{error}");
    session
        .query_one("SELECT 1", &[])
        .await
        .expect("a session that goes on");
}

#[tokio::test]
async fn five_hundred_expressions() {
    let (_database, mut session) = fixture("many").await;
    let requests: Vec<_> = (0..500)
        .map(|n| {
            let inputs: Vec<(String, &str)> = (0..30).map(|c| (format!("c{}_{c}", n / 10), "text")).collect();
            let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, sql)| (name.as_str(), *sql)).collect();
            request(
                &format!("coalesce(c{}_1, 'x') || c{}_2 || {n}", n / 10, n / 10),
                &inputs,
            )
        })
        .collect();
    let described = describe_expressions(&mut session, &requests)
        .await
        .expect("answers");
    assert!(
        described
            .iter()
            .all(|described| facts(described).columns.len() == 2)
    );
}
