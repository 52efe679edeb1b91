//! Driftless does here what `driftless-core` decided: it composes the decisions with `driftless-pg`.
//!
//! The modules stand in the order in which data flows; a module uses only modules declared before it.

/// The one error of this crate.
pub mod error;
/// Fills a catalog from a live server, and describes queries and expressions.
pub mod introspect;
/// The state in the target.
pub mod store;
/// Can this plan run here; tries things in rolled-back transactions.
pub mod preflight;
/// The only writer of user tables.
pub mod apply;
