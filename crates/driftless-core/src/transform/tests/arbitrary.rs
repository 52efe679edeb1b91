//! Whatever the bytes are: never a panic, and every row either whole or at fault.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::{proptest, test_runner::Config};

use super::fixture::{answers, batch, entity, evaluation, output, rule, shaper};
use crate::catalog::builtin;
use crate::plan::{
    Canonical, Check, EntityPlan, JsonKind, JsonMember, KeyText, MapProgram, Mint, RefProgram, Resolution,
    Value,
};
use crate::spec::{OnFail, Unknown, WhenMissing};
use crate::transform::{Answers, Recorded, Stamp, Verdict};
use crate::value::Numeric;

const INPUTS: usize = 3;
const ANSWERS: usize = 2;
const CONSTANTS: [Option<&[u8]>; 2] = [Some(b"c"), None];

/// A cell: null, any bytes, or bytes of a length that some type has.
fn cell() -> impl Strategy<Value = Option<Vec<u8>>> {
    let numeric =
        (any::<[u8; 8]>(), prop::collection::vec(any::<[u8; 2]>(), 0..4)).prop_map(|(mut header, groups)| {
            header[..2].copy_from_slice(&(groups.len() as u16).to_be_bytes());
            [header.to_vec(), groups.concat()].concat()
        });
    prop_oneof![
        Just(None),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        prop_oneof![Just(1), Just(2), Just(4), Just(8), Just(12), Just(16)]
            .prop_flat_map(|length: usize| prop::collection::vec(any::<u8>(), length))
            .prop_map(Some),
        numeric.prop_map(Some),
        "[a-z\"\\\\\u{0}-\u{1f}é😀]{0,12}".prop_map(|text| Some(text.into_bytes())),
    ]
}

fn canonical() -> impl Strategy<Value = Canonical> {
    prop_oneof![
        Just(Canonical::Integer),
        Just(Canonical::Text),
        Just(Canonical::Uuid)
    ]
}

fn unknown() -> impl Strategy<Value = Unknown> {
    prop_oneof![
        Just(Unknown::Reject),
        Just(Unknown::Null),
        Just(Unknown::Const(String::new()))
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    let map = (0..INPUTS, canonical(), unknown()).prop_map(|(input, text, unknown)| {
        Value::Map(MapProgram {
            input,
            text,
            values: BTreeMap::from([(b"1".to_vec(), Some(0)), (b"a".to_vec(), None)]),
            unknown,
            unknown_constant: Some(1),
        })
    });
    prop_oneof![
        (0..INPUTS).prop_map(Value::Input),
        (0..ANSWERS).prop_map(Value::Answer),
        (0..CONSTANTS.len()).prop_map(Value::Constant),
        Just(Value::Id),
        (0..2usize).prop_map(Value::Ref),
        (0..INPUTS, prop_oneof![Just(2u8), Just(4), Just(8)])
            .prop_map(|(input, width)| Value::Integer { input, width }),
        (0..INPUTS).prop_map(Value::IntegerText),
        map,
    ]
}

fn kind() -> impl Strategy<Value = JsonKind> {
    prop_oneof![
        Just(JsonKind::String),
        Just(JsonKind::Integer),
        Just(JsonKind::Bool),
        Just(JsonKind::Uuid),
        Just(JsonKind::Numeric),
        Just(JsonKind::Jsonb),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        let member = ("[a-z\"]{0,3}", inner, kind(), any::<bool>(), any::<bool>());
        let member = member.prop_map(|(name, value, kind, default, volatile)| JsonMember {
            name,
            kind: if matches!(value, Value::Json { .. }) {
                JsonKind::Object
            } else {
                kind
            },
            value,
            default: default.then(|| "0".to_owned()),
            volatile,
        });
        (prop::collection::vec(member, 0..4), any::<bool>())
            .prop_map(|(members, jsonb)| Value::Json { members, jsonb })
    })
}

