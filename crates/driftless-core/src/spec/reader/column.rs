//! Columns: one form each, with the companions that belong to it; JSON, whose members are forms again.

use super::scalar::{Constant, InJson};
use super::section::{Section, listed, unknown_key, wrong_type};
use super::tree::{Member, Node, Table, Value};
use super::{leaf, lookup};
use crate::code;
use crate::error::Finding;
use crate::spec::nearest::nearest;
use crate::spec::{
    ColumnSpec, Form, JsonForm, JsonMember, JsonScope, RefSource, Spanned, Unknown, WhenMissing,
};

/// The forms, and what may stand beside each.
const FORMS: [(&str, &[&str]); 11] = [
    ("copy", &["default", "required", "lossy"]),
    ("id", &[]),
    ("ref", &["from", "missing", "unknown", "default", "required"]),
    ("map", &["values", "unknown", "default", "required"]),
    ("extract", &["path", "default", "required", "lossy"]),
    ("sql", &["default", "required", "lossy"]),
    ("const", &[]),
    ("run", &[]),
    ("json", &[]),
    ("lookup", &["match", "take", "missing", "default", "required"]),
    ("mask", &["from", "default", "required"]),
];

/// How many of the forms act already; those behind them are checked and refused.
const ACTING: usize = 10;

/// Where a form stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Column,
    Json,
}

/// A form with what stands beside it.
struct Shape {
    form: Form,
    default: Option<String>,
    required: bool,
    lossy: bool,
    bare: bool,
}

impl Shape {
    fn plain(form: Form) -> Shape {
        Shape {
            form,
            default: None,
            required: false,
            lossy: false,
            bare: false,
        }
    }
}

/// Reads `columns` of an entity or of [defaults].
pub(super) fn columns(section: &mut Section<'_>, from_defaults: bool) -> Vec<ColumnSpec> {
    let Some(member) = section.take("columns") else {
        return Vec::new();
    };
    let place = section.place.clone();
    let example = "columns = { legacy_id = \"id\" }";
    let Some(mut table) = Section::open(&member.node, &place, example, section.out()) else {
        return Vec::new();
    };
    let mut columns = Vec::new();
    for column in table.members() {
        let place = format!("{place}, column {}", column.key);
        columns.extend(read(column, &place, from_defaults, table.out()));
    }
    table.finish_named(section.out());
    columns
}

fn read(member: &Member, place: &str, from_defaults: bool, out: &mut Vec<Finding>) -> Option<ColumnSpec> {
    let shape = shape(&member.node, place, Inside::Column, out)?;
    Some(ColumnSpec {
        name: member.key.clone(),
        span: member.span(),
        form: shape.form,
        default: shape.default,
        required: shape.required,
        lossy: shape.lossy,
        from_defaults,
    })
}

fn shape(node: &Node, place: &str, inside: Inside, out: &mut Vec<Finding>) -> Option<Shape> {
    match &node.value {
        Value::Text(column) if column.trim().is_empty() => {
            out.push(
                node.error(code::INVALID_VALUE, place, "names no source column")
                    .remedy("name a source column, or write { const = \"\" } for an empty text"),
            );
            None
        }
        Value::Text(column) => Some(Shape::plain(Form::Copy(Spanned {
            value: column.clone(),
            span: node.span.unwrap_or_default(),
        }))),
        Value::Table(table) => {
            let (form, companions) = one_form(table, node, place, out)?;
            let mut section = Section::open(node, place, "", out)?;
            check_companions(&mut section, form, companions, inside);
            let shape = with_companions(&mut section, form, inside);
            section.finish_named(out);
            shape
        }
        _ => {
            let example = "{ const = 5 }";
            out.extend(wrong_type(
                node,
                place,
                "the name of a source column or a form",
                example,
            ));
            None
        }
    }
}

/// The one form that a table names.
fn one_form(
    table: &Table,
    node: &Node,
    place: &str,
    out: &mut Vec<Finding>,
) -> Option<(&'static str, &'static [&'static str])> {
    let named: Vec<_> = FORMS
        .iter()
        .copied()
        .filter(|(form, _)| table.get(form).is_some())
        .collect();
    let forms: Vec<&str> = FORMS.iter().map(|(form, _)| *form).collect();
    match named.as_slice() {
        [one] => return Some(*one),
        [] => {
            let misspelt = table.members.iter().find(|member| {
                !is_companion(&member.key) && nearest(&member.key, forms.iter().copied()).is_some()
            });
            out.push(match misspelt {
                Some(member) => unknown_key(member, place, &forms),
                None => node
                    .error(
                        code::AMBIGUOUS_FORM,
                        place,
                        "says nothing of where the value comes from",
                    )
                    .remedy(format!("write one of {}", listed(&forms[..ACTING]))),
            });
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(form, _)| *form).collect();
            out.push(
                node.error(
                    code::AMBIGUOUS_FORM,
                    place,
                    format!("says {} things at once: {}", names.len(), names.join(", ")),
                )
                .remedy("keep one form; `sql` can combine columns"),
            );
        }
    }
    None
}

fn is_companion(key: &str) -> bool {
    FORMS.iter().any(|(_, companions)| companions.contains(&key))
}

