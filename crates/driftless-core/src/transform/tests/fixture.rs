//! Plans and batches for tests.

use uuid::Uuid;

use crate::batch::{Batch, Table, append};
use crate::catalog::{Oid, builtin};
use crate::name::QualifiedName;
use crate::plan::{
    Canonical, Chunking, Constant, ConstantText, EntityPlan, Evaluation, EvaluationOutput, IdentityPlan,
    Input, KeyPart, KeyText, Mint, Origin, Output, Path, Plan, Program, RulePlan, Value,
};
use crate::spec::{Limit, OnFail};
use crate::transform::{Answers, Constants, Recorded, RowFault, Shaped, Shaper};

/// A row: one value for each input.
pub(super) type Row<'v> = Vec<Option<&'v [u8]>>;

pub(super) fn plan() -> Plan {
    Plan {
        pipeline: "lab".into(),
        state_schema: "driftless".into(),
        namespace: Uuid::NAMESPACE_OID,
        max_row_bytes: 1 << 20,
        source_connections: 1,
        target_connections: 1,
        entities: Vec::new(),
    }
}

/// `patients`, whose key is the integer in input 0 and whose identity is derived. No outputs.
pub(super) fn entity(inputs: &[(&str, Oid)]) -> EntityPlan {
    let first = inputs.first().map_or("", |input| input.0);
    EntityPlan {
        name: "patients".into(),
        origin: Origin {
            sql: "patients".into(),
            label: "patients".into(),
            relation: None,
            filter: None,
            raw_text: false,
        },
        into: QualifiedName::new("public", "patients"),
        path: Path::Load,
        reason: String::new(),
        after: Vec::new(),
        chunking: Chunking::Whole,
        inputs: inputs.iter().map(|(column, oid)| input(column, *oid)).collect(),
        identity: identity(first),
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
        unused: Vec::new(),
        lookups: Vec::new(),
        batch_rows: 100,
        batch_bytes: 1 << 20,
        max_rejects: Limit::Rows(0),
        digest: 0,
    }
}

fn input(column: &str, oid: Oid) -> Input {
    Input {
        column: column.into(),
        select: column.into(),
        oid,
    }
}

fn identity(column: &str) -> IdentityPlan {
    IdentityPlan {
        key: vec![KeyPart {
            column: column.into(),
            input: 0,
            text: KeyText::Input(0, Canonical::Integer),
            type_sql: "bigint".into(),
        }],
        mint: Mint::Derive {
            name: "patients".into(),
            recorded: None,
        },
        target: vec![("id".into(), "uuid".into())],
        adopt: None,
        prerecord: false,
        merge: None,
        natural_key: None,
        uuid_column: None,
        signature: String::new(),
    }
}

/// The entity with an int8 `id` and one more text input `a`, and this output beside.
pub(super) fn one_output(oid: Oid, value: Value) -> EntityPlan {
    let mut entity = entity(&[("id", builtin::INT8), ("a", oid)]);
    entity.program.outputs = vec![output("out", value)];
    entity
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

/// So many answers, whatever they are for.
pub(super) fn evaluation(outputs: usize) -> Evaluation {
    let output = EvaluationOutput {
        sql: String::new(),
        place: String::new(),
        column: None,
        reads: false,
        inputs: Vec::new(),
        settled: false,
        local: None,
        for_rules: false,
    };
    Evaluation {
        inputs: Vec::new(),
        outputs: vec![output; outputs],
    }
}

pub(super) fn rule(name: &str, answer: usize, on_fail: OnFail) -> RulePlan {
    RulePlan {
        name: name.into(),
        answer,
        on_fail,
    }
}

pub(super) fn batch(width: usize, rows: &[Row<'_>]) -> Batch {
    let mut batch = Batch::new(width);
    for row in rows {
        batch.push_row(row.iter().copied());
    }
    batch
}

/// Answers with these values, their bytes in the batch's arena.
pub(super) fn answers(batch: &mut Batch, width: usize, rows: &[Row<'_>], failed: Vec<RowFault>) -> Answers {
    let mut table = Table::nulls(rows.len(), width);
    for (number, row) in rows.iter().enumerate() {
        for (column, value) in row.iter().enumerate() {
            table.set(number, column, append(&mut batch.arena, *value));
        }
    }
    Answers { table, failed }
}

/// A shaper with these constants.
pub(super) fn shaper<'p>(entity: &'p mut EntityPlan, constants: &[Option<&[u8]>]) -> Shaper<'p> {
    let constant = Constant {
        text: ConstantText::Text(String::new()),
        type_sql: "text".into(),
    };
    entity.constants = vec![constant; constants.len()];
    let constants = constants.iter().map(|one| one.map(<[u8]>::to_vec)).collect();
    Shaper::new(&plan(), entity, Constants(constants))
}

/// Shapes rows that need no evaluation and no recorded mapping.
pub(super) fn shape(entity: &mut EntityPlan, constants: &[Option<&[u8]>], rows: &[Row<'_>]) -> Shaped {
    let width = entity.inputs.len();
    shaper(entity, constants).native(batch(width, rows), Answers::default(), &Recorded::default())
}

/// Code and column of every fault of a row.
pub(super) fn faults(shaped: &Shaped, row: usize) -> Vec<(u16, Option<&str>)> {
    let told = shaped.faults(row);
    told.map(|fault| (fault.code.number(), fault.column.as_deref()))
        .collect()
}