fn check() -> impl Strategy<Value = Check> {
    prop_oneof![
        (0..20u32).prop_map(Check::Characters),
        (-3..20i32, -5..20i32).prop_map(|(precision, scale)| Check::Numeric { precision, scale }),
        prop_oneof![Just(0i64), Just(-1), Just(1), Just(1000)].prop_map(Check::Microseconds),
        Just(Check::Label(vec!["a".into(), String::new()])),
        (0..ANSWERS).prop_map(Check::Lossless),
    ]
}

fn mint() -> impl Strategy<Value = Mint> {
    let recorded = || prop_oneof![Just(None), Just(Some("other".to_owned()))];
    prop_oneof![
        recorded().prop_map(|recorded| Mint::Derive {
            name: "x".into(),
            recorded
        }),
        (0..INPUTS).prop_map(Mint::Column),
        Just(Mint::Recorded {
            entity: "other".into()
        }),
        Just(Mint::Columns(vec![0])),
    ]
}

fn reference() -> impl Strategy<Value = RefProgram> {
    let part = prop_oneof![
        (0..INPUTS, canonical()).prop_map(|(input, kind)| KeyText::Input(input, kind)),
        Just(KeyText::Answer(0)),
    ];
    let resolution = prop_oneof![
        Just(Resolution::Derive { name: "x".into() }),
        Just(Resolution::Recorded {
            entity: "other".into(),
            name: None
        }),
    ];
    let missing = prop_oneof![
        Just(WhenMissing::Reject),
        Just(WhenMissing::Null),
        Just(WhenMissing::Park)
    ];
    (
        prop::collection::vec(part, 1..3),
        prop::option::of((0..INPUTS, canonical())),
        prop::collection::vec(resolution, 0..3),
        unknown(),
        missing,
    )
        .prop_map(
            |(parts, discriminator, resolutions, unknown, missing)| RefProgram {
                parts,
                discriminator,
                parents: resolutions.into_iter().map(|how| (b"a".to_vec(), how)).collect(),
                unknown,
                missing,
            },
        )
}

fn program() -> impl Strategy<Value = EntityPlan> {
    let outputs = (
        value(),
        prop::collection::vec(check(), 0..3),
        prop::option::of(0..CONSTANTS.len()),
        any::<bool>(),
    );
    let references = prop::collection::vec(reference(), 2);
    (mint(), references, prop::collection::vec(outputs, 1..4)).prop_map(|(mint, refs, outputs)| {
        let mut entity = entity(&[
            ("id", builtin::INT8),
            ("a", builtin::TEXT),
            ("b", builtin::NUMERIC),
        ]);
        entity.identity.mint = mint;
        entity.program.refs = refs;
        entity.key_evaluation = evaluation(1);
        entity.evaluation = evaluation(ANSWERS);
        entity.source_rules = vec![rule("r", 0, OnFail::Reject), rule("w", 1, OnFail::Warn)];
        let outputs = outputs
            .into_iter()
            .map(|(value, checks, default, required)| crate::plan::Output {
                checks,
                default,
                required,
                ..output("out", value)
            });
        entity.program.outputs = outputs.collect();
        entity
    })
}

type Cells = Vec<Vec<Option<Vec<u8>>>>;

fn cells(rows: usize, width: usize) -> impl Strategy<Value = Cells> {
    prop::collection::vec(prop::collection::vec(cell(), width), rows)
}

fn borrowed(cells: &Cells) -> Vec<Vec<Option<&[u8]>>> {
    cells
        .iter()
        .map(|row| row.iter().map(Option::as_deref).collect())
        .collect()
}

