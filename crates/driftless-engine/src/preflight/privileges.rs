//! What the two roles may not do, as PostgreSQL says: each relation once, with everything that is missing and the GRANT.

use std::collections::BTreeSet;

use driftless_core::catalog::{Catalog, Column, Relation};
use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::name::quote_ident;
use driftless_core::plan::{DrawnFrom, EntityPlan, Lookup, Plan};
use driftless_core::spec::WhenMissing;
use driftless_pg::{Param, Session};

use crate::error::Result;

/// One of the two databases, as its role sees it.
#[derive(Debug, Clone, Copy)]
pub struct Side<'s> {
    /// What was read of it.
    pub catalog: &'s Catalog,
    /// A session of the role.
    pub session: &'s Session,
}

impl<'s> Side<'s> {
    /// A database of which this was read by this session.
    pub fn of(catalog: &'s Catalog, session: &'s Session) -> Side<'s> {
        Side { catalog, session }
    }
}

/// Rights that are missing, and row-level security that would hide rows.
pub async fn findings(plan: &Plan, source: Side<'_>, target: Side<'_>) -> Result<Vec<Finding>> {
    let (mut findings, of_target) = tokio::try_join!(of_source(plan, source), of_target(plan, target))?;
    findings.extend(of_target);
    if target.catalog.read_only {
        findings.push(
            Finding::error(
                code::OTHER_STATE,
                "the target",
                "it takes no writes (a standby, or default_transaction_read_only is on)",
            )
            .remedy(
                "connect to the primary; if it is the setting, find out why (Supabase makes it when the disk is full) and take \
                 it away",
            ),
        );
    }
    Ok(findings)
}

async fn of_source(plan: &Plan, source: Side<'_>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let role = &source.catalog.role;
    let from = |entity: &EntityPlan| source.catalog.relation(entity.origin.relation.as_ref()?);
    let named = plan.entities.iter().filter_map(from);
    let closed = closed_schemas(source.session, named).await?;
    findings.extend(closed.iter().map(|schema| no_usage("the source", schema, role)));
    for entity in &plan.entities {
        let Some(relation) = from(entity).filter(|relation| !closed.contains(&relation.name.schema)) else {
            continue;
        };
        let read = entity.inputs.iter().map(|input| input.column.as_str());
        let unreadable = columns(relation, read, |column| !column.readable);
        if !unreadable.is_empty() {
            let right = if relation.may_select {
                format!("SELECT ({})", unreadable.join(", "))
            } else {
                "SELECT".to_owned()
            };
            findings.push(missing(entity, &[right], relation, role));
        }
        if relation.row_security {
            findings.push(hidden(entity, relation, role));
        }
    }
    Ok(findings)
}

async fn of_target(plan: &Plan, target: Side<'_>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let role = &target.catalog.role;
    let into = |entity: &EntityPlan| target.catalog.relation(&entity.into);
    let closed = closed_schemas(target.session, plan.entities.iter().filter_map(into)).await?;
    findings.extend(closed.iter().map(|schema| no_usage("the target", schema, role)));
    lookups(plan, target, &mut findings).await?;
    for entity in &plan.entities {
        let Some(relation) = into(entity).filter(|relation| !closed.contains(&relation.name.schema)) else {
            continue;
        };
        let rights = written(entity, relation);
        if !rights.is_empty() {
            findings.push(missing(entity, &rights, relation, role));
        }
        if relation.row_security {
            findings.push(hidden(entity, relation, role));
        }
        for drawn in &entity.sequences {
            findings.extend(sequence(target.session, entity, drawn, role).await?);
        }
    }
    Ok(findings)
}

/// What values are looked up in must be readable, and wholly.
async fn lookups(plan: &Plan, target: Side<'_>, findings: &mut Vec<Finding>) -> Result<()> {
    let role = &target.catalog.role;
    let found = |lookup: &Lookup| target.catalog.relation(&lookup.table);
    let own: BTreeSet<&str> = plan.entities.iter().map(|one| one.into.schema.as_str()).collect();
    let all = plan.entities.iter().flat_map(|entity| &entity.lookups);
    // What is closed of the entities' own schemas is told with them.
    let others = all
        .filter_map(found)
        .filter(|one| !own.contains(one.name.schema.as_str()));
    let closed = closed_schemas(target.session, others).await?;
    findings.extend(closed.iter().map(|schema| no_usage("the target", schema, role)));
    for entity in &plan.entities {
        for (lookup, relation) in entity.lookups.iter().filter_map(|one| Some((one, found(one)?))) {
            let read = lookup.columns.iter().map(String::as_str);
            let unreadable = columns(relation, read, |column| !column.readable);
            if !unreadable.is_empty() && !closed.contains(&relation.name.schema) {
                findings.push(missing(entity, &["SELECT".to_owned()], relation, role));
            }
            if relation.row_security {
                findings.push(hidden(entity, relation, role));
            }
        }
    }
    Ok(())
}

/// What a load needs of a table and this role lacks.
fn written(entity: &EntityPlan, into: &Relation) -> Vec<String> {
    let written = || entity.columns.iter().map(|column| column.name.as_str());
    let nulls = entity.refs.iter().any(|site| site.missing == WhenMissing::Null);
    let lacks = [
        (
            "SELECT",
            !columns(into, written(), |column| !column.readable).is_empty(),
        ),
        (
            "INSERT",
            !columns(into, written(), |column| !column.writable).is_empty(),
        ),
        ("UPDATE", nulls && !into.may_update),
        ("DELETE", !into.may_delete),
    ];
    let lacks = lacks.into_iter().filter(|(_, lacks)| *lacks);
    lacks.map(|(right, _)| right.to_owned()).collect()
}

