//! Progress as plain lines, for logs and pipes.

use std::time::Instant;

use super::board::{Board, Change};
use crate::render;
use crate::terminal::Terminal;

/// Writes a line at every change of phase, and some at fixed times between.
pub(super) struct Lines {
    terminal: Terminal,
}

impl Lines {
    pub(super) fn new(terminal: &Terminal) -> Lines {
        Lines {
            terminal: terminal.clone(),
        }
    }

    pub(super) fn changed(&self, board: &Board, change: &Change) {
        if let Some(text) = text(board, change) {
            self.terminal.tell(&text);
        }
    }

    pub(super) fn tick(&self, board: &Board) {
        for (_, line) in board.moving() {
            self.terminal.tell(&format!(
                "{}: {}: {}",
                line.entity,
                line.phase,
                line.figures(Instant::now())
            ));
        }
        let (read, estimated) = board.total();
        if board.moving().count() > 1 {
            self.terminal.tell(&format!(
                "all entities: about {} read",
                render::percent(read, estimated)
            ));
        }
    }
}

/// What there is to say about a change.
fn text(board: &Board, change: &Change) -> Option<String> {
    match change {
        Change::Figures => None,
        Change::Step(step) => Some(step.clone()),
        Change::Said(note) => Some(render::clean(note)),
        Change::Phase(index) => {
            let line = board.line(*index);
            Some(match line.read {
                0 => format!("{}: {}", line.entity, line.phase),
                _ => format!(
                    "{}: {}: {}",
                    line.entity,
                    line.phase,
                    line.figures(Instant::now())
                ),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_engine::run::report::Event;

    #[test]
    fn each_change_is_one_line() {
        let now = Instant::now();
        let mut board = Board::default();
        let mut said = |event: Event| {
            let change = board.apply(&event, now);
            text(&board, &change)
        };
        let phase = |phase| Event::Phase {
            entity: "orders".to_owned(),
            phase,
        };
        let step = Event::Step {
            step: "building indexes".to_owned(),
        };
        assert_eq!(said(step).as_deref(), Some("building indexes"));
        assert_eq!(said(phase("loading")).as_deref(), Some("orders: loading"));
        let progress = Event::Progress {
            entity: "orders".to_owned(),
            read: 100,
            written: 99,
            rejected: 1,
            bytes: 4096,
        };
        assert_eq!(said(progress), None);
        let lost = Event::Lost {
            error: "DL0205 u@h:1/d: gone".to_owned(),
            pause: std::time::Duration::from_millis(640),
            attempt: 2,
            of: 8,
        };
        assert_eq!(
            said(lost).as_deref(),
            Some(
                "DL0205 u@h:1/d: gone; going on by itself in 0.6 s (attempt 2 of 8 without a chunk committed between)"
            )
        );
        assert_eq!(
            said(phase("loaded")).as_deref(),
            Some("orders: loaded: 100 rows, 4.0 kB, 1 rejected")
        );
    }
}
