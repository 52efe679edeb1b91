//! Own keys and references.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::fixture::{Row, answers, batch, entity, evaluation, faults, output, plan, shape, shaper};
use crate::batch::Batch;
use crate::catalog::builtin;
use crate::code;
use crate::identity::derive;
use crate::plan::{Canonical, EntityPlan, KeyPart, KeyText, Mint, RefProgram, Resolution, Value};
use crate::spec::{Unknown, WhenMissing};
use crate::transform::{Answers, Lookups, Recorded, RowFault};

const SEVEN: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 7];
const EIGHT: &[u8] = &[0, 0, 0, 8];

fn derived(name: &str, key: &str) -> [u8; 16] {
    derive(plan().namespace, name, key.as_bytes()).into_bytes()
}

fn recorded(entity: &str, key: &str, uuid: Uuid) -> Recorded {
    let mapping = HashMap::from([(key.as_bytes().to_vec(), uuid)]);
    Recorded(BTreeMap::from([(entity.to_owned(), mapping)]))
}

fn refers(parts: &[KeyText], resolution: Resolution, missing: WhenMissing) -> RefProgram {
    RefProgram {
        parts: parts.to_vec(),
        discriminator: None,
        parents: vec![(Vec::new(), resolution)],
        unknown: Unknown::Reject,
        missing,
    }
}

fn doctors(name: Option<&str>) -> Resolution {
    Resolution::Recorded {
        entity: "doctors".into(),
        name: name.map(str::to_owned),
    }
}

/// `id` and a reference `doctor` (int4), required.
fn with_reference(program: RefProgram) -> EntityPlan {
    let mut entity = entity(&[("id", builtin::INT8), ("doctor", builtin::INT4)]);
    entity.program.refs = vec![program];
    entity.program.outputs = vec![output("id", Value::Id), output("doctor_id", Value::Ref(0))];
    entity
}

const DOCTOR: [KeyText; 1] = [KeyText::Input(1, Canonical::Integer)];

