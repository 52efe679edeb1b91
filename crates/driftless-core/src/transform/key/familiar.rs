//! References of one batch that earlier rows had, too: a practice has thousands of patients, and its UUID is derived once.

use crate::batch::Cell;

/// Which UUIDs were found, by the integers that refer to them. A cache with one place for each value: another value takes it over.
#[derive(Debug)]
pub(super) struct Familiar(Vec<Option<(i64, Cell)>>);

/// Places, a power of two: so many values that come again and again are told apart well.
const PLACES: usize = 1 << 10;

impl Familiar {
    /// Before the first row.
    pub(super) fn new() -> Familiar {
        Familiar(vec![None; PLACES])
    }

    /// Where the UUID lies that was found for this value.
    pub(super) fn find(&self, value: i64) -> Option<Cell> {
        match self.0[place(value)] {
            Some((known, cell)) if known == value => Some(cell),
            _ => None,
        }
    }

    /// Keeps where it lies.
    pub(super) fn keep(&mut self, value: i64, cell: Cell) {
        self.0[place(value)] = Some((value, cell));
    }
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
fn place(value: i64) -> usize {
    (value.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACES.trailing_zeros()))
        as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_until_another_takes_its_place() {
        let mut familiar = Familiar::new();
        let one = 1;
        assert_eq!(familiar.find(one), None);
        familiar.keep(one, Cell::new(16, 16));
        assert_eq!(familiar.find(one), Some(Cell::new(16, 16)));
        let same = (2..).find(|value| place(*value) == place(one)).expect("a value");
        assert_eq!(familiar.find(same), None);
        familiar.keep(same, Cell::new(32, 16));
        assert_eq!(familiar.find(same), Some(Cell::new(32, 16)));
        assert_eq!(familiar.find(one), None);
    }

    #[test]
    fn values_that_lie_side_by_side_seldom_share_a_place() {
        let mut places: Vec<usize> = (5_000..5_300).map(place).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 290, "{}", places.len());
    }
}
