//! The sessions that one stream of work owns: it reads with one, asks with another, writes with the third.

use driftless_core::plan::aside::Silencing;
use driftless_pg::{Pool, Session};

use crate::error::Result;
use crate::extract::snapshot::{self, Snapshot};
use crate::preflight::{busy, replica_role};
use crate::shape::evaluate;
use crate::store::lease::Lease;

/// A lane. Dropped with its sessions, whatever they were doing.
#[derive(Debug)]
pub struct Lane {
    /// Sees the run's snapshot of the source.
    pub source: Session,
    /// Writes into the target.
    pub writer: Session,
    /// Evaluates expressions in the target.
    pub evaluator: Session,
}

/// What a lane reads with, for one chunk after the other.
#[derive(Debug)]
pub struct Reader<'l> {
    /// Sees the run's snapshot of the source.
    pub source: &'l Session,
    /// Evaluates expressions in the target.
    pub evaluator: &'l mut Session,
    /// Whether whoever had it came to the end: else a statement may have failed, and the transaction with it.
    clean: bool,
}

impl Reader<'_> {
    /// Makes it fit for whoever begins to read.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn begin(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.clean, false) {
            snapshot::recover(self.source).await?;
        }
        Ok(())
    }

    /// Nothing has failed.
    pub fn end(&mut self) {
        self.clean = true;
    }
}

/// Opens a session that writes rows into the target: triggers silent where the role may say so, names as the application
/// resolves them, known to the lease.
pub async fn writer(target: &Pool, lease: &Lease, silencing: Silencing) -> Result<Session> {
    let session = target.session("writer").await?;
    // Functions in CHECK constraints count on the role's own search path; every name of ours is qualified.
    let path = async { Ok(session.batch("SET search_path TO DEFAULT").await?) };
    let silent = async {
        if silencing == Silencing::ReplicaRole {
            replica_role::set(&session).await?;
        }
        Ok(())
    };
    tokio::try_join!(
        path,
        silent,
        space_for_joins(&session),
        busy::be_patient(&session),
        lease.enlist(&session)
    )?;
    Ok(session)
}

/// Proofs join whole tables, as PostgreSQL does when it validates a foreign key, for which it takes the memory that is meant for
/// maintenance, and once that much for a hash. We take a quarter of it, and 64 MB at most: some of these sessions work side by
/// side, each with parallel workers.
async fn space_for_joins(session: &Session) -> Result<()> {
    let more = "SELECT pg_catalog.set_config('work_mem', GREATEST(m.own, LEAST(m.more / 4, 64 << 20)) / 1024 || 'kB', false), \
                       pg_catalog.set_config('hash_mem_multiplier', '1', false) \
                  FROM (SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('work_mem')) AS own, \
                               pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) AS more) AS m";
    session.execute(more, &[]).await?;
    Ok(())
}

impl Lane {
    /// Opens the sessions of a lane.
    pub async fn open(
        source: &Pool,
        target: &Pool,
        snapshot: &Snapshot,
        lease: &Lease,
        silencing: Silencing,
    ) -> Result<Lane> {
        let reader = async {
            let reader = snapshot.reader(source, "reader").await?;
            tokio::try_join!(busy::be_patient(&reader), snapshot::keep(&reader))?;
            Ok(reader)
        };
        let (source, writer, evaluator) = tokio::try_join!(
            reader,
            writer(target, lease, silencing),
            evaluate::connect(target)
        )?;
        Ok(Lane {
            source,
            writer,
            evaluator,
        })
    }

    /// What it reads with, and what it writes with.
    pub fn split(&mut self) -> (Reader<'_>, &mut Session) {
        let reader = Reader {
            source: &self.source,
            evaluator: &mut self.evaluator,
            clean: true,
        };
        (reader, &mut self.writer)
    }
}
