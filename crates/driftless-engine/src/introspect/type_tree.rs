//! Types with everything below them: domains over domains, arrays, enums, composites, ranges.

use std::collections::{BTreeSet, HashMap};

use driftless_core::catalog::{Field, Oid, TypeKind, TypeRef};
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_pg::{Row, Session};

use super::oid_array;
use crate::error::{EngineError, Result};

/// The first oid that is no built-in type's.
const BUILTIN_END: Oid = 10_000;

/// The types with these oids, and all below them.
fn by_oid() -> String {
    with_those_below("SELECT pg_catalog.unnest($1::oid[])")
}

/// The types of the columns of the relations with these oids, and all below them.
pub(super) fn of_columns() -> String {
    with_those_below(
        "SELECT c.atttypid FROM pg_catalog.pg_attribute c \
          WHERE c.attrelid = ANY ($1::oid[]) AND c.attnum > 0 AND NOT c.attisdropped",
    )
}

fn with_those_below(needed: &str) -> String {
    include_str!("sql/types.sql").replace("{needed}", needed)
}

/// One row of the catalog's table of types.
struct RawType {
    name: QualifiedName,
    kind: String,
    array_oid: Oid,
    binary: bool,
    /// The base of a domain, the element of an array, else 0.
    below: Oid,
    typmod: i32,
    not_null: bool,
    checked: bool,
    labels: Vec<String>,
    /// Types of a composite's fields, or of a range's bounds.
    parts: Vec<Oid>,
    /// Names of a composite's fields.
    names: Vec<String>,
    /// Their typmods.
    modifiers: Vec<i32>,
}

impl RawType {
    fn read(row: &Row) -> Result<(Oid, RawType)> {
        let raw = RawType {
            name: QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?),
            kind: row.get(3)?,
            array_oid: row.get(4)?,
            binary: row.get(5)?,
            below: row.get(6)?,
            typmod: row.get(7)?,
            not_null: row.get(8)?,
            checked: row.get(9)?,
            labels: row.get(10)?,
            parts: row.get(11)?,
            names: row.get(12)?,
            modifiers: row.get(13)?,
        };
        Ok((row.get(0)?, raw))
    }
}

/// Types of one server by their oids.
pub(super) struct TypeTree {
    raw: HashMap<Oid, RawType>,
}

impl TypeTree {
    /// Reads these types and all below them, in one query.
    pub(super) async fn load(session: &Session, oids: &BTreeSet<Oid>) -> Result<TypeTree> {
        if oids.is_empty() {
            return Ok(TypeTree { raw: HashMap::new() });
        }
        TypeTree::read(&session.query(&by_oid(), &[oid_array(oids)]).await?)
    }

    /// Of what the query found.
    pub(super) fn read(rows: &[Row]) -> Result<TypeTree> {
        let raw = rows.iter().map(RawType::read).collect::<Result<_>>()?;
        Ok(TypeTree { raw })
    }

    /// The type with this oid.
    ///
    /// # Errors
    /// When it was not there at the time of loading: somebody dropped it meanwhile.
    pub(super) fn get(&self, oid: Oid) -> Result<TypeRef> {
        let raw = self.raw.get(&oid).ok_or_else(|| {
            EngineError::new(
                code::INTERNAL,
                format!("type {oid}"),
                "the type went away while it was looked at",
            )
            .remedy("run the command again")
        })?;
        let (kind, binary) = match raw.kind.as_str() {
            "e" => (TypeKind::Enum(raw.labels.clone()), raw.binary),
            "d" => self.domain(raw)?,
            "c" => self.composite(raw)?,
            "r" | "m" => self.range(oid, raw)?,
            "b" if raw.below != 0 => {
                let element = self.get(raw.below)?;
                let binary = raw.binary && element.binary;
                (TypeKind::Array(Box::new(element)), binary)
            }
            "b" => (TypeKind::Base, raw.binary),
            _ => (TypeKind::Other, raw.binary),
        };
        Ok(TypeRef {
            oid,
            name: raw.name.clone(),
            kind,
            array_oid: raw.array_oid,
            binary,
        })
    }

    /// A domain refuses what any domain below it refuses.
    fn domain(&self, raw: &RawType) -> Result<(TypeKind, bool)> {
        let base = self.get(raw.below)?;
        let (below_not_null, below_checked) = match &base.kind {
            TypeKind::Domain {
                not_null, checked, ..
            } => (*not_null, *checked),
            _ => (false, false),
        };
        let binary = raw.binary && base.binary;
        let kind = TypeKind::Domain {
            base: Box::new(base),
            typmod: raw.typmod,
            not_null: raw.not_null || below_not_null,
            checked: raw.checked || below_checked,
        };
        Ok((kind, binary))
    }

    fn composite(&self, raw: &RawType) -> Result<(TypeKind, bool)> {
        let mut fields = Vec::new();
        for ((part, name), typmod) in raw.parts.iter().zip(&raw.names).zip(&raw.modifiers) {
            fields.push(Field {
                name: name.clone(),
                data_type: self.get(*part)?,
                typmod: *typmod,
            });
        }
        let binary = raw.binary && fields.iter().all(|field| field.data_type.binary);
        Ok((TypeKind::Composite(fields), binary))
    }

    /// What the bounds of a built-in range are, everybody knows.
    fn range(&self, oid: Oid, raw: &RawType) -> Result<(TypeKind, bool)> {
        let mut bounds = None;
        for part in &raw.parts {
            bounds = Some(Box::new(self.get(*part)?));
        }
        let binary = raw.binary && bounds.as_ref().is_none_or(|bounds| bounds.binary);
        let kept = bounds.filter(|_| oid >= BUILTIN_END);
        Ok((TypeKind::Range(kept), binary))
    }

    /// Every type here that is not built in.
    pub(super) fn own(&self) -> Result<Vec<TypeRef>> {
        self.raw
            .keys()
            .map(|oid| self.get(*oid))
            .filter(|found| !matches!(found, Ok(found) if found.is_builtin()))
            .collect()
    }
}
