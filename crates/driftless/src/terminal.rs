use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use console::Term;
use driftless_core::code;
use indicatif::{MultiProgress, ProgressDrawTarget};
use tokio::task::spawn_blocking;

use crate::failure::Failure;

/// What the operator asked of the output.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// Only data, warnings and errors.
    pub(crate) quiet: bool,
    /// No colour.
    pub(crate) no_color: bool,
    /// Every question is answered with yes.
    pub(crate) yes: bool,
}

/// The standard streams. Standard output is data; everything else goes to standard error.
#[derive(Clone)]
pub(crate) struct Terminal {
    wishes: Wishes,
    /// Whether somebody can be asked.
    interactive: bool,
    /// Whether lines on standard error can be redrawn.
    live: bool,
    color: bool,
    /// Columns of standard output; `None` where it is not a terminal, and nothing is cut.
    width: Option<usize>,
    /// Everything for standard error passes here, so that progress lines and messages do not mix.
    bars: MultiProgress,
}

impl Terminal {
    /// Looks at the streams of this process.
    pub(crate) fn detect(wishes: Wishes) -> Terminal {
        let (term, no_color) = (env::var_os("TERM"), env::var_os("NO_COLOR"));
        let error = io::stderr().is_terminal();
        let width = Term::stdout()
            .size_checked()
            .map(|(_, columns)| usize::from(columns));
        Terminal {
            wishes,
            interactive: error && io::stdin().is_terminal(),
            live: error && !is_dumb(term.as_deref()) && !wishes.quiet,
            color: colored(error, wishes.no_color, no_color.as_deref(), term.as_deref()),
            width: width.filter(|_| io::stdout().is_terminal()),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
        }
    }

    /// Whether standard error may carry colour.
    pub(crate) fn color(&self) -> bool {
        self.color
    }

    /// Whether progress lines can be redrawn in place.
    pub(crate) fn live(&self) -> bool {
        self.live
    }

    /// Whether only data, warnings and errors are wanted.
    pub(crate) fn quiet(&self) -> bool {
        self.wishes.quiet
    }

    /// Columns of standard output, if it is a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Where progress lines are drawn.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes data to standard output. A reader that has gone away wants no more, which is no failure.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let outcome = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("standard output cannot be written: {error}");
                Err(Failure::new(code::NOT_WRITTEN, "standard output", message)
                    .remedy("make room, or send the output elsewhere"))
            }
            _ => Ok(()),
        }
    }

    /// Says something on standard error, unless quiet.
    pub(crate) fn tell(&self, text: &str) {
        if !self.quiet() {
            self.warn(text);
        }
    }

    /// Says something on standard error in any case.
    pub(crate) fn warn(&self, text: &str) {
        self.bars.suspend(|| {
            // Nobody could be told that standard error is gone.
            let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
        });
    }

    /// Whether what was just described shall be done. Asks on a terminal; `--yes` answers.
    ///
    /// Without a terminal and without `--yes` it fails: nobody said yes.
    pub(crate) async fn confirm(&self, question: &str) -> Result<bool, Failure> {
        if self.wishes.yes {
            return Ok(true);
        }
        if !self.interactive {
            return Err(Failure::new(
                code::NEEDS_YES,
                "confirmation",
                "nobody can be asked here, and nothing was done",
            )
            .remedy("look at what it would do, then repeat the command with --yes"));
        }
        self.bars.suspend(|| {
            let mut error = io::stderr().lock();
            // A question that cannot be shown is not answered either.
            let _ = write!(error, "{question} [y/N] ").and_then(|()| error.flush());
        });
        // Apart from the runtime's own threads: a signal must find them free.
        let answer = spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer).map(|_| answer)
        });
        let answer = answer.await.ok().and_then(Result::ok).unwrap_or_default();
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// Whether a stream may carry colour. `NO_COLOR` counts unless it is empty, as its authors want it.
fn colored(is_terminal: bool, refused: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    let no_color = no_color.is_some_and(|value| !value.is_empty());
    is_terminal && !refused && !no_color && !is_dumb(term)
}

fn is_dumb(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_needs_a_terminal_and_nobody_against_it() {
        let set = |text: &'static str| Some(OsStr::new(text));
        assert!(colored(true, false, None, set("xterm")));
        assert!(colored(true, false, set(""), None));
        assert!(!colored(false, false, None, set("xterm")));
        assert!(!colored(true, true, None, set("xterm")));
        assert!(!colored(true, false, set("1"), set("xterm")));
        assert!(!colored(true, false, None, set("dumb")));
    }

    #[tokio::test]
    async fn yes_answers_and_silence_does_not() {
        let asked = |yes| {
            let terminal = Terminal {
                interactive: false,
                ..Terminal::detect(Wishes {
                    yes,
                    ..Wishes::default()
                })
            };
            async move { terminal.confirm("Delete it?").await }
        };
        assert!(asked(true).await.unwrap());
        assert_eq!(
            asked(false).await.unwrap_err().findings()[0].code,
            code::NEEDS_YES
        );
    }
}
