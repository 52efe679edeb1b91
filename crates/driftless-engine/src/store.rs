//! The state of a pipeline in its target, by capability. Everything that belongs to rows is written by functions that
//! take the transaction that writes the rows.

/// The schema itself: made, recognised, refused, dropped.
pub mod schema;
/// One writer: the lease with its epoch.
pub mod lease;
/// Executions and what they counted.
pub mod execution;
/// Entities: their phase, and the plan they were begun with.
pub mod entity;
/// Checkpoints.
pub mod chunk;
/// Identity tables, and mappings recorded before a load.
pub mod identity;
/// Rejects and warnings.
pub mod reject;
/// What is set aside, from before it is dropped until it is back.
pub mod aside;

use driftless_core::name::{QualifiedName, quote_ident, quote_literal};

/// Names the state of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    schema: String,
    pipeline: String,
}

impl Store {
    /// The state of `pipeline` in `schema`.
    pub fn new(schema: impl Into<String>, pipeline: impl Into<String>) -> Store {
        Store {
            schema: schema.into(),
            pipeline: pipeline.into(),
        }
    }

    /// The schema's name.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The pipeline's name.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// SQL with `{state}`, `{state_literal}` and `{pipeline}` (a literal) filled in.
    pub(crate) fn sql(&self, template: &str) -> String {
        template
            .replace("{state_literal}", &quote_literal(&self.schema))
            .replace("{state}", &quote_ident(&self.schema))
            .replace("{pipeline}", &quote_literal(&self.pipeline))
    }

    /// A table of the state.
    pub fn table(&self, name: &str) -> QualifiedName {
        QualifiedName::new(self.schema.clone(), name)
    }

    /// The identity table of an entity.
    pub fn identity_table(&self, entity: &str) -> QualifiedName {
        self.table(&format!("identity_{entity}"))
    }

    /// The table of mappings that were there before the load.
    pub fn recorded_table(&self, entity: &str) -> QualifiedName {
        self.table(&format!("recorded_{entity}"))
    }
}
