//! Bytes for the target, and rows as people read them.

use serde_json::json;

use super::fixture::{Row, batch, entity, output, shape, shaper};
use crate::catalog::builtin;
use crate::digest;
use crate::plan::{EvaluationInput, EvaluationSource, Mint, Value};
use crate::transform::recall::Subject;
use crate::transform::{Answers, COPY_HEADER, COPY_TRAILER, Recorded, Stamp, array};

const ONE: &[u8] = &[0, 0, 0, 1];
const TWO: &[u8] = &[0, 0, 0, 2];

#[test]
fn tuples_are_those_of_binary_copy() {
    assert_eq!(COPY_HEADER.len(), 11 + 4 + 4);
    assert_eq!(COPY_TRAILER, &(-1i16).to_be_bytes());
    let mut entity = entity(&[("id", builtin::INT4), ("a", builtin::TEXT)]);
    entity.program.outputs = vec![output("a", Value::Input(1)), output("id", Value::Input(0))];
    entity.program.outputs[1].required = true;
    let shaper = shaper(&mut entity, &[]);
    let rows: [Row<'_>; 3] = [
        vec![Some(ONE), Some(b"xy")],
        vec![None, Some(b"at fault")],
        vec![Some(TWO), None],
    ];
    let shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
    let mut out = Vec::new();
    shaper.encode_rows(&shaped, 0..3, &mut out);
    let first = [&[0, 2, 0, 0, 0, 2][..], b"xy", &[0, 0, 0, 4], ONE].concat();
    let third = [&[0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4][..], TWO].concat();
    assert_eq!(out, [&first[..], &third].concat());
    out.clear();
    shaper.encode_rows(&shaped, [2, 0], &mut out);
    assert_eq!(
        out,
        [&third[..], &first].concat(),
        "in the order that was asked for"
    );
}

