//! Queries as sources: what they give, and which are refused.

use driftless_core::catalog::{ExpressionCategory, RelationKind};
use driftless_core::code;
use driftless_engine::introspect::{describe_condition, describe_query};

use crate::session::{database, session};

#[tokio::test]
async fn queries_are_described() {
    let database = database("queries").await;
    database
        .run(
            "CREATE DOMAIN positive AS int CHECK (VALUE > 0);
             CREATE TYPE mood AS ENUM ('good', 'bad');
             CREATE TABLE t (id positive, price numeric(8,2), mood mood, moods mood[]);",
        )
        .await;
    let session = session(&database).await;
    let sql = "WITH x AS (SELECT * FROM public.t) SELECT id, price, mood, moods, id + 1 AS \"Next One\" FROM x -- all";
    let query = describe_query(&session, sql).await.expect("a relation");
    assert_eq!(query.kind, RelationKind::Query);
    let seen: Vec<_> = query
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.number, column.type_sql.as_str()))
        .collect();
    let expected = [
        ("id", 1, "integer"),
        ("price", 2, "numeric(8,2)"),
        ("mood", 3, "public.mood"),
        ("moods", 4, "public.mood[]"),
        ("Next One", 5, "integer"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(query.columns[2].data_type.labels().map(<[String]>::len), Some(2));
    assert!(query.constraints.is_empty() && query.may_select);
    assert_eq!(
        describe_query(&session, "VALUES (1), (2)")
            .await
            .expect("a relation")
            .columns
            .len(),
        1
    );
}

#[tokio::test]
async fn queries_that_cannot_be_a_source_are_refused() {
    let database = database("bad_queries").await;
    database.run("CREATE TABLE t (id int, name text)").await;
    let session = session(&database).await;
    let refused = [
        "SELECT id, name AS id FROM public.t",
        "SELECT id + 1, id + 2 FROM public.t",
        "SELECT FROM public.t",
        "SELECT id FROM public.t WHERE id = $1",
        "SELECT id FROM public.t;",
        "SELECT id FROM public.t; DROP TABLE public.t",
        "SELECT 1) AS a, (SELECT 2",
        "SELECT nme FROM public.t",
        "SELECT id FROM t",
        "DELETE FROM public.t RETURNING id",
        "WITH gone AS (DELETE FROM public.t RETURNING id) SELECT * FROM gone",
        "SELECT id INTO copy FROM public.t",
        "TRUNCATE public.t",
        "COPY public.t TO STDOUT",
        "",
    ];
    for sql in refused {
        let error = describe_query(&session, sql).await.expect_err(sql);
        assert_eq!(error.code(), code::BAD_QUERY, "{sql}: {error}");
        assert!(
            error
                .into_findings()
                .iter()
                .all(|finding| !finding.remedy.is_empty()),
            "{sql}"
        );
    }
    assert_eq!(
        database.value("SELECT count(*) FROM public.t").await.as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn conditions_are_whole_and_true_or_false() {
    use ExpressionCategory::{NotAllowed, Other, Syntax, UnknownFunction};
    let database = database("conditions").await;
    database
        .run("CREATE TABLE t (id int, deleted_at timestamptz, name text)")
        .await;
    let session = session(&database).await;
    let columns = describe_query(&session, "SELECT * FROM public.t")
        .await
        .expect("a relation")
        .columns;
    let good = [
        "deleted_at IS NULL",
        "id IN (SELECT id FROM public.t) -- those",
        "name = 'a' OR name IS NULL",
    ];
    let bad = [
        ("id = 1) OR (true", Syntax),
        ("true) FROM pg_class WHERE (true", Syntax),
        ("true; DROP TABLE public.t", Syntax),
        ("id >", Syntax),
        ("true GROUP BY id", Syntax),
        ("count(*) > 1", NotAllowed),
        ("generate_series(1, 2) = id", NotAllowed),
        ("id", Other),
        ("id = $1", Other),
        ("nosuch(id)", UnknownFunction),
    ];
    for from in ["public.t", "(SELECT * FROM public.t\n) AS q"] {
        for condition in good {
            let verdict = describe_condition(&session, from, &columns, condition)
                .await
                .expect("an answer");
            assert_eq!(verdict, Ok(()), "{condition}");
        }
        for (condition, category) in &bad {
            let verdict = describe_condition(&session, from, &columns, condition)
                .await
                .expect("an answer");
            let problem = verdict.expect_err(condition);
            assert_eq!(
                (&problem.category, *condition),
                (category, *condition),
                "{problem}"
            );
        }
        let verdict = describe_condition(&session, from, &columns, "true AND deleted_on IS NULL").await;
        let problem = verdict.expect("an answer").expect_err("no such column");
        assert_eq!(problem.position, Some(9));
        let nearest = Some("deleted_at".to_owned());
        assert_eq!(problem.category, ExpressionCategory::UnknownColumn { nearest });
    }
}
