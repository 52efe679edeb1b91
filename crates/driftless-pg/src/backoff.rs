use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::error::{ErrorKind, PgError};
use crate::sqlstate::Disposition;

/// The first pause: long enough for a server that drops a listen queue, short enough not to be noticed.
const FIRST: Duration = Duration::from_millis(100);

/// No pause is longer: whoever waits for a server wants to notice it.
const LONGEST: Duration = Duration::from_secs(2);

/// Attempts at a server that does not answer at all: usually the address is wrong, and somebody waits to be told.
const ATTEMPTS_AT_SILENCE: u32 = 4;

/// Pauses between attempts to connect: each about twice as long as the one before, and never quite the same, so that many
/// clients do not come back together.
pub(crate) struct Backoff {
    attempts: u32,
    random: RandomState,
}

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff {
            attempts: 0,
            random: RandomState::new(),
        }
    }

    /// How long to wait after a failed attempt; `None` if it is not to be tried again.
    ///
    /// A server that says that it starts, stops or is full is tried until whoever asks has waited long enough; one that says
    /// nothing a few times; one that refuses the user never.
    pub(crate) fn after(&mut self, error: &PgError) -> Option<Duration> {
        self.attempts += 1;
        let again = match error.disposition() {
            Disposition::Retry if said_nothing(error) => self.attempts < ATTEMPTS_AT_SILENCE,
            Disposition::Retry => true,
            Disposition::Row | Disposition::Permission | Disposition::Gone | Disposition::Stop => false,
        };
        again.then(|| self.pause())
    }

    /// Between half of the step and the whole of it.
    fn pause(&self) -> Duration {
        let step = FIRST
            .saturating_mul(1 << (self.attempts - 1).min(16))
            .min(LONGEST);
        let part = (self.random.hash_one(self.attempts) % 1000) as u32;
        step / 2 + step / 2 * part / 1000
    }
}

/// Whether no server spoke at all.
pub(crate) fn said_nothing(error: &PgError) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::ConnectionLost) && error.server().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ServerError;

    fn said(kind: ErrorKind, sqlstate: &str) -> PgError {
        let server = ServerError {
            sqlstate: sqlstate.to_owned(),
            ..ServerError::default()
        };
        PgError::login_refused(kind, "", &server)
    }

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_alike() {
        let mut backoff = Backoff::new();
        let mut step = FIRST;
        for _ in 0..20 {
            let pause = backoff.after(&said(ErrorKind::Full, "53300")).unwrap();
            assert!(pause >= step / 2 && pause <= step, "{pause:?} of {step:?}");
            step = (step * 2).min(LONGEST);
        }
        let first = || Backoff::new().after(&said(ErrorKind::Full, "53300"));
        assert!((0..20).any(|_| first() != first()));
    }

    #[test]
    fn what_the_server_says_decides() {
        let tries = |error: &PgError| {
            let mut backoff = Backoff::new();
            (0..10).take_while(|_| backoff.after(error).is_some()).count()
        };
        assert_eq!(tries(&said(ErrorKind::Authentication, "28P01")), 0);
        assert_eq!(tries(&said(ErrorKind::NoDatabase, "3D000")), 0);
        assert_eq!(tries(&PgError::new(ErrorKind::Tls, "", "")), 0);
        assert_eq!(tries(&PgError::new(ErrorKind::Unreachable, "", "")), 3);
        assert_eq!(tries(&said(ErrorKind::Unreachable, "57P03")), 10);
    }
}
