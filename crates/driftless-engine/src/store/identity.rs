//! Identity tables, one an entity, and mappings recorded before a load.
//!
//! Columns: `k1…` key of the source, `t1…` key of the target, `row_hash` over the source columns that the plan reads,
//! `offered` the fingerprints of what the plan produced (8 bytes a written column, in order), `stored` those of
//! what the target held right after the write where they differ, `execution`, `status`, `created_at`, `validated_at`,
//! `nulled` where a reference was made null because its row is not there: it may be there under a later snapshot.

use driftless_core::code;
use driftless_core::name::{QualifiedName, quote_ident};
use driftless_core::plan::{EntityPlan, Mint, Path};
use driftless_pg::{Param, Session};

use super::Store;
use crate::error::{EngineError, Result};

/// Status of an identity whose row is in the target.
pub const LIVE: i16 = 0;
/// Status of an identity that an earlier migration left, whose row was there before.
pub const ADOPTED: i16 = 1;
/// Status of an identity whose key points to the row of another one, which stands for both.
pub const MERGED: i16 = 2;

/// The names of the key columns of an entity's identity table.
pub fn key_columns(plan: &EntityPlan) -> Vec<String> {
    (1..=plan.identity.key.len())
        .map(|number| format!("k{number}"))
        .collect()
}

/// The names of the target key columns of an entity's identity table.
pub fn target_columns(plan: &EntityPlan) -> Vec<String> {
    (1..=plan.identity.target.len())
        .map(|number| format!("t{number}"))
        .collect()
}

/// SQL of the canonical key text over the columns of an identity table with this alias.
pub fn key_text(plan: &EntityPlan, alias: &str) -> String {
    let parts: Vec<String> = key_columns(plan)
        .iter()
        .map(|column| format!("{alias}.{column}::pg_catalog.text"))
        .collect();
    match parts.as_slice() {
        [single] => single.clone(),
        several => format!(
            "pg_catalog.to_json(ARRAY[{}])::pg_catalog.text",
            several.join(", ")
        ),
    }
}

/// SQL that is true where a row of the identity table belongs to a row of the target.
pub fn belongs(plan: &EntityPlan, identity: &str, target: &str) -> String {
    let pairs: Vec<String> = plan
        .identity
        .target
        .iter()
        .zip(target_columns(plan))
        .map(|((column, _), own)| format!("{identity}.{own} = {target}.{}", quote_ident(column)))
        .collect();
    pairs.join(" AND ")
}

/// Refuses identity tables that are there already: they belong to a load that was torn down without forgetting them.
pub async fn refuse_kept(session: &Session, store: &Store, plans: &[&EntityPlan]) -> Result<()> {
    let tables: Vec<String> = plans
        .iter()
        .map(|plan| store.identity_table(&plan.name).sql())
        .collect();
    let sql = "SELECT w.place FROM unnest($1::text[]) WITH ORDINALITY AS w (name, place) \
               WHERE pg_catalog.to_regclass(w.name) IS NOT NULL ORDER BY w.place LIMIT 1";
    let Some(row) = session.query_opt(sql, &[Param::text_array(&tables)]).await? else {
        return Ok(());
    };
    let place = usize::try_from(row.get::<i64>(0)? - 1).unwrap_or_default();
    let entity = plans
        .get(place)
        .map(|plan| plan.name.as_str())
        .unwrap_or_default();
    Err(EngineError::new(
        code::INTEGRITY,
        format!("entity {entity}"),
        "the target keeps its identities of a load that was torn down",
    )
    .remedy("they are the only map between old and new keys: keep them, or remove them with `driftless teardown --forget-identities`"))
}

/// Set while a table is filled: a worker of autovacuum would hold locks that index builds wait for.
pub(super) const AUTOVACUUM: &str = "autovacuum_enabled";

/// The statement that lets autovacuum look after the identity table, which is full.
pub fn look_after(store: &Store, entity: &str) -> String {
    let table = store.identity_table(entity).sql();
    format!("ALTER TABLE {table} RESET ({AUTOVACUUM})")
}

/// Makes the identity table without its indexes, which are built behind the load: with the next statement of the caller's
/// transaction, or its commit.
pub async fn create(session: &Session, store: &Store, plan: &EntityPlan) -> Result<()> {
    let table = store.identity_table(&plan.name).sql();
    let mut columns = Vec::new();
    for (name, part) in key_columns(plan).iter().zip(&plan.identity.key) {
        columns.push(format!("{name} {} NOT NULL", part.type_sql));
    }
    for (name, (_, type_sql)) in target_columns(plan).iter().zip(&plan.identity.target) {
        columns.push(format!("{name} {type_sql} NOT NULL"));
    }
    // It has no key while it is filled. Where a publication of all tables is there, nothing could be deleted from it then.
    let made = format!(
        "CREATE TABLE {table} ({}, row_hash int8, offered bytea, stored bytea, execution int8 NOT NULL, \
         status int2 NOT NULL, created_at timestamptz NOT NULL DEFAULT pg_catalog.transaction_timestamp(), \
         validated_at timestamptz, nulled bool) WITH ({AUTOVACUUM} = off)",
        columns.join(", "),
    );
    let closed = format!("REVOKE ALL ON {table} FROM PUBLIC");
    let whole = format!("ALTER TABLE {table} REPLICA IDENTITY FULL");
    for statement in [made, closed, whole].into_iter().chain(look_up(store, plan)) {
        session.ahead(&statement, &[]).await?;
    }
    Ok(())
}

