use std::fmt;
use std::process::ExitCode;

use crate::workspace::{File, Workspace};

/// What each package may depend on.
mod dependencies;
/// A module uses only modules declared before it.
mod module_order;
/// Who may commit, and who may not write at all.
mod writes;
/// A page for every error code, and a code for every page.
mod codes;
/// No file grows beyond what one can hold in mind.
mod sizes;
/// Words that must not stand in code.
mod words;

/// A breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// A file and line, a package, or a code.
    place: String,
    /// What is wrong, and what would be right.
    text: String,
}

impl Finding {
    fn at(file: &File, offset: usize, text: impl Into<String>) -> Self {
        let place = format!("{}:{}", file.path, file.source.line(offset));
        Self {
            place,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// A rule looks at the whole workspace and says what breaks it.
type Rule = fn(&Workspace) -> Vec<Finding>;

const RULES: [(&str, Rule); 6] = [
    ("dependencies", dependencies::check),
    ("module-order", module_order::check),
    ("writes", writes::check),
    ("codes", codes::check),
    ("sizes", sizes::check),
    ("words", words::check),
];

/// Checks every rule and prints what breaks one.
pub(crate) fn run() -> Result<ExitCode, String> {
    let workspace = Workspace::load()?;
    let mut count = 0;
    for (name, rule) in RULES {
        for finding in rule(&workspace) {
            println!("{finding} [{name}]");
            count += 1;
        }
    }
    if count == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{count} breaches of the architecture's rules");
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
fn workspace_of(files: &[(&str, &str)]) -> Workspace {
    let files = files.iter().map(|(path, text)| File::new(path, text)).collect();
    Workspace {
        files,
        ..Workspace::default()
    }
}

#[cfg(test)]
fn places(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.place.as_str()).collect()
}
