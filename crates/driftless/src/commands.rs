pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod coverage;
pub(crate) mod ids;
pub(crate) mod man;
pub(crate) mod migrate;
pub(crate) mod plan;
pub(crate) mod rejects;
pub(crate) mod status;
pub(crate) mod teardown;
pub(crate) mod validate;

use clap::Args;
use driftless_core::code;
use driftless_core::spec::Spec;
use driftless_core::spec::nearest::nearest;
use driftless_engine::run::Stop;
use serde::Serialize;
use serde_json::Value;

use crate::config::Mapping;
use crate::failure::Failure;
use crate::render::Document;
use crate::terminal::Terminal;

/// What every command works with.
pub(crate) struct Work {
    /// Where it reports.
    pub(crate) terminal: Terminal,
    /// What it is about.
    pub(crate) mapping: Mapping,
    /// Requested when it shall end early.
    pub(crate) stop: Stop,
}

impl Work {
    /// What the mapping says.
    pub(crate) fn spec(&self) -> &Spec {
        &self.mapping.spec
    }

    /// Whether what was just described shall be done; nobody is waited for once the work shall stop.
    async fn confirm(&self, question: &str) -> Result<bool, Failure> {
        let asked = async { Ok(self.terminal.confirm(question).await) };
        self.stop.or(asked).await?
    }

    /// Prints a report: as a document of `driftless/NAME/1`, or as the text that fits the terminal.
    fn report<T: Serialize>(
        &self,
        format: &Format,
        name: &str,
        report: T,
        text: impl FnOnce(&T, Option<usize>) -> String,
    ) -> Result<(), Failure> {
        if format.json {
            return self.terminal.print(&Document::new(name, report).text());
        }
        self.terminal.print(&text(&report, self.terminal.width()))
    }
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Format {
    /// Print one JSON document instead of text; docs/reference/json.md describes it.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which entities are meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Scope {
    /// Only this entity; may be repeated.
    #[arg(long = "entity", value_name = "NAME")]
    pub(crate) entities: Vec<String>,
}

impl Scope {
    /// The entities meant: none named means all.
    ///
    /// # Errors
    /// One of them is not in the mapping.
    pub(crate) fn of(&self, spec: &Spec) -> Result<&[String], Failure> {
        for name in &self.entities {
            entity(spec, name)?;
        }
        Ok(&self.entities)
    }

    /// Whether an entity is meant.
    fn includes(&self, entity: &str) -> bool {
        self.entities.is_empty() || self.entities.iter().any(|name| name == entity)
    }
}

/// An entity that was named must be in the mapping.
fn entity(spec: &Spec, name: &str) -> Result<(), Failure> {
    if spec.entity(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = spec.entities.iter().map(|entity| entity.name.as_str()).collect();
    let remedy = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? It has {}", known.join(", ")),
        None => format!("it has {}", known.join(", ")),
    };
    Err(Failure::new(
        code::UNKNOWN_ENTITY,
        "command line",
        format!("the mapping has no entity `{name}`"),
    )
    .remedy(&remedy))
}

/// A key as the state records it: of several parts, a JSON array of texts.
fn canonical_key(parts: &[String]) -> String {
    match parts {
        [only] => only.clone(),
        _ => Value::from(parts.to_vec()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_several_parts_are_arrays_of_texts() {
        assert_eq!(canonical_key(&["17".to_owned()]), "17");
        assert_eq!(
            canonical_key(&["3".to_owned(), "a\"b".to_owned()]),
            r#"["3","a\"b"]"#
        );
    }
}