/// Lengths of the fields of each tuple; `None` where the bytes are no tuples.
fn tuples(mut bytes: &[u8]) -> Option<Vec<usize>> {
    let mut widths = Vec::new();
    while let Some((fields, rest)) = bytes.split_first_chunk::<2>() {
        bytes = rest;
        let fields = u16::from_be_bytes(*fields);
        for _ in 0..fields {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
            bytes = rest.get(length..)?;
        }
        widths.push(usize::from(fields));
    }
    bytes.is_empty().then_some(widths)
}

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_bytes_make_the_program_panic(
        entity in program(),
        source in cells(4, INPUTS),
        keys in cells(4, 1),
        told in cells(4, ANSWERS),
    ) {
        let mut entity = entity;
        let outputs = entity.program.outputs.len();
        let shaper = shaper(&mut entity, &CONSTANTS);
        let mut source = batch(INPUTS, &borrowed(&source));
        let keys = answers(&mut source, 1, &borrowed(&keys), Vec::new());
        shaper.lookups(&source, &keys);
        let mut shaped = shaper.native(source, keys, &Recorded::default());
        let told = answers(&mut shaped.batch, ANSWERS, &borrowed(&told), Vec::new());
        shaper.finish(&mut shaped, told);
        shaper.judge(&mut shaped, Answers::default());
        let whole = (0..4).filter(|row| matches!(shaped.verdict(*row), Verdict::Write)).count();
        assert_eq!(whole, shaped.writable_rows());
        let mut out = Vec::new();
        shaper.encode_rows(&shaped, 0..4, &mut out);
        assert_eq!(tuples(&out), Some(vec![outputs; whole]));
        out.clear();
        shaper.encode_identities(&shaped, Stamp { execution: 1, status: 0, offered: true }, 0..4, &mut out);
        assert_eq!(tuples(&out), Some(vec![7; whole]));
        for row in 0..4 {
            shaper.source_row_json(&shaped.batch, row);
            shaper.key_text(&shaped, row);
        }
    }

    #[test]
    fn no_bytes_make_a_numeric_panic(bytes in cell(), precision in -5..40i32, scale in -40..40i32) {
        if let Some(numeric) = Numeric::read(bytes.as_deref().unwrap_or_default()) {
            let mut out = Vec::new();
            numeric.write(&mut out);
            assert!(!out.is_empty());
            numeric.fits(precision, scale);
        }
    }

    /// The fingerprint of an object with volatile members is that of the object built without them.
    #[test]
    fn leaving_out_is_as_never_having_been_there(object in value(), source in cells(1, INPUTS), told in cells(1, ANSWERS)) {
        let fingerprint = |value: Value| {
            let mut entity = entity(&[("id", builtin::INT8), ("a", builtin::TEXT), ("b", builtin::NUMERIC)]);
            let derive = Resolution::Derive { name: "x".into() };
            let refers = RefProgram {
                parts: vec![KeyText::Input(1, Canonical::Text)],
                discriminator: None,
                parents: vec![(Vec::new(), derive)],
                unknown: Unknown::Null,
                missing: WhenMissing::Null,
            };
            entity.program.refs = vec![refers.clone(), refers];
            entity.program.outputs = vec![output("out", value)];
            entity.evaluation = evaluation(ANSWERS);
            let shaper = shaper(&mut entity, &CONSTANTS);
            let source = batch(INPUTS, &borrowed(&source));
            let mut shaped = shaper.native(source, Answers::default(), &Recorded::default());
            let told = answers(&mut shaped.batch, ANSWERS, &borrowed(&told), Vec::new());
            shaper.finish(&mut shaped, told);
            (!shaped.is_faulty(0)).then(|| shaper.fingerprint(&shaped, 0, 0))
        };
        if let Some(left_out) = fingerprint(object.clone()) {
            assert_eq!(Some(left_out), fingerprint(without_volatile(object)));
        }
    }
}

fn without_volatile(value: Value) -> Value {
    match value {
        Value::Json { members, jsonb } => {
            let kept = members.into_iter().filter(|member| !member.volatile);
            let kept = kept.map(|member| JsonMember {
                value: without_volatile(member.value),
                ..member
            });
            Value::Json {
                members: kept.collect(),
                jsonb,
            }
        }
        other => other,
    }
}
