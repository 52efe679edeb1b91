//! Takes constraints, indexes and triggers away for a load, switches autovacuum off, and puts all of it back.
//!
//! Each thing changes together with its record, and nothing is dropped that is not on record. Restoring is therefore safe to
//! repeat: after a crash at any point it finds what is missing and goes on.

/// Dropping, in as few transactions as possible.
mod removal;
/// What of the recorded things is there.
mod presence;
/// Index builds, in parallel.
mod build;
/// Which of them is next, and when rows leave that keep them from going through.
mod queue;
/// How many processes of the server one of them may take.
mod workers;
/// Quick statements: constraints by their indexes, foreign keys not yet validated, comments, triggers.
mod attach;
/// Validation of foreign keys, in parallel by table.
mod validate;
/// Index builds while the proof corrects.
mod later;
/// Listeners who are told of schema changes learn, once, that the schema is whole again.
mod announce;

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::plan::aside::AsideItem;
use driftless_pg::{PgError, Session, Transaction};

pub(super) use build::spread;
pub use later::Later;
pub(super) use queue::Reach;
pub use removal::set_aside;
pub(super) use workers::{allow, workers};

use crate::apply::guarded;
use crate::crash;
use crate::error::{EngineError, Result};
use crate::preflight::busy;
use crate::store::aside::{AsideRecord, AsideState, Scope, list};
use announce::Told;
use presence::Presence;

/// What is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the proof of references builds on ([`AsideItem::serves_proof`]).
    ForProof,
    /// Everything: other indexes, foreign keys, triggers and autovacuum too.
    All,
}

impl Part {
    fn has(self, item: &AsideItem, records: &[AsideRecord]) -> bool {
        self == Part::All || item.serves_proof(records.iter().map(|record| &record.item))
    }
}

/// Something that could not be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What, with its record.
    pub record: AsideRecord,
    /// The SQLSTATE, if PostgreSQL refused.
    pub sqlstate: Option<String>,
    /// Why, without row values.
    pub reason: String,
}

impl Failure {
    fn refused(record: &AsideRecord, error: &PgError) -> Failure {
        Failure {
            record: record.clone(),
            sqlstate: error.sqlstate().map(str::to_owned),
            reason: error.cause().to_owned(),
        }
    }

    /// Whether rows break a uniqueness or exclusion, so that the proof can remove the losers.
    pub fn is_duplicate(&self) -> bool {
        self.record.item.unique.is_some() && matches!(self.sqlstate.as_deref(), Some("23505" | "23P01"))
    }

    /// Whether children without a parent keep a foreign key from being valid.
    pub fn is_orphan(&self) -> bool {
        self.sqlstate.as_deref() == Some("23503")
    }

    /// What an operator is told.
    pub fn finding(&self) -> Finding {
        let item = &self.record.item;
        let remedy = if self.is_duplicate() {
            "correct or remove the rows that repeat a value, then run migrate --abandon again".to_owned()
        } else if let (true, Some(validate)) = (self.is_orphan(), &item.validate) {
            format!("it is back as NOT VALID: correct the rows without a parent, then run {validate}")
        } else {
            "remove the cause, then run migrate --abandon again".to_owned()
        };
        let message = format!("it could not be put back: {}", self.reason);
        Finding::error(code::RESTORE_FAILED, item.label(), message).remedy(remedy)
    }
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// How many things are back.
    pub restored: usize,
    /// What is not.
    pub failures: Vec<Failure>,
}

/// Puts back what is recorded and not in place, over all of these sessions at once. Failures of single things are
/// reported and recorded; the rest goes on.
///
/// # Errors
/// A lost lease or connection, locks that are not had in time (`TARGET_BUSY`), exhausted resources. Everything that is
/// back by then is recorded so.
pub async fn restore(sessions: &mut [Session], scope: &Scope<'_>, part: Part) -> Result<Restored> {
    let control = sessions.first().ok_or_else(no_session)?;
    let mut recorded = recorded(control, scope).await?;
    let restored = put_back(sessions, scope, part, &mut recorded).await?;
    if part == Part::All {
        announce(&mut sessions[0], scope, &recorded, &restored).await?;
    }
    Ok(restored)
}

/// Tells whoever listens for changes of the schema that all is back, or that some of it is.
///
/// # Errors
/// A lost lease or connection.
pub async fn announce(
    session: &mut Session,
    scope: &Scope<'_>,
    recorded: &Recorded,
    restored: &Restored,
) -> Result<()> {
    if !recorded.told.owed {
        return Ok(());
    }
    let tx = guarded::ddl(session, scope).await?;
    tell(&tx, scope, recorded, restored).await?;
    Ok(tx.commit().await?)
}

/// The same with the commit of a transaction.
///
/// # Errors
/// A lost connection.
pub async fn tell(
    tx: &Transaction<'_>,
    scope: &Scope<'_>,
    recorded: &Recorded,
    restored: &Restored,
) -> Result<()> {
    let whole = restored.failures.is_empty() && scope.spared.is_empty();
    announce::tell(tx, scope, recorded.told, whole).await
}

/// What is recorded, and what will have to be told.
#[derive(Debug)]
pub struct Recorded {
    /// Everything of the pipeline, as [`list`] gives it.
    pub records: Vec<AsideRecord>,
    told: Told,
    /// What of a part is there, where somebody has looked beside other work.
    looked: Option<(Part, Vec<Presence>)>,
}

