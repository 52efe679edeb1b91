//! What goes in behind rows that are on their way. One COPY holds the rows of many batches, as long as nothing is sent in between: the
//! target takes about a millisecond to begin and end one, however few rows it has (it makes room for a thousand of them).

use crate::store::reject::Reject;

/// Bytes that wait at most before another batch is added.
const MOST_BYTES: usize = 6 << 20;

/// Bytes of identities for which room is made at once: those that wait, and a batch's. What grows leaves holes in memory.
pub(super) const ROOM: usize = MOST_BYTES + (2 << 20);

/// What is on record of rows.
#[derive(Debug, Default)]
pub struct Behind {
    /// Identities as their COPY sends them, and how many.
    pub(super) identities: (Vec<u8>, usize),
    /// Rows that are left out.
    pub(super) rejects: Vec<Reject>,
    /// Keys of rows that break a rule, with the rule.
    pub(super) warnings: Vec<(String, String)>,
}

impl Behind {
    /// Whether it has to be written before there is more of it.
    pub(super) fn is_full(&self) -> bool {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        // Source rows are of any size.
        let rejects = self.rejects.iter();
        let rejects = rejects.map(|reject| {
            size_of::<Reject>() + reject.key.len() + reject.message.len() + text(&reject.source_row)
        });
        let warnings = self.warnings.iter();
        let warnings = warnings.map(|(key, rule)| size_of::<(String, String)>() + key.len() + rule.len());
        self.identities.0.len() + rejects.sum::<usize>() + warnings.sum::<usize>() >= MOST_BYTES
    }
}
