//! Column forms: where a target column's value comes from.

use super::Spanned;
use crate::error::Span;
use crate::name::QualifiedName;

/// A target column of an entity and where its value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    /// The target column.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// Where the value comes from.
    pub form: Form,
    /// What takes the place of null, as PostgreSQL would read it.
    pub default: Option<String>,
    /// Whether null (after `default`) rejects the row.
    pub required: bool,
    /// Whether the value may lose something on the way.
    pub lossy: bool,
    /// Whether it comes from `[defaults.columns]`: then it only applies where the target has the column.
    pub from_defaults: bool,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// `{ id = true }`: this row's UUID.
    Id,
    /// `"column"` or `{ copy = "column" }`.
    Copy(Spanned<String>),
    /// `{ ref = … }`: another entity's UUID.
    Ref(RefForm),
    /// `{ map = … }`: a value for a value.
    Map(MapForm),
    /// `{ extract = "column", path = "$.a" }`: text of the first match of a JSON path.
    Extract {
        /// The source column.
        column: Spanned<String>,
        /// The SQL/JSON path.
        path: Spanned<String>,
    },
    /// `{ sql = "…" }`: an expression over the source row, evaluated by the target.
    Sql(Spanned<String>),
    /// `{ lookup = … }`: a value of a row that the target has.
    Lookup(LookupForm),
    /// `{ const = … }`: as PostgreSQL would read it; `None` is null.
    Const(Option<String>),
    /// `{ run = … }`: a fact of this run.
    Run(RunFact),
    /// `{ json = … }`.
    Json(JsonForm),
}

/// Facts of a run that a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunFact {
    /// When it started.
    StartedAt,
    /// The number of its execution.
    Id,
    /// `load`, later `sync` or `stream`.
    Mode,
}

/// `{ ref = …, from = …, missing = …, unknown = … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct RefForm {
    /// Which entity is referred to.
    pub to: RefSource,
    /// The source columns that hold the parent's key, in its order.
    pub from: Vec<Spanned<String>>,
    /// What happens when the parent is not there.
    pub missing: WhenMissing,
}

/// The entity that a reference means.
#[derive(Debug, Clone, PartialEq)]
pub enum RefSource {
    /// Always this one.
    Entity(Spanned<String>),
    /// The one that another column names.
    Polymorphic {
        /// The source column that names it.
        by: Spanned<String>,
        /// Text of that column, and the entity it means.
        values: Vec<(String, Spanned<String>)>,
        /// What happens with other texts: reject or null.
        unknown: Unknown,
    },
}

/// `missing = …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// The row is rejected.
    Reject,
    /// The column becomes null.
    Null,
    /// The row waits until the parent is there.
    Park,
}

/// `{ map = "column", values = { … }, unknown = … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct MapForm {
    /// The source column.
    pub column: Spanned<String>,
    /// Text of that column, and the value it becomes, as PostgreSQL would read it (`None`: null).
    pub values: Vec<(String, Option<String>)>,
    /// What happens with other texts.
    pub unknown: Unknown,
}

/// `{ lookup = "schema.table", match = { … }, take = "column", missing = … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupForm {
    /// The table or view of the target.
    pub table: Spanned<QualifiedName>,
    /// Its columns that must equal source columns. Null in any of these makes the value null.
    pub on: Vec<LookupPair>,
    /// Its column that has the value.
    pub take: Spanned<String>,
    /// What happens when it has no such row.
    pub missing: WhenMissing,
}

/// A pair of `match = { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupPair {
    /// The column of the table.
    pub column: Spanned<String>,
    /// The source column.
    pub from: Spanned<String>,
}

/// `unknown = …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The row is rejected.
    Reject,
    /// The value becomes null.
    Null,
    /// The value becomes this.
    Const(String),
}

/// What `{ json = … }` builds.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonForm {
    /// An object of these members.
    Object(Vec<JsonMember>),
    /// An object of source columns.
    Scope(JsonScope),
}

/// Which source columns an object collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonScope {
    /// `"unmapped"`: every source column that nothing else uses.
    Unmapped,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonMember {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// Its value.
    pub form: Form,
    /// What takes the place of null.
    pub default: Option<String>,
    /// Whether its constants (of const, map and default) stand bare in JSON, as numbers and booleans do, and not as
    /// strings.
    pub bare: bool,
}
