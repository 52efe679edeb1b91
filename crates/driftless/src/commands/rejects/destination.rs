//! Where an export goes: standard output, or a file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use driftless_core::code;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Where lines go.
pub(super) enum Destination {
    /// Standard output. It ends early where its reader has gone away.
    Output(BufWriter<StdoutLock<'static>>),
    /// A device or a pipe, written as it is.
    Special(PathBuf, BufWriter<File>),
    /// A file, under another name until it is whole. Only its owner can read it: it holds rows.
    File(PathBuf, BufWriter<NamedTempFile>),
}

/// Whether more lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    More,
    NoMore,
}

impl Destination {
    /// # Errors
    /// Nothing can be written there.
    pub(super) fn open(path: Option<&Path>) -> Result<Destination, Failure> {
        let Some(path) = path else {
            return Ok(Destination::Output(BufWriter::new(io::stdout().lock())));
        };
        let opened = match fs::metadata(path) {
            Ok(found) if !found.is_file() => File::options()
                .write(true)
                .open(path)
                .map(|file| Destination::Special(path.to_owned(), BufWriter::new(file))),
            _ => beside(path).map(|file| Destination::File(path.to_owned(), BufWriter::new(file))),
        };
        opened.map_err(|error| refused(path, &error))
    }

    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&mut self, text: &str) -> Result<Wanted, Failure> {
        match self {
            Destination::Output(out) => output(out.write_all(text.as_bytes())),
            Destination::Special(path, file) => written(path, file.write_all(text.as_bytes())),
            Destination::File(path, file) => written(path, file.write_all(text.as_bytes())),
        }
    }

    /// Everything was written: the file appears under its name.
    ///
    /// # Errors
    /// The rest cannot be written.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Destination::Output(mut out) => output(out.flush()),
            Destination::Special(path, mut file) => written(&path, file.flush()),
            Destination::File(path, file) => {
                let whole = file.into_inner().map_err(|error| refused(&path, error.error()))?;
                let kept = whole.as_file().sync_all();
                kept.map_err(|error| refused(&path, &error))?;
                let appeared = whole.persist(&path).map(drop);
                written(&path, appeared.map_err(|error| error.error))
            }
        }
        .map(drop)
    }
}

/// A file without a name that anybody knows, where it can be given its own in one step.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => NamedTempFile::new_in(dir),
        _ => NamedTempFile::new_in("."),
    }
}

fn written(path: &Path, outcome: io::Result<()>) -> Result<Wanted, Failure> {
    outcome.map_err(|error| refused(path, &error))?;
    Ok(Wanted::More)
}

/// A reader that has gone away wants no more, which is no failure.
fn output(outcome: io::Result<()>) -> Result<Wanted, Failure> {
    match outcome {
        Ok(()) => Ok(Wanted::More),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Wanted::NoMore),
        Err(error) => Err(refused(Path::new("standard output"), &error)),
    }
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let message = format!("the export cannot be written: {error}");
    Failure::new(code::NOT_WRITTEN, path.display().to_string(), message)
        .remedy("make room, or name a file in a directory that can be written to")
}
