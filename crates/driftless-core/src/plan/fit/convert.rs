//! Pairs that the target converts, with what shows that nothing is lost.

use super::same::{equal_texts, equal_values, limit, padded};
use super::{End, Fit, Misfit, cast, integer_width, is_characters, is_text};
use crate::catalog::{TypeKind, TypeRef, builtin};
use crate::plan::sql_type::{type_name, type_with_modifier};
use crate::plan::travel::is_citext;

/// A date with four digits of the year, perhaps with midnight behind it: `01/02/03` and `5 Jan 24` would be guessed, `today`
/// would be another day tomorrow.
const DATE_TEXT: &str =
    r"^\s*([0-9]{4,}([-/.])[0-9]{1,2}\2[0-9]{1,2}([ T]00:00(:00(\.0+)?)?)?|[0-9]{8}|[-+]?infinity)( BC)?\s*$";
/// A time of day without date and zone, with no more digits than are kept.
const TIME_TEXT: &str = r"^\s*[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?\s*$";

/// More than the six digits behind the seconds that an interval keeps.
const TOO_FINE: &str = r"\.[0-9]{6}0*[1-9]";

/// The conversion, if there is one that means the same value.
pub(super) fn converted(from: End<'_>, to: End<'_>) -> Result<Fit, Misfit> {
    let target = to.data_type.oid;
    if is_text(target) {
        return Ok(printed(to));
    }
    if target == builtin::BPCHAR {
        return Ok(padded(from, to));
    }
    if is_characters(from.data_type) {
        return parsed(to);
    }
    if is_citext(to.data_type) {
        return Ok(cast("({x})::pg_catalog.text", to, None));
    }
    if is_namesake(from.data_type, to.data_type) {
        return Ok(if from.data_type.name == to.data_type.name {
            cast("{x}", to, None)
        } else {
            cast("({x})::pg_catalog.text", to, None)
        });
    }
    if from.data_type.element().is_some() && to.data_type.element().is_some() {
        return Ok(elementwise(from, to));
    }
    numbers(from, to).or_else(|| others(from, to)).ok_or_else(|| {
        Misfit::new(
            "PostgreSQL has no conversion that always means the same value",
            "write the conversion as sql",
        )
    })
}

/// Anything as the text that PostgreSQL prints for it.
fn printed(to: End<'_>) -> Fit {
    let text = "({x})::pg_catalog.text";
    if to.data_type.oid == builtin::NAME {
        // A name is cut at 63 bytes.
        return cast(text, to, Some(equal_print(text, to)));
    }
    Fit::Cast {
        value: text.to_owned(),
        lossless: None,
        clock: None,
        check: limit(to),
    }
}

/// Text as a value of any type, read as PostgreSQL reads it.
fn parsed(to: End<'_>) -> Result<Fit, Misfit> {
    let text = "({x})::pg_catalog.text";
    let element = to.data_type.element().unwrap_or(to.data_type);
    let lossless = match element.oid {
        builtin::MONEY => {
            return Err(Misfit::new(
                "how text is read as money depends on a server's language",
                "write the conversion as sql",
            ));
        }
        builtin::DATE if to.data_type.element().is_none() => Some(matches(text, DATE_TEXT)),
        builtin::TIME if to.data_type.element().is_none() => Some(time_of_day(text, to)),
        builtin::INTERVAL if to.data_type.element().is_none() => Some(interval(text, to)),
        builtin::FLOAT4 | builtin::FLOAT8 => {
            let exact = suffixed("pg_catalog.numeric", to.data_type);
            let kept = format!(
                "((({text})::{})::pg_catalog.text)::{exact}",
                type_name(to.data_type)
            );
            Some(format!("({text})::{exact} IS NOT DISTINCT FROM {kept}"))
        }
        builtin::CHAR => Some(equal_print(text, to)),
        builtin::OID => Some(format!(
            "(({text})::pg_catalog.oid)::pg_catalog.int8 IS NOT DISTINCT FROM ({text})::pg_catalog.int8"
        )),
        builtin::NUMERIC if to.typmod >= 0 => Some(equal_values(text, to)),
        _ if to.typmod >= 0 && to.data_type.element().is_some() => Some(equal_values(text, to)),
        _ if to.typmod >= 0 && to.data_type.is_builtin() => Some(equal_texts(text, to)),
        _ => None,
    };
    Ok(cast(text, to, lossless))
}

