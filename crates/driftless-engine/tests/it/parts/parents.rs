//! Rows whose parents are not there, or come later, through whole loads: where foreign keys are checked as rows go in, and
//! where they are silent. What stands in the target must be the same.

use driftless_engine::run::report::{MigrateReport, RejectFilter, RetryReport};
use driftless_engine::run::{Stop, rejects};

use crate::pair::{Pair, migrate_spec, read};
use crate::session::{session_of_new_role, url_as};

/// 5, 6 and 7 wait for each other, 3 and 4 are a circle; 8, 11, 14 and 15 lack what they cannot do without.
const SOURCE: &str = "
    CREATE TABLE unit (a int, b int, title text, PRIMARY KEY (a, b)); INSERT INTO unit VALUES (1, 1, 'one'), (2, 1, NULL);
    CREATE TABLE topic (id int PRIMARY KEY); INSERT INTO topic VALUES (2);
    CREATE TABLE person (id int PRIMARY KEY, mentor int, helper int, boss int, base int DEFAULT 1, a int, b int, kind text, subject int);
    INSERT INTO person (id, mentor) VALUES (1, 99), (2, 1), (3, 4), (4, 3), (5, 6), (6, 7), (7, 98), (9, 8), (13, 11), (18, 14);
    INSERT INTO person (id, boss) VALUES (8, 97), (10, 8), (19, 2);
    INSERT INTO person (id, a, b) VALUES (11, 1, 2), (12, 1, 1), (20, 2, 1);
    INSERT INTO person (id, base) VALUES (14, 96);
    INSERT INTO person (id, kind, subject) VALUES (15, 'P', 95), (21, 'P', 2), (22, 'N', 95), (23, 'N', 2), (24, 'T', 2), (25, 'T', 1), (26, 'M', 1), (27, 'Q', 1);
    INSERT INTO person (id, mentor, helper) VALUES (17, 94, 2);";

const TARGET: &str = "
    CREATE TABLE units (id uuid PRIMARY KEY, tenant int NOT NULL, title text NOT NULL, UNIQUE (tenant, id));
    CREATE TABLE topics (id uuid PRIMARY KEY);
    CREATE TABLE people (id uuid PRIMARY KEY, old int, mentor_id uuid REFERENCES people, helper_id uuid REFERENCES people,
        boss_id uuid REFERENCES people, base_id uuid NOT NULL REFERENCES people, tenant int, unit_id uuid, subject_id uuid, note_id uuid,
        CONSTRAINT unit FOREIGN KEY (tenant, unit_id) REFERENCES units (tenant, id));";

const THEIRS: &str = "
    INSERT INTO units VALUES ('00000000-0000-0000-0000-000000000001', 1, 'theirs');
    INSERT INTO people (id, base_id) VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001');";

const ENTITIES: &str = r#"
    [defaults]
    max_rejects = 9
    batch_rows = 2
    [entities.units]
    from = "public.unit"
    into = "public.units"
    columns = { id = { id = true }, tenant = { const = 1 } }
    [entities.topics]
    from = "public.topic"
    into = "public.topics"
    columns = { id = { id = true } }
    [entities.people]
    from = "public.person"
    into = "public.people"
    [entities.people.columns]
    id = { id = true }
    old = "id"
    mentor_id = { ref = "people", from = "mentor", missing = "null" }
    helper_id = { ref = "people", from = "helper", missing = "null" }
    boss_id = { ref = "people", from = "boss" }
    base_id = { ref = "people", from = "base", missing = "null" }
    tenant = { const = 1 }
    unit_id = { ref = "units", from = ["a", "b"], missing = "park" }
    subject_id = { ref = { by = "kind", values = { P = "people", T = "topics" } }, from = "subject", unknown = "null", missing = "park" }
    note_id = { ref = { by = "kind", values = { N = "people", M = "topics" } }, from = "subject", unknown = "null", missing = "null" }
"#;

