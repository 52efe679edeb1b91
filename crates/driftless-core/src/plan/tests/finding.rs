//! What is wrong with a mapping, each with its place.

use super::fixture::Case;
use super::notation::Side;
use crate::catalog::RelationKind;
use crate::code::{self, Code};

fn one(entity: &str, source: &str, target: &str) -> Case {
    let mapping = format!("[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n{entity}");
    Case::new(
        &mapping,
        Side::default().with("old.t", source),
        Side::default().with("new.t", target),
    )
}

#[track_caller]
fn expect(case: &Case, code: Code, at: &str, message: &str) {
    let (found, text, said) = case.finding();
    assert_eq!((found, text.as_str()), (code, at), "{said}");
    assert!(said.contains(message), "{said}");
}

#[test]
fn a_source_that_does_not_exist() {
    let mapping = "[entities.t]\nfrom = \"old.tt\"\ninto = \"new.t\"";
    let case = Case::new(
        mapping,
        Side::default().with("old.t", "id int4 pk"),
        Side::default().with("new.t", "id int4 pk"),
    );
    expect(
        &case,
        code::UNKNOWN_SOURCE,
        "\"old.tt\"",
        "the source has no relation old.tt",
    );
    assert!(case.findings()[0].remedy.contains("old.t"));
}

#[test]
fn a_target_that_does_not_exist_or_is_none() {
    let mapping = "[entities.t]\nfrom = \"old.t\"\ninto = \"new.tt\"";
    let source = || Side::default().with("old.t", "id int4 pk");
    let case = Case::new(mapping, source(), Side::default().with("new.t", "id int4 pk"));
    expect(
        &case,
        code::UNKNOWN_TARGET,
        "\"new.tt\"",
        "the target has no table new.tt",
    );
    let view = Side::default().with_relation("new.tt", RelationKind::View, "id int4");
    expect(
        &Case::new(mapping, source(), view),
        code::UNKNOWN_TARGET,
        "\"new.tt\"",
        "new.tt is no table",
    );
}

#[test]
fn columns_that_do_not_exist() {
    let case = one(
        "columns.a = \"nam\"",
        "id int4 pk; name text",
        "id int4 pk; a text",
    );
    expect(
        &case,
        code::UNKNOWN_SOURCE_COLUMN,
        "\"nam\"",
        "old.t has no column nam",
    );
    assert!(case.findings()[0].remedy.contains("name"));
    let case = one(
        "columns.labl = \"name\"",
        "id int4 pk; name text",
        "id int4 pk; label text",
    );
    let findings = case.findings();
    assert_eq!(findings[0].code, code::UNKNOWN_TARGET_COLUMN);
    assert_eq!(findings[0].remedy, "did you mean label?");
    let case = one("sensitive = [\"x\"]", "id int4 pk", "id int4 pk");
    expect(
        &case,
        code::UNKNOWN_SOURCE_COLUMN,
        "\"x\"",
        "neither side has a column x",
    );
    let case = one("key = [\"x\"]", "id int4 pk", "id int4 pk");
    expect(
        &case,
        code::UNKNOWN_SOURCE_COLUMN,
        "[\"x\"]",
        "the key column x does not exist",
    );
    let case = one(
        "identity = { by = \"column\", column = \"x\" }\ncolumns.id = { id = true }",
        "id int4 pk",
        "id uuid pk",
    );
    expect(
        &case,
        code::UNKNOWN_SOURCE_COLUMN,
        "{ by = \"column\", column = \"x\" }",
        "the identity column x does not exist",
    );
}

#[test]
fn a_row_needs_a_key() {
    let case = one("columns.id = { id = true }", "a int4", "id uuid pk");
    expect(&case, code::NO_KEY, "\"old.t\"", "old.t has no primary key");
    let case = one("", "id int4 pk", "id int4");
    expect(&case, code::NO_KEY, "\"new.t\"", "new.t has no primary key");
}

#[test]
fn a_generated_column_is_the_targets() {
    let case = one(
        "columns.full = \"name\"",
        "id int4 pk; name text",
        "id int4 pk; full text gen",
    );
    let findings = case.findings();
    assert_eq!(findings[0].code, code::UNWRITABLE_COLUMN);
}

