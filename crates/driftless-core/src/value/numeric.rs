//! `numeric` in binary form: groups of four decimal digits.
//!
//! Source: `numeric_send`, `numeric_out` and `apply_typmod` of PostgreSQL. Four 16-bit integers (number of groups, weight of
//! the first group as a power of 10,000, sign, digits behind the point that are printed), then the groups.

use super::ShortText;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// Digits in a group.
const GROUP: i32 = 4;
/// Most digits behind the point that the header can name.
const MAX_DISPLAY_SCALE: u16 = 0x3FFF;

/// A numeric, read but not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numeric<'v> {
    /// A number.
    Finite {
        /// Whether it is below zero.
        negative: bool,
        /// Power of 10,000 of the first group.
        weight: i32,
        /// Digits behind the point that are printed.
        scale: u16,
        /// Groups, big endian, each below 10,000.
        groups: &'v [u8],
    },
    /// Not a number.
    NaN,
    /// Infinity or, if true, minus infinity.
    Infinity(bool),
}

impl<'v> Numeric<'v> {
    /// Reads the binary form; `None` where the bytes are no numeric.
    pub fn read(bytes: &'v [u8]) -> Option<Numeric<'v>> {
        let (header, groups) = bytes.split_at_checked(8)?;
        let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if groups.len() != usize::from(field(0)) * 2 || pairs(groups).any(|group| group >= 10_000) {
            return None;
        }
        match field(4) {
            sign @ (0 | NEGATIVE) if field(6) <= MAX_DISPLAY_SCALE => {
                let (weight, groups) = without_leading_zeros(i32::from(field(2).cast_signed()), groups);
                Some(Numeric::Finite {
                    negative: sign == NEGATIVE && !groups.is_empty(),
                    weight,
                    scale: field(6),
                    groups,
                })
            }
            NAN => Some(Numeric::NaN),
            POSITIVE_INFINITY => Some(Numeric::Infinity(false)),
            NEGATIVE_INFINITY => Some(Numeric::Infinity(true)),
            _ => None,
        }
    }

    /// Appends the text that PostgreSQL prints.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Numeric::NaN => out.extend_from_slice(b"NaN"),
            Numeric::Infinity(false) => out.extend_from_slice(b"Infinity"),
            Numeric::Infinity(true) => out.extend_from_slice(b"-Infinity"),
            Numeric::Finite {
                negative,
                weight,
                scale,
                groups,
            } => {
                if negative {
                    out.push(b'-');
                }
                write_whole(weight, groups, out);
                write_fraction(weight, scale, groups, out);
            }
        }
    }

    /// Whether it is a number (JSON has no other).
    pub fn is_finite(self) -> bool {
        matches!(self, Numeric::Finite { .. })
    }

    /// Whether a column `numeric(precision, scale)` takes it without rounding. NaN fits every column, infinity none.
    pub fn fits(self, precision: i32, scale: i32) -> bool {
        match self {
            Numeric::NaN => true,
            Numeric::Infinity(_) => false,
            Numeric::Finite { weight, groups, .. } => match extent(weight, groups) {
                None => true,
                Some((highest, lowest)) => highest <= precision - scale && lowest >= -scale,
            },
        }
    }
}

/// PostgreSQL never sends leading zero groups, and drops them where it receives them.
fn without_leading_zeros(mut weight: i32, mut groups: &[u8]) -> (i32, &[u8]) {
    while let Some(rest) = groups.strip_prefix(&[0, 0]) {
        groups = rest;
        weight -= 1;
    }
    if groups.is_empty() {
        (0, groups)
    } else {
        (weight, groups)
    }
}

/// The groups as numbers.
fn pairs(groups: &[u8]) -> impl DoubleEndedIterator<Item = u16> + ExactSizeIterator + '_ {
    groups
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

