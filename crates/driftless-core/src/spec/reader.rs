//! From the texts of a mapping to what it says. The spanned TOML is walked by hand, so that every finding of every file
//! is told at once, with its place.
//!
//! Settings are made in this order, the later over the earlier: the built-in default, the files (each setting once over
//! all of them), `DRIFTLESS_SECTION__KEY` of the environment.

mod tree;

mod load;
mod overrides;
mod variables;

mod section;

mod naming;
mod scalar;
mod sql;

mod connection;

mod conflict;
mod detection;
mod settings;

mod identity;
mod leaf;
mod lookup;

mod column;
mod rules;

mod entity;
mod ignore;

mod whole;

use std::collections::BTreeMap;

use self::tree::{Node, Table, Value};
use super::nearest::nearest;
use super::{SourceFile, Sources, Spanned, Spec};
use crate::code;
use crate::error::{Finding, blocks};

/// Findings that are told of one mapping. More than that come from one mistake that is everywhere, or from a file that is no
/// mapping.
const MOST_FINDINGS: usize = 1000;

/// What a mapping asks for before it can be read: the `include` patterns of its root file. The caller expands them and
/// adds the files to the sources in name order.
///
/// # Errors
/// The root file is not TOML, or `include` is not a list of patterns. The findings' spans count the root file as 0.
pub fn includes(root: &SourceFile) -> Result<Vec<Spanned<String>>, Vec<Finding>> {
    let table = load::parse(0, &root.text)?;
    let mut out = Vec::new();
    let patterns = match table.get("include") {
        Some(member) => section::texts(
            &member.node,
            "include",
            "include = [\"entities/*.toml\"]",
            &mut out,
        ),
        None => None,
    };
    if out.is_empty() {
        Ok(patterns.unwrap_or_default())
    } else {
        Err(out)
    }
}

/// Reads a mapping. The environment holds every variable of the process, with those of the `.env` file beneath them.
/// Beside the mapping come findings that do not forbid going on.
///
/// # Errors
/// Everything that is wrong with the mapping as such, in the order of the files. What only a catalog can tell is the
/// plan's to say.
pub fn read(
    sources: &Sources,
    environment: &BTreeMap<String, String>,
) -> Result<(Spec, Vec<Finding>), Vec<Finding>> {
    let mut out = Vec::new();
    let mut loaded = load::load(sources, &mut out);
    overrides::apply(&mut loaded.root, environment, &mut out);
    variables::expand(&mut loaded.root, sources, environment, &mut out);
    let mut said = Vec::new();
    let mut spec = spec(&loaded.root, loaded.complete, &mut said);
    spec.variables = connection::variables(environment);
    // A section that is missing may stand in the file that could not be parsed, or be there misspelt.
    let meant = top_level(&loaded.root, &mut out);
    said.retain(|finding| {
        let lacks_section = finding.code == code::MISSING_KEY && finding.span.is_none();
        !lacks_section || (loaded.complete && !meant.contains(&finding.place))
    });
    out.append(&mut said);
    out.sort_by_key(|finding| (finding.span.is_none(), finding.span));
    out.dedup();
    keep_most(&mut out);
    if blocks(&out) { Err(out) } else { Ok((spec, out)) }
}

/// Leaves out what nobody would read to its end, and says so.
fn keep_most(out: &mut Vec<Finding>) {
    if out.len() <= MOST_FINDINGS {
        return;
    }
    // What forbids going on must not be lost behind what does not.
    out.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let more = out.split_off(MOST_FINDINGS);
    out.sort_by_key(|finding| (finding.span.is_none(), finding.span));
    out.extend(more.first().map(|next| Finding {
        span: None,
        place: "mapping".to_owned(),
        message: format!("{} more findings are not shown", more.len()),
        remedy: "correct what is shown first".to_owned(),
        ..next.clone()
    }));
}

fn spec(root: &Table, complete: bool, out: &mut Vec<Finding>) -> Spec {
    let node = |name: &str| -> Option<&Node> { root.get(name).map(|member| &member.node) };
    let defaults = entity::defaults(root, out);
    let mut entities = entity::entities(root, &defaults, out);
    let ignore = ignore::ignore(root, out);
    if complete {
        let declared: Vec<&str> = match node("entities").map(|node| &node.value) {
            Some(Value::Table(table)) => table.members.iter().map(|member| member.key.as_str()).collect(),
            _ => Vec::new(),
        };
        whole::check(&mut entities, &declared, &defaults.columns, &ignore, out);
    }
    Spec {
        pipeline: connection::pipeline(node("pipeline"), out),
        source: connection::server("[source]", "SOURCE_DATABASE_URL", node("source"), out),
        target: connection::server("[target]", "TARGET_DATABASE_URL", node("target"), out),
        entities,
        ignore,
        variables: BTreeMap::new(),
    }
}

/// Refuses unknown sections, and tells which known ones they seem to mean.
fn top_level(root: &Table, out: &mut Vec<Finding>) -> Vec<String> {
    const KNOWN: [&str; 7] = [
        "include", "pipeline", "source", "target", "defaults", "entities", "ignore",
    ];
    let mut meant = Vec::new();
    for member in root
        .members
        .iter()
        .filter(|member| !KNOWN.contains(&member.key.as_str()))
    {
        out.push(section::unknown_key(member, "mapping", &KNOWN));
        meant.extend(nearest(&member.key, KNOWN).map(|near| format!("[{near}]")));
    }
    meant
}
