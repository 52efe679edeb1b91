//! Exact decimal numbers of any size: what sums come to.

use std::cmp::Ordering;
use std::fmt;

use crate::value::Numeric;

/// What a group of four digits is worth in the next one.
const BASE: i64 = 10_000;

/// An exact number. Equal values are equal, whatever their trailing zeros were.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// Power of 10,000 of the first group.
    weight: i32,
    /// Groups below 10,000, highest first, neither first nor last is zero. Empty for zero.
    groups: Vec<u16>,
}

impl Decimal {
    /// The value of a numeric; `None` for NaN and infinities.
    pub fn of(numeric: Numeric<'_>) -> Option<Decimal> {
        let Numeric::Finite {
            negative,
            weight,
            groups,
            ..
        } = numeric
        else {
            return None;
        };
        Some(Decimal::normal(negative, weight, pairs(groups).collect()))
    }

    /// The same number in the only form that it has here.
    fn normal(negative: bool, weight: i32, mut groups: Vec<u16>) -> Decimal {
        let leading = groups.iter().take_while(|group| **group == 0).count();
        groups.drain(..leading);
        while groups.last() == Some(&0) {
            groups.pop();
        }
        match groups.is_empty() {
            true => Decimal {
                negative: false,
                weight: 0,
                groups,
            },
            false => Decimal {
                negative,
                weight: weight - leading as i32,
                groups,
            },
        }
    }

    /// How a numeric compares with this one, without copying it; `None` for NaN and infinities.
    pub fn compared_to(&self, numeric: Numeric<'_>) -> Option<Ordering> {
        let Numeric::Finite {
            negative,
            weight,
            groups,
            ..
        } = numeric
        else {
            return None;
        };
        let other = pairs(groups);
        let leading = other.clone().take_while(|group| *group == 0).count();
        let zero = leading == groups.len() / 2;
        let sign = |zero: bool, negative: bool| match (zero, negative) {
            (true, _) => 0,
            (false, negative) => 1 - 2 * i32::from(negative),
        };
        let (own, its) = (sign(self.groups.is_empty(), self.negative), sign(zero, negative));
        if own != its || own == 0 {
            return Some(own.cmp(&its));
        }
        let magnitude = self
            .weight
            .cmp(&(weight - leading as i32))
            .then_with(|| compare_groups(self.groups.iter().copied(), other.skip(leading)));
        Some(if own < 0 { magnitude.reverse() } else { magnitude })
    }
}

/// Groups that begin with the same power; what is not there is zero.
fn compare_groups(mut one: impl Iterator<Item = u16>, mut other: impl Iterator<Item = u16>) -> Ordering {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => match a.unwrap_or(0).cmp(&b.unwrap_or(0)) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

fn pairs(groups: &[u8]) -> impl Iterator<Item = u16> + Clone + '_ {
    groups
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

impl From<i128> for Decimal {
    fn from(number: i128) -> Decimal {
        let mut rest = number.unsigned_abs();
        let mut groups = Vec::new();
        while rest > 0 {
            groups.push((rest % BASE as u128) as u16);
            rest /= BASE as u128;
        }
        groups.reverse();
        Decimal::normal(number < 0, groups.len() as i32 - 1, groups)
    }
}

/// Plain digits, without trailing zeros behind the point.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |power: i32| -> u16 {
            usize::try_from(self.weight - power)
                .ok()
                .and_then(|index| self.groups.get(index).copied())
                .unwrap_or(0)
        };
        if self.negative {
            f.write_str("-")?;
        }
        write!(f, "{}", group(self.weight.max(0)))?;
        for power in (0..self.weight).rev() {
            write!(f, "{:04}", group(power))?;
        }
        let lowest = self.weight + 1 - self.groups.len() as i32;
        let fraction: String = (lowest..0)
            .rev()
            .map(|power| format!("{:04}", group(power)))
            .collect();
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            digits => write!(f, ".{digits}"),
        }
    }
}

/// A sum of any number of numerics: exact, without carries until its end.
#[derive(Debug, Clone, Default)]
pub struct DecimalSum {
    /// Power of 10,000 of the first limb.
    lowest: i32,
    /// Signed sums of groups, lowest first. Each addition adds less than 10^4, so that 9 * 10^14 fit.
    limbs: Vec<i64>,
}

impl DecimalSum {
    /// Adds a numeric; NaN and infinities are nothing that can be added, and change nothing.
    pub fn add(&mut self, numeric: Numeric<'_>) {
        let Numeric::Finite {
            negative,
            weight,
            groups,
            ..
        } = numeric
        else {
            return;
        };
        let count = groups.len() / 2;
        if count == 0 {
            return;
        }
        self.reach(weight + 1 - count as i32, weight);
        // `reach` has made room: the first group lies where its power says.
        let first = (weight - self.lowest) as usize;
        for (index, group) in pairs(groups).enumerate() {
            let group = i64::from(group);
            self.limbs[first - index] += if negative { -group } else { group };
        }
    }

    /// Makes room for powers from `low` to `high`.
    fn reach(&mut self, low: i32, high: i32) {
        if self.limbs.is_empty() {
            self.lowest = low;
        }
        if low < self.lowest {
            let more = (self.lowest - low) as usize;
            self.limbs.splice(..0, std::iter::repeat_n(0, more));
            self.lowest = low;
        }
        let length = (high - self.lowest + 1) as usize;
        if self.limbs.len() < length {
            self.limbs.resize(length, 0);
        }
    }

