//! The digest: what decides what rows become, and nothing else.

use super::fixture::Case;
use super::notation::Side;
use crate::catalog::Relation;

const MAPPING: &str = r#"
[entities.t]
from = "old.t"
into = "new.t"
[entities.t.columns]
id = { id = true }
price = { copy = "p", default = "0" }
label = { sql = "upper(n)" }
"#;

fn case(mapping: &str) -> Case {
    let source = Side::default().with("old.t", "key int4 pk; p numeric; n text");
    let target = Side::default().with("new.t", "id uuid pk; price numeric(9,2); label text");
    Case::new(mapping, source, target).answer("t", "column label", "text")
}

fn digest(case: &Case) -> u64 {
    case.entity("t").digest
}

fn said(more: &str) -> u64 {
    digest(&case(
        &MAPPING.replace("into = \"new.t\"", &format!("into = \"new.t\"\n{more}")),
    ))
}

#[test]
fn the_same_input_gives_the_same_digest() {
    assert_eq!(digest(&case(MAPPING)), digest(&case(MAPPING)));
    assert_ne!(digest(&case(MAPPING)), 0);
}

#[test]
fn what_only_decides_how_fast_rows_get_there_does_not_count() {
    let usual = digest(&case(MAPPING));
    for more in [
        "batch_rows = 7",
        "batch_bytes = \"1MB\"",
        "max_rejects = \"90%\"",
        "max_rejects = 5",
    ] {
        assert_eq!(said(more), usual, "{more}");
    }
    let other = |source: fn(&mut Relation), target: fn(&mut Relation)| {
        let from = Side::default()
            .with("old.t", "key int4 pk; p numeric; n text")
            .change("old.t", source);
        let into = Side::default()
            .with("new.t", "id uuid pk; price numeric(9,2); label text")
            .change("new.t", target);
        digest(&Case::new(MAPPING, from, into).answer("t", "column label", "text"))
    };
    assert_eq!(other(|_| {}, |table| table.has_rows = true), usual, "path");
    assert_eq!(other(|table| table.indexes.clear(), |_| {}), usual, "chunks");
    assert_eq!(
        other(|table| table.estimated_rows = 9, |table| table.bytes = 9),
        usual,
        "sizes"
    );
    assert_eq!(digest(&case(MAPPING).begun("new.t")), usual, "a begun load");
}

#[test]
fn an_entity_beside_does_not_count() {
    let more = format!(
        "{MAPPING}[entities.u]\nfrom = \"old.t\"\ninto = \"new.u\"\nafter = [\"t\"]\ncolumns.id = {{ id = true }}"
    );
    let source = Side::default().with("old.t", "key int4 pk; p numeric; n text");
    let target = Side::default()
        .with("new.t", "id uuid pk; price numeric(9,2); label text")
        .with("new.u", "id uuid pk");
    let both = Case::new(&more, source, target).answer("t", "column label", "text");
    assert_eq!(digest(&both), digest(&case(MAPPING)));
}

#[test]
fn what_decides_what_rows_become_counts() {
    let usual = digest(&case(MAPPING));
    let changed = |from: &str, to: &str| digest(&case(&MAPPING.replace(from, to)));
    assert_ne!(said("where = \"p > 0\""), usual, "where");
    assert_ne!(
        said("identity = { by = \"derive\", name = \"x\" }"),
        usual,
        "identity"
    );
    assert_ne!(changed("upper(n)", "lower(n)"), usual, "sql");
    assert_ne!(changed("\"0\"", "\"1\""), usual, "default");
    assert_ne!(
        changed("copy = \"p\"", "copy = \"p\", lossy = true"),
        usual,
        "lossy"
    );
    assert_ne!(
        changed("copy = \"p\"", "copy = \"p\", required = true"),
        usual,
        "required"
    );
    let typed = |columns: &str| {
        let source = Side::default().with("old.t", "key int4 pk; p numeric; n text");
        digest(
            &Case::new(MAPPING, source, Side::default().with("new.t", columns)).answer(
                "t",
                "column label",
                "text",
            ),
        )
    };
    assert_ne!(
        typed("id uuid pk; price numeric(9,3); label text"),
        usual,
        "a target's type"
    );
    assert_ne!(
        typed("id uuid pk; price numeric(9,2); label text !"),
        usual,
        "a target's NOT NULL"
    );
    assert_ne!(
        typed("id uuid pk; price numeric(9,2); label text; n text"),
        usual,
        "a target's column"
    );
    assert_eq!(
        typed("id uuid pk; price numeric(9,2); label text; other text"),
        usual,
        "a column that is not written"
    );
    let rule = format!("{MAPPING}[[entities.t.rules]]\nname = \"r\"\ncheck = \"p > 0\"\non = \"source\"\n");
    assert_ne!(
        digest(&case(&rule).answer("t", "rule r", "bool")),
        usual,
        "a rule"
    );
}

#[test]
fn the_namespace_counts() {
    let named = |pipeline: &str| digest(&case(MAPPING).pipeline(pipeline));
    assert_ne!(named("one"), named("other"));
    assert_eq!(named("lab"), digest(&case(MAPPING)));
}

#[test]
fn a_plan_says_how_the_whole_runs() {
    let plan = case(MAPPING).plan();
    assert_eq!(
        (plan.pipeline.as_str(), plan.state_schema.as_str()),
        ("lab", "driftless")
    );
    assert_eq!(plan.max_row_bytes, 64 << 20);
    assert!(plan.entity("t").is_some() && plan.entity("u").is_none());
}
