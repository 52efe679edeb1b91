//! Sizes, durations, limits and constants: what a scalar of the mapping means.

use super::tree::Value;
use crate::spec::Limit;

/// Bytes: a whole number, or one with a unit. Units are PostgreSQL's, in powers of 1024.
pub(super) fn size(value: &Value) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] = [
        ("B", 1),
        ("kB", 1 << 10),
        ("MB", 1 << 20),
        ("GB", 1 << 30),
        ("TB", 1 << 40),
    ];
    const COMPLAINT: &str = "must be a size: a whole number and one of B, kB, MB, GB, TB";
    let (number, unit) = quantity(value, "B").ok_or(COMPLAINT)?;
    let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or(COMPLAINT)?.1;
    Ok(number.checked_mul(factor).ok_or(COMPLAINT)?)
}

/// Milliseconds: a whole number with a unit.
pub(super) fn duration(value: &Value) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    const COMPLAINT: &str = "must be a duration: a whole number and one of ms, s, m, h, d";
    let (number, unit) = quantity(value, "").ok_or(COMPLAINT)?;
    let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or(COMPLAINT)?.1;
    Ok(number.checked_mul(factor).ok_or(COMPLAINT)?)
}

/// A number of rows, or a share of them.
pub(super) fn limit(value: &Value) -> Result<Limit, String> {
    const COMPLAINT: &str = "must be a whole number of rows, or per cent from 0% to 100%";
    let text = match value {
        Value::Integer(digits) => digits.as_str(),
        Value::Text(text) => text.trim(),
        _ => return Err(COMPLAINT.to_owned()),
    };
    let Some(number) = text.strip_suffix('%') else {
        return Ok(Limit::Rows(text.parse().map_err(|_| COMPLAINT)?));
    };
    let digits = number.trim();
    let plain = !digits.is_empty()
        && digits
            .chars()
            .all(|letter| letter.is_ascii_digit() || letter == '.');
    match digits.parse::<f64>() {
        Ok(percent) if plain && (0.0..=100.0).contains(&percent) => Ok(Limit::Percent(percent)),
        _ => Err(COMPLAINT.to_owned()),
    }
}

/// A value inside these bounds; the complaint names them in words.
pub(super) fn within(
    value: Result<u64, String>,
    bounds: std::ops::RangeInclusive<u64>,
    words: &str,
) -> Result<u64, String> {
    match value? {
        number if bounds.contains(&number) => Ok(number),
        _ => Err(format!("must be {words}")),
    }
}

fn quantity<'a>(value: &'a Value, without_unit: &'a str) -> Option<(u64, &'a str)> {
    let text = match value {
        Value::Integer(digits) => digits.as_str(),
        Value::Text(text) => text.trim(),
        _ => return None,
    };
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let unit = unit.trim_start();
    Some((
        digits.parse().ok()?,
        if unit.is_empty() { without_unit } else { unit },
    ))
}

/// A constant of the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constant {
    /// As PostgreSQL would read it.
    pub(super) text: String,
    /// How it stands in JSON.
    pub(super) in_json: InJson,
}

/// How a constant stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InJson {
    /// As a string.
    Quoted,
    /// As itself: a number or a boolean.
    Bare,
    /// Not at all: JSON has no infinity and no NaN.
    Impossible,
}

/// A scalar as a constant; `None` for lists and tables.
pub(super) fn constant(value: &Value) -> Option<Constant> {
    let (text, in_json) = match value {
        Value::Text(text) | Value::Datetime(text) => (text.clone(), InJson::Quoted),
        Value::Integer(digits) => (digits.clone(), InJson::Bare),
        Value::Float(digits) if digits.ends_with(['y', 'N']) => (digits.clone(), InJson::Impossible),
        Value::Float(digits) => (digits.clone(), InJson::Bare),
        Value::Boolean(truth) => (truth.to_string(), InJson::Bare),
        Value::List(_) | Value::Table(_) | Value::Broken => return None,
    };
    Some(Constant { text, in_json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (written, bytes) in [
            ("0B", Some(0)),
            ("512kB", Some(512 << 10)),
            ("8MB", Some(8 << 20)),
            ("64 MB", Some(64 << 20)),
            ("2GB", Some(2 << 30)),
            ("1TB", Some(1 << 40)),
            ("77", Some(77)),
            ("8mb", None),
            ("8M", None),
            ("1.5MB", None),
            ("-1MB", None),
            ("MB", None),
            ("", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(size(&text(written)).ok(), bytes, "{written}");
        }
        assert_eq!(size(&Value::Integer("4096".to_owned())), Ok(4096));
        assert!(size(&Value::Boolean(true)).is_err());
    }

    #[test]
    fn durations_need_a_unit() {
        for (written, milliseconds) in [
            ("250ms", Some(250)),
            ("10s", Some(10_000)),
            ("5m", Some(300_000)),
            ("2 h", Some(7_200_000)),
            ("30d", Some(2_592_000_000)),
            ("30", None),
            ("5min", None),
            ("1h30m", None),
            ("99999999999999d", None),
        ] {
            assert_eq!(duration(&text(written)).ok(), milliseconds, "{written}");
        }
    }

    #[test]
    fn limits_are_rows_or_per_cent() {
        for (written, expected) in [
            ("1%", Some(Limit::Percent(1.0))),
            ("0.5 %", Some(Limit::Percent(0.5))),
            ("100%", Some(Limit::Percent(100.0))),
            ("25", Some(Limit::Rows(25))),
            ("101%", None),
            ("-1%", None),
            ("nan%", None),
            ("1e1%", None),
            ("%", None),
            (".%", None),
            ("few", None),
        ] {
            assert_eq!(limit(&text(written)).ok(), expected, "{written}");
        }
        assert_eq!(limit(&Value::Integer("0".to_owned())), Ok(Limit::Rows(0)));
        assert!(limit(&Value::Integer("-1".to_owned())).is_err());
    }

    #[test]
    fn constants_know_how_they_stand_in_json() {
        let of = |value| constant(&value).map(|constant| (constant.text, constant.in_json));
        let some = |text: &str, in_json| Some((text.to_owned(), in_json));
        assert_eq!(of(text("null")), some("null", InJson::Quoted));
        assert_eq!(of(Value::Integer("7".into())), some("7", InJson::Bare));
        assert_eq!(of(Value::Float("1.50".into())), some("1.50", InJson::Bare));
        assert_eq!(of(Value::Float("NaN".into())), some("NaN", InJson::Impossible));
        assert_eq!(
            of(Value::Float("-Infinity".into())),
            some("-Infinity", InJson::Impossible)
        );
        assert_eq!(of(Value::Boolean(false)), some("false", InJson::Bare));
        assert_eq!(of(Value::List(vec![])), None);
    }
}
