//! Into the target: the only writer of user tables.

/// The sessions of one stream of work.
pub mod lane;
/// Finds the rows of a batch that the target refuses.
mod isolate;
/// A shaped batch into the target.
pub mod write;
/// A chunk from source to target.
pub mod chunk;
/// What an earlier run loaded under an older snapshot.
pub mod mend;
/// Statistics and sequences.
pub mod finish;
/// Takes back what this pipeline loaded.
pub mod restart;
