use std::collections::hash_map::RandomState;
use std::env;
use std::hash::BuildHasher as _;

/// Names the environment variable that repeats a run.
const SEED: &str = "DRIFTLESS_SEED";

/// A small generator of reproducible numbers (SplitMix64). For tests, not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Starts from `DRIFTLESS_SEED`, else from a fresh seed, and prints it so that a failure can be repeated.
    ///
    /// # Panics
    ///
    /// `DRIFTLESS_SEED` is set to something other than a number.
    #[must_use]
    pub fn from_env() -> Self {
        let seed = match env::var(SEED) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{SEED}={text} is not a number")),
            Err(_) => RandomState::new().hash_one("seed"),
        };
        println!("{SEED}={seed}");
        Self::from_seed(seed)
    }

    /// Starts from a given seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// The seed this generator started from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The high half of the product: unbiased enough for tests at any limit.
        u64::try_from((u128::from(self.bits()) * u128::from(limit)) >> 64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_and_limits_hold() {
        let draw = |seed| {
            let mut random = Random::from_seed(seed);
            (0..1000).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((0..10).all(|n| draw(7).contains(&n)) && draw(7).iter().all(|n| *n < 10));
    }
}
