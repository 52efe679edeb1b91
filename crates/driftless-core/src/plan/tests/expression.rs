//! Expressions: what they read, and what becomes of their values.

use super::fixture::{Case, answer, answered, lent, output, short};
use super::notation::Side;
use crate::code;
use crate::plan::{Check, EvaluationSource, Value};

fn one(columns: &str, source: &str, target: &str) -> Case {
    let mapping =
        format!("[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n[entities.t.columns]\n{columns}");
    let side = || Side::default().with_enum("public.kind", &["a", "b"]);
    Case::new(
        &mapping,
        side().with("old.t", source),
        side().with("new.t", target),
    )
}

#[test]
fn an_expression_becomes_a_value_of_its_column() {
    let plan = one(
        "price = { sql = \"x * 2 -- twice\" }\nname = { sql = \"lower(y)\" }",
        "id int4 pk; x numeric; y text",
        "id int4 pk; price numeric(12,2); name varchar(9)",
    )
    .answer("t", "column price", "numeric")
    .answer("t", "column name", "text")
    .entity("t");
    // A comment of the user's ends with its line.
    let Value::Answer(number) = output(&plan, "price").value else {
        panic!()
    };
    assert_eq!(
        plan.evaluation.outputs[number].sql,
        "(x * 2 -- twice\n)::pg_catalog.numeric"
    );
    assert_eq!(
        output(&plan, "price").checks,
        [Check::Numeric {
            precision: 12,
            scale: 2
        }]
    );
    assert_eq!(answered(&plan, "name"), "(lower(y))::text");
    assert_eq!(output(&plan, "name").checks, [Check::Characters(9)]);
    assert_eq!(
        lent(&plan.evaluation),
        [
            ("x", EvaluationSource::Input(1), None),
            ("y", EvaluationSource::Input(2), None)
        ]
    );
}

#[test]
fn a_label_that_an_expression_gives_is_the_columns_own() {
    let plan = one(
        "a = { sql = \"k\" }\nb = { sql = \"k\" }\nc = { sql = \"upper(n)\" }",
        "id int4 pk; k public.kind; n text",
        "id int4 pk; a public.kind; b text; c public.kind",
    )
    .answer("t", "column a", "public.kind")
    .answer("t", "column b", "public.kind")
    .answer("t", "column c", "text")
    .entity("t");
    assert_eq!(answered(&plan, "a"), "(k)::\"public\".\"kind\"");
    assert_eq!(answered(&plan, "b"), "((k)::text)::\"text\"");
    assert_eq!(answered(&plan, "c"), "(upper(n))::text");
    assert_eq!(
        output(&plan, "c").checks,
        [Check::Label(vec!["a".into(), "b".into()])]
    );
    assert_eq!(
        lent(&plan.evaluation)[0],
        (
            "k",
            EvaluationSource::Input(1),
            Some("\"public\".\"kind\"".into())
        )
    );
}

#[test]
fn postgresql_is_asked_with_everything_that_may_be_read() {
    let case = one(
        "id = { id = true }\ntext = { sql = \"a || :id || :price\" }\nprice = \"p\"\nnick = { extract = \"extra\", path = \"$.n\" }",
        "key int4 pk; a text; p numeric; extra jsonb; list int4[]; :odd text",
        "id uuid pk; text text; price numeric; nick text",
    );
    let asked = case.asked();
    let places: Vec<&str> = asked.iter().map(|one| one.key.place.as_str()).collect();
    assert_eq!(places, ["column text", "column nick"]);
    assert_eq!(asked[0].request.sql, "a || \":id\" || \":price\"");
    let inputs: Vec<(&str, String)> = asked[0]
        .request
        .inputs
        .iter()
        .map(|input| (input.name.as_str(), short(&input.type_sql)))
        .collect();
    // A source column with a name that placeholders have is not among them.
    assert_eq!(
        inputs,
        [
            ("key", "\"int4\""),
            ("a", "\"text\""),
            ("p", "\"numeric\""),
            ("extra", "\"jsonb\""),
            ("list", "\"int4\"[]"),
            (":id", "uuid"),
            (":price", "\"numeric\""),
        ]
        .map(|(name, data_type)| (name, data_type.to_owned()))
    );
    assert_eq!(
        short(&asked[1].request.sql),
        "jsonb_path_query_first((\"extra\")::jsonb, '$.n'::jsonpath) OPERATOR(#>>) '{}'::text[]"
    );
}

