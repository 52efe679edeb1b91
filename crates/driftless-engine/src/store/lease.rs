//! One writer. The lock is a lease with an epoch: every transaction that writes checks its epoch FOR SHARE; taking over
//! bumps the epoch, which waits for transactions in flight and refuses all later ones, and ends the holder's back ends.
//!
//! A lease is alive while its holder beats and its control session exists. After kill -9 the server notices the closed
//! socket at once, so the next start need not wait for the beat to expire.

use std::time::Duration;

use driftless_core::code;
use driftless_pg::{BeginMode, Param, Session, Transaction};

use super::Store;
use crate::error::{EngineError, LEASE_LOST_STATE, Result};

/// How often the holder beats.
pub const BEAT: Duration = Duration::from_secs(5);

/// How long a silent holder is believed to be alive: three beats and a half, so that one lost beat is not a death.
const EXPIRY_SECONDS: i32 = 18;

/// A held lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    store: Store,
    epoch: i64,
}

impl Lease {
    /// The epoch.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The statement with which every writing transaction begins: fails when somebody has taken over, and holds off
    /// whoever wants to until the transaction ends.
    pub fn guard(&self) -> String {
        // A plain SELECT would only return no row; raising makes it an error that no later statement outlives.
        self.store.sql(&format!(
            "DO $guard$ BEGIN PERFORM FROM {{state}}.lease WHERE pipeline = {{pipeline}} AND epoch = {} FOR SHARE; \
             IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = '{LEASE_LOST_STATE}', MESSAGE = 'the lease was taken over'; END IF; END $guard$",
            self.epoch
        ))
    }

    /// Takes the lease of a pipeline whose state this transaction makes, with its commit: nobody else can have held it.
    pub async fn first(tx: &Transaction<'_>, store: &Store, holder: &str) -> Result<Lease> {
        raise(tx, store).await?;
        Lease::hold(tx, store, holder, 1).await
    }

    /// Takes the lease with the control session, or says who holds it. A holder of the epoch `former` is ourselves before the
    /// connections were lost, whatever its server still believes of it.
    pub async fn acquire(
        control: &mut Session,
        store: &Store,
        holder: &str,
        former: Option<i64>,
    ) -> Result<Lease> {
        let another = |holder: &Holder| former != Some(holder.epoch);
        let (epoch, living) = tokio::try_join!(epoch(control, store), living_holder(control, store))?;
        if let Some(other) = living.filter(another) {
            return Err(held(store, &other));
        }
        if epoch > 0 {
            end_back_ends(control, store, epoch).await?;
        }
        let tx = control.begin(BeginMode::ReadWrite).await?;
        // Two starters meet here: the second waits for this row, and the statement behind it then finds a living holder.
        raise(&tx, store).await?;
        let (epoch, living) = taken(&tx, store).await?;
        if let Some(other) = living.filter(another) {
            tx.rollback().await?;
            return Err(held(store, &other));
        }
        let lease = Lease::hold(&tx, store, holder, epoch).await?;
        tx.commit().await?;
        Ok(lease)
    }

    /// Records who holds it since this epoch, with the transaction's commit.
    async fn hold(tx: &Transaction<'_>, store: &Store, holder: &str, epoch: i64) -> Result<Lease> {
        tx.ahead(
            &store.sql(include_str!("lease_take.sql")),
            &[
                Param::text(store.pipeline()),
                Param::int8(epoch),
                Param::text(holder),
            ],
        )
        .await?;
        let lease = Lease {
            store: store.clone(),
            epoch,
        };
        let (enlist, params) = lease.enlistment();
        tx.ahead(&enlist, &params).await?;
        Ok(lease)
    }

    /// Records a session as one of this lease's, so that whoever takes over can end it.
    pub async fn enlist(&self, session: &Session) -> Result<()> {
        let (enlist, params) = self.enlistment();
        session.execute(&enlist, &params).await?;
        Ok(())
    }

    /// The statement that records the session that runs it, with its parameters.
    fn enlistment(&self) -> (String, [Param; 2]) {
        let enlist = self.store.sql(
            "INSERT INTO {state}.lease_backend (pipeline, epoch, backend_pid, backend_start) \
             SELECT $1, $2, pid, backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid() \
             ON CONFLICT DO NOTHING",
        );
        (
            enlist,
            [Param::text(self.store.pipeline()), Param::int8(self.epoch)],
        )
    }

    /// Says that the holder is alive. Fails when somebody has taken over.
    pub async fn beat(&self, control: &Session) -> Result<()> {
        let changed = control
            .execute(
                &self.store.sql(
                    "UPDATE {state}.lease_holder SET beat_at = pg_catalog.clock_timestamp() WHERE pipeline = $1 AND epoch = $2",
                ),
                &[Param::text(self.store.pipeline()), Param::int8(self.epoch)],
            )
            .await?;
        if changed == 1 {
            Ok(())
        } else {
            Err(lost(&self.store))
        }
    }

