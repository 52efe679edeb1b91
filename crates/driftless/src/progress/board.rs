//! What is known about a run, from its events alone.

use std::time::Instant;

use driftless_engine::run::report::Event;

use super::rate::Rate;
use crate::render;

/// Phases in which an entity's rows move.
const MOVING: [&str; 2] = [LOADING, "mending"];

/// The first phase of an entity.
const LOADING: &str = "loading";

/// The phase behind it.
const LOADED: &str = "loaded";

/// One entity.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) entity: String,
    pub(super) phase: &'static str,
    pub(super) estimated: u64,
    pub(super) read: u64,
    pub(super) written: u64,
    pub(super) rejected: u64,
    pub(super) bytes: u64,
    rate: Rate,
}

/// A run as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Board {
    lines: Vec<Line>,
}

/// What an event changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Figures only.
    Figures,
    /// An entity, by index, entered a phase.
    Phase(usize),
    /// The run entered a step.
    Step(String),
    /// Something was said.
    Said(String),
}

impl Board {
    /// Takes note of an event.
    pub(super) fn apply(&mut self, event: &Event, now: Instant) -> Change {
        match event {
            Event::Started { execution, resumed } => {
                let how = if *resumed {
                    "continues an interrupted one"
                } else {
                    "began"
                };
                Change::Said(format!("execution {execution} {how}"))
            }
            Event::Entity {
                entity,
                estimated_rows,
            } => {
                let index = self.index(entity);
                self.lines[index].estimated = *estimated_rows;
                Change::Figures
            }
            Event::Progress {
                entity,
                read,
                written,
                rejected,
                bytes,
            } => {
                let index = self.index(entity);
                let line = &mut self.lines[index];
                (line.read, line.written, line.rejected, line.bytes) = (*read, *written, *rejected, *bytes);
                line.rate.observe(*read, now);
                // Rows move before anybody says so.
                if line.phase.is_empty() && *read > 0 {
                    line.phase = LOADING;
                    return Change::Phase(index);
                }
                Change::Figures
            }
            Event::Phase { entity, phase } => {
                let index = self.index(entity);
                self.lines[index].phase = phase;
                Change::Phase(index)
            }
            Event::Step { step } => {
                if !MOVING.contains(&step.as_str()) {
                    self.settle();
                }
                Change::Step(step.clone())
            }
            Event::Note(note) => Change::Said(note.clone()),
            Event::Lost {
                error,
                pause,
                attempt,
                of,
            } => Change::Said(format!(
                "{error}; going on by itself in {:.1} s (attempt {attempt} of {of} without a chunk committed between)",
                pause.as_secs_f32()
            )),
        }
    }

    /// Rows have moved, whether or not each entity's end was told.
    fn settle(&mut self) {
        let moving = self.lines.iter_mut().filter(|line| line.is_moving());
        moving.for_each(|line| line.phase = LOADED);
    }

    fn index(&mut self, entity: &str) -> usize {
        if let Some(index) = self.lines.iter().position(|line| line.entity == entity) {
            return index;
        }
        self.lines.push(Line {
            entity: entity.to_owned(),
            phase: "",
            estimated: 0,
            read: 0,
            written: 0,
            rejected: 0,
            bytes: 0,
            rate: Rate::default(),
        });
        self.lines.len() - 1
    }

    /// The entity with this index.
    pub(super) fn line(&self, index: usize) -> &Line {
        &self.lines[index]
    }

    /// Entities whose rows move now, with their indices.
    pub(super) fn moving(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().filter(|(_, line)| line.is_moving())
    }

    /// Rows read of all entities, and rows estimated.
    pub(super) fn total(&self) -> (u64, u64) {
        let read = self.lines.iter().map(|line| line.read).sum();
        let estimated = self.lines.iter().map(Line::expected).sum();
        (read, estimated)
    }
}

impl Line {
    /// Whether its rows move now.
    pub(super) fn is_moving(&self) -> bool {
        MOVING.contains(&self.phase)
    }

    /// Rows that it is going to read, as far as can be told: an estimate that was exceeded is corrected.
    pub(super) fn expected(&self) -> u64 {
        self.estimated.max(self.read)
    }