#[test]
fn the_rows_uuid_and_native_values_are_lent() {
    let plan = one(
        "id = { id = true }\ncode = { sql = \"left(:id::text, 8) || :price || :kind\" }\nprice = \"p\"\nkind = \"k\"",
        "key int4 pk; p numeric; k text",
        "id uuid pk; code text; price numeric(12,2); kind public.kind",
    )
    .answer("t", "column code", "text")
    .entity("t");
    assert_eq!(
        answered(&plan, "code"),
        "(left(\":id\"::text, 8) || \":price\" || \":kind\")::\"text\""
    );
    assert_eq!(
        lent(&plan.evaluation),
        [
            (":id", EvaluationSource::Id, None),
            (
                ":kind",
                EvaluationSource::Output(3),
                Some("\"public\".\"kind\"".into())
            ),
            // As the column will show it: with two digits behind the point.
            (
                ":price",
                EvaluationSource::Output(2),
                Some("\"numeric\"(12,2)".into())
            ),
        ]
    );
}

#[test]
fn a_value_that_the_target_casts_is_computed_where_it_is_read() {
    let plan = one(
        "a_label = { sql = \":price || '!'\" }\nprice = { copy = \"p\", default = \"0\" }",
        "id int4 pk; p text",
        "id int4 pk; a_label text; price numeric(12,2)",
    )
    .answer("t", "column a_label", "text")
    .entity("t");
    assert_eq!(answered(&plan, "price"), "((\"p\")::text)::\"numeric\"(12,2)");
    assert_eq!(
        answered(&plan, "a_label"),
        "(coalesce((((\"p\")::text)::\"numeric\"(12,2))::\"numeric\"(12,2), '0'::\"numeric\"(12,2)) || '!')::\"text\""
    );
    assert_eq!(lent(&plan.evaluation), [("p", EvaluationSource::Input(1), None)]);
}

#[test]
fn an_array_is_read_from_its_source() {
    let plan = one(
        "n = { sql = \"cardinality(:tags)\" }\ntags = \"labels\"\nfixed = { const = \"{a}\" }\nm = { sql = \"cardinality(:fixed)\" }",
        "id int4 pk; labels text[]",
        "id int4 pk; n int4; tags text[]; fixed text[]; m int4",
    )
    .answer("t", "column n", "int4")
    .answer("t", "column m", "int4")
    .entity("t");
    assert_eq!(
        answered(&plan, "n"),
        "(cardinality(((\"labels\")::\"text\"[])))::\"int4\""
    );
    assert_eq!(
        answered(&plan, "m"),
        "(cardinality((('{a}')::\"text\"[])))::\"int4\""
    );
    assert_eq!(
        lent(&plan.evaluation),
        [("labels", EvaluationSource::Input(2), Some("\"text\"[]".into()))]
    );
}

#[test]
fn a_mapped_array_cannot_be_lent() {
    let (code, text, message) = one(
        "tags = { map = \"x\", values = { 1 = \"{a}\" }, unknown = \"null\" }\nn = { sql = \"cardinality(:tags)\" }",
        "id int4 pk; x int4",
        "id int4 pk; tags text[]; n int4",
    )
    .answer("t", "column n", "int4")
    .finding();
    assert_eq!(
        (code, text.as_str()),
        (code::BAD_EXPRESSION, "\"cardinality(:tags)\"")
    );
    assert_eq!(
        message,
        "column n reads :tags, which cannot be handed to an expression"
    );
}

/// An entity whose rows refer to each other, with an expression beside the reference and a rule.
fn with_boss(missing: &str, rule: &str) -> Case {
    let mapping = format!(
        "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n[entities.t.columns]\nid = {{ id = true }}\n\
         boss = {{ ref = \"t\", from = \"boss\", missing = \"{missing}\" }}\nkind = {{ sql = \"coalesce(:boss::text, 'none')\" }}\n\
         [[entities.t.rules]]\nname = \"led\"\ncheck = \"{rule}\"\non = \"target\"\non_fail = \"reject\"\n"
    );
    let source = Side::default().with("old.t", "id int4 pk; boss int4");
    let target = Side::default().with("new.t", "id uuid pk; boss uuid; kind text");
    Case::new(&mapping, source, target)
        .answer("t", "column kind", "text")
        .answer("t", "rule led", "bool")
}

#[test]
fn a_reference_that_may_become_null_is_read_by_nothing() {
    let (code, text, message) = with_boss("null", "kind <> ''").finding();
    assert_eq!(
        (code, text.as_str()),
        (code::BAD_EXPRESSION, "\"coalesce(:boss::text, 'none')\"")
    );
    assert!(
        message.starts_with("column kind reads :boss, which becomes null"),
        "{message}"
    );
    for missing in ["reject", "park"] {
        with_boss(missing, "boss IS NOT NULL").entity("t");
    }
}