fn matches(text: &str, pattern: &str) -> String {
    format!("({text}) ~* {}", crate::name::quote_literal(pattern))
}

fn time_of_day(text: &str, to: End<'_>) -> String {
    let plain = matches(text, TIME_TEXT);
    if to.typmod < 0 {
        return plain;
    }
    format!("{plain} AND {}", equal_texts(text, to))
}

fn interval(text: &str, to: End<'_>) -> String {
    let exact = format!("({text}) !~ {}", crate::name::quote_literal(TOO_FINE));
    if to.typmod < 0 {
        return exact;
    }
    format!("{exact} AND {}", equal_texts(text, to))
}

/// Arrays of other elements: numbers by the casts of their elements, all others through their text.
fn elementwise(from: End<'_>, to: End<'_>) -> Fit {
    let exact = type_with_modifier(to.data_type, to.typmod);
    if is_number(from.data_type.element()) && is_number(to.data_type.element()) {
        let back = format!("(({{x}})::{exact})::{}", type_name(from.data_type));
        return cast("{x}", to, Some(format!("{back} IS NOT DISTINCT FROM ({{x}})")));
    }
    let text = "({x})::pg_catalog.text";
    cast(text, to, Some(equal_print(text, to)))
}

fn is_number(element: Option<&TypeRef>) -> bool {
    element.is_some_and(|one| {
        integer_width(one.oid).is_some()
            || matches!(one.oid, builtin::NUMERIC | builtin::FLOAT4 | builtin::FLOAT8)
    })
}

/// Numbers among each other, and truth values that are kept as numbers.
fn numbers(from: End<'_>, to: End<'_>) -> Option<Fit> {
    let (source, target) = (from.data_type.oid, to.data_type.oid);
    let narrow = format!("({{x}})::{}", type_with_modifier(to.data_type, to.typmod));
    let back = format!(
        "({narrow})::{} IS NOT DISTINCT FROM ({{x}})",
        type_name(from.data_type)
    );
    let float = |oid| matches!(oid, builtin::FLOAT4 | builtin::FLOAT8);
    Some(match (source, target) {
        (builtin::FLOAT4, builtin::FLOAT8)
        | (builtin::INT2, builtin::FLOAT4 | builtin::FLOAT8)
        | (builtin::INT4, builtin::FLOAT8) => cast("{x}", to, None),
        (builtin::NUMERIC, builtin::FLOAT4 | builtin::FLOAT8) => {
            // The shortest text that stands for the float; its own cast to numeric rounds.
            let kept = format!("(({narrow})::pg_catalog.text)::pg_catalog.numeric");
            cast("{x}", to, Some(format!("{kept} IS NOT DISTINCT FROM ({{x}})")))
        }
        (builtin::FLOAT4 | builtin::FLOAT8, builtin::NUMERIC) => {
            let text = "({x})::pg_catalog.text";
            let value = format!("({text})::{}", type_with_modifier(to.data_type, to.typmod));
            let back = format!(
                "({value})::{} IS NOT DISTINCT FROM ({{x}})",
                type_name(from.data_type)
            );
            cast(text, to, Some(back))
        }
        (_, builtin::NUMERIC) if integer_width(source).is_some() && to.typmod < 0 => cast("{x}", to, None),
        (builtin::NUMERIC, _) if integer_width(target).is_some() => cast("{x}", to, Some(back)),
        (_, builtin::NUMERIC) if integer_width(source).is_some() => cast("{x}", to, Some(back)),
        _ if float(source) && (float(target) || integer_width(target).is_some()) => {
            cast("{x}", to, Some(back))
        }
        _ if integer_width(source).is_some() && float(target) => cast("{x}", to, Some(back)),
        (builtin::BOOL, _) if integer_width(target).is_some() => cast("({x})::pg_catalog.int4", to, None),
        (_, builtin::BOOL) if integer_width(source).is_some() => {
            cast("({x})::pg_catalog.int4", to, Some("({x}) IN (0, 1)".to_owned()))
        }
        _ => return None,
    })
}

