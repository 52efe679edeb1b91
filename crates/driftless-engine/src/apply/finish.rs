//! What stands at the end of a load: statistics, and sequences behind the kept keys.

use std::collections::BTreeSet;

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::EntityPlan;
use driftless_pg::Session;
use futures_util::future::try_join_all;

use super::aside::spread;
use crate::error::Result;
use crate::store::{Store, identity};

/// The statements that gather statistics of entities' tables. On tables of others ANALYZE only warns and does nothing.
pub fn statistics(plans: &[&EntityPlan]) -> Vec<String> {
    // Several entities may write one table.
    let tables: BTreeSet<String> = plans.iter().map(|plan| analyze_sql(plan)).collect();
    tables.into_iter().collect()
}

/// Gathers statistics of identities over all sessions, and runs what else is due then. Not while their indexes are built: the
/// two keep each other waiting.
pub async fn analyze_identities(
    sessions: &mut [Session],
    store: &Store,
    plans: &[&EntityPlan],
    due: Vec<String>,
) -> Result<()> {
    let statement = |plan: &&EntityPlan| {
        // Nothing is ever chosen by hash or fingerprints, and to sort a sample of them takes the longest.
        let mut columns = identity::key_columns(plan);
        columns.extend(identity::target_columns(plan));
        columns.push("status".to_owned());
        let table = store.identity_table(&plan.name).sql();
        format!("ANALYZE {table} ({})", columns.join(", "))
    };
    let statements: Vec<String> = due.into_iter().chain(plans.iter().map(statement)).collect();
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
    let moved = plan.sequences.iter().map(async |drawn| {
        let sequence = drawn.sequence.sql();
        session
            .batch(&format!(
                "{guard}; SELECT pg_catalog.setval({sequence_literal}, m.top) \
                 FROM (SELECT pg_catalog.max({column})::int8 AS top FROM {table}) AS m, {sequence} AS s \
                 WHERE m.top > s.last_value OR (m.top = s.last_value AND NOT s.is_called)",
                sequence_literal = quote_literal(&sequence),
                column = quote_ident(&drawn.column),
                table = plan.into.sql(),
            ))
            .await
    });
    try_join_all(moved).await?;
    Ok(())
}
