mod reference;
mod usage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory as _, Parser, Subcommand};
use driftless_core::code::{self, Exit};

use crate::commands::{
    Work, check, completions, coverage, ids, man, migrate, plan, rejects, status, teardown, validate,
};
use crate::config::{self, Variables};
use crate::demo;
use crate::failure::{Failure, findings_text};
use crate::interrupt::Interrupt;
use crate::memory;
use crate::telemetry;
use crate::terminal::{Terminal, Wishes};

/// Moves a legacy PostgreSQL database into a differently shaped PostgreSQL or Supabase database
///
/// One mapping file says which tables become which, how columns are reshaped, and where UUIDs come from. Every row is
/// either in the target afterwards or on record as rejected, with the reason; a run that was interrupted continues.
#[derive(Debug, Parser)]
#[command(
    name = "driftless",
    version,
    after_help = "Exit codes:
  0    done, nothing wrong
  1    done, but rejects or differences remain
  2    usage or mapping error
  3    a server cannot be reached or refuses
  4    halted: threshold, integrity, changed plan
  5    another instance holds the pipeline
  130  interrupted; the same command continues",
    after_long_help = "Examples:
  driftless demo        see it at work on two throw-away servers
  driftless check       is the mapping right?
  driftless plan        what would happen, and why?
  driftless migrate     load, or continue
  driftless validate    is everything there?

Exit codes:
  0    done, nothing wrong
  1    done, but rejects or differences remain
  2    usage or mapping error
  3    a server cannot be reached or refuses
  4    halted: threshold, integrity, changed plan
  5    another instance holds the pipeline
  130  interrupted; the same command continues

Standard output is data, standard error is everything else. NO_COLOR is honoured.",
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
struct Cli {
    /// The mapping [default: driftless.toml, here or in a directory above]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// Say nothing but data, warnings and errors
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    quiet: bool,
    /// Log more, and to standard error as well; twice for even more
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    verbose: u8,
    /// No colour
    #[arg(long, global = true, help_heading = "Everywhere")]
    no_color: bool,
    /// Answer every question with yes
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    yes: bool,
    /// Where log lines go [default: .driftless/PIPELINE.log beside the mapping]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    log_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    #[command(flatten)]
    WithMapping(WithMapping),
    Completions(completions::Arguments),
    Man(man::Arguments),
    /// Print the reference of all commands as Markdown
    #[command(hide = true)]
    Reference,
}

/// Commands that are about a mapping.
#[derive(Debug, Subcommand)]
enum WithMapping {
    Check(check::Arguments),
    Plan(plan::Arguments),
    Coverage(coverage::Arguments),
    Migrate(migrate::Arguments),
    Validate(validate::Arguments),
    Status(status::Arguments),
    Rejects(Box<rejects::Arguments>),
    Ids(ids::Arguments),
    Teardown(teardown::Arguments),
}

impl WithMapping {
    fn name(&self) -> &'static str {
        match self {
            WithMapping::Check(_) => "check",
            WithMapping::Plan(_) => "plan",
            WithMapping::Coverage(_) => "coverage",
            WithMapping::Migrate(_) => "migrate",
            WithMapping::Validate(_) => "validate",
            WithMapping::Status(_) => "status",
            WithMapping::Rejects(_) => "rejects",
            WithMapping::Ids(_) => "ids",
            WithMapping::Teardown(_) => "teardown",
        }
    }

    /// Whether the command ends by itself, where it can be continued, once it is asked to. Others are just dropped.
    fn stops(&self) -> bool {
        match self {
            WithMapping::Migrate(_) => true,
            WithMapping::Rejects(arguments) => arguments.stops(),
            _ => false,
        }
    }
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    memory::return_batches();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(run(&arguments) as u8)
}

fn run(arguments: &[OsString]) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error, arguments),
    };
    let terminal = Terminal::detect(Wishes {
        quiet: cli.quiet,
        no_color: cli.no_color,
        yes: cli.yes,
    });
    let outcome = start(&cli, &terminal);
    outcome.unwrap_or_else(|failure| {
        terminal.warn(&failure.text(terminal.color()));
        failure.exit()
    })
}

