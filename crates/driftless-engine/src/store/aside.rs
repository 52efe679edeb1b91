//! The record of what is set aside. Every change of the target goes with the change of its record in one transaction: after a crash at
//! any point the record says what is missing.

use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::{AsideItem, Silencing, Triggers};
use driftless_pg::{Param, Session};

use super::Store;
use crate::error::{EngineError, Result};

/// Whose record, and what each transaction begins with.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The pipeline's state.
    pub store: &'a Store,
    /// The running execution.
    pub execution: i64,
    /// SQL that fails where the lease is lost; may be empty.
    pub guard: &'a str,
    /// How triggers are kept silent.
    pub silencing: Silencing,
    /// How long they are.
    pub triggers: Triggers,
    /// Tables that are left as they are: what was set aside of them stays so.
    pub spared: &'a [QualifiedName],
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsideState {
    /// Recorded, still in place.
    Recorded,
    /// Dropped.
    Dropped,
    /// Back in place.
    Restored,
    /// It could not be put back; the error says why. Tried again by the next restore.
    Failed,
}

impl AsideState {
    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            AsideState::Recorded => "recorded",
            AsideState::Dropped => "dropped",
            AsideState::Restored => "restored",
            AsideState::Failed => "failed",
        }
    }

    fn parse(name: &str) -> Option<AsideState> {
        [Self::Recorded, Self::Dropped, Self::Restored, Self::Failed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// An item with its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRecord {
    /// Its number: the order of dropping within one execution.
    pub seq: i32,
    /// What it is and how it comes back.
    pub item: AsideItem,
    /// How far it is.
    pub state: AsideState,
    /// Why it could not be put back.
    pub error: Option<String>,
    /// Whether a valid constraint of its name stands there. Where it is on record as dropped somebody has added it again, and
    /// nobody has checked the rows that came under replica role since.
    pub stands: bool,
}

/// Everything of the pipeline, restored items of its last run included, in dropping order.
pub async fn list(session: &Session, scope: &Scope<'_>) -> Result<Vec<AsideRecord>> {
    all(session, scope.store).await
}

/// What is not back in place.
pub async fn outstanding(session: &Session, store: &Store) -> Result<Vec<AsideRecord>> {
    let mut records = all(session, store).await?;
    records.retain(|record| record.state != AsideState::Restored);
    Ok(records)
}

/// As [`list`], for who runs nothing.
pub async fn all(session: &Session, store: &Store) -> Result<Vec<AsideRecord>> {
    let sql = format!(
        "SELECT a.seq, a.restore::text, a.state, a.error,
                EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
                          JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
                          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                         WHERE n.nspname = a.restore -> 'table' ->> 'schema' AND c.relname = a.restore -> 'table' ->> 'name'
                           AND k.conname = a.name AND k.contype <> 't' AND k.convalidated)
           FROM {} AS a WHERE a.pipeline = $1 ORDER BY a.seq",
        store.table("set_aside").sql()
    );
    let rows = session.query(&sql, &[Param::text(store.pipeline())]).await?;
    rows.iter()
        .map(|row| {
            let state: String = row.get(2)?;
            let item: String = row.get(1)?;
            Ok(AsideRecord {
                seq: row.get(0)?,
                item: serde_json::from_str(&item).map_err(|error| unreadable(store, &error.to_string()))?,
                state: AsideState::parse(&state).ok_or_else(|| unreadable(store, &state))?,
                error: row.get(3)?,
                stands: row.get(4)?,
            })
        })
        .collect()
}

