//! What goes wrong in a run, and when: drawn from the seed alone.

use std::fmt;

use driftless_engine::crash::POINTS;
use driftless_testkit::{Direction, Random};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

/// What goes wrong. Times are milliseconds; shares are per mille of what a quiet load has in that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// kill -9.
    Kill,
    /// Death at a named point.
    Crash(&'static str),
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// Immediate stop, and a start after so long.
    Stop(Side, u64),
    /// A start on a new timeline, after so long.
    Timeline(Side, u64),
    /// Back ends terminated: all of them, or one.
    EndSessions(Side, bool),
    /// Every connection dropped after a share of the bytes.
    Drop(Side, Direction, u64),
    /// Every connection cut inside a message of COPY data, after a share of these messages.
    CutInCopy(Side, u64),
    /// Nothing arrives any more after a share of the bytes, for so long.
    BlackHole(Side, Direction, u64, u64),
    /// Everything in one direction is late.
    Delay(Side, Direction, u64),
    /// The target's disk is full, but for so many kilobytes.
    DiskFull(u64),
    /// The server has no connection left; for so long after somebody was refused.
    NoConnections(Side, u64),
    /// A lock on a table of the target; for so long after somebody waits for it.
    Lock(&'static str, u64),
    /// SIGSTOP past the lease, while another one takes over; then SIGCONT.
    Pause,
}

/// A moment of a load: so long after a step has begun. Without a step, after the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) step: Option<&'static str>,
    pub(super) after: u64,
}

/// One run, chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) fault: Fault,
    pub(super) at: Moment,
    /// Whether the source changes all the while.
    pub(super) moving: bool,
    /// Whether the role may take the replica role.
    pub(super) silent: bool,
    /// What the application does.
    pub(super) workload: u64,
}

/// How many runs it takes until every kind has had its turn. Crashes have two: there are many points.
pub(super) const TURN: u64 = 18;

/// Steps of a load in their order, and about how long one lasts.
const STEPS: [(&str, u64); 8] = [
    ("snapshot", 60),
    ("setting aside", 60),
    ("loading", 600),
    ("indexing identities", 80),
    ("gathering statistics", 60),
    ("building indexes", 80),
    ("proving references", 80),
    ("restoring constraints", 60),
];

/// How much later runs are drawn apart: any odd number.
const APART: u64 = 0x9e37_79b9_7f4a_7c15;

impl Choice {
    /// The run with this number under this seed. Where the disk cannot be filled, its turn goes to a kill.
    pub(super) fn of(seed: u64, run: u64, disk: bool) -> Choice {
        let (turn, place) = (run / TURN, run % TURN);
        let mut order: Vec<u64> = (0..TURN).collect();
        let mut shuffle = Random::from_seed(seed.wrapping_add(APART.wrapping_mul(turn + 1)));
        for last in (1..TURN).rev() {
            order.swap(last as usize, shuffle.below(last + 1) as usize);
        }
        let mut random = Random::from_seed(seed ^ APART.wrapping_mul(run + 1));
        let kind = order[place as usize];
        let fault = fault(kind, turn + seed % POINTS.len() as u64, &mut random);
        let fault = match fault {
            Fault::DiskFull(_) if !disk => Fault::Kill,
            other => other,
        };
        Choice {
            fault,
            at: moment(&mut random, fault),
            // Every kind meets both in turn.
            moving: (kind + turn).is_multiple_of(2),
            silent: random.below(4) != 0,
            workload: random.bits(),
        }
    }
}

fn fault(kind: u64, turn: u64, random: &mut Random) -> Fault {
    let side = if random.below(2) == 0 {
        Side::Source
    } else {
        Side::Target
    };
    let way = if random.below(2) == 0 {
        Direction::ToServer
    } else {
        Direction::ToClient
    };
    let share = 20 + random.below(850);
    // The two crashes of a turn are half the list apart.
    let point = |half: usize| POINTS[(turn as usize + half * POINTS.len() / 2) % POINTS.len()];
    match kind {
        0 => Fault::Kill,
        1 => Fault::Crash(point(0)),
        2 => Fault::Crash(point(1)),
        3 => Fault::Interrupt,
        4 => Fault::Terminate,
        5 => Fault::Stop(Side::Source, random.below(2500)),
        6 => Fault::Stop(Side::Target, random.below(2500)),
        7 => Fault::EndSessions(side, random.below(2) == 0),
        8 => Fault::Drop(side, way, share),
        9 => Fault::BlackHole(side, way, share, 200 + random.below(3000)),
        10 => Fault::Delay(side, way, 2 + random.below(20)),
        11 => Fault::CutInCopy(Side::Source, share),
        12 => Fault::CutInCopy(Side::Target, share),
        13 => Fault::DiskFull(random.below(600)),
        14 => Fault::NoConnections(side, random.below(5000)),
        15 => Fault::Timeline(side, random.below(1500)),
        16 => Fault::Lock(table(random), random.below(3000)),
        _ => Fault::Pause,
    }
}

