//! What commands report: values that the command line renders as tables or as JSON.

use driftless_core::error::Finding;
use serde::Serialize;

/// How far a run is. Sent while it works; nothing is decided by whoever listens.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A run began.
    Started {
        /// Its execution.
        execution: i64,
        /// Whether it continues an interrupted one.
        resumed: bool,
    },
    /// An entity takes part, with an estimate of the rows still to read.
    Entity {
        /// The entity.
        entity: String,
        /// Rows, estimated.
        estimated_rows: u64,
    },
    /// Rows went through: numbers since the run began.
    Progress {
        /// The entity.
        entity: String,
        /// Rows read.
        read: u64,
        /// Rows written and committed.
        written: u64,
        /// Rows rejected.
        rejected: u64,
        /// Bytes read.
        bytes: u64,
    },
    /// An entity entered a phase: `loading`, `mending`, `loaded`, `proving`, `done`.
    Phase {
        /// The entity.
        entity: String,
        /// The phase.
        phase: &'static str,
    },
    /// The whole run entered a step: `snapshot`, `setting aside`, `building indexes`, `proving references`, `analyze`, …
    Step {
        /// What is being done.
        step: String,
    },
    /// Connections were lost, or a deadlock; the load goes on by itself after a pause.
    Lost {
        /// What was lost.
        error: String,
        /// The pause.
        pause: std::time::Duration,
        /// Which attempt in a row it is without a chunk committed between.
        attempt: u32,
        /// How many there may be.
        of: u32,
    },
    /// Something worth knowing.
    Note(String),
}

/// What one entity came to in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityReport {
    /// The entity.
    pub entity: String,
    /// The mapping's label.
    pub domain: Option<String>,
    /// `load` or `beside`.
    pub path: String,
    /// Rows read by this run. A run that ends an entity's load has read all of it: the sum of inserted, kept, adopted,
    /// rejected and parked rows.
    pub read: i64,
    /// Rows in the target because of this run.
    pub inserted: i64,
    /// Rows in the target that earlier runs of this load wrote, mended ones among them.
    pub kept: i64,
    /// Rows of adopted mappings that were in the target before, and stay as they are.
    pub adopted: i64,
    /// Of the rows kept, those replaced while mending.
    pub updated: i64,
    /// Rows removed while mending.
    pub deleted: i64,
    /// Rows on record as rejected now.
    pub rejected: i64,
    /// Rows on record as parked now.
    pub parked: i64,
    /// Bytes read.
    pub bytes: i64,
    /// Milliseconds.
    pub duration_ms: i64,
}

/// What `migrate` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrateReport {
    /// The execution.
    pub execution: i64,
    /// Whether there was anything to do.
    pub nothing_to_do: bool,
    /// Whether it continued an interrupted run.
    pub resumed: bool,
    /// Per entity that this run worked on, in plan order; where there was nothing to do, all that are done.
    pub entities: Vec<EntityReport>,
    /// Rows of the whole pipeline on record as rejected or parked.
    pub on_record: i64,
    /// Milliseconds in all.
    pub duration_ms: i64,
}

/// What an entity's plan says, for `plan` and `check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedEntity {
    /// The entity.
    pub entity: String,
    /// The mapping's label.
    pub domain: Option<String>,
    /// Where its rows come from.
    pub from: String,
    /// Where they go.
    pub into: String,
    /// `load` or `beside`.
    pub path: String,
    /// Why.
    pub reason: String,
    /// How it is cut into chunks.
    pub chunks: String,
    /// Rows, estimated; `None` where the source's server would not say.
    pub estimated_rows: Option<i64>,
    /// Bytes of its pages; `None` for views and queries, which have none.
    pub estimated_bytes: Option<i64>,
    /// Column, how its value travels (`bytes`, `evaluated by the target`, …).
    pub columns: Vec<(String, String)>,
    /// What is set aside: kind and name.
    pub set_aside: Vec<(String, String)>,
    /// What stays in place: name and reason.
    pub stays: Vec<(String, String)>,
    /// How far its load is already (`-`, `loading`, `loaded`, `done`).
    pub phase: String,
    /// The code with which `migrate` would refuse to continue it, if it would: a finding says more.
    pub refused: Option<String>,
    /// What will run, in its order. Of what comes once per chunk or batch the first.
    pub statements: Vec<PlannedStatement>,
    /// Indexes that would help and are not there.
    pub indexes: Vec<PlannedIndex>,
}

/// A statement that will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStatement {
    /// `source` or `target`.
    pub side: &'static str,
    /// What it does (`read`, `evaluate`, `write rows`, …).
    pub step: String,
    /// The statement.
    pub sql: String,
}

