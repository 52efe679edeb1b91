//! Validation: a clean load shows no difference, and each kind of difference is found and named.

mod edge;
mod shared;

use driftless_core::code;
use driftless_engine::run::{Prepared, prepare, validate};
use driftless_engine::verify::{Check, Validation, validate_plan};

use crate::pair::Pair;

const SOURCE: &str = "
    CREATE TABLE office (id int PRIMARY KEY, title text NOT NULL);
    CREATE TABLE patient (id bigint PRIMARY KEY, office_id int, name text, price numeric(12,2), ratio float8, small real,
        born date, seen timestamp, woken time, visits smallint, helper int, secret numeric(8,2), gone boolean NOT NULL DEFAULT false);
    CREATE TABLE visit (day date, room text, patient_id bigint, amount numeric, PRIMARY KEY (day, room));
    CREATE TABLE file (code text PRIMARY KEY, about text, about_id int, bytes int);
    CREATE TABLE token (id uuid PRIMARY KEY, uses int);
    INSERT INTO office SELECT n, 'Office ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO patient SELECT n, 1 + (n + 512) % 22, 'Patient ' || n, n * 0.25, n / 8.0, n / 4.0, '1980-01-01'::date + n::int,
        '2024-06-01 12:00'::timestamp + n * interval '1.000001 minute', '08:00'::time + n * interval '1 s', n % 7, NULLIF(15 + abs(n) % 9, 17), n * 10, n % 50 = 0
        FROM generate_series(-500, 500) AS n;
    INSERT INTO visit SELECT '2024-01-01'::date + n / 7, (ARRAY['A','a','b\"','Ä','ß','z-1','z 1'])[1 + n % 7], n + 1, n * 1.10
        FROM generate_series(0, 299) AS n;
    INSERT INTO file SELECT x || n, CASE WHEN n % 2 = 0 THEN 'Office' ELSE 'Patient' END, 1 + n % 19, n * 1000
        FROM generate_series(1, 40) AS n, unnest(ARRAY['a','B','é','€','\\','z_']) AS x;
    INSERT INTO token SELECT md5(n::text)::uuid, n FROM generate_series(1, 100) AS n;";

const TARGET: &str = "
    CREATE DOMAIN money_amount AS numeric(12,2);
    CREATE TABLE offices (id uuid PRIMARY KEY, title text NOT NULL, legacy_id int UNIQUE);
    CREATE TABLE patients (id uuid PRIMARY KEY, office_id uuid REFERENCES offices, full_name text, amount money_amount,
        ratio float8, small real, born date, seen timestamptz, woken time, visits int, helper_id uuid REFERENCES offices, secret numeric, metadata jsonb,
        loaded_at timestamptz, legacy_id bigint NOT NULL UNIQUE);
    CREATE TABLE visits (day date, room text, patient_id uuid NOT NULL REFERENCES patients, amount numeric, PRIMARY KEY (day, room));
    CREATE TABLE files (id uuid PRIMARY KEY, code text, subject_id uuid, bytes bigint);
    CREATE TABLE tokens (id uuid PRIMARY KEY, legacy uuid, uses int);";

const MAPPING: &str = r#"
    [defaults]
    max_rejects = "50%"
    [entities.offices]
    from = "public.office"
    into = "public.offices"
    columns = { id = { id = true }, legacy_id = "id" }
    [entities.patients]
    from = "public.patient"
    into = "public.patients"
    where = "NOT gone"
    batch_rows = 64
    sensitive = ["secret"]
    [entities.patients.columns]
    id = { id = true }
    legacy_id = "id"
    full_name = { sql = "upper(name)" }
    office_id = { ref = "offices", from = "office_id" }
    helper_id = { ref = "offices", from = "helper", missing = "null" }
    amount = { sql = "price * 2" }
    metadata = { json = { office = { ref = "offices", from = "office_id" }, name = "name" } }
    loaded_at = { run = "started_at" }
    [entities.visits]
    from = "public.visit"
    into = "public.visits"
    columns = { patient_id = { ref = "patients", from = "patient_id" } }
    [entities.files]
    from = "public.file"
    into = "public.files"
    columns = { id = { id = true }, subject_id = { ref = { by = "about", values = { Office = "offices", Patient = "patients" } }, from = "about_id" } }
    [entities.tokens]
    from = "public.token"
    into = "public.tokens"
    columns = { id = { id = true }, legacy = "id" }
"#;

async fn loaded(hint: &str) -> Pair {
    let pair = Pair::create(hint, SOURCE, TARGET).await;
    pair.migrate(MAPPING).await.expect("a load");
    pair
}

