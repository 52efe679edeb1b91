use std::cmp::Reverse;
use std::collections::BTreeSet;

use driftless_core::code;
use driftless_core::name::quote_literal;
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{Session, Transaction};

use super::leave::Leaving;
use super::{Corrections, Tally};
use crate::apply::aside::{allow, spread, workers};
use crate::apply::guarded;
use crate::error::{EngineError, InContext as _, Result};
use crate::store::aside::Scope;
use crate::store::identity;

/// Builds the indexes of all identities over all sessions, those of the entity with the most `rows` first, and removes what contradicts
/// their uniqueness until the builds go through.
///
/// # Errors
/// As [`twins`]; `INTEGRITY` where identities contradict each other that an earlier migration left.
pub async fn settle_identities(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    plan: &Plan,
    rows: impl Fn(&str) -> u64,
) -> Result<Corrections> {
    let entities = plan
        .entities
        .iter()
        .filter(|entity| !entity.identity.key.is_empty());
    let mut indexes: Vec<(&EntityPlan, Vec<String>)> = entities
        .flat_map(|entity| {
            let statements = identity::index(scope.store, entity).into_iter();
            statements.map(move |statement| (entity, statement))
        })
        .collect();
    indexes.sort_by_key(|(entity, _)| Reverse(rows(&entity.name)));
    let sizes: Vec<u64> = indexes.iter().map(|(entity, _)| rows(&entity.name)).collect();
    let builds: Vec<_> = indexes.into_iter().zip(workers(&sizes, sessions.len())).collect();
    let refused = spread(
        sessions,
        &builds,
        async |session, ((entity, statement), workers)| {
            let built = index(session, scope, entity, (statement, *workers)).await?;
            Ok((!built).then_some(entity.name.as_str()))
        },
    )
    .await?;
    let refused: BTreeSet<&str> = refused.into_iter().flatten().collect();
    let mut corrections = Corrections::default();
    for entity in plan
        .entities
        .iter()
        .filter(|entity| refused.contains(entity.name.as_str()))
    {
        if let Some(session) = sessions.first_mut() {
            corrections.add(&settle(session, scope, entity).await?);
        }
    }
    Ok(corrections)
}

/// Removes the twins of an entity until its indexes can be built.
async fn settle(session: &mut Session, scope: &Scope<'_>, entity: &EntityPlan) -> Result<Corrections> {
    let mut corrections = Corrections::default();
    let statements = identity::index(scope.store, entity).concat();
    while !index(session, scope, entity, (&statements, u64::MAX)).await? {
        let found = twins(session, scope, entity).await?;
        if found.is_empty() {
            return Err(EngineError::new(
                code::INTEGRITY,
                format!("entity {}", entity.name),
                "its identities contradict each other",
            )
            .remedy("look for adopted mappings that give one key twice, or one target key to two keys"));
        }
        corrections.add(&found);
    }
    Ok(corrections)
}

/// Builds; `false` where rows contradict the index.
async fn index(
    session: &mut Session,
    scope: &Scope<'_>,
    entity: &EntityPlan,
    (statements, workers): (&[String], u64),
) -> Result<bool> {
    let tx = guarded::ddl(session, scope).await?;
    allow(&tx, workers).await?;
    for statement in statements {
        tx.ahead(statement, &[]).await?;
    }
    match tx.commit().await {
        Ok(()) => Ok(true),
        Err(error) if error.sqlstate() == Some("23505") => Ok(false),
        Err(error) => Err(error).context(format!("indexes of the identities of entity {}", entity.name)),
    }
}

/// Removes rows whose identities contradict each other, in one transaction.
///
/// Several keys with one target key: nothing tells which of the target's rows belongs to which key, so all of them leave.
/// The smallest key is recorded as parked at stage `unique`: its row must be read again; the others are rejected.
/// One key several times: one of its rows stays, and its hash is forgotten, so that the next comparison looks at it.
///
/// # Errors
/// A lost lease or connection, or what the server refuses: nothing is changed then.
pub async fn twins(session: &mut Session, scope: &Scope<'_>, entity: &EntityPlan) -> Result<Corrections> {
    let twins = Twins { scope, entity };
    let tx = guarded::rows(session, scope, &entity.into).await?;
    let corrections = twins
        .remove(&tx)
        .await
        .context(format!("proof of the identities of entity {}", entity.name))?;
    tx.commit(scope, corrections.counts()).await?;
    Ok(corrections)
}

struct Twins<'a> {
    scope: &'a Scope<'a>,
    entity: &'a EntityPlan,
}

