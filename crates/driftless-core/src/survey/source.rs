//! What is read: encodings, inheritance, standbys.

use super::Ground;
use crate::code;
use crate::error::{Finding, Severity};

pub(super) fn findings(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    encoding(ground, findings);
    standby(ground, findings);
    for entity in &ground.plan.entities {
        let Some(relation) = ground.read_by(entity) else {
            continue;
        };
        if relation.around.unpopulated {
            let finding = Finding::error(
                code::SOURCE_UNREADABLE,
                format!("entity {}", entity.name),
                format!(
                    "{} was never filled, and PostgreSQL refuses to read it",
                    relation.name
                ),
            )
            .remedy(format!("REFRESH MATERIALIZED VIEW {}", relation.name.sql()));
            findings.push(ground.at_from(finding, entity));
        }
        if !relation.around.heirs.is_empty() {
            findings.push(inheritance(ground, entity, relation));
        }
    }
}

fn inheritance(
    ground: Ground<'_>,
    entity: &crate::plan::EntityPlan,
    relation: &crate::catalog::Relation,
) -> Finding {
    let heirs: Vec<String> = relation.around.heirs.iter().map(ToString::to_string).collect();
    let also: Vec<&str> = ground
        .plan
        .entities
        .iter()
        .filter(|other| {
            let read = other.origin.relation.as_ref();
            read.is_some_and(|name| relation.around.heirs.contains(name))
        })
        .map(|other| other.name.as_str())
        .collect();
    let mut message = format!(
        "{} inherit from {}: their rows are read with it, and its key does not hold over them",
        heirs.join(", "),
        relation.name
    );
    if !also.is_empty() {
        message.push_str(&format!(
            "; entity {} reads some of them once more",
            also.join(", ")
        ));
    }
    let finding = Finding {
        severity: if also.is_empty() {
            Severity::Note
        } else {
            Severity::Warning
        },
        ..Finding::note(code::INHERITANCE, format!("entity {}", entity.name), message)
    };
    let remedy = format!(
        "to read its own rows alone: `sql = \"SELECT … FROM ONLY {}\"` with a `key`",
        relation.name.sql().replace('"', "\\\"")
    );
    ground.at_from(finding.remedy(remedy), entity)
}

/// Whether the bytes 0x80 to 0x9F are control characters in this encoding, where people mostly mean the quotes and dashes
/// that Windows has there.
pub fn is_ambiguous(encoding: &str) -> bool {
    encoding.starts_with("LATIN") || encoding.starts_with("ISO_8859")
}

fn encoding(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    if ground.source.encoding == "SQL_ASCII" {
        findings.push(
            Finding::warning(
                code::ENCODING,
                "the source",
                "its encoding is SQL_ASCII: nobody knows which characters its bytes are. They are read as UTF-8, and \
                 rows with bytes that are none are rejected",
            )
            .remedy(
                "where the bytes are known, let the entity read a query that converts them, such as \
                 convert_from(convert(textsend(name), 'WIN1252', 'UTF8'), 'SQL_ASCII') AS name",
            ),
        );
    }
    let target = ground.target.encoding.as_str();
    if target != "UTF8" {
        let message = match target {
            "SQL_ASCII" => "its encoding is SQL_ASCII: it stores UTF-8 and checks nothing".to_owned(),
            _ => format!("its encoding is {target}: rows with characters that it does not have are rejected"),
        };
        findings.push(
            Finding::warning(code::ENCODING, "the target", message)
                .remedy("a target with ENCODING 'UTF8' takes every character"),
        );
    }
}

fn standby(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    let server = &ground.source.server;
    if !server.standby || server.setting("hot_standby_feedback") == Some("on") {
        return;
    }
    let delay = server
        .setting("max_standby_streaming_delay")
        .unwrap_or("not known");
    findings.push(
        Finding::warning(
            code::STANDBY_SOURCE,
            "the source",
            format!(
                "it is a standby that cancels queries which keep its replay waiting (max_standby_streaming_delay {delay}): \
                 the load then begins again where it was, with another snapshot"
            ),
        )
        .remedy("set hot_standby_feedback = on there, raise max_standby_streaming_delay, or read the primary"),
    );
}
