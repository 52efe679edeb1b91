//! Into the target: the only writer of user tables.

/// Triggers that act where rows are written or leave.
mod loud;
/// Transactions that begin with the lease's guard.
mod guarded;
/// Takes constraints, indexes and triggers away for a load, and puts them back.
pub mod aside;
/// The sessions of one stream of work.
pub mod lane;
/// Sends encoded rows.
mod send;
/// Rows that refer to rows which are about to leave.
mod referrer;
/// Finds the rows of a batch that the target refuses.
mod isolate;
/// Rows that a foreign key refused, told as rows without a parent.
mod orphan;
/// Rows that change without leaving, because others refer to them.
mod stay;
/// How rows go in.
mod care;
/// Rows without a key.
mod place;
/// What goes in behind rows that are on their way.
mod behind;
/// A shaped batch into the target.
pub mod write;
/// Whether an entity's tables are still what its plan was made from.
pub mod fence;
/// The keys of an entity's rows, counted as its chunks are committed.
pub mod counting;
/// A chunk from source to target.
pub mod chunk;
/// What must be known of all rows before the first one is shaped.
mod survey;
/// Mappings that must be known before the load.
pub mod record;
/// Rows that hold a UUID which the source has changed.
mod moved;
/// Random identities, drawn before the load.
pub mod draw;
/// Mappings that each run finds anew until the load is done.
mod found;
/// Rows that are one row of the target.
mod merge;
/// Rows that are in the target already, found by their natural key.
pub mod natural;
/// What is recorded before the first row is written.
pub mod begin;
/// What an earlier run loaded under an older snapshot.
pub mod mend;
/// Proves uniqueness and references after a load.
pub mod proof;
/// Rejects tried again.
pub mod retry;
/// References that hold after all.
pub mod reunite;
/// Source rows of rejects that a proof found.
pub mod context;
/// Statistics and sequences.
pub mod finish;
/// Takes back what this pipeline loaded.
pub mod restart;
