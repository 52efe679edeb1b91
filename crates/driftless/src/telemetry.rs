mod rotating;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use driftless_core::code;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt as layers};

use crate::failure::Failure;
use crate::terminal::Terminal;
use rotating::Rotating;

/// A log file is renamed once it is this large, so that the last five hold some days of a busy daemon.
const FILE_BYTES: u64 = 10 * 1024 * 1024;

/// How many renamed log files are kept.
const KEPT: usize = 5;

/// Crates whose lines are ours. Those of others may hold what a server said, and are left out.
const OURS: &str = "driftless";

/// What the operator asked of the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// `--log-file`.
    pub(crate) file: Option<PathBuf>,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
}

/// Sends log lines as JSON to `.driftless/PIPELINE.log` beside the mapping, or to the named file, from now on until
/// the process ends; with `-v` also to standard error.
///
/// # Errors
/// The named file cannot be written. Where the usual one cannot, a warning says so and the work goes on.
pub(crate) fn start(wishes: &Wishes, dir: &Path, pipeline: &str, terminal: &Terminal) -> Result<(), Failure> {
    let usual = dir.join(".driftless").join(format!("{pipeline}.log"));
    let path = wishes.file.clone().unwrap_or(usual);
    let file = match open(&path) {
        Ok(file) => Some(file),
        Err(error) if wishes.file.is_none() => {
            terminal.warn(&format!("no log is written: {}: {error}", path.display()));
            None
        }
        Err(error) => {
            let message = format!("the log file cannot be written: {error}");
            return Err(
                Failure::new(code::NOT_WRITTEN, path.display().to_string(), message)
                    .remedy("name a file that can be created, with --log-file FILE"),
            );
        }
    };
    let (in_file, on_error) = levels(wishes.verbose);
    let lines = file.map(|file| {
        let layer = layers::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(Mutex::new(file));
        layer.with_filter(Targets::new().with_target(OURS, in_file))
    });
    let spoken = (on_error != LevelFilter::OFF).then(|| {
        let layer = layers::layer()
            .compact()
            .without_time()
            .with_ansi(terminal.color());
        let layer = layer.with_writer(BesideBars(terminal.clone()));
        layer.with_filter(Targets::new().with_target(OURS, on_error))
    });
    // A second mapping in one process keeps the first one's log.
    let _ = Registry::default().with(lines).with(spoken).try_init();
    Ok(())
}

fn open(path: &Path) -> io::Result<Rotating> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir)?;
    }
    Rotating::open(path, FILE_BYTES, KEPT)
}

/// Levels of the file and of standard error.
fn levels(verbose: u8) -> (LevelFilter, LevelFilter) {
    match verbose {
        0 => (LevelFilter::INFO, LevelFilter::OFF),
        1 => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    }
}

/// Log lines on standard error that do not mix with progress lines.
struct BesideBars(Terminal);

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Said<'a>;

    fn make_writer(&'a self) -> Said<'a> {
        Said(&self.0)
    }
}

/// One log line on its way.
struct Said<'a>(&'a Terminal);

impl Write for Said<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.warn(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
