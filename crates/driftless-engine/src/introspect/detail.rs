//! What belongs to relations: constraints, indexes, triggers, and the foreign keys that refer to them.

use std::collections::BTreeMap;

use driftless_core::catalog::{Constraint, ConstraintKind, ForeignKey, Index, Oid, Trigger, TriggerMode};
use driftless_core::name::QualifiedName;
use driftless_pg::{Row, Session};

use super::relation::Found;
use crate::error::Result;

pub(super) const CONSTRAINTS: &str = include_str!("sql/constraints.sql");
const INDEXES: &str = include_str!("sql/indexes.sql");
pub(super) const TRIGGERS: &str = include_str!("sql/triggers.sql");
pub(super) const REFERENCES: &str = include_str!("sql/references.sql");

/// `pg_index.indnullsnotdistinct` is there from this version on.
const NULLS_NOT_DISTINCT_SINCE: u32 = 150_000;

/// Fills in constraints.
pub(super) fn constraints(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.constraints.extend(read_constraint(row)?);
        }
    }
    Ok(())
}

/// `None` if it was dropped while it was looked at.
fn read_constraint(row: &Row) -> Result<Option<Constraint>> {
    let Some(definition) = row.get::<Option<String>>(5)? else {
        return Ok(None);
    };
    let mut columns: Vec<String> = row.get(4)?;
    if columns.iter().any(String::is_empty) {
        columns.clear();
    }
    let parent_columns: Vec<String> = row.get(8)?;
    let foreign = match (row.get::<Option<String>>(6)?, row.get::<Option<String>>(7)?) {
        (Some(schema), Some(name)) => Some(ForeignKey {
            parent: QualifiedName::new(schema, name),
            parent_columns,
        }),
        _ => None,
    };
    Ok(Some(Constraint {
        oid: row.get(1)?,
        name: row.get(2)?,
        kind: constraint_kind(&row.get::<String>(3)?),
        columns,
        definition,
        foreign,
        validated: row.get(9)?,
        inherited: row.get(10)?,
        deferrable: row.get(11)?,
        index_oid: row.get(12)?,
        comment: row.get(13)?,
    }))
}

fn constraint_kind(contype: &str) -> ConstraintKind {
    match contype {
        "p" => ConstraintKind::Primary,
        "u" => ConstraintKind::Unique,
        "f" => ConstraintKind::Foreign,
        "c" => ConstraintKind::Check,
        "x" => ConstraintKind::Exclusion,
        _ => ConstraintKind::Other,
    }
}

/// Fills in indexes, those behind constraints included.
pub(super) fn indexes(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.indexes.extend(read_index(row)?);
        }
    }
    Ok(())
}

/// `None` if it was dropped while it was looked at.
/// Asks for indexes: what the server's version has of them.
pub(super) fn indexes_sql(session: &Session) -> String {
    let column = if session.server_version() >= NULLS_NOT_DISTINCT_SINCE {
        "x.indnullsnotdistinct"
    } else {
        "false"
    };
    INDEXES.replace("{nulls_not_distinct}", column)
}

fn read_index(row: &Row) -> Result<Option<Index>> {
    let Some(definition) = row.get::<Option<String>>(3)? else {
        return Ok(None);
    };
    let columns: Vec<String> = row.get(8)?;
    Ok(Some(Index {
        oid: row.get(1)?,
        name: row.get(2)?,
        definition,
        unique: row.get(4)?,
        valid: row.get(5)?,
        nulls_not_distinct: row.get(6)?,
        expressions: row.get(7)?,
        columns: columns
            .into_iter()
            .map(|name| Some(name).filter(|name| !name.is_empty()))
            .collect(),
        predicate: row.get(9)?,
        replica_identity: row.get(10)?,
        clustered: row.get(11)?,
        tablespace: row.get(12)?,
        statistics: row.get(13)?,
        inherited: row.get(14)?,
        constraint: row.get(15)?,
        comment: row.get(16)?,
    }))
}

/// Fills in user triggers.
pub(super) fn triggers(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        let trigger = Trigger {
            name: row.get(1)?,
            mode: trigger_mode(&row.get::<String>(2)?),
            on_insert: row.get(3)?,
            per_row: row.get(4)?,
            function: QualifiedName::new(row.get::<String>(5)?, row.get::<String>(6)?),
            reaches: row.get(7)?,
        };
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.triggers.push(trigger);
        }
    }
    Ok(())
}

/// What `tgenabled` and `ev_enabled` say.
pub(crate) fn trigger_mode(enabled: &str) -> TriggerMode {
    match enabled {
        "D" => TriggerMode::Disabled,
        "R" => TriggerMode::Replica,
        "A" => TriggerMode::Always,
        _ => TriggerMode::Origin,
    }
}

/// Fills in the foreign keys of other relations that refer to these.
pub(super) fn references(rows: &[Row], found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        let child = QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?);
        let constraint: String = row.get(3)?;
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.referenced_by.push((child, constraint));
        }
    }
    Ok(())
}
