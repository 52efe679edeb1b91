//! The row program over cells of any bytes: each row is whole or at fault, and what is written is COPY data of whole rows.
#![no_main]

use std::collections::BTreeMap;

use driftless_core::batch::{Batch, Table, append};
use driftless_core::catalog::builtin;
use driftless_core::name::QualifiedName;
use driftless_core::plan::{
    Canonical, Check, Chunking, EntityPlan, Evaluation, EvaluationOutput, IdentityPlan, Input, JsonKind,
    JsonMember, KeyPart, KeyText, MapProgram, Mint, Origin, Output, Path, Plan, Program, RefProgram,
    Resolution, Value,
};
use driftless_core::spec::{Limit, Unknown, WhenMissing};
use driftless_core::transform::{Answers, Constants, Recorded, Shaper, Stamp, Verdict};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

/// Types with a text in reject records, and one without.
const TYPES: [u32; 20] = [
    builtin::INT8,
    builtin::TEXT,
    builtin::NUMERIC,
    builtin::INT2,
    builtin::BOOL,
    builtin::UUID,
    builtin::JSON,
    builtin::JSONB,
    builtin::DATE,
    builtin::TIMESTAMP,
    builtin::TIMESTAMPTZ,
    builtin::TIME,
    builtin::TIMETZ,
    builtin::FLOAT4,
    builtin::FLOAT8,
    builtin::BYTEA,
    builtin::BPCHAR,
    builtin::CHAR,
    builtin::INTERVAL,
    0,
];
const ANSWERS: usize = 2;

fn entity() -> EntityPlan {
    let input = |(number, oid): (usize, &u32)| Input {
        column: format!("c{number}"),
        select: String::new(),
        oid: *oid,
    };
    let answer = EvaluationOutput {
        sql: String::new(),
        place: String::new(),
        column: None,
        reads: false,
        inputs: Vec::new(),
        settled: false,
        local: None,
        for_rules: false,
    };
    EntityPlan {
        name: "e".into(),
        origin: Origin {
            sql: "e".into(),
            label: "e".into(),
            relation: None,
            filter: None,
            raw_text: false,
        },
        into: QualifiedName::new("public", "e"),
        path: Path::Load,
        reason: String::new(),
        after: Vec::new(),
        chunking: Chunking::Whole,
        inputs: TYPES.iter().enumerate().map(input).collect(),
        identity: IdentityPlan {
            key: vec![KeyPart {
                column: "c0".into(),
                input: 0,
                text: KeyText::Input(0, Canonical::Integer),
                type_sql: "bigint".into(),
            }],
            mint: Mint::Derive {
                name: "e".into(),
                recorded: None,
            },
            target: vec![("id".into(), "uuid".into())],
            adopt: None,
            prerecord: false,
            merge: None,
            natural_key: None,
            uuid_column: None,
            signature: String::new(),
        },
        key_evaluation: Evaluation::default(),
        evaluation: Evaluation {
            inputs: Vec::new(),
            outputs: vec![answer; ANSWERS],
        },
        target_evaluation: Evaluation::default(),
        program: Program {
            refs: vec![reference()],
            outputs: outputs(),
        },
        constants: Vec::new(),
        columns: Vec::new(),
        source_rules: Vec::new(),
        target_rules: Vec::new(),
        refs: Vec::new(),
        sequences: Vec::new(),
        sensitive: vec!["c6".into()],
        unused: Vec::new(),
        lookups: Vec::new(),
        batch_rows: 100,
        batch_bytes: 1 << 20,
        max_rejects: Limit::Rows(0),
        digest: 0,
    }
}

fn reference() -> RefProgram {
    RefProgram {
        parts: vec![
            KeyText::Input(1, Canonical::Text),
            KeyText::Input(5, Canonical::Uuid),
        ],
        discriminator: Some((17, Canonical::Text)),
        parents: vec![(b"a".to_vec(), Resolution::Derive { name: "p".into() })],
        unknown: Unknown::Reject,
        missing: WhenMissing::Park,
    }
}

