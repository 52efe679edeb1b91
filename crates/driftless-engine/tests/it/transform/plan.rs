//! Plans written by hand, for the row program alone.

use driftless_core::plan::{Canonical, EntityPlan, Input, KeyPart, KeyText, Mint, Output, Plan, Value};

use crate::plan::{load, plan_of};

pub(super) fn plan() -> Plan {
    plan_of(Vec::new())
}

/// An entity whose derived key is the integer in input `key`. No outputs.
pub(super) fn entity(inputs: &[(&str, u32)], key: usize) -> EntityPlan {
    let mut entity = load("public", "things");
    entity.inputs = inputs
        .iter()
        .map(|(column, oid)| Input {
            column: (*column).into(),
            select: String::new(),
            oid: *oid,
        })
        .collect();
    entity.identity.key = vec![part(key, Canonical::Integer)];
    entity
}

/// Makes the text in this input the second part of the key, and `name` the one in the derivation.
pub(super) fn add_text_key(entity: &mut EntityPlan, input: usize, name: &str) {
    entity.identity.key.push(part(input, Canonical::Text));
    entity.identity.mint = Mint::Derive {
        name: name.into(),
        recorded: None,
    };
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