#[test]
fn there_is_no_uuid_where_keys_are_kept() {
    let (code, text, message) = one(
        "label = { sql = \":id::text\" }",
        "id int4 pk",
        "id int4 pk; label text",
    )
    .answer("t", "column label", "text")
    .finding();
    assert_eq!((code, text.as_str()), (code::NOT_A_UUID, "\":id::text\""));
    assert!(message.contains("keeps its own keys"), "{message}");
    let (code, text, _) = one(
        "data = { json = { sub = { id = true } } }",
        "id int4 pk",
        "id int4 pk; data jsonb",
    )
    .finding();
    assert_eq!((code, text.as_str()), (code::NOT_A_UUID, "sub"));
}

#[test]
fn odd_names_do_not_clash_with_what_an_evaluation_keeps_for_itself() {
    let mapping = "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n[entities.t.columns]\nid = { id = true }\na = \":id\"\nb = { sql = \":id::text\" }\nc = \"a\\\"b\"";
    let source = Side::default().with("old.t", "key int4 pk; :id text; a\"b text");
    let target = Side::default().with("new.t", "id uuid pk; a numeric; b text; c numeric");
    let plan = Case::new(mapping, source, target)
        .answer("t", "column b", "text")
        .entity("t");
    assert_eq!(
        answered(&plan, "a"),
        "((\"driftless column :id\")::text)::\"numeric\""
    );
    assert_eq!(
        lent(&plan.evaluation),
        [
            ("driftless column :id", EvaluationSource::Input(0), None),
            ("a\"b", EvaluationSource::Input(1), None),
            (":id", EvaluationSource::Id, None),
        ]
    );
    let sql = plan.evaluation.sql();
    assert!(
        sql.contains(
            "unnest($1) AS \"driftless column :id\", pg_catalog.unnest($2) AS \"a\"\"b\", pg_catalog.unnest($3) AS \":id\""
        ),
        "{sql}"
    );
}

#[test]
fn an_evaluation_is_one_query_over_arrays() {
    let plan = one(
        "n = { sql = \"a + 1\" }\nk = { sql = \"b\" }",
        "id int4 pk; a int4; b int4[]",
        "id int4 pk; n int4; k int4[]",
    )
    .answer("t", "column n", "int4")
    .answer("t", "column k", "int4[]")
    .entity("t");
    assert_eq!(
        plan.evaluation
            .sql()
            .replace("pg_catalog.", "")
            .replace("\"pg_catalog\".", ""),
        "SELECT \"driftless ord\", (a + 1\n)::\"int4\",\n  (b\n)::\"int4\"[]\n\
         FROM (SELECT \"driftless ord\", \"a\", \"b\"::\"int4\"[] AS \"b\" FROM \
         (SELECT generate_series(1::int8, cardinality($1)::int8) AS \"driftless ord\", unnest($1) AS \"a\", unnest($2) AS \"b\") \
         AS u) AS s"
    );
}

#[test]
fn equal_questions_are_asked_once() {
    let plan = one(
        "a = { sql = \"x + 1\" }\nb = { sql = \"x + 1\" }",
        "id int4 pk; x int4",
        "id int4 pk; a int4; b int4",
    )
    .answer("t", "column a", "int4")
    .answer("t", "column b", "int4")
    .entity("t");
    assert_eq!(plan.evaluation.outputs.len(), 1);
    assert_eq!(output(&plan, "a").value, output(&plan, "b").value);
}

#[test]
fn extraction_gives_text_that_is_cast() {
    let plan = one(
        "nick = { extract = \"extra\", path = \"$.it's\" }\nage = { extract = \"extra\", path = \"$.age\" }",
        "id int4 pk; extra text",
        "id int4 pk; nick varchar(9); age int4",
    )
    .answer("t", "column nick", "text")
    .answer("t", "column age", "text")
    .entity("t");
    let path = |path: &str| {
        format!("jsonb_path_query_first((\"extra\")::jsonb, {path}::jsonpath) OPERATOR(#>>) '{{}}'::text[]")
    };
    assert_eq!(answered(&plan, "nick"), format!("({})::text", path("'$.it''s'")));
    assert_eq!(output(&plan, "nick").checks, [Check::Characters(9)]);
    assert_eq!(
        answered(&plan, "age"),
        format!("(({})::text)::\"int4\"", path("'$.age'"))
    );
}

#[test]
fn a_key_that_only_the_target_prints_is_asked_first() {
    let plan = one(
        "id = { id = true }",
        "code bpchar(4) pk; x text",
        "id uuid pk; x text",
    )
    .entity("t");
    assert_eq!(answer(&plan.key_evaluation, 0), "rtrim((\"code\")::text, ' ')");
    assert_eq!(
        lent(&plan.key_evaluation),
        [("code", EvaluationSource::Input(1), None)]
    );
    assert!(plan.evaluation.is_empty());
}
