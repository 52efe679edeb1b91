//! Variables in settings, and settings from variables.

use super::{HEAD, OFFICES, Sources, refused, said, sources};
use crate::spec::{Limit, Spec, Style, render};

fn offices(spec: &Spec) -> &crate::spec::EntitySpec {
    spec.entity("offices").expect("offices")
}

#[test]
fn variables_override_files_and_defaults() {
    let spec = said(
        &sources("[defaults]\nbatch_rows = 5\n"),
        &[
            ("DRIFTLESS_PIPELINE__NAME", "other"),
            ("DRIFTLESS_SOURCE__URL", "postgres://u:$p${x@h"),
            ("DRIFTLESS_SOURCE__ZONE", "UTC"),
            ("DRIFTLESS_TARGET__MAX_CONNECTIONS", "9"),
            ("DRIFTLESS_DEFAULTS__BATCH_ROWS", "77"),
            ("DRIFTLESS_DEFAULTS__BATCH_BYTES", "1MB"),
            ("DRIFTLESS_DEFAULTS__MAX_REJECTS", "2%"),
            ("DRIFTLESS_DEFAULTS__MAX_DELETES", "12"),
            ("DRIFTLESS_DEFAULTS__SKIP", "[\"a\", \"b\"]"),
            ("DRIFTLESS_DEFAULTS__DETECT", "{ by = \"hash\" }"),
            ("DRIFTLESS_PG_BIN", "/usr/bin"),
            ("HOME", "/root"),
        ],
    );
    assert_eq!(spec.pipeline.name, "other");
    assert_eq!(spec.source.url.expose(), "postgres://u:$p${x@h");
    assert_eq!(
        spec.source.zone.as_ref().map(|zone| zone.value.as_str()),
        Some("UTC")
    );
    assert_eq!(spec.target.max_connections, 9);
    let offices = offices(&spec);
    assert_eq!((offices.batch_rows, offices.batch_bytes), (77, 1 << 20));
    assert_eq!(
        (offices.max_rejects, offices.max_deletes),
        (Limit::Percent(2.0), Limit::Rows(12))
    );
    assert_eq!(offices.skip, ["a", "b"]);
}

#[test]
fn variables_make_sections_that_no_file_has() {
    let mapping = Sources::single("driftless.toml", OFFICES);
    let spec = said(
        &mapping,
        &[
            ("DRIFTLESS_PIPELINE__NAME", "lab"),
            ("DRIFTLESS_SOURCE__URL", "a"),
            ("DRIFTLESS_TARGET__URL", "b"),
        ],
    );
    assert_eq!((spec.source.url.expose(), spec.target.url.expose()), ("a", "b"));
}

#[test]
fn an_overridden_setting_is_not_expanded() {
    let mapping = Sources::single(
        "a.toml",
        format!("{HEAD}{OFFICES}").replace("postgres://a", "${NOT_SET}"),
    );
    said(&mapping, &[("DRIFTLESS_SOURCE__URL", "x")]);
}

#[test]
fn findings_about_variables_name_them() {
    for (name, text, expected) in [
        ("DRIFTLESS_PIPELINE__TYPO", "x", "unknown key `typo`"),
        ("DRIFTLESS_PIPELIN__NAME", "x", "there is no section [pipelin]"),
        ("DRIFTLESS_ENTITIES__X", "x", "there is no section [entities]"),
        ("DRIFTLESS_SOURCE__URL", "", "is empty"),
        (
            "DRIFTLESS_SOURCE__MAX_CONNECTIONS",
            "many",
            "must be a whole number from",
        ),
        (
            "DRIFTLESS_DEFAULTS__BATCH_ROWS",
            "0",
            "must be a whole number from",
        ),
        (
            "DRIFTLESS_DEFAULTS__DETECT",
            "{ by = \"x\" }",
            "what the variable holds is not possible",
        ),
        (
            "DRIFTLESS_DEFAULTS__COLUMNS",
            "{ a = 5 }",
            "must be the name of a source column",
        ),
    ] {
        let mapping = sources("");
        let findings = refused(&mapping, &[(name, text)]);
        assert_eq!(findings.len(), 1, "{name}: {findings:#?}");
        assert_eq!(findings[0].place, format!("variable {name}"));
        assert_eq!(findings[0].span, None);
        assert!(findings[0].message.starts_with(expected), "{name}: {findings:#?}");
        assert!(render(&findings, &mapping, Style::default()).contains(name));
    }
}

#[test]
fn variables_stand_in_numbers_and_lists_too() {
    let mapping = Sources::single(
        "a.toml",
        format!("{HEAD}max_connections = \"${{POOL:-7}}\"\n[defaults]\nskip = [\"${{S}}\"]\n{OFFICES}"),
    );
    let spec = said(&mapping, &[("S", "x")]);
    assert_eq!(spec.target.max_connections, 7);
    assert_eq!(offices(&spec).skip, ["x"]);
}

#[test]
fn entities_and_default_columns_keep_their_dollars() {
    let mapping = sources("[defaults.columns]\na = { sql = \"'${X}'\" }\n");
    let spec = said(&mapping, &[]);
    assert!(format!("{:?}", offices(&spec).columns).contains("'${X}'"));
}

#[test]
fn a_missing_variable_is_pointed_at() {
    let mapping = Sources::single(
        "a.toml",
        "[source]\nurl = \"postgres://${DB_USER}:geheim@${DB_HOST}/x\"\n",
    );
    let findings = refused(&mapping, &[("DB_USER", "u")]);
    let missing = findings
        .iter()
        .find(|finding| finding.code == crate::code::MISSING_VARIABLE)
        .expect("a missing variable");
    let span = missing.span.expect("a place");
    assert_eq!(
        &mapping.files[0].text[span.start as usize..span.end as usize],
        "${DB_HOST}"
    );
    let shown = render(&findings, &mapping, Style::default());
    assert!(
        shown.contains("${DB_HOST}") && !shown.contains("geheim"),
        "{shown}"
    );
}
