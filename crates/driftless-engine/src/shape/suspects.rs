//! Which outputs are likely to fail for rows of the next batch.

use std::collections::BTreeMap;

/// Outputs that failed for rows.
///
/// For a suspect the rows for which it fails are looked for before a batch is evaluated. That is in vain where they are remembered by
/// now, and it is wanted where ever new values fail. So a suspect is forgotten after some batches in which it did not fail, one at
/// first, and each time that it comes back twice as many: what comes back often costs hardly more than if it had stayed.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<usize, Suspicion>);

#[derive(Debug)]
struct Suspicion {
    /// Batches without failure after which it is forgotten.
    patience: u32,
    /// Batches without failure since the last one.
    sound: u32,
}

/// Most batches that an output stays suspect without failure: several times what it costs to be surprised.
const MOST_PATIENCE: u32 = 16;

impl Suspects {
    /// Whether an output is one.
    pub(super) fn contains(&self, output: usize) -> bool {
        self.0.get(&output).is_some_and(Suspicion::holds)
    }

    /// An output failed for a row in a way that was not known.
    pub(super) fn failed(&mut self, output: usize) {
        let suspicion = self.0.entry(output).or_insert(Suspicion {
            patience: 1,
            sound: 0,
        });
        if !suspicion.holds() {
            suspicion.patience = (suspicion.patience * 2).min(MOST_PATIENCE);
        }
        suspicion.sound = 0;
    }

    /// An output was suspect, and failed for no row of a batch.
    pub(super) fn went_well(&mut self, output: usize) {
        if let Some(suspicion) = self.0.get_mut(&output).filter(|suspicion| suspicion.holds()) {
            suspicion.sound += 1;
        }
    }
}

impl Suspicion {
    fn holds(&self) -> bool {
        self.sound < self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many batches without failure it is forgotten.
    fn patience(suspects: &mut Suspects) -> u32 {
        let mut batches = 0;
        while suspects.contains(3) {
            suspects.went_well(3);
            batches += 1;
        }
        batches
    }

    #[test]
    fn a_suspect_is_forgotten_when_it_fails_no_more() {
        let mut suspects = Suspects::default();
        assert!(!suspects.contains(3));
        suspects.failed(3);
        suspects.failed(3);
        assert!(suspects.contains(3) && !suspects.contains(2));
        assert_eq!(patience(&mut suspects), 1);
    }

    #[test]
    fn one_that_comes_back_stays_longer() {
        let mut suspects = Suspects::default();
        let times = (0..6).map(|_| {
            suspects.failed(3);
            patience(&mut suspects)
        });
        assert_eq!(times.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 16]);
    }

    #[test]
    fn one_that_fails_in_every_batch_stays() {
        let mut suspects = Suspects::default();
        for _ in 0..100 {
            suspects.failed(3);
            suspects.failed(3);
            assert!(suspects.contains(3));
        }
        assert_eq!(patience(&mut suspects), 1);
    }
}
