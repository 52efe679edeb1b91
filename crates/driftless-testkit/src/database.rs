use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::thread;

use tokio::runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::servers::Server;

/// Longest part of a database's name that its hint may fill; PostgreSQL cuts names at 63 bytes.
const HINT_BYTES: usize = 40;

/// A database of one test: made empty, dropped with this value even while sessions hold it open.
pub struct TestDatabase {
    server: Server,
    name: String,
}

impl TestDatabase {
    /// Creates a database (UTF8, C locale) with a name of its own that begins with `hint`.
    ///
    /// # Panics
    ///
    /// The server refuses.
    pub async fn create(server: &Server, hint: &str) -> Self {
        let hint: String = hint
            .to_lowercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(HINT_BYTES)
            .collect();
        let name = format!("{hint}_{:016x}", RandomState::new().hash_one(std::process::id()));
        let admin = connect(&server.admin_url()).await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
        run(&admin, &sql).await;
        Self {
            server: server.clone(),
            name,
        }
    }

    /// Its name, which needs no quoting.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it lives on.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its URL for the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Its URL for any role.
    #[must_use]
    pub fn url_as(&self, role: &str, password: &str) -> String {
        self.server.url_as(role, password, &self.name)
    }

    /// A session of the superuser in it.
    ///
    /// # Panics
    ///
    /// The server refuses.
    pub async fn client(&self) -> Client {
        connect(&self.url()).await
    }

    /// A session of any role in it.
    ///
    /// # Panics
    ///
    /// The server refuses.
    pub async fn client_as(&self, role: &str, password: &str) -> Client {
        connect(&self.url_as(role, password)).await
    }

    /// Runs a script of any number of statements as the superuser, in one batch.
    ///
    /// # Panics
    ///
    /// A statement fails; the server's whole answer is in the message.
    pub async fn run(&self, sql: &str) {
        run(&self.client().await, sql).await;
    }

    /// One value, as PostgreSQL writes it, or `None` for a null.
    ///
    /// # Panics
    ///
    /// The query fails or does not return one row with one column.
    pub async fn value(&self, sql: &str) -> Option<String> {
        let client = self.client().await;
        let sql = format!("SELECT (one).value::text FROM ({sql}) AS one(value)");
        let row = client.query_one(&sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{}\n{sql}", in_full(&error)))
            .get(0)
    }

    /// Every row of the answer, as PostgreSQL writes the values. Of several statements, the rows of all.
    ///
    /// # Panics
    ///
    /// A statement fails.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let answer = self.client().await.simple_query(sql).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}\n{sql}", in_full(&error)));
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|column| row.get(column).map(str::to_owned));
                Some(values.collect())
            }
            _ => None,
        };
        answer.into_iter().filter_map(row).collect()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let url = self.server.admin_url();
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread with a runtime of its own: this one may be inside a runtime already, or past its end.
        let dropped = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                // The server may be gone, stopped by the test itself; so is the database then.
                if let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await {
                    tokio::spawn(connection);
                    drop_database(&client, &sql).await;
                }
            });
        });
        if dropped.join().is_err() && !thread::panicking() {
            panic!("the database {} could not be dropped", self.name);
        }
    }
}

/// How often the server is asked: it waits five seconds each time for the sessions that it ends.
const MOST_DROPS: u32 = 6;

/// Drops a database. On a busy machine sessions take longer to end than the server waits for them.
async fn drop_database(client: &Client, sql: &str) {
    for _ in 1..MOST_DROPS {
        match client.batch_execute(sql).await {
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => {}
            Err(error) => panic!("{}", in_full(&error)),
            Ok(()) => return,
        }
    }
    run(client, sql).await;
}

async fn connect(url: &str) -> Client {
    let outcome = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) = outcome.unwrap_or_else(|error| panic!("no connection: {}", in_full(&error)));
    tokio::spawn(connection);
    client
}

async fn run(client: &Client, sql: &str) {
    if let Err(error) = client.batch_execute(sql).await {
        panic!("{}", in_full(&error));
    }
}

/// The server's own words, which the driver's error leaves out.
fn in_full(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!(
            "{} {} detail: {} where: {} position: {:?}",
            db.code().code(),
            db.message(),
            db.detail().unwrap_or("-"),
            db.where_().unwrap_or("-"),
            db.position(),
        ),
        None => error.to_string(),
    }
}
