//! What stands at the end of a load: statistics, and sequences behind the kept keys.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::Catalog;
use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::{EntityPlan, Mint};
use driftless_pg::{PgError, Session};
use futures_util::future::{join_all, try_join_all};

use super::aside::spread;
use crate::error::Result;
use crate::store::{Store, identity};

/// The statements that gather statistics of entities' tables. On tables of others ANALYZE only warns and does nothing.
pub fn statistics(plans: &[&EntityPlan], target: &Catalog) -> Vec<String> {
    // Several entities may write one table.
    let tables: BTreeSet<String> = plans.iter().map(|plan| analyze_sql(plan, target)).collect();
    tables.into_iter().collect()
}

/// A sample of a tenth of what ANALYZE takes by itself: enough to say how large tables are and how their values spread.
const SKETCHED: &str = "SET default_statistics_target = 10";
const SAMPLED_WELL: &str = "RESET default_statistics_target";

/// Samples keys and references of tables and identities, over all sessions, and gives identities back to autovacuum. Not while their
/// indexes are built: the two keep each other waiting.
pub async fn sketch(sessions: &mut [Session], store: &Store, plans: &[&EntityPlan]) -> Result<()> {
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for plan in plans {
        let own = columns.entry(plan.into.sql()).or_default();
        let keys = plan.identity.target.iter().map(|(column, _)| column);
        let keys = keys.filter(|_| plan.identity.mint != Mint::Place);
        let references = plan.refs.iter().filter(|site| site.path.is_empty());
        own.extend(
            keys.chain(references.map(|site| &site.column))
                .map(|column| quote_ident(column)),
        );
    }
    let tables = columns.into_iter().filter(|(_, columns)| !columns.is_empty());
    let tables = tables.map(|(table, columns)| vec![analysis(&table, columns)]);
    let identities = plans.iter().map(|plan| {
        // Nothing is ever chosen by hash or fingerprints, and to sort a sample of them takes the longest.
        let keys = identity::key_columns(plan).into_iter();
        let columns = keys
            .chain(identity::target_columns(plan))
            .chain(["status".to_owned()]);
        vec![
            analysis(&store.identity_table(&plan.name).sql(), columns),
            identity::look_after(store, &plan.name),
        ]
    });
    let statements: Vec<Vec<String>> = tables.chain(identities).collect();
    // Each takes a moment: a session gets all of its own at once. Tables are dealt in turn, since those of one kind take as long.
    let all = sessions.len();
    let shares = (0..all).map(|first| statements.iter().skip(first).step_by(all).flatten());
    let shares: Vec<Vec<&String>> = shares.map(Iterator::collect).collect();
    spread(sessions, &shares, async |session, share| {
        at_once(session, share).await
    })
    .await?;
    Ok(())
}

/// Runs statements that are sent together, each as a transaction of its own: whoever samples a partitioned table and whoever samples
/// its partitions would hold what the other waits for.
async fn at_once(session: &Session, statements: &[&String]) -> Result<()> {
    let statements = statements.iter().map(|statement| statement.as_str());
    let all = std::iter::once(SKETCHED).chain(statements).chain([SAMPLED_WELL]);
    // All are heard to their end: of one that is refused the setting must not stay behind.
    let done =
        join_all(all.map(async |statement| gathered(statement, session.execute(statement, &[]).await)));
    Ok(done.await.into_iter().collect::<Result<(), PgError>>()?)
}

/// Lets pass what ANALYZE says of a value with which it cannot compute, as of a `numrange` that is wider than any double: such a
/// table has no statistics, whoever gathers them, and is whole all the same.
pub(super) fn gathered<T>(statement: &str, done: Result<T, PgError>) -> Result<(), PgError> {
    let is_of_a_value = |error: &PgError| error.sqlstate().is_some_and(|state| state.starts_with("22"));
    match done {
        Err(error) if statement.contains("ANALYZE ") && is_of_a_value(&error) => {
            tracing::warn!(statement, %error, "a table has no statistics");
            Ok(())
        }
        done => done.map(|_| ()),
    }
}

fn analysis(table: &str, columns: impl IntoIterator<Item = String>) -> String {
    let columns: Vec<String> = columns.into_iter().collect();
    format!("ANALYZE {table} ({})", columns.join(", "))
}

/// The statement that gathers statistics of an entity's table, in stages as `vacuumdb --analyze-in-stages` does: where autovacuum
/// looks after the table, all columns are sampled a little. As they are named, that does not count as its ANALYZE, which autovacuum
/// begins when it comes by next.
pub fn analyze_sql(plan: &EntityPlan, target: &Catalog) -> String {
    let table = plan.into.sql();
    match target.relation(&plan.into) {
        Some(relation) if relation.around.autovacuum => {
            let columns = relation.columns.iter().map(|column| quote_ident(&column.name));
            format!("{SKETCHED}; {}; {SAMPLED_WELL}", analysis(&table, columns))
        }
        _ => format!("ANALYZE {table}"),
    }
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
