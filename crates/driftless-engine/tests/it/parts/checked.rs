//! Beside rows of others, as a role that may not silence foreign keys: they are checked as rows go in.

use driftless_core::code;
use driftless_engine::run::restart;
use driftless_testkit::pg_dump_schema_without;

use crate::gate::{GATE, Gate};
use crate::pair::{Pair, migrate_spec, read};
use crate::session::{session_of_new_role, url_as};

/// A role that may do nothing but what the load needs, and the mapping that it loads with.
pub(super) async fn mapping(pair: &Pair, rights: &str, entities: &str) -> String {
    let (_, role) = session_of_new_role(&pair.target, "loader").await;
    pair.target.run(&rights.replace("{role}", &role)).await;
    pair.target
        .run(&format!("CREATE SCHEMA driftless AUTHORIZATION {role}"))
        .await;
    format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n{entities}",
        pair.source.url(),
        url_as(&pair.target, &role)
    )
}

const CIRCLE: &str = "
    CREATE TABLE a (id int PRIMARY KEY, b int); INSERT INTO a SELECT n, n FROM generate_series(1, 50) AS n;
    CREATE TABLE b (id int PRIMARY KEY, a int); INSERT INTO b SELECT n, 51 - n FROM generate_series(1, 50) AS n;
    UPDATE b SET a = 99 WHERE id = 7;";

/// Two tables that need each other's rows.
fn circle(filled: bool) -> String {
    let rows = if filled {
        "INSERT INTO a VALUES (gen_random_uuid(), '00000000-0000-0000-0000-000000000001');
         INSERT INTO b SELECT b, id FROM a;"
    } else {
        ""
    };
    format!(
        "CREATE TABLE a (id uuid PRIMARY KEY, b uuid NOT NULL); CREATE TABLE b (id uuid PRIMARY KEY, a uuid NOT NULL);
         {rows}
         ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b; ALTER TABLE b ADD CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a;
         COMMENT ON CONSTRAINT to_a ON b IS 'kept'"
    )
}

const CIRCLE_ENTITIES: &str = r#"
    [defaults]
    max_rejects = 60
    [entities.a]
    from = "public.a"
    into = "public.a"
    columns = { id = { id = true }, b = { ref = "b", from = "b" } }
    [entities.b]
    from = "public.b"
    into = "public.b"
    columns = { id = { id = true }, a = { ref = "a", from = "a" } }
"#;

const OWNED: &str = "ALTER TABLE a OWNER TO {role}; ALTER TABLE b OWNER TO {role}";
const GRANTED: &str = "GRANT SELECT, INSERT, UPDATE, DELETE ON a, b TO {role}";

async fn a_circle_loads(filled: bool) {
    let pair = Pair::create("circle", CIRCLE, &circle(filled)).await;
    let mapping = mapping(&pair, OWNED, CIRCLE_ENTITIES).await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    let report = migrate_spec(&read(&mapping)).await.expect("a load");
    let path = if filled { "beside" } else { "load" };
    assert!(report.entities.iter().all(|entity| entity.path == path));
    // Who lacks a parent is left out, and so is who refers to that.
    assert_eq!(
        pair.rejects("b").await,
        [("7".into(), "DL0400".into()), ("44".into(), "DL0412".into())]
    );
    assert_eq!(
        pair.rejects("a").await,
        [("7".into(), "DL0412".into()), ("44".into(), "DL0412".into())]
    );
    let theirs = i64::from(filled);
    for table in ["a", "b"] {
        assert_eq!(
            pair.count(&format!("SELECT count(*) FROM {table}")).await,
            48 + theirs
        );
    }
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    assert_eq!(
        pair.count("SELECT count(*) FROM pg_constraint WHERE NOT convalidated")
            .await,
        0
    );
    // Whichever table went first, rows of the other one would refer to what is gone.
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let deleted = restart(&read(&mapping), &[], &events).await.expect("deleted");
    let rows: Vec<i64> = deleted.iter().map(|one| one.rows).collect();
    assert_eq!(rows, [48, 48]);
    for table in ["a", "b"] {
        let left = format!("SELECT count(*) FROM {table}");
        assert_eq!(pair.count(&left).await, theirs);
    }
    migrate_spec(&read(&mapping)).await.expect("loaded again");
    assert_eq!(pair.count("SELECT count(*) FROM a").await, 48 + theirs);
}