/// Everything else that PostgreSQL converts.
fn others(from: End<'_>, to: End<'_>) -> Option<Fit> {
    let (source, target) = (from.data_type.oid, to.data_type.oid);
    let narrow = format!("({{x}})::{}", type_with_modifier(to.data_type, to.typmod));
    let back = |inner: &str| format!("({narrow})::{inner} IS NOT DISTINCT FROM ({{x}})::{inner}");
    Some(match (source, target) {
        (builtin::JSON, builtin::JSONB)
        | (builtin::JSONB, builtin::JSON)
        | (builtin::CIDR, builtin::INET)
        | (builtin::MACADDR, builtin::MACADDR8)
        | (builtin::OID, builtin::INT8)
        | (builtin::DATE, builtin::TIMESTAMP) => cast("{x}", to, None),
        (builtin::INET, builtin::CIDR) => cast("{x}", to, Some(back("pg_catalog.inet"))),
        (builtin::OID, builtin::INT2 | builtin::INT4) => cast("({x})::pg_catalog.int8", to, None),
        (_, builtin::OID) if integer_width(source).is_some() => {
            cast("{x}", to, Some(back("pg_catalog.int8")))
        }
        (builtin::TIMESTAMP, builtin::DATE) => cast("{x}", to, Some(back("pg_catalog.timestamp"))),
        (builtin::TIME, builtin::INTERVAL) => cast("{x}", to, Some(back("pg_catalog.text"))),
        (builtin::INTERVAL, builtin::TIME) => cast("{x}", to, Some(back("pg_catalog.interval"))),
        (builtin::BIT, builtin::VARBIT) | (builtin::VARBIT, builtin::BIT) => {
            cast("{x}", to, Some(back("pg_catalog.text")))
        }
        (builtin::MONEY, builtin::NUMERIC)
        | (builtin::NUMERIC | builtin::INT4 | builtin::INT8, builtin::MONEY) => {
            cast("{x}", to, Some(back("pg_catalog.numeric")))
        }
        _ => return None,
    })
}

/// Whether both sides call their type the same, and it is of the same kind: it reads what the other prints.
fn is_namesake(from: &TypeRef, to: &TypeRef) -> bool {
    let elements = |one: &TypeRef| one.element().map(|element| element.name.name.clone());
    match (&from.kind, &to.kind) {
        (TypeKind::Array(_), TypeKind::Array(_)) => {
            elements(from) == elements(to) && !from.is_builtin() && !to.is_builtin()
        }
        _ => {
            let kind = std::mem::discriminant(&from.kind) == std::mem::discriminant(&to.kind);
            kind && from.name.name == to.name.name && from.is_builtin() == to.is_builtin()
        }
    }
}

/// Whether the value prints as the text it was read from.
fn equal_print(text: &str, to: End<'_>) -> String {
    let value = format!("({text})::{}", type_with_modifier(to.data_type, to.typmod));
    format!("({value})::pg_catalog.text IS NOT DISTINCT FROM {text}")
}

/// An SQL type, or its array where `like` is one.
fn suffixed(sql: &str, like: &TypeRef) -> String {
    let array = if like.element().is_some() { "[]" } else { "" };
    format!("{sql}{array}")
}
