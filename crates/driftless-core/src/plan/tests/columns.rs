//! What is written into each column, and in which form it travels.

use super::fixture::{Case, answered, lent, output, short};
use super::notation::Side;
use crate::catalog::builtin;
use crate::plan::{Canonical, Check, ConstantText, EntityPlan, EvaluationSource, Local, MapProgram, Value};
use crate::spec::{RunFact, Unknown};

fn one(columns: &str, source: &str, target: &str) -> Case {
    let mapping =
        format!("[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n[entities.t.columns]\n{columns}");
    Case::new(
        &mapping,
        side().with("old.t", source),
        side().with("new.t", target),
    )
}

fn side() -> Side {
    Side::default()
        .with_enum("public.kind", &["a", "b"])
        .with_domain("public.code", "varchar(4)", false)
        .with_domain("public.wide_code", "varchar(9)", true)
}

fn inputs(plan: &EntityPlan) -> Vec<(String, u32)> {
    let inputs = plan.inputs.iter();
    inputs.map(|input| (short(&input.select), input.oid)).collect()
}

#[test]
fn equal_types_are_read_as_bytes() {
    let case = one(
        "",
        "id int4 pk; name varchar(40); kind public.kind; tags int4[]; code public.code",
        "id int4 pk; name varchar(40); kind public.kind; tags int4[]; code public.code",
    );
    let plan = case.entity("t");
    assert_eq!(
        inputs(&plan),
        [
            ("\"id\"".to_owned(), builtin::INT4),
            ("\"name\"".to_owned(), builtin::VARCHAR),
            // A label is text on the wire.
            ("\"kind\"".to_owned(), builtin::TEXT),
            ("\"tags\"".to_owned(), 1007),
            ("\"code\"".to_owned(), builtin::VARCHAR),
        ]
    );
    let values: Vec<&Value> = plan.program.outputs.iter().map(|output| &output.value).collect();
    assert_eq!(
        values,
        [0, 1, 2, 3, 4].map(Value::Input).iter().collect::<Vec<_>>()
    );
    assert!(plan.evaluation.is_empty() && plan.key_evaluation.is_empty());
    assert!(plan.program.outputs.iter().all(|output| output.checks.is_empty()));
}

#[test]
fn what_could_be_cut_is_checked_on_its_bytes() {
    let case = one(
        "",
        "id int4 pk; code varchar(40); price numeric; kind text; n int8; seen timestamp; digits int8",
        "id int4 pk; code public.code; price numeric(12,2); kind public.kind; n int2; seen timestamp(0); digits varchar(3)",
    );
    let plan = case.entity("t");
    let found = |column: &str| {
        let output = output(&plan, column);
        (output.value.clone(), output.checks.clone())
    };
    let input = |column: &str| {
        plan.inputs
            .iter()
            .position(|input| input.column == column)
            .expect("an input")
    };
    assert_eq!(
        found("code"),
        (Value::Input(input("code")), vec![Check::Characters(4)])
    );
    let numeric = Check::Numeric {
        precision: 12,
        scale: 2,
    };
    assert_eq!(found("price"), (Value::Input(input("price")), vec![numeric]));
    let labels = Check::Label(vec!["a".into(), "b".into()]);
    assert_eq!(found("kind"), (Value::Input(input("kind")), vec![labels]));
    assert_eq!(
        found("n"),
        (
            Value::Integer {
                input: input("n"),
                width: 2
            },
            vec![]
        )
    );
    assert_eq!(
        found("seen"),
        (Value::Input(input("seen")), vec![Check::Microseconds(1_000_000)])
    );
    assert_eq!(
        found("digits"),
        (Value::IntegerText(input("digits")), vec![Check::Characters(3)])
    );
    assert!(plan.evaluation.is_empty());
}

