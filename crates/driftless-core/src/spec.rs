//! The mapping language: what a checked mapping says. Serde never sees these types; the reader walks the spanned TOML
//! tables and collects every finding before it gives up.

/// What a mapping may say, as data.
pub mod definition;
mod form;
/// The known name that somebody meant.
pub mod nearest;
/// `:id` and `:COLUMN` in SQL expressions.
pub mod placeholder;
mod reader;
mod render;
mod secret;
mod source;

pub use form::{
    ColumnSpec, Form, JsonForm, JsonMember, JsonScope, LookupForm, LookupPair, MapForm, RefForm, RefSource,
    RunFact, Unknown, WhenMissing,
};
pub use reader::{includes, read};
pub use render::{Style, render};
pub use source::{SourceFile, Sources};

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::error::Span;
use crate::name::QualifiedName;

/// A value of the mapping with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// A connection string, or what belongs into one. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a connection string.
    pub fn new(url: impl Into<String>) -> SecretUrl {
        SecretUrl(url.into())
    }

    /// The connection string, for the one who connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretUrl(***)")
    }
}

/// A whole mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// `[pipeline]`.
    pub pipeline: PipelineSpec,
    /// `[source]`.
    pub source: ServerSpec,
    /// `[target]`.
    pub target: ServerSpec,
    /// `[entities.*]`, by name.
    pub entities: Vec<EntitySpec>,
    /// `[ignore]`: what is left out of the source, with the reason.
    pub ignore: Vec<IgnoreSpec>,
    /// Variables that say what connection strings leave open: those of libpq, and where the user's files are.
    pub variables: BTreeMap<String, SecretUrl>,
}

impl Spec {
    /// The entity with this name.
    pub fn entity(&self, name: &str) -> Option<&EntitySpec> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// The label of the entity with this name, for reports.
    pub fn domain(&self, name: &str) -> Option<String> {
        self.entity(name)?.domain.clone()
    }
}

/// A line of `[ignore]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreSpec {
    /// The source relation.
    pub relation: QualifiedName,
    /// A column of it; `None` means the whole relation.
    pub column: Option<String>,
    /// Why it is left out.
    pub reason: String,
    /// Where it stands.
    pub span: Span,
}

/// `[pipeline]`.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineSpec {
    /// Namespaces identities, lease and state.
    pub name: String,
    /// Where the state lives in the target.
    pub state_schema: String,
    /// UUIDv5 namespace of derived identities.
    pub namespace: Uuid,
    /// How long before-images are kept, in seconds.
    pub undo_retention: u64,
    /// Largest row in bytes.
    pub max_row_bytes: u64,
}

/// `[source]` or `[target]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSpec {
    /// The connection string.
    pub url: SecretUrl,
    /// Where it stands.
    pub span: Span,
    /// Most sessions at once.
    pub max_connections: usize,
    /// How long to wait for a free session, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How long an unused session stays open, in milliseconds.
    pub idle_timeout_ms: u64,
    /// What `timestamp` without zone means there.
    pub zone: Option<Spanned<String>>,
}

/// Where an entity's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A table, partition root or view.
    Relation(QualifiedName),
    /// A query that runs on the source.
    Query(String),
}

/// A bound on a count: absolute or a share of the entity's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// So many rows.
    Rows(u64),
    /// So many per cent.
    Percent(f64),
}

/// `identity = …`, what a row's target key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySpec {
    /// UUIDv5 of the entity's pinned name (default: the entity's own) and the key.
    Derive {
        /// `name = "…"`.
        name: Option<String>,
    },
    /// A uuid that the source has.
    Column(String),
    /// UUIDv7, drawn when a key is first seen and then kept.
    Random,
    /// The target's key is made of mapped columns.
    Columns,
    /// Shared with another entity.
    SameAs(String),
    /// Rows have no key: they are loaded, and known by their place while the load goes on.
    None,
}

/// `merge_on = …, winner = …` of an identity: rows that are one row of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeSpec {
    /// Rows with equal values of this expression are one; SQL that runs on the source. Null equals nothing.
    pub on: Spanned<String>,
    /// Which of them is written.
    pub winner: Winner,
}

/// Which of several rows is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// The last in the order, and not the first.
    pub last: bool,
    /// The source column that orders them, before the key does; else the key alone.
    pub by: Option<Spanned<String>>,
}

/// When a rule of an entity looks at a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSide {
    /// At the source's columns.
    Source,
    /// At the shaped values.
    Target,
}

/// What happens to a row that a rule refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFail {
    /// It is rejected.
    Reject,
    /// It is written, and a warning recorded.
    Warn,
    /// The entity halts.
    Halt,
}

/// `[[entities.X.rules]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// Its name, unique in the entity.
    pub name: String,
    /// The condition, in SQL. Null passes.
    pub check: Spanned<String>,
    /// What it looks at.
    pub side: RuleSide,
    /// What happens when it is false.
    pub on_fail: OnFail,
}

/// How triggers behave in merges (`triggers = …`); loads always silence them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerPolicy {
    /// They fire as the application expects.
    Fire,
    /// They are silenced.
    Silence,
}

/// `[entities.X]`.
#[derive(Debug, Clone, PartialEq)]
pub struct EntitySpec {
    /// Its name.
    pub name: String,
    /// Where its table begins.
    pub span: Span,
    /// Where its rows come from.
    pub from: Spanned<From>,
    /// Where they go.
    pub into: Spanned<QualifiedName>,
    /// Key columns of the source, if given.
    pub key: Option<Spanned<Vec<String>>>,
    /// Which rows, in SQL of the source.
    pub filter: Option<Spanned<String>>,
    /// Entities to finish before this one starts.
    pub after: Vec<Spanned<String>>,
    /// Label for reports.
    pub domain: Option<String>,
    /// How triggers behave in merges.
    pub triggers: TriggerPolicy,
    /// Source columns (or target columns) never stored in clear.
    pub sensitive: Vec<Spanned<String>>,
    /// What target keys are made of, if given.
    pub identity: Option<Spanned<IdentitySpec>>,
    /// A query on the target that yields (legacy key…, target key) of an earlier migration.
    pub adopt: Option<Spanned<String>>,
    /// Rows that are one row of the target.
    pub merge: Option<MergeSpec>,
    /// Target columns by whose shaped values rows that are there already are found and adopted (`match = …`); empty without.
    pub natural_key: Vec<Spanned<String>>,
    /// Whether columns with equal names are copied without being named.
    pub copy_same_name: bool,
    /// Columns that `copy = "same-name"` leaves out.
    pub skip: Vec<String>,
    /// Columns with a form, in the mapping's order. `[defaults.columns]` are merged in (see `from_defaults`).
    pub columns: Vec<ColumnSpec>,
    /// Rules, in order.
    pub rules: Vec<RuleSpec>,
    /// Most rows of one batch.
    pub batch_rows: usize,
    /// Most bytes of one batch.
    pub batch_bytes: usize,
    /// How many rejects halt the entity.
    pub max_rejects: Limit,
    /// How many deletes stop a pass and ask.
    pub max_deletes: Limit,
}

#[cfg(test)]
mod tests;
