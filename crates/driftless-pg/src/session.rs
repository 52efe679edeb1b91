mod cancel;
mod settings;
mod statement;
mod transaction;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

pub use cancel::Canceller;
pub use statement::Description;
pub use transaction::{BeginMode, Transaction};

use crate::copy::{CopyIn, CopyOut};
use crate::error::{ErrorKind, PgError};
use crate::gate::Gate;
use crate::login::log_in;
use crate::param::Param;
use crate::pipeline::{Copied, Pipeline, Request};
use crate::row::Row;
use crate::socket::{Address, Socket};
use crate::url::{ConnectConfig, SessionAttrs, SslMode};
use settings::Settled;
pub(crate) use settings::transaction_pooler;

/// Most bytes that the fields of a row read by COPY may have together, unless the caller says otherwise.
const ROW_LIMIT: usize = 64 * 1024 * 1024;

/// A connection to one server, set up so that values read the same everywhere: UTF-8, UTC, ISO dates, all digits of
/// floats, no timeouts, no silent row security, and nothing but `pg_catalog` on the search path, so that every
/// other name must be qualified.
///
/// Statements of several tasks are sent one behind the other and answered in that order: those that do not depend on each
/// other share a round trip where they are awaited together. A method's future may be dropped at any await: the statement goes on in
/// the server, and the session's next statement waits for its end ([`Session::canceller`] shortens that). After a lost
/// connection every call returns what ended it; make a new session.
///
/// A session that came from a [`Pool`](crate::Pool) goes back there when it is dropped at rest.
pub struct Session {
    /// Present until it is dropped.
    open: Option<Box<Open>>,
    home: Option<Home>,
}

/// Where a session goes that nobody needs any more.
pub(crate) type Home = Box<dyn FnOnce(Session) + Send + Sync>;

/// What a session consists of.
struct Open {
    gate: Gate,
    config: ConnectConfig,
    address: Address,
    place: String,
    process_id: i32,
    secret_key: i32,
    encrypted: bool,
    server: Settled,
}

