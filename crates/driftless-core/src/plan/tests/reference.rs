//! References: how the parent's key is found in the child's columns.

use super::fixture::{Case, answer, output};
use super::notation::Side;
use crate::code;
use crate::plan::{Canonical, EntityPlan, KeyText, RefTarget, Resolution, Value};
use crate::spec::{Unknown, WhenMissing};

/// A child with one reference to a parent.
fn pair(parent_key: &str, identity: &str, child: &str, reference: &str) -> Case {
    let mapping = format!(
        "[entities.parents]\nfrom = \"old.parent\"\ninto = \"new.parents\"\n{identity}\ncolumns.id = {{ id = true }}\n\
         [entities.children]\nfrom = \"old.child\"\ninto = \"new.children\"\n[entities.children.columns]\nid = {{ id = true }}\n\
         parent_id = {reference}\n"
    );
    let side = Side::default().with_enum("public.kind", &["a"]);
    Case::new(
        &mapping,
        side.clone()
            .with("old.parent", parent_key)
            .with("old.child", &format!("id int4 pk; {child}")),
        side.with("new.parents", "id uuid pk")
            .with("new.children", "id uuid pk; parent_id uuid"),
    )
}

fn parts(plan: &EntityPlan) -> Vec<String> {
    let parts = plan.program.refs[0].parts.iter();
    parts
        .map(|part| match part {
            KeyText::Input(input, canonical) => format!("{canonical:?} of {}", plan.inputs[*input].column),
            KeyText::Answer(number) => answer(&plan.key_evaluation, *number),
        })
        .collect()
}

fn derive(name: &str) -> Resolution {
    Resolution::Derive {
        name: name.to_owned(),
    }
}

const TO_PARENT: &str = "{ ref = \"parents\", from = \"p\" }";

#[test]
fn a_reference_is_another_entitys_uuid() {
    let plan = pair("id int4 pk", "", "p int8", TO_PARENT).entity("children");
    assert_eq!(output(&plan, "parent_id").value, Value::Ref(0));
    let program = &plan.program.refs[0];
    assert_eq!(program.parents, [(Vec::new(), derive("parents"))]);
    assert_eq!(
        (program.missing, program.discriminator),
        (WhenMissing::Reject, None)
    );
    assert_eq!(parts(&plan), ["Integer of p"]);
    let site = &plan.refs[0];
    assert_eq!(
        (
            site.column.as_str(),
            site.path.len(),
            site.missing,
            site.reference
        ),
        ("parent_id", 0, WhenMissing::Reject, 0)
    );
    let [
        RefTarget {
            entity,
            table,
            column,
        },
    ] = &site.parents[..]
    else {
        panic!()
    };
    assert_eq!(
        (entity.as_str(), table.to_string().as_str(), column.as_str()),
        ("parents", "new.parents", "id")
    );
}

#[test]
fn recorded_mappings_are_looked_up() {
    let with = |identity: &str, parent: &str| {
        pair(parent, identity, "p int4", TO_PARENT)
            .entity("children")
            .program
            .refs[0]
            .parents[0]
            .1
            .clone()
    };
    assert_eq!(
        with(
            "identity = { by = \"derive\", name = \"x\", adopt = { sql = \"SELECT 1\" } }",
            "id int4 pk"
        ),
        Resolution::Recorded {
            entity: "parents".into(),
            name: Some("x".into())
        }
    );
    assert_eq!(
        with(
            "identity = { by = \"column\", column = \"u\" }",
            "id int4 pk; u uuid"
        ),
        Resolution::Recorded {
            entity: "parents".into(),
            name: None
        }
    );
    assert_eq!(
        with("identity = { by = \"derive\", name = \"x\" }", "id int4 pk"),
        derive("x")
    );
}

#[test]
fn what_happens_without_the_parent_is_said() {
    for (text, missing) in [("null", WhenMissing::Null), ("reject", WhenMissing::Reject)] {
        let reference = format!("{{ ref = \"parents\", from = \"p\", missing = \"{text}\" }}");
        let plan = pair("id int4 pk", "", "p int4", &reference).entity("children");
        assert_eq!(
            (plan.program.refs[0].missing, plan.refs[0].missing),
            (missing, missing)
        );
    }
}

#[test]
fn keys_of_several_columns_stand_in_the_parents_order() {
    let plan = pair(
        "a int4 pk; b text pk",
        "",
        "x int2; y varchar(9)",
        "{ ref = \"parents\", from = [\"x\", \"y\"] }",
    )
    .entity("children");
    assert_eq!(parts(&plan), ["Integer of x", "Text of y"]);
}

