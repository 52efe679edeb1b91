//! Relations and their columns.

use std::collections::BTreeMap;

use driftless_core::catalog::{Circumstances, Column, Generated, Oid, Relation, RelationKind, TypeKind};
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_pg::{Param, Row, Session};

use super::Wanted;
use super::type_tree::TypeTree;
use crate::error::{EngineError, Result};

const RELATIONS: &str = include_str!("sql/relations.sql");
pub(super) const COLUMNS: &str = include_str!("sql/columns.sql");

/// A relation under construction, with what decides whether its rows can be looked at.
pub(super) struct Found {
    pub(super) relation: Relation,
    /// Whether its rows can be read without an error: a heap, filled, not hidden by row-level security.
    pub(super) rows_visible: bool,
}

/// The wanted relations by oid, without columns and whatever belongs to them.
pub(super) async fn relations(session: &Session, wanted: &Wanted) -> Result<BTreeMap<Oid, Found>> {
    let schemas: Vec<&str> = wanted.relations.iter().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = wanted.relations.iter().map(|name| name.name.as_str()).collect();
    let params = [
        Param::text_array(&schemas),
        Param::text_array(&names),
        Param::bool(wanted.all),
    ];
    let rows = session.query(RELATIONS, &params).await?;
    rows.iter()
        .map(|row| read_relation(row).map(|found| (found.relation.oid, found)))
        .collect()
}

fn read_relation(row: &Row) -> Result<Found> {
    let kind = match row.get::<String>(3)?.as_str() {
        "r" => RelationKind::Table,
        "p" => RelationKind::Partitioned,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        _ => RelationKind::Foreign,
    };
    let (may_select, row_security): (bool, bool) = (row.get(6)?, row.get(10)?);
    let populated: bool = row.get(11)?;
    let heap = !matches!(kind, RelationKind::View | RelationKind::Foreign);
    let relation = Relation {
        oid: row.get(0)?,
        name: QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?),
        kind,
        owner: row.get(4)?,
        owned: row.get(5)?,
        may_select,
        may_insert: row.get(7)?,
        may_delete: row.get(8)?,
        may_update: row.get(9)?,
        row_security,
        has_rows: true,
        estimated_rows: 0,
        bytes: 0,
        pages: 0,
        columns: Vec::new(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
        referenced_by: Vec::new(),
        around: Circumstances {
            unlogged: row.get(13)?,
            unpopulated: !populated,
            extension: row.get(14)?,
            autovacuum: row.get(15)?,
            autovacuum_said: row.get(16)?,
            ..Circumstances::default()
        },
    };
    Ok(Found {
        relation,
        rows_visible: heap && populated && may_select && !row_security,
    })
}

/// Fills in the columns, which are of these types.
pub(super) fn columns(rows: &[Row], types: &TypeTree, found: &mut BTreeMap<Oid, Found>) -> Result<()> {
    for row in rows {
        let column = read_column(row, types)?;
        if let Some(found) = found.get_mut(&row.get(0)?) {
            found.relation.columns.push(column);
        }
    }
    Ok(())
}

fn read_column(row: &Row, tree: &TypeTree) -> Result<Column> {
    let data_type = tree.get(row.get(3)?)?;
    let refuses_null = matches!(&data_type.kind, TypeKind::Domain { not_null: true, .. });
    let sequence = match (row.get::<Option<String>>(10)?, row.get::<Option<String>>(11)?) {
        (Some(schema), Some(name)) => Some(QualifiedName::new(schema, name)),
        _ => None,
    };
    Ok(Column {
        name: row.get(1)?,
        number: row.get(2)?,
        data_type,
        typmod: row.get(4)?,
        type_sql: row.get(5)?,
        not_null: row.get::<bool>(6)? || refuses_null,
        has_default: row.get(7)?,
        generated: generated(&row.get::<String>(8)?, &row.get::<String>(9)?)?,
        sequence,
        deterministic: row.get(12)?,
        readable: row.get(13)?,
        writable: row.get(14)?,
    })
}

/// From `attidentity` and `attgenerated`. A kind that a future server invents must not be taken for an ordinary column.
fn generated(identity: &str, generated: &str) -> Result<Generated> {
    match (identity, generated) {
        ("", "") => Ok(Generated::No),
        ("a", _) => Ok(Generated::IdentityAlways),
        ("d", _) => Ok(Generated::IdentityDefault),
        ("", "s" | "v") => Ok(Generated::Expression),
        _ => Err(EngineError::new(
            code::INTERNAL,
            "introspection",
            format!("a column of an unknown kind: identity {identity:?}, generated {generated:?}"),
        )),
    }
}
