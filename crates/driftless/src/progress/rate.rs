//! Rows per second, smoothed.

use std::time::{Duration, Instant};

/// The memory of the average: what lies this far back counts a third.
const MEMORY: Duration = Duration::from_secs(10);

/// The shortest span that gives a sample: batches arrive in bursts.
const SAMPLE: Duration = Duration::from_millis(500);

/// A count that has not grown for so long rests: its speed tells nothing of what is to come.
const REST: Duration = Duration::from_secs(3);

/// A moving average of the speed at which a count grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    first: Option<(Instant, u64)>,
    last: Option<(Instant, u64)>,
    /// When the count was last seen to grow, and to what.
    grown: Option<(Instant, u64)>,
    /// Samples, weighted by how lately they were taken, and the sum of the weights.
    weighted: f64,
    weights: f64,
}

impl Rate {
    /// Takes note of the count at an instant.
    pub(super) fn observe(&mut self, count: u64, now: Instant) {
        if self.grown.is_none_or(|(_, before)| count > before) {
            self.grown = Some((now, count));
        }
        let Some((then, before)) = self.last else {
            (self.first, self.last) = (Some((now, count)), Some((now, count)));
            return;
        };
        let span = now.saturating_duration_since(then);
        if span < SAMPLE {
            return;
        }
        let seconds = span.as_secs_f64();
        let sample = count.saturating_sub(before) as f64 / seconds;
        let keep = (-seconds / MEMORY.as_secs_f64()).exp();
        self.weighted = self.weighted * keep + sample * (1.0 - keep);
        self.weights = self.weights * keep + (1.0 - keep);
        self.last = Some((now, count));
    }

    /// Whether the count has not grown for a while.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.grown
            .is_none_or(|(then, _)| now.saturating_duration_since(then) >= REST)
    }

    /// Rows per second over all the time in which the count grew, if that was long enough to tell.
    pub(super) fn overall(&self) -> Option<f64> {
        let ((began, before), (ended, after)) = (self.first?, self.grown?);
        let span = ended.saturating_duration_since(began);
        (span >= SAMPLE).then(|| after.saturating_sub(before) as f64 / span.as_secs_f64())
    }

    /// Rows per second, once there is a sample.
    pub(super) fn per_second(&self) -> Option<f64> {
        (self.weights > 0.0).then(|| self.weighted / self.weights)
    }

    /// Seconds until so many more have come, if any come at all.
    pub(super) fn seconds_for(&self, more: u64) -> Option<u64> {
        let rate = self.per_second().filter(|rate| *rate >= 0.1)?;
        Some((more as f64 / rate).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_speed_is_found_and_a_change_followed() {
        let start = Instant::now();
        let mut rate = Rate::default();
        for second in 0..20 {
            rate.observe(second * 1000, start + Duration::from_secs(second));
        }
        assert!((rate.per_second().unwrap() - 1000.0).abs() < 1e-6);
        assert_eq!(rate.seconds_for(5000), Some(5));
        for second in 20..60 {
            rate.observe(19_000 + (second - 19) * 100, start + Duration::from_secs(second));
        }
        let slow = rate.per_second().unwrap();
        assert!((100.0..120.0).contains(&slow), "{slow}");
        assert!(!rate.rests(start + Duration::from_secs(61)));
        assert!(rate.rests(start + Duration::from_secs(63)));
        // Waiting is not part of the whole.
        rate.observe(23_000, start + Duration::from_secs(600));
        assert!((rate.overall().unwrap() - 23_000.0 / 59.0).abs() < 1e-6);
    }

    #[test]
    fn a_slow_start_is_not_held_against_it() {
        let start = Instant::now();
        let mut rate = Rate::default();
        for (seconds, count) in [(0, 0), (1, 0), (2, 2000), (3, 4000)] {
            rate.observe(count, start + Duration::from_secs(seconds));
        }
        let found = rate.per_second().unwrap();
        assert!((1300.0..1500.0).contains(&found), "{found}");
    }

    #[test]
    fn bursts_and_standstill_promise_nothing() {
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.observe(0, start);
        rate.observe(1_000_000, start + Duration::from_millis(1));
        assert_eq!(rate.per_second(), None);
        rate.observe(0, start + Duration::from_secs(1));
        assert_eq!(rate.seconds_for(10), None);
    }
}
