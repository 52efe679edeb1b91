//! Whether and how bytes of one type become a value of another without silently losing anything.
//!
//! Three outcomes: the bytes are already right (perhaps after a check of each value), an integer changes its width,
//! or the target casts, and says for each value whether something was lost. What none of them covers is a misfit, with
//! the way out. Every cast stands in a table here: one that PostgreSQL does not have, or that means something else than
//! the same value, is a misfit.

mod kin;
mod same;
mod zone;
mod guard;
mod convert;
mod spoken;

use super::program::{Check, ClockChange};
use super::sql_type::type_with_modifier;
use super::travel::{is_citext, is_kin};
use crate::catalog::{Column, Oid, TypeKind, TypeRef, builtin};
use crate::code::{self, Code};

/// One end of a copy: a type with its modifier.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) data_type: &'a TypeRef,
    pub(super) typmod: i32,
}

/// A column as the end of a copy.
pub(super) fn end_of(column: &Column) -> End<'_> {
    End {
        data_type: &column.data_type,
        typmod: column.typmod,
    }
}

/// What else decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    /// What `timestamp` means in the source.
    pub(super) source_zone: Option<&'a str>,
    /// What `timestamp` means in the target.
    pub(super) target_zone: Option<&'a str>,
    /// Whether `money` has as many digits behind the point on both servers.
    pub(super) same_money: bool,
    /// Whether both servers know infinite intervals, or neither does: where only one does (from 17 on), the same bytes
    /// are a finite interval on the other.
    pub(super) same_interval: bool,
    /// Whether the mapping allows to lose something.
    pub(super) lossy: bool,
}

/// How a value gets there. In templates `({x})` stands for the value, always between parentheses.
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
        /// True where no change of the clocks is in the way: of two ways to lose something the one that has a name.
        clock: Option<Clock>,
        /// What the result must satisfy.
        check: Option<Check>,
    },
}

/// What tells a value that a change of the clocks makes impossible or ambiguous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clock {
    /// True where no change of the clocks is in the way.
    pub(super) sql: String,
    /// What changed.
    pub(super) change: ClockChange,
    /// Whether the value itself is the time, and not a day that begins then.
    pub(super) whole: bool,
}

