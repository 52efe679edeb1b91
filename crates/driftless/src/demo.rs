mod home;
mod laboratory;
mod left_running;
mod story;

use clap::Args;
use driftless_core::code::Exit;

use crate::commands::Work;
use crate::config::{self, Variables};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::telemetry;
use crate::terminal::Terminal;
use home::Home;
use laboratory::Laboratory;

/// See it at work on two throw-away servers
///
/// Starts two PostgreSQL servers, fills one with the legacy database of a dental laboratory and the other with the shape
/// of a Supabase project, and tells the whole story with the commands that you would use: check, plan, migrate, rejects,
/// ids, validate. It takes less than a minute, needs nothing but the server's programs, and leaves nothing behind.
#[derive(Debug, Default, Args)]
#[command(after_long_help = "Examples:
  driftless demo          the whole story; leaves nothing behind
  driftless demo --keep   leaves both servers running, and says how to reach them
  driftless demo --stop   ends what --keep left running")]
pub(crate) struct Arguments {
    /// Leave both servers running, with the mapping, to look around and to try things.
    #[arg(long, conflicts_with = "stop")]
    keep: bool,
    /// End what `demo --keep` left running.
    #[arg(long)]
    stop: bool,
}

/// # Errors
/// The servers cannot be started or stopped, or a command of the story failed.
pub(crate) async fn run(
    arguments: &Arguments,
    terminal: &Terminal,
    log: &telemetry::Wishes,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    if arguments.stop {
        return left_running::stop(terminal);
    }
    let home = if arguments.keep {
        Home::to_keep()?
    } else {
        Home::temporary()?
    };
    story::opening(terminal)?;
    let laboratory = Laboratory::start(terminal).await?;
    let path = home.furnish(&laboratory)?;
    // The operator's shell has no say: the mapping leads to the servers just started, and nowhere else.
    let mapping = config::open(Some(&path), Variables::None)?;
    telemetry::start(log, &mapping.dir, &mapping.spec.pipeline.name, terminal)?;
    let sources = mapping.sources.clone();
    let work = Work {
        terminal: terminal.clone(),
        mapping,
        stop: interrupt.stop.clone(),
    };
    let exit = story::tell(&work, &laboratory)
        .await
        .map_err(|failure| failure.within(&sources))?;
    if arguments.keep {
        left_running::keep(laboratory, home, &path, terminal)?;
    } else {
        terminal
            .print("\nBoth servers are stopped and gone. `driftless demo --keep` leaves them running.\n")?;
    }
    Ok(exit)
}
