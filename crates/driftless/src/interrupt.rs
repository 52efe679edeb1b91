use std::process;

use driftless_core::code::Exit;
use driftless_engine::run::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::terminal::Terminal;

/// What signals have asked for so far.
#[derive(Clone)]
pub(crate) struct Interrupt {
    /// Requested by the first signal: the work ends where it can be continued.
    pub(crate) stop: Stop,
    asked: CancellationToken,
    ended: CancellationToken,
}

impl Interrupt {
    /// Nothing asked for, and nothing listening.
    pub(crate) fn new() -> Interrupt {
        Interrupt {
            stop: Stop::new(),
            asked: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Listens for SIGINT and SIGTERM from now on. Where they cannot be listened to, they end the process as usual.
    pub(crate) fn listen(terminal: &Terminal, graceful: bool) -> Interrupt {
        let interrupt = Interrupt::new();
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        if let (Ok(interrupts), Ok(terminations)) = signals {
            let listener = interrupt.clone();
            let terminal = terminal.clone();
            tokio::spawn(listener.serve(interrupts, terminations, terminal, graceful));
        }
        interrupt
    }

    async fn serve(
        self,
        mut interrupts: Signal,
        mut terminations: Signal,
        terminal: Terminal,
        graceful: bool,
    ) {
        let mut received = 0_u32;
        loop {
            // Priorities: none; both signals mean the same.
            tokio::select! {
                got = interrupts.recv() => if got.is_none() { return },
                got = terminations.recv() => if got.is_none() { return },
            }
            received += 1;
            match received {
                1 => {
                    if graceful {
                        terminal.tell("interrupted: finishing the batch in flight; once more ends at once");
                    }
                    self.stop.request();
                    self.asked.cancel();
                }
                2 => self.ended.cancel(),
                // What should have dropped everything by now does not: nothing is lost by ending here.
                _ => process::exit(Exit::Interrupted as i32),
            }
        }
    }

    /// Until the first signal.
    pub(crate) async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Until the second signal.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
