use std::cmp::Reverse;
use std::collections::BTreeSet;

use driftless_core::name::{QualifiedName, quote_literal};
use driftless_core::plan::aside::{AsideItem, AsideKind};
use driftless_pg::{Session, Transaction};

use super::presence::{self, Presence};
use super::{Failure, Work};
use crate::apply::guarded;
use crate::error::{InContext as _, Result};
use crate::preflight::busy;
use crate::store::aside::{AsideRecord, AsideState, Scope, mark};

/// Runs the quick statements of everything in one transaction: nearly always everything goes through at once, and only otherwise
/// each thing goes behind a savepoint.
pub(super) async fn run(sessions: &mut [Session], scope: &Scope<'_>, work: &mut Work) -> Result<()> {
    let pending = work.pending.iter();
    let order = order(pending.filter(|(record, _)| !work.failed(record.seq)));
    let control = &mut sessions[0];
    let tables = tables(&order);
    if at_once(control, scope, &order, &tables).await? {
        return Ok(());
    }
    let tx = guarded::ddl(control, scope).await?;
    // Where nothing needs its table alone this is an empty statement.
    if let Err(error) = tx.batch(&busy::lock_sql(&tables)).await {
        tx.rollback().await?;
        return Err(if busy::timed_out(&error) {
            busy::error(control, &tables).await?
        } else {
            error.into()
        });
    }
    let mut done = Vec::new();
    let mut failures = Vec::new();
    for (record, presence) in order {
        match tx.batch(&behind_savepoint(&record.item, presence)).await {
            Ok(()) => done.extend(is_whole(record, presence).then_some(record.seq)),
            Err(error) if guarded::concerns_item(&error) => {
                tx.batch("ROLLBACK TO SAVEPOINT item").await?;
                failures.push(Failure::refused(record, &error));
            }
            Err(error) => {
                tx.rollback().await?;
                return Err(super::stopped(control, error, record).await?);
            }
        }
    }
    conclude(tx, scope, &done, &failures).await?;
    work.failures.extend(failures);
    Ok(())
}

/// Attaches what has no index to be built without looking for it first: nearly always nothing of it is there, and where something is
/// PostgreSQL refuses to add it again. What is there of all that, unless all of it is attached by then: `work` tells so.
pub(super) async fn unseen(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    records: &[AsideRecord],
    work: &mut Work,
) -> Result<Option<Vec<Presence>>> {
    let (control, others) = sessions.split_first_mut().ok_or_else(super::no_session)?;
    // An exclusion builds its index as it is added, which takes long and may be refused.
    let is_quick =
        |record: &AsideRecord| record.item.build.is_none() && record.item.kind != AsideKind::Exclusion;
    if let Some(other) = others.first_mut()
        && records.iter().all(is_quick)
    {
        let absent: Vec<(AsideRecord, Presence)> = records
            .iter()
            .map(|record| (record.clone(), Presence::default()))
            .collect();
        let order = order(absent.iter());
        let tables = tables(&order);
        // How large tables are is all that is left to know.
        let (attached, sizes) = tokio::join!(
            at_once(control, scope, &order, &tables),
            presence::sizes(other, records)
        );
        if attached? {
            work.pending = records.iter().cloned().zip(sizes?).collect();
            return Ok(None);
        }
    }
    Ok(Some(presence::look(control, records).await?))
}

/// The reverse of dropping, also across what several runs recorded.
fn order<'r>(pending: impl Iterator<Item = &'r (AsideRecord, Presence)>) -> Vec<&'r (AsideRecord, Presence)> {
    let mut order: Vec<_> = pending.collect();
    order.sort_by_key(|(record, _)| Reverse((record.item.kind, record.seq)));
    order
}

/// Tries everything together; false where something was refused, which leaves no trace.
async fn at_once(
    session: &mut Session,
    scope: &Scope<'_>,
    order: &[&(AsideRecord, Presence)],
    tables: &[&QualifiedName],
) -> Result<bool> {
    let tx = guarded::ddl(session, scope).await?;
    if !tables.is_empty() {
        tx.ahead(&busy::lock_sql(tables), &[]).await?;
    }
    let mut done = Vec::new();
    for (record, presence) in order {
        for statement in placed(&record.item, presence) {
            tx.ahead(&statement, &[]).await?;
        }
        done.extend(is_whole(record, presence).then_some(record.seq));
    }
    mark(&tx, scope, &done, AsideState::Restored, None).await?;
    match tx.commit().await {
        Ok(()) => Ok(true),
        Err(error) if guarded::concerns_item(&error) => Ok(false),
        Err(error) if busy::timed_out(&error) => Err(busy::error(session, tables).await?),
        Err(error) => Err(error).context("putting constraints and triggers back"),
    }
}

/// Whether a thing is back when its quick statements have run.
fn is_whole(record: &AsideRecord, presence: &Presence) -> bool {
    record.item.validate.is_none() || presence.is_validated(&record.item)
}

async fn conclude(tx: Transaction<'_>, scope: &Scope<'_>, done: &[i32], failures: &[Failure]) -> Result<()> {
    mark(&tx, scope, done, AsideState::Restored, None).await?;
    for failure in failures {
        let seqs = [failure.record.seq];
        mark(&tx, scope, &seqs, AsideState::Failed, Some(&failure.reason)).await?;
    }
    Ok(tx.commit().await?)
}

/// Tables whose shape is changed, in one order for everybody.
fn tables<'r>(order: &[&'r (AsideRecord, Presence)]) -> Vec<&'r QualifiedName> {
    let tables: BTreeSet<&QualifiedName> = order
        .iter()
        .filter(|(record, presence)| {
            record.item.needs_table_alone() && !statements(&record.item, presence).is_empty()
        })
        .map(|(record, _)| &record.item.table)
        .collect();
    tables.into_iter().collect()
}

fn behind_savepoint(item: &AsideItem, presence: &Presence) -> String {
    let statements = placed(item, presence).join(";\n");
    format!("SAVEPOINT item;\n{statements};\nRELEASE SAVEPOINT item")
}

/// What is left to run, in the tablespace that it was in.
fn placed(item: &AsideItem, presence: &Presence) -> Vec<String> {
    let tablespace = quote_literal(&item.tablespace);
    let mut placed = vec![format!("SET LOCAL default_tablespace = {tablespace}")];
    placed.extend(statements(item, presence).iter().cloned());
    placed
}

/// What is left to run: a constraint that is back already is not added again, what is said of it is said again.
fn statements<'i>(item: &'i AsideItem, presence: &Presence) -> &'i [String] {
    let added = presence.has_constraint(item);
    &item.restore[usize::from(added && !item.restore.is_empty())..]
}
