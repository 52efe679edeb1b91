//! Two ordered streams of keys meet: what the source has, and what the target has on record.

use super::key::KeyOrder;

/// How many keys of each kind of difference are kept as examples.
pub const EXAMPLES: usize = 10;

/// How a key stands on record in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Written by this pipeline.
    Live,
    /// Mapped, but the target's row was there before and stays as it is.
    Kept,
    /// Rejected.
    Rejected,
    /// Waiting for its parent.
    Parked,
}

/// Everything on record under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The key in comparable form.
    pub key: Option<Vec<u8>>,
    live: bool,
    kept: bool,
    rejected: bool,
    parked: bool,
    /// Target rows with its target key.
    rows: u32,
    /// The hash of the source row that was written.
    row_hash: Option<i64>,
}

impl Entry {
    /// Nothing on record yet.
    pub fn new(key: Option<Vec<u8>>) -> Entry {
        Entry {
            key,
            ..Entry::default()
        }
    }

    /// Adds one record of the key: its standing, whether it came with a target row, and the hash of what was written.
    pub fn absorb(&mut self, standing: Standing, has_row: bool, row_hash: Option<i64>) {
        match standing {
            Standing::Live => self.live = true,
            Standing::Kept => self.kept = true,
            Standing::Rejected => self.rejected = true,
            Standing::Parked => self.parked = true,
        }
        self.rows += u32::from(has_row);
        self.row_hash = row_hash.or(self.row_hash);
    }

    fn mapped(&self) -> bool {
        self.live || self.kept
    }

    fn set_aside(&self) -> bool {
        self.rejected || self.parked
    }
}

/// What is known of a source row before its values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was written, or nobody knows why not: its values must be in the target.
    Expected,
    /// It is on record as rejected or parked, its target row is not ours, or nobody knows which of several source rows was
    /// written: its values need not be there.
    Aside,
}

/// How many, and the keys of the first few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: i64,
    /// Canonical texts of the first keys.
    pub examples: Vec<String>,
}

impl Tally {
    /// Counts one key, whose text is only asked for while examples are wanted.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(text());
        }
    }
}

/// A stream whose keys do not ascend: the servers order otherwise than assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("keys of the {side} do not come in the order that was asked for")]
pub struct OutOfOrder {
    /// `source` or `target`.
    pub side: &'static str,
}

/// Merges both sides. Whoever reads feeds entries while [`Ledger::wants_entry`] says so, then the source row.
#[derive(Debug)]
pub struct Ledger {
    order: KeyOrder,
    /// The entry that the source has not passed yet.
    current: Option<Entry>,
    entries_ended: bool,
    /// The source's last key (outer `None`: no row yet), how many rows had it, and whether one of them was what was
    /// written.
    last: Option<Option<Vec<u8>>>,
    repeats: u32,
    found_written: bool,
    /// Source rows.
    pub rows: i64,
    /// Source rows whose key an earlier row had already.
    pub repeated: i64,
    /// Keys that are mapped and written.
    pub live: i64,
    /// Keys that are mapped to rows that are not ours.
    pub kept: i64,
    /// Keys on record as rejected.
    pub rejected: i64,
    /// Keys on record as parked.
    pub parked: i64,
    /// Target rows of live keys.
    pub target_rows: i64,
    /// Source rows that are neither in the target nor on record.
    pub missing: Tally,
    /// Live keys that the source does not have.
    pub unexpected: Tally,
    /// Rejected and parked keys that the source does not have.
    pub stale: Tally,
    /// Live keys whose target row is not there.
    pub gone: Tally,
    /// Keys that are both in the target and on record as not, though the source has one row with them.
    pub contradictory: Tally,
    /// Live rows whose source row is not what it was when it was written.
    pub changed: Tally,
    /// Live keys of which is not on record what was written: several source rows had them, and one stayed.
    pub undecided: Tally,
}

impl Ledger {
    /// For keys in this order.
    pub fn new(order: KeyOrder) -> Ledger {
        Ledger {
            order,
            current: None,
            entries_ended: false,
            last: None,
            repeats: 0,
            found_written: false,
            rows: 0,
            repeated: 0,
            live: 0,
            kept: 0,
            rejected: 0,
            parked: 0,
            target_rows: 0,
            missing: Tally::default(),
            unexpected: Tally::default(),
            stale: Tally::default(),
            gone: Tally::default(),
            contradictory: Tally::default(),
            changed: Tally::default(),
            undecided: Tally::default(),
        }
    }

