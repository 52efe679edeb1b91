//! Whether a value fits its column without loss.

use crate::code;
use crate::plan::Check;
use crate::value::Numeric;

use super::fault::Trouble;

/// More digits than any numeric has: what does not fit then has too many behind the point.
const ANY_PRECISION: i32 = 1 << 20;

/// What a value that is not null must satisfy. [`Check::Lossless`] and [`Check::Clock`] are
/// the evaluator's and judged elsewhere.
pub(super) fn check(bytes: &[u8], check: &Check) -> Result<(), Trouble> {
    match check {
        Check::Characters(most) => characters(bytes, *most),
        Check::Numeric { precision, scale } => match Numeric::read(bytes) {
            None => Err(Trouble::unreadable("numeric")),
            Some(numeric) if numeric.fits(*precision, *scale) => Ok(()),
            Some(numeric) => Err(Trouble::new(
                code::ROW_WOULD_LOSE,
                if matches!(numeric, Numeric::Infinity(_)) {
                    format!("infinity does not fit numeric({precision},{scale})")
                } else if numeric.fits(ANY_PRECISION, *scale) {
                    format!("the number is too large for numeric({precision},{scale})")
                } else {
                    format!("the number does not fit numeric({precision},{scale}) without rounding")
                },
            )),
        },
        Check::Microseconds(unit) => microseconds(bytes, *unit),
        Check::SameInterval => same_interval(bytes),
        Check::Label(labels) if labels.iter().any(|label| label.as_bytes() == bytes) => Ok(()),
        Check::Label(_) => Err(Trouble::new(
            code::ROW_UNKNOWN_VALUE,
            "the value is no label of the column's enum",
        )),
        Check::Lossless(_) | Check::Clock { .. } => Ok(()),
    }
}

/// Characters of UTF-8: bytes that do not continue one.
fn characters(bytes: &[u8], most: u32) -> Result<(), Trouble> {
    let most = most as usize;
    if bytes.len() <= most {
        return Ok(());
    }
    let count = bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    if count <= most {
        return Ok(());
    }
    Err(Trouble::new(
        code::ROW_WOULD_LOSE,
        format!("the text has {count} characters, the column takes {most}"),
    ))
}

/// Dates with time, times and intervals begin with their microseconds. The smallest and the largest number mean infinity.
fn microseconds(bytes: &[u8], unit: i64) -> Result<(), Trouble> {
    let (8 | 12 | 16, Some(first)) = (bytes.len(), bytes.first_chunk()) else {
        return Err(Trouble::unreadable("time"));
    };
    let count = i64::from_be_bytes(*first);
    if matches!(count, i64::MIN | i64::MAX) || count.checked_rem(unit).unwrap_or(0) == 0 {
        return Ok(());
    }
    Err(Trouble::new(
        code::ROW_WOULD_LOSE,
        "the time has more digits behind the seconds than the column keeps",
    ))
}

/// The longest interval in either direction: since PostgreSQL 17 it means infinity.
fn same_interval(bytes: &[u8]) -> Result<(), Trouble> {
    let longest = |rest: [i32; 2], micros: i64| {
        let parts = [
            &micros.to_be_bytes()[..],
            &rest[0].to_be_bytes(),
            &rest[1].to_be_bytes(),
        ];
        bytes == parts.concat()
    };
    if longest([i32::MAX; 2], i64::MAX) || longest([i32::MIN; 2], i64::MIN) {
        return Err(Trouble::new(
            code::ROW_WOULD_LOSE,
            "the interval is infinite on one of the servers, and finite on the other (before PostgreSQL 17)",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_intervals_are_infinite_on_one_server_only() {
        let interval = |micros: i64, days: i32, months: i32| {
            [
                &micros.to_be_bytes()[..],
                &days.to_be_bytes(),
                &months.to_be_bytes(),
            ]
            .concat()
        };
        assert!(!passes(
            &interval(i64::MAX, i32::MAX, i32::MAX),
            &Check::SameInterval
        ));
        assert!(!passes(
            &interval(i64::MIN, i32::MIN, i32::MIN),
            &Check::SameInterval
        ));
        assert!(passes(
            &interval(i64::MAX, i32::MAX, i32::MAX - 1),
            &Check::SameInterval
        ));
        assert!(passes(&interval(i64::MAX, 0, 0), &Check::SameInterval));
        assert!(passes(&interval(1, 2, 3), &Check::SameInterval));
    }

    fn passes(bytes: &[u8], of: &Check) -> bool {
        check(bytes, of).is_ok()
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert!(passes("äöü".as_bytes(), &Check::Characters(3)));
        assert!(!passes("äöüß".as_bytes(), &Check::Characters(3)));
        assert!(passes("😀".as_bytes(), &Check::Characters(1)));
        assert!(passes(b"", &Check::Characters(0)));
        // A blank that would be cut off is lost too.
        assert!(!passes(b"abc ", &Check::Characters(3)));
        assert!(!passes(b"\xff\xfe\xfd", &Check::Characters(2)));
    }

    #[test]
    fn times_keep_their_digits() {
        let millis = Check::Microseconds(1000);
        assert!(passes(&1_234_000i64.to_be_bytes(), &millis));
        assert!(passes(&(-1_234_000i64).to_be_bytes(), &millis));
        assert!(!passes(&1_234_001i64.to_be_bytes(), &millis));
        assert!(passes(&i64::MAX.to_be_bytes(), &millis), "infinity");
        assert!(passes(&i64::MIN.to_be_bytes(), &millis), "-infinity");
        assert!(!passes(&[0; 4], &millis));
        let with_zone = [&1_500_000i64.to_be_bytes()[..], &3600i32.to_be_bytes()].concat();
        assert!(passes(&with_zone, &Check::Microseconds(100_000)));
        assert!(!passes(&with_zone, &Check::Microseconds(1_000_000)));
    }

    #[test]
    fn labels_are_exact() {
        let check = Check::Label(vec!["active".into(), "on hold".into()]);
        assert!(passes(b"on hold", &check));
        assert!(!passes(b"Active", &check));
        assert!(!passes(b"", &check));
    }

    #[test]
    fn infinity_is_called_so() {
        let infinity = [0, 0, 0, 0, 0xD0, 0, 0, 0];
        let fits = Check::Numeric {
            precision: 12,
            scale: 2,
        };
        let Err(Trouble::New(trouble)) = check(&infinity, &fits) else {
            panic!("it fits")
        };
        assert_eq!(trouble.1, "infinity does not fit numeric(12,2)");
    }

    #[test]
    fn numerics_do_not_round() {
        let check = Check::Numeric {
            precision: 4,
            scale: 2,
        };
        let twelve_and_a_half = [0, 2, 0, 0, 0, 0, 0, 4, 0, 12, 0x13, 0x88];
        assert!(passes(&twelve_and_a_half, &check), "12.5000");
        assert!(!passes(&twelve_and_a_half[..11], &check));
    }
}