#[tokio::test]
async fn a_circle_loads_into_empty_tables() {
    a_circle_loads(false).await;
}

#[tokio::test]
async fn a_circle_loads_beside_rows_of_others() {
    a_circle_loads(true).await;
}

#[tokio::test]
async fn a_circle_that_stays_in_place_is_refused_with_the_reason() {
    let pair = Pair::create("circle", CIRCLE, &circle(true)).await;
    let mapping = mapping(&pair, GRANTED, CIRCLE_ENTITIES).await;
    let error = migrate_spec(&read(&mapping)).await.expect_err("refused");
    assert_eq!(error.code(), code::KEYS_IN_CIRCLE, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("to_a of public.b, to_b of public.a")
            || text.contains("to_b of public.a, to_a of public.b"),
        "{text}"
    );
    assert!(text.contains("the table belongs to"), "{text}");
    assert_eq!(pair.count("SELECT count(*) FROM a").await, 1);
    // Where one of them bears null the rows find each other, in as many rounds as that takes.
    pair.target.run("ALTER TABLE a ALTER b DROP NOT NULL").await;
    pair.source.run("UPDATE a SET b = NULL").await;
    migrate_spec(&read(&mapping)).await.expect("a load");
    assert_eq!(pair.rejects("b").await, [("7".into(), "DL0400".into())]);
    assert_eq!(pair.count("SELECT count(*) FROM b").await, 50);
}

#[tokio::test]
async fn what_is_taken_back_fires_no_trigger() {
    let pair = Pair::create("journal", CIRCLE, &circle(false)).await;
    let mapping = mapping(&pair, OWNED, CIRCLE_ENTITIES).await;
    // A key that is checked at the end leaves checks behind, beside which a table cannot be altered.
    pair.target
        .run(
            "ALTER TABLE b ALTER CONSTRAINT to_a DEFERRABLE INITIALLY DEFERRED;
             CREATE TABLE journal (what text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.journal VALUES (TG_OP); RETURN NULL; END $$;
             GRANT ALL ON journal TO PUBLIC;
             CREATE TRIGGER each AFTER INSERT OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION note();
             CREATE TRIGGER once AFTER DELETE ON b EXECUTE FUNCTION note()",
        )
        .await;
    let before = pg_dump_schema_without(&pair.target.url(), "driftless");
    migrate_spec(&read(&mapping)).await.expect("a load");
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    // Somebody who writes there is waited for, and named.
    let database = pair.target.name();
    let impatient = format!("ALTER DATABASE {database} SET lock_timeout = '300ms'");
    pair.target.run(&impatient).await;
    let writer = pair.target.client().await;
    let write = "SET application_name = 'somebody'; BEGIN; LOCK TABLE b IN ROW EXCLUSIVE MODE";
    writer.batch_execute(write).await.expect("a lock");
    let busy = restart(&read(&mapping), &[], &events).await.expect_err("locked");
    assert_eq!(busy.code(), code::TARGET_BUSY, "{busy}");
    assert!(busy.to_string().contains("(somebody)"), "{busy}");
    writer.batch_execute("ROLLBACK").await.expect("a release");
    let deleted = restart(&read(&mapping), &[], &events).await.expect("deleted");
    assert_eq!(deleted.iter().map(|one| one.rows).sum::<i64>(), 96);
    assert_eq!(pair.count("SELECT count(*) FROM journal").await, 0);
    // Those who delete rows themselves are heard as before.
    assert_eq!(pg_dump_schema_without(&pair.target.url(), "driftless"), before);
    pair.target.run("DELETE FROM b").await;
    assert_eq!(pair.count("SELECT count(*) FROM journal").await, 1);
}

const ORPHANS: &str = "
    CREATE TABLE office (id int PRIMARY KEY, title text); INSERT INTO office VALUES (1, 'one'), (2, NULL);
    CREATE TABLE patient (id int PRIMARY KEY, office int, helper int, plain int);
    INSERT INTO patient VALUES (1, 1, NULL, 1), (2, 2, NULL, NULL), (3, 99, NULL, NULL), (4, 1, 88, NULL), (5, 1, 2, NULL), (6, 1, 7, NULL),
        (7, 1, 1, NULL), (8, 1, NULL, 5);";

const ORPHANS_TARGET: &str = "
    CREATE TABLE offices (id uuid PRIMARY KEY, title text NOT NULL);
    CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1);
    CREATE TABLE patients (id uuid PRIMARY KEY, office_id uuid REFERENCES offices, helper_id uuid CONSTRAINT helper REFERENCES patients,
        plain int REFERENCES plain);";

