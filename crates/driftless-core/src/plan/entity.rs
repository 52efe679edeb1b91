//! What the plan says of one entity.

use uuid::Uuid;

use super::program::{Constant, KeyText, Program};
use crate::catalog::Oid;
use crate::name::QualifiedName;
use crate::spec::{Limit, OnFail, WhenMissing};

/// A whole plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The pipeline's name.
    pub pipeline: String,
    /// The schema of the state in the target.
    pub state_schema: String,
    /// UUIDv5 namespace of derived identities.
    pub namespace: Uuid,
    /// Largest row in bytes.
    pub max_row_bytes: u64,
    /// Most sessions with the source.
    pub source_connections: usize,
    /// Most sessions with the target.
    pub target_connections: usize,
    /// Entities, in the order in which they start.
    pub entities: Vec<EntityPlan>,
}

impl Plan {
    /// The entity with this name.
    pub fn entity(&self, name: &str) -> Option<&EntityPlan> {
        self.entities.iter().find(|entity| entity.name == name)
    }
}

/// How an entity's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Into an empty table that is ours to alter: constraints and indexes set aside.
    Load,
    /// Beside rows of others, or into a table that is not ours: constraints in place, in key order, violations isolated.
    Beside,
}

impl Path {
    /// As reports and the state name it.
    pub fn text(self) -> &'static str {
        match self {
            Path::Load => "load",
            Path::Beside => "beside",
        }
    }
}

/// Where rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What stands behind FROM: a qualified name, or a query in parentheses with an alias.
    pub sql: String,
    /// As people name it.
    pub label: String,
    /// The relation, if it is one.
    pub relation: Option<QualifiedName>,
    /// The filter, in SQL.
    pub filter: Option<String>,
    /// Whether the source vouches for no encoding of its texts (SQL_ASCII).
    pub raw_text: bool,
}

/// How an entity is cut into chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunking {
    /// Ranges of an integer column (SQL name quoted).
    Integer(String),
    /// Ranges of a uuid column (SQL name quoted).
    Uuid(String),
    /// Ranges of pages (tables only).
    Pages,
    /// All at once (views, queries, partition roots without such a key).
    Whole,
}

/// A column of the extraction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The source column.
    pub column: String,
    /// What SELECT lists: the quoted column, or a cast of it to text.
    pub select: String,
    /// The oid of what SELECT yields (a built-in type; 25 where it is cast or an enum's label, 17 for the bytes of an extension's type).
    pub oid: Oid,
}

/// The sequence of a target column that keeps what the source has: its own, or the one that its default draws from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawnFrom {
    /// The column.
    pub column: String,
    /// The sequence.
    pub sequence: QualifiedName,
}

/// One column of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    /// The source column.
    pub column: String,
    /// The input with its bytes.
    pub input: usize,
    /// How it becomes canonical text.
    pub text: KeyText,
    /// The type of its column in the identity table, as SQL writes it; its binary form equals the input's.
    pub type_sql: String,
}

/// Where target keys come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Mint {
    /// UUIDv5 of this name and the key; recorded mappings (adopted) come first if `recorded`.
    Derive {
        /// The name in the derivation.
        name: String,
        /// The entity whose recorded mappings come first, if any.
        recorded: Option<String>,
    },
    /// The uuid of this input.
    Column(usize),
    /// The recorded mapping of this entity: drawn before the load, or adopted beside a uuid column; or that of the entity
    /// whose identity this one shares.
    Recorded {
        /// That entity.
        entity: String,
    },
    /// The outputs with these numbers.
    Columns(Vec<usize>),
    /// Rows have no key: on both sides they are known by where they lie, while the load goes on.
    Place,
}

impl Mint {
    /// The entity whose recorded mappings are looked up for the row's own UUID.
    pub fn recorded(&self) -> Option<&str> {
        match self {
            Mint::Derive { recorded, .. } => recorded.as_deref(),
            Mint::Recorded { entity } => Some(entity),
            Mint::Column(_) | Mint::Columns(_) | Mint::Place => None,
        }
    }
}

/// Rows that are one row of the target, in SQL of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// What is equal in them.
    pub on: String,
    /// The order in which the first one is written.
    pub order: String,
}

/// How rows that are in the target already are found by their natural key, before the load.
#[derive(Debug, Clone, PartialEq)]
pub struct NaturalKey {
    /// The target columns that are compared.
    pub columns: Vec<String>,
    /// The entity cut down to what gives these columns their values; its UUIDs are of no meaning.
    pub probe: Box<EntityPlan>,
}

/// An entity's identity.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityPlan {
    /// Key columns of the source.
    pub key: Vec<KeyPart>,
    /// Where target keys come from.
    pub mint: Mint,
    /// The target's key columns with their types as SQL writes them, in identity-table order.
    pub target: Vec<(String, String)>,
    /// Whether mappings must be recorded before the load starts: by this SQL of the target (adopt)…
    pub adopt: Option<String>,
    /// …or by reading keys from the source, each with its uuid column; without one a UUID is drawn for each new key.
    pub prerecord: bool,
    /// Which rows are one row of the target.
    pub merge: Option<Merge>,
    /// How rows that are there already are found.
    pub natural_key: Option<NaturalKey>,
    /// The source column that has the UUIDs, if the source has them.
    pub uuid_column: Option<String>,
    /// The text that must not change between runs: namespace, name, derivation, key.
    pub signature: String,
}

