//! Objects, as `to_jsonb` and jsonb print them. The engine's tests let a server judge the same.

use super::fixture::{Row, answers, batch, entity, evaluation, faults, output, shape, shaper};
use crate::catalog::{Oid, builtin};
use crate::code;
use crate::digest;
use crate::plan::{EntityPlan, JsonKind, JsonMember, Value};
use crate::transform::{Answers, Recorded};

const ID: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1];

fn member(name: &str, value: Value, kind: JsonKind) -> JsonMember {
    JsonMember {
        name: name.into(),
        value,
        kind,
        default: None,
        volatile: false,
    }
}

fn object(members: Vec<JsonMember>) -> Value {
    Value::Json { members, jsonb: true }
}

/// An entity with the input `a` of this type and one object of these members.
fn with_object(oid: Oid, members: Vec<JsonMember>) -> EntityPlan {
    let mut entity = entity(&[("id", builtin::INT8), ("a", oid)]);
    entity.program.outputs = vec![output("out", object(members))];
    entity
}

/// The text of the object (without version byte) for this value of `a`.
fn rendered(entity: &mut EntityPlan, value: Option<&[u8]>) -> String {
    let shaped = shape(entity, &[Some(b"k"), None], &[vec![Some(ID), value]]);
    let bytes = shaped.output(0, 0).expect("an object");
    assert_eq!(bytes[0], 1, "jsonb's version");
    String::from_utf8(bytes[1..].to_vec()).expect("UTF-8")
}

