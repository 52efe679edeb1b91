//! Plans as values, as far as setting aside and proof look at them.

use driftless_core::catalog::builtin;
use driftless_core::name::QualifiedName;
use driftless_core::plan::{
    Canonical, Chunking, EntityPlan, Evaluation, IdentityPlan, KeyPart, KeyText, Mint, Origin, Path, Plan,
    Program, RefSite, RefTarget, TargetColumn,
};
use driftless_core::spec::{Limit, WhenMissing};
use driftless_engine::store::{Store, schema};
use driftless_pg::Session;
use uuid::Uuid;

/// The pipeline of all tests here.
pub(crate) const PIPELINE: &str = "lab";

/// A plan of these entities.
pub(crate) fn plan_of(entities: Vec<EntityPlan>) -> Plan {
    Plan {
        pipeline: PIPELINE.to_owned(),
        state_schema: "driftless".to_owned(),
        namespace: Uuid::NAMESPACE_URL,
        max_row_bytes: 1 << 20,
        source_connections: 1,
        target_connections: 1,
        entities,
    }
}

/// An entity that loads a table, named as the table in lower case without dots.
pub(crate) fn load(schema: &str, name: &str) -> EntityPlan {
    EntityPlan {
        name: name.to_lowercase().replace('.', "_"),
        origin: Origin {
            sql: String::new(),
            label: String::new(),
            relation: None,
            filter: None,
            raw_text: false,
        },
        into: QualifiedName::new(schema, name),
        path: Path::Load,
        reason: String::new(),
        after: Vec::new(),
        chunking: Chunking::Whole,
        inputs: Vec::new(),
        identity: IdentityPlan {
            key: vec![key("int8")],
            mint: Mint::Derive {
                name: name.to_owned(),
                recorded: None,
            },
            target: vec![("id".to_owned(), "uuid".to_owned())],
            adopt: None,
            prerecord: false,
            merge: None,
            natural_key: None,
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
        unused: Vec::new(),
        lookups: Vec::new(),
        batch_rows: 1,
        batch_bytes: 1,
        max_rejects: Limit::Rows(0),
        digest: 0,
    }
}

/// A key column of this type.
pub(crate) fn key(type_sql: &str) -> KeyPart {
    KeyPart {
        column: "k".to_owned(),
        input: 0,
        text: KeyText::Input(0, Canonical::Integer),
        type_sql: type_sql.to_owned(),
    }
}

/// A written column.
pub(crate) fn column(name: &str, type_sql: &str) -> TargetColumn {
    TargetColumn {
        name: name.to_owned(),
        type_sql: type_sql.to_owned(),
        base_sql: type_sql.to_owned(),
        oid: builtin::TEXT,
        not_null: false,
    }
}

/// A reference in a uuid column, or within a json column where there is a path.
pub(crate) fn site(column: &str, path: &[&str], parents: &[&str], missing: WhenMissing) -> RefSite {
    RefSite {
        column: column.to_owned(),
        path: path.iter().map(|&name| name.to_owned()).collect(),
        parents: parents
            .iter()
            .map(|&parent| RefTarget {
                entity: parent.to_owned(),
                table: QualifiedName::new("public", parent),
                column: "id".to_owned(),
            })
            .collect(),
        missing,
        reference: 0,
    }
}

/// The state of the pipeline, made new.
pub(crate) async fn state(session: &mut Session) -> Store {
    let store = Store::new("driftless", PIPELINE);
    schema::ensure(session, &store, Uuid::from_u128(7))
        .await
        .expect("the state schema");
    store
}
