mod include;
mod locate;
mod variables;

use std::path::{Path, PathBuf};
use std::{fs, io};

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::spec::{self, SourceFile, Sources, Spec};

pub(crate) use variables::Variables;

use crate::failure::Failure;

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
    let root = read(&path, None)?;
    let mut sources = Sources::single(root.name.clone(), root.text.clone());
    let patterns = spec::includes(&root).map_err(|findings| Failure::of(findings).within(&sources))?;
    for pattern in patterns {
        let included = include::expand(&dir, &pattern).map_err(|failure| failure.within(&sources))?;
        for file in included {
            let file = read(&file, Some(pattern.span)).map_err(|failure| failure.within(&sources))?;
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

fn read(path: &Path, span: Option<driftless_core::error::Span>) -> Result<SourceFile, Failure> {
    let name = locate::shown(path);
    let refuse = |message: String, remedy: &str| {
        let mut finding = Finding::error(code::MAPPING_UNREADABLE, name.clone(), message).remedy(remedy);
        finding.span = span;
        Failure::of(vec![finding])
    };
    let bytes = fs::read(path).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "name a file that is there",
            io::ErrorKind::PermissionDenied => "let this user read it",
            _ => "name a file",
        };
        refuse(format!("cannot be read: {}", reason(&error)), remedy)
    })?;
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
