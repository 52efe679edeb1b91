//! The JSON schema (draft 2020-12) of a mapping, for editors that complete and check TOML. It says less than the reader: names are
//! not looked up, and what contradicts itself is not seen.

use serde_json::{Map, Value, json};

use super::{BESIDE, DEFAULTS, ENTITY, FORMS, FormSetting, Kind, PIPELINE, SERVER, SHARED, Setting};

/// The schema, as pretty JSON with a line's end.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> Value {
    let defaults = [DEFAULTS, SHARED].concat();
    let entity = [ENTITY, SHARED].concat();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Driftless mapping",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "include": texts(),
            "pipeline": table(PIPELINE, false),
            "source": table(SERVER, false),
            "target": table(SERVER, false),
            "defaults": table(&defaults, false),
            "entities": {
                "type": "object",
                "propertyNames": { "pattern": "^[a-z_][a-z0-9_]{0,39}$" },
                "additionalProperties": table(&entity, true),
            },
            "ignore": { "$ref": "#/$defs/ignored" },
        },
        "$defs": {
            "ignored": {
                "type": "object",
                "additionalProperties": { "anyOf": [{ "type": "string", "minLength": 1 }, { "$ref": "#/$defs/ignored" }] },
            },
            "form": { "anyOf": forms() },
        },
    })
}

/// A table. Required keys are demanded only where no variable or other file could have them.
fn table(settings: &[Setting], whole: bool) -> Value {
    let properties: Map<String, Value> = settings
        .iter()
        .map(|setting| {
            (
                setting.key.to_owned(),
                described(of(&setting.kind), setting.meaning),
            )
        })
        .collect();
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let required: Vec<&str> = settings
        .iter()
        .filter(|setting| whole && setting.default == "required")
        .map(|setting| setting.key)
        .collect();
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

fn described(mut schema: Value, meaning: &str) -> Value {
    schema["description"] = Value::from(meaning);
    schema
}

fn texts() -> Value {
    json!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 }, "uniqueItems": true },
    ] })
}

fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::True => json!({ "const": true }),
        // A number can also come from a variable, in a string.
        Kind::Count(low, high) => json!({ "anyOf": [
            { "type": "integer", "minimum": low, "maximum": high }, { "type": "string", "pattern": "\\$\\{" },
        ] }),
        Kind::Size => json!({ "type": "string", "pattern": "^([0-9]+ ?(B|kB|MB|GB|TB)|.*\\$\\{.*)$" }),
        Kind::Duration => json!({ "type": "string", "pattern": "^([0-9]+ ?(ms|s|m|h|d)|.*\\$\\{.*)$" }),
        Kind::Limit => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^([0-9.]+ ?%?|.*\\$\\{.*)$" },
        ] }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Texts => texts(),
        Kind::Relation => json!({ "anyOf": [
            { "type": "string", "pattern": "^[^.]+\\.[^.]+$" },
            { "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 },
        ] }),
        Kind::Constant => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Table(settings) => table(settings, true),
        Kind::Tables(settings) => json!({ "type": "array", "items": table(settings, true) }),
        Kind::Named(kind) => json!({ "type": "object", "additionalProperties": of(kind) }),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(of).collect::<Vec<_>>() }),
        Kind::Form => json!({ "$ref": "#/$defs/form" }),
    }
}

fn forms() -> Vec<Value> {
    let mut forms =
        vec![json!({ "type": "string", "minLength": 1, "description": "the name of a source column" })];
    forms.extend(FORMS.iter().map(form));
    forms
}

fn form(form: &FormSetting) -> Value {
    let mut properties = Map::new();
    properties.insert(form.key.to_owned(), described(of(&form.kind), form.meaning));
    for setting in BESIDE
        .iter()
        .filter(|setting| form.needs.contains(&setting.key) || form.beside.contains(&setting.key))
    {
        properties.insert(
            setting.key.to_owned(),
            described(of(&setting.kind), setting.meaning),
        );
    }
    let required: Vec<&str> = [&[form.key], form.needs].concat();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}
