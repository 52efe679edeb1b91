//! What a query gives that a mapping names as a source.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::{Circumstances, Column, Generated, Oid, Relation, RelationKind, TypeKind};
use driftless_core::code::{self, Code};
use driftless_core::error::Finding;
use driftless_core::name::QualifiedName;
use driftless_pg::{Description, ErrorKind, Param, PgError, ServerError, Session};

use super::oid_array;
use super::type_tree::TypeTree;
use crate::error::{EngineError, Result};

/// Types as SQL writes them. $1, $2: types with their modifiers.
const TYPE_NAMES: &str = "SELECT pg_catalog.format_type(t.oid, t.typmod) \
                          FROM ROWS FROM (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::int4[])) \
                          WITH ORDINALITY AS t (oid, typmod, place) ORDER BY t.place";

/// What PostgreSQL calls a column that the query does not name.
const UNNAMED: &str = "?column?";

const PLACE: &str = "source query";

/// Describes the rows of a query without running it: one SELECT (or VALUES, or WITH … SELECT), that changes nothing, with
/// distinct column names. Columns of domains show the type below, as they do on the wire.
///
/// # Errors
/// Findings, when it is no such query; else when the server fails.
pub async fn describe_query(session: &Session, sql: &str) -> Result<Relation> {
    // By itself, so that brackets cannot match ours; and as a sub-select, which cannot change data.
    describe(session, sql).await?;
    let description = describe(session, &format!("SELECT * FROM ({sql}\n) AS source_query")).await?;
    let findings = findings(&description);
    if !findings.is_empty() {
        return Err(EngineError::findings(findings));
    }
    Ok(Relation {
        oid: 0,
        name: QualifiedName::new("", "query"),
        kind: RelationKind::Query,
        owner: String::new(),
        owned: false,
        may_select: true,
        may_insert: false,
        may_delete: false,
        may_update: false,
        row_security: false,
        has_rows: true,
        estimated_rows: 0,
        bytes: 0,
        pages: 0,
        columns: columns(session, &description).await?,
        constraints: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
        referenced_by: Vec::new(),
        around: Circumstances::default(),
    })
}

async fn describe(session: &Session, sql: &str) -> Result<Description> {
    match session.describe(sql, &[]).await {
        Ok(description) => Ok(description),
        Err(error) if error.kind() == ErrorKind::Server => Err(refused(error)),
        Err(error) => Err(error.into()),
    }
}

/// What is missing where a statement is refused for a right: the code, and what to do.
pub fn right(server: &ServerError) -> Option<(Code, &'static str)> {
    if server.sqlstate != "42501" {
        return None;
    }
    Some(if server.message.contains("row-level security") {
        (
            code::ROW_SECURITY,
            "use a role with BYPASSRLS, or the owner of the table",
        )
    } else {
        (
            code::PRIVILEGE_MISSING,
            "give the role the right that is missing; a view's own owner needs the rights on what lies behind it",
        )
    })
}

fn refused(error: PgError) -> EngineError {
    let Some(server) = error.server() else {
        return error.into();
    };
    let place = match server.position {
        Some(position) => format!("{PLACE}, character {position}"),
        None => PLACE.to_owned(),
    };
    let remedy = server.hint.clone().unwrap_or_else(|| {
        "one SELECT without a semicolon; relations and functions named with their schema".to_owned()
    });
    let (code, remedy) = match right(server) {
        Some((code, remedy)) => (code, remedy.to_owned()),
        None => (code::BAD_QUERY, remedy),
    };
    EngineError::findings(vec![
        Finding::error(code, place, server.message.clone()).remedy(remedy),
    ])
}

fn findings(description: &Description) -> Vec<Finding> {
    let refused =
        |message: String, remedy: &str| Finding::error(code::BAD_QUERY, PLACE, message).remedy(remedy);
    let mut findings = Vec::new();
    if !description.params.is_empty() {
        findings.push(refused(
            "parameters such as $1 have no value here".to_owned(),
            "write the value, or an environment variable: ${NAME}",
        ));
    }
    if description.columns.is_empty() {
        findings.push(refused(
            "the query gives no columns".to_owned(),
            "select at least a key",
        ));
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for column in &description.columns {
        *seen.entry(column.name.as_str()).or_default() += 1;
    }
    for (name, times) in seen {
        if name == UNNAMED || name.is_empty() {
            findings.push(refused(
                format!("{times} of its columns have no name"),
                "name every expression: expression AS name",
            ));
        } else if times > 1 {
            findings.push(refused(
                format!("{times} of its columns are named {name}"),
                "give each column a name of its own: expression AS name",
            ));
        }
    }
    findings
}

async fn columns(session: &Session, description: &Description) -> Result<Vec<Column>> {
    let oids: Vec<Oid> = description.columns.iter().map(|column| column.type_oid).collect();
    let typmods: Vec<i32> = description
        .columns
        .iter()
        .map(|column| column.type_modifier)
        .collect();
    let tree = TypeTree::load(session, &oids.iter().copied().collect::<BTreeSet<_>>()).await?;
    let names = session
        .query(TYPE_NAMES, &[oid_array(&oids), Param::int4_array(&typmods)])
        .await?;
    let described = description.columns.iter().zip(&names).zip(1..);
    described
        .map(|((column, name), number)| {
            let data_type = tree.get(column.type_oid)?;
            Ok(Column {
                name: column.name.clone(),
                number,
                not_null: matches!(&data_type.kind, TypeKind::Domain { not_null: true, .. }),
                data_type,
                typmod: column.type_modifier,
                type_sql: name.get(0)?,
                has_default: false,
                generated: Generated::No,
                sequence: None,
                deterministic: true,
                readable: true,
                writable: false,
            })
        })
        .collect()
}