    /// Its figures: rows, speed, bytes, time left, rejects.
    pub(super) fn figures(&self, now: Instant) -> String {
        let count = |number: u64| render::count(i64::try_from(number).unwrap_or(i64::MAX));
        let mut text = if self.is_moving() {
            format!("{} of ~{} rows", count(self.read), count(self.expected()))
        } else {
            render::rows(i64::try_from(self.read).unwrap_or(i64::MAX))
        };
        let (speed, left) = self.pace(now);
        if let Some(speed) = speed {
            text.push_str(&format!(", {} rows/s", count(speed.round() as u64)));
        }
        let bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        text.push_str(&format!(", {}", render::bytes(bytes)));
        if let Some(left) = left {
            text.push_str(&format!(", ETA {}", render::clock(left)));
        }
        if self.rejected > 0 {
            text.push_str(&format!(", {} rejected", count(self.rejected)));
        }
        text
    }

    /// Rows per second, and seconds left: of now while rows move, of the whole afterwards.
    fn pace(&self, now: Instant) -> (Option<f64>, Option<u64>) {
        if !self.is_moving() {
            return (self.rate.overall(), None);
        }
        if self.rate.rests(now) {
            return (None, None);
        }
        (
            self.rate.per_second(),
            self.rate.seconds_for(self.expected() - self.read),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn progress(read: u64, rejected: u64) -> Event {
        Event::Progress {
            entity: "orders".to_owned(),
            read,
            written: read - rejected,
            rejected,
            bytes: read * 100,
        }
    }

    fn phase(phase: &'static str) -> Event {
        Event::Phase {
            entity: "orders".to_owned(),
            phase,
        }
    }

    #[test]
    fn rows_that_move_are_loading() {
        let mut board = Board::default();
        assert_eq!(board.apply(&progress(0, 0), Instant::now()), Change::Figures);
        assert_eq!(board.apply(&progress(10, 0), Instant::now()), Change::Phase(0));
        assert_eq!(board.line(0).phase, LOADING);
        assert_eq!(board.apply(&progress(20, 0), Instant::now()), Change::Figures);
    }

    #[test]
    fn a_step_behind_the_loading_ends_it() {
        let mut board = Board::default();
        let step = |step: &str| Event::Step {
            step: step.to_owned(),
        };
        board.apply(&progress(10, 0), Instant::now());
        board.apply(&step("loading"), Instant::now());
        assert_eq!(board.moving().count(), 1);
        board.apply(&step("building indexes"), Instant::now());
        assert_eq!(board.moving().count(), 0);
        assert_eq!(board.line(0).phase, LOADED);
    }

    #[test]
    fn a_board_follows_an_entity_from_estimate_to_end() {
        let start = Instant::now();
        let mut board = Board::default();
        let estimate = Event::Entity {
            entity: "orders".to_owned(),
            estimated_rows: 40_000,
        };
        assert_eq!(board.apply(&estimate, start), Change::Figures);
        assert_eq!(board.moving().count(), 0);
        assert_eq!(board.apply(&phase("loading"), start), Change::Phase(0));
        board.apply(&progress(0, 0), start);
        board.apply(&progress(10_000, 7), start + Duration::from_secs(1));
        assert_eq!(
            board.line(0).figures(start + Duration::from_secs(1)),
            "10,000 of ~40,000 rows, 10,000 rows/s, 977 kB, ETA 0:03, 7 rejected"
        );
        assert_eq!(
            board.line(0).figures(start + Duration::from_secs(60)),
            "10,000 of ~40,000 rows, 977 kB, 7 rejected"
        );
        assert_eq!(board.total(), (10_000, 40_000));
        board.apply(&progress(40_250, 337), start + Duration::from_secs(4));
        assert_eq!(board.total(), (40_250, 40_250));
        board.apply(&phase("loaded"), start + Duration::from_secs(4));
        assert_eq!(board.moving().count(), 0);
        assert_eq!(
            board.line(0).figures(start + Duration::from_secs(1)),
            "40,250 rows, 10,063 rows/s, 3.8 MB, 337 rejected"
        );
    }
}
