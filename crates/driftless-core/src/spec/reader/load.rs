//! From texts to one tree: every file parsed, every setting once over all of them.

use std::collections::HashMap;

use toml::de::{DeTable, Error as TomlError};

use super::tree::{DEEPEST, Member, Node, Table, Value, span, too_deep};
use crate::code;
use crate::error::{Finding, Span};
use crate::spec::Sources;

/// More syntax errors of one file than this are echoes of the first ones.
const SYNTAX_ERRORS_PER_FILE: usize = 5;

/// The files' tree.
pub(super) struct Loaded {
    /// The merged top level.
    pub(super) root: Table,
    /// Whether every file could be parsed. Where one could not, nothing can be said about what is missing.
    pub(super) complete: bool,
}

/// Parses all files and merges them.
pub(super) fn load(sources: &Sources, out: &mut Vec<Finding>) -> Loaded {
    let mut root = Table::default();
    let mut complete = true;
    for (index, file) in sources.files.iter().enumerate() {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        match parse(index, &file.text) {
            Err(findings) => {
                complete = false;
                out.extend(findings);
            }
            Ok(table) => {
                let table = if index == 0 {
                    table
                } else {
                    without_include(table, out)
                };
                let mut merge = Merge { sources, out };
                merge.tables(&mut root, table, &mut Vec::new());
            }
        }
    }
    refuse_nul(&mut root, out);
    Loaded { root, complete }
}

/// Parses one file.
pub(super) fn parse(file: u32, text: &str) -> Result<Table, Vec<Finding>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if let Some(at) = too_deep(table.get_ref()) {
        return Err(vec![nested(span(file, &at))]);
    }
    if errors.is_empty() {
        return Ok(Table::from_toml(table.get_ref(), file));
    }
    // The parser repeats itself where brackets stay open.
    let mut findings: Vec<Finding> = Vec::new();
    for error in &errors {
        let finding = syntax(file, text, error);
        if findings.last() != Some(&finding) {
            findings.push(finding);
        }
        if findings.len() == SYNTAX_ERRORS_PER_FILE {
            break;
        }
    }
    Err(findings)
}

fn syntax(file: u32, text: &str, error: &TomlError) -> Finding {
    let at = span(file, &error.span().unwrap_or(text.len()..text.len()));
    if error.message() == "duplicate key" {
        return Finding::error(code::DUPLICATE_SETTING, "mapping", "this key is given twice")
            .remedy("keep one of them")
            .at(at);
    }
    Finding::error(
        code::MAPPING_SYNTAX,
        "mapping",
        format!("not valid TOML: {}", error.message()),
    )
    .remedy("close every quote and bracket, and write each setting on a line of its own")
    .at(at)
}

fn nested(at: Span) -> Finding {
    Finding::error(
        code::MAPPING_SYNTAX,
        "mapping",
        format!("more than {DEEPEST} tables and lists stand in each other"),
    )
    .remedy("no setting is nested like that: look for brackets or dots that are too many")
    .at(at)
}

fn without_include(mut table: Table, out: &mut Vec<Finding>) -> Table {
    if let Some(member) = table.get("include") {
        out.push(
            member
                .error(
                    code::INVALID_VALUE,
                    "include",
                    "an included file cannot include others",
                )
                .remedy("name the files in the `include` of the root file"),
        );
    }
    table.members.retain(|member| member.key != "include");
    table
}

struct Merge<'a> {
    sources: &'a Sources,
    out: &'a mut Vec<Finding>,
}

impl Merge<'_> {
    fn tables(&mut self, into: &mut Table, from: Table, path: &mut Vec<String>) {
        let there = into.members.iter().enumerate();
        let there: HashMap<String, usize> = there.map(|(at, member)| (member.key.clone(), at)).collect();
        for member in from.members {
            path.push(member.key.clone());
            match there.get(&member.key).and_then(|at| into.members.get_mut(*at)) {
                // One file gives each key once.
                None => into.members.push(member),
                Some(existing) => self.members(existing, member, path),
            }
            path.pop();
        }
    }

    fn members(&mut self, existing: &mut Member, member: Member, path: &mut Vec<String>) {
        match (&mut existing.node.value, member.node.value) {
            (Value::Table(into), Value::Table(from)) if spreads(path) => self.tables(into, from, path),
            _ => {
                let first = existing.key_span.and_then(|span| self.sources.locate(span));
                self.out.push(twice(path, first, member.key_span));
            }
        }
    }
}

fn twice(path: &[String], first: Option<String>, second: Option<Span>) -> Finding {
    let first = first.unwrap_or_else(|| "another file".to_owned());
    let finding = Finding::error(
        code::DUPLICATE_SETTING,
        "mapping",
        format!("`{}` is already given in {first}", path.join(".")),
    )
    .remedy("keep one of the two: each setting stands once over all files");
    match second {
        Some(span) => finding.at(span),
        None => finding,
    }
}

/// Whether files may each hold a part of this table.
fn spreads(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path.as_slice(),
        ["pipeline" | "source" | "target" | "defaults" | "entities" | "ignore"]
            | ["defaults", "columns"]
            | ["ignore", _]
            | ["ignore", _, _]
    )
}

/// PostgreSQL cannot hold a zero byte in any text; one would end a protocol string early.
fn refuse_nul(table: &mut Table, out: &mut Vec<Finding>) {
    for member in &mut table.members {
        if member.key.contains('\0') {
            out.push(nul(member.error(
                code::INVALID_VALUE,
                "mapping",
                "a key with a zero byte",
            )));
        }
        refuse_nul_in(&mut member.node, out);
    }
}

fn refuse_nul_in(node: &mut Node, out: &mut Vec<Finding>) {
    match &mut node.value {
        Value::Text(text) if text.contains('\0') => {
            out.push(nul(node.error(
                code::INVALID_VALUE,
                "mapping",
                "a string with a zero byte",
            )));
            node.value = Value::Broken;
        }
        Value::List(items) => items.iter_mut().for_each(|item| refuse_nul_in(item, out)),
        Value::Table(table) => refuse_nul(table, out),
        _ => {}
    }
}

fn nul(finding: Finding) -> Finding {
    finding.remedy("PostgreSQL has no zero bytes in text: remove it")
}