const ORPHANS_ENTITIES: &str = r#"
    [defaults]
    max_rejects = 20
    [entities.offices]
    from = "public.office"
    into = "public.offices"
    columns = { id = { id = true } }
    [entities.patients]
    from = "public.patient"
    into = "public.patients"
    [entities.patients.columns]
    id = { id = true }
    office_id = { ref = "offices", from = "office" }
    helper_id = { ref = "patients", from = "helper", missing = "park" }
"#;

#[tokio::test]
async fn a_row_without_its_parent_is_told_by_the_references_policy() {
    let pair = Pair::create("orphans", ORPHANS, ORPHANS_TARGET).await;
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON offices, patients TO {role}; GRANT SELECT ON plain TO {role}";
    let mapping = mapping(&pair, rights, ORPHANS_ENTITIES).await;
    migrate_spec(&read(&mapping)).await.expect("a load");
    let sql = "SELECT concat_ws(' ', key, state, code, sqlstate, column_name, constraint_name, parent_entity, parent_key) \
               FROM driftless.rejects WHERE entity = 'patients' ORDER BY key";
    let on_record = async || -> Vec<String> {
        let rows = pair.target.rows(sql).await.into_iter();
        rows.map(|mut row| row.remove(0).unwrap_or_default()).collect()
    };
    assert_eq!(
        on_record().await,
        [
            "2 rejected DL0412 23503 office_id patients_office_id_fkey offices 2",
            "3 rejected DL0400 23503 office_id patients_office_id_fkey offices 99",
            "4 parked DL0400 23503 helper_id helper patients 88",
            "5 parked DL0412 23503 helper_id helper patients 2",
            "8 rejected DL0407 23503 patients_plain_fkey",
        ]
    );
    // 6 came before the row that it refers to.
    assert_eq!(pair.count("SELECT count(*) FROM patients").await, 3);
    pair.source
        .run("UPDATE office SET title = 'two' WHERE id = 2")
        .await;
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    let all = driftless_engine::run::report::RejectFilter::default();
    let stop = driftless_engine::run::Stop::new();
    let report = driftless_engine::run::rejects::retry(&read(&mapping), &all, &events, &stop)
        .await
        .expect("a retry");
    assert_eq!((report.written, report.still_rejected), (3, 3));
    assert_eq!(
        on_record().await[..2],
        [
            "3 rejected DL0400 23503 office_id patients_office_id_fkey offices 99",
            "4 parked DL0400 23503 helper_id helper patients 88",
        ]
    );
}

const LEAF: &str =
    "CREATE TABLE leaf (id int PRIMARY KEY, plain int); INSERT INTO leaf VALUES (1, 1), (2, 5), (3, NULL);";

const LEAVES: &str = "
    CREATE TABLE plain (id int PRIMARY KEY, secret text); INSERT INTO plain VALUES (1);
    CREATE TABLE leaves (id uuid PRIMARY KEY, plain int CONSTRAINT outside REFERENCES plain);";

