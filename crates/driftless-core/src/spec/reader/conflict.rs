//! `conflicts = …`: who wins where source and target both changed a column. A load meets no conflicts, so what is read
//! here is checked and not kept.

use super::section::{Section, choice};
use crate::code;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Merge,
    Newest,
    Owned,
    Other,
}

const POLICIES: [(&str, Policy); 5] = [
    ("source", Policy::Other),
    ("merge", Policy::Merge),
    ("target", Policy::Other),
    ("review", Policy::Other),
    ("newest", Policy::Newest),
];

const FALLBACKS: [(&str, Policy); 4] = [
    ("source", Policy::Other),
    ("target", Policy::Other),
    ("review", Policy::Other),
    ("newest", Policy::Newest),
];

/// Checks `conflicts` of an entity or of [defaults].
pub(super) fn conflicts(section: &mut Section<'_>) {
    let Some(member) = section.take("conflicts") else {
        return;
    };
    let place = format!("{}, conflicts", section.place);
    let example = "conflicts = { policy = \"source\" }";
    let Some(mut table) = Section::open(&member.node, &place, example, section.out()) else {
        return;
    };
    let mut used = Vec::new();
    used.extend(table.choice("policy", &POLICIES));
    let fallback = table.choice("fallback", &FALLBACKS);
    columns(&mut table, &mut used);
    if fallback.is_some() && !used.contains(&Policy::Merge) {
        needs(&mut table, "fallback", "merge");
    }
    used.extend(fallback);
    newest(&mut table, used.contains(&Policy::Newest));
    table.choice(
        "deleted_in_target",
        &[("recreate", ()), ("leave", ()), ("review", ())],
    );
    table.choice(
        "deleted_in_source",
        &[("delete", ()), ("keep", ()), ("review", ())],
    );
    table.finish(section.out());
}

fn columns(table: &mut Section<'_>, used: &mut Vec<Policy>) {
    let Some(member) = table.take("columns") else {
        return;
    };
    let mut choices = POLICIES.to_vec();
    choices.push(("owned", Policy::Owned));
    let place = table.place.clone();
    let example = "columns = { notes = \"owned\" }";
    let Some(mut columns) = Section::open(&member.node, &place, example, table.out()) else {
        return;
    };
    for column in columns.members() {
        let place = format!("{place}, column {}", column.key);
        used.extend(choice(&column.node, &place, &choices, columns.out()));
    }
    columns.finish_named(table.out());
}

fn newest(table: &mut Section<'_>, used: bool) {
    const EXAMPLE: &str = "newest = { source = \"updated_at\", target = \"updated_at\" }";
    match table.take("newest") {
        None if used => table.missing("newest", EXAMPLE),
        None => {}
        Some(_) if !used => needs(table, "newest", "newest"),
        Some(member) => {
            let place = format!("{}, newest", table.place);
            let Some(mut sides) = Section::open(&member.node, &place, EXAMPLE, table.out()) else {
                return;
            };
            sides.required_text("source", "source = \"updated_at\"");
            sides.required_text("target", "target = \"updated_at\"");
            sides.finish(table.out());
        }
    }
}

fn needs(table: &mut Section<'_>, key: &'static str, policy: &str) {
    if let Some(member) = table.take(key) {
        let message = format!("`{key}` has no meaning where no policy is \"{policy}\"");
        table.refuse(
            &member.node,
            code::INVALID_VALUE,
            message,
            "change the policy, or remove this",
        );
    }
}