/// The checks that differ, as `subject: check`.
pub(crate) fn differing(validation: &Validation) -> Vec<String> {
    let named = validation
        .differences()
        .map(|(subject, check)| format!("{subject}: {}", check.name));
    let named: Vec<String> = named.collect();
    assert_eq!(named.len() as i64, validation.differences);
    named
}

fn check<'v>(validation: &'v Validation, subject: &str, name: &str) -> &'v Check {
    let found = validation
        .checks()
        .find(|(of, check)| *of == subject && check.name == name);
    found
        .unwrap_or_else(|| panic!("no check {name} of {subject}: {validation:#?}"))
        .1
}

#[tokio::test]
async fn a_clean_load_shows_no_difference() {
    let pair = loaded("clean").await;
    let validation = validate(&pair.spec(MAPPING), &[]).await.expect("a report");
    assert_eq!(differing(&validation), [""; 0]);
    assert_eq!(validation.entities.len(), 5);
    let patients = &validation.entities[1];
    assert_eq!(patients.phase, "done");
    let counts = &patients.counts;
    let number = async |sql: &str| -> i64 {
        pair.target
            .value(sql)
            .await
            .expect("a number")
            .parse()
            .expect("a number")
    };
    assert_eq!(counts.live, number("SELECT count(*) FROM patients").await);
    assert_eq!(counts.target, counts.live);
    assert_eq!(
        counts.rejected,
        number("SELECT count(*) FROM driftless.rejects WHERE entity = 'patients'").await
    );
    assert_eq!(counts.source, 980);
    assert_eq!(counts.live + counts.rejected, 980);
    assert!(
        counts.rejected > 50,
        "the dangling offices are there to be rejected"
    );
    // What is shown is what plain SQL says.
    for (name, sql) in [
        ("sum of amount", "SELECT trim_scale(sum(amount)) FROM patients"),
        ("min of amount", "SELECT trim_scale(min(amount)) FROM patients"),
        ("max of ratio", "SELECT max(ratio) FROM patients"),
        ("min of small", "SELECT min(small) FROM patients"),
        ("min of born", "SELECT min(born) FROM patients"),
        ("max of woken", "SELECT max(woken) FROM patients"),
        (
            "max of seen",
            "SELECT max(seen AT TIME ZONE 'UTC') || '+00' FROM patients",
        ),
        ("sum of visits", "SELECT sum(visits) FROM patients"),
        (
            "sum of born",
            "SELECT sum(born - '2000-01-01'::date) FROM patients",
        ),
        (
            "sum of seen",
            "SELECT trunc(sum(extract(epoch FROM seen) - 946684800) * 1000000) FROM patients",
        ),
        (
            "nulls of helper_id",
            "SELECT count(*) FROM patients WHERE helper_id IS NULL",
        ),
        (
            "nulls of full_name",
            "SELECT count(*) - count(full_name) FROM patients",
        ),
    ] {
        let check = check(&validation, "patients", name);
        assert_eq!(check.ok, Some(true), "{name}");
        assert_eq!(check.source, pair.target.value(sql).await, "{name}");
        assert_eq!(check.target, check.source, "{name}");
    }
    assert_eq!(
        check(&validation, "patients", "sum of secret").source.as_deref(),
        Some("***")
    );
    assert_eq!(check(&validation, "patients", "values of loaded_at").ok, None);
    assert_eq!(validation.unchecked, 1);
    for site in ["office_id", "metadata.office"] {
        assert_eq!(
            check(&validation, "patients", &format!("orphans of {site}")).ok,
            Some(true)
        );
    }
    assert_eq!(
        check(
            &validation,
            "public.patients",
            "orphans of patients_office_id_fkey"
        )
        .ok,
        Some(true)
    );
    let json = serde_json::to_value(&validation).expect("JSON");
    assert_eq!(json["differences"], 0);
    assert_eq!(json["entities"][1]["counts"]["source"], 980);
}

#[tokio::test]
async fn only_the_named_entities_are_compared() {
    let pair = loaded("only").await;
    let validation = validate(&pair.spec(MAPPING), &["tokens".to_owned()])
        .await
        .expect("a report");
    let names: Vec<&str> = validation
        .entities
        .iter()
        .map(|entity| entity.entity.as_str())
        .collect();
    assert_eq!(names, ["tokens"]);
    assert_eq!(validation.tables.len(), 1);
    assert_eq!((validation.tables[0].ours, validation.tables[0].others), (100, 0));
}

#[tokio::test]
async fn a_target_without_state_cannot_be_validated() {
    let pair = Pair::create("nothing", SOURCE, TARGET).await;
    let error = validate(&pair.spec(MAPPING), &[])
        .await
        .expect_err("nothing was loaded");
    assert_eq!(error.code(), code::NOTHING_TO_DO);
}

