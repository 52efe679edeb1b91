//! `${NAME}` in the settings of [pipeline], [source], [target] and [defaults].
//!
//! `${NAME}` stands for the variable's text, `${NAME:-text}` for `text` where the variable is unset or empty, `$${` for
//! a plain `${`. Any other `$` is itself. Entities and `[defaults.columns]` are left alone: there a `$` belongs to SQL
//! or to a JSON path.

use std::collections::BTreeMap;

use super::tree::{Node, Origin, Table, Value};
use crate::code;
use crate::error::{Finding, Span};
use crate::spec::Sources;

/// Puts variables into the settings.
pub(super) fn expand(
    root: &mut Table,
    sources: &Sources,
    environment: &BTreeMap<String, String>,
    out: &mut Vec<Finding>,
) {
    let mut expansion = Expansion {
        sources,
        environment,
        out,
    };
    for section in ["pipeline", "source", "target", "defaults"] {
        if let Some(member) = root.get_mut(section)
            && let Value::Table(table) = &mut member.node.value
        {
            for member in table.members.iter_mut().filter(|member| member.key != "columns") {
                expansion.node(&mut member.node, &format!("[{section}], {}", member.key));
            }
        }
    }
}

struct Expansion<'a> {
    sources: &'a Sources,
    environment: &'a BTreeMap<String, String>,
    out: &'a mut Vec<Finding>,
}

impl Expansion<'_> {
    fn node(&mut self, node: &mut Node, place: &str) {
        if matches!(node.origin, Origin::Variable(_)) {
            return;
        }
        match &mut node.value {
            Value::Text(text) => match expanded(text, self.environment) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    node.value = Value::Text(text);
                    node.origin = Origin::Expanded;
                }
                Err(problem) => {
                    self.out.push(self.finding(&problem, node.span, place));
                    node.value = Value::Broken;
                }
            },
            Value::List(items) => items.iter_mut().for_each(|item| self.node(item, place)),
            Value::Table(table) => {
                for member in &mut table.members {
                    self.node(&mut member.node, place);
                }
            }
            _ => {}
        }
    }

    fn finding(&self, problem: &Problem, span: Option<Span>, place: &str) -> Finding {
        let (finding, written) = match problem {
            Problem::Missing(name) => (
                Finding::error(
                    code::MISSING_VARIABLE,
                    place,
                    format!("the variable {name} is not set"),
                )
                .remedy(format!(
                    "set {name} in the environment or in .env, or write ${{{name}:-default}}"
                )),
                format!("${{{name}"),
            ),
            Problem::Malformed => (
                Finding::error(
                    code::INVALID_VALUE,
                    place,
                    "`${` without a variable's name and `}`",
                )
                .remedy("write ${NAME} or ${NAME:-default}; a plain `${` is written `$${`"),
                "${".to_owned(),
            ),
        };
        match span {
            Some(span) => finding.at(self.narrow(span, &written)),
            None => finding,
        }
    }

    /// The part of a string that is meant, where it can be found as it was written.
    fn narrow(&self, span: Span, written: &str) -> Span {
        let found = self.sources.file(span).and_then(|file| {
            let string = file.text.get(span.start as usize..span.end as usize)?;
            let start = string.find(written)?;
            let end = string[start..]
                .find('}')
                .map_or(string.len(), |length| start + length + 1);
            Some((u32::try_from(start).ok()?, u32::try_from(end).ok()?))
        });
        match found {
            Some((start, end)) => Span {
                file: span.file,
                start: span.start + start,
                end: span.start + end,
            },
            None => span,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Missing(String),
    Malformed,
}

/// The text with its variables put in; `None` where there are none.
fn expanded(text: &str, environment: &BTreeMap<String, String>) -> Result<Option<String>, Problem> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        result.push_str(&rest[..at]);
        let (inside, after) = rest[at + 2..].split_once('}').ok_or(Problem::Malformed)?;
        result.push_str(&variable(inside, environment)?);
        rest = after;
    }
    result.push_str(rest);
    Ok(Some(result))
}

fn variable(inside: &str, environment: &BTreeMap<String, String>) -> Result<String, Problem> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_variable_name(name) {
        return Err(Problem::Malformed);
    }
    match (environment.get(name), default) {
        (Some(text), Some(default)) if text.is_empty() => Ok(default.to_owned()),
        (Some(text), _) => Ok(text.clone()),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Problem::Missing(name.to_owned())),
    }
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_defaults_and_escapes() {
        let environment: BTreeMap<String, String> = [("A", "1"), ("EMPTY", ""), ("TRICKY", "${A}")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
        for (text, expected) in [
            ("plain $ and $$ and $A", Ok(None)),
            ("${A}", Ok(Some("1"))),
            ("x${A}y${A}", Ok(Some("x1y1"))),
            ("${EMPTY}", Ok(Some(""))),
            ("${EMPTY:-d}", Ok(Some("d"))),
            ("${NONE:-a:-b}", Ok(Some("a:-b"))),
            ("${NONE:-}", Ok(Some(""))),
            ("$${A}", Ok(Some("${A}"))),
            ("$$${A}", Ok(Some("$${A}"))),
            ("${TRICKY}", Ok(Some("${A}"))),
            ("${NONE}", Err(Problem::Missing("NONE".to_owned()))),
            ("${", Err(Problem::Malformed)),
            ("${}", Err(Problem::Malformed)),
            ("${1A}", Err(Problem::Malformed)),
            ("${A B}", Err(Problem::Malformed)),
        ] {
            let expected = expected.map(|text: Option<&str>| text.map(str::to_owned));
            assert_eq!(expanded(text, &environment), expected, "{text}");
        }
    }
}