/// Who is there, and to whom they refer: old keys.
const STANDING: &str = "
    SELECT concat_ws(' ', p.old, 'mentor', coalesce(m.old::text, '-'), 'helper', coalesce(h.old::text, '-'), 'boss', coalesce(b.old::text, '-'),
                     'about', coalesce(s.old::text, n.old::text, CASE WHEN t.id IS NOT NULL THEN 'topic' END, '-'), i.nulled)
      FROM people AS p JOIN driftless.identity_people AS i ON i.t1 = p.id LEFT JOIN people AS m ON m.id = p.mentor_id
      LEFT JOIN people AS h ON h.id = p.helper_id LEFT JOIN people AS b ON b.id = p.boss_id
      LEFT JOIN people AS s ON s.id = p.subject_id LEFT JOIN people AS n ON n.id = p.note_id
      LEFT JOIN topics AS t ON t.id = p.subject_id ORDER BY p.old";

const ON_RECORD: &str = "
    SELECT concat_ws(' ', key, state, code, column_name, parent_entity, parent_key) FROM driftless.rejects
     WHERE entity = 'people' ORDER BY length(key), key";

/// A mapping whose target role may set aside nothing and silence nothing, or may do everything.
async fn mapping(pair: &Pair, checked: bool, entities: &str) -> String {
    let mut url = pair.target.url();
    if checked {
        let (_, role) = session_of_new_role(&pair.target, "loader").await;
        pair.target
            .run(&format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
                 CREATE SCHEMA driftless AUTHORIZATION {role}"
            ))
            .await;
        url = url_as(&pair.target, &role);
    }
    format!(
        "[pipeline]\nname = \"test\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{url}\"\n{entities}",
        pair.source.url()
    )
}

async fn texts(pair: &Pair, sql: &str) -> Vec<String> {
    let rows = pair.target.rows(sql).await.into_iter();
    rows.map(|mut row| row.remove(0).unwrap_or_default()).collect()
}

async fn load(mapping: &str) -> MigrateReport {
    migrate_spec(&read(mapping)).await.expect("a load")
}

async fn retry(mapping: &str) -> RetryReport {
    let (events, _unheard) = tokio::sync::mpsc::unbounded_channel();
    rejects::retry(&read(mapping), &RejectFilter::default(), &events, &Stop::new())
        .await
        .expect("a retry")
}

