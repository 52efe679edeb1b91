//! Types as SQL writes them, with their modifiers.

use crate::catalog::{TypeKind, TypeRef, builtin};

/// What an interval's modifier says where it restricts no fields.
const FULL_RANGE: i32 = 0x7fff;
/// What an interval's modifier says where it restricts no digits.
const FULL_PRECISION: i32 = 0xffff;

/// The type name in SQL, without modifier.
pub(super) fn type_name(data_type: &TypeRef) -> String {
    match &data_type.kind {
        TypeKind::Array(element) => format!("{}[]", type_name(element)),
        _ => data_type.name.sql(),
    }
}

/// The type name in SQL, with its modifier. Modifiers of types that are not built in are left out.
pub(super) fn type_with_modifier(data_type: &TypeRef, typmod: i32) -> String {
    match &data_type.kind {
        TypeKind::Array(element) => format!("{}[]", type_with_modifier(element, typmod)),
        _ => format!("{}{}", type_name(data_type), modifier(data_type, typmod)),
    }
}

fn modifier(data_type: &TypeRef, typmod: i32) -> String {
    if typmod < 0 {
        return String::new();
    }
    match data_type.oid {
        builtin::VARCHAR | builtin::BPCHAR => format!("({})", typmod - 4),
        builtin::NUMERIC => {
            let (precision, scale) = numeric_modifier(typmod);
            format!("({precision},{scale})")
        }
        builtin::TIMESTAMP
        | builtin::TIMESTAMPTZ
        | builtin::TIME
        | builtin::TIMETZ
        | builtin::BIT
        | builtin::VARBIT => format!("({typmod})"),
        builtin::INTERVAL => match interval_modifier(typmod) {
            // Behind a quoted name the fields stand as the number that the keywords stand for.
            (fields, FULL_PRECISION) => format!("({fields})"),
            (fields, digits) => format!("({fields},{digits})"),
        },
        _ => String::new(),
    }
}

/// Precision and scale of a numeric's modifier.
pub(super) fn numeric_modifier(typmod: i32) -> (i32, i32) {
    let packed = typmod - 4;
    // The scale is 11 bits with sign, from PostgreSQL 15 on; earlier ones only fill the positive half.
    ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
}

/// The digits behind the seconds that a time's modifier keeps (6 is all), or `None` for an interval of certain fields.
pub(super) fn second_digits(data_type: &TypeRef, typmod: i32) -> Option<i32> {
    let digits = if data_type.oid == builtin::INTERVAL && typmod >= 0 {
        match interval_modifier(typmod) {
            (FULL_RANGE, digits) => digits,
            _ => return None,
        }
    } else {
        typmod
    };
    Some(if (0..6).contains(&digits) { digits } else { 6 })
}

fn interval_modifier(typmod: i32) -> (i32, i32) {
    ((typmod >> 16) & FULL_RANGE, typmod & FULL_PRECISION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(oid: u32, typmod: i32) -> String {
        type_with_modifier(&builtin::of(oid), typmod).replace("\"pg_catalog\".", "")
    }

    #[test]
    fn modifiers_are_those_of_the_catalog() {
        // Modifiers as pg_attribute.atttypmod holds them.
        assert_eq!(written(builtin::VARCHAR, 14), "\"varchar\"(10)");
        assert_eq!(written(builtin::BPCHAR, 6), "\"bpchar\"(2)");
        assert_eq!(written(builtin::NUMERIC, 786_438), "\"numeric\"(12,2)");
        assert_eq!(
            written(builtin::NUMERIC, ((3 << 16) | (0x7ff & -2)) + 4),
            "\"numeric\"(3,-2)"
        );
        assert_eq!(written(builtin::TIMESTAMPTZ, 3), "\"timestamptz\"(3)");
        assert_eq!(written(builtin::BIT, 8), "\"bit\"(8)");
        assert_eq!(written(builtin::INT4, -1), "\"int4\"");
        assert_eq!(written(builtin::VARCHAR, -1), "\"varchar\"");
    }

    #[test]
    fn intervals_say_fields_and_digits() {
        // interval(0), interval year to month, interval day to second(3).
        assert_eq!(written(builtin::INTERVAL, 2_147_418_112), "\"interval\"(32767,0)");
        assert_eq!(written(builtin::INTERVAL, 458_751), "\"interval\"(6)");
        assert_eq!(written(builtin::INTERVAL, 470_286_339), "\"interval\"(7176,3)");
        let digits = |typmod| second_digits(&builtin::of(builtin::INTERVAL), typmod);
        assert_eq!(digits(-1), Some(6));
        assert_eq!(digits(2_147_418_112), Some(0));
        assert_eq!(digits(458_751), None);
        assert_eq!(second_digits(&builtin::of(builtin::TIME), 3), Some(3));
        assert_eq!(second_digits(&builtin::of(builtin::TIME), -1), Some(6));
    }

    #[test]
    fn arrays_hold_their_elements_modifier() {
        let text = TypeRef {
            kind: TypeKind::Array(Box::new(builtin::of(builtin::VARCHAR))),
            ..builtin::of(1015)
        };
        assert_eq!(type_with_modifier(&text, 14), "\"pg_catalog\".\"varchar\"(10)[]");
        assert_eq!(type_name(&text), "\"pg_catalog\".\"varchar\"[]");
    }
}
