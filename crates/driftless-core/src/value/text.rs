//! Texts of dates, times and floating-point numbers, for people to read: as PostgreSQL prints them in ISO style, with UTC as
//! the session's zone. The copy path never needs them.

use std::fmt::Write as _;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A date: days since 2000-01-01, 4 bytes.
pub fn date(bytes: &[u8]) -> Option<String> {
    let days = i32::from_be_bytes(bytes.try_into().ok()?);
    Some(match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        _ => {
            let (day, era) = calendar_day(i64::from(days));
            day + era
        }
    })
}

/// A timestamp: microseconds since 2000-01-01 00:00, 8 bytes. `zone` is what stands behind the time (`+00` for UTC).
pub fn timestamp(bytes: &[u8], zone: &str) -> Option<String> {
    let micros = i64::from_be_bytes(bytes.try_into().ok()?);
    Some(match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        _ => {
            let (day, era) = calendar_day(micros.div_euclid(MICROS_PER_DAY));
            format!("{day} {}{zone}{era}", clock(micros.rem_euclid(MICROS_PER_DAY)))
        }
    })
}

/// A time of day: microseconds, 8 bytes; with zone 4 more bytes, seconds west of UTC.
pub fn time(bytes: &[u8]) -> Option<String> {
    let (micros, zone) = bytes.split_first_chunk()?;
    let micros = i64::from_be_bytes(*micros);
    if !(0..=MICROS_PER_DAY).contains(&micros) {
        return None;
    }
    let zone = match zone {
        [] => String::new(),
        _ => offset(i32::from_be_bytes(zone.try_into().ok()?)),
    };
    Some(clock(micros) + &zone)
}

/// A double, 8 bytes, or a real, 4 bytes: the shortest digits that read back as the same number. PostgreSQL spends more
/// digits on the few numbers whose shortest text lies exactly half way to their neighbour.
pub fn float(bytes: &[u8]) -> Option<String> {
    // Beyond so many digits before the point PostgreSQL writes an exponent.
    if let Ok(double) = bytes.try_into() {
        let double = f64::from_be_bytes(double);
        return Some(not_finite(double).unwrap_or_else(|| shortest(&format!("{double:e}"), 15)));
    }
    let real = f32::from_be_bytes(bytes.try_into().ok()?);
    Some(not_finite(f64::from(real)).unwrap_or_else(|| shortest(&format!("{real:e}"), 6)))
}

/// A date of the proleptic Gregorian calendar, and ` BC` where it needs that.
fn calendar_day(days_since_2000: i64) -> (String, &'static str) {
    // Howard Hinnant's civil_from_days: years begin in March, eras have 400 years of 146,097 days.
    let days = days_since_2000 + 730_425;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (year, suffix) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), suffix)
}

/// Hours, minutes, seconds, and as many digits behind them as needed.
fn clock(micros: i64) -> String {
    let seconds = micros / MICROS_PER_SECOND;
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let fraction = micros % MICROS_PER_SECOND;
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}

/// An offset as PostgreSQL shows it: minutes and seconds only where there are any.
fn offset(seconds_west: i32) -> String {
    let sign = if seconds_west > 0 { '-' } else { '+' };
    let seconds = seconds_west.unsigned_abs();
    let mut text = format!("{sign}{:02}", seconds / 3600);
    for part in [seconds / 60 % 60, seconds % 60]
        .iter()
        .take(if seconds.is_multiple_of(60) { 1 } else { 2 })
    {
        if !seconds.is_multiple_of(3600) {
            // Writing to a String cannot fail.
            let _ = write!(text, ":{part:02}");
        }
    }
    text
}

fn not_finite(number: f64) -> Option<String> {
    if number.is_nan() {
        return Some("NaN".to_owned());
    }
    let sign = if number < 0.0 { "-" } else { "" };
    number.is_infinite().then(|| format!("{sign}Infinity"))
}

/// From Rust's `d.ddde±x` to PostgreSQL's form of the same digits.
fn shortest(scientific: &str, most_whole_digits: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if exponent < -4 || exponent >= most_whole_digits {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let whole = exponent + 1;
    if whole <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(whole.unsigned_abs() as usize));
    }
    let whole = whole.unsigned_abs() as usize;
    match digits.split_at_checked(whole) {
        Some((before, "")) => format!("{sign}{before}"),
        Some((before, behind)) => format!("{sign}{before}.{behind}"),
        None => format!("{sign}{digits:0<whole$}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    proptest! {
        /// Values have the sizes that their types have; of those sizes all are read but times that no day has.
        #[test]
        fn any_bytes_are_a_text_or_none(bytes in prop::collection::vec(any::<u8>(), 0..14)) {
            let length = bytes.len();
            assert_eq!(date(&bytes).is_some(), length == 4);
            assert_eq!(timestamp(&bytes, "+00").is_some(), length == 8);
            assert_eq!(float(&bytes).is_some(), matches!(length, 4 | 8));
            assert!(time(&bytes).is_none() || matches!(length, 8 | 12));
        }

        #[test]
        fn floats_read_back_as_what_they_were(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            let text = float(&double.to_be_bytes()).expect("a double");
            let read: f64 = text.parse().expect("a number");
            assert!(read == double || (read.is_nan() && double.is_nan()), "{text}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "2000-01-01"),
            (59, "2000-02-29"),
            (60, "2000-03-01"),
            (-1, "1999-12-31"),
            (-10_957, "1970-01-01"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
            (i32::MAX, "infinity"),
            (i32::MIN, "-infinity"),
        ];
        for (days, expected) in cases {
            assert_eq!(date(&days.to_be_bytes()).as_deref(), Some(expected));
        }
        assert_eq!(date(b"123"), None);
    }

    #[test]
    fn times_show_the_digits_they_have() {
        let at = |micros: i64| timestamp(&micros.to_be_bytes(), "+00").expect("a timestamp");
        assert_eq!(at(0), "2000-01-01 00:00:00+00");
        assert_eq!(at(-1), "1999-12-31 23:59:59.999999+00");
        assert_eq!(at(500_000), "2000-01-01 00:00:00.5+00");
        assert_eq!(at(i64::MAX), "infinity");
        assert_eq!(time(&MICROS_PER_DAY.to_be_bytes()).as_deref(), Some("24:00:00"));
        assert_eq!(time(&(-1i64).to_be_bytes()), None);
        let with_zone = |west: i32| time(&[&0i64.to_be_bytes()[..], &west.to_be_bytes()].concat());
        assert_eq!(with_zone(-7200).as_deref(), Some("00:00:00+02"));
        assert_eq!(with_zone(12_600).as_deref(), Some("00:00:00-03:30"));
        assert_eq!(with_zone(0).as_deref(), Some("00:00:00+00"));
        assert_eq!(with_zone(-3601).as_deref(), Some("00:00:00+01:00:01"));
    }

    #[test]
    fn floats_are_short() {
        let double = |number: f64| float(&number.to_be_bytes()).expect("a double");
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (-12.5, "-12.5"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(number), expected);
        }
        assert_eq!(float(&1e6f32.to_be_bytes()).as_deref(), Some("1e+06"));
        assert_eq!(float(&0.1f32.to_be_bytes()).as_deref(), Some("0.1"));
        assert_eq!(float(b"123"), None);
    }
}
