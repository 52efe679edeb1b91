//! Whether and how bytes of one type become a value of another without silently losing anything.
//!
//! Three outcomes: the bytes are already right (perhaps after a check of each value), an integer changes its width,
//! or the target casts, and says for each value whether casting back would give the same. What none of them covers is
//! a misfit, with the way out.

use super::program::Check;
use crate::catalog::{Catalog, Oid, TypeKind, TypeRef, builtin};
use crate::code::{self, Code};

/// One end of a copy: a type with its modifier.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) data_type: &'a TypeRef,
    pub(super) typmod: i32,
}

/// What else decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    /// What `timestamp` means in the source.
    pub(super) source_zone: Option<&'a str>,
    /// What `timestamp` means in the target.
    pub(super) target_zone: Option<&'a str>,
    /// Whether the mapping allows to lose something.
    pub(super) lossy: bool,
}

/// How a value gets there. In templates `{x}` stands for the value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fit {
    /// The bytes are right.
    Same,
    /// The bytes are right if the check passes.
    Checked(Check),
    /// An integer of another width, in bytes.
    Integer(u8),
    /// The decimal text of an integer, perhaps limited.
    IntegerText(Option<Check>),
    /// The target casts.
    Cast {
        /// The value.
        value: String,
        /// True where nothing is lost; `None` where nothing can be.
        lossless: Option<String>,
        /// What the result must satisfy.
        check: Option<Check>,
    },
}

/// Why a value cannot get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) remedy: String,
}

/// The type name in SQL, without modifier.
pub(super) fn type_name(data_type: &TypeRef) -> String {
    match &data_type.kind {
        TypeKind::Array(element) => format!("{}[]", type_name(element)),
        _ => data_type.name.sql(),
    }
}

/// The type name in SQL, with its modifier.
pub(super) fn type_with_modifier(data_type: &TypeRef, typmod: i32) -> String {
    let name = type_name(data_type);
    if typmod < 0 {
        return name;
    }
    let element = data_type.element().unwrap_or(data_type);
    let modifier = match element.oid {
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
        | builtin::VARBIT => {
            format!("({typmod})")
        }
        _ => return name,
    };
    match name.strip_suffix("[]") {
        Some(element) => format!("{element}{modifier}[]"),
        None => format!("{name}{modifier}"),
    }
}

/// How a type travels into an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Travel {
    /// Whether the extraction casts it to text.
    pub(super) as_text: bool,
    /// The element's oid on the wire.
    pub(super) element: Oid,
    /// The array's.
    pub(super) array: Oid,
    /// What it is cast to inside, if anything.
    pub(super) cast: Option<String>,
    /// Its type there.
    pub(super) data_type: TypeRef,
}

/// Scalars of built-in types travel as they are; everything else as text, cast inside where the target knows the type.
pub(super) fn travel(data_type: &TypeRef, target: &Catalog) -> Travel {
    let base = data_type.base();
    if base.is_builtin() && base.kind == TypeKind::Base && base.array_oid != 0 && base.binary {
        return Travel {
            as_text: false,
            element: base.oid,
            array: base.array_oid,
            cast: None,
            data_type: base.clone(),
        };
    }
    let known = known_there(base, target);
    let data_type = if known {
        base.clone()
    } else {
        builtin::of(builtin::TEXT)
    };
    Travel {
        as_text: base.labels().is_none(),
        element: builtin::TEXT,
        array: builtin::TEXT_ARRAY,
        cast: known.then(|| type_name(base)),
        data_type,
    }
}

/// Whether the target has a type of this name that takes the same text.
fn known_there(base: &TypeRef, target: &Catalog) -> bool {
    match &base.kind {
        TypeKind::Array(element) => known_there(element.base(), target) && element.base() == element.as_ref(),
        _ => base.is_builtin() || target.types.contains_key(&base.name),
    }
}

fn numeric_modifier(typmod: i32) -> (i32, i32) {
    let packed = typmod - 4;
    // The scale is 11 bits with sign, from PostgreSQL 15 on; earlier ones only fill the positive half.
    ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
}

fn is_text(oid: Oid) -> bool {
    matches!(oid, builtin::TEXT | builtin::VARCHAR | builtin::NAME)
}

fn is_integer(oid: Oid) -> Option<u8> {
    match oid {
        builtin::INT2 => Some(2),
        builtin::INT4 => Some(4),
        builtin::INT8 => Some(8),
        _ => None,
    }
}

fn unwrap<'a>(end: End<'a>) -> End<'a> {
    match &end.data_type.kind {
        TypeKind::Domain { base, typmod, .. } => unwrap(End {
            data_type: base,
            typmod: if end.typmod >= 0 { end.typmod } else { *typmod },
        }),
        _ => end,
    }
}