impl Session {
    /// Connects, logs in and sets up the session. `purpose` shows in `pg_stat_activity` behind the application's name.
    ///
    /// Of several servers the first one that answers, takes connections and is in the state that was asked for; whoever
    /// refuses the user or the encryption ends the search.
    ///
    /// # Errors
    /// Whatever stands between: see [`ErrorKind`]. None is tried again here.
    pub async fn connect(config: &ConnectConfig, purpose: &str) -> Result<Session, PgError> {
        let servers = config.servers();
        let wanted = match config.session_attrs {
            SessionAttrs::PreferStandby if servers.len() > 1 => {
                vec![SessionAttrs::Standby, SessionAttrs::Any]
            }
            other => vec![other],
        };
        let mut failures = Vec::new();
        for session_attrs in wanted {
            failures.clear();
            for server in &servers {
                let server = ConnectConfig {
                    session_attrs,
                    ..server.clone()
                };
                match Session::open(server, purpose).await {
                    Ok(session) => return Ok(session),
                    Err(error) if asks_for_the_next(&error) => failures.push(error),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(none_of_them(config, failures))
    }

    /// Opens a session with one server. Where encryption is a matter of taste, the other way is tried if the server does not
    /// admit this one.
    async fn open(config: ConnectConfig, purpose: &str) -> Result<Session, PgError> {
        let (first, other) = match config.sslmode {
            SslMode::Allow => (SslMode::Disable, Some(SslMode::Require)),
            SslMode::Prefer => (SslMode::Prefer, Some(SslMode::Disable)),
            demanded => (demanded, None),
        };
        let by = |sslmode| ConnectConfig {
            sslmode,
            ..config.clone()
        };
        match (Session::open_once(by(first), purpose).await, other) {
            (Err(error), Some(other)) if is_about_encryption(&error) => {
                // What was refused first tells more than that the other way is no better.
                Session::open_once(by(other), purpose).await.map_err(|_| error)
            }
            (result, _) => result,
        }
    }

    async fn open_once(config: ConnectConfig, purpose: &str) -> Result<Session, PgError> {
        let name = application_name(&config, purpose);
        let opening = async {
            let (socket, address) = Socket::open(&config).await?;
            let encrypted = socket.is_encrypted();
            let login = log_in(&config, socket, &name).await?;
            let mut pipeline = Pipeline::new(login.wire);
            let server = settings::set_up(&mut pipeline, &config, &name, login.process_id, None).await?;
            let open = Open {
                place: config.place(),
                gate: Gate::new(pipeline),
                config: config.clone(),
                address,
                process_id: login.process_id,
                secret_key: login.secret_key,
                encrypted,
                server,
            };
            Ok(Session {
                open: Some(Box::new(open)),
                home: None,
            })
        };
        within(&config, opening).await
    }

    fn inner(&self) -> &Open {
        self.open.as_ref().expect("taken only by drop")
    }

    fn inner_mut(&mut self) -> &mut Open {
        self.open.as_mut().expect("taken only by drop")
    }

    /// The wire as it stands.
    fn pipeline(&mut self) -> &mut Pipeline {
        self.inner_mut().gate.own()
    }

    /// The same session, which goes there when it is dropped at rest.
    pub(crate) fn at_home(mut self, home: Home) -> Session {
        self.home = Some(home);
        self
    }

    /// Forgets everything that was set, prepared, locked or made for the session, and sets it up anew.
    pub(crate) async fn renew(&mut self, purpose: &str) -> Result<(), PgError> {
        let Open {
            gate,
            config,
            process_id,
            server,
            ..
        } = self.inner_mut();
        let name = application_name(config, purpose);
        let pipeline = gate.own();
        let renewing = async {
            // Behind a rollback that is not answered it follows at once.
            if !pipeline.is_at_rest() {
                pipeline.settle().await?;
            }
            settings::set_up(pipeline, config, &name, *process_id, Some("DISCARD ALL")).await
        };
        *server = within(config, renewing).await?;
        Ok(())
    }

    /// How to reach this very server again, wherever its name leads to by then.
    pub(crate) fn here(&self) -> ConnectConfig {
        self.inner().config.clone().pinned(self.inner().address.ip())
    }

    /// `server_version_num`, such as 150018.
    pub fn server_version(&self) -> u32 {
        self.inner().server.version
    }

    /// The process that serves this session, as `pg_stat_activity` knows it.
    pub fn backend_pid(&self) -> i32 {
        self.inner().server.backend_pid
    }

    /// Whether a pooler stands between: the process that serves is not the one that was met at log-in.
    pub fn is_pooled(&self) -> bool {
        self.inner().server.pooled
    }

    /// Whether the server is a standby.
    pub fn in_recovery(&self) -> bool {
        self.inner().server.in_recovery
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.inner().encrypted
    }

    /// `user@host:port/database`.
    pub fn place(&self) -> &str {
        &self.inner().place
    }

    /// Whether the connection is known to have ended. `false` promises nothing.
    pub fn is_closed(&self) -> bool {
        self.inner().gate.peek().is_some_and(|mut wire| !wire.is_alive())
    }

    /// Runs one or more statements without parameters, and throws their rows away. Several are one transaction
    /// unless they say otherwise.
    ///
    /// # Errors
    /// The first refusal; what follows it was not run.
    pub async fn batch(&self, sql: &str) -> Result<(), PgError> {
        self.inner().gate.run(Request::Batch(sql)).await.map(drop)
    }

    /// Runs one statement; its rows in binary form. One round trip at most, and no prepared statement is left behind.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn query(&self, sql: &str, params: &[Param]) -> Result<Vec<Row>, PgError> {
        let keep_rows = true;
        let request = Request::Run {
            sql,
            params,
            keep_rows,
        };
        Ok(self.inner().gate.run(request).await?.rows)
    }

    /// Runs one statement that gives one row at most.
    ///
    /// # Errors
    /// What the server refuses; [`ErrorKind::Usage`] if there are several rows.
    pub async fn query_opt(&self, sql: &str, params: &[Param]) -> Result<Option<Row>, PgError> {
        let mut rows = self.query(sql, params).await?;
        if rows.len() > 1 {
            return Err(self.usage(format!("one row was expected, {} came", rows.len())));
        }
        Ok(rows.pop())
    }

    /// Runs one statement that gives exactly one row.
    ///
    /// # Errors
    /// What the server refuses; [`ErrorKind::Usage`] if there is no row, or several.
    pub async fn query_one(&self, sql: &str, params: &[Param]) -> Result<Row, PgError> {
        self.query_opt(sql, params)
            .await?
            .ok_or_else(|| self.usage("one row was expected, none came".to_owned()))
    }

    /// Runs one statement and throws its rows away; how many rows it touched, 0 where that means nothing.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn execute(&self, sql: &str, params: &[Param]) -> Result<u64, PgError> {
        let keep_rows = false;
        let request = Request::Run {
            sql,
            params,
            keep_rows,
        };
        Ok(self.inner().gate.run(request).await?.affected)
    }

    /// Runs statements without parameters one behind the other, all in one round trip, and throws their rows away. Unlike
    /// [`Session::batch`] it does not wait for the beginning of its transaction. In a transaction only.
    ///
    /// # Errors
    /// The first refusal; what follows it was not run.
    pub async fn each<S: AsRef<str>>(&self, statements: &[S]) -> Result<(), PgError> {
        let Some((last, before)) = statements.split_last() else {
            return Ok(());
        };
        for statement in before {
            self.ahead(statement.as_ref(), &[]).await?;
        }
        self.execute(last.as_ref(), &[]).await.map(drop)
    }

    /// What a statement wants and gives, without running it: types of its parameters (those beyond `param_types`,
    /// and those that are 0 there, are inferred) and columns of its result. Several statements are refused.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn describe(&self, sql: &str, param_types: &[u32]) -> Result<Description, PgError> {
        let request = Request::Describe { sql, param_types };
        Ok(self.inner().gate.run(request).await?.into())
    }

