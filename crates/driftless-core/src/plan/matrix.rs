//! Which types become which: the rule of a copy for every pair, as a table that the reference shows and the tests hold
//! against servers.

/// The page of the reference.
pub mod page;
mod table;

use super::fit::{End, Fit, Misfit, Terms, fit, fit_of_text};
use super::program::Check;
use super::travel::names_an_object;
use crate::catalog::{Field, Oid, TypeKind, TypeRef, builtin};
use crate::code;
use crate::name::QualifiedName;
use table::{Listed, Shape, TABLE};

/// The first oid that types of one's own have here.
const OWN: Oid = 20_000;

/// What becomes of values of one type in a column of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Their bytes are copied; an integer of another width, or its digits, are written by ourselves.
    Bytes,
    /// Copied as bytes, each looked at: one that the column would cut or round is rejected, or cut with `lossy`.
    BytesChecked,
    /// The target casts, and a cast keeps every value that it takes.
    Cast,
    /// The target casts, and each value is looked at.
    CastChecked,
    /// Refused without the word `lossy`, cast with it.
    Lossy,
    /// Refused.
    Refused,
}

impl Class {
    /// Whether single values may be refused for what they would lose.
    pub fn is_checked(self) -> bool {
        matches!(self, Class::BytesChecked | Class::CastChecked)
    }
}

/// A type of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type(&'static Listed);

impl Type {
    /// All of them, in the order of the reference.
    pub fn all() -> impl Iterator<Item = Type> + Clone {
        TABLE.iter().map(Type)
    }

    /// As SQL writes it. What is not built in is made by [`Type::definition`].
    pub fn sql(self) -> &'static str {
        self.0.sql
    }

    /// The statement that makes it, if it is not built in; of some, together with others that stand before it.
    pub fn definition(self) -> Option<&'static str> {
        self.0.definition
    }

    /// Whether other types are read from it: it holds characters.
    pub fn is_characters(self) -> bool {
        let end = self.end();
        let base = end.0.base();
        matches!(
            base.oid,
            builtin::TEXT | builtin::VARCHAR | builtin::BPCHAR | builtin::NAME
        ) || base.labels().is_some()
            || base.name.name == "citext"
    }

    /// The type and its modifier.
    fn end(self) -> (TypeRef, i32) {
        let number = TABLE.iter().position(|listed| listed.sql == self.0.sql);
        let own = OWN + 2 * number.map_or(0, |number| number as Oid);
        let made = |oid, name: QualifiedName, kind| TypeRef {
            oid,
            name,
            kind,
            array_oid: oid + 1,
            binary: true,
        };
        let builtin = |name: &str| QualifiedName::new("pg_catalog", name);
        let public = |name: &str| QualifiedName::new("public", name);
        match self.0.shape {
            Shape::Base(oid, name, typmod) => (made(oid, builtin(name), TypeKind::Base), typmod),
            Shape::WithoutBinary(oid, name) => (
                TypeRef {
                    binary: false,
                    ..made(oid, builtin(name), TypeKind::Base)
                },
                -1,
            ),
            Shape::Range(oid, name) => (made(oid, builtin(name), TypeKind::Range(None)), -1),
            Shape::Array(oid, element) => {
                let (element, typmod) = named(element);
                let name = QualifiedName::new(element.name.schema.clone(), format!("_{}", element.name.name));
                let oid = if oid == 0 { own } else { oid };
                (made(oid, name, TypeKind::Array(Box::new(element))), typmod)
            }
            Shape::Extension => (made(own, public(self.0.sql), TypeKind::Base), -1),
            Shape::Enum(labels) => {
                let labels = labels.iter().map(|&label| label.to_owned()).collect();
                (made(own, public(self.0.sql), TypeKind::Enum(labels)), -1)
            }
            Shape::Domain(base) => {
                let (base, typmod) = named(base);
                let kind = TypeKind::Domain {
                    base: Box::new(base),
                    typmod,
                    not_null: false,
                    checked: false,
                };
                (made(own, public(self.0.sql), kind), -1)
            }
            Shape::Composite(fields) => {
                let field = |(name, data_type): &(&str, &'static str)| {
                    let (data_type, typmod) = named(data_type);
                    Field {
                        name: (*name).to_owned(),
                        data_type,
                        typmod,
                    }
                };
                let fields = fields.iter().map(field).collect();
                (made(own, public(self.0.sql), TypeKind::Composite(fields)), -1)
            }
            Shape::OwnRange(bounds) => {
                let bounds = Some(Box::new(named(bounds).0));
                (made(own, public(self.0.sql), TypeKind::Range(bounds)), -1)
            }
        }
    }
}

/// The type that SQL writes so.
fn named(sql: &str) -> (TypeRef, i32) {
    let found = TABLE.iter().find(|listed| listed.sql == sql);
    found.map_or((builtin::of(builtin::TEXT), -1), |listed| Type(listed).end())
}

