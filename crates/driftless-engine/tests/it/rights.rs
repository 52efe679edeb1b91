//! What a role sees of a catalog, and what it waits for.

use driftless_core::catalog::{Catalog, Relation};
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_engine::introspect::{Wanted, introspect};
use driftless_engine::store::Store;
use driftless_engine::store::schema::{self, Place, Presence};
use driftless_pg::{Session, Transaction};

use crate::introspect::{look, public};
use crate::session::{database, session, session_of_new_role};

#[tokio::test]
async fn privileges_are_those_of_the_role() {
    let database = database("privileges").await;
    let (session, role) = session_of_new_role(&database, "reader").await;
    database
        .run(&format!(
            "CREATE SCHEMA closed;
             CREATE TABLE closed.granted (id int); GRANT ALL ON closed.granted TO {role};
             CREATE TABLE nothing (id int); INSERT INTO nothing VALUES (1);
             CREATE TABLE partly (id int, secret text);
             GRANT SELECT (id), INSERT (secret) ON partly TO {role};
             CREATE TABLE full_table (id int); GRANT SELECT, INSERT, UPDATE, DELETE ON full_table TO {role};
             CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO {role};"
        ))
        .await;
    let mut wanted = Wanted::only(["nothing", "partly", "full_table", "mine"].map(public));
    wanted.relations.push(QualifiedName::new("closed", "granted"));
    let catalog = introspect(&session, &wanted).await.expect("a catalog");
    let rights = |table: &Relation| {
        (
            table.may_select,
            table.may_insert,
            table.may_update,
            table.may_delete,
            table.owned,
        )
    };

    let closed = &catalog.relations[&QualifiedName::new("closed", "granted")];
    assert_eq!(rights(closed), (false, false, false, false, false));
    assert!(!closed.columns[0].readable && !closed.columns[0].writable);
    let nothing = &catalog.relations[&public("nothing")];
    assert_eq!(rights(nothing), (false, false, false, false, false));
    assert!(!nothing.columns[0].readable && !nothing.columns[0].writable);
    let some = &catalog.relations[&public("partly")];
    assert_eq!(rights(some), (true, true, false, false, false));
    assert!(some.columns[0].readable && !some.columns[0].writable);
    assert!(!some.columns[1].readable && some.columns[1].writable);
    assert!(!some.has_rows);
    assert_eq!(
        rights(&catalog.relations[&public("full_table")]),
        (true, true, true, true, false)
    );
    let mine = &catalog.relations[&public("mine")];
    assert!(mine.owned && mine.may_delete && mine.owner == role);
}

#[tokio::test]
async fn state_needs_a_schema_that_is_made_or_may_be_made() {
    let database = database("stateschema").await;
    let (mut other, role) = session_of_new_role(&database, "loader").await;
    let store = Store::new("state of ours", "test");
    assert_eq!(
        schema::place(&other, &store).await.expect("a place"),
        Place::Forbidden
    );
    let mut admin = session(&database).await;
    assert_eq!(
        schema::place(&admin, &store).await.expect("a place"),
        Place::Creatable
    );
    database
        .run(&format!("CREATE SCHEMA \"state of ours\" AUTHORIZATION {role}"))
        .await;
    assert_eq!(
        schema::place(&other, &store).await.expect("a place"),
        Place::Prepared
    );
    let namespace = uuid::Uuid::from_u128(1);
    schema::ensure(&mut other, &store, namespace)
        .await
        .expect("state in it");
    assert_eq!(
        schema::presence(&other, &store).await.expect("state"),
        Presence::Present
    );
    // The second one is of a role that may create schemas.
    let own = Store::new("another", "test");
    schema::ensure(&mut admin, &own, namespace).await.expect("state");
    // It is that role's alone.
    let error = schema::presence(&other, &own)
        .await
        .expect_err("a right is missing");
    assert_eq!(error.code(), code::PRIVILEGE_MISSING);
    let findings = error.into_findings();
    let [told] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert!(
        told.message
            .starts_with(&format!("role {role} may not read the state")),
        "{told:?}"
    );
    assert!(
        told.remedy.contains("GRANT ") && told.remedy.contains(&role),
        "{told:?}"
    );
}

