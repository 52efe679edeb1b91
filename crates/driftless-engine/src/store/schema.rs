//! The state schema: made once, recognised by its version, dropped by teardown.

use driftless_core::code;
use driftless_core::name::{quote_ident, quote_literal};
use driftless_pg::{BeginMode, Param, Session, Transaction};
use uuid::Uuid;

use super::Store;
use super::identity::AUTOVACUUM;
use crate::error::{EngineError, Result};

/// The version of the tables in `schema.sql`, of the identity tables and of those of recorded mappings. Another one in the
/// target is refused.
const VERSION: i32 = 3;

/// What the target holds of a pipeline's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// The state of this pipeline.
    Present,
}

/// Whether the state is there. Refuses a schema of another pipeline, of somebody else, or of another version.
pub async fn presence(session: &Session, store: &Store) -> Result<Presence> {
    let sql = "SELECT n.oid IS NOT NULL, c.oid IS NOT NULL, EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = n.oid), \
               c.oid IS NULL OR (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')), \
               coalesce(pg_catalog.pg_get_userbyid(c.relowner), '')::text, current_user::text \
               FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = $1 \
               LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'pipeline'";
    let row = session.query_one(sql, &[Param::text(store.schema())]).await?;
    let (schema, table, filled): (bool, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
    if !schema || (!table && !filled) {
        return Ok(Presence::Absent);
    }
    let place = format!("schema {}", store.schema());
    if !row.get::<bool>(3)? {
        let (owner, role): (String, String) = (row.get(4)?, row.get(5)?);
        return Err(EngineError::new(
            code::PRIVILEGE_MISSING,
            place,
            format!("role {role} may not read the state, which belongs to role {owner}"),
        )
        .remedy(format!(
            "run as the role that made it, or let this one be a member of it: GRANT {} TO {}",
            quote_ident(&owner),
            quote_ident(&role)
        )));
    }
    if !table {
        return Err(EngineError::new(
            code::INTEGRITY,
            place,
            "it has tables that are not Driftless state",
        )
        .remedy("name another `state_schema` in [pipeline]"));
    }
    let rows = session
        .query(&store.sql("SELECT name, version FROM {state}.pipeline"), &[])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Presence::Absent);
    };
    let (name, version): (String, i32) = (row.get(0)?, row.get(1)?);
    if version > VERSION {
        return Err(EngineError::new(
            code::STATE_NEWER,
            place,
            format!("its state has version {version}, and this program knows {VERSION}"),
        )
        .remedy("use the newer Driftless that wrote it"));
    }
    if version < VERSION {
        return Err(EngineError::new(
            code::STATE_OLDER,
            place,
            format!("its state has version {version}, and this program knows {VERSION}"),
        )
        .remedy(
            "go on with the Driftless version that wrote it: `driftless migrate` there ends the load, and `driftless migrate \
             --restart` and `driftless teardown` there take it back, so that this one can begin anew",
        ));
    }
    if name != store.pipeline() {
        return Err(EngineError::new(
            code::IDENTITY_CHANGED,
            place,
            format!(
                "it holds the state of pipeline {name}, not of {}",
                store.pipeline()
            ),
        )
        .remedy("a pipeline keeps its name; give another pipeline a `state_schema` of its own"));
    }
    Ok(Presence::Present)
}

/// Where absent state would be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a schema that this role may create.
    Creatable,
    /// In an empty schema that is there, and in which this role may create tables.
    Prepared,
    /// Nowhere: a right is missing.
    Forbidden,
}

/// Whether and how this role may make the state. `CREATE SCHEMA IF NOT EXISTS` asks for the right to create schemas even
/// where the schema is there, so it is asked first.
pub async fn place(session: &Session, store: &Store) -> Result<Place> {
    let sql = "SELECT n.oid IS NOT NULL, CASE WHEN n.oid IS NOT NULL \
               THEN pg_catalog.has_schema_privilege(n.oid, 'CREATE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
               ELSE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') END \
               FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = $1";
    let row = session.query_one(sql, &[Param::text(store.schema())]).await?;
    Ok(match (row.get(0)?, row.get(1)?) {
        (_, false) => Place::Forbidden,
        (true, true) => Place::Prepared,
        (false, true) => Place::Creatable,
    })
}

