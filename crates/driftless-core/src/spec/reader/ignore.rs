//! `[ignore]`: source relations that are left out on purpose, with the reason. Keys are `"schema.table"`, or
//! `schema.table` as TOML nests it, which also serves names with dots of their own.

use super::naming::{checked, split};
use super::section::{Section, text};
use super::tree::{Member, Table, Value};
use crate::error::Finding;
use crate::name::QualifiedName;

const EXAMPLE: &str = "\"public.dispatch_log\" = \"technical log\"";

/// Reads [ignore].
pub(super) fn ignore(root: &Table, out: &mut Vec<Finding>) -> Vec<(QualifiedName, String)> {
    let Some(member) = root.get("ignore") else {
        return Vec::new();
    };
    let Some(section) = Section::open(&member.node, "[ignore]", "[ignore]", out) else {
        return Vec::new();
    };
    let mut ignored = Vec::new();
    for member in section.members() {
        match &member.node.value {
            Value::Table(tables) => {
                for table in &tables.members {
                    let parts = vec![member.key.clone(), table.key.clone()];
                    ignored.extend(one(table, checked(parts), out));
                }
            }
            _ => ignored.extend(one(member, split(&member.key).and_then(checked), out)),
        }
    }
    ignored
}

fn one(
    member: &Member,
    name: Result<QualifiedName, super::naming::Complaint>,
    out: &mut Vec<Finding>,
) -> Option<(QualifiedName, String)> {
    let place = format!("[ignore], {}", member.key);
    let reason = text(&member.node, &place, EXAMPLE, out);
    match name {
        Ok(name) => Some((name, reason?.value)),
        Err(complaint) => {
            out.push(complaint.at_key(member, &place));
            None
        }
    }
}