/// One query over arrays, answered by the target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// What goes in, one array each.
    pub inputs: Vec<EvaluationInput>,
    /// What comes out.
    pub outputs: Vec<EvaluationOutput>,
}

/// An array that goes into an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationInput {
    /// The column's name inside the query (not quoted).
    pub name: String,
    /// Whose bytes: an input, an output, or the row's UUID.
    pub from: EvaluationSource,
    /// The element's oid on the wire (built-in; text for what travels as text).
    pub element: Oid,
    /// The oid of its array type.
    pub array: Oid,
    /// The type it is cast to inside, as SQL writes it, if it travels as text.
    pub cast: Option<String>,
}

/// Whose bytes an evaluation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluationSource {
    /// An input of the extraction.
    Input(usize),
    /// An output of the program.
    Output(usize),
    /// This row's UUID.
    Id,
}

/// A column that comes out of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationOutput {
    /// The expression over the query's columns.
    pub sql: String,
    /// What it is for, in the operator's words (`column amount`, `rule positive`).
    pub place: String,
    /// The target column it fills, if one.
    pub column: Option<String>,
    /// Whether it is a copied value, which the target reads from another type: whatever it says of it then, it says of the
    /// value.
    pub reads: bool,
    /// The inputs that it is computed from, by number, ascending.
    pub inputs: Vec<usize>,
    /// Whether equal inputs give equal answers as long as a load lasts, so that an answer may be remembered.
    pub settled: bool,
    /// What of its only input, a local time, it says, and of which zone: for most days the offset of that zone decides.
    pub local: Option<(String, Local)>,
    /// Whether it is asked for rules alone, which look for nothing but false.
    pub for_rules: bool,
}

/// What an answer says of a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Local {
    /// The instant that it means.
    Moment,
    /// Whether it is the local time of that instant: false where the clocks were put forward over it.
    Exists,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePlan {
    /// Its name.
    pub name: String,
    /// The answer (of the main evaluation for source rules, of the target evaluation for target rules) that is false
    /// where the rule refuses.
    pub answer: usize,
    /// What happens then.
    pub on_fail: OnFail,
}

/// A column the program writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetColumn {
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it.
    pub type_sql: String,
    /// The type below its domains, without modifier, as SQL writes it.
    pub base_sql: String,
    /// The oid of its type on the target.
    pub oid: Oid,
    /// Whether it refuses null.
    pub not_null: bool,
}

/// Whom a reference may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefTarget {
    /// The parent entity.
    pub entity: String,
    /// Its target table.
    pub table: QualifiedName,
    /// Its key column there.
    pub column: String,
}

/// What values are looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The relation of the target.
    pub table: QualifiedName,
    /// Its columns that are read.
    pub columns: Vec<String>,
}

/// A place in the target that holds a reference, to be proven after the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefSite {
    /// The target column.
    pub column: String,
    /// Path of member names inside that column, if it is json; empty for a uuid column.
    pub path: Vec<String>,
    /// Whom it may mean: one, or several for polymorphic references.
    pub parents: Vec<RefTarget>,
    /// What happens when the parent is not there.
    pub missing: WhenMissing,
    /// The number of the reference in the program.
    pub reference: usize,
}

/// Everything the plan says of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityPlan {
    /// Its name.
    pub name: String,
    /// Where its rows are read.
    pub origin: Origin,
    /// The table they go to.
    pub into: QualifiedName,
    /// How they are written.
    pub path: Path,
    /// Why so, in the operator's words.
    pub reason: String,
    /// Entities that must be finished (loaded, not proven) before this one starts.
    pub after: Vec<String>,
    /// How it is cut into chunks.
    pub chunking: Chunking,
    /// What is read, in order.
    pub inputs: Vec<Input>,
    /// Its identity.
    pub identity: IdentityPlan,
    /// Key texts that only the target can print: evaluated first. Answers are text.
    pub key_evaluation: Evaluation,
    /// The expressions over source columns, `:id` and native outputs.
    pub evaluation: Evaluation,
    /// The expressions over shaped values (target rules).
    pub target_evaluation: Evaluation,
    /// The row program.
    pub program: Program,
    /// Constants, by number.
    pub constants: Vec<Constant>,
    /// Written columns, parallel to the program's outputs.
    pub columns: Vec<TargetColumn>,
    /// Rules over source columns.
    pub source_rules: Vec<RulePlan>,
    /// Rules over shaped values.
    pub target_rules: Vec<RulePlan>,
    /// References to prove.
    pub refs: Vec<RefSite>,
    /// What values are looked up in.
    pub lookups: Vec<Lookup>,
    /// The sequences that must be moved behind kept integers.
    pub sequences: Vec<DrawnFrom>,
    /// Source columns whose values never go into rejects in clear.
    pub sensitive: Vec<String>,
    /// Source columns of which nothing gets into the target.
    pub unused: Vec<String>,
    /// Most rows of one batch.
    pub batch_rows: usize,
    /// Most bytes of one batch.
    pub batch_bytes: usize,
    /// How many rejects halt the entity.
    pub max_rejects: Limit,
    /// A hash of everything above that decides what rows become: equal plans resume, others are refused.
    pub digest: u64,
}
