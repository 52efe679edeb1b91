//! What must be true of a text that the target reads as a value, so that nothing of it is guessed, cut or rounded.

use super::kin::is_own;
use super::same::{equal_texts, equal_values};
use super::{End, Misfit, equal_print};
use crate::catalog::{Oid, TypeKind, TypeRef, builtin};
use crate::name::quote_literal;
use crate::plan::sql_type::type_name;
use crate::plan::travel::names_an_object;

/// A date with four digits of the year, perhaps with midnight behind it: `01/02/03` and `5 Jan 24` would be guessed, `today`
/// would be another day tomorrow.
const DATE_TEXT: &str =
    r"^\s*([0-9]{4,}([-/.])[0-9]{1,2}\2[0-9]{1,2}([ T]00:00(:00(\.0+)?)?)?|[0-9]{8}|[-+]?infinity)( BC)?\s*$";

/// A range of such dates. The bounds of some may be missing.
const DATES_TEXT: &str = r#"(empty|[[(]\s*("?([0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}( BC)?|[-+]?infinity)"?)?\s*,\s*("?([0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}( BC)?|[-+]?infinity)"?)?\s*[])])"#;

/// A time of day without date and zone, with no more digits than are kept.
const TIME_TEXT: &str = r"^\s*[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?\s*$";

/// What an interval is written with. PostgreSQL takes other signs for blanks: `$1.00` would be a second.
const INTERVAL_TEXT: &str = "^[-+@0-9a-z:. ]*$";

/// More than the six digits behind the seconds that an interval keeps.
const TOO_FINE: &str = r"\.[0-9]{6}0*[1-9]";

/// A number, as floats are written.
const NUMBER_TEXT: &str = r"([-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?)";

/// A number where an object's name should stand: the target would take it for whatever object has it there.
const OBJECT_NUMBER: &str = r#"(^|[{,])\s*"?[0-9]+"?\s*([,}]|$)"#;

/// As [`OBJECT_NUMBER`], for operators: 0 is none of them, since `-` is one.
const OPERATOR_NUMBER: &str = r#"(^|[{,])\s*"?0*[1-9][0-9]*"?\s*([,}]|$)"#;

const REGCLASS: Oid = 2205;

/// Types that are made of floats, built in or of extensions.
const OF_FLOATS: [&str; 10] = [
    "point", "line", "lseg", "box", "path", "polygon", "circle", "cube", "vector", "halfvec",
];

/// Types that take what they can use of a text: numbers that wrap around or have other things behind them, words that are
/// sorted.
const TAKE_A_PART: [&str; 9] = [
    "char",
    "name",
    "xid",
    "cid",
    "xid8",
    "tid",
    "int2vector",
    "oidvector",
    "tsvector",
];

/// What is true of `text` where the column holds all of it; `None` where every text that is read is.
pub(super) fn read_whole(to: End<'_>) -> Result<Option<String>, Misfit> {
    let text = "({x})::pg_catalog.text";
    let (one, is_array) = match to.data_type.element() {
        Some(element) => (element, true),
        None => (to.data_type, false),
    };
    if one.any(&|one: &TypeRef| one.oid == builtin::MONEY) {
        return Err(Misfit::new(
            "how text is read as money depends on a server's language",
            "write the conversion as sql",
        ));
    }
    // Its cast from text takes no number.
    if one.oid == REGCLASS && !is_array {
        return Ok(None);
    }
    if names_an_object(one) {
        let number = if no_object(one) == "-" {
            OBJECT_NUMBER
        } else {
            OPERATOR_NUMBER
        };
        return Ok(Some(lacks(text, number)));
    }
    let is_made_of_parts = is_own(to.data_type) && !matches!(one.kind, TypeKind::Base | TypeKind::Enum(_));
    if is_made_of_parts {
        return Ok(Some(equal_print(text, to)));
    }
    if is_array && is_guessed(one) {
        return Ok(Some(equal_print(text, to)));
    }
    Ok(match one.oid {
        builtin::DATE => Some(matches(text, DATE_TEXT)),
        builtin::TIME => Some(and(matches(text, TIME_TEXT), to, text)),
        builtin::INTERVAL => {
            let plain = format!("{} AND {}", matches(text, INTERVAL_TEXT), lacks(text, TOO_FINE));
            Some(and(plain, to, text))
        }
        // PostgreSQL fills a missing digit up, of the longer ones none.
        builtin::MACADDR => Some(digits(text, 12)),
        builtin::DATERANGE => Some(matches(text, &format!("^\\s*{DATES_TEXT}\\s*$"))),
        builtin::DATEMULTIRANGE => Some(matches(
            text,
            &format!("^\\s*\\{{\\s*({DATES_TEXT}(\\s*,\\s*{DATES_TEXT})*)?\\s*\\}}\\s*$"),
        )),
        builtin::FLOAT4 | builtin::FLOAT8 => Some(all_digits(text, to)),
        builtin::OID => Some(format!(
            "(({text})::{oid})::{int8} IS NOT DISTINCT FROM ({text})::{int8}",
            oid = suffixed("pg_catalog.oid", is_array),
            int8 = suffixed("pg_catalog.int8", is_array),
        )),
        builtin::NUMERIC if to.typmod >= 0 => Some(equal_values(text, to)),
        _ if takes_a_part(one) => Some(equal_print(text, to)),
        _ if OF_FLOATS.contains(&one.name.name.as_str()) => Some(equal_numbers(text, to)),
        _ if to.typmod >= 0 && is_array => Some(equal_values(text, to)),
        _ if to.typmod >= 0 && to.data_type.is_builtin() => Some(equal_texts(text, to)),
        _ => None,
    })
}