#[test]
fn every_not_null_column_gets_a_value() {
    let case = one(
        "",
        "id int4 pk",
        "id int4 pk; name text !; kind text ! =; n int4 ! identity; g int4 ! gen",
    );
    let (code, _, message) = case.finding();
    assert_eq!(code, code::UNFILLED_COLUMN);
    assert_eq!(
        message,
        "new.t.name is NOT NULL, has no default and gets no value"
    );
    let case = one(
        "copy = \"none\"\ncolumns.a = \"id\"",
        "id int4 pk",
        "id int4 pk =; a int4",
    );
    let (code, _, message) = case.finding();
    assert_eq!(
        (code, message.as_str()),
        (code::UNFILLED_COLUMN, "the key column id of new.t gets no value")
    );
    let case = one("identity = { by = \"derive\" }", "id int4 pk", "id int4 pk");
    let (code, _, message) = case.finding();
    assert_eq!(
        (code, message.as_str()),
        (code::UNFILLED_COLUMN, "no column holds the row's UUID")
    );
}

#[test]
fn types_that_do_not_fit() {
    let case = one("columns.a = \"d\"", "id int4 pk; d date", "id int4 pk; a int4");
    expect(
        &case,
        code::TYPES_DO_NOT_FIT,
        "a",
        "column a: pg_catalog.date into pg_catalog.int4",
    );
    // A copy that nobody asked for can be left out.
    let case = one("", "id int4 pk; a date", "id int4 pk; a int4");
    assert!(case.findings()[0].remedy.contains("skip = [\"a\"]"));
    let case = one(
        "columns.a = { sql = \"d\" }",
        "id int4 pk; d date",
        "id int4 pk; a int4",
    )
    .answer("t", "column a", "date");
    let (code, _, message) = case.finding();
    assert_eq!(code, code::TYPES_DO_NOT_FIT);
    assert!(message.contains("an expression of type date"), "{message}");
    let case = one(
        "columns.a = { json = { x = \"id\" } }",
        "id int4 pk",
        "id int4 pk; a text",
    );
    let (code, _, message) = case.finding();
    assert_eq!(code, code::TYPES_DO_NOT_FIT);
    assert!(message.contains("json builds an object"), "{message}");
    let case = one(
        "columns.a = { extract = \"id\", path = \"$\" }",
        "id int4 pk",
        "id int4 pk; a text",
    )
    .answer("t", "column a", "text");
    let (code, _, message) = case.finding();
    assert_eq!(code, code::TYPES_DO_NOT_FIT);
    assert!(message.contains("holds no JSON"), "{message}");
}

#[test]
fn a_zone_must_be_declared() {
    let case = one("", "id int4 pk; a timestamp", "id int4 pk; a timestamptz");
    assert_eq!(case.finding().0, code::ZONE_UNDECLARED);
    assert!(case.findings()[0].remedy.contains("zone ="));
    case.zone("Europe/Paris").plan();
}

#[test]
fn a_uuid_needs_a_column_for_uuids() {
    let case = one("columns.id = { id = true }", "id int4 pk", "id int4 pk");
    assert_eq!(case.finding().0, code::NOT_A_UUID);
    let case = one(
        "identity = { by = \"column\", column = \"name\" }\ncolumns.id = { id = true }",
        "id int4 pk; name text",
        "id uuid pk",
    );
    expect(
        &case,
        code::NOT_A_UUID,
        "{ by = \"column\", column = \"name\" }",
        "the identity column name is pg_catalog.text",
    );
}

#[test]
fn refused_expressions_and_paths_are_found() {
    let case = one(
        "columns.a = { sql = \"nonsense\" }",
        "id int4 pk",
        "id int4 pk; a text",
    );
    expect(
        &case,
        code::BAD_EXPRESSION,
        "\"nonsense\"",
        "column a: PostgreSQL did not accept the expression",
    );
    let case = one(
        "columns.a = { extract = \"x\", path = \"$.[\" }",
        "id int4 pk; x jsonb",
        "id int4 pk; a text",
    );
    expect(
        &case,
        code::BAD_EXPRESSION,
        "\"$.[\"",
        "column a: PostgreSQL did not accept",
    );
    let case = one(
        "columns.a = { json = { b = { sql = \"nonsense\" } } }",
        "id int4 pk",
        "id int4 pk; a jsonb",
    );
    expect(
        &case,
        code::BAD_EXPRESSION,
        "\"nonsense\"",
        "column a.b: PostgreSQL did not accept",
    );
}

