//! Dates and times as people read them.
//!
//! Source: the proleptic Gregorian calendar, counted in eras of 400 years (146,097 days) whose years begin in March.

use std::fmt::Write as _;

const DAYS_TO_2000: i64 = 730_425;
const DAYS_PER_ERA: i64 = 146_097;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A date from its days since 2000-01-01: `2024-02-29`, `0044-03-15 BC`.
pub(super) fn date(days: i64) -> String {
    let (text, bc) = year_month_day(days);
    format!("{text}{bc}")
}

/// A timestamp from its microseconds since 2000-01-01: `2024-02-29 23:59:59.5`.
pub(super) fn timestamp(micros: i64) -> String {
    let (text, bc) = year_month_day(micros.div_euclid(MICROS_PER_DAY));
    format!("{text} {}{bc}", time(micros.rem_euclid(MICROS_PER_DAY)))
}

/// A time from its microseconds since midnight: `08:30:00`.
pub(super) fn time(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let fraction = micros % 1_000_000;
    if fraction != 0 {
        // Writing to a String does not fail.
        let _ = write!(text, ".{fraction:06}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

/// The date, and ` BC` behind everything where it is.
fn year_month_day(days: i64) -> (String, &'static str) {
    // Days since 0000-03-01.
    let days = days + DAYS_TO_2000;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    match year {
        // There is no year 0: before 1 comes 1 BC.
        ..=0 => (format!("{:04}-{month:02}-{day:02}", 1 - year), " BC"),
        _ => (format!("{year:04}-{month:02}-{day:02}"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected texts are what PostgreSQL 15 prints for `'2000-01-01'::date + days`.
    #[test]
    fn dates_read_as_in_postgresql() {
        for (days, text) in [
            (0, "2000-01-01"),
            (-1, "1999-12-31"),
            (59, "2000-02-29"),
            (60, "2000-03-01"),
            (8825, "2024-02-29"),
            (-36_524, "1900-01-01"),
            (-36_465, "1900-03-01"),
            (146_097, "2400-01-01"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
            (-2_451_545, "4714-11-24 BC"),
            (2_145_031_948, "5874897-12-31"),
        ] {
            assert_eq!(date(days), text);
        }
    }

    #[test]
    fn times_have_the_digits_that_they_need() {
        assert_eq!(timestamp(-1), "1999-12-31 23:59:59.999999");
        assert_eq!(timestamp(1_500_000), "2000-01-01 00:00:01.5");
        assert_eq!(timestamp(-730_120 * MICROS_PER_DAY), "0001-12-31 00:00:00 BC");
        assert_eq!(time(MICROS_PER_DAY), "24:00:00");
        assert_eq!(time(30_600_000_000), "08:30:00");
    }
}
