//! The only writer of user tables.

/// Transactions that begin with the lease's guard.
mod guarded;
/// Takes constraints, indexes and triggers away for a load, and puts them back.
pub mod aside;
/// Proves uniqueness and references after a load.
pub mod proof;