#[test]
fn a_childs_value_is_read_as_the_parents_type() {
    let found = |parent: &str, child: &str| {
        parts(&pair(&format!("k {parent} pk"), "", &format!("p {child}"), TO_PARENT).entity("children"))
            .remove(0)
    };
    // Bytes that print alike need nobody's help.
    assert_eq!(found("int4", "int8"), "Integer of p");
    assert_eq!(found("text", "varchar(3)"), "Text of p");
    assert_eq!(found("text", "int4"), "Integer of p");
    assert_eq!(found("varchar(9)", "uuid"), "Uuid of p");
    assert_eq!(found("public.kind", "text"), "Text of p");
    assert_eq!(found("numeric(9,0)", "int4"), "Integer of p");
    assert_eq!(found("bpchar(9)", "int4"), "Integer of p");
    // All others are asked, and what is no value of the parent's type stays what it is.
    assert_eq!(
        found("int4", "text"),
        "CASE WHEN (\"p\")::text ~ '^\\s*[-+]?[0-9]+\\s*$' THEN (((\"p\")::text)::numeric)::text ELSE (\"p\")::text END"
    );
    assert_eq!(
        found("int4", "numeric(9,2)"),
        "CASE WHEN (\"p\")::numeric = trunc((\"p\")::numeric) THEN (trunc((\"p\")::numeric))::text ELSE (\"p\")::text END"
    );
    assert!(found("uuid", "text").starts_with("CASE WHEN (\"p\")::text ~* '^(([0-9a-f]{4}-?){7}"));
    assert_eq!(
        found("numeric(9,2)", "numeric"),
        "(CASE WHEN (\"p\")::numeric = round((\"p\")::numeric, 2) THEN round((\"p\")::numeric, 2) ELSE (\"p\")::numeric END)::text"
    );
    assert!(found("numeric(9,2)", "text").starts_with("CASE WHEN (\"p\")::text ~ '^\\s*[-+]?([0-9]+"));
    assert_eq!(found("bpchar(5)", "text"), "rtrim((\"p\")::text, ' ')");
    assert_eq!(found("text", "bpchar(5)"), "(\"p\")::text");
    assert_eq!(found("date", "date"), "(\"p\")::text");
    assert_eq!(found("timestamp(0)", "timestamp"), "(\"p\")::text");
}

#[test]
fn types_with_nothing_in_common_are_refused() {
    for (parent, child) in [
        ("int4", "bool"),
        ("int4", "date"),
        ("int4", "uuid"),
        ("uuid", "int4"),
        ("date", "timestamp"),
        ("date", "text"),
        ("timestamp", "timestamptz"),
        ("numeric(9,2)", "bool"),
        ("bool", "int4"),
    ] {
        let case = pair(&format!("k {parent} pk"), "", &format!("p {child}"), TO_PARENT);
        let (code, text, message) = case.finding();
        assert_eq!(
            (code, text.as_str()),
            (code::REF_SHAPE, "\"p\""),
            "{parent} {child}"
        );
        assert!(message.contains("column p is"), "{message}");
    }
}

#[test]
fn a_discriminator_names_the_parent() {
    let mapping = r#"
        [entities.orders]
        from = "old.order"
        into = "new.orders"
        columns.id = { id = true }
        [entities.cases]
        from = "old.case"
        into = "new.cases"
        identity = { by = "column", column = "u" }
        columns.id = { id = true }
        [entities.comments]
        from = "old.comment"
        into = "new.comments"
        [entities.comments.columns]
        id = { id = true }
        subject_id = { ref = { by = "subject_type", values = { Order = "orders", Case = "cases" } }, from = "subject_no", unknown = "null" }
    "#;
    let source = Side::default()
        .with("old.order", "id int4 pk")
        .with("old.case", "id int8 pk; u uuid")
        .with(
            "old.comment",
            "id int4 pk; subject_type varchar(9); subject_no text",
        );
    let target = Side::default()
        .with("new.orders", "id uuid pk")
        .with("new.cases", "id uuid pk")
        .with("new.comments", "id uuid pk; subject_id uuid");
    let case = Case::new(mapping, source, target);
    let plan = case.entity("comments");
    let program = &plan.program.refs[0];
    let (input, canonical) = program.discriminator.expect("a discriminator");
    assert_eq!(
        (plan.inputs[input].column.as_str(), canonical),
        ("subject_type", Canonical::Text)
    );
    assert_eq!(program.unknown, Unknown::Null);
    let named: Vec<(&[u8], Resolution)> = program
        .parents
        .iter()
        .map(|(text, how)| (text.as_slice(), how.clone()))
        .collect();
    assert!(named.contains(&(b"Order", derive("orders"))));
    assert!(named.contains(&(
        b"Case",
        Resolution::Recorded {
            entity: "cases".into(),
            name: None
        }
    )));
    assert_eq!(plan.refs[0].parents.len(), 2);
}