/// A change of one side, how it is taken back, what must differ then, and an example where there is one.
struct Case {
    side: Side,
    made: &'static str,
    undone: &'static str,
    differs: &'static [&'static str],
    example: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Source,
    Target,
}

const fn case(
    side: Side,
    made: &'static str,
    undone: &'static str,
    differs: &'static [&'static str],
    example: Option<&'static str>,
) -> Case {
    Case {
        side,
        made,
        undone,
        differs,
        example,
    }
}

const CASES: &[Case] = &[
    // One cent in the sum of all amounts.
    case(
        Side::Target,
        "UPDATE patients SET amount = amount + 0.01 WHERE legacy_id = 3",
        "UPDATE patients SET amount = amount - 0.01 WHERE legacy_id = 3",
        &["patients: sum of amount"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE patients SET amount = NULL WHERE legacy_id = 4",
        "UPDATE patients SET amount = 2.00 WHERE legacy_id = 4",
        &["patients: nulls of amount", "patients: sum of amount"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE patients SET amount = 'NaN' WHERE legacy_id = 4",
        "UPDATE patients SET amount = 2.00 WHERE legacy_id = 4",
        &["patients: sum of amount", "patients: NaN of amount"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE visits SET amount = '-Infinity' WHERE day = '2024-01-01' AND room = 'a'",
        "UPDATE visits SET amount = 1.10 WHERE day = '2024-01-01' AND room = 'a'",
        &["visits: sum of amount", "visits: -infinity of amount"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE patients SET born = 'infinity' WHERE legacy_id = 5",
        "UPDATE patients SET born = '1980-01-06' WHERE legacy_id = 5",
        &["patients: sum of born", "patients: infinity of born"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE patients SET seen = seen + interval '1 microsecond' WHERE legacy_id = 6",
        "UPDATE patients SET seen = seen - interval '1 microsecond' WHERE legacy_id = 6",
        &["patients: sum of seen"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE patients SET ratio = 'NaN', small = 1000 WHERE legacy_id = 8",
        "UPDATE patients SET ratio = 1, small = 2 WHERE legacy_id = 8",
        &["patients: NaN of ratio", "patients: max of small"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE patients SET full_name = NULL WHERE legacy_id = 8",
        "UPDATE patients SET full_name = 'PATIENT 8' WHERE legacy_id = 8",
        &["patients: nulls of full_name"],
        None,
    ),
    case(
        Side::Target,
        "UPDATE patients SET helper_id = NULL WHERE legacy_id = 9",
        "UPDATE patients SET helper_id = (SELECT id FROM offices WHERE legacy_id = 15) WHERE legacy_id = 9",
        &["patients: nulls of helper_id"],
        None,
    ),
    // A sum that stays the same under two changes shows in the extremes.
    case(
        Side::Target,
        "UPDATE tokens SET uses = CASE uses WHEN 100 THEN 101 ELSE 1 END WHERE uses IN (2, 100)",
        "UPDATE tokens SET uses = CASE uses WHEN 101 THEN 100 ELSE 2 END \
         WHERE legacy = md5('2')::uuid OR legacy = md5('100')::uuid",
        &["tokens: max of uses"],
        None,
    ),
    // Rows that are gone, too many, or unknown.
    case(
        Side::Target,
        "CREATE TABLE saved AS SELECT * FROM tokens WHERE uses = 50; DELETE FROM tokens WHERE uses = 50",
        "INSERT INTO tokens SELECT * FROM saved; DROP TABLE saved",
        &[
            "tokens: rows in the target",
            "tokens: identities whose row is gone",
            "tokens: sum of uses",
        ],
        Some("c0c7c76d-30bd-3dca-efc9-6f40275bdc0a"),
    ),
    case(
        Side::Target,
        "INSERT INTO driftless.identity_offices (k1, t1, row_hash, execution, status) \
         VALUES (777, '00000000-0000-0000-0000-000000000777', 0, 1, 0)",
        "DELETE FROM driftless.identity_offices WHERE k1 = 777",
        &[
            "offices: rows in the target",
            "offices: keys that only the target has",
            "offices: identities whose row is gone",
        ],
        Some("777"),
    ),
    case(
        Side::Target,
        "INSERT INTO offices VALUES ('00000000-0000-0000-0000-000000000888', 'somebody else''s', 888)",
        "DELETE FROM offices WHERE legacy_id = 888",
        &[],
        None,
    ),
    case(
        Side::Target,
        "CREATE TABLE saved AS SELECT * FROM driftless.rejects WHERE entity = 'patients' AND key = '-8'; \
         DELETE FROM driftless.rejects WHERE entity = 'patients' AND key = '-8'",
        "INSERT INTO driftless.rejects SELECT * FROM saved; DROP TABLE saved",
        &[
            "patients: rows in the target or on record",
            "patients: keys that only the source has",
            "patients: sum of amount",
            "patients: sum of born",
            "patients: sum of seen",
            "patients: sum of woken",
            "patients: sum of visits",
            "patients: nulls of helper_id",
            "patients: sum of secret",
            "patients: sum of legacy_id",
        ],
        None,
    ),
    // Orphans, written as the application could not.
    case(
        Side::Target,
        "SET session_replication_role = replica; \
         UPDATE patients SET office_id = '00000000-0000-0000-0000-000000000999' WHERE legacy_id = 9",
        "UPDATE patients SET office_id = (SELECT id FROM offices WHERE legacy_id = 16) WHERE legacy_id = 9",
        &[
            "patients: orphans of office_id",
            "public.patients: orphans of patients_office_id_fkey",
        ],
        Some("9"),
    ),
    case(
        Side::Target,
        "UPDATE patients SET metadata = jsonb_set(metadata, '{office}', '\"not a uuid\"') WHERE legacy_id = 9",
        "UPDATE patients SET metadata = jsonb_set(metadata, '{office}', \
         to_jsonb((SELECT id FROM offices WHERE legacy_id = 16))) WHERE legacy_id = 9",
        &["patients: orphans of metadata.office"],
        Some("9"),
    ),
    case(
        Side::Target,
        "UPDATE files SET subject_id = '00000000-0000-0000-0000-000000000999' WHERE code = '€7'",
        "UPDATE files SET subject_id = (SELECT id FROM patients WHERE legacy_id = 8) WHERE code = '€7'",
        &["files: orphans of subject_id"],
        Some("€7"),
    ),
    // The source went on.
    case(
        Side::Source,
        "UPDATE patient SET name = 'Another' WHERE id = 11",
        "UPDATE patient SET name = 'Patient 11' WHERE id = 11",
        &["patients: rows that changed in the source since"],
        Some("11"),
    ),
    case(
        Side::Source,
        "UPDATE patient SET price = price + 0.01 WHERE id = 11",
        "UPDATE patient SET price = price - 0.01 WHERE id = 11",
        &[
            "patients: rows that changed in the source since",
            "patients: sum of amount",
        ],
        Some("11"),
    ),
    case(
        Side::Source,
        "INSERT INTO visit VALUES ('2030-01-01', 'Ä \"\\', 1, 'NaN')",
        "DELETE FROM visit WHERE day = '2030-01-01'",
        &[
            "visits: rows in the target or on record",
            "visits: keys that only the source has",
            "visits: sum of day",
            "visits: max of day",
            "visits: NaN of amount",
        ],
        Some(r#"["2030-01-01","Ä \"\\"]"#),
    ),
    case(
        Side::Source,
        "CREATE TABLE saved AS SELECT * FROM file WHERE code = 'B3'; DELETE FROM file WHERE code = 'B3'",
        "INSERT INTO file SELECT * FROM saved; DROP TABLE saved",
        &["files: keys that only the target has", "files: sum of bytes"],
        Some("B3"),
    ),
    case(
        Side::Source,
        "CREATE TABLE saved AS SELECT * FROM patient WHERE id = -8; DELETE FROM patient WHERE id = -8",
        "INSERT INTO patient SELECT * FROM saved; DROP TABLE saved",
        &["patients: rejects whose source row is gone"],
        Some("-8"),
    ),
];

#[tokio::test]
async fn each_difference_is_found_and_nothing_else() {
    let pair = loaded("each").await;
    let Prepared {
        plan,
        store,
        source,
        target,
        ..
    } = prepare(&pair.spec(MAPPING)).await.expect("a plan");
    let compared = async || {
        validate_plan(&plan, &store, &source, &target, &[])
            .await
            .expect("a report")
    };
    for case in CASES {
        let database = if case.side == Side::Source {
            &pair.source
        } else {
            &pair.target
        };
        database.run(case.made).await;
        let validation = compared().await;
        assert_eq!(differing(&validation), case.differs, "{}", case.made);
        if let Some(example) = case.example {
            let named = validation
                .differences()
                .any(|(_, check)| check.examples == [example]);
            assert!(named, "{}: {validation:#?}", case.made);
        }
        database.run(case.undone).await;
    }
    assert_eq!(differing(&compared().await), [""; 0]);
}
