mod include;
mod locate;
mod variables;

use std::fs;
use std::path::{Path, PathBuf};

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

fn read(path: &Path, span: Option<driftless_core::error::Span>) -> Result<SourceFile, Failure> {
    let name = locate::shown(path);
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("{name} cannot be read: {error}");
        let mut finding = Finding::error(code::MAPPING_UNREADABLE, name.clone(), message)
            .remedy("name a readable UTF-8 file");
        finding.span = span;
        Failure::of(vec![finding])
    })?;
    Ok(SourceFile { name, text })
}
