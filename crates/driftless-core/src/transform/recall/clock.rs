use std::collections::HashMap;

/// A day of local time, counted from 2000-01-01.
pub type Day = i32;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// From 0001-01-01 to 9999-12-31: no offset leads out of what PostgreSQL can hold.
const DAYS: std::ops::RangeInclusive<i64> = -730_119..=2_921_939;

/// Days that are remembered at most: more than a century.
const MOST: usize = 40_000;

/// The offsets of a zone, as far as the target has told them.
///
/// Of a day its first and its last microsecond are asked. Where both have one offset, and are local times that were, so is every time
/// between: no zone of the IANA database changes its offset twice within a day (the closest two are four days apart: Africa/Freetown
/// in 1939). All other days are left to the target, time by time.
#[derive(Debug, Default)]
pub struct Clock {
    /// Seconds east of universal time; none where the target is asked.
    days: HashMap<Day, Option<i32>>,
}

impl Clock {
    /// Whether a zone is one of the IANA database by its name, for whose changes that holds: a zone that says its rules itself, as
    /// POSIX has it, has a digit in it.
    pub(super) fn knows(zone: &str) -> bool {
        !zone.is_empty() && !zone.contains(|c: char| c.is_ascii_digit())
    }

    /// The first and the last microsecond of a day.
    pub fn ends(day: Day) -> [i64; 2] {
        let first = i64::from(day) * DAY;
        [first, first + DAY - 1]
    }

    /// Takes what the target says of both ends of a day: the instant, and whether its local time there is the one that was asked.
    pub fn learn(&mut self, day: Day, told: [(i64, bool); 2]) {
        let [first, last] = Clock::ends(day);
        let offset =
            |local: i64, (instant, exists): (i64, bool)| exists.then(|| local.checked_sub(instant))?;
        let (first, last) = (offset(first, told[0]), offset(last, told[1]));
        let seconds = first
            .filter(|offset| Some(*offset) == last && offset % SECOND == 0)
            .and_then(|offset| i32::try_from(offset / SECOND).ok());
        self.days.insert(day, seconds);
    }

    /// The instant that a local time means; `None` where the target has to be asked. Infinity stays what it is.
    pub(super) fn instant(&self, local: &[u8]) -> Option<i64> {
        let local = i64::from_be_bytes(local.try_into().ok()?);
        if matches!(local, i64::MIN | i64::MAX) {
            return Some(local);
        }
        let offset = (*self.days.get(&day(local)?)?)?;
        Some(local - i64::from(offset) * SECOND)
    }

    /// The day of a local time, if it is not known and would be remembered.
    pub(super) fn unknown(&self, local: &[u8]) -> Option<Day> {
        let local = i64::from_be_bytes(local.try_into().ok()?);
        let day = day(local)?;
        (!self.days.contains_key(&day) && self.days.len() < MOST).then_some(day)
    }
}

fn day(local: i64) -> Option<Day> {
    let day = local.div_euclid(DAY);
    DAYS.contains(&day).then(|| Day::try_from(day).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600 * SECOND;

    fn ends(first: i64, last: i64) -> [(i64, bool); 2] {
        let [a, b] = Clock::ends(1);
        [(a - first, true), (b - last, true)]
    }

    #[test]
    fn a_day_with_one_offset_answers_for_all_its_times() {
        let mut clock = Clock::default();
        let noon = DAY + 12 * HOUR;
        assert_eq!(clock.unknown(&noon.to_be_bytes()), Some(1));
        clock.learn(1, ends(HOUR, HOUR));
        assert_eq!(clock.unknown(&noon.to_be_bytes()), None);
        assert_eq!(clock.instant(&noon.to_be_bytes()), Some(noon - HOUR));
        assert_eq!(clock.instant(&(2 * DAY).to_be_bytes()), None);
    }

    #[test]
    fn a_day_with_a_change_is_left_to_the_target() {
        let mut clock = Clock::default();
        clock.learn(1, ends(HOUR, 2 * HOUR));
        assert_eq!(clock.instant(&DAY.to_be_bytes()), None);
        assert_eq!(clock.unknown(&DAY.to_be_bytes()), None);
        let [a, b] = Clock::ends(1);
        clock.learn(1, [(a, true), (b, false)]);
        assert_eq!(clock.instant(&DAY.to_be_bytes()), None);
    }

    #[test]
    fn infinity_and_times_before_any_calendar_are_no_days() {
        let clock = Clock::default();
        for local in [i64::MIN, i64::MAX] {
            assert_eq!(clock.instant(&local.to_be_bytes()), Some(local));
            assert_eq!(clock.unknown(&local.to_be_bytes()), None);
        }
        assert_eq!(clock.unknown(&(i64::MIN + 1).to_be_bytes()), None);
        assert_eq!(clock.unknown(b"short"), None);
    }

    #[test]
    fn a_zone_that_says_its_own_rules_is_not_known() {
        assert!(Clock::knows("Europe/Paris") && Clock::knows("America/Port-au-Prince"));
        assert!(!Clock::knows("EST5EDT") && !Clock::knows("<+03>-3") && !Clock::knows(""));
    }
}
