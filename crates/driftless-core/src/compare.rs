//! What validation compares, as values: which rows are on both sides, and exact sums and extremes of their columns.
//!
//! Keys of both sides come in the same order (`KeyOrder`) and meet in a `Ledger`, which says of each source row whether it
//! should be in the target. The values that those rows should have are gathered in one `Measure` a column, what the target
//! holds is a `Summary`, and two summaries are compared value by value. Nothing grows with the number of rows.

mod key;
mod ledger;
mod decimal;
mod moment;
mod measure;

pub use decimal::{Decimal, DecimalSum};
pub use key::KeyOrder;
pub use ledger::{EXAMPLES, Entry, Fate, Ledger, OutOfOrder, Standing, Tally};
pub use measure::{Compared, Extreme, Kind, Measure, Summary};
