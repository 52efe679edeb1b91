//! Pairs that the target converts, with what shows that nothing is lost.

use super::guard::{no_object, read_whole};
use super::same::{limit, padded};
use super::{End, Fit, Misfit, Terms, cast, equal_print, fit, integer_width, is_characters, is_text};
use crate::catalog::{Oid, TypeRef, builtin};
use crate::plan::sql_type::{numeric_modifier, second_digits, type_name, type_with_modifier};
use crate::plan::travel::{is_citext, is_kin, names_an_object};

/// The conversion, if there is one that means the same value.
pub(super) fn converted(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Result<Fit, Misfit> {
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
        return Ok(reread(from, to));
    }
    if let (Some(own), Some(wanted)) = (from.data_type.element(), to.data_type.element()) {
        return elementwise(from, to, own, wanted, terms);
    }
    if is_multirange_of(from.data_type, to.data_type) {
        return Ok(cast("{x}", to, None));
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
    let lossless = read_whole(to)?;
    if !names_an_object(to.data_type) {
        return Ok(cast(text, to, lossless));
    }
    // What names none is written so, and the cast from text to regclass takes it for a name.
    let (exact, none) = (type_name(to.data_type), no_object(to.data_type));
    Ok(Fit::Cast {
        value: format!(
            "CASE {text} WHEN '{none}' THEN (0::pg_catalog.oid)::{exact} ELSE ({text})::{exact} END"
        ),
        lossless,
        clock: None,
        check: None,
    })
}

/// Arrays of other elements, if one of the elements becomes the other: numbers and what casts without a doubt by the casts of
/// their elements, all others through their text.
fn elementwise(
    from: End<'_>,
    to: End<'_>,
    own: &TypeRef,
    wanted: &TypeRef,
    terms: Terms<'_>,
) -> Result<Fit, Misfit> {
    let element = |data_type, typmod| End { data_type, typmod };
    let (source, target) = (element(own, from.typmod), element(wanted, to.typmod));
    let exact = Terms {
        lossy: false,
        ..terms
    };
    let one = fit(source, target, exact)?;
    let bare = |data_type: &TypeRef| data_type.base() == data_type;
    let plain = match &one {
        Fit::Same => true,
        _ => one == cast("{x}", target, None),
    };
    if plain && bare(own) && bare(wanted) && own.is_builtin() && wanted.is_builtin() {
        return Ok(cast("{x}", to, None));
    }
    if (is_number(own) && is_number(wanted)) || is_reversible(own.oid, wanted.oid) {
        let there = type_with_modifier(to.data_type, to.typmod);
        let back = format!("(({{x}})::{there})::{}", type_name(from.data_type));
        return Ok(cast(
            "{x}",
            to,
            Some(format!("{back} IS NOT DISTINCT FROM ({{x}})")),
        ));
    }
    if is_characters(wanted.base()) {
        return Ok(printed_elements(to, wanted));
    }
    if is_characters(own.base()) {
        return parsed(to);
    }
    let prints_otherwise = |one: &TypeRef| matches!(one.base().oid, builtin::BOOL | builtin::MONEY);
    if prints_otherwise(own) || prints_otherwise(wanted) {
        return Err(Misfit::new(
            "its elements have no text that means the same",
            "write the conversion as sql",
        ));
    }
    let text = "({x})::pg_catalog.text";
    Ok(cast(text, to, Some(equal_print(text, to))))
}

/// Elements as the text that a single value would have.
fn printed_elements(to: End<'_>, wanted: &TypeRef) -> Fit {
    let texts = "({x})::pg_catalog.text[]";
    if wanted.oid == builtin::TEXT {
        return cast("{x}", to, None);
    }
    // A label is one or none, and nothing is too long.
    if wanted.labels().is_some() || is_citext(wanted) {
        return cast(texts, to, None);
    }
    let there = type_with_modifier(to.data_type, to.typmod);
    let back = format!("((({texts})::{there})::pg_catalog.text[]) IS NOT DISTINCT FROM {texts}");
    cast(texts, to, Some(back))
}

/// Pairs of which only some values come back.
fn is_reversible(source: Oid, target: Oid) -> bool {
    (source, target) == (builtin::INET, builtin::CIDR)
}

fn is_number(one: &TypeRef) -> bool {
    integer_width(one.oid).is_some()
        || matches!(one.oid, builtin::NUMERIC | builtin::FLOAT4 | builtin::FLOAT8)
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
        (builtin::NUMERIC, builtin::FLOAT4 | builtin::FLOAT8) if is_digits_of(from.typmod, target) => {
            cast("{x}", to, None)
        }
        (builtin::NUMERIC, builtin::FLOAT4 | builtin::FLOAT8) => {
            // The shortest text that stands for the float; its own cast to numeric rounds.
            let kept = format!("(({narrow})::pg_catalog.text)::pg_catalog.numeric");
            cast("{x}", to, Some(format!("{kept} IS NOT DISTINCT FROM ({{x}})")))
        }
        (builtin::FLOAT4 | builtin::FLOAT8, builtin::NUMERIC) => {
            let text = "({x})::pg_catalog.text";
            if to.typmod < 0 {
                return Some(cast(text, to, None));
            }
            let value = format!("({text})::{}", type_with_modifier(to.data_type, to.typmod));
            let back = format!(
                "({value})::{} IS NOT DISTINCT FROM ({{x}})",
                type_name(from.data_type)
            );
            cast(text, to, Some(back))
        }
        // What is too large is refused; only before the point can an integer be rounded.
        (_, builtin::NUMERIC)
            if integer_width(source).is_some() && (to.typmod < 0 || numeric_modifier(to.typmod).1 >= 0) =>
        {
            cast("{x}", to, None)
        }
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

/// Whether a float holds all digits of a numeric with this modifier: as many decimal digits as C says that it keeps.
fn is_digits_of(typmod: i32, float: Oid) -> bool {
    let kept = if float == builtin::FLOAT4 { 6 } else { 15 };
    let (precision, scale) = numeric_modifier(typmod);
    typmod >= 0 && precision <= kept && (0..=precision).contains(&scale)
}

/// Whether the one is the multirange of the other, which then has one range, or none where that is empty.
fn is_multirange_of(range: &TypeRef, multirange: &TypeRef) -> bool {
    let name = range.name.name.replace("range", "multirange");
    range.is_builtin()
        && multirange.is_builtin()
        && range.name.name.ends_with("range")
        && name == multirange.name.name
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
        // What is too large, or no such address, is refused, and the target's fraction of money only adds digits.
        | (builtin::MACADDR8, builtin::MACADDR)
        | (builtin::OID, builtin::INT8)
        | (builtin::INT8, builtin::OID)
        | (builtin::INT4 | builtin::INT8, builtin::MONEY)
        | (builtin::DATE, builtin::TIMESTAMP) => cast("{x}", to, None),
        (builtin::MONEY, builtin::NUMERIC) if to.typmod < 0 => cast("{x}", to, None),
        (builtin::INET, builtin::CIDR) => cast("{x}", to, Some(back("pg_catalog.inet"))),
        (builtin::OID, builtin::INT2 | builtin::INT4) => cast("({x})::pg_catalog.int8", to, None),
        (_, builtin::OID) if integer_width(source).is_some() => {
            cast("{x}", to, Some(back("pg_catalog.int8")))
        }
        (builtin::TIMESTAMP, builtin::DATE) => cast("{x}", to, Some(back("pg_catalog.timestamp"))),
        (builtin::TIME, builtin::INTERVAL)
            if second_digits(from.data_type, from.typmod) <= second_digits(to.data_type, to.typmod) =>
        {
            cast("{x}", to, None)
        }
        (builtin::TIME, builtin::INTERVAL) => cast("{x}", to, Some(back("pg_catalog.text"))),
        (builtin::INTERVAL, builtin::TIME) => cast("{x}", to, Some(back("pg_catalog.interval"))),
        (builtin::BIT, builtin::VARBIT) | (builtin::VARBIT, builtin::BIT) if to.typmod < 0 => {
            cast("{x}", to, None)
        }
        (builtin::BIT, builtin::VARBIT) if (0..=to.typmod).contains(&from.typmod) => cast("{x}", to, None),
        (builtin::BIT, builtin::VARBIT) | (builtin::VARBIT, builtin::BIT) => {
            cast("{x}", to, Some(back("pg_catalog.text")))
        }
        (builtin::MONEY, builtin::NUMERIC)
        | (builtin::NUMERIC, builtin::MONEY) => {
            cast("{x}", to, Some(back("pg_catalog.numeric")))
        }
        _ => return None,
    })
}

/// Whether both sides call their type the same, and it is of the same kind: it reads what the other prints.
fn is_namesake(from: &TypeRef, to: &TypeRef) -> bool {
    let kind = std::mem::discriminant(&from.kind) == std::mem::discriminant(&to.kind);
    kind && from.element().is_none() && from.name.name == to.name.name && from.is_builtin() == to.is_builtin()
}

/// A namesake's text, which must mean all of it where the types are made of other parts.
fn reread(from: End<'_>, to: End<'_>) -> Fit {
    let text = "({x})::pg_catalog.text";
    if !is_kin(from.data_type, to.data_type) {
        return cast(text, to, Some(equal_print(text, to)));
    }
    if from.data_type.name == to.data_type.name {
        cast("{x}", to, None)
    } else {
        cast(text, to, None)
    }
}