#[test]
fn the_target_casts_what_it_must() {
    let case = one(
        "",
        "id int4 pk; price text; flag bool",
        "id int4 pk; price numeric(12,2); flag int4",
    );
    let plan = case.entity("t");
    assert_eq!(answered(&plan, "price"), "((\"price\")::text)::\"numeric\"(12,2)");
    let Check::Lossless(number) = output(&plan, "price").checks[0] else {
        panic!("{:?}", output(&plan, "price").checks)
    };
    let lossless = &plan.evaluation.outputs[number];
    assert_eq!(
        short(&lossless.sql),
        "((\"price\")::text)::\"numeric\" IS NOT DISTINCT FROM ((\"price\")::text)::\"numeric\"(12,2)"
    );
    // What fails, or would lose something, is this column's fault.
    assert_eq!(
        (lossless.column.as_deref(), lossless.place.as_str()),
        (Some("price"), "column price")
    );
    assert_eq!(answered(&plan, "flag"), "((\"flag\")::int4)::\"int4\"");
    assert_eq!(
        lent(&plan.evaluation),
        [
            ("price", EvaluationSource::Input(1), None),
            ("flag", EvaluationSource::Input(2), None)
        ]
    );
    let arrays: Vec<u32> = plan.evaluation.inputs.iter().map(|input| input.array).collect();
    assert_eq!(arrays, [builtin::TEXT_ARRAY, 1000]);
}

#[test]
fn what_the_target_does_not_know_travels_as_text() {
    let source = side().with_enum("old.mood", &["x"]).with(
        "old.t",
        "id int4 pk; moods old.mood[]; numbers int4[]; mood old.mood; when int4range",
    );
    let target = side().with(
        "new.t",
        "id int4 pk; moods text; numbers text[]; mood text; when text",
    );
    let mapping = "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"";
    let plan = Case::new(mapping, source, target).entity("t");
    let selects: Vec<String> = plan.inputs.iter().map(|input| short(&input.select)).collect();
    assert_eq!(
        selects,
        [
            "\"id\"",
            "\"moods\"::text",
            "\"numbers\"::text",
            "\"mood\"",
            "\"when\""
        ]
    );
    assert_eq!(
        lent(&plan.evaluation),
        [
            ("moods", EvaluationSource::Input(1), None),
            (
                "numbers",
                EvaluationSource::Input(2),
                Some("\"int4\"[]".to_owned())
            ),
            ("when", EvaluationSource::Input(4), None),
        ]
    );
    assert_eq!(output(&plan, "mood").value, Value::Input(3));
    assert_eq!(answered(&plan, "moods"), "(\"moods\")::\"text\"");
}

#[test]
fn lossy_lets_the_target_cut() {
    let plan = one(
        "code = { copy = \"name\", lossy = true }",
        "id int4 pk; name text",
        "id int4 pk; code varchar(4)",
    )
    .entity("t");
    assert_eq!(answered(&plan, "code"), "(\"name\")::\"varchar\"(4)");
    assert_eq!(output(&plan, "code").checks, []);
}

#[test]
fn the_column_decides_what_null_means() {
    let plan = one(
        "a = { copy = \"x\", default = \"none\", required = true }\nb = \"x\"\nc = { copy = \"x\", required = true }",
        "id int4 pk; x text",
        "id int4 pk; a varchar(9); b public.wide_code; c text",
    )
    .entity("t");
    let a = output(&plan, "a");
    assert!(a.required);
    let constant = &plan.constants[a.default.expect("a default")];
    assert_eq!(constant.text, ConstantText::Text("none".into()));
    assert_eq!(short(&constant.type_sql), "\"varchar\"(9)");
    // The domain refuses null.
    assert!(output(&plan, "b").required && output(&plan, "b").default.is_none());
    assert!(output(&plan, "c").required);
    assert!(output(&plan, "id").required);
}

#[test]
fn constants_have_the_columns_own_type() {
    let plan = one(
        "country = { const = \"FR\" }\nempty = { const = \"\" }\nloaded = { run = \"started_at\" }\nrun = { run = \"id\" }",
        "id int4 pk",
        "id int4 pk; country public.code; empty text; loaded timestamptz(0); run int8",
    )
    .entity("t");
    let constant = |column: &str| match output(&plan, column).value {
        Value::Constant(number) => (
            plan.constants[number].text.clone(),
            short(&plan.constants[number].type_sql),
        ),
        ref other => panic!("{other:?}"),
    };
    let text = |text: &str| ConstantText::Text(text.into());
    assert_eq!(
        constant("country"),
        (text("FR"), "\"public\".\"code\"".to_owned())
    );
    assert_eq!(constant("empty"), (text(""), "\"text\"".to_owned()));
    assert_eq!(
        constant("loaded"),
        (
            ConstantText::Run(RunFact::StartedAt),
            "\"timestamptz\"(0)".to_owned()
        )
    );
    assert_eq!(
        constant("run"),
        (ConstantText::Run(RunFact::Id), "\"int8\"".to_owned())
    );
    assert!(output(&plan, "loaded").volatile && output(&plan, "run").volatile);
    assert!(!output(&plan, "country").volatile);
}