    /// Starts a `COPY … TO STDOUT (FORMAT binary)`. Rows whose fields have more than 64 MiB together are marked.
    ///
    /// # Errors
    /// What the server refuses; [`ErrorKind::Usage`] for any other statement.
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOut<'_>, PgError> {
        self.copy_out_limited(sql, ROW_LIMIT).await
    }

    /// The same with another limit for the bytes of a row.
    ///
    /// # Errors
    /// As [`Session::copy_out`].
    pub async fn copy_out_limited(&self, sql: &str, max_row_bytes: usize) -> Result<CopyOut<'_>, PgError> {
        let wire = self.inner().gate.enter().await?;
        CopyOut::start(self.inner().gate.keep(wire), sql, max_row_bytes).await
    }

    /// Starts a `COPY … FROM STDIN (FORMAT binary)`.
    ///
    /// # Errors
    /// What the server refuses; [`ErrorKind::Usage`] for any other statement.
    pub async fn copy_in(&self, sql: &str) -> Result<CopyIn<'_>, PgError> {
        let wire = self.inner().gate.enter().await?;
        CopyIn::start(self.inner().gate.keep(wire), sql).await
    }

    /// Sends so many rows, without header and trailer, by a `COPY … FROM STDIN (FORMAT binary)`, and does not wait for
    /// the answer: that is read before a batch or a COPY of another kind, or by [`Session::copied`]; statements may follow it at once. Rows
    /// that follow by the same statement, with nothing in between, are of the same COPY. In a transaction only, which a refusal fails with
    /// all that was sent behind it.
    ///
    /// # Errors
    /// What an earlier one was refused for, or a lost connection. [`ErrorKind::Usage`] outside of a transaction.
    pub async fn copy_ahead(&self, sql: &str, stream: Bytes, rows: u64) -> Result<(), PgError> {
        self.inner().gate.copy(sql, stream, rows).await
    }

    /// Sends a statement with the next one that somebody waits for, or with the commit: its rows are thrown away, and what it
    /// is refused for is told by whichever call reads the answer. In a transaction only, which a refusal fails.
    ///
    /// # Errors
    /// What was sent ahead before and refused, or a lost connection. [`ErrorKind::Usage`] outside of a transaction.
    pub async fn ahead(&self, sql: &str, params: &[Param]) -> Result<(), PgError> {
        self.inner().gate.ahead(sql, params).await
    }

    /// The same for statements of the simple protocol, of which there may be several. They must not end the transaction.
    ///
    /// # Errors
    /// As [`Session::ahead`].
    pub async fn batch_ahead(&self, sql: &str) -> Result<(), PgError> {
        self.inner().gate.batch_ahead(sql).await
    }

    /// Waits for the answers to all COPYs that were sent ahead: what became of those since this was asked last.
    ///
    /// # Errors
    /// What one of them was refused for, or a lost connection.
    pub async fn copied(&self) -> Result<Vec<Copied>, PgError> {
        self.inner().gate.copied().await
    }

    /// What stops this session's running statement from elsewhere.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(
            self.inner().config.clone(),
            self.inner().address.clone(),
            self.inner().process_id,
            self.inner().secret_key,
        )
    }

    /// Brings the session to rest: what is under way ends, and a transaction that was dropped is rolled back now and not before the
    /// next statement.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn rest(&mut self) -> Result<(), PgError> {
        self.pipeline().settle().await
    }

    /// Begins a transaction. It rolls back unless it is committed.
    ///
    /// # Errors
    /// What the server refuses, such as a snapshot that is gone; [`ErrorKind::Usage`] within a transaction that
    /// was begun by [`Session::batch`].
    pub async fn begin(&mut self, mode: BeginMode) -> Result<Transaction<'_>, PgError> {
        Transaction::begin(self, mode).await
    }

    fn usage(&self, cause: String) -> PgError {
        PgError::new(ErrorKind::Usage, self.place(), cause)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let wire = open.gate.own();
        match self.home.take() {
            // One that is in the middle of something is closed: the server ends what it was doing.
            Some(home) if wire.is_at_rest() => home(Session {
                open: Some(open),
                home: None,
            }),
            _ => wire.farewell(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({}, pid {})", self.place(), self.backend_pid())
    }
}

/// Bounds the time to connect as the connection string says.
async fn within<T>(
    config: &ConnectConfig,
    work: impl Future<Output = Result<T, PgError>>,
) -> Result<T, PgError> {
    let Some(limit) = config.connect_timeout else {
        return work.await;
    };
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(no_answer(config, limit)))
}

