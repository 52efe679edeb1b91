//! Plans written by hand, for the row program alone.

use driftless_core::name::QualifiedName;
use driftless_core::plan::{
    Canonical, Chunking, EntityPlan, Evaluation, IdentityPlan, Input, KeyPart, KeyText, Mint, Origin, Output,
    Path, Plan, Program, Value,
};
use driftless_core::spec::Limit;
use uuid::Uuid;

pub(super) fn plan() -> Plan {
    Plan {
        pipeline: "test".into(),
        state_schema: "driftless".into(),
        namespace: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        max_row_bytes: 1 << 26,
        source_connections: 1,
        target_connections: 1,
        entities: Vec::new(),
    }
}

/// An entity whose derived key is the integer in input `key`. No outputs.
pub(super) fn entity(inputs: &[(&str, u32)], key: usize) -> EntityPlan {
    EntityPlan {
        name: "things".into(),
        origin: Origin {
            sql: "things".into(),
            label: "things".into(),
            relation: None,
            filter: None,
        },
        into: QualifiedName::new("public", "things"),
        path: Path::Load,
        reason: String::new(),
        after: Vec::new(),
        chunking: Chunking::Whole,
        inputs: inputs
            .iter()
            .map(|(column, oid)| Input {
                column: (*column).into(),
                select: String::new(),
                oid: *oid,
            })
            .collect(),
        identity: IdentityPlan {
            key: vec![part(key, Canonical::Integer)],
            mint: derived("things"),
            target: Vec::new(),
            adopt: None,
            prerecord: false,
            uuid_column: None,
            signature: String::new(),
        },
        key_evaluation: Evaluation::default(),
        evaluation: Evaluation::default(),
        target_evaluation: Evaluation::default(),
        program: Program::default(),
        constants: Vec::new(),
        columns: Vec::new(),
        source_rules: Vec::new(),
        target_rules: Vec::new(),
        refs: Vec::new(),
        sequences: Vec::new(),
        sensitive: Vec::new(),
        batch_rows: 1,
        batch_bytes: 1,
        max_rejects: Limit::Rows(0),
        digest: 0,
    }
}

/// Makes the text in this input the second part of the key, and `name` the one in the derivation.
pub(super) fn add_text_key(entity: &mut EntityPlan, input: usize, name: &str) {
    entity.identity.key.push(part(input, Canonical::Text));
    entity.identity.mint = derived(name);
}

pub(super) fn output(column: &str, value: Value) -> Output {
    Output {
        column: column.into(),
        value,
        default: None,
        required: false,
        checks: Vec::new(),
        volatile: false,
    }
}

fn part(input: usize, kind: Canonical) -> KeyPart {
    KeyPart {
        column: String::new(),
        input,
        text: KeyText::Input(input, kind),
        type_sql: String::new(),
    }
}

fn derived(name: &str) -> Mint {
    Mint::Derive {
        name: name.into(),
        recorded: None,
    }
}
