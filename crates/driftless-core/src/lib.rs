//! Driftless decides here. No async runtime, driver, socket, file, clock or environment: every function takes
//! values and returns values, so every decision can be tested with values.
//!
//! The modules stand in the order in which data flows; a module uses only modules declared before it.

/// Stable codes of everything an operator can be told, with their exit codes.
pub mod code;
/// Findings: what is wrong, where, with what consequence and what to do.
pub mod error;
/// Names of relations, entities and columns, quoted for PostgreSQL.
pub mod name;
/// Single values in PostgreSQL's binary form, read and printed.
pub mod value;
/// Rows as raw PostgreSQL binary bytes, and how they travel in a batch.
pub mod batch;
/// Hashes that are stored: row hashes and fingerprints.
pub mod digest;
/// The mapping language: what a mapping says, checked.
pub mod spec;
/// A database's shape as values.
pub mod catalog;
/// A checked mapping and two catalogs become one plan.
pub mod plan;
/// What somebody should know of both databases before a plan runs.
pub mod survey;
/// UUIDs derived from keys.
pub mod identity;
/// The row program run over a batch: rows in, shaped rows and faults out.
pub mod transform;
/// Both sides compared: keys that are missing, sums that differ.
pub mod compare;