    /// The sum.
    pub fn finish(&self) -> Decimal {
        let mut limbs = self.limbs.clone();
        let negative = carried(&mut limbs) < 0;
        if negative {
            limbs.clone_from(&self.limbs);
            limbs.iter_mut().for_each(|limb| *limb = -*limb);
            carried(&mut limbs);
        }
        // After the carry every limb is a group.
        let groups: Vec<u16> = limbs.iter().rev().map(|limb| *limb as u16).collect();
        Decimal::normal(negative, self.lowest + limbs.len() as i32 - 1, groups)
    }
}

/// Turns sums of groups into groups, appending as many as the last carry needs; the sign of the whole: below zero the
/// groups mean nothing.
fn carried(limbs: &mut Vec<i64>) -> i64 {
    let mut carry = 0;
    for limb in limbs.iter_mut() {
        let sum = *limb + carry;
        *limb = sum.rem_euclid(BASE);
        carry = sum.div_euclid(BASE);
    }
    while carry > 0 {
        limbs.push(carry % BASE);
        carry /= BASE;
    }
    carry
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    const GROUP_DIGITS: usize = 4;

    /// `unscaled / 10^scale` as PostgreSQL sends it.
    fn sent(unscaled: i128, scale: u16) -> Vec<u8> {
        let places = usize::from(scale);
        let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let whole = format!(
            "{whole:0>width$}",
            width = whole.len().next_multiple_of(GROUP_DIGITS)
        );
        let fraction = format!(
            "{fraction:0<width$}",
            width = places.next_multiple_of(GROUP_DIGITS)
        );
        let all = format!("{whole}{fraction}");
        let groups: Vec<u16> = all
            .as_bytes()
            .chunks(GROUP_DIGITS)
            .map(|group| str::from_utf8(group).unwrap().parse().unwrap())
            .collect();
        let weight = (whole.len() / GROUP_DIGITS) as i16 - 1;
        let sign = if unscaled < 0 { 0x4000 } else { 0 };
        [groups.len() as u16, weight.cast_unsigned(), sign, scale]
            .iter()
            .chain(&groups)
            .flat_map(|field| field.to_be_bytes())
            .collect()
    }

    fn decimal(unscaled: i128, scale: u16) -> Decimal {
        Decimal::of(Numeric::read(&sent(unscaled, scale)).unwrap()).unwrap()
    }

    #[test]
    fn prints_plain_digits() {
        for (unscaled, scale, text) in [
            (0, 0, "0"),
            (0, 7, "0"),
            (1250, 2, "12.5"),
            (-1250, 2, "-12.5"),
            (1, 9, "0.000000001"),
            (-100_000_001, 4, "-10000.0001"),
            (10_000_000, 0, "10000000"),
            (123_456_789_012, 1, "12345678901.2"),
        ] {
            assert_eq!(decimal(unscaled, scale).to_string(), text);
        }
        assert_eq!(Decimal::from(i128::MIN).to_string(), i128::MIN.to_string());
        assert_eq!(Decimal::from(-10_000).to_string(), "-10000");
    }

    #[test]
    fn one_cent_in_a_million_is_seen() {
        let mut sum = DecimalSum::default();
        let value = sent(999_999_999_999, 2);
        for _ in 0..1_000_000 {
            sum.add(Numeric::read(&value).unwrap());
        }
        let before = sum.finish();
        sum.add(Numeric::read(&sent(1, 2)).unwrap());
        assert_eq!(before.to_string(), "9999999999990000");
        assert_eq!(sum.finish().to_string(), "9999999999990000.01");
        assert_ne!(sum.finish(), before);
    }

    #[test]
    fn what_is_no_number_is_not_added() {
        let mut sum = DecimalSum::default();
        sum.add(Numeric::NaN);
        sum.add(Numeric::Infinity(true));
        assert_eq!(sum.finish(), Decimal::from(0));
        assert_eq!(Decimal::of(Numeric::NaN), None);
        assert_eq!(Decimal::from(1).compared_to(Numeric::Infinity(false)), None);
    }

    proptest! {
        /// Integers are the judge: values are counted in units of 10^-20.
        #[test]
        fn sums_are_exact(values in prop::collection::vec((any::<i64>(), 0u16..=20), 0..60)) {
            let mut sum = DecimalSum::default();
            let mut expected = 0i128;
            for (unscaled, scale) in values {
                let unscaled = i128::from(unscaled % 1_000_000_000_000_000);
                sum.add(Numeric::read(&sent(unscaled, scale)).unwrap());
                expected += unscaled * 10i128.pow(u32::from(20 - scale));
            }
            assert_eq!(sum.finish(), decimal(expected, 20));
        }

        #[test]
        fn order_is_that_of_the_values(a in any::<i64>(), b in any::<i64>(), near in any::<bool>(), s in 0u16..=9, t in 0u16..=9) {
            let b = if near { a.wrapping_add(b % 3) } else { b };
            let scaled = |number: i64, scale: u16| i128::from(number) * 10i128.pow(u32::from(9 - scale));
            let bytes = sent(i128::from(b), t);
            let found = decimal(i128::from(a), s).compared_to(Numeric::read(&bytes).unwrap());
            assert_eq!(found, Some(scaled(a, s).cmp(&scaled(b, t))));
        }

        #[test]
        fn integers_print_as_integers(number in any::<i128>()) {
            assert_eq!(Decimal::from(number).to_string(), number.to_string());
        }
    }
}