const LEAF_ENTITIES: &str = "
    [entities.leaves]\nfrom = \"public.leaf\"\ninto = \"public.leaves\"\nmax_rejects = 1\ncolumns = { id = { id = true } }\n";

#[tokio::test]
async fn a_parent_that_may_not_be_read_is_checked_by_the_server() {
    let pair = Pair::create("unread", LEAF, LEAVES).await;
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON leaves TO {role}";
    let mapping = mapping(&pair, rights, LEAF_ENTITIES).await;
    migrate_spec(&read(&mapping)).await.expect("a load");
    assert_eq!(pair.rejects("leaves").await, [("2".into(), "DL0407".into())]);
    assert_eq!(pair.count("SELECT count(*) FROM leaves").await, 2);
}

#[tokio::test]
async fn a_parent_that_must_be_read_is_named_before_the_load() {
    let pair = Pair::create("unread", LEAF, LEAVES).await;
    let rights = "ALTER TABLE leaves OWNER TO {role}; GRANT REFERENCES ON plain TO {role}";
    let mapping = mapping(&pair, rights, LEAF_ENTITIES).await;
    for error in [
        migrate_spec(&read(&mapping)).await.expect_err("refused"),
        driftless_engine::run::plan(&read(&mapping))
            .await
            .expect_err("refused"),
    ] {
        assert_eq!(error.code(), code::PRIVILEGE_MISSING, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("outside") && text.contains("GRANT SELECT ON \"public\".\"plain\" TO"),
            "{text}"
        );
    }
    assert_eq!(pair.count("SELECT count(*) FROM leaves").await, 0);
    // The columns that are referred to are enough.
    let role = pair
        .target
        .value("SELECT tableowner FROM pg_tables WHERE tablename = 'leaves'")
        .await;
    let grant = format!("GRANT SELECT (id) ON plain TO {}", role.expect("an owner"));
    pair.target.run(&grant).await;
    migrate_spec(&read(&mapping)).await.expect("a load");
    assert_eq!(pair.rejects("leaves").await, [("2".into(), "DL0400".into())]);
}

/// Two entities that write one table beside rows of others, each with the other's values in the opposite order.
#[tokio::test]
async fn two_entities_of_one_table_do_not_wait_for_each_other() {
    let pair = Pair::create(
        "turns",
        "CREATE TABLE up (id int PRIMARY KEY, code int); INSERT INTO up SELECT n, n FROM generate_series(1, 400) AS n;
         CREATE TABLE down (id int PRIMARY KEY, code int); INSERT INTO down SELECT n, 401 - n FROM generate_series(1, 400) AS n;",
        &format!(
            "{GATE} CREATE TABLE codes (id uuid PRIMARY KEY, code int UNIQUE, whose text, n int8);
             INSERT INTO codes VALUES (gen_random_uuid(), 0, 'theirs', 0);"
        ),
    )
    .await;
    let mapping = ["up", "down"].map(|name| {
        format!(
            "[entities.{name}]\nfrom = \"public.{name}\"\ninto = \"public.codes\"\nbatch_rows = 20\nmax_rejects = 400\n\
             columns = {{ id = {{ id = true }}, whose = {{ const = \"{name}\" }}, n = {{ sql = \"public.gate(id, 100)\" }} }}\n"
        )
    });
    let gate = Gate::shut(&pair.target).await;
    let mapping = mapping.concat();
    let (report, ()) = tokio::join!(pair.migrate(&mapping), async {
        gate.reached().await;
        gate.open().await;
    });
    let report = report.expect("a load");
    assert_eq!(report.entities.iter().map(|one| one.rejected).sum::<i64>(), 400);
    let whose = "SELECT string_agg(DISTINCT whose, ' ' ORDER BY whose) || ' ' || count(*) FROM codes";
    assert_eq!(pair.target.value(whose).await.as_deref(), Some("theirs up 401"));
}
