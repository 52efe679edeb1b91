//! Sessions of the crate under test into the databases of the test kit.

use driftless_pg::{ConnectConfig, Session};
use driftless_testkit::{TestDatabase, servers};

/// An empty database on the target's server.
pub(crate) async fn database(hint: &str) -> TestDatabase {
    TestDatabase::create(&servers().target, hint).await
}

/// A session of the superuser.
pub(crate) async fn session(database: &TestDatabase) -> Session {
    connect(&database.url()).await
}

/// A new role that may log in, and its session. Roles belong to the whole server: the database's name makes it unique.
pub(crate) async fn session_of_new_role(database: &TestDatabase, hint: &str) -> (Session, String) {
    let role = format!("{hint}_{}", database.name());
    database
        .run(&format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"))
        .await;
    (session_as(database, &role).await, role)
}

/// Another session of a role made by [`session_of_new_role`].
pub(crate) async fn session_as(database: &TestDatabase, role: &str) -> Session {
    connect(&database.url_as(role, PASSWORD)).await
}

/// The database's URL for a role made by [`session_of_new_role`].
pub(crate) fn url_as(database: &TestDatabase, role: &str) -> String {
    database.url_as(role, PASSWORD)
}

const PASSWORD: &str = "let me in";

async fn connect(url: &str) -> Session {
    let config = ConnectConfig::parse(url).expect("a URL");
    Session::connect(&config, "test").await.expect("a session")
}
