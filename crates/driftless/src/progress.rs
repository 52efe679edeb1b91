mod board;
mod lines;
mod live;
mod rate;

use std::time::{Duration, Instant};

use driftless_engine::run::Events;
use driftless_engine::run::report::Event;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::terminal::Terminal;
use board::{Board, Change};
use lines::Lines;
use live::Live;

/// How often a terminal is redrawn: often enough to look alive, rarely enough to cost nothing.
const REDRAW: Duration = Duration::from_millis(200);

/// How often lines are written where nothing can be redrawn: a log of a long run stays readable.
const REPORT: Duration = Duration::from_secs(10);

/// Progress of one piece of long work.
pub(crate) struct Progress {
    task: JoinHandle<()>,
    over: CancellationToken,
}

impl Progress {
    /// Shows what arrives at the other end of the given sender, until [`Progress::finish`].
    pub(crate) fn start(terminal: &Terminal) -> (Events, Progress) {
        let (events, received) = mpsc::unbounded_channel();
        let over = CancellationToken::new();
        let view = View::of(terminal);
        let task = tokio::spawn(show(received, view, over.clone()));
        (events, Progress { task, over })
    }

    /// Shows what has arrived, and leaves the terminal clean.
    pub(crate) async fn finish(self) {
        self.over.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "progress could not be shown");
        }
    }
}

/// How progress is shown here.
enum View {
    Quiet,
    Lines(Lines),
    Live(Live),
}

impl View {
    fn of(terminal: &Terminal) -> View {
        if terminal.quiet() {
            View::Quiet
        } else if terminal.live() {
            View::Live(Live::new(terminal))
        } else {
            View::Lines(Lines::new(terminal))
        }
    }

    fn period(&self) -> Duration {
        match self {
            View::Live(_) => REDRAW,
            View::Lines(_) | View::Quiet => REPORT,
        }
    }

    fn changed(&mut self, board: &Board, change: &Change) {
        match self {
            View::Quiet => {}
            View::Lines(lines) => lines.changed(board, change),
            View::Live(live) => live.changed(board, change),
        }
    }

    fn tick(&mut self, board: &Board) {
        match self {
            View::Quiet => {}
            View::Lines(lines) => lines.tick(board),
            View::Live(live) => live.tick(board),
        }
    }

    fn clear(&mut self) {
        if let View::Live(live) = self {
            live.clear();
        }
    }
}

async fn show(mut events: UnboundedReceiver<Event>, mut view: View, over: CancellationToken) {
    let mut board = Board::default();
    let mut ticks = interval(view.period());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    loop {
        // Priorities: 1 events, so that a tick shows what has happened; 2 the end; 3 ticks.
        tokio::select! {
            biased;
            Some(event) = events.recv() => receive(&mut board, &mut view, &event),
            () = over.cancelled() => break,
            _ = ticks.tick() => view.tick(&board),
        }
    }
    view.clear();
}

fn receive(board: &mut Board, view: &mut View, event: &Event) {
    let change = board.apply(event, Instant::now());
    log(board, &change);
    view.changed(board, &change);
}

/// What changed, in the log: names and figures, never rows.
fn log(board: &Board, change: &Change) {
    match change {
        Change::Figures => {}
        Change::Step(step) => tracing::info!(step, "step"),
        Change::Said(note) => tracing::info!(note, "note"),
        Change::Phase(index) => {
            let line = board.line(*index);
            tracing::info!(
                entity = line.entity,
                phase = line.phase,
                read = line.read,
                written = line.written,
                rejected = line.rejected,
                "phase"
            );
        }
    }
}
