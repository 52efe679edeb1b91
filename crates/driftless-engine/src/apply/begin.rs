//! The beginning of loads: what is recorded before the first row is written.

use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{BeginMode, Session, Transaction};

use super::natural::Looking;
use super::{draw, found, merge, moved, natural, record};
use crate::error::Result;
use crate::extract::select::Rows;
use crate::store::chunk::{self, Chunk};
use crate::store::entity::{self, Phase};
use crate::store::execution;
use crate::store::lease::Lease;
use crate::store::{Store, identity};

/// Records entities with their chunks, makes their identity tables and takes over adopted mappings, and notes under which snapshot the
/// execution reads: all or nothing.
pub async fn entities(
    session: &mut Session,
    store: &Store,
    lease: &Lease,
    (execution, snapshot): (i64, &str),
    cut: &[(&EntityPlan, Vec<Chunk>)],
) -> Result<()> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.ahead(&lease.guard(), &[]).await?;
    for (plan, chunks) in cut {
        entity::begin(&tx, store, plan, execution).await?;
        chunk::record(&tx, store, &plan.name, chunks).await?;
        identity::create(&tx, store, plan).await?;
        record::adopt(&tx, store, plan).await?;
    }
    // Last: it locks the execution, whose end somebody else records where any of this fails.
    execution::snapshot(&tx, store, execution, snapshot).await?;
    tx.commit().await?;
    Ok(())
}

/// Records the UUIDs that an entity's keys do not tell: those that the source has, as the run's snapshot shows them, those that
/// are drawn, those of rows that are one, and those of rows that are in the target already. What of these entities holds one
/// that is another now is read again.
pub async fn uuids(
    session: &mut Session,
    source: &Session,
    store: &Store,
    lease: &Lease,
    (all, plan): (&Plan, &EntityPlan),
    entities: &[&EntityPlan],
    looking: Option<&mut Looking<'_, '_>>,
) -> Result<()> {
    let identity = &plan.identity;
    let finds = identity.merge.is_some() || identity.natural_key.is_some();
    if !identity.prerecord && !finds {
        return Ok(());
    }
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.ahead(&lease.guard(), &[]).await?;
    if finds {
        found::forget(&tx, store, plan).await?;
    }
    match (identity.prerecord, &identity.uuid_column) {
        (true, Some(column)) => {
            record::read_column(source, &tx, store, plan, column).await?;
            moved::forget(&tx, store, plan, entities).await?;
        }
        (true, None) => draw::draw(source, &tx, store, plan).await?,
        (false, _) => {}
    }
    if let Some(merge) = &identity.merge {
        merge::groups((source, &tx), store, plan, merge).await?;
    }
    if let (Some(natural), Some(looking)) = (&identity.natural_key, looking) {
        natural::find((source, &tx), store, (all, plan), (natural, looking), Rows::All).await?;
    }
    if finds {
        found::record(&tx, store, (all, plan)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Records which of the rows that are tried again are in the target already. What is recorded stays as it is.
pub async fn matches(
    session: &mut Session,
    source: &Session,
    store: &Store,
    lease: &Lease,
    (all, plan): (&Plan, &EntityPlan),
    looking: &mut Looking<'_, '_>,
    keys: &[String],
) -> Result<()> {
    let Some(natural) = &plan.identity.natural_key else {
        return Ok(());
    };
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.ahead(&lease.guard(), &[]).await?;
    found::begin_again(&tx).await?;
    natural::find(
        (source, &tx),
        store,
        (all, plan),
        (natural, looking),
        Rows::Keys(keys),
    )
    .await?;
    found::record_again(&tx, store, (all, plan)).await?;
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
    let nothing_else = async |_: &Transaction<'_>| Ok(());
    advance_with(session, store, guard, (plans, phase), nothing_else).await
}

/// The same in one transaction with what is `also` to be done.
pub async fn advance_with(
    session: &mut Session,
    store: &Store,
    guard: &str,
    (plans, phase): (&[&EntityPlan], Phase),
    also: impl AsyncFnOnce(&Transaction<'_>) -> Result<()>,
) -> Result<()> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.ahead(guard, &[]).await?;
    for plan in plans {
        entity::advance(&tx, store, &plan.name, phase).await?;
    }
    also(&tx).await?;
    tx.commit().await?;
    Ok(())
}