async fn every_policy(hint: &str, theirs: &str, checked: bool) {
    let pair = Pair::create(hint, SOURCE, &format!("{TARGET}{theirs}")).await;
    let mapping = mapping(&pair, checked, ENTITIES).await;
    if !checked {
        // No foreign key tells that 15 has to leave: where keys are checked, who refers to it would hold it.
        pair.source
            .run("INSERT INTO person (id, mentor) VALUES (16, 15)")
            .await;
    }
    load(&mapping).await;
    let mut standing = texts(&pair, STANDING).await;
    standing.retain(|line| line != "16 mentor - helper - boss - about - t");
    assert_eq!(
        standing,
        [
            "1 mentor - helper - boss - about - t",
            "2 mentor 1 helper - boss - about -",
            "3 mentor 4 helper - boss - about -",
            "4 mentor 3 helper - boss - about -",
            "5 mentor 6 helper - boss - about -",
            "6 mentor 7 helper - boss - about -",
            "7 mentor - helper - boss - about - t",
            "9 mentor - helper - boss - about - t",
            "12 mentor - helper - boss - about -",
            "13 mentor - helper - boss - about - t",
            "17 mentor - helper 2 boss - about - t",
            "18 mentor - helper - boss - about - t",
            "19 mentor - helper - boss 2 about -",
            "21 mentor - helper - boss - about 2",
            "22 mentor - helper - boss - about - t",
            "23 mentor - helper - boss - about 2",
            "24 mentor - helper - boss - about topic",
            "26 mentor - helper - boss - about - t",
            "27 mentor - helper - boss - about -",
        ]
    );
    assert_eq!(
        pair.count("SELECT count(*) FROM people WHERE old = 16").await,
        i64::from(!checked)
    );
    let on_record = texts(&pair, ON_RECORD).await;
    if checked {
        assert_eq!(
            on_record,
            [
                "8 rejected DL0400 boss_id people 97",
                "10 rejected DL0412 boss_id people 8",
                "11 parked DL0400 unit_id units [\"1\",\"2\"]",
                "14 rejected DL0400 base_id people 96",
                "15 parked DL0400 subject_id",
                "20 parked DL0412 unit_id units [\"2\",\"1\"]",
                "25 parked DL0400 subject_id",
            ]
        );
    } else {
        // The key of a parent that never was is not known from the target.
        assert_eq!(
            on_record,
            [
                "8 rejected DL0400 boss_id",
                "10 rejected DL0412 boss_id people 8",
                "11 parked DL0400",
                "14 rejected DL0400 base_id",
                "15 parked DL0400 subject_id",
                "20 parked DL0400",
                "25 parked DL0400 subject_id",
            ]
        );
    }
    // What they lacked comes, in the order in which they are tried and against it; 14 has a mentor that nobody has, and may
    // do without.
    pair.source
        .run(
            "UPDATE unit SET title = 'x' WHERE a = 2; UPDATE person SET boss = 10 WHERE id = 8;
             UPDATE person SET boss = NULL WHERE id = 10; UPDATE person SET mentor = 93, base = 1 WHERE id = 14;
             UPDATE person SET subject = 1 WHERE id = 15; INSERT INTO person (id) VALUES (28)",
        )
        .await;
    retry(&mapping).await;
    let record = texts(&pair, ON_RECORD).await;
    assert_eq!(record.len(), 2, "{record:?}");
    let left = "SELECT concat_ws(' ', p.old, b.old, m.old, p.unit_id IS NOT NULL, p.subject_id IS NOT NULL) FROM people AS p
                  LEFT JOIN people AS m ON m.id = p.mentor_id LEFT JOIN people AS b ON b.id = p.boss_id
                 WHERE p.old IN (8, 10, 11, 14, 15, 20, 25) ORDER BY p.old";
    assert_eq!(
        texts(&pair, left).await,
        ["8 10 f f", "10 f f", "14 f f", "15 f t", "20 t f"]
    );
}

#[tokio::test]
async fn every_policy_in_a_load_with_silent_keys() {
    every_policy("parentsload", "", false).await;
}

#[tokio::test]
async fn every_policy_beside_rows_of_others_with_silent_keys() {
    every_policy("parentsbeside", THEIRS, false).await;
}

#[tokio::test]
async fn every_policy_in_a_load_with_checked_keys() {
    every_policy("parentskept", "", true).await;
}

#[tokio::test]
async fn every_policy_beside_rows_of_others_with_checked_keys() {
    every_policy("parentschecked", THEIRS, true).await;
}

/// All of them refer to a row that comes last.
#[tokio::test]
async fn rows_that_come_before_their_parent_are_no_rejects() {
    let pair = Pair::create(
        "parentslast",
        "CREATE TABLE node (id int PRIMARY KEY, up int); INSERT INTO node SELECT n, 301 FROM generate_series(1, 301) AS n;",
        "CREATE TABLE nodes (id uuid PRIMARY KEY, up_id uuid REFERENCES nodes); INSERT INTO nodes VALUES (gen_random_uuid());",
    )
    .await;
    let entities = "[entities.nodes]\nfrom = \"public.node\"\ninto = \"public.nodes\"\nbatch_rows = 20\n\
                    columns = { id = { id = true }, up_id = { ref = \"nodes\", from = \"up\" } }\n";
    let mapping = mapping(&pair, true, entities).await;
    load(&mapping).await;
    assert_eq!(
        pair.count("SELECT count(*) FROM nodes WHERE up_id IS NOT NULL")
            .await,
        301
    );
}
