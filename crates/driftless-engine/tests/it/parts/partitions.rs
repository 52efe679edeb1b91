//! Foreign keys to a part of what is written, and to the whole of which a part is written.

use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE offices (id int PRIMARY KEY); INSERT INTO offices VALUES (1);
    CREATE TABLE measures (id uuid PRIMARY KEY, year int, kind int, office int);
    INSERT INTO measures SELECT md5(n::text)::uuid, 2024, 1 + n % kinds, CASE WHEN n % 10 = 0 THEN 99 ELSE 1 END FROM generate_series(1, 60) AS n;
    CREATE TABLE visits (id int PRIMARY KEY, year int, kind int, measure uuid);
    INSERT INTO visits SELECT n, 2024, 1 + n % kinds, md5(n::text)::uuid FROM generate_series(1, 60) AS n;
    CREATE TABLE bills (id int PRIMARY KEY, visit int); INSERT INTO bills SELECT n, n FROM generate_series(1, 60) AS n;";

const TARGET: &str = "
    CREATE TABLE offices (id uuid PRIMARY KEY);
    CREATE TABLE measures (id uuid, year int, kind int, office uuid REFERENCES offices, UNIQUE (id, year, kind)) PARTITION BY LIST (year);
    CREATE TABLE measures_2024 PARTITION OF measures FOR VALUES IN (2024) PARTITION BY LIST (kind);
    CREATE TABLE measures_2024_1 PARTITION OF measures_2024 (PRIMARY KEY (id)) FOR VALUES IN (1);
    CREATE TABLE measures_2024_2 PARTITION OF measures_2024 FOR VALUES IN (2);";

const VISITS: &str = "CREATE TABLE visits (id uuid PRIMARY KEY, year int, kind int, measure uuid,
                      FOREIGN KEY (measure, year, kind) REFERENCES measures (id, year, kind))";

/// Measures leave in the proof, for their office is not there: visits go with them, and bills with those.
async fn visits_leave_with_their_measures(hint: &str, kinds: u8, into: &str, visits: &str) {
    let pair = Pair::create(
        hint,
        &SOURCE.replace("kinds", &kinds.to_string()),
        &format!("{TARGET} {visits}; CREATE TABLE bills (id uuid PRIMARY KEY, visit uuid REFERENCES visits)"),
    )
    .await;
    let mapping = format!(
        "[defaults]\nmax_rejects = \"50%\"\n\
         [entities.bills]\nfrom = \"public.bills\"\ninto = \"public.bills\"\n\
         columns = {{ id = {{ id = true }}, visit = {{ ref = \"visits\", from = \"visit\" }} }}\n\
         [entities.visits]\nfrom = \"public.visits\"\ninto = \"public.visits\"\n\
         columns = {{ id = {{ id = true }}, year = \"year\", kind = \"kind\", measure = \"measure\" }}\n\
         [entities.measures]\nfrom = \"public.measures\"\ninto = \"public.{into}\"\nidentity = {{ by = \"column\", column = \"id\" }}\n\
         columns = {{ id = {{ id = true }}, year = \"year\", kind = \"kind\", office = {{ ref = \"offices\", from = \"office\" }} }}\n\
         [entities.offices]\nfrom = \"public.offices\"\ninto = \"public.offices\"\ncolumns = {{ id = {{ id = true }} }}\n"
    );
    pair.migrate(&mapping).await.expect("a load");
    for table in ["measures", "visits", "bills"] {
        let (rows, rejects) = (
            pair.count(&format!("SELECT count(*) FROM {table}")).await,
            pair.rejects(table).await,
        );
        assert_eq!((rows, rejects.len()), (54, 6), "{table} of {hint}: {rejects:?}");
    }
    let lost = "SELECT count(*) FROM visits AS v WHERE NOT EXISTS (SELECT FROM measures AS m WHERE m.id = v.measure)";
    assert_eq!(pair.count(lost).await, 0);
}

#[tokio::test]
async fn a_key_to_a_partition_of_what_is_written() {
    let visits = "CREATE TABLE visits (id uuid PRIMARY KEY, year int, kind int, measure uuid REFERENCES measures_2024_1 (id))";
    visits_leave_with_their_measures("partition_written", 1, "measures", visits).await;
}

/// PostgreSQL keeps a constraint per partition beside the one that was declared: no row has to be in all of them.
#[tokio::test]
async fn a_key_to_the_whole_of_several_partitions() {
    visits_leave_with_their_measures("root_written", 2, "measures", VISITS).await;
}

#[tokio::test]
async fn a_key_to_the_whole_of_which_a_partition_is_written() {
    visits_leave_with_their_measures("root_referred_to", 1, "measures_2024_1", VISITS).await;
}

/// Rows that repeat a value leave a partitioned table and another one; the smallest key stays in each.
#[tokio::test]
async fn rows_that_repeat_a_value_leave_partitions() {
    let source = "
        CREATE TABLE measure (id int PRIMARY KEY, year int, code int);
        INSERT INTO measure SELECT n, 2024 + n % 2, n / 4 FROM generate_series(1, 40) AS n;
        CREATE TABLE note (id int PRIMARY KEY, code int); INSERT INTO note SELECT n, n / 2 FROM generate_series(1, 9) AS n;";
    let target = "
        CREATE TABLE measures (id uuid, legacy int, year int, code int, PRIMARY KEY (id, year), UNIQUE (year, code)) PARTITION BY LIST (year);
        CREATE TABLE measures_2024 PARTITION OF measures FOR VALUES IN (2024);
        CREATE TABLE measures_2025 PARTITION OF measures FOR VALUES IN (2025);
        CREATE TABLE notes (id uuid PRIMARY KEY, legacy int, code int UNIQUE); CREATE INDEX notes_legacy ON notes (legacy);";
    let mapping = r#"
        [defaults]
        max_rejects = "90%"
        [entities.measures]
        from = "public.measure"
        into = "public.measures"
        columns = { id = { id = true }, legacy = "id", year = "year", code = "code" }
        [entities.notes]
        from = "public.note"
        into = "public.notes"
        columns = { id = { id = true }, legacy = "id", code = "code" }
    "#;
    let pair = Pair::create("partitions_repeat", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    for (stays, expected) in [
        (
            "SELECT legacy FROM measures ORDER BY 1",
            "SELECT min(id) FROM measure GROUP BY year, code ORDER BY 1",
        ),
        (
            "SELECT legacy FROM notes ORDER BY 1",
            "SELECT min(id) FROM note GROUP BY code ORDER BY 1",
        ),
    ] {
        let (stays, expected) = (
            pair.target
                .rows(&format!("SELECT s.*::text FROM ({stays}) AS s"))
                .await,
            pair.source
                .rows(&format!("SELECT s.*::text FROM ({expected}) AS s"))
                .await,
        );
        assert_eq!(stays, expected);
    }
}
