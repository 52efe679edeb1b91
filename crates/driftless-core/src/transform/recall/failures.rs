use std::collections::HashMap;

/// What one output's failures may take of memory, in bytes: some hundred values.
const ROOM: usize = 32 * 1024;

/// What an entry takes beside its bytes: its place in the table and three pieces of memory of their own.
const ENTRY: usize = 144;

/// More bytes of key and message are not remembered: the values of which many come again are short.
const LONGEST: usize = 512;

/// After so many failures that were not known it is judged whether remembering helps.
const JUDGED_AFTER: usize = 512;

/// What the target said of inputs that an output fails for.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) sqlstate: Box<str>,
    pub(super) message: Box<str>,
}

/// Failures of one output by the bytes of its inputs.
#[derive(Debug, Default)]
pub(super) struct Failures {
    known: HashMap<Box<[u8]>, Told>,
    bytes: usize,
    found: usize,
    new: usize,
}

impl Failures {
    /// Whether no failure was seen, so that no row has to be looked up.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What was said of a key, if it fails.
    pub(super) fn look_up(&mut self, key: &[u8]) -> Option<&Told> {
        let told = self.known.get(key)?;
        self.found += 1;
        Some(told)
    }

    /// Remembers what was said of a key.
    pub(super) fn remember(&mut self, key: &[u8], sqlstate: &str, message: &str) {
        if self.known.contains_key(key) {
            return;
        }
        self.new += 1;
        let length = key.len() + sqlstate.len() + message.len();
        if self.bytes >= ROOM || length > LONGEST {
            return;
        }
        self.bytes += length + ENTRY;
        let (sqlstate, message) = (sqlstate.into(), message.into());
        self.known.insert(key.into(), Told { sqlstate, message });
    }

    /// Whether at least half of the last failures were known. Before there were many it is worth a try.
    pub(super) fn is_worth_it(&mut self) -> bool {
        if self.new < JUDGED_AFTER {
            return true;
        }
        let worth = self.found >= self.new;
        (self.found, self.new) = (0, 0);
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(failures: &mut Failures, key: &[u8]) -> Option<(String, String)> {
        let told = failures.look_up(key)?;
        Some((told.sqlstate.to_string(), told.message.to_string()))
    }

    #[test]
    fn a_failure_is_known_by_all_bytes_of_its_key() {
        let mut failures = Failures::default();
        assert!(failures.is_empty());
        failures.remember(b"n/a", "22P02", "no number");
        failures.remember(b"n/a", "22003", "said later");
        assert_eq!(
            told(&mut failures, b"n/a"),
            Some(("22P02".to_owned(), "no number".to_owned()))
        );
        assert_eq!(told(&mut failures, b"n/"), None);
    }

    #[test]
    fn memory_is_bounded_messages_included() {
        let mut failures = Failures::default();
        let message = "x".repeat(400);
        for number in 0..10_000_u32 {
            failures.remember(&number.to_be_bytes(), "22P02", &message);
        }
        assert!(failures.known.len() <= ROOM / message.len());
        let mut failures = Failures::default();
        failures.remember(b"key", "22P02", &"x".repeat(LONGEST));
        failures.remember(&[0; LONGEST], "22P02", "");
        assert!(failures.is_empty());
    }

    #[test]
    fn values_that_do_not_fail_again_are_given_up() {
        for (comes_again, worth) in [(true, true), (false, false)] {
            let mut failures = Failures::default();
            for number in 0..JUDGED_AFTER as u32 {
                assert!(failures.is_worth_it());
                failures.remember(&number.to_be_bytes(), "22P02", "");
                let seen = if comes_again { 0 } else { u32::MAX };
                failures.look_up(&seen.to_be_bytes());
            }
            assert_eq!(failures.is_worth_it(), worth);
        }
    }
}
