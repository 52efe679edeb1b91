//! What belongs together in a source: parts and their wholes, queries and what they read.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::name::QualifiedName;
use driftless_core::plan::coverage::Kinship;
use driftless_pg::Session;
use serde_json::Value;

use crate::error::{InContext as _, Result};

const PARENTS: &str = "SELECT cn.nspname::text, c.relname::text, pn.nspname::text, p.relname::text \
                       FROM pg_catalog.pg_inherits AS i \
                       JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid \
                       JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace \
                       JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent \
                       JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace \
                       WHERE c.relkind IN ('r', 'p', 'f')";

/// Partitions and inheriting tables with their parents, and the relations that these queries (by entity) would read.
///
/// # Errors
/// When the server fails, or does not accept a query.
pub async fn kinship(session: &Session, queries: &BTreeMap<String, String>) -> Result<Kinship> {
    let mut kinship = Kinship::default();
    for row in session.query(PARENTS, &[]).await? {
        let child = QualifiedName::new(row.get::<String>(0)?, row.get::<String>(1)?);
        let parent = QualifiedName::new(row.get::<String>(2)?, row.get::<String>(3)?);
        kinship.parents.entry(child).or_default().push(parent);
    }
    for (entity, sql) in queries {
        let explain = format!("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {sql}");
        let answer = session.query_one(&explain, &[]).await;
        let answer = answer.context(format!("entity {entity}, sql"))?;
        let plan = serde_json::from_slice(answer.raw(0).unwrap_or_default()).unwrap_or(Value::Null);
        let mut read = BTreeSet::new();
        relations(&plan, &mut read);
        kinship.queried.insert(entity.clone(), read);
    }
    Ok(kinship)
}

/// Every relation that a plan scans.
fn relations(plan: &Value, found: &mut BTreeSet<QualifiedName>) {
    match plan {
        Value::Array(items) => items.iter().for_each(|item| relations(item, found)),
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            if let (Some(schema), Some(name)) = (text("Schema"), text("Relation Name")) {
                found.insert(QualifiedName::new(schema, name));
            }
            members.values().for_each(|member| relations(member, found));
        }
        _ => {}
    }
}
