use std::collections::HashMap;

/// What one output's answers may take of memory, in bytes.
const ROOM: usize = 128 * 1024;

/// What an entry takes beside its bytes: its place in the table and two pieces of memory of their own.
const ENTRY: usize = 112;

/// A longer key is not remembered, in bytes: large values seldom come again.
const LONGEST: usize = 256;

/// After so many questions it is judged whether remembering helps.
const JUDGED_AFTER: usize = 16_384;

/// Answers of one output by the bytes of its inputs.
#[derive(Debug, Default)]
pub(super) struct Values {
    known: HashMap<Box<[u8]>, Option<Box<[u8]>>>,
    bytes: usize,
    asked: usize,
    found: usize,
}

impl Values {
    /// The answer for a key, if it is known; inside `None` for null.
    pub(super) fn look_up(&mut self, key: &[u8]) -> Option<Option<&[u8]>> {
        // Several lanes ask before the first is answered: that tells nothing.
        self.asked += usize::from(!self.known.is_empty());
        let known = self.known.get(key)?;
        self.found += 1;
        Some(known.as_deref())
    }

    /// Remembers an answer.
    pub(super) fn remember(&mut self, key: &[u8], answer: Option<&[u8]>) {
        let length = key.len() + answer.map_or(0, <[u8]>::len);
        if self.is_full() || length > LONGEST || self.known.contains_key(key) {
            return;
        }
        self.bytes += length + ENTRY;
        self.known.insert(key.into(), answer.map(Into::into));
    }

    /// Whether nothing more fits.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= ROOM
    }

    /// Whether three of four of the last questions were answered. Before there were many it is worth a try.
    pub(super) fn is_worth_it(&mut self) -> bool {
        if self.asked < JUDGED_AFTER {
            return true;
        }
        let worth = self.found * 4 >= self.asked * 3;
        (self.asked, self.found) = (0, 0);
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_all_bytes_of_its_key() {
        let mut values = Values::default();
        values.remember(b"a", Some(b"1"));
        values.remember(b"b", None);
        assert_eq!(values.look_up(b"a"), Some(Some(&b"1"[..])));
        assert_eq!(values.look_up(b"b"), Some(None));
        assert_eq!(values.look_up(b"ab"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut values = Values::default();
        for number in 0..100_000_u32 {
            values.remember(&number.to_be_bytes(), Some(&[0; 16]));
        }
        assert!(values.is_full() && values.known.len() <= ROOM / ENTRY);
        values.remember(&[0; LONGEST], Some(b"x"));
        assert_eq!(values.look_up(&[0; LONGEST]), None);
    }

    #[test]
    fn what_does_not_come_again_is_given_up() {
        let mut values = Values::default();
        for _ in 0..2 * JUDGED_AFTER {
            values.look_up(b"before any answer");
        }
        values.remember(b"", None);
        for number in 0..JUDGED_AFTER as u32 {
            assert!(values.is_worth_it());
            let key = (number % 2 * number).to_be_bytes();
            values.look_up(&key);
            values.remember(&key, None);
        }
        assert!(!values.is_worth_it());
    }
}
