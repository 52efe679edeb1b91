//! `[ignore]`: source relations and columns that are left out on purpose, with the reason. Keys are `"schema.table"` and
//! `"schema.table.column"`, or nested as TOML nests them, which also serves names with dots of their own.

use std::collections::HashSet;

use super::naming::{Complaint, checked, parts};
use super::section::{Section, text};
use super::tree::{Member, Table, Value};
use crate::code;
use crate::error::Finding;
use crate::spec::IgnoreSpec;

const EXAMPLE: &str = "\"public.dispatch_log\" = \"technical log\"";

/// Reads [ignore].
pub(super) fn ignore(root: &Table, out: &mut Vec<Finding>) -> Vec<IgnoreSpec> {
    let Some(member) = root.get("ignore") else {
        return Vec::new();
    };
    let Some(section) = Section::open(&member.node, "[ignore]", "[ignore]", out) else {
        return Vec::new();
    };
    let mut ignored: Vec<IgnoreSpec> = Vec::new();
    for member in section.members() {
        let found = match &member.node.value {
            Value::Table(_) => nested(member, vec![member.key.clone()], out),
            _ => parts(&member.key)
                .and_then(|named| line(member, named, out))
                .map_or_else(
                    |complaint| refused(member, complaint, out),
                    |found| found.into_iter().collect(),
                ),
        };
        ignored.extend(found);
    }
    once(&mut ignored, out);
    ignored
}

/// What stands in nested tables: `public.patient = "…"`, `public.patient.fax = "…"`.
fn nested(member: &Member, path: Vec<String>, out: &mut Vec<Finding>) -> Vec<IgnoreSpec> {
    match &member.node.value {
        Value::Table(table) if path.len() < 3 => table
            .members
            .iter()
            .flat_map(|inner| {
                let path = path.iter().cloned().chain([inner.key.clone()]).collect();
                nested(inner, path, out)
            })
            .collect(),
        _ => match line(member, path, out) {
            Ok(found) => found.into_iter().collect(),
            Err(complaint) => refused(member, complaint, out),
        },
    }
}

fn refused(member: &Member, complaint: Complaint, out: &mut Vec<Finding>) -> Vec<IgnoreSpec> {
    out.push(complaint.at_key(member, &format!("[ignore], {}", member.key)));
    Vec::new()
}

/// One line: schema and table, and a column where a third part names one.
fn line(
    member: &Member,
    mut named: Vec<String>,
    out: &mut Vec<Finding>,
) -> Result<Option<IgnoreSpec>, Complaint> {
    let place = format!("[ignore], {}", member.key);
    let reason = text(&member.node, &place, EXAMPLE, out);
    let column = (named.len() == 3).then(|| named.pop()).flatten();
    let relation = checked(named)?;
    Ok(reason.map(|reason| IgnoreSpec {
        relation,
        column,
        reason: reason.value,
        span: member.span(),
    }))
}

/// The two ways of writing a name can name one thing twice.
fn once(ignored: &mut Vec<IgnoreSpec>, out: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    ignored.retain(|one| {
        let first = seen.insert((one.relation.clone(), one.column.clone()));
        if !first {
            out.push(
                Finding::error(code::DUPLICATE_SETTING, "[ignore]", "this is listed twice")
                    .remedy("keep one of the two lines")
                    .at(one.span),
            );
        }
        first
    });
}