#[test]
fn every_kind_is_rendered_as_postgresql_does() {
    let twelve_and_a_half: &[u8] = &[0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 0x13, 0x88];
    let cases: [(Oid, JsonKind, &[u8], &str); 12] = [
        (
            builtin::TEXT,
            JsonKind::String,
            "a\"\\\n\u{1}é".as_bytes(),
            r#"{"m": "a\"\\\n\u0001é"}"#,
        ),
        (builtin::INT2, JsonKind::Integer, &[0xff, 0xff], r#"{"m": -1}"#),
        (builtin::INT4, JsonKind::Integer, &[0, 0, 0, 0], r#"{"m": 0}"#),
        (
            builtin::INT8,
            JsonKind::Integer,
            &[0x80, 0, 0, 0, 0, 0, 0, 0],
            r#"{"m": -9223372036854775808}"#,
        ),
        (builtin::BOOL, JsonKind::Bool, &[1], r#"{"m": true}"#),
        (builtin::BOOL, JsonKind::Bool, &[0], r#"{"m": false}"#),
        (
            builtin::UUID,
            JsonKind::Uuid,
            &[0xab; 16],
            r#"{"m": "abababab-abab-abab-abab-abababababab"}"#,
        ),
        (
            builtin::NUMERIC,
            JsonKind::Numeric,
            twelve_and_a_half,
            r#"{"m": 12.50}"#,
        ),
        (
            builtin::NUMERIC,
            JsonKind::Numeric,
            &[0, 0, 0, 0, 0xc0, 0, 0, 0],
            r#"{"m": "NaN"}"#,
        ),
        (
            builtin::NUMERIC,
            JsonKind::Numeric,
            &[0, 0, 0, 0, 0xf0, 0, 0, 0],
            r#"{"m": "-Infinity"}"#,
        ),
        (
            builtin::JSONB,
            JsonKind::Jsonb,
            b"\x01{\"x\": [1, 2]}",
            r#"{"m": {"x": [1, 2]}}"#,
        ),
        (builtin::JSON, JsonKind::Object, b"{}", r#"{"m": {}}"#),
    ];
    for (oid, kind, bytes, expected) in cases {
        let mut entity = with_object(oid, vec![member("m", Value::Input(1), kind)]);
        assert_eq!(rendered(&mut entity, Some(bytes)), expected);
    }
}

#[test]
fn null_is_null_or_the_default() {
    let mut entity = with_object(
        builtin::TEXT,
        vec![member("m", Value::Input(1), JsonKind::String)],
    );
    assert_eq!(rendered(&mut entity, None), r#"{"m": null}"#);
    let with_default = JsonMember {
        default: Some("\"none\"".into()),
        ..member("m", Value::Input(1), JsonKind::String)
    };
    let mut entity = with_object(builtin::TEXT, vec![with_default]);
    assert_eq!(rendered(&mut entity, None), r#"{"m": "none"}"#);
    assert_eq!(rendered(&mut entity, Some(b"")), r#"{"m": ""}"#);
}

#[test]
fn members_nest_and_produced_values_stand_in_them() {
    let members = vec![
        member("", Value::Id, JsonKind::Uuid),
        member("a\"b", Value::IntegerText(0), JsonKind::String),
        member("con", Value::Constant(0), JsonKind::String),
        member("num", Value::Integer { input: 0, width: 2 }, JsonKind::Integer),
        member(
            "sub",
            object_without_version(vec![member("nil", Value::Constant(1), JsonKind::String)]),
            JsonKind::Object,
        ),
        member("empty", object_without_version(Vec::new()), JsonKind::Object),
    ];
    let mut entity = with_object(builtin::TEXT, members);
    entity.constants = Vec::new();
    let expected = concat!(
        r#"{"": "e1bb5303-5c79-5ba3-9bcb-05bb0edc7b7a", "a\"b": "1", "con": "k", "num": 1, "sub": {"nil": null}, "#,
        r#""empty": {}}"#
    );
    let text = rendered(&mut entity, None);
    let id = crate::identity::derive(uuid::Uuid::NAMESPACE_OID, "patients", b"1").to_string();
    assert_eq!(
        text,
        expected.replace("e1bb5303-5c79-5ba3-9bcb-05bb0edc7b7a", &id)
    );
}

fn object_without_version(members: Vec<JsonMember>) -> Value {
    Value::Json {
        members,
        jsonb: false,
    }
}

#[test]
fn a_json_column_gets_the_text_alone() {
    let mut entity = with_object(builtin::TEXT, Vec::new());
    entity.program.outputs[0].value =
        object_without_version(vec![member("m", Value::Input(1), JsonKind::String)]);
    let shaped = shape(&mut entity, &[], &[vec![Some(ID), Some(b"x")]]);
    assert_eq!(shaped.output(0, 0), Some(&br#"{"m": "x"}"#[..]));
}

#[test]
fn unreadable_members_put_the_row_at_fault() {
    for kind in [
        JsonKind::Integer,
        JsonKind::Bool,
        JsonKind::Uuid,
        JsonKind::Numeric,
        JsonKind::Jsonb,
    ] {
        let mut entity = with_object(builtin::BYTEA, vec![member("m", Value::Input(1), kind)]);
        let shaped = shape(&mut entity, &[], &[vec![Some(ID), Some(b"abc")]]);
        assert_eq!(
            faults(&shaped, 0),
            [(code::ROW_UNREADABLE.number(), Some("out"))],
            "{kind:?}"
        );
    }
}

#[test]
fn an_object_with_answers_waits_for_them() {
    let members = vec![
        member("a", Value::Input(1), JsonKind::String),
        member("x", Value::Answer(0), JsonKind::Jsonb),
    ];
    let mut entity = with_object(builtin::TEXT, members);
    entity.evaluation = evaluation(1);
    let shaper = shaper(&mut entity, &[]);
    let rows: [Row<'_>; 1] = [vec![Some(ID), Some(b"v")]];
    let mut shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
    assert_eq!(shaped.output(0, 0), None);
    let told = answers(&mut shaped.batch, 1, &[vec![Some(b"\x01[1]")]], Vec::new());
    shaper.finish(&mut shaped, told);
    assert_eq!(shaped.output(0, 0), Some(&b"\x01{\"a\": \"v\", \"x\": [1]}"[..]));
}

/// Members whose names begin with `v` are facts of the run.
fn marked(names: &[&str]) -> Vec<JsonMember> {
    let one = |name: &&str| JsonMember {
        volatile: name.starts_with('v'),
        ..member(name, Value::Input(1), JsonKind::String)
    };
    names.iter().map(one).collect()
}

#[test]
fn facts_of_the_run_do_not_count_in_the_fingerprint() {
    let cases: [(&[&str], &str); 7] = [
        (&["v"], "{}"),
        (&["v", "a"], r#"{"a": "x"}"#),
        (&["a", "v"], r#"{"a": "x"}"#),
        (&["a", "v", "b"], r#"{"a": "x", "b": "x"}"#),
        (&["v", "vv", "a", "b"], r#"{"a": "x", "b": "x"}"#),
        (&["v", "a", "vv"], r#"{"a": "x"}"#),
        (&["v", "vv"], "{}"),
    ];
    for (names, stable) in cases {
        let mut entity = with_object(builtin::TEXT, marked(names));
        let shaper = shaper(&mut entity, &[]);
        let rows: [Row<'_>; 1] = [vec![Some(ID), Some(b"x")]];
        let shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
        let expected = digest::fingerprint(Some(format!("\u{1}{stable}").as_bytes()));
        assert_eq!(shaper.fingerprint(&shaped, 0, 0), expected, "{names:?}");
    }
}

#[test]
fn volatile_members_are_left_out_at_every_depth() {
    let mut members = marked(&["v", "z"]);
    members[0].value = object_without_version(marked(&["vv", "a"]));
    members.push(member(
        "sub",
        object_without_version(marked(&["v", "b", "vv"])),
        JsonKind::Object,
    ));
    let mut entity = with_object(builtin::TEXT, members);
    let shaper = shaper(&mut entity, &[]);
    let rows: [Row<'_>; 1] = [vec![Some(ID), Some(b"x")]];
    let shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
    let expected = digest::fingerprint(Some("\u{1}{\"z\": \"x\", \"sub\": {\"b\": \"x\"}}".as_bytes()));
    assert_eq!(shaper.fingerprint(&shaped, 0, 0), expected);
    let text = String::from_utf8_lossy(&shaped.output(0, 0).expect("an object")[1..]).into_owned();
    assert_eq!(
        text,
        r#"{"v": {"vv": "x", "a": "x"}, "z": "x", "sub": {"v": "x", "b": "x", "vv": "x"}}"#
    );
}