/// The columns of the identity table that the row program fills: all but a place, which only the target knows.
pub fn copied_columns(plan: &EntityPlan) -> Vec<String> {
    let mut columns = key_columns(plan);
    if plan.identity.mint != Mint::Place {
        columns.extend(target_columns(plan));
    }
    columns.extend(["row_hash", "offered", "execution", "status", "nulled"].map(str::to_owned));
    columns
}

/// What COPY writes into the identity table: its name and columns.
pub fn copy_sql(store: &Store, plan: &EntityPlan) -> String {
    let columns = copied_columns(plan);
    format!(
        "COPY {} ({}) FROM STDIN (FORMAT binary)",
        store.identity_table(&plan.name).sql(),
        columns.join(", ")
    )
}

/// Statements that index the identity table, index by index: each may run beside the others, each is a no-op where it has run.
pub fn index(store: &Store, plan: &EntityPlan) -> Vec<Vec<String>> {
    let table = store.identity_table(&plan.name);
    let unique = |suffix: &str, columns: &[String]| {
        let name = quote_ident(&index_name(&table, suffix));
        // Several keys may point to one row only where that is said.
        let which = match (suffix, &plan.identity.merge) {
            ("t", Some(_)) => format!(" WHERE status <> {MERGED}"),
            _ => String::new(),
        };
        format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {} ({}){which}",
            table.sql(),
            columns.join(", ")
        )
    };
    let mut targets = target_columns(plan);
    if plan.identity.mint == Mint::Place {
        // A transaction's number has no order.
        targets.pop();
    }
    let mut by_target = vec![unique("t", &targets)];
    if is_looked_up(plan) {
        by_target.push(drop(&table, "s"));
    }
    vec![vec![unique("k", &key_columns(plan))], by_target]
}

/// Whether each batch asks which rows of the target the entity has written already: beside rows of others, where a
/// recorded mapping may name one of theirs.
fn is_looked_up(plan: &EntityPlan) -> bool {
    let beside = plan.path == Path::Beside || plan.identity.natural_key.is_some();
    beside && plan.identity.target.len() == 1 && plan.identity.mint.recorded().is_some()
}

/// The index for that while the unique ones are not there.
fn look_up(store: &Store, plan: &EntityPlan) -> Option<String> {
    let table = store.identity_table(&plan.name);
    let name = quote_ident(&index_name(&table, "s"));
    is_looked_up(plan).then(|| format!("CREATE INDEX IF NOT EXISTS {name} ON {} (t1)", table.sql()))
}

fn drop(table: &QualifiedName, suffix: &str) -> String {
    let index = QualifiedName::new(table.schema.as_str(), index_name(table, suffix));
    format!("DROP INDEX IF EXISTS {}", index.sql())
}

/// Statements that take those indexes away again, for rows that are read once more: whether they repeat a key is told when
/// the indexes are built.
pub fn unindex(store: &Store, plan: &EntityPlan) -> String {
    let table = store.identity_table(&plan.name);
    let mut statements = vec![drop(&table, "k"), drop(&table, "t")];
    statements.extend(look_up(store, plan));
    statements.join("; ")
}

/// Identifiers have 63 bytes; entity names at most 40.
fn index_name(table: &QualifiedName, suffix: &str) -> String {
    format!("{}_{suffix}", table.name)
}

/// Refuses to go on where rows without a key no longer lie where they were written: what became of them cannot be told.
///
/// # Errors
/// [`code::INTEGRITY`] where there are such rows; else when the server fails.
pub async fn refuse_displaced(session: &Session, store: &Store, plan: &EntityPlan) -> Result<()> {
    if plan.identity.mint != Mint::Place {
        return Ok(());
    }
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} AS i WHERE i.status = {LIVE} AND NOT EXISTS (SELECT FROM {} AS t WHERE {})",
        store.identity_table(&plan.name).sql(),
        plan.into.sql(),
        belongs(plan, "i", "t")
    );
    let displaced: i64 = session.query_one(&sql, &[]).await?.get(0)?;
    if displaced == 0 {
        return Ok(());
    }
    Err(EngineError::new(
        code::INTEGRITY,
        format!("entity {}", plan.name),
        format!("{displaced} of its rows, which have no key, were changed, moved or deleted in {} since", plan.into),
    )
    .remedy("which rows of the table are this entity's cannot be told any more: empty the table, `driftless teardown` and load again"))
}

/// Makes the table of recorded mappings, if it is not there.
pub async fn create_recorded(session: &Session, store: &Store, entity: &str) -> Result<()> {
    let table = store.recorded_table(entity).sql();
    session
        .batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (key text COLLATE pg_catalog.\"C\" PRIMARY KEY, id uuid NOT NULL, \
             adopted bool NOT NULL, merged bool NOT NULL DEFAULT false, found bool NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT pg_catalog.transaction_timestamp()); \
             REVOKE ALL ON {table} FROM PUBLIC"
        ))
        .await?;
    Ok(())
}