/// Makes the state where it was absent a moment ago, behind the statement `first`, and does in the same transaction what is `also` to be
/// done; nothing where somebody else was first.
async fn make<T>(
    session: &mut Session,
    store: &Store,
    namespace: Uuid,
    place: Place,
    first: &str,
    also: impl AsyncFnOnce(&Transaction<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.ahead(first, &[]).await?;
    // Two first starts meet here: the second one is told that what it makes is there.
    let lock = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('driftless ' || $1, 0))";
    tx.ahead(lock, &[Param::text(store.schema())]).await?;
    let schema = match place {
        Place::Creatable => store.sql("CREATE SCHEMA {state};"),
        Place::Prepared | Place::Forbidden => String::new(),
    };
    let tables = store.sql(include_str!("schema.sql"));
    // One statement, so that it can be sent with the others.
    let script = format!("DO $make$ BEGIN {schema}\n{tables}\nEND $make$");
    tx.ahead(&script, &[]).await?;
    tx.ahead(
        &store.sql("INSERT INTO {state}.pipeline (name, version, namespace) VALUES ($1, $2, $3)"),
        &[
            Param::text(store.pipeline()),
            Param::int4(VERSION),
            Param::uuid(namespace),
        ],
    )
    .await?;
    tx.ahead(
        &store.sql("INSERT INTO {state}.lease (pipeline, epoch) VALUES ($1, 0)"),
        &[Param::text(store.pipeline())],
    )
    .await?;
    let done = also(&tx).await?;
    match tx.commit().await {
        Ok(()) => Ok(Some(done)),
        Err(error) if ALREADY_THERE.contains(&error.sqlstate().unwrap_or_default()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// SQLSTATEs of schemas, tables and types that are there already, or of which somebody else's transaction was first.
const ALREADY_THERE: [&str; 4] = ["42P06", "42P07", "42710", "23505"];

/// Makes the state if it is absent; refuses a namespace other than the one it was made with.
pub async fn ensure(session: &mut Session, store: &Store, namespace: Uuid) -> Result<()> {
    let found = tokio::try_join!(presence(session, store), self::place(session, store))?;
    let nothing_else = async |_: &Transaction<'_>| Ok(());
    ensure_as_found(session, store, namespace, found, "", nothing_else).await?;
    Ok(())
}

/// The same for whoever has looked, behind the statement `first` that sets something for the session. Where it is made now that is one
/// transaction with what is `also` to be done then, whose result is the answer.
pub async fn ensure_as_found<T>(
    session: &mut Session,
    store: &Store,
    namespace: Uuid,
    (presence, place): (Presence, Place),
    first: &str,
    also: impl AsyncFnOnce(&Transaction<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if presence == Presence::Absent
        && let Some(done) = make(session, store, namespace, place, first, also).await?
    {
        return Ok(Some(done));
    }
    if presence == Presence::Absent && self::presence(session, store).await? == Presence::Absent {
        // What was made meanwhile is nobody's state.
        return Err(EngineError::new(
            code::INTEGRITY,
            format!("schema {}", store.schema()),
            "it has tables of a state that does not say whose it is",
        )
        .remedy("drop the schema if nobody needs it, or name another `state_schema` in [pipeline]"));
    }
    let made_in = store.sql("SELECT namespace FROM {state}.pipeline");
    let (_, row) = tokio::try_join!(session.execute(first, &[]), session.query_one(&made_in, &[]))?;
    if row.get::<Uuid>(0)? != namespace {
        return Err(EngineError::new(
            code::IDENTITY_CHANGED,
            format!("pipeline {}", store.pipeline()),
            "its UUIDs were derived in another namespace",
        )
        .remedy("set `namespace` in [pipeline] to what it was"));
    }
    Ok(None)
}

/// Drops the whole state. The caller has named it and been told yes.
pub async fn drop(session: &mut Session, store: &Store, guard: &str) -> Result<()> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.batch(guard).await?;
    // Everything in the schema is ours: `presence` has recognised it.
    tx.batch(&format!("DROP SCHEMA {} CASCADE", quote_ident(store.schema())))
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Empties the state but for the identities, the recorded mappings and the function that looks them up.
pub async fn drop_all_but_identities(session: &mut Session, store: &Store, guard: &str) -> Result<()> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.batch(guard).await?;
    tx.batch(&store.sql(
        "TRUNCATE {state}.execution, {state}.execution_entity, {state}.entity, {state}.chunk, {state}.rejects, \
         {state}.warning, {state}.conflict, {state}.set_aside, {state}.lease_backend, {state}.lease_holder",
    ))
    .await?;
    // Of entities whose load was given up nobody else gives it back.
    tx.batch(&format!(
        "DO $$ DECLARE own regclass; BEGIN \
           FOR own IN SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = {}::regnamespace \
                         AND '{AUTOVACUUM}=off' = ANY (reloptions) \
           LOOP EXECUTE format('ALTER TABLE %s RESET ({AUTOVACUUM})', own); END LOOP; END $$",
        quote_literal(&quote_ident(store.schema()))
    ))
    .await?;
    tx.commit().await?;
    Ok(())
}