/// Where the state was absent when somebody looked, and something is there when it is made.
#[tokio::test]
async fn what_came_into_the_schema_of_the_state_meanwhile_is_recognised() {
    let database = database("statemeanwhile").await;
    let mut session = session(&database).await;
    let namespace = uuid::Uuid::from_u128(1);
    let made = async |session: &mut Session, schema: &str, place| {
        let (store, found) = (Store::new(schema, "test"), (Presence::Absent, place));
        let also = async |_: &Transaction<'_>| Ok(());
        schema::ensure_as_found(session, &store, namespace, found, "", also).await
    };
    assert_eq!(
        made(&mut session, "ours", Place::Creatable).await.expect("state"),
        Some(())
    );
    // Another first start of the same pipeline was there before.
    assert_eq!(
        made(&mut session, "ours", Place::Creatable).await.expect("state"),
        None
    );

    schema::ensure(&mut session, &Store::new("theirs", "another"), namespace)
        .await
        .expect("state");
    let error = made(&mut session, "theirs", Place::Creatable)
        .await
        .expect_err("another pipeline");
    assert_eq!(error.code(), code::IDENTITY_CHANGED);

    database
        .run("CREATE SCHEMA prepared; CREATE TABLE prepared.lease (n int)")
        .await;
    let error = made(&mut session, "prepared", Place::Prepared)
        .await
        .expect_err("a table of somebody");
    assert_eq!(error.code(), code::INTEGRITY);

    database
        .run("CREATE SCHEMA left_over; CREATE TABLE left_over.pipeline (name text, version int4)")
        .await;
    let error = made(&mut session, "left_over", Place::Prepared)
        .await
        .expect_err("nobody's state");
    assert_eq!(error.code(), code::INTEGRITY);
}

#[tokio::test]
async fn row_security_is_that_of_the_role() {
    let database = database("rls").await;
    let (session, role) = session_of_new_role(&database, "guest").await;
    database
        .run(&format!(
            "CREATE TABLE t (id int); INSERT INTO t VALUES (1);
             ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             CREATE POLICY few ON t USING (id > 1);
             GRANT SELECT ON t TO {role};
             CREATE TABLE forced (id int); ALTER TABLE forced OWNER TO {role};
             ALTER TABLE forced ENABLE ROW LEVEL SECURITY; ALTER TABLE forced FORCE ROW LEVEL SECURITY;
             CREATE TABLE owned (id int); ALTER TABLE owned OWNER TO {role};
             ALTER TABLE owned ENABLE ROW LEVEL SECURITY;"
        ))
        .await;
    let wanted = Wanted::only(["t", "forced", "owned"].map(public));
    let catalog = introspect(&session, &wanted).await.expect("a catalog");
    let active = |catalog: &Catalog, name: &str| catalog.relations[&public(name)].row_security;
    assert!(active(&catalog, "t") && active(&catalog, "forced") && !active(&catalog, "owned"));
    // What cannot be looked at may have rows.
    assert!(catalog.relations[&public("t")].has_rows && !catalog.relations[&public("owned")].has_rows);
    assert!(!active(&look(&database, &["t"]).await, "t"));
}

#[tokio::test]
async fn a_locked_table_is_named_as_the_reason() {
    let database = database("locked").await;
    database.run("CREATE TABLE t (id int)").await;
    let holder = database.client().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE t")
        .await
        .expect("the lock");
    let session = session(&database).await;
    let error = introspect(&session, &Wanted::only([public("t")]))
        .await
        .expect_err("no answer");
    assert_eq!(error.code(), code::TARGET_BUSY, "{error}");
    // Without being looked into it is described all the same.
    let wanted = Wanted {
        relations: Vec::new(),
        all: true,
    };
    let catalog = introspect(&session, &wanted).await.expect("a catalog");
    assert!(catalog.relations.contains_key(&public("t")));
    holder
        .batch_execute("ROLLBACK")
        .await
        .expect("the end of the lock");
    introspect(&session, &Wanted::only([public("t")]))
        .await
        .expect("a catalog");
    let timeout = session.query_one("SHOW lock_timeout", &[]).await.expect("a row");
    assert_eq!(timeout.get::<String>(0).expect("a text"), "0");
}
