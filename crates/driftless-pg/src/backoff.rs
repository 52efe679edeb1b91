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

/// Pauses between attempts: each about twice as long as the one before, and never quite the same, so that many
/// clients do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
    random: RandomState,
}

impl Backoff {
    /// Pauses from about the first to about the longest.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff {
            first,
            longest,
            attempts: 0,
            random: RandomState::new(),
        }
    }

    /// Between attempts to connect.
    pub(crate) fn of_connecting() -> Backoff {
        Backoff::new(FIRST, LONGEST)
    }

    /// Failed attempts so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The pause after one more failed attempt.
    pub fn fail(&mut self) -> Duration {
        self.attempts += 1;
        self.pause()
    }

    /// How long to wait after a failed attempt; `None` if it is not to be tried again.
    ///
    /// A server that says that it starts, stops or is full is tried until whoever asks has waited long enough; one that says
    /// nothing a few times; one that refuses the user never.
    pub(crate) fn after(&mut self, error: &PgError) -> Option<Duration> {
        let pause = self.fail();
        let again = match error.disposition() {
            Disposition::Retry if said_nothing(error) => self.attempts < ATTEMPTS_AT_SILENCE,
            Disposition::Retry => true,
            Disposition::Row | Disposition::Permission | Disposition::Gone | Disposition::Stop => false,
        };
        again.then_some(pause)
    }

    /// Between half of the step and the whole of it.
    fn pause(&self) -> Duration {
        let step = self
            .first
            .saturating_mul(1 << (self.attempts - 1).min(16))
            .min(self.longest);
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
        let mut backoff = Backoff::of_connecting();
        let mut step = FIRST;
        for _ in 0..20 {
            let pause = backoff.after(&said(ErrorKind::Full, "53300")).unwrap();
            assert!(pause >= step / 2 && pause <= step, "{pause:?} of {step:?}");
            step = (step * 2).min(LONGEST);
        }
        let first = || Backoff::of_connecting().after(&said(ErrorKind::Full, "53300"));
        assert!((0..20).any(|_| first() != first()));
    }

    #[test]
    fn what_the_server_says_decides() {
        let tries = |error: &PgError| {
            let mut backoff = Backoff::of_connecting();
            (0..10).take_while(|_| backoff.after(error).is_some()).count()
        };
        assert_eq!(tries(&said(ErrorKind::Authentication, "28P01")), 0);
        assert_eq!(tries(&said(ErrorKind::NoDatabase, "3D000")), 0);
        assert_eq!(tries(&PgError::new(ErrorKind::Tls, "", "")), 0);
        assert_eq!(tries(&PgError::new(ErrorKind::Unreachable, "", "")), 3);
        assert_eq!(tries(&said(ErrorKind::Unreachable, "57P03")), 10);
    }

    #[test]
    fn connections_come_back_where_that_is_known() {
        let comes_back = |kind, sqlstate: &str| said(kind, sqlstate).connection_comes_back();
        for sqlstate in ["57P01", "57P02", "57P03", "53300", "08006", "08004"] {
            assert!(comes_back(ErrorKind::ConnectionLost, sqlstate), "{sqlstate}");
        }
        for sqlstate in [
            "57P04", "57P05", "25P03", "08P01", "XX000", "28000", "53200", "99999",
        ] {
            assert!(!comes_back(ErrorKind::ConnectionLost, sqlstate), "{sqlstate}");
        }
        assert!(comes_back(ErrorKind::Full, "XX000"));
        for kind in [
            ErrorKind::Unreachable,
            ErrorKind::ConnectionLost,
            ErrorKind::CommitUnknown,
        ] {
            assert!(PgError::new(kind, "", "").connection_comes_back(), "{kind:?}");
        }
        for kind in [
            ErrorKind::Authentication,
            ErrorKind::NoDatabase,
            ErrorKind::Tls,
            ErrorKind::Protocol,
        ] {
            assert!(!PgError::new(kind, "", "").connection_comes_back(), "{kind:?}");
        }
        assert!(!comes_back(ErrorKind::Server, "57P01"));
    }
}
