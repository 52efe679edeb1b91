//! From source rows to shaped rows: the row program, with what only the target can say.

/// Constants, read by the target once.
pub mod constants;
/// Which rows an expression fails for.
mod failing;
/// Which outputs are likely to fail again.
mod suspects;
/// The offsets of zones.
pub mod clocks;
/// Expressions over a whole batch in one round trip.
pub mod evaluate;
/// Mappings that were recorded before the load.
pub mod recorded;
/// A batch through all steps.
pub mod batch;

pub use batch::Shaping;
