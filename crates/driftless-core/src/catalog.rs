//! A database's shape as values: what introspection read, nothing derived from a mapping.

mod circumstance;
mod expression;
mod relation;
mod scalar;

pub use circumstance::{Circumstances, EventTrigger, Rule, RuleEvent, ServerFacts};
pub use expression::{
    ExpressionCategory, ExpressionFacts, ExpressionInput, ExpressionProblem, ExpressionRequest,
};
pub use relation::{
    Column, Constraint, ConstraintKind, ForeignKey, Generated, Index, Relation, RelationKind, Trigger,
    TriggerMode,
};
pub use scalar::{Field, Oid, TypeKind, TypeRef, builtin};

use std::collections::BTreeMap;

use crate::name::QualifiedName;

/// What one server's database looks like to one role.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// `server_version_num`, such as 150018.
    pub server_version: u32,
    /// `server_encoding`.
    pub encoding: String,
    /// Digits behind the point of `money`, as the server's `lc_monetary` has them.
    pub money_digits: i32,
    /// The role that looked.
    pub role: String,
    /// Whether that role is a superuser.
    pub superuser: bool,
    /// Whether that role bypasses row-level security everywhere.
    pub bypass_rls: bool,
    /// Whether it may create temporary tables and functions here.
    pub may_create_temp: bool,
    /// Whether it may create a schema here.
    pub may_create_schema: bool,
    /// Whether transactions are read-only here (standby, or by setting).
    pub read_only: bool,
    /// What else is true of the server.
    pub server: ServerFacts,
    /// Every relation a mapping could name, by name.
    pub relations: BTreeMap<QualifiedName, Relation>,
    /// Every type that columns here use and that is not built in, by name.
    pub types: BTreeMap<QualifiedName, TypeRef>,
}

impl Catalog {
    /// The relation with this name.
    pub fn relation(&self, name: &QualifiedName) -> Option<&Relation> {
        self.relations.get(name)
    }
}
