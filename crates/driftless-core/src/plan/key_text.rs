//! Keys as text: the same key gives the same text, whichever column holds it.
//!
//! The canonical text of a key is what PostgreSQL prints for it as a value of the parent key's type. A column that refers
//! to it may have another type; what is no value of the parent's type, or only after rounding or cutting, gives a text
//! that no key has, so that the parent is missing instead of mistaken.

use super::fit::{End, unwrap};
use super::program::Canonical;
use super::sql_type::numeric_modifier;
use super::travel::{is_citext, is_portable};
use crate::catalog::{Column, Oid, TypeKind, TypeRef, builtin};

/// How a column's value becomes the text of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// From its bytes.
    Native(Canonical),
    /// By this SQL, in which `{x}` stands for the value.
    Asked(String),
}

const TEXT: &str = "({x})::pg_catalog.text";
const INTEGER_TEXT: &str = r"'^\s*[-+]?[0-9]+\s*$'";
const NUMERIC_TEXT: &str = r"'^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)\s*$'";
const UUID_TEXT: &str = r"'^(([0-9a-f]{4}-?){7}[0-9a-f]{4}|\{([0-9a-f]{4}-?){7}[0-9a-f]{4}\})$'";

/// How a type's bytes become text without asking anybody.
pub(super) fn native_text(data_type: &TypeRef) -> Option<Canonical> {
    let base = data_type.base();
    match (&base.kind, base.oid) {
        (TypeKind::Enum(_), _) => Some(Canonical::Text),
        (_, builtin::INT2 | builtin::INT4 | builtin::INT8) => Some(Canonical::Integer),
        (_, builtin::TEXT | builtin::VARCHAR | builtin::NAME) => Some(Canonical::Text),
        (_, builtin::UUID) => Some(Canonical::Uuid),
        _ => None,
    }
}

/// How a value of `child` becomes the text that a key of `parent` has; `None` where they have nothing in common.
pub(super) fn key_form(child: End<'_>, parent: End<'_>) -> Option<KeyForm> {
    let (child, parent) = (unwrap(child), unwrap(parent));
    let own = native_text(child.data_type);
    let wanted = native_text(parent.data_type);
    let asked = |sql: &str| Some(KeyForm::Asked(sql.to_owned()));
    match (own, wanted) {
        // A text key equals what PostgreSQL prints.
        (Some(own), Some(wanted)) if own == wanted || wanted == Canonical::Text => Some(KeyForm::Native(own)),
        (_, Some(Canonical::Text)) => asked(TEXT),
        (_, Some(Canonical::Integer)) => integer(child.data_type).map(KeyForm::Asked),
        (_, Some(Canonical::Uuid)) => is_characters(child.data_type).then(|| {
            KeyForm::Asked(format!(
                "CASE WHEN {TEXT} ~* {UUID_TEXT} THEN (({TEXT})::pg_catalog.uuid)::pg_catalog.text ELSE {TEXT} END"
            ))
        }),
        (own, None) => match parent.data_type.oid {
            builtin::NUMERIC => numeric(child, parent),
            builtin::BPCHAR if is_characters(child.data_type) => {
                asked(&format!("pg_catalog.rtrim({TEXT}, ' ')"))
            }
            builtin::BPCHAR => own.map(KeyForm::Native),
            _ if child.data_type.name == parent.data_type.name => asked(TEXT),
            _ if is_citext(parent.data_type) && is_characters(child.data_type) => asked(TEXT),
            _ => None,
        },
    }
}

fn integer(child: &TypeRef) -> Option<String> {
    if is_characters(child) {
        return Some(format!(
            "CASE WHEN {TEXT} ~ {INTEGER_TEXT} THEN (({TEXT})::pg_catalog.numeric)::pg_catalog.text ELSE {TEXT} END"
        ));
    }
    let number = number(child.oid)?;
    Some(format!(
        "CASE WHEN {number} = pg_catalog.trunc({number}) THEN (pg_catalog.trunc({number}))::pg_catalog.text ELSE {TEXT} END"
    ))
}

/// A number as numeric, with all its digits.
fn number(oid: Oid) -> Option<String> {
    match oid {
        builtin::INT2 | builtin::INT4 | builtin::INT8 | builtin::NUMERIC => {
            Some("({x})::pg_catalog.numeric".to_owned())
        }
        builtin::FLOAT4 | builtin::FLOAT8 => Some(format!("({TEXT})::pg_catalog.numeric")),
        builtin::OID => Some("(({x})::pg_catalog.int8)::pg_catalog.numeric".to_owned()),
        _ => None,
    }
}

/// As many digits behind the point as the parent shows.
fn numeric(child: End<'_>, parent: End<'_>) -> Option<KeyForm> {
    let scale = (parent.typmod >= 0).then(|| numeric_modifier(parent.typmod).1.max(0));
    if scale == Some(0) && native_text(child.data_type) == Some(Canonical::Integer) {
        return Some(KeyForm::Native(Canonical::Integer));
    }
    let shown = |number: &str| match scale {
        Some(scale) => format!(
            "(CASE WHEN {number} = pg_catalog.round({number}, {scale}) THEN pg_catalog.round({number}, {scale}) \
             ELSE {number} END)::pg_catalog.text"
        ),
        None => format!("({number})::pg_catalog.text"),
    };
    if is_characters(child.data_type) {
        let number = format!("({TEXT})::pg_catalog.numeric");
        let shown = shown(&number);
        return Some(KeyForm::Asked(format!(
            "CASE WHEN {TEXT} ~ {NUMERIC_TEXT} THEN {shown} ELSE {TEXT} END"
        )));
    }
    number(child.data_type.oid).map(|number| KeyForm::Asked(shown(&number)))
}

fn is_characters(data_type: &TypeRef) -> bool {
    native_text(data_type) == Some(Canonical::Text)
        || data_type.oid == builtin::BPCHAR
        || is_citext(data_type)
}

/// Whether equal keys of this column always print the same text, so that a UUID can be derived from it.
pub(super) fn is_derivable(column: &Column) -> bool {
    let end = unwrap(End {
        data_type: &column.data_type,
        typmod: column.typmod,
    });
    match end.data_type.oid {
        builtin::NUMERIC => end.typmod >= 0,
        builtin::TEXT | builtin::VARCHAR | builtin::BPCHAR => column.deterministic,
        builtin::BOOL
        | builtin::BYTEA
        | builtin::CHAR
        | builtin::NAME
        | builtin::INT2
        | builtin::INT4
        | builtin::INT8
        | builtin::OID
        | builtin::CIDR
        | builtin::INET
        | builtin::MACADDR
        | builtin::MACADDR8
        | builtin::DATE
        | builtin::TIME
        | builtin::TIMESTAMP
        | builtin::TIMESTAMPTZ
        | builtin::BIT
        | builtin::VARBIT
        | builtin::UUID
        | builtin::PG_LSN
        | builtin::INT4RANGE
        | builtin::INT8RANGE
        | builtin::DATERANGE => true,
        _ => end.data_type.labels().is_some(),
    }
}

/// Whether keys of this type can be told apart by an index.
pub(super) fn is_comparable(data_type: &TypeRef) -> bool {
    let base = data_type.base();
    match &base.kind {
        TypeKind::Array(element) => is_comparable(element),
        // Kept as text.
        _ if !base.is_builtin() => true,
        _ => {
            is_portable(base)
                && builtin::is_listed(base.oid)
                && !matches!(base.oid, builtin::JSON | builtin::XML | builtin::POINT)
        }
    }
}
