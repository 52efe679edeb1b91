//! Pairs in which a zone decides what the value means.

use super::same::microseconds;
use super::{Clock, End, Fit, Misfit, Terms, is_characters};
use crate::catalog::{Oid, TypeRef, builtin};
use crate::code;
use crate::name::quote_literal;
use crate::plan::program::ClockChange;
use crate::plan::sql_type::type_with_modifier;

/// tsmultirange and tstzmultirange, which only stand here.
const INSTANT_MULTIRANGES: [Oid; 2] = [4533, 4534];

/// The fit, where a zone decides.
pub(super) fn zoned(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Option<Result<Fit, Misfit>> {
    let target_zone = terms.target_zone.or(terms.source_zone);
    match (from.data_type.oid, to.data_type.oid) {
        (builtin::TIMESTAMP, builtin::TIMESTAMPTZ) => Some(converted(from, to, terms.source_zone, terms)),
        (builtin::TIMESTAMPTZ, builtin::TIMESTAMP) => Some(converted(from, to, target_zone, terms)),
        (builtin::DATE, builtin::TIMESTAMPTZ) => {
            Some(shifted("({x})::pg_catalog.timestamp", to, terms.source_zone))
        }
        (source, target) if source != target => refused(from.data_type, to.data_type, terms.lossy).map(Err),
        _ => None,
    }
}

/// Between local time and instants.
fn converted(from: End<'_>, to: End<'_>, zone: Option<&str>, terms: Terms<'_>) -> Result<Fit, Misfit> {
    if is_utc(zone) {
        let same = microseconds(from, to);
        if same == Fit::Same || !terms.lossy {
            return Ok(same);
        }
    }
    shifted("{x}", to, zone)
}

fn shifted(inner: &str, to: End<'_>, zone: Option<&str>) -> Result<Fit, Misfit> {
    let Some(zone) = zone else {
        return Err(Misfit {
            code: code::ZONE_UNDECLARED,
            message: "a value without time zone would get one by guess".into(),
            remedy: "declare `zone = \"Europe/Paris\"` (what it means there) in [source], or write the conversion as sql"
                .into(),
        });
    };
    let literal = quote_literal(zone);
    let value = |typmod| {
        let data_type = type_with_modifier(to.data_type, typmod);
        format!("(({inner}) AT TIME ZONE {literal})::{data_type}")
    };
    // Local times that a change of the clocks leaves out, and moments whose local time it has twice, do not come back.
    let back = |value: &str| format!("(({value}) AT TIME ZONE {literal}) IS NOT DISTINCT FROM ({inner})");
    let change = match to.data_type.oid {
        builtin::TIMESTAMPTZ => ClockChange::Forward(zone.to_owned()),
        _ => ClockChange::Back(zone.to_owned()),
    };
    Ok(Fit::Cast {
        lossless: Some(back(&value(to.typmod))),
        clock: Some(Clock {
            sql: back(&value(-1)),
            change,
            whole: inner == "{x}",
        }),
        value: value(to.typmod),
        check: None,
    })
}

/// Casts that PostgreSQL has, and that take a zone from the session or drop one.
fn refused(from: &TypeRef, to: &TypeRef, lossy: bool) -> Option<Misfit> {
    let remedy = "write the conversion as sql, with the zone it means";
    if is_characters(from) && names_an_instant(to) {
        let drops_only = to.oid == builtin::TIMESTAMP;
        return (!(lossy && drops_only)).then(|| {
            Misfit::new(
                "text may name a time zone, which a cast would silently drop or invent",
                remedy,
            )
        });
    }
    match (from.oid, to.oid) {
        (builtin::TIMESTAMPTZ, builtin::DATE) => Some(Misfit::new(
            "which day an instant lies on depends on a time zone",
            remedy,
        )),
        (builtin::TIMESTAMPTZ, builtin::TIME | builtin::TIMETZ)
        | (builtin::TIME, builtin::TIMETZ)
        | (builtin::TIMETZ, builtin::TIME) => Some(Misfit::new(
            "which time of day it is depends on a time zone",
            remedy,
        )),
        _ if from.element().is_some() && to.element().is_some() => (names_an_instant(from)
            || names_an_instant(to))
        .then(|| Misfit::new("what its elements mean depends on a time zone", remedy)),
        _ => None,
    }
}

/// Whether a text of this type may hold a zone, or needs one.
fn names_an_instant(data_type: &TypeRef) -> bool {
    let one = data_type.element().map_or(data_type, TypeRef::base);
    INSTANT_MULTIRANGES.contains(&one.oid)
        || matches!(
            one.oid,
            builtin::TIMESTAMP
                | builtin::TIMESTAMPTZ
                | builtin::TIMETZ
                | builtin::TSRANGE
                | builtin::TSTZRANGE
        )
}

/// Whether local time there is universal time, so that the bytes are the same.
fn is_utc(zone: Option<&str>) -> bool {
    zone.is_some_and(|zone| zone.eq_ignore_ascii_case("UTC") || zone.eq_ignore_ascii_case("Etc/UTC"))
}