    /// Gives the lease back.
    pub async fn release(&self, control: &Session) -> Result<()> {
        control
            .execute(
                &self.store.sql(
                    "UPDATE {state}.lease_holder SET released = true WHERE pipeline = $1 AND epoch = $2",
                ),
                &[Param::text(self.store.pipeline()), Param::int8(self.epoch)],
            )
            .await?;
        Ok(())
    }
}

/// Raises the epoch.
async fn raise(tx: &Transaction<'_>, store: &Store) -> Result<()> {
    let sql = "UPDATE {state}.lease SET epoch = epoch + 1 WHERE pipeline = $1";
    Ok(tx
        .ahead(&store.sql(sql), &[Param::text(store.pipeline())])
        .await?)
}

/// How often the lease was taken.
pub async fn epoch(session: &Session, store: &Store) -> Result<i64> {
    let row = session
        .query_opt(
            &store.sql("SELECT epoch FROM {state}.lease WHERE pipeline = $1"),
            &[Param::text(store.pipeline())],
        )
        .await?;
    Ok(row.map(|row| row.get(0)).transpose()?.unwrap_or(0))
}

/// Who holds a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What it called itself: host, process, command.
    pub name: String,
    /// Its epoch.
    pub epoch: i64,
    /// Seconds since its last beat.
    pub silent_seconds: i64,
}

/// The living holder, if there is one.
pub async fn living_holder(session: &Session, store: &Store) -> Result<Option<Holder>> {
    let row = session
        .query_opt(
            &store.sql(include_str!("lease_alive.sql")),
            &[Param::text(store.pipeline()), Param::int4(EXPIRY_SECONDS)],
        )
        .await?;
    row.map(|row| {
        Ok(Holder {
            name: row.get(0)?,
            epoch: row.get(1)?,
            silent_seconds: row.get(2)?,
        })
    })
    .transpose()
}

/// The epoch as this transaction has raised it, and the living holder.
async fn taken(tx: &Session, store: &Store) -> Result<(i64, Option<Holder>)> {
    let sql = format!(
        "SELECT l.epoch, a.* FROM {{state}}.lease AS l LEFT JOIN ({}) AS a (holder, held, silent) ON true WHERE l.pipeline = $1",
        include_str!("lease_alive.sql")
    );
    let params = [Param::text(store.pipeline()), Param::int4(EXPIRY_SECONDS)];
    let row = tx.query_one(&store.sql(&sql), &params).await?;
    let holder = row.get::<Option<String>>(1)?.map(|name| {
        Ok::<_, EngineError>(Holder {
            name,
            epoch: row.get(2)?,
            silent_seconds: row.get(3)?,
        })
    });
    Ok((row.get(0)?, holder.transpose()?))
}

/// Ends what a dead holder left running, if the holder is dead.
///
/// # Errors
/// Where there is no state, or the server fails.
pub async fn end_dead(session: &Session, store: &Store) -> Result<()> {
    let (epoch, living) = tokio::try_join!(epoch(session, store), living_holder(session, store))?;
    match living {
        None if epoch > 0 => end_back_ends(session, store, epoch).await,
        _ => Ok(()),
    }
}

/// Refuses if somebody alive holds the pipeline.
pub async fn refuse_if_alive(session: &Session, store: &Store) -> Result<()> {
    match living_holder(session, store).await? {
        Some(holder) => Err(held(store, &holder)),
        None => Ok(()),
    }
}

/// Ends what a dead holder left running: a COPY that still commits would otherwise be waited for.
/// Those of somebody who took the lease meanwhile have a later epoch and are left alone.
async fn end_back_ends(session: &Session, store: &Store, epoch: i64) -> Result<()> {
    let ending = store.sql(
        "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM {state}.lease_backend AS b \
         JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.backend_pid AND a.backend_start = b.backend_start \
         WHERE b.pipeline = $1 AND b.epoch <= $2 AND a.pid <> pg_catalog.pg_backend_pid()",
    );
    let forgetting = store.sql("DELETE FROM {state}.lease_backend WHERE pipeline = $1 AND epoch <= $2");
    let params = [Param::text(store.pipeline()), Param::int8(epoch)];
    // One after the other: what could not be ended must not be forgotten.
    session.execute(&ending, &params).await?;
    session.execute(&forgetting, &params).await?;
    Ok(())
}

fn held(store: &Store, holder: &Holder) -> EngineError {
    EngineError::new(
        code::PIPELINE_HELD,
        format!("pipeline {}", store.pipeline()),
        format!(
            "{} holds it (last sign of life {} s ago)",
            holder.name, holder.silent_seconds
        ),
    )
    .remedy("wait until it ends, or stop it; a dead holder is recognised by itself")
}

/// The error of a writer whose lease somebody has taken.
pub(crate) fn lost(store: &Store) -> EngineError {
    EngineError::new(
        code::LEASE_LOST,
        format!("pipeline {}", store.pipeline()),
        "another instance took it over",
    )
    .remedy("this one has written nothing since; look at the other one")
}