/// Records items in the caller's transaction, with its next statement or its commit. What earlier runs dropped and did not put back stays as it is; what they put
/// back, or recorded and never dropped, stands in place and is recorded as it stands now. That triggers were silent for an entity
/// which is under way, and waits for a run of its own, stays on record: its table has rows now, and was empty then.
pub async fn record(tx: &Session, scope: &Scope<'_>, items: &[AsideItem]) -> Result<()> {
    let table = scope.store.table("set_aside").sql();
    let columns = Columns::of(items)?;
    let outdated = format!(
        "DELETE FROM {table} AS old WHERE old.pipeline = $1 AND old.state IN ('restored', 'recorded')
            AND NOT (old.kind = 'trigger' AND old.state = 'restored' AND old.table_name <> ALL ($2::text[])
                     AND EXISTS (SELECT FROM {entities} AS e
                                  WHERE e.pipeline = $1 AND e.phase IN ('loading', 'loaded')
                                    AND e.entity = ANY (string_to_array(old.entity, ', '))))",
        entities = scope.store.table("entity").sql()
    );
    let params = [
        Param::text(scope.store.pipeline()),
        Param::text_array(&columns.tables),
    ];
    tx.ahead(&outdated, &params).await?;
    let sql = format!(
        "INSERT INTO {table} (pipeline, seq, entity, table_name, kind, name, drop_sql, restore, state, execution)
         SELECT $1, (SELECT coalesce(max(seq), 0) FROM {table} WHERE pipeline = $1) + n, e, t, k, i, d, r::jsonb,
                'recorded', $2
           FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
                WITH ORDINALITY AS new (e, t, k, i, d, r, n)
          WHERE NOT EXISTS (SELECT FROM {table} old
                             WHERE old.pipeline = $1 AND old.table_name = t AND old.name = i
                               AND (old.kind = k OR {indexed} @> ARRAY[old.kind, k]))",
        // Of a constraint that came back by half the catalog shows a mere index: it is that one still.
        indexed = "ARRAY['exclusion', 'index', 'unique_index', 'unique', 'primary']"
    );
    let params = [
        Param::text(scope.store.pipeline()),
        Param::int8(scope.execution),
        Param::text_array(&columns.entities),
        Param::text_array(&columns.tables),
        Param::text_array(&columns.kinds),
        Param::text_array(&columns.names),
        Param::text_array(&columns.drops),
        Param::text_array(&columns.items),
    ];
    tx.ahead(&sql, &params).await?;
    Ok(())
}

/// Sets the state of items in the caller's transaction, with its next statement or its commit.
pub async fn mark(
    tx: &Session,
    scope: &Scope<'_>,
    seqs: &[i32],
    state: AsideState,
    error: Option<&str>,
) -> Result<()> {
    let sql = format!(
        "UPDATE {} SET state = $3, error = $4, execution = $5, changed_at = clock_timestamp()
          WHERE pipeline = $1 AND seq = ANY ($2)",
        scope.store.table("set_aside").sql()
    );
    let params = [
        Param::text(scope.store.pipeline()),
        Param::int4_array(seqs),
        Param::text(state.name()),
        Param::text_or_null(error),
        Param::int8(scope.execution),
    ];
    tx.ahead(&sql, &params).await?;
    Ok(())
}

/// Records, in the transaction that drops something, that event triggers did not see it and listeners are to be told.
pub async fn owe_reload(tx: &Session, scope: &Scope<'_>) -> Result<()> {
    set_reload_owed(tx, scope, true).await
}

/// Records, in the transaction that tells them, that listeners were told.
pub async fn reload_told(tx: &Session, scope: &Scope<'_>) -> Result<()> {
    set_reload_owed(tx, scope, false).await
}

/// Whether listeners are still to be told.
pub async fn reload_owed(session: &Session, store: &Store) -> Result<bool> {
    let sql = store.sql("SELECT pg_catalog.bool_or(reload_owed) FROM {state}.pipeline");
    let row = session.query_one(&sql, &[]).await?;
    Ok(row.get::<Option<bool>>(0)?.unwrap_or(false))
}

async fn set_reload_owed(tx: &Session, scope: &Scope<'_>, owed: bool) -> Result<()> {
    let sql = scope.store.sql(&format!(
        "UPDATE {{state}}.pipeline SET reload_owed = {owed} WHERE reload_owed <> {owed}"
    ));
    tx.ahead(&sql, &[]).await?;
    Ok(())
}

/// Items by column, for one statement.
#[derive(Default)]
struct Columns<'i> {
    entities: Vec<&'i str>,
    tables: Vec<String>,
    kinds: Vec<&'static str>,
    names: Vec<&'i str>,
    drops: Vec<&'i str>,
    items: Vec<String>,
}

impl<'i> Columns<'i> {
    fn of(items: &'i [AsideItem]) -> Result<Columns<'i>> {
        let mut columns = Columns::default();
        for item in items {
            columns.entities.push(&item.entity);
            columns.tables.push(item.table.to_string());
            columns.kinds.push(item.kind.name());
            columns.names.push(&item.name);
            columns.drops.push(&item.drop_sql);
            let text = serde_json::to_string(item)
                .map_err(|error| EngineError::new(code::INTERNAL, item.label(), error.to_string()))?;
            columns.items.push(text);
        }
        Ok(columns)
    }
}

fn unreadable(store: &Store, what: &str) -> EngineError {
    EngineError::new(
        code::STATE_NEWER,
        format!("table {}", store.table("set_aside")),
        format!("a record that this version cannot read: {what}"),
    )
    .remedy("use the version of driftless that wrote it")
}