/// What becomes of values of `from` in a column of `to`, between servers of one major version that agree about money, where
/// the mapping declares what local time means.
pub fn class(from: Type, to: Type) -> Class {
    let decided = |lossy| decide(from, to, Some("Europe/Paris"), lossy);
    match decided(false) {
        Ok(Fit::Same | Fit::IntegerText(None)) => Class::Bytes,
        Ok(Fit::Integer(_)) if is_wider(from, to) => Class::Bytes,
        Ok(Fit::Integer(_) | Fit::Checked(_) | Fit::IntegerText(Some(_))) => Class::BytesChecked,
        Ok(Fit::Cast {
            lossless: None,
            check: None,
            ..
        }) => Class::Cast,
        Ok(Fit::Cast { .. }) => Class::CastChecked,
        Err(_) if decided(true).is_ok() => Class::Lossy,
        Err(_) => Class::Refused,
    }
}

/// Whether values can be cut or rounded with `lossy`: of labels and of integers that are too large nothing could be kept.
pub fn obeys_lossy(from: Type, to: Type) -> bool {
    let decided = |lossy| decide(from, to, Some("Europe/Paris"), lossy).ok();
    match (decided(false), decided(true)) {
        (Some(Fit::Integer(_) | Fit::Checked(Check::Label(_))), _) => false,
        (plain, lossy) => plain != lossy,
    }
}

/// Whether the pair needs a declared zone.
pub fn needs_zone(from: Type, to: Type) -> bool {
    matches!(decide(from, to, None, false), Err(misfit) if misfit.code == code::ZONE_UNDECLARED)
}

fn decide(from: Type, to: Type, zone: Option<&str>, lossy: bool) -> Result<Fit, Misfit> {
    let ((own, own_typmod), (wanted, wanted_typmod)) = (from.end(), to.end());
    let end = |data_type, typmod| End { data_type, typmod };
    let terms = Terms {
        source_zone: zone,
        target_zone: None,
        same_money: true,
        same_interval: true,
        lossy,
    };
    let (from, to) = (end(&own, own_typmod), end(&wanted, wanted_typmod));
    // The name of an object comes as text.
    let is_name = |one: &TypeRef| names_an_object(one.element().unwrap_or(one));
    if is_name(&own) && is_name(&wanted) && own == wanted {
        return fit_of_text(from, to, terms);
    }
    fit(from, to, terms)
}

/// Whether every integer of the one is one of the other.
fn is_wider(from: Type, to: Type) -> bool {
    let width = |one: Type| {
        [builtin::INT2, builtin::INT4, builtin::INT8]
            .into_iter()
            .position(|oid| oid == one.end().0.base().oid)
    };
    width(from) <= width(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_its_rows_are_made_of() {
        let listed = |sql: &str| TABLE.iter().filter(|listed| listed.sql == sql).count();
        for one in TABLE {
            assert_eq!(listed(one.sql), 1, "{}", one.sql);
            match one.shape {
                Shape::Array(_, part) | Shape::Domain(part) | Shape::OwnRange(part) => {
                    assert_eq!(listed(part), 1, "{}", one.sql);
                }
                Shape::Composite(fields) => {
                    assert!(fields.iter().all(|(_, part)| listed(part) == 1), "{}", one.sql);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_class_is_met_and_every_type_fits_itself() {
        for one in Type::all() {
            let own = class(one, one);
            let without_binary = matches!(one.0.shape, Shape::WithoutBinary(..));
            assert_eq!(own == Class::Refused, without_binary, "{}", one.sql());
            for other in Type::all() {
                let found = class(one, other);
                assert!(
                    !needs_zone(one, other) || found != Class::Refused,
                    "{} {}",
                    one.sql(),
                    other.sql()
                );
            }
        }
        let pair = |from: &str, to: &str| {
            let find = |sql: &str| Type::all().find(|one| one.sql() == sql).expect("a type");
            class(find(from), find(to))
        };
        assert_eq!(pair("int2", "int8"), Class::Bytes);
        assert_eq!(pair("int8", "int2"), Class::BytesChecked);
        assert_eq!(pair("uuid", "text"), Class::Cast);
        assert_eq!(pair("text", "float8"), Class::CastChecked);
        assert_eq!(pair("text", "timestamp"), Class::Lossy);
        assert_eq!(pair("jsonb", "int4"), Class::Refused);
    }

    #[test]
    fn the_page_is_current() {
        let page = include_str!("../../../../docs/reference/types.md");
        assert!(
            page::filled(page).as_deref() == Ok(page),
            "docs/reference/types.md is not current: run `cargo xtask docs`"
        );
        assert!(page::filled("# no mark\n").is_err());
        assert!(page::filled("<!-- types -->\n").is_err());
    }
}