#[test]
fn derived_keys_need_no_lookup() {
    let derive = Resolution::Derive {
        name: "doctors".into(),
    };
    let mut entity = with_reference(refers(&DOCTOR, derive, WhenMissing::Reject));
    let rows: [Row<'_>; 2] = [vec![Some(SEVEN), Some(EIGHT)], vec![Some(SEVEN), None]];
    let lookups = shaper(&mut entity, &[]).lookups(&batch(2, &rows), &Answers::default());
    assert!(lookups.is_empty());
    let shaped = shape(&mut entity, &[], &rows);
    assert_eq!(shaped.output(0, 0), Some(&derived("patients", "7")[..]));
    assert_eq!(shaped.id(0), Some(derived("patients", "7")));
    assert_eq!(shaped.output(0, 1), Some(&derived("doctors", "8")[..]));
    assert_eq!(shaped.reference(0, 0), Some(derived("doctors", "8")));
    assert_eq!(shaped.output(1, 1), None, "a null reference");
    assert_eq!(shaped.writable_rows(), 2);
}

#[test]
fn references_that_come_again_are_those_that_they_were() {
    let derive = Resolution::Derive {
        name: "doctors".into(),
    };
    let mut entity = with_reference(refers(&DOCTOR, derive, WhenMissing::Reject));
    // A few that come again and again, among so many others that each place of a cache is taken over.
    let doctors: Vec<i32> = (0..6_000)
        .map(|row| if row % 3 == 0 { row } else { -(row % 7) })
        .collect();
    let keys: Vec<[u8; 4]> = doctors.iter().map(|doctor| doctor.to_be_bytes()).collect();
    let rows: Vec<Row<'_>> = keys.iter().map(|key| vec![Some(SEVEN), Some(&key[..])]).collect();
    let shaped = shape(&mut entity, &[], &rows);
    for (row, doctor) in doctors.iter().enumerate() {
        assert_eq!(
            shaped.reference(row, 0),
            Some(derived("doctors", &doctor.to_string())),
            "{doctor}"
        );
    }
}

#[test]
fn a_recorded_mapping_wins() {
    let adopted = Uuid::from_u128(0xa);
    let mut entity = with_reference(refers(&DOCTOR, doctors(Some("doctors")), WhenMissing::Reject));
    entity.identity.mint = Mint::Derive {
        name: "patients".into(),
        recorded: Some("patients".into()),
    };
    let rows: [Row<'_>; 3] = [
        vec![Some(SEVEN), Some(EIGHT)],
        vec![Some(SEVEN), Some(SEVEN)],
        vec![None, Some(b"bad")],
    ];
    let shaper = shaper(&mut entity, &[]);
    let lookups = shaper.lookups(&batch(2, &rows), &Answers::default());
    let keys =
        |keys: &[&str]| -> HashSet<Vec<u8>> { keys.iter().map(|key| key.as_bytes().to_vec()).collect() };
    let expected = BTreeMap::from([
        ("patients".to_owned(), keys(&["7"])),
        ("doctors".to_owned(), keys(&["7", "8"])),
    ]);
    assert_eq!(lookups, Lookups(expected));
    let shaped = shaper.native(
        batch(2, &rows),
        Answers::default(),
        &recorded("doctors", "8", adopted),
    );
    assert_eq!(shaped.output(0, 1), Some(&adopted.as_bytes()[..]));
    assert_eq!(shaped.output(1, 1), Some(&derived("doctors", "7")[..]));
    assert_eq!(shaped.output(0, 0), Some(&derived("patients", "7")[..]));
    let (null, unreadable) = (code::ROW_KEY_NULL.number(), code::ROW_UNREADABLE.number());
    assert_eq!(
        faults(&shaped, 2),
        [(null, None), (unreadable, Some("doctor_id"))]
    );
}

#[test]
fn a_missing_parent_rejects_parks_or_becomes_null() {
    let rows: [Row<'_>; 1] = [vec![Some(SEVEN), Some(EIGHT)]];
    for (missing, parked) in [(WhenMissing::Reject, false), (WhenMissing::Park, true)] {
        let mut entity = with_reference(refers(&DOCTOR, doctors(None), missing));
        entity.program.outputs[1].required = true;
        let shaped = shape(&mut entity, &[], &rows);
        let told: Vec<&RowFault> = shaped.faults(0).collect();
        assert_eq!(told.len(), 1, "the column is null for a reason that is told once");
        assert_eq!(
            (told[0].code, told[0].parked),
            (code::ROW_REFERENCE_MISSING, parked)
        );
        assert_eq!(told[0].column.as_deref(), Some("doctor_id"));
        assert!(told[0].message.contains("'8'"), "{}", told[0].message);
    }
    let mut entity = with_reference(refers(&DOCTOR, doctors(None), WhenMissing::Null));
    let shaped = shape(&mut entity, &[], &rows);
    assert_eq!((shaped.output(0, 1), shaped.is_faulty(0)), (None, false));
    let rows: [Row<'_>; 2] = [vec![Some(SEVEN), None], vec![Some(SEVEN), Some(EIGHT)]];
    let shaped = shape(&mut entity, &[], &rows);
    assert_eq!(
        (shaped.is_nulled(0), shaped.is_nulled(1)),
        (false, true),
        "only what is missing may come"
    );
}

#[test]
fn a_reference_that_the_target_refuses_becomes_null_once() {
    let rows: [Row<'_>; 2] = [vec![Some(SEVEN), Some(EIGHT)], vec![Some(SEVEN), Some(EIGHT)]];
    let by_name = || Resolution::Derive {
        name: "doctors".into(),
    };
    let mut entity = with_reference(refers(&DOCTOR, by_name(), WhenMissing::Null));
    for required in [false, true] {
        entity.program.outputs[1].required = required;
        let shaper = shaper(&mut entity, &[]);
        let mut shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
        let whole = shaped.output(0, 1).map(<[u8]>::to_vec);
        assert!(whole.is_some());
        assert_eq!(shaper.null_references(&mut shaped, 0, &[0]), !required);
        assert!(
            !shaper.null_references(&mut shaped, 0, &[0]),
            "nothing is left to null"
        );
        assert!(!shaper.null_references(&mut shaped, 1, &[]));
        assert_eq!((shaped.is_nulled(0), shaped.is_faulty(0)), (!required, false));
        assert_eq!(shaped.output(0, 1).is_none(), !required);
        assert_eq!(shaped.output(1, 1), whole.as_deref());
    }
}

#[test]
fn a_kind_decides_whom_a_reference_means() {
    let mut entity = entity(&[
        ("id", builtin::INT8),
        ("ref", builtin::INT4),
        ("kind", builtin::TEXT),
    ]);
    let parent =
        |kind: &str, name: &str| (kind.as_bytes().to_vec(), Resolution::Derive { name: name.into() });
    entity.program.refs = vec![RefProgram {
        discriminator: Some((2, Canonical::Text)),
        parents: vec![parent("Patient", "patients"), parent("Order", "orders")],
        ..refers(&DOCTOR, doctors(None), WhenMissing::Reject)
    }];
    entity.program.outputs = vec![output("subject_id", Value::Ref(0))];
    let rows: [Row<'_>; 5] = [
        vec![Some(SEVEN), Some(EIGHT), Some(b"Patient")],
        vec![Some(SEVEN), Some(EIGHT), Some(b"Order")],
        vec![Some(SEVEN), Some(EIGHT), Some(b"order")],
        vec![Some(SEVEN), Some(EIGHT), None],
        vec![Some(SEVEN), None, Some(b"order")],
    ];
    let shaped = shape(&mut entity, &[], &rows);
    assert_eq!(shaped.output(0, 0), Some(&derived("patients", "8")[..]));
    assert_eq!(shaped.output(1, 0), Some(&derived("orders", "8")[..]));
    assert_eq!(
        faults(&shaped, 2),
        [(code::ROW_UNKNOWN_SUBJECT.number(), Some("subject_id"))]
    );
    for row in [3, 4] {
        assert_eq!((shaped.output(row, 0), shaped.is_faulty(row)), (None, false));
    }
    entity.program.refs[0].unknown = Unknown::Null;
    let shaped = shape(&mut entity, &[], &rows);
    assert_eq!((shaped.output(2, 0), shaped.is_faulty(2)), (None, false));
}

/// A key of an int8 and a text that the target prints.
fn composite() -> EntityPlan {
    let mut entity = entity(&[("id", builtin::INT8), ("part", builtin::TEXT)]);
    entity.identity.key.push(KeyPart {
        column: "part".into(),
        input: 1,
        text: KeyText::Answer(0),
        type_sql: "text".into(),
    });
    entity.key_evaluation = evaluation(1);
    entity.program.refs = vec![refers(
        &[KeyText::Answer(0)],
        Resolution::Derive { name: "parts".into() },
        WhenMissing::Reject,
    )];
    entity.program.outputs = vec![output("part_id", Value::Ref(0))];
    entity.program.outputs[0].required = true;
    entity
}

#[test]
fn keys_of_several_parts_and_of_answers() {
    let mut entity = composite();
    let shaper = shaper(&mut entity, &[]);
    let mut source = batch(
        2,
        &[
            vec![Some(SEVEN), Some(b"x")],
            vec![Some(SEVEN), Some(b"bad")],
            vec![Some(SEVEN), None],
        ],
    );
    let failed = RowFault::new(1, code::ROW_EXPRESSION_FAILED, "no integer");
    let told: [Row<'_>; 3] = [vec![Some(b"a\"b")], vec![None], vec![None]];
    let keys = answers(&mut source, 1, &told, vec![failed]);
    let shaped = shaper.native(source, keys, &Recorded::default());
    assert_eq!(shaped.id(0), Some(derived("patients", r#"["7","a\"b"]"#)));
    assert_eq!(shaped.output(0, 0), Some(&derived("parts", "a\"b")[..]));
    assert_eq!(shaper.key_text(&shaped, 0), r#"["7","a\"b"]"#);
    assert_eq!(
        faults(&shaped, 1),
        [(code::ROW_EXPRESSION_FAILED.number(), None)],
        "what follows is not told"
    );
    assert_eq!(shaper.key_text(&shaped, 1), r#"["7","bad"]"#);
    let null = (code::ROW_KEY_NULL.number(), None);
    assert_eq!(
        faults(&shaped, 2),
        [null, (code::ROW_REQUIRED_NULL.number(), Some("part_id"))]
    );
    assert_eq!(shaper.key_text(&shaped, 2), r#"["7","null"]"#);
}

#[test]
fn a_uuid_column_is_the_identity() {
    let mut entity = entity(&[("id", builtin::INT8), ("account", builtin::UUID)]);
    entity.identity.mint = Mint::Column(1);
    entity.program.outputs = vec![output("id", Value::Id)];
    let uuid = [9u8; 16];
    let rows: [Row<'_>; 3] = [
        vec![Some(SEVEN), Some(&uuid)],
        vec![Some(SEVEN), None],
        vec![Some(SEVEN), Some(b"short")],
    ];
    let shaped = shape(&mut entity, &[], &rows);
    assert_eq!(shaped.output(0, 0), Some(&uuid[..]));
    assert_eq!(faults(&shaped, 1), [(code::ROW_KEY_NULL.number(), None)]);
    assert_eq!(faults(&shaped, 2), [(code::ROW_UNREADABLE.number(), None)]);
}

#[test]
fn a_shared_identity_must_be_recorded() {
    let mut entity = entity(&[("id", builtin::INT8)]);
    entity.identity.mint = Mint::Recorded {
        entity: "users".into(),
    };
    entity.program.outputs = vec![output("id", Value::Id)];
    let rows: [Row<'_>; 2] = [vec![Some(SEVEN)], vec![Some(&[0, 0, 0, 8])]];
    let shaper = shaper(&mut entity, &[]);
    let uuid = Uuid::from_u128(0xb);
    let shaped = shaper.native(batch(1, &rows), Answers::default(), &recorded("users", "7", uuid));
    assert_eq!(shaped.output(0, 0), Some(&uuid.as_bytes()[..]));
    assert_eq!(faults(&shaped, 1), [(code::ROW_REFERENCE_MISSING.number(), None)]);
}

#[test]
fn a_target_key_made_of_columns_is_never_null() {
    let mut entity = entity(&[("id", builtin::INT8), ("a", builtin::TEXT)]);
    entity.identity.mint = Mint::Columns(vec![1]);
    entity.program.outputs = vec![output("x", Value::Input(0)), output("y", Value::Input(1))];
    let shaped = shape(
        &mut entity,
        &[],
        &[
            vec![Some(SEVEN), None],
            vec![None, Some(b"a")],
            vec![Some(SEVEN), Some(b"a")],
        ],
    );
    assert_eq!(faults(&shaped, 0), [(code::ROW_KEY_NULL.number(), Some("y"))]);
    assert_eq!(faults(&shaped, 1), [(code::ROW_KEY_NULL.number(), None)]);
    assert_eq!((shaped.is_faulty(2), shaped.id(2)), (false, None));
}

#[test]
fn an_empty_batch_is_no_matter() {
    let mut entity = composite();
    let shaper = shaper(&mut entity, &[]);
    assert!(shaper.lookups(&Batch::new(2), &Answers::default()).is_empty());
    let mut shaped = shaper.native(Batch::new(2), Answers::default(), &Recorded::default());
    shaper.finish(&mut shaped, Answers::default());
    assert_eq!((shaped.rows(), shaped.writable_rows()), (0, 0));
}