/// Columns among these of which something holds, quoted.
fn columns<'n>(
    relation: &Relation,
    names: impl Iterator<Item = &'n str>,
    holds: impl Fn(&Column) -> bool,
) -> Vec<String> {
    let found = names.filter(|name| relation.column(name).is_some_and(&holds));
    found.map(quote_ident).collect()
}

/// Schemas of these relations that the role may not enter: whatever else it was granted there is worth nothing.
async fn closed_schemas<'r>(
    session: &Session,
    relations: impl Iterator<Item = &'r Relation>,
) -> Result<BTreeSet<String>> {
    let schemas: BTreeSet<&str> = relations.map(|relation| relation.name.schema.as_str()).collect();
    if schemas.is_empty() {
        return Ok(BTreeSet::new());
    }
    let schemas: Vec<&str> = schemas.into_iter().collect();
    let rows = session
        .query(
            "SELECT nspname::text FROM pg_catalog.pg_namespace \
             WHERE nspname = ANY ($1::text[]) AND NOT pg_catalog.has_schema_privilege(oid, 'USAGE')",
            &[Param::text_array(&schemas)],
        )
        .await?;
    rows.iter().map(|row| Ok(row.get(0)?)).collect()
}

/// The sequence of a kept key is moved at the end of a load, whoever else draws from it.
async fn sequence(
    session: &Session,
    entity: &EntityPlan,
    drawn: &DrawnFrom,
    role: &str,
) -> Result<Option<Finding>> {
    let (schema, name) = (&drawn.sequence.schema, &drawn.sequence.name);
    let row = session
        .query_opt(
            "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), \
                    pg_catalog.has_sequence_privilege(s.oid, 'SELECT'), \
                    pg_catalog.has_sequence_privilege(s.oid, 'UPDATE'), \
                    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.relname) \
               FROM pg_catalog.pg_class AS s JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace \
              WHERE s.relkind = 'S' AND n.nspname = $1 AND s.relname = $2",
            &[Param::text(schema.as_str()), Param::text(name.as_str())],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    if !row.get::<bool>(0)? {
        return Ok(Some(no_usage("the target", schema, role)));
    }
    let lacks: Vec<&str> = [("SELECT", row.get::<bool>(1)?), ("UPDATE", row.get::<bool>(2)?)]
        .into_iter()
        .filter(|(_, has)| !has)
        .map(|(right, _)| right)
        .collect();
    if lacks.is_empty() {
        return Ok(None);
    }
    let (rights, name) = (lacks.join(", "), row.get::<String>(3)?);
    let message =
        format!("role {role} lacks {rights} on sequence {name}, which is moved behind the kept keys");
    let remedy = format!("GRANT {rights} ON SEQUENCE {name} TO {}", quote_ident(role));
    Ok(Some(
        Finding::error(code::PRIVILEGE_MISSING, place(entity), message).remedy(remedy),
    ))
}

fn place(entity: &EntityPlan) -> String {
    format!("entity {}", entity.name)
}

fn no_usage(side: &str, schema: &str, role: &str) -> Finding {
    let message =
        format!("role {role} lacks USAGE on schema {schema}, without which nothing in it can be used");
    Finding::error(code::PRIVILEGE_MISSING, side, message).remedy(format!(
        "GRANT USAGE ON SCHEMA {} TO {}",
        quote_ident(schema),
        quote_ident(role)
    ))
}

/// The role may not make temporary tables.
pub fn no_temporary_tables(role: &str, database: &str) -> Finding {
    Finding::error(
        code::PRIVILEGE_MISSING,
        "the target",
        format!("role {role} may not make temporary tables, which checks and proofs need"),
    )
    .remedy(format!(
        "GRANT TEMPORARY ON DATABASE {} TO {}",
        quote_ident(database),
        quote_ident(role)
    ))
}

/// The role may neither create the schema of the state nor use one that is there.
pub fn no_place_for_state(schema: &str, role: &str) -> Finding {
    let (schema, role) = (quote_ident(schema), quote_ident(role));
    Finding::error(
        code::PRIVILEGE_MISSING,
        "the target",
        format!("role {role} may not make the schema {schema} for the pipeline's state, nor tables in it"),
    )
    .remedy(format!(
        "as superuser, once: CREATE SCHEMA {schema} AUTHORIZATION {role}"
    ))
}

fn missing(entity: &EntityPlan, rights: &[String], relation: &Relation, role: &str) -> Finding {
    let rights = rights.join(", ");
    let message = format!("role {role} lacks {rights} on {}", relation.name);
    let grant = format!(
        "GRANT {rights} ON {} TO {}",
        relation.name.sql(),
        quote_ident(role)
    );
    Finding::error(code::PRIVILEGE_MISSING, place(entity), message).remedy(grant)
}

fn hidden(entity: &EntityPlan, relation: &Relation, role: &str) -> Finding {
    let message = format!(
        "row-level security of {} applies to role {role} and would hide rows",
        relation.name
    );
    Finding::error(code::ROW_SECURITY, place(entity), message)
        .remedy("use a role with BYPASSRLS, or the table's owner")
}