    /// Whether the next entry is needed before a source row with this key can be judged.
    pub fn wants_entry(&self, key: Option<&[u8]>) -> bool {
        !self.entries_ended
            && self
                .current
                .as_ref()
                .is_none_or(|current| rank(current.key.as_deref()) < rank(key))
    }

    /// Takes the next entry; `None` where there are no more.
    ///
    /// # Errors
    /// If its key does not come behind the one before.
    pub fn entry(&mut self, next: Option<Entry>) -> Result<(), OutOfOrder> {
        let before = self.current.take();
        if let Some(before) = &before {
            if next
                .as_ref()
                .is_some_and(|next| rank(next.key.as_deref()) <= rank(before.key.as_deref()))
            {
                return Err(OutOfOrder { side: "target" });
            }
            self.close(before);
        }
        self.entries_ended = next.is_none();
        if let Some(next) = &next {
            self.count(next);
        }
        self.current = next;
        Ok(())
    }

    /// Takes the next source row, whose entry (if any) has been fed, and says what should have become of it.
    ///
    /// # Errors
    /// If its key comes before the last one.
    pub fn source(&mut self, key: Option<&[u8]>, row_hash: i64) -> Result<Fate, OutOfOrder> {
        match self
            .last
            .as_ref()
            .map(|last| rank(last.as_deref()).cmp(&rank(key)))
        {
            Some(std::cmp::Ordering::Greater) => return Err(OutOfOrder { side: "source" }),
            Some(std::cmp::Ordering::Equal) => self.repeats += 1,
            _ => {
                self.repeats = 0;
                self.found_written = false;
                self.last = Some(key.map(<[u8]>::to_vec));
            }
        }
        self.rows += 1;
        self.repeated += i64::from(self.repeats > 0);
        let Some(entry) = self.current.take_if(|entry| entry.key.as_deref() == key) else {
            self.missing.note(|| self.order.text(key));
            return Ok(Fate::Expected);
        };
        let fate = self.judge(&entry, row_hash);
        self.current = Some(entry);
        Ok(fate)
    }

    fn judge(&mut self, entry: &Entry, row_hash: i64) -> Fate {
        let text = || self.order.text(entry.key.as_deref());
        let first = self.repeats == 0;
        if entry.live && entry.row_hash.is_none() {
            self.found_written = true;
            match (first, entry.set_aside()) {
                (true, _) => self.undecided.note(text),
                (false, true) => {}
                (false, false) => self.missing.note(text),
            }
            return Fate::Aside;
        }
        let same = entry.row_hash == Some(row_hash);
        match (entry.live, entry.set_aside()) {
            // Of several rows with one key one was written, and the key's record stands for the others.
            (true, true) if same && !self.found_written => {
                self.found_written = true;
                Fate::Expected
            }
            (true, false) if first => {
                self.found_written = same;
                if !same {
                    self.changed.note(text);
                }
                Fate::Expected
            }
            (true, false) => {
                self.missing.note(text);
                Fate::Expected
            }
            (false, false) if !first => {
                self.missing.note(text);
                Fate::Aside
            }
            _ => Fate::Aside,
        }
    }

    /// An entry's share in the totals.
    fn count(&mut self, entry: &Entry) {
        self.live += i64::from(entry.live);
        self.kept += i64::from(entry.kept && !entry.live);
        self.rejected += i64::from(entry.rejected);
        self.parked += i64::from(entry.parked && !entry.rejected);
        if entry.live {
            self.target_rows += i64::from(entry.rows);
            if entry.rows == 0 {
                self.gone.note(|| self.order.text(entry.key.as_deref()));
            }
        }
    }

    /// The source has passed this entry.
    fn close(&mut self, entry: &Entry) {
        let text = || self.order.text(entry.key.as_deref());
        if self.last.as_ref().map(Option::as_deref) != Some(entry.key.as_deref()) {
            if entry.live {
                self.unexpected.note(text);
            } else if entry.set_aside() {
                self.stale.note(text);
            }
            return;
        }
        if entry.mapped() && entry.set_aside() && self.repeats == 0 {
            self.contradictory.note(text);
        }
        if entry.live && entry.set_aside() && !self.found_written {
            self.changed.note(text);
        }
    }

    /// Whether every entry has been taken. After the last source row the rest must be fed, to its end.
    pub fn has_ended(&self) -> bool {
        self.entries_ended
    }

    /// Source rows that are accounted for: in the target, or on record.
    pub fn accounted(&self) -> i64 {
        self.rows - self.missing.count
    }
}

/// Null keys come behind all others.
fn rank(key: Option<&[u8]>) -> (bool, &[u8]) {
    (key.is_none(), key.unwrap_or_default())
}

#[cfg(test)]
mod tests;
