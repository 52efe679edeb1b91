//! Removes the state, naming it first. Identities go only when that is said.

use driftless_core::code;
use driftless_core::spec::Spec;
use driftless_pg::{Param, Session};

use super::prepare::endpoints;
use super::report::TeardownReport;
use crate::error::{EngineError, Result};
use crate::store::lease::{self, Lease};
use crate::store::schema::{self, Presence, presence};
use crate::store::{Store, aside};

/// What a teardown would remove. Tables of the state are counted: they hold what runs left on record, and no rows of theirs.
pub async fn preview(spec: &Spec) -> Result<TeardownReport> {
    let (session, store) = open(spec).await?;
    let rows = session
        .query(
            "SELECT c.relname::text, greatest(c.reltuples, 0)::int8 FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r' \
             AND c.relname NOT IN ('pipeline', 'lease') ORDER BY 1",
            &[Param::text(store.schema())],
        )
        .await?;
    let (_, target) = endpoints(spec)?;
    let mut report = TeardownReport {
        pipeline: store.pipeline().to_owned(),
        state_schema: store.schema().to_owned(),
        target: target.place(),
        state: Vec::new(),
        identities: Vec::new(),
        set_aside: Vec::new(),
    };
    for row in &rows {
        let (name, estimate): (String, i64) = (row.get(0)?, row.get(1)?);
        let map = name.starts_with("identity_") || name.starts_with("recorded_");
        if map {
            report.identities.push((name, estimate));
            continue;
        }
        let sql = format!("SELECT pg_catalog.count(*) FROM {}", store.table(&name).sql());
        let counted: i64 = session.query_one(&sql, &[]).await?.get(0)?;
        if counted > 0 {
            report.state.push((name, counted));
        }
    }
    for record in aside::outstanding(&session, &store).await? {
        report
            .set_aside
            .push((record.item.table.to_string(), record.item.name));
    }
    Ok(report)
}

/// Removes the state; with `forget_identities` the map from legacy keys to the target's too, which cannot be undone.
pub async fn remove(spec: &Spec, forget_identities: bool) -> Result<TeardownReport> {
    let (session, store) = open(spec).await?;
    // What is set aside by a load under way comes back by itself.
    lease::refuse_if_alive(&session, &store).await?;
    drop(session);
    let report = preview(spec).await?;
    if let Some((table, name)) = report.set_aside.first() {
        return Err(EngineError::new(
            code::RESTORE_FAILED,
            format!("table {table}"),
            format!("{name} is still set aside, and only the state knows it"),
        )
        .remedy("run `driftless migrate` to its end, or `driftless migrate --abandon`"));
    }
    let (mut session, store) = open(spec).await?;
    let lease = Lease::acquire(&mut session, &store, "driftless teardown", None).await?;
    let guard = lease.guard();
    if forget_identities {
        schema::drop(&mut session, &store, &guard).await?;
    } else {
        schema::drop_all_but_identities(&mut session, &store, &guard).await?;
    }
    Ok(report)
}

async fn open(spec: &Spec) -> Result<(Session, Store)> {
    let (_, target) = endpoints(spec)?;
    let store = Store::new(spec.pipeline.state_schema.clone(), spec.pipeline.name.clone());
    let session = target.session("teardown").await?;
    if presence(&session, &store).await? == Presence::Absent {
        return Err(EngineError::new(
            code::NOTHING_TO_DO,
            format!("pipeline {}", store.pipeline()),
            "the target has no state of it",
        )
        .remedy(
            "nothing need be removed; look whether `[pipeline] name` and `state_schema` are those of the run",
        ));
    }
    Ok((session, store))
}
