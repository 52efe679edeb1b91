//! Progress as lines that are redrawn: one per entity whose rows move, and one for the step of the run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::board::{Board, Change, Line};
use crate::render;
use crate::terminal::Terminal;

/// Blocks of the bars: full, in between, empty. Told apart by shape, not by colour.
const BLOCKS: &str = "█▉▊▋▌▍▎▏ ";

pub(super) struct Live {
    terminal: Terminal,
    bars: MultiProgress,
    step: ProgressBar,
    entities: BTreeMap<usize, ProgressBar>,
}

impl Live {
    pub(super) fn new(terminal: &Terminal) -> Live {
        let bars = terminal.bars().clone();
        let step = bars.add(ProgressBar::new_spinner().with_style(style("{spinner} {msg} ({elapsed})")));
        step.enable_steady_tick(Duration::from_millis(120));
        step.set_message("starting");
        Live {
            terminal: terminal.clone(),
            bars,
            step,
            entities: BTreeMap::new(),
        }
    }

    pub(super) fn changed(&mut self, board: &Board, change: &Change) {
        match change {
            Change::Figures => {}
            Change::Step(step) => {
                self.step.set_message(step.clone());
                self.settle(board);
            }
            Change::Said(note) => self.terminal.tell(&render::clean(note)),
            Change::Phase(index) => self.phase(*index, board.line(*index)),
        }
    }

    /// An entity's line appears when its rows begin to move; when they have moved, it stays behind as text.
    fn phase(&mut self, index: usize, line: &Line) {
        if line.is_moving() {
            if !self.entities.contains_key(&index) {
                let bar = self
                    .bars
                    .insert_before(&self.step, ProgressBar::new(line.expected()));
                bar.set_style(style("  {prefix:20!} {bar:20} {wide_msg}").progress_chars(BLOCKS));
                bar.set_prefix(line.entity.clone());
                self.entities.insert(index, bar);
            }
        } else if let Some(bar) = self.entities.remove(&index) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
            self.terminal.tell(&format!(
                "  {:<20} {}, {}",
                line.entity,
                line.phase,
                line.figures(Instant::now())
            ));
        }
    }

    fn settle(&mut self, board: &Board) {
        let shown: Vec<usize> = self.entities.keys().copied().collect();
        for index in shown {
            self.phase(index, board.line(index));
        }
    }

    pub(super) fn tick(&mut self, board: &Board) {
        for (index, line) in board.moving() {
            if let Some(bar) = self.entities.get(&index) {
                bar.set_length(line.expected().max(1));
                bar.set_position(line.read);
                bar.set_message(line.figures(Instant::now()));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        for bar in self.entities.values() {
            bar.finish_and_clear();
        }
        self.step.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants, and a test builds them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Wishes;
    use driftless_engine::run::report::Event;

    #[test]
    fn a_line_appears_while_rows_move_and_goes_afterwards() {
        let mut live = Live::new(&Terminal::detect(Wishes {
            quiet: true,
            ..Wishes::default()
        }));
        let mut board = Board::default();
        let mut enter = |live: &mut Live, phase| {
            let event = Event::Phase {
                entity: "orders".to_owned(),
                phase,
            };
            let change = board.apply(&event, Instant::now());
            live.changed(&board, &change);
            live.tick(&board);
            live.entities.len()
        };
        assert_eq!(enter(&mut live, "loading"), 1);
        assert_eq!(enter(&mut live, "mending"), 1);
        assert_eq!(enter(&mut live, "loaded"), 0);
        live.clear();
    }
}
