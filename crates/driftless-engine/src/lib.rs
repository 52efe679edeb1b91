//! Driftless does here what `driftless-core` decided: it composes the decisions with `driftless-pg`.
//!
//! The modules stand in the order in which data flows; a module uses only modules declared before it.

/// The one error of this crate.
pub mod error;
/// Named points where a test lets the process die.
pub mod crash;
/// Fills a catalog from a live server, and describes queries and expressions.
pub mod introspect;
/// The state of a pipeline in its target.
pub mod store;
/// Can this plan run here; tries things in rolled-back transactions.
pub mod preflight;
/// Out of the source: snapshot, chunks, batches.
pub mod extract;
/// From source rows to shaped rows.
pub mod shape;
/// Into the target: the only writer of user tables.
pub mod apply;
/// Both sides read and compared; never writes.
pub mod verify;
/// Tasks: start, supervise, resume, shut down. Composes everything above.
pub mod run;