impl Twins<'_> {
    async fn remove(&self, tx: &Transaction<'_>) -> Result<Corrections> {
        tx.batch(&self.find_by_target()).await?;
        let parked = format!(
            "SELECT count(*) FROM (SELECT DISTINCT {} FROM pg_temp.driftless_twin WHERE several AND rank = 1) AS k",
            self.keys()
        );
        let parked = tx.query_one(&parked, &[]).await?.get::<i64>(0)?.unsigned_abs();
        let mut recorded = tx.execute(&self.record("pg_temp.driftless_twin"), &[]).await?;
        tx.batch(&self.delete_by_target()).await?;
        tx.batch(&self.find_by_key()).await?;
        recorded += tx.execute(&self.record("pg_temp.driftless_double"), &[]).await?;
        tx.batch(&self.delete_by_key()).await?;
        let tally = Tally {
            rejected: recorded - parked,
            parked,
            nulled: 0,
        };
        Ok(Corrections::of(&self.entity.name, tally))
    }

    fn keys(&self) -> String {
        identity::key_columns(self.entity).join(", ")
    }

    fn targets(&self) -> String {
        identity::target_columns(self.entity).join(", ")
    }

    fn identities(&self) -> String {
        self.scope.store.identity_table(&self.entity.name).sql()
    }

    fn leaving<'l>(&'l self, rows: &'l str) -> Leaving<'l> {
        Leaving {
            scope: self.scope,
            plan: self.entity,
            rows,
            prefix: "",
        }
    }

    /// Identities that share their target key: several keys, or one key several times.
    fn find_by_target(&self) -> String {
        let (keys, targets) = (self.keys(), self.targets());
        format!(
            "CREATE TEMPORARY TABLE driftless_twin ON COMMIT DROP AS
             SELECT *, max(rank) OVER (PARTITION BY {targets}) > 1 AS several
               FROM (SELECT i.ctid AS row_at, {keys}, {targets}, count(*) OVER (PARTITION BY {targets}) AS twins,
                            rank() OVER (PARTITION BY {targets} ORDER BY {keys}) AS rank,
                            row_number() OVER w AS place, first_value({key_text}) OVER w AS winner
                       FROM {identities} AS i WHERE status = {live}
                     WINDOW w AS (PARTITION BY {targets} ORDER BY {keys}, i.ctid)) AS r
              WHERE twins > 1",
            key_text = self.leaving("i").key_text(),
            identities = self.identities(),
            live = identity::LIVE,
        )
    }

    /// Identities of one key with different target keys: the smallest stays.
    fn find_by_key(&self) -> String {
        let (keys, targets) = (self.keys(), self.targets());
        format!(
            "CREATE TEMPORARY TABLE driftless_double ON COMMIT DROP AS
             SELECT *, false AS several, ''::text AS winner, 1 AS rank
               FROM (SELECT i.ctid AS row_at, {keys}, {targets},
                            row_number() OVER (PARTITION BY {keys} ORDER BY {targets}) AS place
                       FROM {identities} AS i WHERE status = {live}) AS r
              WHERE place > 1",
            identities = self.identities(),
            live = identity::LIVE,
        )
    }

    fn record(&self, twins: &str) -> String {
        let select = format!(
            "SELECT {key}, CASE WHEN t.several AND t.rank = 1 THEN 'parked' ELSE 'rejected' END, 'unique'::text,
                    '{code}'::text, '23505'::text,
                    CASE WHEN NOT t.several THEN 'its key occurs more than once in the source; one row is kept'
                         WHEN t.rank = 1 THEN 'other rows have its target key; it must be read again'
                         ELSE 'it has the same target key as ' || {entity} || t.winner END,
                    NULL::text, NULL::text, NULL::text, NULL::text
               FROM {twins} AS t WHERE t.several OR t.place > 1",
            key = self.leaving("t").key_text(),
            code = code::ROW_DUPLICATE,
            entity = quote_literal(&format!("{} ", self.entity.name)),
        );
        self.leaving("t").record(&select)
    }

    fn delete_by_target(&self) -> String {
        let table = self.entity.into.sql();
        let same = self.leaving("g").same_row("c");
        let targets = self.targets();
        let identities = self.identities();
        format!(
            "DELETE FROM {table} AS c USING (SELECT DISTINCT {targets} FROM pg_temp.driftless_twin WHERE several) AS g
              WHERE {same};
             DELETE FROM {table} AS c
              USING (SELECT {columns}, min(c.ctid) AS first
                       FROM {table} AS c JOIN (SELECT DISTINCT {targets} FROM pg_temp.driftless_twin
                                                WHERE NOT several) AS g ON {same}
                      GROUP BY {columns}) AS g
              WHERE {same} AND c.ctid <> g.first;
             UPDATE {identities} AS i SET row_hash = NULL FROM pg_temp.driftless_twin AS t
              WHERE i.ctid = t.row_at AND NOT t.several AND t.place = 1;
             DELETE FROM {identities} AS i USING pg_temp.driftless_twin AS t
              WHERE i.ctid = t.row_at AND (t.several OR t.place > 1)",
            columns = targets.split(", ").map(|name| format!("g.{name}")).collect::<Vec<_>>().join(", "),
        )
    }

    fn delete_by_key(&self) -> String {
        let identities = self.identities();
        format!(
            "DELETE FROM {table} AS c USING pg_temp.driftless_double AS g WHERE {same};
             UPDATE {identities} AS i SET row_hash = NULL FROM pg_temp.driftless_double AS t
              WHERE {key} AND i.ctid <> t.row_at;
             DELETE FROM {identities} AS i USING pg_temp.driftless_double AS t WHERE i.ctid = t.row_at",
            table = self.entity.into.sql(),
            same = self.leaving("g").same_row("c"),
            key = self.leaving("t").same_key("i"),
        )
    }
}
