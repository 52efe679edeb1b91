mod dotenv;
mod include;
mod locate;
mod outside;
mod variables;

use std::io;
use std::path::{Path, PathBuf};

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::spec::{self, SourceFile, Sources, Spec};

pub(crate) use variables::Variables;

use crate::failure::Failure;

/// Bytes that the files of a mapping may have together: thousands of tables, each with all of its columns written out. What
/// is larger is no mapping, and reading it would take minutes and gigabytes before anything could be said.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// A mapping, read and checked.
pub(crate) struct Mapping {
    /// The directory of its root file: relative things are relative to it.
    pub(crate) dir: PathBuf,
    /// Its texts.
    pub(crate) sources: Sources,
    /// What it says.
    pub(crate) spec: Spec,
    /// What is worth knowing about it, and forbids nothing.
    pub(crate) notes: Vec<Finding>,
}

/// Finds the mapping, reads it with everything it includes, and checks what it says.
///
/// `named` is the file of `--config`; without it, `driftless.toml` is looked for in the working directory and above.
///
/// # Errors
/// There is no mapping, a file cannot be read, or the mapping is wrong: everything that is wrong at once.
pub(crate) fn open(named: Option<&Path>, variables: Variables) -> Result<Mapping, Failure> {
    let path = locate::mapping(named)?;
    let dir = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut room = MOST_BYTES;
    let root = read(&path, None, &mut room)?;
    let mut sources = Sources::single(root.name.clone(), root.text.clone());
    let patterns = spec::includes(&root).map_err(|findings| Failure::of(findings).within(&sources))?;
    for pattern in patterns {
        let included = include::expand(&dir, &pattern).map_err(|failure| failure.within(&sources))?;
        for file in included {
            let file =
                read(&file, Some(pattern.span), &mut room).map_err(|failure| failure.within(&sources))?;
            if !sources.files.iter().any(|known| known.name == file.name) {
                sources.files.push(file);
            }
        }
    }
    let environment = variables.collect(&dir)?;
    let (spec, notes) =
        spec::read(&sources, &environment).map_err(|findings| Failure::of(findings).within(&sources))?;
    Ok(Mapping {
        dir,
        sources,
        spec,
        notes,
    })
}

/// What the system says, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// Reads a file of the mapping, and takes its bytes off the room that is left.
fn read(
    path: &Path,
    span: Option<driftless_core::error::Span>,
    room: &mut u64,
) -> Result<SourceFile, Failure> {
    let name = locate::shown(path);
    let refuse = |message: String, remedy: &str| {
        let mut finding = Finding::error(code::MAPPING_UNREADABLE, name.clone(), message).remedy(remedy);
        finding.span = span;
        Failure::of(vec![finding])
    };
    let bytes = outside::whole(path, *room).map_err(|error| match error {
        outside::Unreadable::NoFile(what) => refuse(
            format!("is no file but {what}"),
            "name a file; save what a program writes to one first",
        ),
        outside::Unreadable::TooLarge => refuse(
            format!(
                "is too large: a mapping has {} MiB at most, over all its files",
                MOST_BYTES >> 20
            ),
            "name the file that holds the mapping",
        ),
        outside::Unreadable::Io(error) => refuse(
            format!("cannot be read: {}", reason(&error)),
            match error.kind() {
                io::ErrorKind::NotFound => "name a file that is there",
                io::ErrorKind::PermissionDenied => "let this user read it",
                _ => "name a file",
            },
        ),
    })?;
    *room -= bytes.len() as u64;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        let message = format!("is not UTF-8 text: line {line} has a byte that is none");
        refuse(message, "save it as UTF-8")
    })?;
    Ok(SourceFile { name, text })
}