/// An index that would help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedIndex {
    /// `source` or `target`.
    pub side: &'static str,
    /// Its table.
    pub table: String,
    /// The statement that makes it.
    pub sql: String,
    /// What is slow without it.
    pub why: String,
}

/// What `plan` reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanReport {
    /// The pipeline.
    pub pipeline: String,
    /// `user@host:port/database` of the source.
    pub source: String,
    /// The same of the target.
    pub target: String,
    /// How triggers are silenced.
    pub triggers: String,
    /// In the order in which they start.
    pub entities: Vec<PlannedEntity>,
    /// What is worth knowing; errors among them say which entities `migrate` would refuse to continue.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

/// An entity's state, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityStatus {
    /// The entity.
    pub entity: String,
    /// The mapping's label.
    pub domain: Option<String>,
    /// The target table.
    pub table: String,
    /// `loading`, `loaded`, `done`.
    pub phase: String,
    /// Chunks done.
    pub chunks_done: i64,
    /// Chunks in all.
    pub chunks: i64,
    /// Rows on record as rejected.
    pub rejected: i64,
    /// Rows on record as parked.
    pub parked: i64,
    /// Identities on record: of rows written, and of adopted ones.
    pub identities: i64,
}

/// An execution, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExecutionStatus {
    /// Its number.
    pub id: i64,
    /// The command.
    pub command: String,
    /// `running`, `done`, `failed`, `interrupted`.
    pub state: String,
    /// ISO 8601.
    pub started_at: String,
    /// ISO 8601.
    pub ended_at: Option<String>,
    /// The code it ended with.
    pub code: Option<String>,
    /// What it said then.
    pub message: Option<String>,
    /// Per entity.
    pub entities: Vec<EntityCounts>,
}

/// What one execution did with one entity, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityCounts {
    /// The entity.
    pub entity: String,
    /// `load` or `beside`; `None` if its load was taken back since.
    pub path: Option<String>,
    /// Rows read.
    pub read: i64,
    /// Rows written, less those that proofs took out again.
    pub inserted: i64,
    /// Rows replaced while mending.
    pub updated: i64,
    /// Rows of adopted mappings that stay as they are.
    pub adopted: i64,
    /// Rows removed while mending.
    pub deleted: i64,
    /// Rows rejected.
    pub rejected: i64,
    /// Rows parked.
    pub parked: i64,
    /// Bytes read.
    pub bytes: i64,
    /// Milliseconds.
    pub duration_ms: i64,
}

/// What `status` reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The pipeline.
    pub pipeline: String,
    /// Whether the target has any state of it.
    pub present: bool,
    /// Who holds it now, if anybody.
    pub holder: Option<String>,
    /// Entities.
    pub entities: Vec<EntityStatus>,
    /// Executions, newest first.
    pub executions: Vec<ExecutionStatus>,
    /// DDL still set aside: table, kind, name, state, and why it could not be put back if that was tried.
    pub set_aside: Vec<(String, String, String, String, Option<String>)>,
}

/// Which rejects or warnings are meant: everything that is given must hold. Empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectFilter {
    /// Of these entities.
    pub entities: Vec<String>,
    /// With these canonical keys.
    pub keys: Vec<String>,
    /// In these states (`rejected`, `parked`, `discarded`). Not of warnings.
    pub states: Vec<String>,
    /// With these codes (`DL0404`). Not of warnings.
    pub codes: Vec<String>,
    /// In this category (`technical`, `data_quality`, `business_rule`). Not of warnings.
    pub category: Option<String>,
    /// Of these rules.
    pub rules: Vec<String>,
    /// Left out because a row of this entity was. Not of warnings.
    pub parent_entity: Option<String>,
    /// Left out because the row with this canonical key was. Not of warnings.
    pub parent_key: Option<String>,
    /// Seen last at this time or later.
    pub since: Option<Since>,
}

/// A moment to look back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// ISO 8601 with its offset.
    At(String),
    /// So many seconds before now, by the clock of the target.
    Ago(u32),
}