#[test]
fn maps_know_a_value_by_its_text() {
    let plan = one(
        r#"
        a = { map = "n", values = { 1 = "a", 2 = "b" }, unknown = "reject" }
        b = { map = "flag", values = { true = "yes", false = "no" }, unknown = "null" }
        c = { map = "kind", values = { a = "1" }, unknown = { const = "0" } }
        "#,
        "id int4 pk; n int2; flag bool; kind public.kind",
        "id int4 pk; a public.kind; b varchar(3); c int4",
    )
    .entity("t");
    let program = |column: &str| match &output(&plan, column).value {
        Value::Map(program) => program.clone(),
        other => panic!("{other:?}"),
    };
    let values = |program: &MapProgram| -> Vec<(String, String)> {
        let named = program.values.iter().map(|(text, constant)| {
            let constant = &plan.constants[constant.expect("a constant")];
            let ConstantText::Text(value) = &constant.text else {
                panic!("{constant:?}")
            };
            (
                String::from_utf8_lossy(text).into_owned(),
                format!("{value}::{}", short(&constant.type_sql)),
            )
        });
        named.collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    let a = program("a");
    assert_eq!((a.text, a.unknown.clone()), (Canonical::Integer, Unknown::Reject));
    assert_eq!(
        values(&a),
        pairs(&[("1", "a::\"public\".\"kind\""), ("2", "b::\"public\".\"kind\"")])
    );
    let b = program("b");
    assert_eq!((b.text, b.unknown.clone()), (Canonical::Text, Unknown::Null));
    assert_eq!(short(&plan.inputs[b.input].select), "\"flag\"::text");
    assert_eq!(
        values(&b),
        pairs(&[("false", "no::\"varchar\"(3)"), ("true", "yes::\"varchar\"(3)")])
    );
    let c = program("c");
    assert_eq!(
        (c.text, plan.inputs[c.input].select.as_str()),
        (Canonical::Text, "\"kind\"")
    );
    let unknown = &plan.constants[c.unknown_constant.expect("a constant")];
    assert_eq!(unknown.text, ConstantText::Text("0".into()));
}

#[test]
fn columns_of_one_name_are_copied_unless_left_out() {
    let mapping = r#"
        [entities.t]
        from = "old.t"
        into = "new.t"
        skip = ["b"]
        [entities.t.columns]
        c = { const = "x" }
    "#;
    let source = side().with(
        "old.t",
        "id int4 pk; a text; b text; c text; full text; serial int4; only_here text",
    );
    let target = side().with(
        "new.t",
        "id int4 pk; full text gen; a text; b text; c text; serial int4 identity; only_there text",
    );
    let plan = Case::new(mapping, source, target).entity("t");
    let written: Vec<&str> = plan.columns.iter().map(|column| column.name.as_str()).collect();
    // In the target's order; what the target generates is left to it, but an identity column is written.
    assert_eq!(written, ["id", "a", "c", "serial"]);
    let outputs: Vec<&str> = plan
        .program
        .outputs
        .iter()
        .map(|output| output.column.as_str())
        .collect();
    assert_eq!(outputs, written);
    let drawn: Vec<&str> = plan.sequences.iter().map(|one| one.column.as_str()).collect();
    assert_eq!(drawn, ["serial"]);
    assert!(matches!(output(&plan, "c").value, Value::Constant(_)));
    assert_eq!(plan.inputs.len(), 3);
}

#[test]
fn no_copy_by_name_where_the_mapping_says_so() {
    let mapping = r#"
        [entities.t]
        from = "old.t"
        into = "new.t"
        copy = "none"
        columns.id = "id"
    "#;
    let source = side().with("old.t", "id int4 pk; a text");
    let target = side().with("new.t", "id int4 pk; a text");
    let plan = Case::new(mapping, source, target).entity("t");
    assert_eq!(plan.columns.len(), 1);
}

#[test]
fn defaults_apply_where_the_target_has_the_column() {
    let mapping = r#"
        [defaults.columns]
        loaded = { run = "started_at" }
        id = { id = true }
        [entities.a]
        from = "old.t"
        into = "new.a"
        [entities.b]
        from = "old.t"
        into = "new.b"
        columns.n = "id"
    "#;
    let source = side().with("old.t", "id int4 pk");
    let target = side()
        .with("new.a", "id uuid pk; loaded timestamptz")
        .with("new.b", "n int4 pk");
    let plan = Case::new(mapping, source, target).plan();
    let names = |name: &str| -> Vec<String> {
        let entity = plan.entity(name).expect("the entity");
        entity.columns.iter().map(|column| column.name.clone()).collect()
    };
    assert_eq!(names("a"), ["id", "loaded"]);
    // Without a column for the UUID the key is kept.
    assert_eq!(names("b"), ["n"]);
    let b = &plan.entity("b").expect("the entity").identity;
    assert_eq!(b.target, [("n".to_owned(), "pg_catalog.int4".to_owned())]);
}

#[test]
fn target_columns_are_told_with_their_exact_types() {
    let plan = one(
        "",
        "id int4 pk; price numeric(12,2); code public.code",
        "id int4 pk; price numeric(14,2) !; code public.code",
    )
    .entity("t");
    let told: Vec<(String, String, bool)> = plan
        .columns
        .iter()
        .map(|column| (short(&column.type_sql), short(&column.base_sql), column.not_null))
        .collect();
    assert_eq!(
        told,
        [
            ("\"int4\"".to_owned(), "\"int4\"".to_owned(), true),
            ("\"numeric\"(14,2)".to_owned(), "\"numeric\"".to_owned(), true),
            ("\"public\".\"code\"".to_owned(), "\"varchar\"".to_owned(), false),
        ]
    );
}

#[test]
fn a_declared_zone_decides_what_local_time_means() {
    let case = one("", "id int4 pk; seen timestamp", "id int4 pk; seen timestamptz").zone("Europe/Paris");
    assert_eq!(
        answered(&case.entity("t"), "seen"),
        "((\"seen\") AT TIME ZONE 'Europe/Paris')::\"timestamptz\""
    );
    let local = |case: &Case| {
        let plan = case.entity("t");
        let outputs = plan.evaluation.outputs.into_iter();
        outputs.map(|output| output.local).collect::<Vec<_>>()
    };
    let of_paris = |local| Some(("Europe/Paris".to_owned(), local));
    assert_eq!(local(&case), [of_paris(Local::Moment), of_paris(Local::Exists)]);
    // What is rounded, or is a day, says more than an offset.
    for (from, to) in [("timestamp", "timestamptz(0)"), ("date", "timestamptz")] {
        let case = one(
            "",
            &format!("id int4 pk; seen {from}"),
            &format!("id int4 pk; seen {to}"),
        );
        assert!(
            local(&case.zone("Europe/Paris")).iter().all(Option::is_none),
            "{from} to {to}"
        );
    }
}

#[test]
fn defaults_leave_out_what_cannot_be_written_or_is_skipped() {
    let mapping = r#"
        [defaults.columns]
        total = "total"
        note = "remark"
        [entities.a]
        from = "old.t"
        into = "new.a"
        skip = ["note"]
        [entities.b]
        from = "old.t"
        into = "new.b"
        columns.note = { const = "own" }
    "#;
    let source = side().with("old.t", "id int4 pk; total int4");
    let target = side()
        .with("new.a", "id int4 pk; total int4 gen; note text")
        .with("new.b", "id int4 pk; total int4; note text");
    let case = Case::new(mapping, source.clone(), target);
    let plan = case.plan();
    let names = |name: &str| -> Vec<String> {
        let entity = plan.entity(name).expect("the entity");
        entity.columns.iter().map(|column| column.name.clone()).collect()
    };
    assert_eq!(names("a"), ["id"]);
    assert_eq!(names("b"), ["id", "total", "note"]);
    // A default that does not suit an entity says how that one does without it.
    let target = side()
        .with("new.a", "id int4 pk")
        .with("new.b", "id int4 pk; total int4; note text");
    let mapping = mapping.replace("columns.note = { const = \"own\" }", "");
    let findings = Case::new(&mapping, source, target).findings();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        findings[0].remedy.contains("`skip = [\"note\"]`"),
        "{findings:#?}"
    );
}
