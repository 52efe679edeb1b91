//! Objects: members, nesting, what nothing else uses.

use super::fixture::{Case, answer, output, short};
use super::notation::Side;
use crate::plan::{Constant, EntityPlan, JsonKind, JsonMember, Value};

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

fn members<'p>(plan: &'p EntityPlan, column: &str) -> &'p [JsonMember] {
    match &output(plan, column).value {
        Value::Json { members, .. } => members,
        other => panic!("{other:?}"),
    }
}

/// Members as `name kind value`.
fn words(plan: &EntityPlan, members: &[JsonMember]) -> Vec<String> {
    let value = |value: &Value| match value {
        Value::Input(input) => short(&plan.inputs[*input].select),
        Value::Answer(number) => answer(&plan.evaluation, *number),
        Value::Constant(number) => {
            let Constant { text, type_sql } = &plan.constants[*number];
            format!("{text:?}::{}", short(type_sql))
        }
        Value::Id => "id".to_owned(),
        Value::Ref(number) => format!("ref {number}"),
        Value::Map(map) => format!("map {}", plan.inputs[map.input].column),
        Value::Json { members, .. } => format!("{{{}}}", words(plan, members).join(", ")),
        other => format!("{other:?}"),
    };
    let one = |member: &JsonMember| format!("{} {:?} {}", member.name, member.kind, value(&member.value));
    members.iter().map(one).collect()
}

#[test]
fn members_stand_as_jsonb_stores_them() {
    let plan = one(
        "data = { json = { zz = \"n\", b = \"n\", longer = \"n\", \"é\" = \"n\", a = \"n\" } }",
        "id int4 pk; n int4",
        "id int4 pk; data jsonb",
    )
    .entity("t");
    let names: Vec<&str> = members(&plan, "data")
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    // By length in bytes, then bytes.
    assert_eq!(names, ["a", "b", "zz", "é", "longer"]);
    assert!(matches!(
        output(&plan, "data").value,
        Value::Json { jsonb: true, .. }
    ));
}

#[test]
fn every_form_has_its_place_in_an_object() {
    let plan = one(
        r#"
        id = { id = true }
        data = { json = { id = { id = true }, flag = { const = true }, text = { const = "x" }, none = { copy = "name", default = "?" }, kind = { map = "n", values = { 1 = "a" }, unknown = "null" }, sql = { sql = "n + 1" }, part = { extract = "extra", path = "$.a" }, when = { run = "started_at" }, other = { ref = "t", from = "n" }, in = { json = { deep = { json = { n = "n" } } } } } }
        "#,
        "key int4 pk; n int4; name text; extra jsonb",
        "id uuid pk; data jsonb",
    )
    .answer("t", "column data.sql", "int4")
    .answer("t", "column data.part", "text")
    .entity("t");
    let found = members(&plan, "data");
    assert_eq!(
        words(&plan, found),
        [
            "id Uuid id",
            "in Object {deep Object {n Integer \"n\"}}",
            "sql Jsonb to_jsonb(n + 1)",
            "flag Jsonb Text(\"true\")::jsonb",
            "kind String map n",
            "none String \"name\"",
            "part String jsonb_path_query_first((\"extra\")::jsonb, '$.a'::jsonpath) OPERATOR(#>>) '{}'::text[]",
            "text String Text(\"x\")::text",
            "when Jsonb Run(StartedAt)::jsonb",
            "other Uuid ref 0",
        ]
    );
    let named = |name: &str| {
        found
            .iter()
            .find(|member| member.name == name)
            .expect("the member")
    };
    assert_eq!(named("none").default.as_deref(), Some("\"?\""));
    assert!(named("when").volatile && !named("text").volatile);
    // The object holds facts, but is none itself.
    assert!(!output(&plan, "data").volatile);
    assert_eq!(plan.refs[0].path, ["other"]);
    assert_eq!(plan.refs[0].column, "data");
}

#[test]
fn copies_are_rendered_natively_where_that_is_simple() {
    let plan = one(
        "data = { json = { a = \"n\", b = \"f\", c = \"u\", d = \"m\", e = \"j\", f = \"t\", g = \"k\", h = \"at\", i = \"list\", j = \"raw\", k = \"pad\" } }",
        "id int4 pk; n int8; f bool; u uuid; m numeric(9,2); j jsonb; t varchar(9); k public.kind; at timestamptz; list int4[]; raw json; pad bpchar(3)",
        "id int4 pk; data json",
    )
    .entity("t");
    assert_eq!(
        words(&plan, members(&plan, "data")),
        [
            "a Integer \"n\"",
            "b Bool \"f\"",
            "c Uuid \"u\"",
            "d Numeric \"m\"",
            "e Jsonb \"j\"",
            "f String \"t\"",
            "g String \"k\"",
            "h Jsonb to_jsonb(\"at\")",
            "i Jsonb to_jsonb(\"list\")",
            "j Jsonb to_jsonb(\"raw\")",
            "k Jsonb to_jsonb(\"pad\")",
        ]
    );
    assert!(matches!(
        output(&plan, "data").value,
        Value::Json { jsonb: false, .. }
    ));
    // What fails there is this column's fault.
    assert!(
        plan.evaluation
            .outputs
            .iter()
            .all(|output| output.place.starts_with("column data"))
    );
}

#[test]
fn unmapped_is_what_nothing_else_uses() {
    let plan = one(
        r#"
        id = { id = true }
        a = "copied"
        b = { map = "mapped", values = { 1 = "x" }, unknown = "null" }
        c = { ref = "t", from = "referred" }
        d = { sql = "upper(computed)" }
        e = { extract = "extracted", path = "$.a" }
        f = { json = { x = "member", y = { sql = "deep" }, rest = { json = "unmapped" } } }
        [[entities.t.rules]]
        name = "positive"
        check = "judged > 0"
        on = "source"
        "#,
        "key int4 pk; same text; copied text; mapped int4; referred int4; computed text; extracted jsonb; member text; deep text; judged int4; left_over text; f text",
        "id uuid pk; same text; a text; b text; c uuid; d text; e text; f jsonb",
    )
    .answer("t", "column d", "text")
    .answer("t", "column e", "text")
    .answer("t", "column f.y", "text")
    .answer("t", "rule positive", "bool")
    .entity("t");
    let Value::Json { members, .. } = &members(&plan, "f")
        .iter()
        .find(|one| one.name == "rest")
        .expect("rest")
        .value
    else {
        panic!()
    };
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    // A rule keeps no value, and the column of the same name as the object is no part of it.
    assert_eq!(names, ["f", "judged", "left_over"]);
    assert!(
        members
            .iter()
            .all(|member| matches!(member.kind, JsonKind::String | JsonKind::Integer))
    );
}

#[test]
fn the_column_that_gives_the_uuid_is_used() {
    let mapping = r#"
        [entities.t]
        from = "old.t"
        into = "new.t"
        identity = { by = "column", column = "account" }
        [entities.t.columns]
        id = { id = true }
        rest = { json = "unmapped" }
    "#;
    let source = Side::default().with("old.t", "key int4 pk; account uuid; x text");
    let target = Side::default().with("new.t", "id uuid pk; rest jsonb");
    let plan = Case::new(mapping, source, target).entity("t");
    assert_eq!(words(&plan, members(&plan, "rest")), ["x String \"x\""]);
}
