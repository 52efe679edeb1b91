//! Numbers as people read them.

/// A count with commas between thousands: `209,844`.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// A count of rows: `1 row`, `2,000 rows`.
pub(crate) fn rows(number: i64) -> String {
    let noun = if number == 1 { "row" } else { "rows" };
    format!("{} {noun}", count(number))
}

/// A size in powers of 1024, as PostgreSQL and the mapping count: `4.2 MB`.
pub(crate) fn bytes(number: i64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        return format!("{number} {}", UNITS[0]);
    }
    let digits = if value.abs() < 10.0 { 1 } else { 0 };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A time span in milliseconds as it is read afterwards: `840 ms`, `4.2 s`, `3 min 05 s`, `2 h 04 min`.
pub(crate) fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match milliseconds {
        ..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        60_000..3_600_000 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A time span in seconds as a clock shows it: `0:07`, `12:30`, `1:02:30`.
pub(crate) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A share of a whole, rounded down so that 100 % means all of it: `37 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 {
        100
    } else {
        u128::from(part) * 100 / u128::from(whole)
    };
    format!("{} %", share.min(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_at_every_size() {
        assert_eq!(
            [0, 7, 999, 1000, 209_844, -1_000_000].map(count),
            ["0", "7", "999", "1,000", "209,844", "-1,000,000"]
        );
        assert_eq!([rows(1), rows(2000)], ["1 row", "2,000 rows"]);
        assert_eq!(
            [0, 1023, 1024, 4_404_019, 52_428_800, i64::MAX].map(bytes),
            ["0 bytes", "1023 bytes", "1.0 kB", "4.2 MB", "50 MB", "8388608 TB"]
        );
        assert_eq!(
            [840, 4210, 59_999, 185_000, 7_440_000].map(duration),
            ["840 ms", "4.2 s", "60.0 s", "3 min 05 s", "2 h 04 min"]
        );
        assert_eq!([7, 750, 3750].map(clock), ["0:07", "12:30", "1:02:30"]);
        assert_eq!(percent(999, 1000), "99 %");
        assert_eq!(percent(5, 0), "100 %");
        assert_eq!(percent(7, 5), "100 %");
    }
}
