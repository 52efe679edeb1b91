//! The beginning of loads: what is recorded before the first row is written.

use driftless_core::plan::EntityPlan;
use driftless_pg::{BeginMode, Session};

use super::{draw, moved, record};
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

/// Records the UUIDs that the source has for an entity, as the run's snapshot shows them, or draws those that are missing. What of
/// these entities holds one that is another now is read again.
pub async fn uuids(
    session: &mut Session,
    source: &Session,
    store: &Store,
    lease: &Lease,
    plan: &EntityPlan,
    entities: &[&EntityPlan],
) -> Result<()> {
    if !plan.identity.prerecord {
        return Ok(());
    }
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.batch(&lease.guard()).await?;
    match &plan.identity.uuid_column {
        Some(column) => {
            record::read_column(source, &tx, store, plan, column).await?;
            moved::forget(&tx, store, plan, entities).await?;
        }
        None => draw::draw(source, &tx, store, plan).await?,
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