/// Why a value cannot get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Misfit {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Misfit {
        Misfit {
            code: code::TYPES_DO_NOT_FIT,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl Fit {
    /// The zone whose offset alone decides which instant a local time is: nothing is rounded.
    pub(super) fn offset_of(&self) -> Option<&str> {
        match self {
            Fit::Cast {
                lossless: Some(lossless),
                clock:
                    Some(Clock {
                        sql,
                        change: ClockChange::Forward(zone),
                        whole: true,
                    }),
                ..
            } if sql == lossless => Some(zone),
            _ => None,
        }
    }
}

/// How a value of `from` becomes one of `to`.
pub(super) fn fit(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Result<Fit, Misfit> {
    let (from, to) = (unwrap(from), unwrap(to));
    if !to.data_type.binary {
        return Err(Misfit::new(
            "the type has no binary form, in which rows are written",
            "leave the column out, or make it another type",
        ));
    }
    money(from.data_type, to.data_type, terms)?;
    let found = match (kin::namesake(from, to), zone::zoned(from, to, terms)) {
        (Some(found), _) | (None, Some(found)) => found?,
        (None, None) => plain(from, to, terms)?,
    };
    Ok(if terms.lossy { lossy(found, to) } else { found })
}

/// How a value of `from` becomes one of `to` where it comes to the target as text that its own server printed.
pub(super) fn fit_of_text(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Result<Fit, Misfit> {
    let (own, wanted) = (unwrap(from).data_type, unwrap(to).data_type);
    if kin::is_own(wanted) && is_kin(own, wanted) {
        return Ok(cast("({x})::pg_catalog.text", unwrap(to), None));
    }
    let text = builtin::of(builtin::TEXT);
    let text = End {
        data_type: &text,
        typmod: -1,
    };
    fit(text, to, terms)
}

/// Money means something only with as many digits, and is printed in a server's language.
fn money(from: &TypeRef, to: &TypeRef, terms: Terms<'_>) -> Result<(), Misfit> {
    let is_money = |one: &TypeRef| one.oid == builtin::MONEY;
    if !from.any(&is_money) {
        return Ok(());
    }
    let remedy = "let a query of the source read it as numeric: `sql = \"SELECT amount::numeric …\"`";
    if !terms.same_money {
        return Err(Misfit::new(
            "the servers' languages give money another number of digits",
            remedy,
        ));
    }
    let bare = |one: &TypeRef| is_money(one) || one.element().is_some_and(is_money);
    if bare(from) && (bare(to) || to.element().is_none()) {
        return Ok(());
    }
    Err(Misfit::new(
        "money inside of another value would travel as text, in the source's language",
        remedy,
    ))
}

/// The type and modifier below all domains.
pub(super) fn unwrap<'a>(end: End<'a>) -> End<'a> {
    match &end.data_type.kind {
        TypeKind::Domain { base, typmod, .. } => unwrap(End {
            data_type: base,
            typmod: if end.typmod >= 0 { end.typmod } else { *typmod },
        }),
        _ => end,
    }
}

/// What is left of a fit where the mapping allows to lose something: an explicit cast cuts and rounds.
fn lossy(found: Fit, to: End<'_>) -> Fit {
    match found {
        Fit::Same
        | Fit::Integer(_)
        | Fit::IntegerText(None)
        | Fit::Checked(Check::Label(_) | Check::SameInterval) => found,
        Fit::Cast {
            value,
            check: check @ (None | Some(Check::Label(_))),
            ..
        } => Fit::Cast {
            value,
            lossless: None,
            clock: None,
            check,
        },
        Fit::Cast { value, .. } => cast(&value, to, None),
        Fit::Checked(_) | Fit::IntegerText(Some(_)) => cast("{x}", to, None),
    }
}

/// An explicit cast of `value` to the exact type.
fn cast(value: &str, to: End<'_>, lossless: Option<String>) -> Fit {
    Fit::Cast {
        value: format!("({value})::{}", type_with_modifier(to.data_type, to.typmod)),
        lossless,
        clock: None,
        check: None,
    }
}

/// Whether the value prints as the text it was read from.
fn equal_print(text: &str, to: End<'_>) -> String {
    let value = format!("({text})::{}", type_with_modifier(to.data_type, to.typmod));
    format!("({value})::pg_catalog.text IS NOT DISTINCT FROM {text}")
}

/// Pairs in which no zone plays a part.
fn plain(from: End<'_>, to: End<'_>, terms: Terms<'_>) -> Result<Fit, Misfit> {
    if let Some(labels) = to.data_type.labels() {
        return Ok(same::label(from, labels));
    }
    if same::is_same_type(from.data_type, to.data_type) {
        return same::same_type(from, to, terms);
    }
    let (source, target) = (from.data_type.oid, to.data_type.oid);
    if is_unpadded(from.data_type) && is_text(target) && target != builtin::NAME {
        return Ok(same::characters(from, to));
    }
    match (integer_width(source), integer_width(target)) {
        (Some(_), Some(width)) => return Ok(Fit::Integer(width)),
        (Some(_), None) if is_text(target) && target != builtin::NAME => {
            return Ok(Fit::IntegerText(same::limit(to)));
        }
        _ => {}
    }
    convert::converted(from, to, terms)
}

fn is_text(oid: Oid) -> bool {
    matches!(oid, builtin::TEXT | builtin::VARCHAR | builtin::NAME)
}

/// Whether its bytes are its characters: text, or an enum's label.
fn is_unpadded(data_type: &TypeRef) -> bool {
    is_text(data_type.oid) || data_type.labels().is_some()
}

/// Whether it holds characters, whatever they mean.
fn is_characters(data_type: &TypeRef) -> bool {
    is_unpadded(data_type) || data_type.oid == builtin::BPCHAR || is_citext(data_type)
}

fn integer_width(oid: Oid) -> Option<u8> {
    match oid {
        builtin::INT2 => Some(2),
        builtin::INT4 => Some(4),
        builtin::INT8 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
