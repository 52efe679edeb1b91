//! What is true of relations beside their shape: rules, heirs, publications.

use std::collections::BTreeMap;

use driftless_core::catalog::{Oid, Rule, RuleEvent};
use driftless_core::name::QualifiedName;
use driftless_pg::Session;

use super::detail::trigger_mode;
use super::oid_array;
use super::relation::Found;
use crate::error::Result;

const RULES: &str = include_str!("sql/rules.sql");
const HEIRS: &str = include_str!("sql/heirs.sql");
const PUBLICATIONS: &str = include_str!("sql/publications.sql");

/// Fills in rules.
pub(super) async fn rules(session: &Session, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in session.query(RULES, &[oid_array(found.keys())]).await? {
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
pub(super) async fn heirs(session: &Session, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in session.query(HEIRS, &[oid_array(found.keys())]).await? {
        let heir = QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?);
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.around.heirs.push(heir);
        }
    }
    Ok(())
}

/// Fills in the publications.
pub(super) async fn publications(session: &Session, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in session.query(PUBLICATIONS, &[oid_array(found.keys())]).await? {
        let publication: String = row.get(1)?;
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.around.publications.push(publication);
        }
    }
    Ok(())
}