impl Recorded {
    /// Looks for what of a part is there, which [`put_back`] then need not do: nothing of it may come back in between.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn look(&mut self, session: &mut Session, scope: &Scope<'_>, part: Part) -> Result<()> {
        let records: Vec<AsideRecord> = due(scope, part, self).cloned().collect();
        if !records.is_empty() {
            self.looked = Some((part, presence::look(session, &records).await?));
        }
        Ok(())
    }

    /// Things are back, but for those that failed.
    fn note(&mut self, work: &Work) {
        for (tried, _) in work.pending.iter().filter(|(tried, _)| !work.failed(tried.seq)) {
            let own = self.records.iter_mut().find(|own| own.seq == tried.seq);
            if let Some(own) = own {
                own.state = AsideState::Restored;
            }
        }
    }
}

/// Asks for what [`put_back`] goes by.
///
/// # Errors
/// A lost connection.
pub async fn recorded(control: &Session, scope: &Scope<'_>) -> Result<Recorded> {
    let (records, told) = tokio::try_join!(list(control, scope), announce::asked(control, scope))?;
    Ok(Recorded {
        records,
        told,
        looked: None,
    })
}

fn no_session() -> EngineError {
    EngineError::new(code::INTERNAL, "restore", "there is no session")
}

/// What is done about rows that repeat what an index allows once.
pub(super) trait Mending {
    /// Has rows leave; whether any did.
    async fn mend(&self, session: &mut Session, record: &AsideRecord) -> Result<bool>;

    /// What that may touch.
    fn reach(&self) -> Reach;
}

/// Rows stay, and what they forbid is told.
struct Untouched;

impl Mending for Untouched {
    async fn mend(&self, _: &mut Session, _: &AsideRecord) -> Result<bool> {
        Ok(false)
    }

    fn reach(&self) -> Reach {
        Reach::Table
    }
}

/// Puts back what is recorded, as far as it is not there yet, and notes what is back then: nobody but this run has put any of it back
/// since that was asked. Who listens for changes of the schema is told of it by [`announce`] or [`tell`].
///
/// # Errors
/// As [`restore`].
pub async fn put_back(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    part: Part,
    recorded: &mut Recorded,
) -> Result<Restored> {
    put_back_mending(sessions, scope, part, recorded, &Untouched).await
}

/// The same, where something is done about rows that keep indexes from being built.
///
/// # Errors
/// As [`put_back`] and [`Mending::mend`].
pub(super) async fn put_back_mending(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    part: Part,
    recorded: &mut Recorded,
    mending: &impl Mending,
) -> Result<Restored> {
    let records: Vec<AsideRecord> = due(scope, part, recorded).cloned().collect();
    let mut work = Work {
        pending: Vec::new(),
        failures: Vec::new(),
    };
    if !records.is_empty() {
        let looked = recorded.looked.take().filter(|(looked, _)| *looked == part);
        let presence = match looked {
            Some((_, presence)) => Some(presence),
            None => attach::unseen(sessions, scope, &records, &mut work).await?,
        };
        if let Some(presence) = presence {
            work.pending = records.into_iter().zip(presence).collect();
            build::run(sessions, scope, &mut work, mending).await?;
            attach::run(sessions, scope, &mut work).await?;
        }
        if part == Part::All {
            crash::point("attached");
        }
        validate::run(sessions, scope, &mut work).await?;
        recorded.note(&work);
    }
    Ok(Restored {
        restored: work.pending.len() - work.failures.len(),
        failures: work.failures,
    })
}

/// What of a part is to be put back.
fn due<'r>(scope: &Scope<'_>, part: Part, recorded: &'r Recorded) -> impl Iterator<Item = &'r AsideRecord> {
    recorded.records.iter().filter(move |record| {
        record.state != AsideState::Restored
            && part.has(&record.item, &recorded.records)
            && !scope.spared.contains(&record.item.table)
    })
}

/// Puts everything back and leaves the rows as they are: what rows forbid is reported, foreign keys stay NOT VALID.
///
/// # Errors
/// As [`restore`].
pub async fn abandon(sessions: &mut [Session], scope: &Scope<'_>) -> Result<Vec<Finding>> {
    let restored = restore(sessions, scope, Part::All).await?;
    Ok(restored.failures.iter().map(Failure::finding).collect())
}

/// A restore in progress.
struct Work {
    /// What is to be put back, with what of it is there.
    pending: Vec<(AsideRecord, Presence)>,
    failures: Vec<Failure>,
}

impl Work {
    fn failed(&self, seq: i32) -> bool {
        self.failures.iter().any(|failure| failure.record.seq == seq)
    }
}

/// The error of a statement after which nothing more is tried. The session is out of its transaction by now.
async fn stopped(session: &Session, error: PgError, record: &AsideRecord) -> Result<EngineError> {
    let item = &record.item;
    if !busy::timed_out(&error) {
        return Ok(EngineError::from(error).context(format!("putting back {}", item.label())));
    }
    let parent = item.foreign.as_ref().map(|foreign| &foreign.parent);
    let tables: Vec<_> = std::iter::once(&item.table).chain(parent).collect();
    busy::error(session, &tables).await
}