/// How a type of names of objects writes that there is none.
pub(super) fn no_object(one: &TypeRef) -> &'static str {
    if one.name.name.starts_with("regoper") {
        "0"
    } else {
        "-"
    }
}

/// Whether a text of this type has a pattern to be held against, which an array of them has not.
fn is_guessed(element: &TypeRef) -> bool {
    matches!(
        element.oid,
        builtin::DATE
            | builtin::TIME
            | builtin::INTERVAL
            | builtin::DATERANGE
            | builtin::DATEMULTIRANGE
            | builtin::MACADDR
            | builtin::MACADDR8
    )
}

fn takes_a_part(one: &TypeRef) -> bool {
    one.is_builtin() && TAKE_A_PART.contains(&one.name.name.as_str())
}

/// Whether a float keeps every digit of the text.
fn all_digits(text: &str, to: End<'_>) -> String {
    let exact = suffixed("pg_catalog.numeric", to.data_type.element().is_some());
    let kept = format!(
        "((({text})::{})::pg_catalog.text)::{exact}",
        type_name(to.data_type)
    );
    format!("({text})::{exact} IS NOT DISTINCT FROM {kept}")
}

/// Whether the value is printed with the same numbers, in any order: a box sorts its corners.
fn equal_numbers(text: &str, to: End<'_>) -> String {
    let numbers = |text: &str| {
        format!(
            "ARRAY(SELECT \"driftless number\".found[1]::pg_catalog.numeric FROM pg_catalog.regexp_matches({text}, {}, 'gi') \
             AS \"driftless number\" (found) ORDER BY 1)",
            quote_literal(NUMBER_TEXT)
        )
    };
    let printed = format!("((({text})::{})::pg_catalog.text)", type_name(to.data_type));
    format!("{} IS NOT DISTINCT FROM {}", numbers(text), numbers(&printed))
}

fn matches(text: &str, pattern: &str) -> String {
    format!("({text}) ~* {}", quote_literal(pattern))
}

/// So many hexadecimal digits.
fn digits(text: &str, number: u32) -> String {
    let others = quote_literal("[^0-9A-Fa-f]");
    format!("pg_catalog.length(pg_catalog.regexp_replace({text}, {others}, '', 'g')) = {number}")
}

fn lacks(text: &str, pattern: &str) -> String {
    format!("({text}) !~ {}", quote_literal(pattern))
}

/// And that the modifier changes nothing.
fn and(plain: String, to: End<'_>, text: &str) -> String {
    if to.typmod < 0 {
        return plain;
    }
    format!("{plain} AND {}", equal_texts(text, to))
}

/// An SQL type, or its array.
fn suffixed(sql: &str, is_array: bool) -> String {
    format!("{sql}{}", if is_array { "[]" } else { "" })
}
