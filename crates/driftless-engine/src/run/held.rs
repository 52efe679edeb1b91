//! A pipeline held: state made, lease taken and beating, execution begun.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use driftless_core::code::{self, Code, Exit};
use driftless_core::plan::aside::Silencing;
use driftless_pg::{Pool, Session, Transaction};
use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Events;
use super::prepare::Prepared;
use super::report::Event;
use crate::crash;
use crate::error::{EngineError, Result};
use crate::preflight::replica_role;
use crate::store::execution;
use crate::store::lease::{BEAT, Lease};
use crate::store::{Store, schema};

/// How long somebody who wants to leave waits for the end to be told, which a silent server never takes: with the time for
/// putting back the process ends within five seconds.
const LEAVING: Duration = Duration::from_millis(800);

/// After how long a target that does not answer a heartbeat is told of: three of them.
const SILENCE: Duration = Duration::from_secs(15);

/// Who is told of a silent target, if anybody is. Keeps no channel open.
type Hearing = Arc<OnceLock<WeakUnboundedSender<Event>>>;

/// A held pipeline.
#[derive(Debug)]
pub struct Held {
    /// The session for everything that is not a lane's.
    pub session: Session,
    /// The lease.
    pub lease: Lease,
    /// The execution.
    pub execution: i64,
    /// When it started: microseconds since 2000-01-01 UTC.
    pub started_at: i64,
    store: Store,
    target: Pool,
    beating: JoinHandle<(Session, Result<()>)>,
    /// Ends the heartbeats, whatever becomes of the value.
    stop: tokio_util::sync::DropGuard,
    hearing: Hearing,
}

impl Held {
    /// Makes the state if need be, takes the lease and begins an execution.
    pub async fn take(prepared: &Prepared, command: &str) -> Result<Held> {
        Held::take_after(prepared, command, None).await
    }

    /// The same after the connections of an earlier hold, of the epoch `former`, were lost: only who comes next after it may
    /// go on with what it left.
    pub async fn take_after(prepared: &Prepared, command: &str, former: Option<i64>) -> Result<Held> {
        let mut control = prepared.target.session("control").await?;
        let quiet = prepared.silencing == Silencing::ReplicaRole;
        let silent = if quiet { replica_role::SET } else { "" };
        let found = (prepared.presence, prepared.place);
        let namespace = prepared.plan.namespace;
        let (store, holder) = (&prepared.store, holder(command));
        let take = async |tx: &Transaction<'_>| Lease::first(tx, store, &holder).await;
        let made = schema::ensure_as_found(&mut control, store, namespace, found, silent, take).await;
        let is_gone = |error: &EngineError| error.pg().and_then(|pg| pg.sqlstate()) == Some("42P01");
        let made = match made {
            // It was removed since the plan was made.
            Err(error) if is_gone(&error) => return Err(came_between(prepared)),
            made => made?,
        };
        crash::point("state-made");
        let lease = match made {
            Some(lease) => lease,
            None => Lease::acquire(&mut control, store, &holder, former).await?,
        };
        crash::point("lease-taken");
        if lease.epoch() != former.unwrap_or(prepared.epoch) + 1 {
            lease.release(&control).await?;
            return Err(came_between(prepared));
        }
        let session = prepared.target.session("run").await?;
        let silent = async {
            if quiet {
                replica_role::set(&session).await?;
            }
            Ok(())
        };
        // Known to the lease before it writes.
        let ((), (), (execution, started_at)) = tokio::try_join!(
            lease.enlist(&session),
            silent,
            execution::begin(&session, &prepared.store, command, lease.epoch())
        )?;
        let stop = tokio_util::sync::CancellationToken::new();
        let hearing = Hearing::default();
        let beating = tokio::spawn(beat(control, lease.clone(), stop.clone(), hearing.clone()));
        Ok(Held {
            session,
            lease,
            execution,
            started_at,
            store: prepared.store.clone(),
            target: prepared.target.clone(),
            beating,
            stop: stop.drop_guard(),
            hearing,
        })
    }

    /// Has somebody told when the target is silent.
    pub fn tells(&self, events: &Events) {
        self.hearing.set(events.downgrade()).ok();
    }

