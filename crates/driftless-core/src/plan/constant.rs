//! Constants of a mapping: whether a column keeps the whole of what they say.
//!
//! PostgreSQL reads a constant with an explicit cast, which cuts and rounds in silence. Whether it is a value of the type at
//! all is for the target to say.

use super::fit::{End, unwrap};
use super::sql_type::{numeric_modifier, second_digits};
use crate::catalog::builtin;

/// Words that are another day or moment each time they are read.
const MOVING: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// What a column would make of a constant that does not fit it; `None` where it keeps the whole.
pub(super) fn loss(text: &str, to: End<'_>) -> Option<&'static str> {
    let to = unwrap(to);
    if is_time(to) && MOVING.iter().any(|word| has_word(text, word)) {
        return Some("it is another moment in every run");
    }
    let fits = match to.data_type.oid {
        builtin::VARCHAR if to.typmod >= 4 => count(text) <= to.typmod - 4,
        builtin::BPCHAR if to.typmod >= 4 => count(text.trim_end_matches(' ')) <= to.typmod - 4,
        builtin::NUMERIC if to.typmod >= 0 => decimals(text) <= i64::from(numeric_modifier(to.typmod).1),
        builtin::BIT if to.typmod >= 0 => count(text) == to.typmod,
        builtin::VARBIT if to.typmod >= 0 => count(text) <= to.typmod,
        builtin::NAME => text.len() < 64,
        builtin::CHAR => text.len() <= 1,
        _ if is_time(to) => {
            second_digits(to.data_type, to.typmod).is_none_or(|kept| seconds(text) <= i64::from(kept))
        }
        _ => true,
    };
    (!fits).then_some("it would be cut or rounded")
}

fn count(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX)
}

fn is_time(to: End<'_>) -> bool {
    matches!(
        to.data_type.oid,
        builtin::DATE
            | builtin::TIME
            | builtin::TIMETZ
            | builtin::TIMESTAMP
            | builtin::TIMESTAMPTZ
            | builtin::INTERVAL
    )
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphabetic())
        .any(|one| one.eq_ignore_ascii_case(word))
}

/// Digits behind the point that a decimal number needs; 0 for what is none.
fn decimals(text: &str) -> i64 {
    let text = text.trim();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let fraction = mantissa.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.trim_end_matches('0').len() as i64;
    digits - exponent.trim_start_matches('+').parse::<i64>().unwrap_or(0)
}

/// Digits behind the seconds of a time: those behind its last point.
fn seconds(text: &str) -> i64 {
    let Some((before, behind)) = text.rsplit_once('.') else {
        return 0;
    };
    // A date may be written with points.
    if !before.contains(':') {
        return 0;
    }
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    behind[..digits].trim_end_matches('0').len() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::notation::Side;

    fn loses(text: &str, data_type: &str) -> bool {
        let side = Side::default().with_domain("public.code", "varchar(3)", false);
        let (data_type, typmod) = side.data_type(data_type);
        let to = End {
            data_type: &data_type,
            typmod,
        };
        loss(text, to).is_some()
    }

    #[test]
    fn a_column_keeps_what_fits() {
        for (text, data_type) in [
            ("äöü", "varchar(3)"),
            ("abc", "public.code"),
            ("ab     ", "bpchar(3)"),
            ("1.50", "numeric(9,2)"),
            ("1.500", "numeric(9,2)"),
            ("1e2", "numeric(9,0)"),
            ("15e-1", "numeric(9,1)"),
            ("NaN", "numeric(9,2)"),
            ("101", "bit(3)"),
            ("x", "char"),
            ("10:11:12.500", "time(1)"),
            ("2024.02.29", "timestamp(0)"),
            ("2024-02-29 10:11:12.000+02", "timestamptz(0)"),
            ("nowhere", "text"),
            ("infinity", "date"),
            ("longer than three", "text"),
        ] {
            assert!(!loses(text, data_type), "{text} {data_type}");
        }
    }

    #[test]
    fn what_would_be_cut_or_rounded_is_found() {
        for (text, data_type) in [
            ("äöüß", "varchar(3)"),
            ("abcd", "public.code"),
            ("abc ", "varchar(3)"),
            ("abcd", "bpchar(3)"),
            ("1.005", "numeric(9,2)"),
            ("15e-2", "numeric(9,1)"),
            ("10", "bit(3)"),
            ("1010", "varbit(3)"),
            ("xy", "char"),
            ("10:11:12.5", "time(0)"),
            ("2024-02-29 10:11:12.1234567", "timestamp"),
            ("1 day 00:00:01.5", "interval(0)"),
            ("Today", "date"),
            ("now", "timestamptz"),
            ("yesterday 10:00", "timestamp"),
        ] {
            assert!(loses(text, data_type), "{text} {data_type}");
        }
    }
}
