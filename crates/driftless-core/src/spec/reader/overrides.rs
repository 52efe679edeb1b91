//! `DRIFTLESS_SECTION__KEY`: settings that the environment makes over the head of the files.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::tree::{DEEPEST, Member, Node, Origin, Table, Value, deeper_than};
use crate::code;
use crate::error::Finding;
use crate::spec::nearest::nearest;

/// The sections whose settings a variable can make.
const SECTIONS: [&str; 4] = ["pipeline", "source", "target", "defaults"];

/// Settings that are not strings: their variable's text is read as a TOML value where it is one. All others take the text
/// as it is, so that nobody has to quote quotes for a shell.
const NOT_TEXT: [&str; 8] = [
    "max_connections",
    "batch_rows",
    "max_rejects",
    "max_deletes",
    "skip",
    "detect",
    "conflicts",
    "columns",
];

/// Puts the environment's settings in the place of the files'.
pub(super) fn apply(root: &mut Table, environment: &BTreeMap<String, String>, out: &mut Vec<Finding>) {
    for (variable, text) in environment {
        // Names without the double underscore are not settings (DRIFTLESS_PG_BIN and the like).
        let Some((section, key)) = variable
            .strip_prefix("DRIFTLESS_")
            .and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        if SECTIONS.contains(&section.as_str()) {
            let node = value(&key, variable, text);
            set(root, &section, key, node);
        } else {
            out.push(unknown_section(variable, &section));
        }
    }
}

fn set(root: &mut Table, section: &str, key: String, mut node: Node) {
    if root.get(section).is_none() {
        root.members.push(Member {
            key: section.to_owned(),
            key_span: None,
            node: Node {
                value: Value::Table(Table::default()),
                span: None,
                origin: Origin::File,
            },
        });
    }
    let Some(Value::Table(table)) = root.get_mut(section).map(|member| &mut member.node.value) else {
        return;
    };
    match table.get_mut(&key) {
        Some(member) => {
            node.span = member.node.span;
            member.node = node;
        }
        None => table.members.push(Member {
            key,
            key_span: None,
            node,
        }),
    }
}

fn value(key: &str, variable: &str, text: &str) -> Node {
    let parsed = NOT_TEXT
        .contains(&key)
        .then(|| DeValue::parse(text).ok())
        .flatten()
        .filter(|value| deeper_than(value, DEEPEST).is_none())
        .map(|value| Node::from_toml(&value, 0));
    let mut node = parsed.unwrap_or_else(|| Node {
        value: Value::Text(text.to_owned()),
        span: None,
        origin: Origin::File,
    });
    claim(&mut node, variable);
    node
}

/// Marks a value and all in it as the variable's: the places in it point nowhere.
fn claim(node: &mut Node, variable: &str) {
    node.origin = Origin::Variable(variable.to_owned());
    node.span = None;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| claim(item, variable)),
        Value::Table(table) => {
            for member in &mut table.members {
                member.key_span = None;
                claim(&mut member.node, variable);
            }
        }
        _ => {}
    }
}

fn unknown_section(variable: &str, section: &str) -> Finding {
    let remedy = match nearest(section, SECTIONS) {
        Some(near) => format!("did you mean DRIFTLESS_{}__…?", near.to_ascii_uppercase()),
        None => "a variable can make the settings of PIPELINE, SOURCE, TARGET and DEFAULTS".to_owned(),
    };
    Finding::error(
        code::UNKNOWN_KEY,
        format!("variable {variable}"),
        format!("there is no section [{section}] whose settings a variable can make"),
    )
    .remedy(remedy)
}
