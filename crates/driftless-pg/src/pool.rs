mod probe;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::backoff::Backoff;
use crate::breaker::Breaker;
use crate::error::{ErrorKind, PgError};
use crate::session::{Canceller, Home, Session};
use crate::url::ConnectConfig;

/// What a pool may hold, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most sessions at once, in use or not.
    pub sessions: usize,
    /// How long whoever asks waits for a session to become free, and for a server that starts or is full.
    pub acquire: Duration,
    /// How long a session that nobody uses stays open.
    pub idle: Duration,
}

/// The sessions of one server.
///
/// The first session decides which server it is: where the connection string names several, or the host's name leads to
/// several machines, all others go to the same one, since a snapshot is known only there. Attempts that may succeed later are
/// repeated with growing pauses; a server that keeps silent is left alone for a while, and one that refused the user is not
/// asked again. Clones share one pool.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    config: ConnectConfig,
    limits: PoolLimits,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
    /// Held while the first session looks at what stands between.
    first: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Sessions that nobody uses, the one that rests longest in front.
    idle: VecDeque<(Instant, Session)>,
    /// The server that the first session reached.
    found: Option<ConnectConfig>,
    breaker: Breaker,
    /// Whether somebody closes idle sessions when their time has come.
    tended: bool,
    /// Sessions that are opened before somebody asks for them, by their purpose.
    coming: Vec<(&'static str, JoinHandle<Option<Session>>)>,
}

impl Pool {
    /// A pool without a session yet.
    pub fn new(config: ConnectConfig, limits: PoolLimits) -> Pool {
        Pool(Arc::new(Shared {
            config,
            limits,
            permits: Arc::new(Semaphore::new(limits.sessions.max(1))),
            state: Mutex::default(),
            first: tokio::sync::Mutex::default(),
        }))
    }

    /// The database.
    pub fn database(&self) -> &str {
        self.0.config.database()
    }

    /// `user@host:port/database`; where the string names several servers, the one that was found.
    pub fn place(&self) -> String {
        let state = self.0.state();
        state.found.as_ref().unwrap_or(&self.0.config).place()
    }

    /// A session: one that nobody uses, set up anew, or a fresh one. It goes back when it is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::PoolExhausted`] if none becomes free in time, [`ErrorKind::TransactionPooler`] if the sessions of the
    /// server are none, [`ErrorKind::Resting`] if it was silent too often; else as [`Session::connect`].
    pub async fn session(&self, purpose: &str) -> Result<Session, PgError> {
        let until = Instant::now() + self.0.limits.acquire;
        if let Some(coming) = self.0.take_coming(purpose)
            && let Ok(Some(session)) = coming.await
            && !session.is_closed()
        {
            return Ok(session);
        }
        if self.0.permits.available_permits() == 0 {
            // What was opened for others keeps nobody waiting.
            self.0.state().coming.clear();
        }
        let permit = timeout_at(until, self.0.permits.clone().acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| self.exhausted())?;
        let home = home(Arc::downgrade(&self.0), permit);
        while let Some(mut session) = self.0.take_idle() {
            // One that was ended meanwhile is no loss.
            if session.renew(purpose).await.is_ok() {
                return Ok(session.at_home(home));
            }
        }
        Ok(self.open(purpose, until).await?.at_home(home))
    }

    /// Opens sessions for these purposes, side by side, while the caller does something else: whoever asks for one then has it at
    /// once. The first ones are those that nobody uses, set up anew. As far as there is room, and only where a session was had
    /// before; what fails is not tried again here, and told to whoever asks.
    pub fn open_ahead(&self, purposes: impl IntoIterator<Item = &'static str>) {
        let Some(config) = self.0.state().found.clone() else {
            return;
        };
        for purpose in purposes {
            let Ok(permit) = self.0.permits.clone().try_acquire_owned() else {
                return;
            };
            let home = home(Arc::downgrade(&self.0), permit);
            let config = config.clone();
            let idle = self.0.take_idle();
            let opening = tokio::spawn(async move {
                if let Some(mut session) = idle
                    && session.renew(purpose).await.is_ok()
                {
                    return Some(session.at_home(home));
                }
                let session = Session::connect(&config, purpose).await.ok()?;
                Some(session.at_home(home))
            });
            self.0.state().coming.push((purpose, opening));
        }
    }