/// Refuses what stands beside a form and does not belong there.
fn check_companions(
    section: &mut Section<'_>,
    form: &'static str,
    companions: &[&'static str],
    inside: Inside,
) {
    for member in section.members() {
        let key = member.key.as_str();
        let place = section.place.clone();
        if inside == Inside::Json && ["required", "lossy"].contains(&key) {
            section.report(
                member
                    .error(
                        code::UNKNOWN_KEY,
                        &place,
                        format!("`{key}` has no meaning inside JSON"),
                    )
                    .remedy("remove it: JSON takes null and texts of any length"),
            );
        } else if key == form || companions.contains(&key) {
            continue;
        } else if is_companion(key) {
            let owners: Vec<&str> = FORMS
                .iter()
                .filter(|(_, companions)| companions.contains(&key))
                .map(|(form, _)| *form)
                .collect();
            section.report(
                member
                    .error(
                        code::UNKNOWN_KEY,
                        &place,
                        format!("`{key}` does not go with `{form}`"),
                    )
                    .remedy(format!("remove it; it goes with {}", listed(&owners))),
            );
        } else {
            let mut known = vec![form];
            known.extend(companions);
            section.unknown(member, &known);
        }
    }
}

fn with_companions(section: &mut Section<'_>, kind: &str, inside: Inside) -> Option<Shape> {
    let mut constants = Vec::new();
    let form = form(section, kind, &mut constants);
    let default = section.take("default").and_then(|member| {
        let place = section.place.clone();
        leaf::scalar(&member.node, &place, section.out())
    });
    constants.extend(default.clone());
    let shape = Shape {
        form: form?,
        default: default.map(|default| default.text),
        required: section.boolean("required").unwrap_or(false),
        lossy: section.boolean("lossy").unwrap_or(false),
        bare: inside == Inside::Json && bare(section, &constants),
    };
    refuse_contradiction(section, &shape);
    Some(shape)
}

fn form(section: &mut Section<'_>, kind: &str, constants: &mut Vec<Constant>) -> Option<Form> {
    match kind {
        "id" => leaf::id(section),
        "copy" => section.text("copy", "copy = \"tel\"").map(Form::Copy),
        "ref" => leaf::reference(section),
        "map" => leaf::map(section, constants),
        "extract" => leaf::extract(section),
        "sql" => leaf::expression(section),
        "const" => leaf::fixed(section, constants),
        "run" => leaf::run(section),
        "json" => json(section).map(Form::Json),
        "lookup" => lookup::lookup(section),
        _ => {
            leaf::mask(section);
            None
        }
    }
}

/// Whether constants stand bare in JSON: all of them or none, so that a member has one type.
fn bare(section: &mut Section<'_>, constants: &[Constant]) -> bool {
    let has = |in_json| constants.iter().any(|constant| constant.in_json == in_json);
    if has(InJson::Impossible) {
        section.refuse_all(
            code::INVALID_VALUE,
            "JSON has no infinity and no NaN",
            "write it as a string",
        );
    }
    if has(InJson::Bare) && has(InJson::Quoted) {
        section.refuse_all(
            code::INVALID_VALUE,
            "mixes strings with numbers or booleans",
            "write all of them with quotes, or none",
        );
    }
    has(InJson::Bare)
}

/// A value cannot both be allowed to be null and be refused for it.
fn refuse_contradiction(section: &mut Section<'_>, shape: &Shape) {
    if !shape.required || shape.default.is_some() {
        return;
    }
    let null_by = match &shape.form {
        Form::Ref(form) if form.missing == WhenMissing::Null => Some("missing = \"null\""),
        Form::Lookup(form) if form.missing == WhenMissing::Null => Some("missing = \"null\""),
        Form::Ref(form) => match &form.to {
            RefSource::Polymorphic {
                unknown: Unknown::Null,
                ..
            } => Some("unknown = \"null\""),
            _ => None,
        },
        Form::Map(form) if form.unknown == Unknown::Null => Some("unknown = \"null\""),
        _ => None,
    };
    if let Some(null_by) = null_by {
        section.refuse_all(
            code::INVALID_VALUE,
            format!("`required = true` and `{null_by}` contradict each other"),
            "keep one of them, or give a `default`",
        );
    }
}

/// `{ json = … }`.
fn json(section: &mut Section<'_>) -> Option<JsonForm> {
    let member = section.take("json")?;
    let place = section.place.clone();
    let Value::Table(table) = &member.node.value else {
        let scopes = [("unmapped", JsonScope::Unmapped)];
        if matches!(member.node.value, Value::Text(_)) {
            return super::section::choice(&member.node, &place, &scopes, section.out()).map(JsonForm::Scope);
        }
        let example = "json = { legacy_id = \"id\" }";
        section.out().extend(wrong_type(
            &member.node,
            &place,
            "a table or \"unmapped\"",
            example,
        ));
        return None;
    };
    let mut members = Vec::with_capacity(table.members.len());
    for member in &table.members {
        let place = format!("{place}.{}", member.key);
        members.extend(
            shape(&member.node, &place, Inside::Json, section.out()).map(|shape| JsonMember {
                name: member.key.clone(),
                span: member.span(),
                form: shape.form,
                default: shape.default,
                bare: shape.bare,
            }),
        );
    }
    Some(JsonForm::Object(members))
}
