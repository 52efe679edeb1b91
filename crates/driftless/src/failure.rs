use driftless_core::code::{self, Code, Exit};
use driftless_core::error::{Finding, Severity, blocks};
use driftless_core::spec::{self, Sources, Style};
use driftless_engine::error::EngineError;
use driftless_pg::PgError;

/// What stopped a command: one or more findings, and the exit code that follows from them.
#[derive(Debug)]
pub(crate) struct Failure {
    findings: Vec<Finding>,
    exit: Exit,
    /// The mapping's texts, where findings have their places.
    sources: Sources,
}

impl Failure {
    /// One matter of the command line's own.
    pub(crate) fn new(code: Code, place: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure::of(vec![Finding::error(code, place, message)])
    }

    /// Several matters at once; the first that forbids going on gives the exit code.
    pub(crate) fn of(findings: Vec<Finding>) -> Failure {
        let exit = exit_of(&findings);
        Failure {
            findings,
            exit,
            sources: Sources::default(),
        }
    }

    /// The same with what to do about it, where nothing is said about that yet.
    pub(crate) fn remedy(mut self, remedy: &str) -> Failure {
        let silent = self
            .findings
            .iter_mut()
            .filter(|finding| finding.remedy.is_empty());
        silent.for_each(|finding| remedy.clone_into(&mut finding.remedy));
        self
    }

    /// The same with the texts that its places refer to.
    pub(crate) fn within(mut self, sources: &Sources) -> Failure {
        if self.sources.files.is_empty() {
            self.sources = sources.clone();
        }
        self
    }

    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What is wrong.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// As the operator reads it on standard error.
    pub(crate) fn text(&self, color: bool) -> String {
        findings_text(&self.findings, &self.sources, color)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let exit = error.exit();
        Failure {
            exit,
            ..Failure::of(error.into_findings())
        }
    }
}

impl From<PgError> for Failure {
    fn from(error: PgError) -> Failure {
        EngineError::from(error).into()
    }
}

/// How a command ends that showed these findings and went on: as the first error says, if there is one.
pub(crate) fn exit_after(findings: &[Finding]) -> Exit {
    if blocks(findings) {
        exit_of(findings)
    } else {
        Exit::Done
    }
}

fn exit_of(findings: &[Finding]) -> Exit {
    let blocking = findings
        .iter()
        .find(|finding| finding.severity == Severity::Error);
    blocking
        .or(findings.first())
        .map_or(code::INTERNAL, |finding| finding.code)
        .exit()
}

/// Findings with their places in the mapping, and the pages that say more about their codes.
pub(crate) fn findings_text(findings: &[Finding], sources: &Sources, color: bool) -> String {
    let mut text = spec::render(findings, sources, Style { color });
    while text.ends_with('\n') {
        text.pop();
    }
    let mut codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let pages: Vec<String> = codes
        .iter()
        .map(|code| format!("docs/errors/{code}.md"))
        .collect();
    if !pages.is_empty() {
        text.push_str(&format!("\nmore: {}", pages.join(", ")));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_gives_the_exit_code() {
        let failure = Failure::of(vec![
            Finding::warning(code::TYPES_DO_NOT_FIT, "a", "b"),
            Finding::error(code::SERVER_UNREACHABLE, "c", "d"),
        ]);
        assert_eq!(failure.exit(), Exit::Server);
        assert_eq!(Failure::of(Vec::new()).exit(), Exit::Halted);
    }

    #[test]
    fn each_page_is_named_once() {
        let failure = Failure::of(vec![
            Finding::error(code::USAGE, "a", "b").remedy("do this"),
            Finding::error(code::NEEDS_YES, "c", "d"),
            Finding::error(code::USAGE, "e", "f"),
        ])
        .remedy("do that");
        insta::assert_snapshot!(failure.text(false));
    }
}
