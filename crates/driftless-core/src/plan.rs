//! The plan: everything that a mapping and two catalogs decide, decided once. Every mode runs the same plan.

mod program;
mod entity;
mod evaluation;
mod sql_type;
mod travel;
mod fit;
/// Which types become which, as a table.
pub mod matrix;
mod key_text;
mod constant;
mod suggest;
mod draft;
mod request;
mod place;
mod keys;
/// In which order natural keys are looked at.
pub mod natural;
mod reference;
mod columns;
mod path;
mod compile;
/// What becomes of the source as a whole.
pub mod coverage;
/// What is set aside for a load, how it is put back, what stays.
pub mod aside;
/// Indexes that would help.
pub mod advice;

pub use compile::compile;
pub use entity::{
    Chunking, DrawnFrom, EntityPlan, Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource,
    IdentityPlan, Input, KeyPart, Local, Lookup, Merge, Mint, NaturalKey, Origin, Path, Plan, RefSite,
    RefTarget, RulePlan, TargetColumn,
};
pub use program::{
    Canonical, Check, ClockChange, Constant, ConstantText, JsonKind, JsonMember, KeyText, LookupProgram,
    MapProgram, Output, Program, RefProgram, Resolution, Value,
};
pub use request::{AskedExpression, ExpressionKey, Facts, expressions};

#[cfg(test)]
mod tests;
