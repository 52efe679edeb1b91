//! Sessions, transactions, COPY and TLS against real servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ahead;
mod copy;
mod fault;
mod hosts;
mod login;
mod pool;
mod pooler;
mod session;
mod tls;
mod transaction;

use driftless_pg::{ConnectConfig, PgError, Session};
use driftless_testkit::TestDatabase;

/// A session by a connection string that must be right.
async fn connect(url: &str) -> Session {
    try_connect(url).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn try_connect(url: &str) -> Result<Session, PgError> {
    Session::connect(&ConnectConfig::parse(url)?, "test").await
}

/// A fresh database and a session in it.
async fn fresh(hint: &str) -> (TestDatabase, Session) {
    let database = TestDatabase::create(&driftless_testkit::servers().target, hint).await;
    let session = connect(&database.url()).await;
    (database, session)
}

/// The one value of a query.
async fn one<T: driftless_pg::FromRaw>(session: &Session, sql: &str) -> T {
    let row = session.query_one(sql, &[]).await;
    row.and_then(|row| row.get(0))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The error that must have come instead of a value.
fn refused<T>(result: Result<T, PgError>) -> PgError {
    result.err().unwrap_or_else(|| panic!("it was not refused"))
}
