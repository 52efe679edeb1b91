//! The row program by tables.

mod arbitrary;
mod census;
mod encoding;
mod fixture;
mod keys;
mod objects;
mod recall;
mod refused;

use std::collections::BTreeMap;

use super::{Answers, Recorded, RowFault, Verdict};
use crate::catalog::builtin;
use crate::code;
use crate::plan::{Canonical, Check, MapProgram, Value};
use crate::spec::{OnFail, Unknown};
use fixture::{answers, batch, entity, evaluation, faults, one_output, output, rule, shape, shaper};

const ID: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn a_copied_value_is_the_same_bytes_of_the_arena() {
    let mut entity = one_output(builtin::TEXT, Value::Input(1));
    let shaped = shape(
        &mut entity,
        &[],
        &[vec![Some(ID), Some(b"abc")], vec![Some(ID), None]],
    );
    assert_eq!(shaped.output(0, 0), Some(&b"abc"[..]));
    assert_eq!(shaped.output(1, 0), None);
    assert_eq!(shaped.outputs.cell(0, 0), shaped.batch.cell(0, 1));
    assert_eq!(shaped.writable_rows(), 2);
}

#[test]
fn null_takes_the_default_and_a_required_null_is_a_fault() {
    let mut entity = entity(&[("id", builtin::INT8), ("a", builtin::TEXT)]);
    let column = |name, default, required| crate::plan::Output {
        default,
        required,
        ..output(name, Value::Input(1))
    };
    entity.program.outputs = vec![
        column("plain", None, false),
        column("filled", Some(0), true),
        column("null_default", Some(1), true),
        column("required", None, true),
    ];
    let shaped = shape(
        &mut entity,
        &[Some(b"x"), None],
        &[vec![Some(ID), None], vec![Some(ID), Some(b"v")]],
    );
    assert_eq!(shaped.output(0, 1), Some(&b"x"[..]));
    let null = code::ROW_REQUIRED_NULL.number();
    assert_eq!(
        faults(&shaped, 0),
        [(null, Some("null_default")), (null, Some("required"))]
    );
    assert!(faults(&shaped, 1).is_empty());
    let Verdict::Reject(first) = shaped.verdict(0) else {
        panic!("a reject")
    };
    assert_eq!(first.column.as_deref(), Some("null_default"));
    assert_eq!(shaped.writable().collect::<Vec<_>>(), [1]);
}

#[test]
fn integers_change_their_width_or_are_at_fault() {
    let cases: [(i64, u8, Option<&[u8]>); 7] = [
        (32_767, 2, Some(&[0x7f, 0xff])),
        (32_768, 2, None),
        (-32_768, 2, Some(&[0x80, 0])),
        (-1, 4, Some(&[0xff; 4])),
        (1 << 31, 4, None),
        (i64::MIN, 8, Some(&[0x80, 0, 0, 0, 0, 0, 0, 0])),
        (7, 8, Some(&[0, 0, 0, 0, 0, 0, 0, 7])),
    ];
    for (number, width, expected) in cases {
        let mut entity = one_output(builtin::INT8, Value::Integer { input: 1, width });
        let shaped = shape(&mut entity, &[], &[vec![Some(ID), Some(&number.to_be_bytes())]]);
        assert_eq!(shaped.output(0, 0), expected, "{number} in {width} bytes");
        assert_eq!(shaped.is_faulty(0), expected.is_none());
        for fault in shaped.faults(0) {
            assert_eq!(
                fault.message,
                format!("'{number}' is outside the range of the column")
            );
        }
    }
}

#[test]
fn an_integer_becomes_text() {
    let mut entity = one_output(builtin::INT2, Value::IntegerText(1));
    let shaped = shape(
        &mut entity,
        &[],
        &[
            vec![Some(ID), Some(&(-42i16).to_be_bytes())],
            vec![Some(ID), None],
        ],
    );
    assert_eq!(shaped.output(0, 0), Some(&b"-42"[..]));
    assert_eq!(shaped.output(1, 0), None);
}

fn map(text: Canonical, unknown: Unknown) -> Value {
    Value::Map(MapProgram {
        input: 1,
        text,
        values: BTreeMap::from([(b"1".to_vec(), Some(0)), (b"2".to_vec(), None)]),
        unknown,
        unknown_constant: Some(1),
    })
}

#[test]
fn a_map_gives_a_value_for_a_value() {
    let constants: [Option<&[u8]>; 2] = [Some(b"active"), Some(b"other")];
    let number = |number: i32| number.to_be_bytes();
    let (one, two, three) = (number(1), number(2), number(3));
    let cases = [
        (&one[..], Unknown::Reject, Some(&b"active"[..])),
        (&two, Unknown::Reject, None),
        (&three, Unknown::Null, None),
        (&three, Unknown::Const("other".into()), Some(b"other")),
        (b"1", Unknown::Null, None),
    ];
    for (bytes, unknown, expected) in cases {
        let mut entity = one_output(builtin::INT4, map(Canonical::Integer, unknown));
        let shaped = shape(&mut entity, &constants, &[vec![Some(ID), Some(bytes)]]);
        assert_eq!(shaped.output(0, 0), expected, "{bytes:?}");
    }
    let mut entity = one_output(builtin::TEXT, map(Canonical::Text, Unknown::Reject));
    let shaped = shape(
        &mut entity,
        &constants,
        &[vec![Some(ID), Some(b"3")], vec![Some(ID), None]],
    );
    assert_eq!(
        faults(&shaped, 0),
        [(code::ROW_UNKNOWN_VALUE.number(), Some("out"))]
    );
    assert!(!shaped.is_faulty(1), "null stays null");
}