#[test]
fn parents_of_one_reference_have_keys_of_one_type() {
    let mapping = r#"
        [entities.a]
        from = "old.a"
        into = "new.a"
        columns.id = { id = true }
        [entities.b]
        from = "old.b"
        into = "new.b"
        columns.id = { id = true }
        [entities.c]
        from = "old.c"
        into = "new.c"
        [entities.c.columns]
        id = { id = true }
        s = { ref = { by = "t", values = { A = "a", B = "b" } }, from = "n" }
    "#;
    let source = Side::default()
        .with("old.a", "id int4 pk")
        .with("old.b", "id uuid pk")
        .with("old.c", "id int4 pk; t text; n text");
    let target = Side::default()
        .with("new.a", "id uuid pk")
        .with("new.b", "id uuid pk")
        .with("new.c", "id uuid pk; s uuid");
    let (code, text, _) = Case::new(mapping, source, target).finding();
    assert_eq!((code, text.as_str()), (code::REF_SHAPE, "\"b\""));
}

#[test]
fn references_have_the_shape_of_their_parents() {
    let (code, _, message) = pair("a int4 pk; b int4 pk", "", "p int4", TO_PARENT).finding();
    assert_eq!(code, code::REF_SHAPE);
    assert!(message.contains("1 column(s) refer to a key of 2"), "{message}");
    let (code, text, _) = pair("a int4 pk", "", "other int4", TO_PARENT).finding();
    assert_eq!((code, text.as_str()), (code::UNKNOWN_SOURCE_COLUMN, "\"p\""));
}

#[test]
fn kept_keys_are_copied_not_referred_to() {
    let mapping = r#"
        [entities.jaws]
        from = "old.jaw"
        into = "new.jaws"
        [entities.teeth]
        from = "old.tooth"
        into = "new.teeth"
        [entities.teeth.columns]
        id = { id = true }
        jaw_id = { ref = "jaws", from = "jaw" }
    "#;
    let source = Side::default()
        .with("old.jaw", "id int4 pk")
        .with("old.tooth", "id int4 pk; jaw int4");
    let target = Side::default()
        .with("new.jaws", "id int4 pk")
        .with("new.teeth", "id uuid pk; jaw_id uuid");
    let (code, text, message) = Case::new(mapping, source, target).finding();
    assert_eq!((code, text.as_str()), (code::REF_SHAPE, "\"jaws\""));
    assert!(message.contains("keeps its own keys"), "{message}");
}

/// A source whose child has foreign keys to the parent: pairs of the child's column and the parent's.
fn with_foreign_keys(pairs: &[(&str, &str)], reference: &str, key: &str) -> Case {
    let mapping = format!(
        "[entities.parents]\nfrom = \"old.parent\"\ninto = \"new.parents\"\n{key}columns.id = {{ id = true }}\n\
         [entities.children]\nfrom = \"old.child\"\ninto = \"new.children\"\n[entities.children.columns]\nid = {{ id = true }}\n\
         parent_id = {reference}\n"
    );
    let source = Side::default()
        .with("old.parent", "id int4 pk; number int4 !; a int4")
        .with("old.child", "id int4 pk; p int4; n int4")
        .change("old.child", |child| {
            for (own, theirs) in pairs {
                child.constraints.push(crate::catalog::Constraint {
                    name: format!("child_{own}_fkey"),
                    kind: crate::catalog::ConstraintKind::Foreign,
                    columns: vec![(*own).to_owned()],
                    foreign: Some(crate::catalog::ForeignKey {
                        parent: super::notation::qualified("old.parent"),
                        parent_columns: vec![(*theirs).to_owned()],
                    }),
                    ..child.constraints[0].clone()
                });
            }
        });
    let target = Side::default()
        .with("new.parents", "id uuid pk")
        .with("new.children", "id uuid pk; parent_id uuid");
    Case::new(&mapping, source, target)
}

#[test]
fn a_reference_to_a_unique_column_beside_the_key_is_not_taken_for_the_key() {
    let by_number = "{ ref = \"parents\", from = \"n\" }";
    let (code, place, message) = with_foreign_keys(&[("p", "id"), ("n", "number")], by_number, "").finding();
    assert_eq!((code, place.as_str()), (code::BESIDE_THE_KEY, "\"parents\""));
    assert_eq!(
        message,
        "column parent_id: the foreign key child_n_fkey of the source refers to number of old.parent, and rows of entity parents \
         are known by id"
    );
    // The key itself; no foreign key at all; both at once; a key that the mapping chooses.
    with_foreign_keys(&[("p", "id"), ("n", "number")], TO_PARENT, "").plan();
    with_foreign_keys(&[], by_number, "").plan();
    with_foreign_keys(&[("n", "number"), ("n", "id")], by_number, "").plan();
    with_foreign_keys(&[("n", "number")], by_number, "key = \"number\"\n").plan();
}
