use driftless_core::name::quote_literal;

use crate::error::{ErrorKind, PgError};
use crate::pipeline::{Pipeline, Request};
use crate::url::{ConnectConfig, SessionAttrs};

/// What every session is set to, as the server prints it. Set after the log-in and read back, because poolers drop
/// what is said at start-up.
const SETTINGS: &[(&str, &str)] = &[
    ("client_encoding", "UTF8"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("lock_timeout", "0"),
    // Filtering by row security becomes an error instead of silently fewer rows.
    ("row_security", "off"),
    ("datestyle", "ISO, YMD"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("timezone", "UTC"),
    ("search_path", "pg_catalog"),
    ("standard_conforming_strings", "on"),
    ("default_transaction_isolation", "read committed"),
];

/// What not all servers have: timeouts (14 and 17), and `jit`, by which every process of a parallel plan compiles expressions of its own.
/// What we ask is asked once, and joins keys: that takes longer than it gains. The view of all settings would know them, too, but in a
/// new session it takes milliseconds.
const OTHERS: &str = "SELECT pg_catalog.set_config(s.name, s.value, false) \
     FROM (VALUES ('jit', 'off'), ('idle_session_timeout', '0'), ('transaction_timeout', '0')) AS s (name, value) \
     WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL";

/// What was learned while setting up.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) version: u32,
    pub(super) backend_pid: i32,
    pub(super) pooled: bool,
    pub(super) in_recovery: bool,
}

/// Makes the settings under the session's name, behind what is to be run before, reads them back, and checks that the server is in
/// the state that was asked for. One round trip.
pub(super) async fn set_up(
    pipeline: &mut Pipeline,
    config: &ConnectConfig,
    application_name: &str,
    met_pid: i32,
    before: Option<&str>,
) -> Result<Settled, PgError> {
    let made = made(application_name);
    let asked = asked();
    let ask = Request::Run {
        sql: &asked,
        params: &[],
        keep_rows: true,
    };
    let mut pending = Vec::new();
    for request in before
        .map(Request::Batch)
        .into_iter()
        .chain([Request::Batch(&made), ask])
    {
        pending.push(pipeline.post_request(&request)?);
    }
    pipeline.flush().await;
    let mut rows = Vec::new();
    for one in &mut pending {
        rows = pipeline.wait(one).await?.rows;
    }
    let place = pipeline.place();

    let row = rows
        .first()
        .ok_or_else(|| PgError::protocol(place, "no answer to a question about settings"))?;
    for (index, (name, wanted)) in SETTINGS.iter().enumerate() {
        let found: String = row.get(index + 4)?;
        if found != *wanted {
            let cause = format!("{name} was set to `{wanted}` and is `{found}`");
            return Err(if row.get::<i32>(1)? == met_pid {
                PgError::new(ErrorKind::Setting, place, cause)
                    .remedy_is("let the role change this setting, or use another role")
            } else {
                transaction_pooler(place, &cause)
            });
        }
    }
    let read_only: bool = row.get(3)?;
    let settled = Settled {
        version: row.get::<i32>(0)?.cast_unsigned(),
        backend_pid: row.get(1)?,
        pooled: row.get::<i32>(1)? != met_pid,
        in_recovery: row.get(2)?,
    };
    check_attrs(config, settled.in_recovery, read_only)?;
    Ok(settled)
}

/// What makes the settings.
fn made(application_name: &str) -> String {
    let mut sql = format!("SET application_name = {};", quote_literal(application_name));
    for (name, value) in SETTINGS {
        // DateStyle is a list: one string in quotes would be one element of it.
        let value = if *name == "datestyle" {
            (*value).to_owned()
        } else {
            format!("'{value}'")
        };
        sql.push_str(&format!("SET {name} = {value};"));
    }
    sql.push_str(OTHERS);
    sql
}

/// What reads them back.
fn asked() -> String {
    let mut sql =
        "SELECT pg_catalog.current_setting('server_version_num')::int4, pg_catalog.pg_backend_pid(), \
         pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only') = 'on'"
            .to_owned();
    for (name, _) in SETTINGS {
        sql.push_str(&format!(", pg_catalog.current_setting('{name}')"));
    }
    sql
}

/// A pooler gives transactions of one session to several of its own.
pub(crate) fn transaction_pooler(place: &str, evidence: &str) -> PgError {
    PgError::new(
        ErrorKind::TransactionPooler,
        place,
        format!("a pooler in transaction mode stands between: {evidence}"),
    )
    .remedy_is("connect directly, or through a pooler in session mode (Supabase: port 5432, not 6543; PgBouncer: pool_mode = session)")
}

fn check_attrs(config: &ConnectConfig, in_recovery: bool, read_only: bool) -> Result<(), PgError> {
    let (fits, wanted) = match config.session_attrs {
        SessionAttrs::Any | SessionAttrs::PreferStandby => (true, ""),
        SessionAttrs::ReadWrite => (!read_only, "read-write"),
        SessionAttrs::ReadOnly => (read_only, "read-only"),
        SessionAttrs::Primary => (!in_recovery, "primary"),
        SessionAttrs::Standby => (in_recovery, "standby"),
    };
    if fits {
        return Ok(());
    }
    let cause = format!("target_session_attrs={wanted}, but this server is not");
    Err(PgError::new(ErrorKind::OtherState, config.place(), cause)
        .remedy_is("connect to the server that is, or drop target_session_attrs"))
}