#[test]
fn a_sensitive_value_never_stands_in_a_message() {
    for (sensitive, told) in [(vec![], true), (vec!["a".to_owned()], false)] {
        let mut entity = one_output(builtin::TEXT, map(Canonical::Text, Unknown::Reject));
        entity.sensitive = sensitive.clone();
        let mapped = shape(&mut entity, &[None, None], &[vec![Some(ID), Some(b"hush")]]);
        let mut entity = one_output(builtin::TEXT, Value::Input(1));
        entity.program.outputs[0].checks = vec![Check::Characters(2)];
        entity.sensitive = sensitive;
        let checked = shape(&mut entity, &[], &[vec![Some(ID), Some(b"hush")]]);
        for shaped in [mapped, checked] {
            let message = &shaped.faults(0).next().expect("a fault").message;
            assert_eq!(message.contains("hush"), told, "{message}");
        }
    }
}

#[test]
fn answers_fill_what_waited_for_them() {
    let mut entity = entity(&[("id", builtin::INT8)]);
    entity.program.outputs = vec![output("a", Value::Answer(1)), output("b", Value::Input(0))];
    entity.program.outputs[0].required = true;
    entity.program.outputs[1].checks = vec![Check::Lossless(0)];
    entity.evaluation = evaluation(2);
    let shaper = shaper(&mut entity, &[]);
    let rows = vec![vec![Some(ID)]; 5];
    let mut shaped = shaper.native(batch(1, &rows), Answers::default(), &Recorded::default());
    assert_eq!(shaped.output(0, 1), Some(ID), "native values are there before");
    let failed = RowFault {
        column: Some("a".into()),
        ..RowFault::new(4, code::ROW_EXPRESSION_FAILED, "division by zero")
    };
    let told: Vec<fixture::Row<'_>> = vec![
        vec![Some(&[1]), Some(b"x")],
        vec![None, Some(b"y")],
        vec![Some(&[0]), Some(b"z")],
        vec![Some(&[0]), None],
        vec![None, None],
    ];
    let answers = answers(&mut shaped.batch, 2, &told, vec![failed]);
    shaper.finish(&mut shaped, answers);
    assert_eq!(shaped.output(0, 0), Some(&b"x"[..]));
    assert_eq!(shaped.output(1, 0), Some(&b"y"[..]));
    let (loses, null) = (code::ROW_WOULD_LOSE.number(), code::ROW_REQUIRED_NULL.number());
    assert_eq!(faults(&shaped, 2), [(loses, Some("b"))]);
    assert_eq!(faults(&shaped, 3), [(null, Some("a")), (loses, Some("b"))]);
    assert_eq!(
        faults(&shaped, 4),
        [(code::ROW_EXPRESSION_FAILED.number(), Some("a"))]
    );
    assert_eq!(shaped.writable().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn rules_reject_warn_and_halt() {
    let mut entity = entity(&[("id", builtin::INT8)]);
    entity.evaluation = evaluation(2);
    entity.target_evaluation = evaluation(1);
    entity.source_rules = vec![
        rule("rejecting", 0, OnFail::Reject),
        rule("warning", 1, OnFail::Warn),
    ];
    entity.target_rules = vec![rule("halting", 0, OnFail::Halt)];
    let shaper = shaper(&mut entity, &[]);
    let rows = vec![vec![Some(ID)]; 4];
    let mut shaped = shaper.native(batch(1, &rows), Answers::default(), &Recorded::default());
    let (yes, no): (Option<&[u8]>, Option<&[u8]>) = (Some(&[1]), Some(&[0]));
    let source = [
        vec![yes, yes],
        vec![no, yes],
        vec![None, no],
        vec![yes, Some(b"?")],
    ];
    let source = answers(&mut shaped.batch, 2, &source, Vec::new());
    shaper.finish(&mut shaped, source);
    let target = answers(
        &mut shaped.batch,
        1,
        &[vec![no], vec![no], vec![None], vec![yes]],
        Vec::new(),
    );
    shaper.judge(&mut shaped, target);
    let named =
        |row| -> Vec<Option<&str>> { shaped.faults(row).map(|fault| fault.rule.as_deref()).collect() };
    assert!(matches!(shaped.verdict(0), Verdict::Halt(fault) if fault.rule.as_deref() == Some("halting")));
    assert_eq!(
        named(1),
        [Some("rejecting")],
        "a rejected row is not judged again"
    );
    assert_eq!(shaped.verdict(2), Verdict::Write);
    assert_eq!(shaped.warnings().len(), 1);
    assert_eq!(shaped.warnings()[0].row, 2);
    assert!(matches!(shaped.verdict(3), Verdict::Reject(fault) if fault.code == code::ROW_UNREADABLE));
}