/// How a value of `from` becomes one of `to`.
pub(super) fn fit(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Result<Fit, Misfit> {
    let (from, to) = (unwrap(from), unwrap(to));
    let found = zoned(from, to, terms).unwrap_or_else(|| Ok(plain(from, to)))?;
    if !terms.lossy {
        return Ok(found);
    }
    Ok(match found {
        Fit::Same | Fit::Integer(_) | Fit::IntegerText(None) | Fit::Checked(Check::Label(_)) => found,
        Fit::Cast {
            value, check: None, ..
        } if value.contains("AT TIME ZONE") => Fit::Cast {
            value,
            lossless: None,
            check: None,
        },
        _ => cast(to, None),
    })
}

fn cast(to: End<'_>, lossless: Option<String>) -> Fit {
    let value = format!("({{x}})::{}", type_with_modifier(to.data_type, to.typmod));
    Fit::Cast {
        value,
        lossless,
        check: None,
    }
}

/// Pairs in which a zone decides what the value means.
fn zoned(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Option<Result<Fit, Misfit>> {
    let shift = |zone: Option<&str>, inner: &str| -> Result<Fit, Misfit> {
        let Some(zone) = zone else {
            return Err(Misfit {
                code: code::ZONE_UNDECLARED,
                message: "a value without time zone would get one by guess".into(),
                remedy: "declare `zone = \"Europe/Paris\"` (what it means there) in [source], or write the conversion as sql".into(),
            });
        };
        let literal = crate::name::quote_literal(zone);
        let value = format!(
            "(({inner}) AT TIME ZONE {literal})::{}",
            type_with_modifier(to.data_type, to.typmod)
        );
        let back = format!("(({value}) AT TIME ZONE {literal}) IS NOT DISTINCT FROM ({inner})");
        Ok(Fit::Cast {
            value,
            lossless: Some(back),
            check: None,
        })
    };
    match (from.data_type.oid, to.data_type.oid) {
        (builtin::TIMESTAMP, builtin::TIMESTAMPTZ) if is_utc(terms.source_zone) => {
            Some(Ok(microseconds(from, to)))
        }
        (builtin::TIMESTAMPTZ, builtin::TIMESTAMP) if is_utc(terms.target_zone.or(terms.source_zone)) => {
            Some(Ok(microseconds(from, to)))
        }
        (builtin::TIMESTAMP, builtin::TIMESTAMPTZ) => Some(shift(terms.source_zone, "{x}")),
        (builtin::TIMESTAMPTZ, builtin::TIMESTAMP) => {
            Some(shift(terms.target_zone.or(terms.source_zone), "{x}"))
        }
        (builtin::DATE, builtin::TIMESTAMPTZ) => {
            Some(shift(terms.source_zone, "({x})::pg_catalog.timestamp"))
        }
        (source, builtin::TIMESTAMP | builtin::TIMESTAMPTZ | builtin::TIMETZ)
            if (is_text(source) || source == builtin::BPCHAR) && !terms.lossy =>
        {
            Some(Err(Misfit {
                code: code::TYPES_DO_NOT_FIT,
                message: "text may name a time zone, which a cast would silently drop or invent".into(),
                remedy: "write the conversion as sql, with the zone it means".into(),
            }))
        }
        (builtin::TIMESTAMPTZ, builtin::DATE | builtin::TIME) => Some(Err(Misfit {
            code: code::TYPES_DO_NOT_FIT,
            message: "which day an instant lies on depends on a time zone".into(),
            remedy: "write the conversion as sql, with the zone it means".into(),
        })),
        _ => None,
    }
}

fn is_utc(zone: Option<&str>) -> bool {
    zone.is_some_and(|zone| zone.eq_ignore_ascii_case("UTC") || zone.eq_ignore_ascii_case("Etc/UTC"))
}

fn microseconds(from: End<'_>, to: End<'_>) -> Fit {
    let digits = |typmod: i32| if (0..6).contains(&typmod) { typmod } else { 6 };
    if digits(to.typmod) >= digits(from.typmod) {
        return Fit::Same;
    }
    Fit::Checked(Check::Microseconds(
        10_i64.pow((6 - digits(to.typmod)).unsigned_abs()),
    ))
}

fn plain(from: End<'_>, to: End<'_>) -> Fit {
    if let Some(labels) = to.data_type.labels() {
        return enumeration(from, to, labels);
    }
    if is_same_type(from.data_type, to.data_type) {
        return same_type(from, to);
    }
    let (source, target) = (from.data_type.oid, to.data_type.oid);
    let from_text = is_text(source) || from.data_type.labels().is_some();
    if from_text && is_text(target) {
        return characters(from, to);
    }
    if let (Some(_), Some(width)) = (is_integer(source), is_integer(target)) {
        return Fit::Integer(width);
    }
    if is_integer(source).is_some() && is_text(target) {
        return Fit::IntegerText(limit(to));
    }
    if is_text(target) {
        let text = "({x})::pg_catalog.text".to_owned();
        return Fit::Cast {
            value: text,
            lossless: None,
            check: limit(to),
        };
    }
    converted(from, to, from_text)
}

fn is_same_type(from: &TypeRef, to: &TypeRef) -> bool {
    match (&from.kind, &to.kind) {
        // Only arrays of built-in elements look the same on two servers.
        (TypeKind::Array(a), TypeKind::Array(b)) => a.oid == b.oid && a.is_builtin() && a.binary,
        (TypeKind::Base | TypeKind::Range, TypeKind::Base | TypeKind::Range) => {
            from.binary && to.binary && from.name == to.name && (from.oid == to.oid || !from.is_builtin())
        }
        _ => false,
    }
}

fn enumeration(from: End<'_>, to: End<'_>, labels: &[String]) -> Fit {
    if is_text(from.data_type.oid) || from.data_type.labels().is_some() {
        let known = from
            .data_type
            .labels()
            .is_some_and(|own| own.iter().all(|label| labels.contains(label)));
        return if known {
            Fit::Same
        } else {
            Fit::Checked(Check::Label(labels.to_vec()))
        };
    }
    let text = "({x})::pg_catalog.text".to_owned();
    Fit::Cast {
        value: format!("({text})::{}", type_name(to.data_type)),
        lossless: None,
        check: None,
    }
}

fn same_type(from: End<'_>, to: End<'_>) -> Fit {
    if to.typmod < 0 || to.typmod == from.typmod {
        return Fit::Same;
    }
    match to.data_type.oid {
        builtin::VARCHAR => characters(from, to),
        builtin::NUMERIC => {
            let (precision, scale) = numeric_modifier(to.typmod);
            Fit::Checked(Check::Numeric { precision, scale })
        }
        builtin::TIMESTAMP | builtin::TIMESTAMPTZ | builtin::TIME => microseconds(from, to),
        builtin::BPCHAR => padded(to),
        _ => cast(to, Some(same_text("{x}", to))),
    }
}

fn limit(to: End<'_>) -> Option<Check> {
    (to.data_type.oid == builtin::VARCHAR && to.typmod >= 4)
        .then(|| Check::Characters((to.typmod - 4).unsigned_abs()))
}

fn characters(from: End<'_>, to: End<'_>) -> Fit {
    let narrower = from.data_type.oid == builtin::VARCHAR && from.typmod >= 4 && from.typmod <= to.typmod;
    match limit(to) {
        Some(check) if !narrower => Fit::Checked(check),
        _ => Fit::Same,
    }
}

/// Into character(n): trailing blanks mean nothing there, so only what stands before them must fit.
fn padded(to: End<'_>) -> Fit {
    if to.typmod < 4 {
        return cast(to, None);
    }
    let fits = format!(
        "pg_catalog.length(pg_catalog.rtrim(({{x}})::pg_catalog.text)) <= {}",
        to.typmod - 4
    );
    cast(to, Some(fits))
}

/// Casting there without a modifier and then applying it changes nothing, compared as text.
fn same_text(value: &str, to: End<'_>) -> String {
    let wide = format!("({value})::{}", type_name(to.data_type));
    let narrow = format!("({wide})::{}", type_with_modifier(to.data_type, to.typmod));
    format!("({wide})::pg_catalog.text IS NOT DISTINCT FROM ({narrow})::pg_catalog.text")
}

fn converted(from: End<'_>, to: End<'_>, from_text: bool) -> Fit {
    let target = to.data_type.oid;
    if target == builtin::BPCHAR {
        return padded(to);
    }
    if from_text || from.data_type.oid == builtin::BPCHAR {
        return match target {
            // A date written with a time of day would lose it.
            builtin::DATE => cast(
                to,
                Some(
                    "({x})::pg_catalog.timestamp IS NOT DISTINCT FROM (({x})::pg_catalog.date)::pg_catalog.timestamp"
                        .to_owned(),
                ),
            ),
            builtin::NUMERIC if to.typmod >= 0 => {
                let wide = "({x})::pg_catalog.numeric";
                let narrow = format!("({{x}})::{}", type_with_modifier(to.data_type, to.typmod));
                cast(to, Some(format!("{wide} IS NOT DISTINCT FROM {narrow}")))
            }
            _ if to.typmod >= 0 => cast(to, Some(same_text("{x}", to))),
            _ => cast(to, None),
        };
    }
    let narrow = format!("({{x}})::{}", type_with_modifier(to.data_type, to.typmod));
    match (from.data_type.oid, target) {
        (builtin::JSON, builtin::JSONB) | (builtin::JSONB, builtin::JSON) => cast(to, None),
        (
            builtin::NUMERIC
            | builtin::FLOAT4
            | builtin::FLOAT8
            | builtin::INT2
            | builtin::INT4
            | builtin::INT8,
            _,
        ) => {
            let back = format!(
                "({narrow})::{} IS NOT DISTINCT FROM ({{x}})",
                type_name(from.data_type)
            );
            cast(to, Some(back))
        }
        _ => {
            let back = format!("(({narrow})::{})::pg_catalog.text", type_name(from.data_type));
            cast(
                to,
                Some(format!("{back} IS NOT DISTINCT FROM ({{x}})::pg_catalog.text")),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terms<'static> = Terms {
        source_zone: None,
        target_zone: None,
        lossy: false,
    };

    fn between(from: (Oid, i32), to: (Oid, i32), terms: Terms<'_>) -> Result<Fit, Misfit> {
        let (source, target) = (builtin::of(from.0), builtin::of(to.0));
        fit(
            End {
                data_type: &source,
                typmod: from.1,
            },
            End {
                data_type: &target,
                typmod: to.1,
            },
            terms,
        )
    }

    #[test]
    fn equal_types_are_copied_as_bytes() {
        for oid in [
            builtin::INT4,
            builtin::TEXT,
            builtin::NUMERIC,
            builtin::JSONB,
            builtin::UUID,
        ] {
            assert_eq!(between((oid, -1), (oid, -1), PLAIN), Ok(Fit::Same));
        }
        assert_eq!(
            between((builtin::VARCHAR, 14), (builtin::TEXT, -1), PLAIN),
            Ok(Fit::Same)
        );
        assert_eq!(
            between((builtin::VARCHAR, 14), (builtin::VARCHAR, 24), PLAIN),
            Ok(Fit::Same)
        );
    }

    #[test]
    fn what_could_be_cut_is_checked() {
        assert_eq!(
            between((builtin::TEXT, -1), (builtin::VARCHAR, 14), PLAIN),
            Ok(Fit::Checked(Check::Characters(10)))
        );
        let numeric_12_2 = ((12 << 16) | 2) + 4;
        assert_eq!(
            between((builtin::NUMERIC, -1), (builtin::NUMERIC, numeric_12_2), PLAIN),
            Ok(Fit::Checked(Check::Numeric {
                precision: 12,
                scale: 2
            }))
        );
        assert_eq!(
            between((builtin::TIMESTAMP, -1), (builtin::TIMESTAMP, 3), PLAIN),
            Ok(Fit::Checked(Check::Microseconds(1000)))
        );
    }

    #[test]
    fn lossy_lets_the_target_cut() {
        let found = between(
            (builtin::TEXT, -1),
            (builtin::VARCHAR, 14),
            Terms { lossy: true, ..PLAIN },
        );
        assert!(
            matches!(
                found,
                Ok(Fit::Cast {
                    lossless: None,
                    check: None,
                    ..
                })
            ),
            "{found:?}"
        );
    }

    #[test]
    fn a_zone_is_never_guessed() {
        let pair = ((builtin::TIMESTAMP, -1), (builtin::TIMESTAMPTZ, -1));
        assert_eq!(
            between(pair.0, pair.1, PLAIN).unwrap_err().code,
            code::ZONE_UNDECLARED
        );
        let utc = Terms {
            source_zone: Some("UTC"),
            ..PLAIN
        };
        assert_eq!(between(pair.0, pair.1, utc), Ok(Fit::Same));
        let paris = Terms {
            source_zone: Some("Europe/Paris"),
            ..PLAIN
        };
        assert!(matches!(
            between(pair.0, pair.1, paris),
            Ok(Fit::Cast {
                lossless: Some(_),
                ..
            })
        ));
        assert_eq!(
            between((builtin::TEXT, -1), pair.1, paris).unwrap_err().code,
            code::TYPES_DO_NOT_FIT
        );
    }

    #[test]
    fn a_negative_scale_is_read() {
        let typmod = ((3 << 16) | (0x7ff & -2_i32)) + 4;
        assert_eq!(numeric_modifier(typmod), (3, -2));
    }
}
