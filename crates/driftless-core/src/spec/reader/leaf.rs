//! Column forms that hold no other forms.

use super::scalar::{Constant, constant};
use super::section::{Section, choice, text};
use super::sql;
use super::tree::{Member, Node, Value};
use crate::code;
use crate::error::Finding;
use crate::spec::{Form, MapForm, RefForm, RefSource, RunFact, Spanned, Unknown, WhenMissing};

/// `{ id = true }`.
pub(super) fn id(section: &mut Section<'_>) -> Option<Form> {
    if section.boolean("id")? {
        return Some(Form::Id);
    }
    if let Some(member) = section.take("id") {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            "`id = false` says nothing",
            "remove the line, or write `id = true`",
        );
    }
    None
}

/// `{ ref = …, from = …, missing = …, unknown = … }`.
pub(super) fn reference(section: &mut Section<'_>) -> Option<Form> {
    let from = match section.take("from") {
        Some(_) => section.texts("from", "from = \"office_id\""),
        None => {
            section.missing("from", "from = \"office_id\"");
            None
        }
    };
    if from.as_ref().is_some_and(Vec::is_empty) {
        section.refuse_all(
            code::INVALID_VALUE,
            "`from` lists no column",
            "name the columns that hold the parent's key",
        );
    }
    let missing = missing(section);
    let to = referred(section);
    Some(Form::Ref(RefForm {
        to: to?,
        from: from?,
        missing,
    }))
}

/// `missing = …`.
pub(super) fn missing(section: &mut Section<'_>) -> WhenMissing {
    let words = [
        ("reject", WhenMissing::Reject),
        ("null", WhenMissing::Null),
        ("park", WhenMissing::Park),
    ];
    section.choice("missing", &words).unwrap_or(WhenMissing::Reject)
}

fn referred(section: &mut Section<'_>) -> Option<RefSource> {
    const EXAMPLE: &str = "ref = { by = \"subject_type\", values = { Patient = \"patients\" } }";
    let unknown = unknown_subject(section);
    let member = section.take("ref")?;
    let place = section.place.clone();
    if matches!(member.node.value, Value::Text(_)) {
        if let Some(member) = section.take("unknown") {
            section.refuse(
                &member.node,
                code::INVALID_VALUE,
                "`unknown` is for references whose entity another column names",
                "remove it; `missing` says what happens where the parent is not there",
            );
        }
        return text(&member.node, &place, "ref = \"offices\"", section.out()).map(RefSource::Entity);
    }
    let mut subject = Section::open(&member.node, &place, EXAMPLE, section.out())?;
    let by = subject.required_text("by", "by = \"subject_type\"");
    let values = subject_values(&mut subject);
    subject.finish(section.out());
    Some(RefSource::Polymorphic {
        by: by?,
        values: values?,
        unknown,
    })
}

fn unknown_subject(section: &mut Section<'_>) -> Unknown {
    // `unknown` of a map may also be a constant; of a reference it cannot.
    match section.choice("unknown", &[("reject", false), ("null", true)]) {
        Some(true) => Unknown::Null,
        _ => Unknown::Reject,
    }
}

fn subject_values(subject: &mut Section<'_>) -> Option<Vec<(String, Spanned<String>)>> {
    const EXAMPLE: &str = "values = { Patient = \"patients\", Order = \"orders\" }";
    let entries = entries(subject, EXAMPLE)?;
    let place = subject.place.clone();
    let mut values = Vec::with_capacity(entries.len());
    for member in entries {
        let entity = text(&member.node, &place, EXAMPLE, subject.out())?;
        values.push((member.key.clone(), entity));
    }
    Some(values)
}

/// The members of `values`, of which there must be one.
fn entries<'a>(section: &mut Section<'a>, example: &str) -> Option<&'a [Member]> {
    let Some(member) = section.take("values") else {
        section.missing("values", example);
        return None;
    };
    let place = section.place.clone();
    let table = Section::open(&member.node, &place, example, section.out())?;
    let members = table.members();
    if members.is_empty() {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            "`values` lists nothing",
            &format!("write `{example}`"),
        );
        return None;
    }
    Some(members)
}

