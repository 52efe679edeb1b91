//! How rows go in.

/// How rows go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// COPY after COPY, without waiting in between; a row that the target refuses fails the transaction, and the caller does it again with care.
    Fast,
    /// Behind a savepoint; rows that the target refuses are found and left out.
    Isolating,
}

impl Care {
    /// What a transaction with this care begins with. A deferred constraint would refuse the transaction at its end, and
    /// not the row.
    pub(super) fn settings(self) -> &'static str {
        match self {
            Care::Fast => "",
            Care::Isolating => "SET CONSTRAINTS ALL IMMEDIATE",
        }
    }
}
