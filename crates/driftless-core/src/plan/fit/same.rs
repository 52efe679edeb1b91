//! Pairs whose bytes are right, perhaps after a check: equal types, and text among itself.

use super::{End, Fit, Misfit, Terms, cast, is_unpadded};
use crate::catalog::{TypeKind, TypeRef, builtin};
use crate::plan::program::Check;
use crate::plan::sql_type::{numeric_modifier, second_digits, type_name, type_with_modifier};
use crate::plan::travel::is_portable;

/// Whether bytes of the one are bytes of the other, but for modifiers.
pub(super) fn is_same_type(from: &TypeRef, to: &TypeRef) -> bool {
    match (&from.kind, &to.kind) {
        // Only arrays of built-in elements look the same on two servers.
        (TypeKind::Array(a), TypeKind::Array(b)) => a.oid == b.oid && is_portable(a),
        _ if from.is_builtin() => from.oid == to.oid && is_portable(from),
        (TypeKind::Base, TypeKind::Base) => from.binary && to.binary && from.name == to.name,
        _ => false,
    }
}

/// Equal types whose modifiers may differ.
pub(super) fn same_type(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Result<Fit, Misfit> {
    let holds_intervals = |one: &TypeRef| one.oid == builtin::INTERVAL;
    if !terms.same_interval && from.data_type.any(&holds_intervals) {
        return Ok(interval(from, to));
    }
    if to.typmod < 0 || to.typmod == from.typmod {
        return Ok(Fit::Same);
    }
    if to.data_type.element().is_some() {
        return Ok(cast("{x}", to, Some(equal_values("{x}", to))));
    }
    Ok(match to.data_type.oid {
        builtin::VARCHAR => characters(from, to),
        builtin::NUMERIC => numeric(from, to),
        builtin::TIMESTAMP | builtin::TIMESTAMPTZ | builtin::TIME | builtin::TIMETZ | builtin::INTERVAL => {
            microseconds(from, to)
        }
        builtin::BPCHAR => padded(from, to),
        _ if to.data_type.is_builtin() => cast("{x}", to, Some(equal_texts("{x}", to))),
        _ => {
            return Err(Misfit::new(
                "what the column's modifier does to a value is known to the extension only",
                "write the conversion as sql",
            ));
        }
    })
}

/// Into an enum: the bytes of a label.
pub(super) fn label(from: End<'_>, labels: &[String]) -> Fit {
    let check = Check::Label(labels.to_vec());
    if !is_unpadded(from.data_type) {
        return Fit::Cast {
            value: "({x})::pg_catalog.text".to_owned(),
            lossless: None,
            clock: None,
            check: Some(check),
        };
    }
    let known = from
        .data_type
        .labels()
        .is_some_and(|own| own.iter().all(|label| labels.contains(label)));
    if known { Fit::Same } else { Fit::Checked(check) }
}

/// The most characters that a column takes.
pub(super) fn limit(to: End<'_>) -> Option<Check> {
    (to.data_type.oid == builtin::VARCHAR && to.typmod >= 4)
        .then(|| Check::Characters((to.typmod - 4).unsigned_abs()))
}

/// Text into text.
pub(super) fn characters(from: End<'_>, to: End<'_>) -> Fit {
    let narrower = from.data_type.oid == builtin::VARCHAR && from.typmod >= 4 && from.typmod <= to.typmod;
    match limit(to) {
        Some(check) if !narrower => Fit::Checked(check),
        _ => Fit::Same,
    }
}

fn numeric(from: End<'_>, to: End<'_>) -> Fit {
    let (precision, scale) = numeric_modifier(to.typmod);
    if from.typmod >= 0 {
        let own = numeric_modifier(from.typmod);
        // As many digits behind the point and before it.
        if own.1 <= scale && own.0 - own.1 <= precision - scale {
            return Fit::Same;
        }
    }
    Fit::Checked(Check::Numeric { precision, scale })
}

/// Intervals whose largest is infinite on one server only: a single one's bytes show it; all others travel as text, which
/// the target then cannot read.
fn interval(from: End<'_>, to: End<'_>) -> Fit {
    let array = to.data_type.element().is_some();
    if to.typmod < 0 || to.typmod == from.typmod {
        return if array {
            cast("{x}", to, None)
        } else {
            Fit::Checked(Check::SameInterval)
        };
    }
    let lossless = if array {
        equal_values("{x}", to)
    } else {
        equal_texts("{x}", to)
    };
    cast("{x}", to, Some(lossless))
}

/// Times of the same unit; an interval that keeps certain fields only is the target's matter.
pub(super) fn microseconds(from: End<'_>, to: End<'_>) -> Fit {
    let Some(kept) = second_digits(to.data_type, to.typmod) else {
        return cast("{x}", to, Some(equal_texts("{x}", to)));
    };
    if second_digits(from.data_type, from.typmod).unwrap_or(6) <= kept {
        return Fit::Same;
    }
    Fit::Checked(Check::Microseconds(10_i64.pow((6 - kept).unsigned_abs())))
}

/// Into character(n): trailing blanks mean nothing there, so only what stands before them must fit.
pub(super) fn padded(from: End<'_>, to: End<'_>) -> Fit {
    // Its own cast would keep the byte zero, which stands for none.
    let value = if from.data_type.oid == builtin::CHAR {
        "({x})::pg_catalog.text"
    } else {
        "{x}"
    };
    if to.typmod < 4 {
        return cast(value, to, None);
    }
    if from.data_type.oid == builtin::BPCHAR && from.typmod >= 4 && from.typmod <= to.typmod {
        // The target pads what it reads.
        return Fit::Same;
    }
    let fits = format!(
        "pg_catalog.length(pg_catalog.rtrim(({{x}})::pg_catalog.text)) <= {}",
        to.typmod - 4
    );
    cast(value, to, Some(fits))
}

/// Whether applying the modifier changes nothing that the value's text shows.
pub(super) fn equal_texts(value: &str, to: End<'_>) -> String {
    let wide = format!("({value})::{}", type_name(to.data_type));
    let narrow = format!("({wide})::{}", type_with_modifier(to.data_type, to.typmod));
    format!("({wide})::pg_catalog.text IS NOT DISTINCT FROM ({narrow})::pg_catalog.text")
}

/// Whether applying the modifier changes no value. Needs a type, or elements, with an operator `=`.
pub(super) fn equal_values(value: &str, to: End<'_>) -> String {
    let wide = format!("({value})::{}", type_name(to.data_type));
    let narrow = format!("({value})::{}", type_with_modifier(to.data_type, to.typmod));
    format!("{wide} IS NOT DISTINCT FROM {narrow}")
}