/// `{ map = "column", values = { … }, unknown = … }`.
pub(super) fn map(section: &mut Section<'_>, constants: &mut Vec<Constant>) -> Option<Form> {
    const EXAMPLE: &str = "values = { 1 = \"active\", 2 = \"on_hold\" }";
    let column = section.text("map", "map = \"status_id\"");
    let unknown = unknown_value(section, constants);
    let place = section.place.clone();
    let mut values = Vec::new();
    for member in entries(section, EXAMPLE)? {
        let value = scalar(&member.node, &place, section.out())?;
        values.push((member.key.clone(), Some(value.text.clone())));
        constants.push(value);
    }
    Some(Form::Map(MapForm {
        column: column?,
        values,
        unknown: unknown?,
    }))
}

fn unknown_value(section: &mut Section<'_>, constants: &mut Vec<Constant>) -> Option<Unknown> {
    let Some(member) = section.take("unknown") else {
        return Some(Unknown::Reject);
    };
    let place = section.place.clone();
    if !matches!(member.node.value, Value::Table(_)) {
        let words = [("reject", false), ("null", true)];
        return choice(&member.node, &place, &words, section.out())
            .map(|null| if null { Unknown::Null } else { Unknown::Reject });
    }
    let mut table = Section::open(&member.node, &place, "", section.out())?;
    let value = match table.take("const") {
        Some(member) => scalar(&member.node, &place, table.out()),
        None => {
            table.missing("const", "unknown = { const = \"other\" }");
            None
        }
    };
    table.finish(section.out());
    let value = value?;
    let text = value.text.clone();
    constants.push(value);
    Some(Unknown::Const(text))
}

/// `{ extract = "column", path = "$.a" }`.
pub(super) fn extract(section: &mut Section<'_>) -> Option<Form> {
    let column = section.text("extract", "extract = \"extra\"");
    let path = section.required_text("path", "path = \"$.profile.nick\"");
    Some(Form::Extract {
        column: column?,
        path: path?,
    })
}

/// `{ sql = "…" }`.
pub(super) fn expression(section: &mut Section<'_>) -> Option<Form> {
    let member = section.take("sql")?;
    let place = section.place.clone();
    sql::expression(&member.node, &place, "sql = \"lower(email)\"", section.out()).map(Form::Sql)
}

/// `{ const = … }`.
pub(super) fn fixed(section: &mut Section<'_>, constants: &mut Vec<Constant>) -> Option<Form> {
    let member = section.take("const")?;
    let place = section.place.clone();
    let value = scalar(&member.node, &place, section.out())?;
    let text = value.text.clone();
    constants.push(value);
    Some(Form::Const(Some(text)))
}

/// `{ run = … }`.
pub(super) fn run(section: &mut Section<'_>) -> Option<Form> {
    section
        .choice(
            "run",
            &[
                ("started_at", RunFact::StartedAt),
                ("id", RunFact::Id),
                ("mode", RunFact::Mode),
            ],
        )
        .map(Form::Run)
}

/// `{ mask = …, from = … }`: checked, and refused.
pub(super) fn mask(section: &mut Section<'_>) {
    section.text("mask", "mask = \"email\"");
    section.required_text("from", "from = \"email\"");
    if let Some(member) = section.take("mask") {
        section.refuse(
            &member.node,
            code::NOT_YET,
            "the form `mask` cannot act yet, and nothing is copied in clear in its place",
            "write a constant, or an expression: `{ sql = \"md5(email) || '@example.org'\" }`",
        );
    }
}

/// A constant, or a finding.
pub(super) fn scalar(node: &Node, place: &str, out: &mut Vec<Finding>) -> Option<Constant> {
    let constant = constant(&node.value);
    if constant.is_none() && !matches!(node.value, Value::Broken) {
        let message = format!("a constant cannot be {}", node.value.kind());
        out.push(
            node.error(code::WRONG_TYPE, place, message)
                .remedy("write it as PostgreSQL would read it, in a string: \"{1,2}\" for an array"),
        );
    }
    constant
}
