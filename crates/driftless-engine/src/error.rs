//! The one error of this crate: code, place, cause and remedy, without row values and secrets.

use std::error::Error as StdError;
use std::fmt;

use driftless_core::code::{self, Code, Exit};
use driftless_core::error::{Finding, Severity};
use driftless_pg::{Disposition, PgError};

/// Why the engine stopped. Prints as one line per matter: `code place: cause (remedy)`.
pub struct EngineError(Box<Inner>);

struct Inner {
    /// What was being done, outermost first, such as `entity patients`; may be empty.
    context: String,
    cause: Cause,
}

enum Cause {
    Pg(PgError),
    Findings(Vec<Finding>),
    Own {
        code: Code,
        message: String,
        remedy: String,
    },
}

/// The SQLSTATE that a transaction raises whose lease was taken over; no server raises it by itself.
pub(crate) const LEASE_LOST_STATE: &str = "DL501";

/// What a function of the engine gives.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    /// An error of the engine's own, at a place in the operator's words (`entity patients`).
    pub fn new(code: Code, place: impl Into<String>, message: impl Into<String>) -> EngineError {
        EngineError(Box::new(Inner {
            context: place.into(),
            cause: Cause::Own {
                code,
                message: message.into(),
                remedy: String::new(),
            },
        }))
    }

    /// Several things at once that forbid going on.
    pub fn findings(findings: Vec<Finding>) -> EngineError {
        EngineError(Box::new(Inner {
            context: String::new(),
            cause: Cause::Findings(findings),
        }))
    }

    /// The same with what to do about it; of errors that carry their own remedy, nothing changes.
    #[must_use]
    pub fn remedy(mut self, text: impl Into<String>) -> EngineError {
        if let Cause::Own { remedy, .. } = &mut self.0.cause {
            *remedy = text.into();
        }
        self
    }

    /// The same, saying what was being done: goes before what is already said about the place.
    #[must_use]
    pub fn context(mut self, place: impl fmt::Display) -> EngineError {
        let place = place.to_string();
        match &mut self.0.cause {
            Cause::Findings(findings) => findings
                .iter_mut()
                .for_each(|finding| finding.place = joined(&place, &finding.place)),
            _ => self.0.context = joined(&place, &self.0.context),
        }
        self
    }

    /// The stable code; of several findings, that of the first one that forbids going on.
    pub fn code(&self) -> Code {
        match &self.0.cause {
            Cause::Pg(error) if error.sqlstate() == Some(LEASE_LOST_STATE) => code::LEASE_LOST,
            Cause::Pg(error) => error.code(),
            Cause::Own { code, .. } => *code,
            Cause::Findings(findings) => findings
                .iter()
                .find(|finding| finding.severity == Severity::Error)
                .or(findings.first())
                .map_or(code::INTERNAL, |finding| finding.code),
        }
    }

    /// How a command ends that stops for this error.
    pub fn exit(&self) -> Exit {
        self.code().exit()
    }

    /// The error of a server or connection, if it is one: for decisions by SQLSTATE.
    pub fn pg(&self) -> Option<&PgError> {
        match &self.0.cause {
            Cause::Pg(error) => Some(error),
            _ => None,
        }
    }

    /// What to do with the work that ran into it: only errors of servers can be worth another try.
    pub fn disposition(&self) -> Disposition {
        self.pg().map_or(Disposition::Stop, PgError::disposition)
    }

    /// Whether only a connection was lost or could not be had, so that the same work may go through in a moment. Not where
    /// somebody else has taken over.
    pub fn connection_comes_back(&self) -> bool {
        self.pg().is_some_and(PgError::connection_comes_back)
    }

    /// As findings, for whoever shows several things in one form.
    pub fn into_findings(self) -> Vec<Finding> {
        let code = self.code();
        let Inner { context, cause } = *self.0;
        match cause {
            Cause::Findings(findings) => findings,
            Cause::Pg(error) => {
                let finding = Finding::error(code, joined(&context, error.place()), error.cause());
                vec![finding.remedy(error.remedy().unwrap_or_default())]
            }
            Cause::Own { message, remedy, .. } => vec![Finding::error(code, context, message).remedy(remedy)],
        }
    }
}

/// Errors whose place can be told where they pass by.
pub trait InContext<T> {
    /// Says what was being done when it failed.
    ///
    /// # Errors
    /// The same failure, with the place.
    fn context(self, place: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<EngineError>> InContext<T> for std::result::Result<T, E> {
    fn context(self, place: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(place))
    }
}

impl From<PgError> for EngineError {
    fn from(error: PgError) -> EngineError {
        EngineError(Box::new(Inner {
            context: String::new(),
            cause: Cause::Pg(error),
        }))
    }
}

fn joined(outer: &str, inner: &str) -> String {
    match (outer.is_empty(), inner.is_empty()) {
        (true, _) => inner.to_owned(),
        (_, true) => outer.to_owned(),
        _ => format!("{outer}, {inner}"),
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { context, cause } = &*self.0;
        match cause {
            Cause::Findings(findings) => {
                for (index, finding) in findings.iter().enumerate() {
                    let line_break = if index == 0 { "" } else { "\n" };
                    write!(f, "{line_break}{finding}")?;
                }
                Ok(())
            }
            Cause::Pg(error) => {
                let place = joined(context, error.place());
                write_line(f, error.code(), &place, error.cause(), error.remedy().as_deref())
            }
            Cause::Own {
                code,
                message,
                remedy,
            } => write_line(f, *code, context, message, Some(remedy)),
        }
    }
}

fn write_line(
    f: &mut fmt::Formatter<'_>,
    code: Code,
    place: &str,
    cause: &str,
    remedy: Option<&str>,
) -> fmt::Result {
    write!(f, "{code} ")?;
    if !place.is_empty() {
        write!(f, "{place}: ")?;
    }
    f.write_str(cause)?;
    match remedy {
        Some(remedy) if !remedy.is_empty() => write!(f, " ({remedy})"),
        _ => Ok(()),
    }
}

/// As displayed: a server's message in full may hold row values.
impl fmt::Debug for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineError({self})")
    }
}

impl StdError for EngineError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.pg().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_errors_print_code_place_cause_and_remedy() {
        let error = EngineError::new(code::INTEGRITY, "entity patients", "two rows too many")
            .remedy("run validate")
            .context("pipeline lab");
        assert_eq!(
            error.to_string(),
            "DL0508 pipeline lab, entity patients: two rows too many (run validate)"
        );
        assert_eq!(error.exit(), Exit::Halted);
        assert_eq!(error.disposition(), Disposition::Stop);
        let findings = error.into_findings();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "pipeline lab, entity patients");
    }

    #[test]
    fn the_first_blocking_finding_gives_the_code() {
        let error = EngineError::findings(vec![
            Finding::warning(code::TYPES_DO_NOT_FIT, "a", "b"),
            Finding::error(code::NO_KEY, "c", "d").remedy("e"),
        ]);
        assert_eq!(error.code(), code::NO_KEY);
        assert_eq!(error.to_string(), "warning[DL0108] a: b\nerror[DL0104] c: d (e)");
        assert_eq!(EngineError::findings(Vec::new()).code(), code::INTERNAL);
    }
}