fn table(random: &mut Random) -> &'static str {
    ["customers", "orders", "remarks"][random.below(3) as usize]
}

fn moment(random: &mut Random, fault: Fault) -> Moment {
    // Only while rows move are there enough writes to run out of disk, and locks that somebody waits for.
    let loading = matches!(fault, Fault::DiskFull(_) | Fault::Lock(..));
    // Once all lanes are open, nothing connects to the source any more.
    let early = matches!(fault, Fault::NoConnections(Side::Source, _));
    let unheld = matches!(fault, Fault::Kill | Fault::NoConnections(..));
    if early || (unheld && random.below(4) == 0) {
        return Moment {
            step: None,
            after: random.below(300),
        };
    }
    // Half of all moments are in the longest step.
    let number = if loading || random.below(2) == 0 {
        2
    } else {
        random.below(STEPS.len() as u64) as usize
    };
    let (step, lasts) = STEPS[number];
    let lasts = if loading { lasts / 4 } else { lasts };
    Moment {
        step: Some(step),
        after: random.below(lasts),
    }
}

impl Fault {
    /// The kind, for the figures.
    pub(super) fn kind(self) -> String {
        match self {
            Fault::Kill => "kill -9".to_owned(),
            Fault::Crash(_) => "crash point".to_owned(),
            Fault::Interrupt => "SIGINT".to_owned(),
            Fault::Terminate => "SIGTERM".to_owned(),
            Fault::Stop(side, _) => format!("immediate stop, {side}"),
            Fault::Timeline(side, _) => format!("new timeline, {side}"),
            Fault::EndSessions(side, _) => format!("back ends ended, {side}"),
            Fault::Drop(side, ..) => format!("connections dropped, {side}"),
            Fault::CutInCopy(side, _) => format!("cut inside a COPY frame, {side}"),
            Fault::BlackHole(side, ..) => format!("black hole, {side}"),
            Fault::Delay(side, ..) => format!("delay, {side}"),
            Fault::DiskFull(_) => "disk full, target".to_owned(),
            Fault::NoConnections(side, _) => format!("no connections left, {side}"),
            Fault::Lock(..) => "table locked, target".to_owned(),
            Fault::Pause => "paused past the lease".to_owned(),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault.kind())?;
        match self.fault {
            Fault::Crash(point) => write!(f, " {point}")?,
            Fault::Drop(_, way, share) | Fault::BlackHole(_, way, share, _) => {
                write!(f, ", after {share} per mille of the bytes {way:?}")?;
            }
            Fault::CutInCopy(_, share) => write!(f, ", after {share} per mille of the frames")?,
            Fault::Delay(_, way, pause) => write!(f, ", {pause} ms {way:?}")?,
            _ => write!(
                f,
                ", {} ms after {}",
                self.at.after,
                self.at.step.unwrap_or("the start")
            )?,
        }
        let source = if self.moving { "changes" } else { "rests" };
        let triggers = if self.silent {
            "replica role"
        } else {
            "each trigger"
        };
        write!(f, "; source {source}; {triggers}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_repeats_every_run_and_meets_every_kind_and_point() {
        let drawn = |seed| {
            (0..200)
                .map(|run| Choice::of(seed, run, true))
                .collect::<Vec<_>>()
        };
        assert_eq!(drawn(5), drawn(5));
        assert_ne!(drawn(5), drawn(6));
        for seed in 0..20 {
            let choices = drawn(seed);
            let kinds: BTreeSet<String> = choices.iter().map(|choice| choice.fault.kind()).collect();
            assert!(kinds.len() >= 20, "{kinds:?}");
            let points: BTreeSet<&str> = choices
                .iter()
                .filter_map(|choice| match choice.fault {
                    Fault::Crash(point) => Some(point),
                    _ => None,
                })
                .collect();
            assert_eq!(points.len(), POINTS.len(), "{points:?}");
            let moving = choices.iter().filter(|choice| choice.moving).count();
            assert!((80..120).contains(&moving), "{moving}");
        }
        let none = (0..200).map(|run| Choice::of(5, run, false));
        assert!(
            none.into_iter()
                .all(|choice| !matches!(choice.fault, Fault::DiskFull(_)))
        );
    }
}