fn application_name(config: &ConnectConfig, purpose: &str) -> String {
    let application = config.application_name.as_deref().unwrap_or("driftless");
    format!("{application} {purpose}").trim_end().to_owned()
}

/// Whether it may be another matter with encryption, or without.
fn is_about_encryption(error: &PgError) -> bool {
    let not_admitted = |error: &PgError| {
        error
            .server()
            .is_some_and(|server| server.message.contains("pg_hba.conf"))
    };
    error.kind() == ErrorKind::Tls || not_admitted(error)
}

/// Whether another server of the same connection string may do better.
fn asks_for_the_next(error: &PgError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unreachable | ErrorKind::Full | ErrorKind::OtherState
    )
}

/// One error for all servers that were tried.
fn none_of_them(config: &ConnectConfig, mut failures: Vec<PgError>) -> PgError {
    if failures.len() == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    let kind = failures.first().map_or(ErrorKind::Unreachable, PgError::kind);
    let kind = if failures.iter().all(|failure| failure.kind() == kind) {
        kind
    } else {
        ErrorKind::Unreachable
    };
    let told: Vec<String> = failures
        .iter()
        .map(|failure| format!("{}: {}", failure.place(), failure.cause()))
        .collect();
    PgError::new(
        kind,
        config.place(),
        format!("none of the servers will do; {}", told.join("; ")),
    )
    .remedy_is("check each of them, and target_session_attrs if it is given")
}

fn no_answer(config: &ConnectConfig, limit: Duration) -> PgError {
    let cause = format!("no connection within {} s", limit.as_secs());
    PgError::new(ErrorKind::Unreachable, config.place(), cause).remedy_is(
        "check host, port and firewalls; connect_timeout=SECONDS in the connection string waits longer",
    )
}