    /// Whether the session that this would stop is one that nobody uses.
    pub fn has_at_rest(&self, canceller: &Canceller) -> bool {
        let state = self.0.state();
        state.idle.iter().any(|(_, session)| canceller.is_of(session))
    }

    async fn open(&self, purpose: &str, until: Instant) -> Result<Session, PgError> {
        let found = self.0.state().found.clone();
        if let Some(config) = found {
            return self.connect(&config, purpose, until).await;
        }
        let _turn = self.0.first.lock().await;
        let found = self.0.state().found.clone();
        if let Some(config) = found {
            return self.connect(&config, purpose, until).await;
        }
        let session = self.connect(&self.0.config, purpose, until).await?;
        let here = session.here();
        if session.is_pooled() {
            probe::refuse_transaction_pooler(&session, &here).await?;
        }
        self.0.state().found = Some(here);
        Ok(session)
    }

    /// Connects, again and again as long as that makes sense.
    async fn connect(
        &self,
        config: &ConnectConfig,
        purpose: &str,
        until: Instant,
    ) -> Result<Session, PgError> {
        let mut backoff = Backoff::of_connecting();
        let mut last = None;
        loop {
            let admitted = self.0.state().breaker.admit(&config.place(), Instant::now());
            if let Err(error) = admitted {
                return Err(last.unwrap_or(error));
            }
            let error = match Session::connect(config, purpose).await {
                Ok(session) => {
                    self.0.state().breaker.succeeded();
                    return Ok(session);
                }
                Err(error) => error,
            };
            self.0.state().breaker.failed(&error, Instant::now());
            match backoff.after(&error) {
                Some(pause) if Instant::now() + pause < until => {
                    last = Some(error);
                    sleep(pause).await;
                }
                _ => return Err(error),
            }
        }
    }

    fn exhausted(&self) -> PgError {
        let PoolLimits {
            sessions, acquire, ..
        } = self.0.limits;
        let cause = format!(
            "all {sessions} sessions are in use, and none became free within {} s",
            acquire.as_secs_f32()
        );
        PgError::new(ErrorKind::PoolExhausted, self.place(), cause).remedy_is(
            "allow more with max_connections, or a longer wait with acquire_timeout, in the mapping",
        )
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({})", self.place())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that was used last: the others may go when their time has come.
    fn take_idle(&self) -> Option<Session> {
        self.state().idle.pop_back().map(|(_, session)| session)
    }

    /// One that is being opened for this purpose.
    fn take_coming(&self, purpose: &str) -> Option<JoinHandle<Option<Session>>> {
        let mut state = self.state();
        let place = state.coming.iter().position(|(coming, _)| *coming == purpose)?;
        Some(state.coming.swap_remove(place).1)
    }

    fn take_back(self: &Arc<Shared>, session: Session, runtime: &Handle) {
        let mut state = self.state();
        state.idle.push_back((Instant::now() + self.limits.idle, session));
        if !std::mem::replace(&mut state.tended, true) {
            runtime.spawn(tend(Arc::downgrade(self)));
        }
    }

    /// Closes sessions whose time has come; when the next one's comes, if there is one.
    fn close_stale(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        while state.idle.front().is_some_and(|(until, _)| *until <= now) {
            state.idle.pop_front();
        }
        let next = state.idle.front().map(|(until, _)| *until);
        state.tended = next.is_some();
        next
    }
}

/// Where a session of the pool goes when it is dropped; its place becomes free with it, wherever it goes.
fn home(pool: Weak<Shared>, permit: OwnedSemaphorePermit) -> Home {
    Box::new(move |session| {
        if let (Some(pool), Ok(runtime)) = (pool.upgrade(), Handle::try_current()) {
            pool.take_back(session, &runtime);
        }
        drop(permit);
    })
}

/// Closes idle sessions in time, as long as there are any.
async fn tend(pool: Weak<Shared>) {
    loop {
        let next = pool.upgrade().and_then(|pool| pool.close_stale(Instant::now()));
        match next {
            Some(next) => sleep_until(next).await,
            None => return,
        }
    }
}