/// The group that is worth 10,000 to the power of `power`; 0 where there is none.
fn group_at(weight: i32, groups: &[u8], power: i32) -> u16 {
    usize::try_from(weight - power)
        .ok()
        .and_then(|index| groups.get(index * 2..index * 2 + 2))
        .map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn four_digits(group: u16) -> [u8; 4] {
    let digit = |unit: u16| b'0' + (group / unit % 10) as u8;
    [digit(1000), digit(100), digit(10), digit(1)]
}

/// Digits before the point, without leading zeros but for a single one.
fn write_whole(weight: i32, groups: &[u8], out: &mut Vec<u8>) {
    if weight < 0 {
        out.push(b'0');
        return;
    }
    out.extend_from_slice(ShortText::integer(i64::from(group_at(weight, groups, weight))).as_bytes());
    for power in (0..weight).rev() {
        out.extend_from_slice(&four_digits(group_at(weight, groups, power)));
    }
}

/// The point and `scale` digits behind it; nothing where `scale` is 0.
fn write_fraction(weight: i32, scale: u16, groups: &[u8], out: &mut Vec<u8>) {
    if scale == 0 {
        return;
    }
    out.push(b'.');
    let mut left = usize::from(scale);
    let mut power = -1;
    while left > 0 {
        let digits = four_digits(group_at(weight, groups, power));
        let taken = left.min(digits.len());
        out.extend_from_slice(&digits[..taken]);
        left -= taken;
        power -= 1;
    }
}

/// Powers of ten: one above the highest digit that is not zero, and that of the lowest. `None` for zero.
fn extent(weight: i32, groups: &[u8]) -> Option<(i32, i32)> {
    let last = pairs(groups).rposition(|group| group != 0)?;
    let power = |index: usize| (weight - index as i32) * GROUP;
    let digits = |index: usize| four_digits(group_at(weight, groups, weight - index as i32));
    let leading = digits(0).iter().take_while(|digit| **digit == b'0').count() as i32;
    let trailing = digits(last)
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count() as i32;
    Some((power(0) + GROUP - leading, power(last) + trailing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    proptest! {
        /// A value that is cut is none; one that is changed is another or none, and printed in as much room as it needs.
        #[test]
        fn what_is_cut_is_no_numeric(
            groups in prop::collection::vec(0u16..10_000, 0..6),
            weight in -5i16..5,
            scale in 0u16..30,
            cut in any::<prop::sample::Index>(),
            change in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            let mut bytes = sent(weight, 0, scale, &groups);
            assert!(printed(&bytes).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
            assert_eq!(Numeric::read(&bytes[..cut.index(bytes.len())]), None);
            let at = change.0.index(bytes.len());
            bytes[at] = change.1;
            if let Some(numeric) = Numeric::read(&bytes) {
                let mut out = Vec::new();
                numeric.write(&mut out);
                // 32,768 groups before the point, 16,383 digits behind it.
                assert!(out.is_ascii() && out.len() <= 4 * 32_768 + 16_383 + 2);
            }
        }
    }

    /// Header and groups as PostgreSQL sends them.
    fn sent(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let header = [groups.len() as u16, weight.cast_unsigned(), sign, scale];
        header
            .iter()
            .chain(groups)
            .flat_map(|field| field.to_be_bytes())
            .collect()
    }

    fn printed(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        Numeric::read(bytes).expect("a numeric").write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    /// The engine's tests let a server judge the same on random numbers.
    #[test]
    fn prints_as_postgresql_does() {
        let cases = [
            (sent(0, 0, 0, &[]), "0"),
            (sent(0, 0, 3, &[]), "0.000"),
            (sent(0, 0, 2, &[12, 5000]), "12.50"),
            (sent(0, NEGATIVE, 2, &[12, 5000]), "-12.50"),
            (sent(-1, 0, 4, &[1]), "0.0001"),
            (sent(-2, 0, 8, &[1]), "0.00000001"),
            (sent(-2, 0, 5, &[1000]), "0.00001"),
            (sent(1, 0, 0, &[1]), "10000"),
            (sent(2, 0, 1, &[1, 0, 23, 5000]), "100000023.5"),
            (sent(0, 0, 6, &[1, 2000]), "1.200000"),
            (sent(2, 0, 0, &[0, 0, 7]), "7"),
            (sent(0, NEGATIVE, 1, &[0]), "0.0"),
            (sent(0, NAN, 0, &[]), "NaN"),
            (sent(0, POSITIVE_INFINITY, 0x20, &[]), "Infinity"),
            (sent(0, NEGATIVE_INFINITY, 0x20, &[]), "-Infinity"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(printed(&bytes), expected);
        }
    }

    #[test]
    fn refuses_what_is_no_numeric() {
        let good = sent(0, 0, 2, &[12, 5000]);
        assert!(Numeric::read(&good[..7]).is_none());
        assert!(Numeric::read(&good[..10]).is_none());
        assert!(Numeric::read(&[good.clone(), vec![0]].concat()).is_none());
        assert!(Numeric::read(&sent(0, 0x1234, 0, &[1])).is_none());
        assert!(Numeric::read(&sent(0, 0, 0, &[10_000])).is_none());
        assert!(Numeric::read(&sent(0, 0, 0x4000, &[1])).is_none());
    }

    #[test]
    fn fits_as_a_typmod_would_take_it_without_rounding() {
        // (bytes, precision, scale, fits)
        let cases = [
            (sent(0, 0, 2, &[12, 5000]), 3, 1, true),
            (sent(0, 0, 2, &[12, 5000]), 3, 0, false),
            (sent(0, 0, 2, &[12, 5000]), 2, 1, false),
            (sent(0, 0, 9, &[9]), 1, 0, true),
            (sent(0, 0, 0, &[]), 1, 1, true),
            (sent(-1, 0, 4, &[1]), 1, 4, true),
            (sent(-1, 0, 4, &[1]), 1, 3, false),
            // 0.0099 in numeric(3,5): below 0.01, as the column demands; 0.0100 is not.
            (sent(-1, 0, 4, &[99]), 3, 5, true),
            (sent(-1, 0, 4, &[100]), 3, 5, false),
            // 1200 in numeric(2,-2): a multiple of 100 with two digits left; 1250 is not.
            (sent(0, 0, 0, &[1200]), 2, -2, true),
            (sent(0, 0, 0, &[1250]), 2, -2, false),
            (sent(1, 0, 0, &[1]), 5, 0, true),
            (sent(1, 0, 0, &[1]), 4, 0, false),
            (sent(1, 0, 0, &[0, 9999]), 4, 0, true),
            (sent(0, NAN, 0, &[]), 1, 0, true),
            (sent(0, POSITIVE_INFINITY, 0, &[]), 1000, 0, false),
        ];
        for (bytes, precision, scale, fits) in cases {
            let numeric = Numeric::read(&bytes).expect("a numeric");
            assert_eq!(
                numeric.fits(precision, scale),
                fits,
                "{} in ({precision},{scale})",
                printed(&bytes)
            );
        }
    }
}
