//! References of one batch that earlier rows had, too: a practice has thousands of patients, and its UUID is derived once.

use crate::batch::Cell;

/// Which UUIDs were found, by the bytes of an integer. A cache with one place for each value: another value takes it over.
#[derive(Debug)]
pub(super) struct Familiar(Vec<Option<(u64, Cell)>>);

/// Places, a power of two: so many values that come again and again are told apart well.
const PLACES: usize = 1 << 10;

impl Familiar {
    /// Before the first row.
    pub(super) fn new() -> Familiar {
        Familiar(vec![None; PLACES])
    }

    /// Where the UUID lies that was found for this value.
    pub(super) fn find(&self, value: u64) -> Option<Cell> {
        match self.0[place(value)] {
            Some((known, cell)) if known == value => Some(cell),
            _ => None,
        }
    }

    /// Keeps where it lies.
    pub(super) fn keep(&mut self, value: u64, cell: Cell) {
        self.0[place(value)] = Some((value, cell));
    }
}

/// An integer's bytes, as they are on the wire, as a number: two values of one column differ in it.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter();
    (bytes.len() <= 8).then(|| digits.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
fn place(value: u64) -> usize {
    (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACES.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_until_another_takes_its_place() {
        let mut familiar = Familiar::new();
        let one = number(&1i32.to_be_bytes()).expect("an integer");
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
    fn integers_of_every_width_are_told_apart() {
        assert_eq!(number(&(-1i16).to_be_bytes()), Some(0xffff));
        assert_eq!(number(&(-1i64).to_be_bytes()), Some(u64::MAX));
        assert_eq!(number(&i64::MIN.to_be_bytes()), Some(1 << 63));
        assert_eq!(number(&[0; 9]), None);
    }

    #[test]
    fn values_that_lie_side_by_side_have_places_of_their_own() {
        let mut places: Vec<usize> = (5_000..5_300).map(place).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 290, "{}", places.len());
    }
}