fn outputs() -> Vec<Output> {
    let output = |value: Value, checks: Vec<Check>| Output {
        column: "o".into(),
        value,
        default: None,
        required: false,
        checks,
        volatile: false,
    };
    let kinds = [
        (1, JsonKind::String),
        (3, JsonKind::Integer),
        (4, JsonKind::Bool),
        (5, JsonKind::Uuid),
        (2, JsonKind::Numeric),
        (7, JsonKind::Jsonb),
    ];
    let member = |(input, kind)| JsonMember {
        name: format!("m{input}"),
        value: Value::Input(input),
        kind,
        default: None,
        volatile: input == 3,
    };
    let map = MapProgram {
        input: 16,
        text: Canonical::Text,
        values: BTreeMap::from([(b"a".to_vec(), None)]),
        unknown: Unknown::Reject,
        unknown_constant: None,
    };
    vec![
        output(Value::Id, Vec::new()),
        output(Value::Ref(0), Vec::new()),
        output(Value::Input(1), vec![Check::Characters(8)]),
        output(
            Value::Input(2),
            vec![Check::Numeric {
                precision: 5,
                scale: 2,
            }],
        ),
        output(Value::Input(9), vec![Check::Microseconds(1000)]),
        output(Value::Input(18), vec![Check::SameInterval]),
        output(Value::Input(16), vec![Check::Label(vec!["a".into()])]),
        output(Value::Integer { input: 0, width: 2 }, Vec::new()),
        output(Value::IntegerText(3), Vec::new()),
        output(Value::Map(map), Vec::new()),
        output(Value::Answer(0), vec![Check::Lossless(1)]),
        output(
            Value::Json {
                members: kinds.map(member).to_vec(),
                jsonb: true,
            },
            Vec::new(),
        ),
    ]
}

/// Cells out of the input: a byte of length, 255 for null, then the bytes.
fn cells(bytes: &mut &[u8], count: usize) -> Vec<Option<Vec<u8>>> {
    let mut cell = || {
        let (length, rest) = bytes.split_first()?;
        *bytes = rest;
        if *length == 255 {
            return None;
        }
        let (value, rest) = bytes.split_at(usize::from(*length).min(bytes.len()));
        *bytes = rest;
        Some(value.to_vec())
    };
    (0..count).map(|_| cell()).collect()
}

/// Whether the bytes are tuples of so many fields, and so many of them.
fn are_tuples(mut bytes: &[u8], fields: usize, count: usize) -> bool {
    for _ in 0..count {
        let Some((head, rest)) = bytes.split_first_chunk::<2>() else {
            return false;
        };
        if usize::from(u16::from_be_bytes(*head)) != fields {
            return false;
        }
        bytes = rest;
        for _ in 0..fields {
            let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
                return false;
            };
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
            let Some(rest) = rest.get(length..) else {
                return false;
            };
            bytes = rest;
        }
    }
    bytes.is_empty()
}

fuzz_target!(|input: &[u8]| {
    let (mut bytes, rows) = (input, 2);
    let plan = Plan {
        pipeline: "p".into(),
        state_schema: "driftless".into(),
        namespace: Uuid::NAMESPACE_OID,
        max_row_bytes: 1 << 20,
        source_connections: 1,
        target_connections: 1,
        entities: Vec::new(),
    };
    let entity = entity();
    let shaper = Shaper::new(&plan, &entity, Constants(Vec::new()));
    let mut batch = Batch::new(TYPES.len());
    for _ in 0..rows {
        let row = cells(&mut bytes, TYPES.len());
        batch.push_row(row.iter().map(Option::as_deref));
    }
    let mut shaped = shaper.native(batch, Answers::default(), &Recorded::default());
    let mut table = Table::nulls(rows, ANSWERS);
    for row in 0..rows {
        for (column, value) in cells(&mut bytes, ANSWERS).iter().enumerate() {
            table.set(row, column, append(&mut shaped.batch.arena, value.as_deref()));
        }
    }
    shaper.finish(
        &mut shaped,
        Answers {
            table,
            failed: Vec::new(),
        },
    );
    shaper.judge(&mut shaped, Answers::default());
    let whole = (0..rows)
        .filter(|row| matches!(shaped.verdict(*row), Verdict::Write))
        .count();
    let mut out = Vec::new();
    shaper.encode_rows(&shaped, 0..rows, &mut out);
    assert!(are_tuples(&out, entity.program.outputs.len(), whole));
    out.clear();
    let stamp = Stamp {
        execution: 1,
        status: 0,
        offered: true,
    };
    shaper.encode_identities(&shaped, stamp, 0..rows, &mut out);
    assert!(are_tuples(&out, 7, whole));
    for row in 0..rows {
        shaper.source_row_json(&shaped.batch, row);
        shaper.key_text(&shaped, row);
        shaper.reference_key(&shaped, row, 0);
    }
});
