//! A mapping as an owned tree with places: what TOML says, before anything is known of its meaning.

use toml::Spanned as TomlSpanned;
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue};

use crate::code::Code;
use crate::error::{Finding, Span};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// It stands in a file.
    File,
    /// It stands in a file, with variables in it.
    Expanded,
    /// It is the text of this environment variable.
    Variable(String),
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    /// Where it stands; for a variable, what it overrides.
    pub(super) span: Option<Span>,
    pub(super) origin: Origin,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// In decimal.
    Integer(String),
    /// As PostgreSQL reads it.
    Float(String),
    Boolean(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
    /// Already reported; nothing more is to be said about it.
    Broken,
}

/// Members in the order of the text.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) members: Vec<Member>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Option<Span>,
    pub(super) node: Node,
}

impl Value {
    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Broken => "unreadable",
        }
    }
}

impl Node {
    /// An error at this value: at its place in the mapping, or naming the variable that it comes from.
    pub(super) fn error(&self, code: Code, place: &str, message: impl Into<String>) -> Finding {
        self.error_at(self.span, code, place, message)
    }

    fn error_at(&self, span: Option<Span>, code: Code, place: &str, message: impl Into<String>) -> Finding {
        match (&self.origin, span) {
            (Origin::Variable(name), _) => Finding::error(code, format!("variable {name}"), message),
            (_, Some(span)) => Finding::error(code, place, message).at(span),
            (_, None) => Finding::error(code, place, message),
        }
    }
}

impl Member {
    /// An error at this key.
    pub(super) fn error(&self, code: Code, place: &str, message: impl Into<String>) -> Finding {
        self.node.error_at(self.key_span, code, place, message)
    }

    /// The key's place, for values that keep one.
    pub(super) fn span(&self) -> Span {
        self.key_span.or(self.node.span).unwrap_or_default()
    }
}

impl Table {
    /// The member with this key.
    pub(super) fn get(&self, key: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }

    /// The member with this key, to change it.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.key == key)
    }

    /// The tree of a parsed document or inline table.
    pub(super) fn from_toml(table: &DeTable<'_>, file: u32) -> Table {
        let mut members: Vec<Member> = table
            .iter()
            .map(|(key, value)| Member {
                key: key.get_ref().to_string(),
                key_span: Some(span(file, &key.span())),
                node: Node::from_toml(value, file),
            })
            .collect();
        // The parser sorts by key; people read in the order in which they wrote.
        members.sort_by_key(|member| member.key_span);
        Table { members }
    }
}

impl Node {
    /// The tree of a parsed value.
    pub(super) fn from_toml(value: &TomlSpanned<DeValue<'_>>, file: u32) -> Node {
        Node {
            span: Some(span(file, &value.span())),
            origin: Origin::File,
            value: match value.get_ref() {
                DeValue::String(text) => Value::Text(text.to_string()),
                DeValue::Integer(number) => Value::Integer(integer(number)),
                DeValue::Float(number) => Value::Float(float(number)),
                DeValue::Boolean(truth) => Value::Boolean(*truth),
                DeValue::Datetime(time) => Value::Datetime(time.to_string()),
                DeValue::Array(items) => Value::List(list(items, file)),
                DeValue::Table(table) => Value::Table(Table::from_toml(table, file)),
            },
        }
    }
}

fn list(items: &DeArray<'_>, file: u32) -> Vec<Node> {
    items.iter().map(|item| Node::from_toml(item, file)).collect()
}

/// A span of this file. Mappings are far smaller than the 4 GiB that a span can tell.
pub(super) fn span(file: u32, range: &std::ops::Range<usize>) -> Span {
    let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span {
        file,
        start: clamp(range.start),
        end: clamp(range.end),
    }
}

/// Tables and lists that may stand in each other. The parser bounds brackets and each dotted key, not both together, and
/// everything that walks the tree does so level by level on its stack. Real mappings have a dozen.
pub(super) const DEEPEST: usize = 128;

/// Where a value stands deeper than anything may, if one does.
pub(super) fn too_deep(table: &DeTable<'_>) -> Option<std::ops::Range<usize>> {
    table.values().find_map(|value| deeper_than(value, DEEPEST))
}

/// The same for a single value.
pub(super) fn deeper_than(value: &TomlSpanned<DeValue<'_>>, levels: usize) -> Option<std::ops::Range<usize>> {
    let Some(left) = levels.checked_sub(1) else {
        return Some(value.span());
    };
    match value.get_ref() {
        DeValue::Array(items) => items.iter().find_map(|item| deeper_than(item, left)),
        DeValue::Table(table) => table.values().find_map(|value| deeper_than(value, left)),
        _ => None,
    }
}

/// Decimal digits, whatever base it was written in. PostgreSQL before 16 reads no other.
fn integer(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |value| value.to_string())
}

/// TOML's spelling of a float as PostgreSQL's.
fn float(number: &DeFloat<'_>) -> String {
    match number.as_str().trim_start_matches('+') {
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        "nan" | "-nan" => "NaN".to_owned(),
        digits => digits.to_owned(),
    }
}
