//! Out of the source: one snapshot for all, chunks, batches of raw rows with a position.

/// One exported snapshot that all readers of a run share.
pub mod snapshot;
/// How an entity is cut into chunks.
pub mod chunks;
/// Texts of sources that vouch for no encoding.
pub mod raw_text;
/// The SQL that reads a range of an entity.
pub mod select;
/// How many rows there are to read.
pub mod estimate;
/// Memory of batches that are done, for those to come.
pub mod spare;
/// Rows into batches that are bounded in bytes.
pub mod reader;
/// Rows that the source cannot give.
pub mod withheld;
/// The rows of a range, with those that the source cannot give.
pub mod reading;
