//! Facts about the server and the role.

use std::collections::BTreeMap;

use driftless_core::catalog::{Catalog, EventTrigger, ServerFacts};
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_pg::{Param, Session};

use super::detail::trigger_mode;
use crate::error::{EngineError, Result};

const SERVER: &str = include_str!("sql/server.sql");
const EVENT_TRIGGERS: &str = include_str!("sql/event_triggers.sql");

/// Settings that decide how a long copy goes, or what others see of its result.
const SETTINGS: [&str; 8] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "extra_float_digits",
    "default_transaction_read_only",
    "max_standby_streaming_delay",
    "hot_standby_feedback",
    "wal_level",
];

/// A catalog without relations.
pub(super) async fn facts(session: &Session) -> Result<Catalog> {
    let server = async { Ok(session.query_one(SERVER, &[]).await?) };
    let (row, settings, event_triggers) =
        tokio::try_join!(server, settings(session), event_triggers(session))?;
    let version: i32 = row.get(0)?;
    let server_version = u32::try_from(version).map_err(|_| {
        EngineError::new(
            code::INTERNAL,
            "introspection",
            format!("server_version_num is {version}"),
        )
    })?;
    Ok(Catalog {
        server_version,
        encoding: row.get(1)?,
        role: row.get(2)?,
        superuser: row.get(3)?,
        bypass_rls: row.get(4)?,
        may_create_temp: row.get(5)?,
        may_create_schema: row.get(6)?,
        read_only: row.get(7)?,
        money_digits: row.get(8)?,
        server: ServerFacts {
            standby: row.get(9)?,
            supabase: row.get(10)?,
            settings,
            event_triggers,
            publications_of_all: row.get(11)?,
        },
        ..Catalog::default()
    })
}

/// What a session of this role has before anything is set: `reset_val`, since ours sets its own.
async fn settings(session: &Session) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT s.name, CASE WHEN s.unit IN ('ms', 's') AND s.reset_val <> '0' THEN s.reset_val || ' ' || s.unit ELSE s.reset_val END \
               FROM pg_catalog.pg_settings AS s WHERE s.name = ANY ($1::text[])";
    let mut found = BTreeMap::new();
    for row in session.query(sql, &[Param::text_array(&SETTINGS)]).await? {
        found.insert(row.get(0)?, row.get(1)?);
    }
    Ok(found)
}

async fn event_triggers(session: &Session) -> Result<Vec<EventTrigger>> {
    let mut found = Vec::new();
    for row in session.query(EVENT_TRIGGERS, &[]).await? {
        found.push(EventTrigger {
            name: row.get(0)?,
            event: row.get(1)?,
            mode: trigger_mode(&row.get::<String>(2)?),
            function: QualifiedName::new(row.get::<String>(3)?, row.get::<String>(4)?),
            notifies: row.get(5)?,
        });
    }
    Ok(found)
}
