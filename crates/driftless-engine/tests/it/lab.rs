//! The dental laboratory: every number of `expected.sql`, and values in plain SQL.
//!
//! `legacy.sql` makes the same rows on every server, so it runs in the target too once the load is done: both shapes then
//! stand in one database, and PostgreSQL compares them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use driftless_core::spec::{self, Sources, Spec};
use driftless_engine::run::prepare;
use driftless_engine::run::report::MigrateReport;
use driftless_testkit::{TestDatabase, pg_dump_schema_without, servers};

use crate::expected::expect_ids;
use crate::pair::migrate_spec;
use crate::session::session;

mod nulled;
mod values;

/// Entity, kind, detail: how many.
type Counts = BTreeMap<(String, String, String), i64>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/dental-lab")
}

fn text(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The mapping with its includes, for these two databases as the roles that stand in it.
fn mapping(source: &TestDatabase, target: &TestDatabase) -> Spec {
    let mut sources = Sources::single("driftless.toml", text("driftless.toml"));
    let entities = folder().join("entities");
    let mut names: Vec<PathBuf> = std::fs::read_dir(&entities)
        .expect("the folder of entities")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    for path in names {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        sources.add(
            format!("entities/{name}"),
            std::fs::read_to_string(&path).expect("a readable file"),
        );
    }
    let environment = BTreeMap::from([
        (
            "SOURCE_DATABASE_URL".to_owned(),
            source.url_as("lab_reader", "lab"),
        ),
        (
            "TARGET_DATABASE_URL".to_owned(),
            target.url_as("lab_owner", "lab"),
        ),
    ]);
    let (spec, _notes) = spec::read(&sources, &environment).unwrap_or_else(|findings| {
        panic!(
            "{}",
            spec::render(&findings, &sources, spec::Style { color: false })
        )
    });
    spec
}

/// What is remembered by some inputs must not be computed from others: PostgreSQL takes each question with its own inputs alone.
async fn answers_need_their_own_inputs_alone(spec: &Spec, target: &TestDatabase) {
    let prepared = prepare(spec).await.expect("a plan");
    let session = session(target).await;
    let mut asked = 0;
    for entity in &prepared.plan.entities {
        for evaluation in [
            &entity.key_evaluation,
            &entity.evaluation,
            &entity.target_evaluation,
        ] {
            for (number, output) in evaluation.outputs.iter().enumerate() {
                let part = evaluation.part(&[number]);
                let arrays: Vec<u32> = part.inputs.iter().map(|input| input.array).collect();
                let described = session.describe(&part.sql(), &arrays).await;
                described.unwrap_or_else(|error| panic!("{} {}: {error}", entity.name, output.sql));
                asked += 1;
            }
        }
    }
    assert!(asked > 60, "{asked}");
}

#[tokio::test]
async fn the_dental_laboratory() {
    let pair = servers();
    let source = TestDatabase::create(&pair.source, "lab").await;
    let target = TestDatabase::create(&pair.target, "lab").await;
    tokio::join!(async { source.run(&text("legacy.sql")).await }, async {
        target.run(&text("target.sql")).await
    });
    let spec = mapping(&source, &target);
    answers_need_their_own_inputs_alone(&spec, &target).await;
    let before = pg_dump_schema_without(&target.url(), "driftless");
    let report = migrate_spec(&spec).await.expect("a load");
    assert_eq!(pg_dump_schema_without(&target.url(), "driftless"), before);

    let expected = expected(&source).await;
    target.run(&text("legacy.sql")).await;
    same_legacy(&source, &target).await;
    let counted = counted(&target, &report).await;
    assert_eq!(differing(&expected, &counted), Vec::<String>::new());
    silent(&target).await;
    for (entity, derivation, keys) in values::DERIVED {
        expect_ids(&target, spec.pipeline.namespace, derivation, keys).await;
        values::identities(&target, entity, derivation).await;
    }
    values::compare(&target).await;
}

/// The premise of every comparison: both servers made the same rows.
async fn same_legacy(source: &TestDatabase, target: &TestDatabase) {
    for table in ["dispatch_patient", "dispatch_instruction", "dispatch_comment"] {
        let sql = format!(
            "SET extra_float_digits = 1; SET timezone = 'UTC'; SELECT count(*), sum(hashtextextended(t::text, 0)) FROM public.{table} AS t"
        );
        assert_eq!(source.rows(&sql).await, target.rows(&sql).await, "{table}");
    }
}

async fn expected(source: &TestDatabase) -> Counts {
    let counts = source.rows(&text("expected.sql")).await;
    assert!(counts.len() > 100, "expected.sql counts much");
    counts
        .into_iter()
        .map(|row| {
            let mut row = row.into_iter().map(|value| value.expect("no null"));
            let mut next = || row.next().expect("four columns");
            let key = (next(), next(), next());
            (key, next().parse().expect("a number"))
        })
        .collect()
}

/// Where two counts differ. Kinds of which there is nothing need not be listed.
fn differing(expected: &Counts, counted: &Counts) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = expected.keys().chain(counted.keys()).collect();
    keys.into_iter()
        .map(|key| {
            let of = |counts: &Counts| counts.get(key).copied().unwrap_or(0);
            (key, of(expected), of(counted))
        })
        .filter(|(_, expected, counted)| expected != counted)
        .map(|(key, expected, counted)| format!("{key:?}: expected {expected}, counted {counted}"))
        .collect()
}