#[test]
fn constants_are_kept_whole() {
    for form in [
        "{ const = \"longer\" }",
        "{ copy = \"x\", default = \"longer\" }",
        "{ map = \"id\", values = { 1 = \"longer\" }, unknown = \"null\" }",
        "{ map = \"id\", values = { 1 = \"a\" }, unknown = { const = \"longer\" } }",
    ] {
        let case = |form: &str| {
            one(
                &format!("columns.a = {form}"),
                "id int4 pk; x text",
                "id int4 pk; a varchar(3)",
            )
        };
        expect(
            &case(form),
            code::BAD_CONSTANT,
            "a",
            "column a: \"longer\" into pg_catalog.varchar(3)",
        );
        case(&form.replace("longer", "abc")).plan();
    }
    let case = one(
        "columns.a = { const = \"today\" }",
        "id int4 pk",
        "id int4 pk; a date",
    );
    expect(&case, code::BAD_CONSTANT, "a", "another moment in every run");
}

#[test]
fn all_findings_come_at_once() {
    let case = one(
        "[entities.t.columns]\na = \"x\"\nb = { sql = \"nonsense\" }\nc = \"d\"",
        "id int4 pk; d date",
        "id int4 pk; a text; b text; c int4; e text !",
    );
    let codes: Vec<Code> = case.findings().iter().map(|finding| finding.code).collect();
    for code in [
        code::UNKNOWN_SOURCE_COLUMN,
        code::BAD_EXPRESSION,
        code::TYPES_DO_NOT_FIT,
        code::UNFILLED_COLUMN,
    ] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    assert_eq!(codes.len(), 4);
}

/// Two entities that write one table.
fn shared(first: &str, second: &str, target: &str) -> Case {
    let mapping = format!(
        "[entities.a]\nfrom = \"old.a\"\ninto = \"new.t\"\n{first}\n[entities.b]\nfrom = \"old.b\"\ninto = \"new.t\"\n{second}\n"
    );
    let columns = "id int4 pk; u uuid; v uuid";
    let source = Side::default().with("old.a", columns).with("old.b", columns);
    Case::new(&mapping, source, Side::default().with("new.t", target))
}

#[test]
fn two_entities_may_write_one_table() {
    let uuid = "columns.id = { id = true }";
    let plan = shared(uuid, uuid, "id uuid pk").plan();
    assert_eq!(plan.entities.len(), 2);
    let column = format!("identity = {{ by = \"column\", column = \"u\" }}\n{uuid}");
    shared(&column, uuid, "id uuid pk").plan();
    shared(&column, &column, "id uuid pk").plan();
}

#[test]
fn two_entities_must_not_claim_one_row() {
    let uuid = "columns.id = { id = true }";
    let kept = "columns.id = \"u\"";
    let same = format!("identity = {{ same_as = \"a\" }}\n{uuid}");
    for (first, second) in [(uuid, same.as_str()), (kept, kept), (kept, uuid), (uuid, kept)] {
        let (code, text, message) = shared(first, second, "id uuid pk").finding();
        assert_eq!(
            (code, text.as_str()),
            (code::TARGET_CLAIMED_TWICE, "\"new.t\""),
            "{first} {second}"
        );
        assert_eq!(
            message,
            "both write new.t and could give the same key to different rows"
        );
    }
}

#[test]
fn a_shared_identity_needs_one_to_share() {
    let mapping = r#"
        [entities.a]
        from = "old.t"
        into = "new.a"
        [entities.b]
        from = "old.t"
        into = "new.b"
        identity = { same_as = "a" }
        columns.id = { id = true }
    "#;
    let source = || Side::default().with("old.t", "id int4 pk; x int4");
    let target = Side::default()
        .with("new.a", "id int4 pk")
        .with("new.b", "id uuid pk");
    let case = Case::new(mapping, source(), target);
    expect(
        &case,
        code::REF_SHAPE,
        "{ same_as = \"a\" }",
        "there is no UUID to share",
    );
    let shorter = mapping.replace(
        "into = \"new.a\"",
        "into = \"new.a\"\nkey = [\"id\", \"x\"]\ncolumns.id = { id = true }",
    );
    let target = Side::default()
        .with("new.a", "id uuid pk")
        .with("new.b", "id uuid pk");
    let case = Case::new(&shorter, source(), target);
    expect(&case, code::REF_SHAPE, "\"old.t\"", "another number of columns");
}

#[test]
fn sensitive_columns_are_those_of_the_source() {
    let plan = one(
        "sensitive = [\"notes\", \"summary\", \"data\"]\n[entities.t.columns]\nsummary = { sql = \"left(story, 9)\" }\ndata = { json = { m = \"member\", rest = { json = \"unmapped\" } } }",
        "id int4 pk; notes text; story text; member text; other text",
        "id int4 pk; notes text; summary text; data jsonb",
    )
    .answer("t", "column summary", "text")
    .entity("t");
    assert_eq!(plan.sensitive, ["member", "notes", "other", "story"]);
}
