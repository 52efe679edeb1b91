//! Whole mappings.

use super::{Sources, said};
use crate::error::Span;
use crate::spec::{Form, From, IdentitySpec, Limit, OnFail, RuleSide, SourceFile, TriggerPolicy, includes};

fn complete() -> Sources {
    let mut sources = Sources::single("driftless.toml", include_str!("complete.toml"));
    sources.add("entities/orders.toml", include_str!("included.toml"));
    sources
}

#[test]
fn a_complete_mapping_says_what_it_says() {
    let spec = said(
        &complete(),
        &[("SOURCE_DATABASE_URL", "postgres://somewhere/legacy")],
    );
    assert_eq!(spec.source.url.expose(), "postgres://somewhere/legacy");
    assert_eq!(spec.target.url.expose(), "postgres://localhost/lab");
    assert_eq!(
        (spec.source.acquire_timeout_ms, spec.source.idle_timeout_ms),
        (5_000, 3_600_000)
    );
    assert_eq!(
        spec.source.zone.as_ref().map(|zone| zone.value.as_str()),
        Some("Europe/Paris")
    );
    let names: Vec<&str> = spec.entities.iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "offices",
            "doctors",
            "patients",
            "orders",
            "order_files",
            "order_copies",
            "tags"
        ]
    );
    let ignored: Vec<String> = spec.ignore.iter().map(|one| one.relation.sql()).collect();
    assert_eq!(
        ignored,
        [
            r#""public"."dispatch_log""#,
            r#""public"."dispatch_lock""#,
            r#""odd schema"."a.b""#
        ]
    );
}

#[test]
fn an_entity_says_what_it_says() {
    let spec = said(&complete(), &[("SOURCE_DATABASE_URL", "x")]);
    let patients = spec.entity("patients").expect("patients");
    assert_eq!(
        patients.key.as_ref().map(|key| key.value.clone()),
        Some(vec!["id".to_owned()])
    );
    assert_eq!(
        patients.filter.as_ref().map(|filter| filter.value.as_str()),
        Some("deleted_at IS NULL")
    );
    assert_eq!(patients.after[0].value, "offices");
    assert_eq!(patients.domain.as_deref(), Some("clinical"));
    assert_eq!(patients.sensitive[0].value, "medical_notes");
    assert_eq!(
        patients.identity.as_ref().map(|identity| identity.value.clone()),
        Some(IdentitySpec::Derive {
            name: Some("people".to_owned())
        })
    );
    assert!(
        patients
            .adopt
            .as_ref()
            .is_some_and(|adopt| adopt.value.starts_with("SELECT"))
    );
    assert_eq!((patients.batch_rows, patients.batch_bytes), (250, 4 << 20));
    assert_eq!(
        (patients.max_rejects, patients.max_deletes),
        (Limit::Rows(10), Limit::Rows(200))
    );
    assert_eq!(patients.skip, ["internal_flag"]);
    let rules: Vec<_> = patients
        .rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.side, rule.on_fail))
        .collect();
    assert_eq!(
        rules,
        [
            ("patient_number_format", RuleSide::Source, OnFail::Reject),
            ("positive", RuleSide::Target, OnFail::Warn)
        ]
    );
}

#[test]
fn entities_of_an_included_file_take_the_defaults() {
    let spec = said(&complete(), &[("SOURCE_DATABASE_URL", "x")]);
    let orders = spec.entity("orders").expect("orders");
    assert!(matches!(&orders.from.value, From::Query(sql) if sql.starts_with("SELECT o.*")));
    assert_eq!(orders.max_rejects, Limit::Percent(0.5));
    let metadata: Vec<_> = orders
        .columns
        .iter()
        .filter(|column| column.name == "metadata")
        .collect();
    assert_eq!(metadata.len(), 1);
    assert_eq!(metadata[0].form, Form::Const(Some("{}".to_owned())));
    assert!(!metadata[0].from_defaults);
    let tags = spec.entity("tags").expect("tags");
    assert!(
        tags.columns
            .iter()
            .all(|column| column.from_defaults && column.name == "metadata")
    );
    assert_eq!(tags.triggers, TriggerPolicy::Silence);
    for name in ["order_files", "order_copies"] {
        let identity = &spec.entity(name).and_then(|entity| entity.identity.clone());
        assert_eq!(
            identity.as_ref().map(|identity| identity.value.clone()),
            Some(IdentitySpec::SameAs("orders".to_owned())),
            "{name}"
        );
    }
    assert_eq!(doctors_copy(&spec), Some(false));
}

fn doctors_copy(spec: &crate::spec::Spec) -> Option<bool> {
    Some(spec.entity("doctors")?.copy_same_name)
}

#[test]
fn the_dental_lab_reads_without_findings() {
    let mut sources = Sources::default();
    for (name, text) in [
        (
            "driftless.toml",
            include_str!("../../../../../examples/dental-lab/driftless.toml"),
        ),
        (
            "orders.toml",
            include_str!("../../../../../examples/dental-lab/entities/orders.toml"),
        ),
        (
            "people.toml",
            include_str!("../../../../../examples/dental-lab/entities/people.toml"),
        ),
        (
            "stock.toml",
            include_str!("../../../../../examples/dental-lab/entities/stock.toml"),
        ),
        (
            "talk.toml",
            include_str!("../../../../../examples/dental-lab/entities/talk.toml"),
        ),
    ] {
        sources.add(name, text);
    }
    let spec = said(
        &sources,
        &[("SOURCE_DATABASE_URL", "a"), ("TARGET_DATABASE_URL", "b")],
    );
    assert!(spec.entities.len() >= 24, "{}", spec.entities.len());
}

#[test]
fn includes_are_told_before_reading() {
    let file = |text: &str| SourceFile {
        name: "driftless.toml".to_owned(),
        text: text.to_owned(),
    };
    let patterns = includes(&file("include = [\"a/*.toml\", \"b.toml\"]\n[pipeline]\n")).expect("patterns");
    assert_eq!(
        patterns
            .iter()
            .map(|pattern| pattern.value.as_str())
            .collect::<Vec<_>>(),
        ["a/*.toml", "b.toml"]
    );
    assert_eq!(
        patterns[1].span,
        Span {
            file: 0,
            start: 23,
            end: 31
        }
    );
    assert_eq!(includes(&file("[pipeline]\n")), Ok(vec![]));
    for (text, code) in [
        ("include = 1", "DL0004"),
        ("include = [1]", "DL0004"),
        ("include = [\"a\", \"a\"]", "DL0007"),
        ("include = [\"\"]", "DL0006"),
        ("include = [", "DL0002"),
    ] {
        let findings = includes(&file(text)).expect_err(text);
        assert_eq!(findings[0].code.to_string(), code, "{text}");
    }
}