/// The same counts from the target, its state and the report.
async fn counted(target: &TestDatabase, report: &MigrateReport) -> Counts {
    let mut counts = Counts::new();
    let mut put = |entity: &str, kind: &str, detail: &str, n: i64| {
        counts.insert((entity.to_owned(), kind.to_owned(), detail.to_owned()), n);
    };
    for one in &report.entities {
        put(&one.entity, "read", "", one.read);
        let schema = if ["users", "identities"].contains(&one.entity.as_str()) {
            "auth"
        } else {
            "public"
        };
        let rows = number(target, &format!("SELECT count(*) FROM {schema}.{}", one.entity)).await;
        put(&one.entity, "rows", "", rows);
        let on_record = format!(
            "SELECT count(*) FROM driftless.rejects WHERE entity = '{}'",
            one.entity
        );
        assert_eq!(one.rejected, number(target, &on_record).await, "{}", one.entity);
    }
    for row in target.rows(REJECTS).await {
        let column = |at: usize| row[at].as_deref().expect("no null");
        put(
            column(0),
            "reject",
            column(1),
            column(2).parse().expect("a number"),
        );
    }
    for (entity, column, legacy, given) in nulled::NULLED {
        let sql = nulled::count(entity, column, legacy, given);
        put(entity, "nulled", column, number(target, &sql).await);
    }
    let warned = "SELECT entity, rule, count(*) FROM driftless.warning GROUP BY 1, 2";
    for row in target.rows(warned).await {
        let column = |at: usize| row[at].as_deref().expect("no null");
        put(
            column(0),
            "warning",
            column(1),
            column(2).parse().expect("a number"),
        );
    }
    counts
}

const REJECTS: &str = "SELECT entity, CASE WHEN code IN ('DL0400', 'DL0412') THEN 'reference' WHEN code IN ('DL0401', 'DL0410') \
     THEN 'unknown_value' WHEN code = 'DL0402' THEN 'required_null' WHEN code = 'DL0403' THEN 'would_lose' \
     WHEN code = 'DL0404' THEN 'expression_failed' WHEN code = 'DL0405' THEN 'rule' WHEN code = 'DL0406' THEN 'duplicate' \
     WHEN code = 'DL0407' THEN 'refused' ELSE code END, count(*) FROM driftless.rejects WHERE state = 'rejected' GROUP BY 1, 2";

async fn number(target: &TestDatabase, sql: &str) -> i64 {
    target
        .value(sql)
        .await
        .expect("a count")
        .parse()
        .expect("a number")
}

/// What must not have happened: triggers that fire, changes of what was there, constraints left unproven.
async fn silent(target: &TestDatabase) {
    for (what, sql) in [
        ("audit", "SELECT count(*) FROM public.audit_log"),
        (
            "profiles that a trigger made",
            "SELECT count(*) FROM public.profiles AS p WHERE metadata ->> 'legacy_id' IS NULL",
        ),
        (
            "adopted mappings changed",
            "SELECT count(*) FROM public.legacy_office_map WHERE id::text <> '0ff1ce00-0000-4000-8000-' || lpad(legacy_id::text, 12, '0')",
        ),
        (
            "unproven constraints",
            "SELECT count(*) FROM pg_constraint WHERE NOT convalidated",
        ),
        (
            "disabled triggers",
            "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'",
        ),
        (
            "DDL still set aside",
            "SELECT count(*) FROM driftless.set_aside WHERE state <> 'restored'",
        ),
        (
            "values of sensitive columns in rejects",
            "SELECT count(*) FROM driftless.rejects AS r JOIN public.dispatch_patient AS p ON p.id::text = r.key \
             WHERE r.entity = 'patients' AND p.medical_notes <> '' AND (r.source_row ->> 'medical_notes' = p.medical_notes \
             OR strpos(r.message, p.medical_notes) > 0)",
        ),
    ] {
        assert_eq!(number(target, sql).await, 0, "{what}");
    }
    let sensitive = "SELECT count(*) FROM driftless.rejects AS r JOIN public.dispatch_patient AS p ON p.id::text = r.key \
                     WHERE r.entity = 'patients' AND p.medical_notes <> ''";
    assert!(
        number(target, sensitive).await > 0,
        "some rejected patient has notes"
    );
}
