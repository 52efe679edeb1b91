//! The beginning of loads: what is recorded before the first row is written.

use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{BeginMode, Session};

use super::{draw, merge, moved, record};
use crate::error::Result;
use crate::store::chunk::{self, Chunk};
use crate::store::entity::{self, Phase};
use crate::store::lease::Lease;
use crate::store::{Store, identity};

/// Records entities with their chunks, makes their identity tables and takes over adopted mappings: all or nothing.
pub async fn entities(
    session: &mut Session,
    store: &Store,
    lease: &Lease,
    execution: i64,
    cut: &[(&EntityPlan, Vec<Chunk>)],
) -> Result<()> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.batch(&lease.guard()).await?;
    for (plan, chunks) in cut {
        entity::begin(&tx, store, plan, execution).await?;
        chunk::record(&tx, store, &plan.name, chunks).await?;
        identity::create(&tx, store, plan).await?;
        record::adopt(&tx, store, plan).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Records the UUIDs that an entity's keys do not tell: those that the source has, as the run's snapshot shows them, those that
/// are drawn, and those of rows that are one. What of these entities holds one that is another now is read again.
pub async fn uuids(
    session: &mut Session,
    source: &Session,
    store: &Store,
    lease: &Lease,
    (all, plan): (&Plan, &EntityPlan),
    entities: &[&EntityPlan],
) -> Result<()> {
    let merge = plan.identity.merge.as_ref();
    if !plan.identity.prerecord && merge.is_none() {
        return Ok(());
    }
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.batch(&lease.guard()).await?;
    if merge.is_some() {
        merge::forget(&tx, store, plan).await?;
    }
    match (plan.identity.prerecord, &plan.identity.uuid_column) {
        (true, Some(column)) => {
            record::read_column(source, &tx, store, plan, column).await?;
            moved::forget(&tx, store, plan, entities).await?;
        }
        (true, None) => draw::draw(source, &tx, store, plan).await?,
        (false, _) => {}
    }
    if let Some(merge) = merge {
        merge::record(source, &tx, store, (all, plan, merge)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Moves entities to a phase together: what is half proven is not done.
pub async fn advance(
    session: &mut Session,
    store: &Store,
    guard: &str,
    plans: &[&EntityPlan],
    phase: Phase,
) -> Result<()> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.batch(guard).await?;
    for plan in plans {
        entity::advance(&tx, store, &plan.name, phase).await?;
    }
    tx.commit().await?;
    Ok(())
}