/// A reject as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectRecord {
    /// The entity.
    pub entity: String,
    /// The canonical key.
    pub key: String,
    /// `rejected`, `parked` or `discarded`.
    pub state: String,
    /// Where on its way.
    pub stage: String,
    /// The stable code.
    pub code: String,
    /// PostgreSQL's code, if it was PostgreSQL.
    pub sqlstate: Option<String>,
    /// `technical`, `data_quality`, `business_rule`.
    pub category: String,
    /// What is wrong. May hold values of the row.
    pub message: String,
    /// The target column.
    pub column: Option<String>,
    /// The constraint.
    pub constraint: Option<String>,
    /// The rule.
    pub rule: Option<String>,
    /// The parent entity that is missing or rejected.
    pub parent_entity: Option<String>,
    /// Its key.
    pub parent_key: Option<String>,
    /// The source row, as text by column; sensitive columns masked.
    pub source_row: Option<serde_json::Value>,
    /// The execution that saw it last.
    pub execution: i64,
    /// ISO 8601.
    pub first_seen: String,
    /// ISO 8601.
    pub last_seen: String,
}

/// Rejects counted by entity and code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectGroup {
    /// The entity.
    pub entity: String,
    /// `rejected`, `parked` or `discarded`.
    pub state: String,
    /// The stable code.
    pub code: String,
    /// `technical`, `data_quality`, `business_rule`.
    pub category: String,
    /// The column, constraint or rule in question.
    pub subject: Option<String>,
    /// How many.
    pub rows: i64,
}

/// A row that was loaded although a rule warns of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WarningRecord {
    /// The entity.
    pub entity: String,
    /// The canonical key.
    pub key: String,
    /// The rule.
    pub rule: String,
    /// The execution that saw it last.
    pub execution: i64,
    /// ISO 8601.
    pub seen_at: String,
}

/// Warnings counted by entity and rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WarningGroup {
    /// The entity.
    pub entity: String,
    /// The rule.
    pub rule: String,
    /// How many.
    pub rows: i64,
}

/// What a retry of rejects came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetryReport {
    /// The execution.
    pub execution: i64,
    /// Rows tried.
    pub tried: i64,
    /// Rows now in the target.
    pub written: i64,
    /// Rows still on record.
    pub still_rejected: i64,
    /// Rows whose source row is gone, and whose record with it.
    pub gone: i64,
}

/// An identity as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityRecord {
    /// The entity.
    pub entity: String,
    /// The canonical key in the source.
    pub key: String,
    /// The key in the target, as text by column.
    pub target: Vec<(String, String)>,
    /// The target table.
    pub table: String,
    /// `live`, `adopted` (recorded before the load, not loaded), `rejected`.
    pub status: String,
    /// ISO 8601.
    pub created_at: Option<String>,
    /// The execution that recorded it.
    pub execution: Option<i64>,
}

/// What deleting would delete: entity, table, rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// The entity.
    pub entity: String,
    /// The target table.
    pub table: String,
    /// Rows of this pipeline there.
    pub rows: i64,
}

/// What `migrate --abandon` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AbandonReport {
    /// Put back: table, name.
    pub restored: Vec<(String, String)>,
    /// Foreign keys that rows violate, added NOT VALID: table, name.
    pub not_validated: Vec<(String, String)>,
    /// What could not be put back: table, name, why.
    pub failed: Vec<(String, String, String)>,
}

/// What `teardown` would remove, or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TeardownReport {
    /// The pipeline.
    pub pipeline: String,
    /// The schema that holds its state.
    pub state_schema: String,
    /// `user@host:port/database` of the target.
    pub target: String,
    /// State tables that are not empty, by name with their rows.
    pub state: Vec<(String, i64)>,
    /// Identity tables with their rows, estimated. They go only when said.
    pub identities: Vec<(String, i64)>,
    /// DDL still set aside, which must be put back first: table, name.
    pub set_aside: Vec<(String, String)>,
}

/// What becomes of the source as a whole, for `coverage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverageReport {
    /// The pipeline.
    pub pipeline: String,
    /// Where the source is.
    pub source: String,
    /// Relations of which nobody says anything.
    pub forgotten_relations: usize,
    /// Columns of mapped relations of which nobody says anything.
    pub forgotten_columns: usize,
    /// Every relation that holds rows, by name.
    pub relations: Vec<CoveredRelation>,
}

/// A source relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoveredRelation {
    /// Its name.
    pub relation: String,
    /// Rows, estimated.
    pub estimated_rows: i64,
    /// `mapped`, `ignored` or `forgotten`.
    pub fate: String,
    /// The entities that read it.
    pub entities: Vec<String>,
    /// Why it is ignored.
    pub reason: Option<String>,
    /// Its columns; none where it is not mapped, or read by a query, which does not tell which columns it uses.
    pub columns: Vec<CoveredColumn>,
}

/// A source column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoveredColumn {
    /// Its name.
    pub column: String,
    /// `mapped`, `ignored` or `forgotten`.
    pub fate: String,
    /// The entities that use it.
    pub entities: Vec<String>,
    /// Why it is ignored.
    pub reason: Option<String>,
}