fn field(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

#[test]
fn identities_hold_keys_hash_and_fingerprints() {
    let stamp = Stamp {
        execution: 7,
        status: 3,
        offered: true,
    };
    for by_columns in [false, true] {
        let mut entity = entity(&[("id", builtin::INT4), ("a", builtin::TEXT)]);
        entity.program.outputs = vec![
            output("id", Value::Id),
            output("a", Value::Input(1)),
            output("run", Value::Constant(0)),
        ];
        entity.program.outputs[2].volatile = true;
        if by_columns {
            entity.identity.mint = Mint::Columns(vec![1, 2]);
        }
        let shaper = shaper(&mut entity, &[Some(b"now")]);
        let rows: [Row<'_>; 2] = [vec![Some(ONE), Some(b"x")], vec![None, None]];
        let shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
        let mut out = Vec::new();
        shaper.encode_identities(&shaped, stamp, 0..2, &mut out);
        let hash = digest::row_hash([Some(ONE), Some(&b"x"[..])], &mut Vec::new());
        assert_eq!(shaped.row_hash(0, &mut Vec::new()), hash);
        let offered = [
            digest::fingerprint(shaped.output(0, 0)).to_be_bytes(),
            digest::fingerprint(Some(b"x")).to_be_bytes(),
            [0; 8],
        ];
        let (fields, target): (u16, Vec<u8>) = if by_columns {
            (8, [field(b"x"), field(b"now")].concat())
        } else {
            (7, field(&shaped.id(0).expect("a uuid")))
        };
        let expected = [
            &fields.to_be_bytes()[..],
            &field(ONE),
            &target,
            &field(&hash.to_be_bytes()),
            &field(&offered.concat()),
            &field(&7i64.to_be_bytes()),
            &field(&3i16.to_be_bytes()),
            &[0xff; 4][..],
        ];
        assert_eq!(out, expected.concat());
        out.clear();
        let left = Stamp {
            offered: false,
            ..stamp
        };
        shaper.encode_identities(&shaped, left, 0..2, &mut out);
        let expected = [&expected[..4], &[&[0xff; 4][..]], &expected[5..]].concat();
        assert_eq!(out, expected.concat(), "without what was offered");
    }
}

fn input(from: EvaluationSource, element: u32) -> EvaluationInput {
    EvaluationInput {
        name: "x".into(),
        from,
        element,
        array: 0,
        cast: None,
    }
}

#[test]
fn arrays_are_ready_to_bind() {
    let mut entity = entity(&[("id", builtin::INT4), ("a", builtin::TEXT)]);
    entity.program.outputs = vec![output("b", Value::IntegerText(0))];
    let rows: [Row<'_>; 3] = [
        vec![Some(ONE), Some(b"x")],
        vec![Some(TWO), None],
        vec![None, None],
    ];
    let shaper = shaper(&mut entity, &[]);
    let shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
    let array = |from, element, rows: &[usize]| {
        let input = input(from, element);
        let cells = rows
            .iter()
            .map(|row| shaper.evaluation_cell(&shaped, &input, *row));
        array(element, cells, &shaped.batch.arena)
    };
    let header = |nulls: u8, element: u8, count: u8| {
        [
            0, 0, 0, 1, 0, 0, 0, nulls, 0, 0, 0, element, 0, 0, 0, count, 0, 0, 0, 1,
        ]
    };
    let null = [0xff; 4];
    assert_eq!(
        array(EvaluationSource::Input(0), 23, &[0, 1]),
        [&header(0, 23, 2)[..], &field(ONE), &field(TWO)].concat()
    );
    assert_eq!(
        array(EvaluationSource::Input(1), 25, &[1, 0]),
        [&header(1, 25, 2)[..], &null, &field(b"x")].concat()
    );
    assert_eq!(
        array(EvaluationSource::Output(0), 25, &[1]),
        [&header(0, 25, 1)[..], &field(b"2")].concat()
    );
    let id = shaped.id(0).expect("a uuid");
    let ids = array(EvaluationSource::Id, 9, &[0, 2]);
    assert_eq!(
        ids,
        [&header(1, 9, 2)[..], &field(&id), &null].concat(),
        "a row at fault has no uuid"
    );
    assert_eq!(
        array(EvaluationSource::Input(0), 23, &[]),
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23]
    );
    let key = Subject::cell(&shaped.batch, &input(EvaluationSource::Input(1), 25), 0);
    assert_eq!(key.bytes(&shaped.batch.arena), Some(&b"x"[..]));
}

#[test]
fn a_source_row_is_readable_and_hides_what_is_sensitive() {
    let mut entity = entity(&[
        ("id", builtin::INT4),
        ("name", builtin::TEXT),
        ("notes", builtin::TEXT),
        ("price", builtin::NUMERIC),
        ("ok", builtin::BOOL),
        ("raw", builtin::BYTEA),
        ("odd", builtin::INT4),
        ("none", builtin::TEXT),
        ("extra", builtin::JSONB),
    ]);
    entity.sensitive = vec!["notes".into(), "none".into()];
    let row: Row<'_> = vec![
        Some(ONE),
        Some("Zoë".as_bytes()),
        Some(b"secret"),
        Some(&[0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 0x13, 0x88]),
        Some(&[1]),
        Some(&[0xde, 0xad]),
        Some(&[1]),
        None,
        Some(b"\x01{\"a\": 1}"),
    ];
    let shaped = shape(&mut entity, &[], &[row]);
    let shaper = shaper(&mut entity, &[]);
    let expected = json!({
        "id": "1", "name": "Zoë", "notes": "***", "price": "12.50", "ok": "true", "raw": "\\xdead",
        "odd": {"bytes": "\\x01"}, "none": null, "extra": "{\"a\": 1}",
    });
    assert_eq!(shaper.source_row_json(&shaped.batch, 0), expected);
    assert_eq!(shaper.key_text(&shaped, 0), "1");
}
