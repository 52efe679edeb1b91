//! [pipeline], [source] and [target].

use std::collections::BTreeMap;

use uuid::Uuid;

use super::naming;
use super::scalar::{duration, size, within};
use super::section::Section;
use super::tree::{Node, Value};
use crate::code;
use crate::error::Finding;
use crate::spec::{PipelineSpec, SecretUrl, ServerSpec, Spanned};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// [pipeline].
pub(super) fn pipeline(node: Option<&Node>, out: &mut Vec<Finding>) -> PipelineSpec {
    let mut section = Section::top(node, "[pipeline]", out);
    let name = name(&mut section);
    let spec = PipelineSpec {
        state_schema: state_schema(&mut section),
        namespace: namespace(&mut section).unwrap_or_else(|| default_namespace(&name)),
        undo_retention: section
            .parsed("undo_retention", "undo_retention = \"30d\"", |value| {
                within(
                    duration(value),
                    1000..=36_500 * DAY_MS,
                    "from \"1s\" to \"36500d\"",
                )
            })
            .map_or(30 * 24 * 60 * 60, |milliseconds| milliseconds / 1000),
        max_row_bytes: section
            .parsed("max_row_bytes", "max_row_bytes = \"64MB\"", |value| {
                // PostgreSQL can neither hold nor send a row of more than 1 GB.
                within(size(value), 1 << 10..=1 << 30, "from \"1kB\" to \"1GB\"")
            })
            .unwrap_or(64 << 20),
        name,
    };
    section.finish(out);
    spec
}

fn name(section: &mut Section<'_>) -> String {
    let Some(name) = section.required_text("name", "name = \"lab\"") else {
        return String::new();
    };
    if let Some(complaint) = naming::pipeline_complaint(&name.value)
        && let Some(member) = section.take("name")
    {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            complaint,
            "choose such a name; it cannot change later",
        );
    }
    name.value
}

fn state_schema(section: &mut Section<'_>) -> String {
    let Some(name) = section.text("state_schema", "state_schema = \"driftless\"") else {
        return "driftless".to_owned();
    };
    if let Some(complaint) = naming::state_schema_complaint(&name.value)
        && let Some(member) = section.take("state_schema")
    {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            complaint,
            "give the state a schema of its own, such as \"driftless\"",
        );
    }
    name.value
}

fn namespace(section: &mut Section<'_>) -> Option<Uuid> {
    section.parsed(
        "namespace",
        "namespace = \"6ba7b812-9dad-11d1-80b4-00c04fd430c8\"",
        |value| match value {
            Value::Text(text) => match Uuid::try_parse(text) {
                Ok(uuid) if !uuid.is_nil() => Ok(uuid),
                _ => Err("must be a UUID".to_owned()),
            },
            _ => Err("must be a UUID in a string".to_owned()),
        },
    )
}

/// The namespace of a pipeline that names none: UUIDv5 of `driftless:NAME` in the RFC's namespace for URLs.
pub(super) fn default_namespace(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("driftless:{name}").as_bytes())
}

/// Variables that say what connection strings leave open.
pub(super) fn variables(environment: &BTreeMap<String, String>) -> BTreeMap<String, SecretUrl> {
    environment
        .iter()
        .filter(|(name, _)| name.starts_with("PG") || matches!(name.as_str(), "HOME" | "USER"))
        .map(|(name, value)| (name.clone(), SecretUrl::new(value.clone())))
        .collect()
}

/// [source] or [target].
pub(super) fn server(place: &str, variable: &str, node: Option<&Node>, out: &mut Vec<Finding>) -> ServerSpec {
    let mut section = Section::top(node, place, out);
    let url = section.required_text("url", &format!("url = \"${{{variable}}}\""));
    let (value, span) = url.map_or_else(Default::default, |url| (url.value, url.span));
    let spec = ServerSpec {
        url: SecretUrl::new(value),
        span,
        max_connections: section
            .count("max_connections", 1..=1000, "max_connections = 4")
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(4),
        acquire_timeout_ms: timeout(
            &mut section,
            "acquire_timeout",
            "acquire_timeout = \"30s\"",
            30_000,
        ),
        idle_timeout_ms: timeout(&mut section, "idle_timeout", "idle_timeout = \"10m\"", 600_000),
        zone: zone(&mut section),
    };
    section.finish(out);
    spec
}

fn timeout(section: &mut Section<'_>, key: &'static str, example: &str, default: u64) -> u64 {
    section
        .parsed(key, example, |value| {
            within(duration(value), 1..=DAY_MS, "from \"1ms\" to \"1d\"")
        })
        .unwrap_or(default)
}

fn zone(section: &mut Section<'_>) -> Option<Spanned<String>> {
    const EXAMPLE: &str = "zone = \"Europe/Paris\"";
    let zone = section.text("zone", EXAMPLE)?;
    // Offsets such as +02 are refused: their sign is read differently by PostgreSQL's POSIX zones and by ISO 8601.
    let named = zone.value == "UTC" || zone.value.starts_with(|first: char| first.is_ascii_alphabetic());
    let clean = zone
        .value
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "/_+-".contains(letter));
    if named && clean {
        return Some(zone);
    }
    if let Some(member) = section.take("zone") {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            "`zone` is not the name of a time zone",
            &format!("write a name of the IANA database: `{EXAMPLE}`, or \"UTC\""),
        );
    }
    None
}
