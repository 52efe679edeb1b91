use crate::database::TestDatabase;

/// An application that goes on writing into the source.
mod application;
/// What the target must hold.
mod check;

pub use application::Application;
pub use check::differences;

const SOURCE: &str = include_str!("workload/source.sql");
const TARGET: &str = include_str!("workload/target.sql");

/// The entities of the mapping: references within and in a circle, unique values, rejects of several kinds, an expression,
/// every `missing`, recorded and adopted identities, ranges of keys and of pages.
pub const ENTITIES: &str = include_str!("workload/entities.toml");

/// How many entities the mapping has.
const ENTITY_COUNT: &str = "5";

/// So many customers that most entities are several chunks.
pub const SEVERAL_CHUNKS: u64 = 2200;

/// So many customers that a load takes a moment.
pub const FEW: u64 = 210;

/// Fills a source with so many customers, twice as many orders and as many remarks, and makes the tables of a target. The source
/// remembers every version of every row from then on.
///
/// # Panics
///
/// A statement fails.
pub async fn fill(rows: u64, source: &TestDatabase, target: &TestDatabase) {
    let filled = SOURCE.replace("{rows}", &rows.to_string());
    tokio::join!(source.run(&filled), target.run(TARGET));
}

/// Lets an ordinary role load: it reads the source and owns the target's tables. Only where `silent` it may take the replica
/// role.
///
/// # Panics
///
/// A statement fails.
pub async fn give_to(role: &str, silent: bool, source: &TestDatabase, target: &TestDatabase) {
    let reads = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    let owns = format!(
        "GRANT CREATE, TEMPORARY ON DATABASE {} TO {role}; GRANT CREATE ON SCHEMA public TO {role};
         DO $$ DECLARE t regclass; BEGIN
           FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
             EXECUTE format('ALTER TABLE %s OWNER TO {role}', t);
           END LOOP;
         END $$;
         ALTER FUNCTION public.note() OWNER TO {role};
         {} SET ON PARAMETER session_replication_role {} {role};",
        target.name(),
        if silent { "GRANT" } else { "REVOKE" },
        if silent { "TO" } else { "FROM" },
    );
    tokio::join!(source.run(&reads), target.run(&owns));
}

/// Whether every entity is done.
///
/// # Panics
///
/// The target cannot be asked.
pub async fn is_done(target: &TestDatabase) -> bool {
    let there = target.value("SELECT to_regclass('driftless.entity')::text").await;
    let done = "SELECT count(*) FROM driftless.entity WHERE phase = 'done'";
    there.is_some() && target.value(done).await.as_deref() == Some(ENTITY_COUNT)
}
