//! What stands at the end of a load: statistics, and sequences behind the kept keys.

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::EntityPlan;
use driftless_pg::Session;

use crate::error::Result;
use crate::store::Store;

/// Gathers statistics of an entity's table and of its identities, where this role may.
pub async fn analyze(session: &Session, store: &Store, plan: &EntityPlan) -> Result<()> {
    // On tables of others ANALYZE only warns and does nothing.
    session
        .batch(&format!(
            "ANALYZE {}; ANALYZE {}",
            plan.into.sql(),
            store.identity_table(&plan.name).sql()
        ))
        .await?;
    Ok(())
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