    /// Ends the execution as it came out, and gives the lease back.
    pub async fn end<T>(self, done: Result<T>) -> Result<T> {
        drop(self.stop);
        let beaten = self.beating.await;
        // The session may still be in the middle of what was dropped: a fresh statement settles it, or it is gone.
        let leaves = matches!(&done, Err(error) if error.exit() == Exit::Interrupted);
        let (state, error) = match &done {
            Ok(_) => ("done", None),
            Err(error) if leaves => ("interrupted", Some((error.code(), error.to_string()))),
            Err(error) => ("failed", Some((error.code(), error.to_string()))),
        };
        let (control, beaten) = beaten.map_or((None, Ok(())), |(control, beaten)| (Some(control), beaten));
        if let Err(error) = beaten
            && error.code() == code::LEASE_LOST
        {
            return Err(error);
        }
        let ending = Ending {
            store: &self.store,
            lease: &self.lease,
            execution: self.execution,
            state,
            error,
        };
        let lost = |told: &Result<()>| matches!(told, Err(error) if error.code() == code::LEASE_LOST);
        let telling = async {
            let told = match &control {
                Some(control) => ending.tell(control).await,
                None => Err(EngineError::new(code::INTERNAL, "heartbeat", "it broke off")),
            };
            // What was done stands, whether or not its end can be told: a lost session is no reason to call it failed. Where
            // nobody answers any more, the next start finds the execution without a holder and closes it.
            if told.is_err()
                && !lost(&told)
                && let Ok(fresh) = self.target.session("control").await
            {
                return ending.tell(&fresh).await;
            }
            told
        };
        let told = match leaves {
            true => timeout(LEAVING, telling).await.unwrap_or(Ok(())),
            false => telling.await,
        };
        match (done, told) {
            // Whoever takes over ends the sessions of the former holder, which to it looks like a server that was lost.
            (Err(error), Err(taken)) if error.connection_comes_back() && taken.code() == code::LEASE_LOST => {
                Err(taken)
            }
            (done, _) => done,
        }
    }
}

/// How an execution came out.
struct Ending<'e> {
    store: &'e Store,
    lease: &'e Lease,
    execution: i64,
    state: &'static str,
    error: Option<(Code, String)>,
}

impl Ending<'_> {
    /// Records it, and gives the lease back. Fails when somebody has taken over.
    async fn tell(&self, session: &Session) -> Result<()> {
        let ((), (), ()) = tokio::try_join!(
            execution::end(
                session,
                self.store,
                self.execution,
                self.state,
                self.error.clone(),
            ),
            self.lease.beat(session),
            self.lease.release(session)
        )?;
        Ok(())
    }
}

/// Beats until told to stop; gives the session back, and how it went.
async fn beat(
    control: Session,
    lease: Lease,
    stop: tokio_util::sync::CancellationToken,
    hearing: Hearing,
) -> (Session, Result<()>) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return (control, Ok(())),
            () = tokio::time::sleep(BEAT) => {}
        }
        let beaten = tokio::select! {
            biased;
            // A server that is silent keeps nobody.
            () = stop.cancelled() => return (control, Ok(())),
            beaten = telling(lease.beat(&control), &hearing) => beaten,
        };
        // A beat that fails is not the end: every transaction checks the lease by itself.
        if let Err(error) = beaten
            && error.code() == code::LEASE_LOST
        {
            return (control, Err(error));
        }
    }
}

/// Waits for the answer to a heartbeat, and tells where it does not come: whatever else waits for the target waits as long.
async fn telling(answer: impl Future<Output = Result<()>>, hearing: &Hearing) -> Result<()> {
    let tell = |note: &str| {
        if let Some(events) = hearing.get().and_then(WeakUnboundedSender::upgrade) {
            events.send(Event::Note(note.to_owned())).ok();
        }
    };
    tokio::pin!(answer);
    if let Ok(answered) = timeout(SILENCE, &mut answer).await {
        return answered;
    }
    tell(
        "the target has not answered for 15 s, and this run waits for it; Ctrl-C ends it (twice, where it is putting things \
         back after an error), and the same command goes on from there",
    );
    let answered = answer.await;
    if answered.is_ok() {
        tell("the target answers again");
    }
    answered
}

/// What a holder calls itself: process and command.
fn holder(command: &str) -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "this host" } else { host };
    format!("driftless {command} (process {} on {host})", std::process::id())
}

/// The plan was made before somebody else ran: it may be about a target that is otherwise now.
fn came_between(prepared: &Prepared) -> EngineError {
    EngineError::new(
        code::PIPELINE_HELD,
        format!("pipeline {}", prepared.plan.pipeline),
        "another instance held it while this one looked at both databases",
    )
    .remedy("start again")
}
