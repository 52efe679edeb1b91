//! The load, end to end.

use driftless_engine::run::{Stop, migrate, restart};

use crate::pair::{Pair, read};
use crate::session::{session_of_new_role, url_as};

const SOURCE: &str = "
    CREATE TABLE office (id int PRIMARY KEY, title text NOT NULL);
    CREATE TABLE patient (id int PRIMARY KEY, office_id int, name varchar(40), status_id int, price text, born date, seen timestamp);
    INSERT INTO office SELECT n, 'Office ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO patient SELECT n, n % 22, 'Patient ' || n, n % 4, CASE WHEN n % 100 = 7 THEN 'n/a' ELSE (n * 0.25)::text END,
        '1980-01-01'::date + n, '2024-06-01 12:00'::timestamp + n * interval '1 minute' FROM generate_series(1, 1000) AS n;";

const TARGET: &str = "
    CREATE TYPE status AS ENUM ('active', 'on_hold', 'closed');
    CREATE TABLE offices (id uuid PRIMARY KEY, title text NOT NULL, legacy_id int UNIQUE);
    CREATE TABLE patients (id uuid PRIMARY KEY, office_id uuid REFERENCES offices, full_name text NOT NULL, status status,
        amount numeric(12,2), born date, seen timestamptz, metadata jsonb, legacy_id int NOT NULL UNIQUE);
    CREATE INDEX patients_office ON patients (office_id);";

const MAPPING: &str = r#"
    [defaults]
    max_rejects = "50%"
    [entities.offices]
    from = "public.office"
    into = "public.offices"
    [entities.offices.columns]
    id = { id = true }
    legacy_id = "id"
    [entities.patients]
    from = "public.patient"
    into = "public.patients"
    batch_rows = 100
    [entities.patients.columns]
    id = { id = true }
    legacy_id = "id"
    full_name = "name"
    office_id = { ref = "offices", from = "office_id" }
    status = { map = "status_id", values = { 1 = "active", 2 = "on_hold", 3 = "closed" }, unknown = "null" }
    amount = { sql = "price::numeric" }
    metadata = { json = { legacy_id = "id", migrated_at = { run = "started_at" }, office = { ref = "offices", from = "office_id", missing = "null" } } }
"#;

#[tokio::test]
async fn every_row_is_in_the_target_or_on_record() {
    let pair = Pair::create("load", SOURCE, TARGET).await;
    let report = pair.migrate(MAPPING).await.expect("a load");
    assert_eq!(report.entities.len(), 2);
    let rejected = pair
        .target
        .value("SELECT count(*)::text FROM driftless.rejects")
        .await;
    let loaded = pair.target.value("SELECT count(*)::text FROM patients").await;
    assert_eq!(
        (loaded.as_deref(), rejected.as_deref()),
        (Some("901"), Some("99"))
    );
}

/// Beside rows of others foreign keys stay in place, and a role that may not silence them has them checked at once.
#[tokio::test]
async fn children_wait_for_their_parents_where_foreign_keys_are_checked() {
    let pair = Pair::create(
        "checked",
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 3000);
         CREATE TABLE child (id int PRIMARY KEY, parent int); INSERT INTO child SELECT n, n FROM generate_series(1, 3001) AS n;",
        "CREATE TABLE parents (id int PRIMARY KEY);
         CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents);",
    )
    .await;
    let (_, role) = session_of_new_role(&pair.target, "loader").await;
    pair.target
        .run(&format!(
            "GRANT SELECT, INSERT, DELETE ON parents, children TO {role};
             CREATE SCHEMA driftless AUTHORIZATION {role}"
        ))
        .await;
    let spec = read(&format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n
         [entities.children]\nfrom = \"public.child\"\ninto = \"public.children\"\n
         [entities.parents]\nfrom = \"public.parent\"\ninto = \"public.parents\"\n",
        pair.source.url(),
        url_as(&pair.target, &role)
    ));
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..2 {
        let report = migrate(&spec, &[], &events, &Stop::new()).await.expect("a load");
        let rejected: Vec<i64> = report.entities.iter().map(|entity| entity.rejected).collect();
        assert_eq!(rejected, [1, 0]);
        let deleted = restart(&spec, &[], &events).await.expect("taken back");
        let rows: Vec<i64> = deleted.iter().map(|deletion| deletion.rows).collect();
        assert_eq!(rows, [3000, 3000]);
    }
}
