//! `[entities.NAME]`.

use super::identity::identity;
use super::section::{Section, wrong_type};
use super::settings::{Settings, settings};
use super::tree::{Member, Table, Value};
use super::{column, naming, rules, sql};
use crate::code;
use crate::error::Finding;
use crate::name::QualifiedName;
use crate::spec::{ColumnSpec, EntitySpec, From, IdentitySpec, Spanned};

/// What [defaults] says.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) settings: Settings,
    pub(super) columns: Vec<ColumnSpec>,
}

/// Reads [defaults].
pub(super) fn defaults(root: &Table, out: &mut Vec<Finding>) -> Defaults {
    let Some(member) = root.get("defaults") else {
        return Defaults::default();
    };
    let Some(mut section) = Section::open(&member.node, "[defaults]", "[defaults]", out) else {
        return Defaults::default();
    };
    let defaults = Defaults {
        settings: settings(&mut section, &Settings::default()),
        columns: column::columns(&mut section, true),
    };
    section.finish(out);
    defaults
}

/// Reads `[entities]`, in the order of the files and within them of the text.
pub(super) fn entities(root: &Table, defaults: &Defaults, out: &mut Vec<Finding>) -> Vec<EntitySpec> {
    let Some(member) = root.get("entities") else {
        out.push(
            Finding::error(code::MISSING_KEY, "[entities]", "there is no entity")
                .remedy("write `[entities.patients]` with `from` and `into`"),
        );
        return Vec::new();
    };
    let Value::Table(table) = &member.node.value else {
        out.extend(wrong_type(
            &member.node,
            "[entities]",
            "a table",
            "[entities.patients]",
        ));
        return Vec::new();
    };
    table
        .members
        .iter()
        .filter_map(|member| entity(member, defaults, out))
        .collect()
}

fn entity(member: &Member, defaults: &Defaults, out: &mut Vec<Finding>) -> Option<EntitySpec> {
    let name = &member.key;
    let place = format!("entity {name}");
    if let Some(complaint) = naming::entity_complaint(name) {
        out.push(
            member
                .error(code::INVALID_VALUE, &place, complaint)
                .remedy("choose such a name; the relations keep theirs in `from` and `into`"),
        );
    }
    let example = format!("[entities.{name}]");
    let mut section = Section::open(&member.node, &place, &example, out)?;
    let from = from(&mut section);
    let settings = settings(&mut section, &defaults.settings);
    let identity = identity(&mut section);
    let keyless = matches!(
        identity.spec.as_ref().map(|said| &said.value),
        Some(IdentitySpec::None)
    );
    let key = key(&mut section, &from.value, keyless);
    refuse_log_of_query(&mut section, &settings, &from.value);
    let spec = EntitySpec {
        name: name.clone(),
        span: member.span(),
        into: into(&mut section),
        key,
        filter: filter(&mut section),
        after: section
            .texts("after", "after = [\"offices\"]")
            .unwrap_or_default(),
        domain: section
            .text("domain", "domain = \"clinical\"")
            .map(|domain| domain.value),
        triggers: settings.triggers,
        sensitive: section
            .texts("sensitive", "sensitive = [\"medical_notes\"]")
            .unwrap_or_default(),
        identity: identity.spec,
        adopt: identity.adopt,
        merge: identity.merge,
        natural_key: identity.natural_key,
        copy_same_name: settings.copy_same_name,
        columns: columns(&mut section, &defaults.columns, &settings.skip),
        skip: settings.skip,
        rules: rules::rules(&mut section),
        batch_rows: settings.batch_rows,
        batch_bytes: settings.batch_bytes,
        max_rejects: settings.max_rejects,
        max_deletes: settings.max_deletes,
        from,
    };
    rules::totals(&mut section);
    section.finish(out);
    Some(spec)
}

/// Stands for a relation that could not be read. It is never seen: a finding forbids to go on.
fn unread() -> QualifiedName {
    QualifiedName::new("", "")
}

fn from(section: &mut Section<'_>) -> Spanned<From> {
    let place = section.place.clone();
    let (from, query) = (section.take("from"), section.take("sql"));
    let (value, node) = match (from, query) {
        (Some(_), Some(query)) => {
            section.refuse(
                &query.node,
                code::AMBIGUOUS_FORM,
                "`from` and `sql` both say where the rows come from",
                "keep one of them",
            );
            (None, None)
        }
        (Some(from), None) => {
            let name = naming::relation(&from.node, &format!("{place}, from"), section.out());
            (name.map(From::Relation), Some(&from.node))
        }
        (None, Some(query)) => {
            let place = format!("{place}, sql");
            let text = sql::plain(&query.node, &place, "sql = \"SELECT …\"", section.out());
            (text.map(|text| From::Query(text.value)), Some(&query.node))
        }
        (None, None) => {
            section.missing("from", "from = \"public.patients\"");
            (None, None)
        }
    };
    Spanned {
        value: value.unwrap_or_else(|| From::Relation(unread())),
        span: node.and_then(|node| node.span).unwrap_or_default(),
    }
}

fn into(section: &mut Section<'_>) -> Spanned<QualifiedName> {
    let place = format!("{}, into", section.place);
    let Some(member) = section.take("into") else {
        section.missing("into", "into = \"public.patients\"");
        return Spanned {
            value: unread(),
            span: section.span().unwrap_or_default(),
        };
    };
    Spanned {
        value: naming::relation(&member.node, &place, section.out()).unwrap_or_else(unread),
        span: member.node.span.unwrap_or_default(),
    }
}

fn key(section: &mut Section<'_>, from: &From, keyless: bool) -> Option<Spanned<Vec<String>>> {
    let Some(member) = section.take("key") else {
        if matches!(from, From::Query(_)) && !keyless {
            // A table has a primary key to fall back on; a query has none.
            section.missing("key", "key = [\"id\"]");
        }
        return None;
    };
    let columns = section.texts("key", "key = [\"id\"]")?;
    if columns.is_empty() {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            "a key needs a column",
            "name the columns that tell rows apart",
        );
        return None;
    }
    Some(Spanned {
        value: columns.into_iter().map(|column| column.value).collect(),
        span: member.node.span.unwrap_or_default(),
    })
}

fn filter(section: &mut Section<'_>) -> Option<Spanned<String>> {
    let member = section.take("where")?;
    let place = format!("{}, where", section.place);
    sql::plain(
        &member.node,
        &place,
        "where = \"deleted_at IS NULL\"",
        section.out(),
    )
}

/// A query has no log of its own to follow.
fn refuse_log_of_query(section: &mut Section<'_>, settings: &Settings, from: &From) {
    if settings.detects_by_log
        && matches!(from, From::Query(_))
        && let Some(member) = section.take("sql")
    {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            "a query cannot be followed by `detect = { by = \"log\" }`",
            "give this entity `detect = { by = \"hash\" }`, or read a table",
        );
    }
}

/// The entity's own columns, and those of [defaults] that it neither names itself nor skips.
fn columns(section: &mut Section<'_>, defaults: &[ColumnSpec], skip: &[String]) -> Vec<ColumnSpec> {
    let own = match section.take("columns").map(|member| &member.node.value) {
        Some(Value::Table(table)) => table.members.iter().map(|member| member.key.as_str()).collect(),
        _ => Vec::new(),
    };
    let mut columns = column::columns(section, false);
    columns.extend(
        defaults
            .iter()
            .filter(|column| !own.contains(&column.name.as_str()) && !skip.contains(&column.name))
            .cloned(),
    );
    columns
}
