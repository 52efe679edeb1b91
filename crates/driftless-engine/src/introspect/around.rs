//! What is true of relations beside their shape: rules, heirs, partitions, publications.

use std::collections::BTreeMap;

use driftless_core::catalog::{Oid, Rule, RuleEvent};
use driftless_core::name::QualifiedName;
use driftless_pg::Row;

use super::detail::trigger_mode;
use super::relation::Found;
use crate::error::Result;

pub(super) const RULES: &str = include_str!("sql/rules.sql");
pub(super) const HEIRS: &str = include_str!("sql/heirs.sql");
pub(super) const PARTITIONS: &str = include_str!("sql/partitions.sql");
pub(super) const PUBLICATIONS: &str = include_str!("sql/publications.sql");

/// Fills in rules.
pub(super) fn rules(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        let rule = Rule {
            name: row.get(1)?,
            event: match row.get::<String>(2)?.as_str() {
                "2" => RuleEvent::Update,
                "3" => RuleEvent::Insert,
                _ => RuleEvent::Delete,
            },
            mode: trigger_mode(&row.get::<String>(3)?),
        };
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.around.rules.push(rule);
        }
    }
    Ok(())
}

/// Fills in the tables that inherit.
pub(super) fn heirs(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        let heir = QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?);
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.around.heirs.push(heir);
        }
    }
    Ok(())
}

/// Fills in partitions, and what they are partitions of.
pub(super) fn partitions(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        let other = QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?);
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.around.shares_rows_with.push(other);
        }
    }
    Ok(())
}

/// Fills in the publications.
pub(super) fn publications(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        let publication: String = row.get(1)?;
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.around.publications.push(publication);
        }
    }
    Ok(())
}
