use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::said_nothing;
use crate::error::{ErrorKind, PgError};

/// So many attempts in a row that nobody answered: whatever is wrong does not pass in a moment.
const FAILURES: u32 = 5;

/// How long a server is left alone at first.
const FIRST_REST: Duration = Duration::from_secs(5);

/// The longest rest: each failed trial doubles it up to here.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Keeps a server from being asked over and over: one that does not answer rests for a while, then one attempt decides; one
/// that refused the user is never asked again with the same words, since servers and poolers ban for that.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    rest: Option<Rest>,
    refusal: Option<PgError>,
}

#[derive(Debug)]
struct Rest {
    until: Instant,
    length: Duration,
    why: String,
}

impl Breaker {
    /// Whether an attempt may be made now. When a rest is over the first one who asks may try, and the others go on waiting.
    pub(crate) fn admit(&mut self, place: &str, now: Instant) -> Result<(), PgError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.again());
        }
        let Some(rest) = &mut self.rest else {
            return Ok(());
        };
        if now >= rest.until {
            rest.until = now + rest.length;
            return Ok(());
        }
        let left = (rest.until - now).as_secs_f32().ceil();
        let cause = format!(
            "not asked, because it did not answer {} times in a row; the last time: {}",
            self.failures, rest.why
        );
        Err(PgError::new(ErrorKind::Resting, place, cause).remedy_is(format!(
            "bring the server back; the next attempt is made in {left} s"
        )))
    }

    /// An attempt came through.
    pub(crate) fn succeeded(&mut self) {
        *self = Breaker::default();
    }

    /// An attempt failed.
    pub(crate) fn failed(&mut self, error: &PgError, now: Instant) {
        if error.kind() == ErrorKind::Authentication {
            self.refusal = Some(error.again());
        }
        if !said_nothing(error) {
            self.failures = 0;
            self.rest = None;
            return;
        }
        self.failures += 1;
        if self.failures >= FAILURES {
            let length = self
                .rest
                .as_ref()
                .map_or(FIRST_REST, |rest| (rest.length * 2).min(LONGEST_REST));
            self.rest = Some(Rest {
                until: now + length,
                length,
                why: error.cause().to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence() -> PgError {
        PgError::new(ErrorKind::Unreachable, "u@h:1/d", "no connection: refused")
    }

    #[test]
    fn a_silent_server_rests_and_one_attempt_decides() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            breaker.admit("p", start).unwrap();
            breaker.failed(&silence(), start);
        }
        let error = breaker.admit("p", start).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resting);
        assert!(error.cause().contains("5 times in a row") && error.cause().contains("refused"));
        assert!(error.remedy().unwrap().contains("in 5 s"));
        // One may try; the others wait for what becomes of it.
        let later = start + FIRST_REST;
        breaker.admit("p", later).unwrap();
        breaker.admit("p", later).unwrap_err();
        breaker.failed(&silence(), later);
        assert!(breaker.admit("p", later + FIRST_REST).is_err());
        breaker.admit("p", later + FIRST_REST * 2).unwrap();
        breaker.succeeded();
        breaker.admit("p", later).unwrap();
    }

    #[test]
    fn a_server_that_speaks_is_not_left_alone_and_one_that_refuses_for_good() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES - 1 {
            breaker.failed(&silence(), now);
        }
        breaker.failed(&PgError::new(ErrorKind::Full, "", "full"), now);
        breaker.failed(&silence(), now);
        breaker.admit("p", now).unwrap();
        let refusal = PgError::new(ErrorKind::Authentication, "q", "28P01").remedy_is("correct it");
        breaker.failed(&refusal, now);
        let again = breaker.admit("p", now + LONGEST_REST).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Authentication);
        assert_eq!(
            (again.place(), again.remedy().as_deref()),
            ("q", Some("correct it"))
        );
    }
}
