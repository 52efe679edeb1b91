//! What stands at the end of a load: statistics, and sequences behind the kept keys.

use std::collections::BTreeSet;

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::EntityPlan;
use driftless_pg::Session;

use super::aside::spread;
use crate::error::Result;
use crate::store::{Store, identity};

/// Gathers statistics of entities' tables and of their identities over all sessions, where this role may.
pub async fn analyze(sessions: &mut [Session], store: &Store, plans: &[&EntityPlan]) -> Result<()> {
    // Several entities may write one table.
    let tables: BTreeSet<String> = plans.iter().map(|plan| analyze_sql(plan)).collect();
    let identities = plans.iter().map(|plan| {
        // Nothing is ever chosen by hash or fingerprints, and to sort a sample of them takes the longest.
        let mut columns = identity::key_columns(plan);
        columns.extend(identity::target_columns(plan));
        columns.push("status".to_owned());
        let table = store.identity_table(&plan.name).sql();
        format!("ANALYZE {table} ({})", columns.join(", "))
    });
    let statements: Vec<String> = tables.into_iter().chain(identities).collect();
    // On tables of others ANALYZE only warns and does nothing.
    spread(sessions, &statements, async |session, statement| {
        Ok(session.batch(statement).await?)
    })
    .await?;
    Ok(())
}

/// The statement that gathers statistics of an entity's table.
pub fn analyze_sql(plan: &EntityPlan) -> String {
    format!("ANALYZE {}", plan.into.sql())
}

/// Moves the sequences of kept keys behind the largest key; never back.
pub async fn sequences(session: &Session, guard: &str, plan: &EntityPlan) -> Result<()> {
    for column in &plan.sequences {
        let name = format!(
            "pg_catalog.pg_get_serial_sequence({}, {})",
            quote_literal(&plan.into.sql()),
            quote_literal(column)
        );
        let row = session.query_one(&format!("SELECT {name}"), &[]).await?;
        let Some(sequence) = row.get::<Option<String>>(0)? else {
            continue;
        };
        session
            .batch(&format!(
                "{guard}; SELECT pg_catalog.setval({sequence_literal}, m.top) \
                 FROM (SELECT pg_catalog.max({column})::int8 AS top FROM {table}) AS m, {sequence} AS s \
                 WHERE m.top > s.last_value OR (m.top = s.last_value AND NOT s.is_called)",
                sequence_literal = quote_literal(&sequence),
                column = quote_ident(column),
                table = plan.into.sql(),
            ))
            .await?;
    }
    Ok(())
}