fn start(cli: &Cli, terminal: &Terminal) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Demo(arguments) => in_runtime(async {
            let interrupt = Interrupt::listen(terminal, false);
            supervise(
                demo::run(arguments, terminal, &log_wishes(cli), &interrupt),
                terminal,
                &interrupt,
                false,
            )
            .await
        }),
        Command::WithMapping(command) => in_runtime(async {
            let interrupt = Interrupt::listen(terminal, command.stops());
            supervise(
                execute(cli, command, terminal, &interrupt),
                terminal,
                &interrupt,
                command.stops(),
            )
            .await
        }),
        Command::Completions(arguments) => completions::run(arguments, Cli::command(), terminal),
        Command::Man(arguments) => man::run(arguments, Cli::command(), terminal),
        Command::Reference => {
            terminal.print(&reference::markdown(Cli::command()))?;
            Ok(Exit::Done)
        }
    }
}

fn in_runtime(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(
            code::INTERNAL,
            "runtime",
            format!("threads cannot be started: {error}"),
        )
        .remedy("allow the process more threads")
    })?;
    let outcome = runtime.block_on(work);
    // What still blocks is not waited for: every state it could leave is one that the next start continues from.
    runtime.shutdown_background();
    outcome
}

/// Runs a command until it is done or signals end it.
async fn supervise(
    work: impl Future<Output = Result<Exit, Failure>>,
    terminal: &Terminal,
    interrupt: &Interrupt,
    stops: bool,
) -> Result<Exit, Failure> {
    // Priorities: 1 the command's own end, which may be an orderly answer to the signal; 2 signals.
    tokio::select! {
        biased;
        outcome = work => return outcome,
        () = interrupt.asked(), if !stops => {}
        () = interrupt.ended() => {}
    }
    terminal.warn("interrupted");
    Ok(Exit::Interrupted)
}

fn log_wishes(cli: &Cli) -> telemetry::Wishes {
    telemetry::Wishes {
        file: cli.log_file.clone(),
        verbose: cli.verbose,
    }
}

async fn execute(
    cli: &Cli,
    command: &WithMapping,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let mapping = config::open(cli.config.as_deref(), Variables::OfProcess)?;
    let sources = mapping.sources.clone();
    if !mapping.notes.is_empty() {
        terminal.warn(&findings_text(&mapping.notes, &sources, terminal.color()));
    }
    telemetry::start(
        &log_wishes(cli),
        &mapping.dir,
        &mapping.spec.pipeline.name,
        terminal,
    )?;
    let begin = Instant::now();
    tracing::info!(
        command = command.name(),
        version = env!("CARGO_PKG_VERSION"),
        "began"
    );
    let work = Work {
        terminal: terminal.clone(),
        mapping,
        stop: interrupt.stop.clone(),
    };
    let outcome = dispatch(command, &work).await;
    log_end(&outcome, begin);
    outcome.map_err(|failure| failure.within(&sources))
}

fn log_end(outcome: &Result<Exit, Failure>, begin: Instant) {
    let seconds = begin.elapsed().as_secs_f64();
    match outcome {
        Ok(exit) => tracing::info!(exit = *exit as u8, seconds, "ended"),
        Err(failure) => {
            for finding in failure.findings() {
                tracing::error!(code = %finding.code, place = finding.place, message = finding.message, "finding");
            }
            tracing::error!(exit = failure.exit() as u8, seconds, "ended");
        }
    }
}

async fn dispatch(command: &WithMapping, work: &Work) -> Result<Exit, Failure> {
    match command {
        WithMapping::Check(arguments) => check::run(arguments, work).await,
        WithMapping::Plan(arguments) => plan::run(arguments, work).await,
        WithMapping::Coverage(arguments) => coverage::run(arguments, work).await,
        WithMapping::Migrate(arguments) => migrate::run(arguments, work).await,
        WithMapping::Validate(arguments) => validate::run(arguments, work).await,
        WithMapping::Status(arguments) => status::run(arguments, work).await,
        WithMapping::Rejects(arguments) => rejects::run(arguments, work).await,
        WithMapping::Ids(arguments) => ids::run(arguments, work).await,
        WithMapping::Teardown(arguments) => teardown::run(arguments, work).await,
    }
}
