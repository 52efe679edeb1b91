//! What a mapping may say, as data: the JSON schema for editors and the tables of the reference are made from it, and a test
//! holds it against what the reader knows.

mod forms;
/// The tables of the reference.
pub mod page;
/// The JSON schema.
pub mod schema;
mod sections;

pub use forms::{BESIDE, FORMS};
pub use sections::{CONFLICTS, DEFAULTS, DETECT, ENTITY, IDENTITY, PIPELINE, RULE, SERVER, SHARED, TOTAL};

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Its key.
    pub key: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its default, in Markdown; empty where there is none.
    pub default: &'static str,
    /// What it means, in Markdown.
    pub meaning: &'static str,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A string that is not empty.
    Text,
    /// `true` or `false`.
    Boolean,
    /// `true` only.
    True,
    /// A whole number in these bounds.
    Count(u64, u64),
    /// A size: `"64MB"`.
    Size,
    /// A duration: `"30d"`.
    Duration,
    /// Rows (a number) or a share (`"1%"`).
    Limit,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A string or a list of strings.
    Texts,
    /// `"schema.table"` or `["schema", "table"]`.
    Relation,
    /// A constant: string, number, boolean, date or time.
    Constant,
    /// A table with these settings.
    Table(&'static [Setting]),
    /// A list of tables with these settings.
    Tables(&'static [Setting]),
    /// A table whose keys are the user's names.
    Named(&'static Kind),
    /// Any of these.
    Either(&'static [Kind]),
    /// A column form: the name of a source column, or a table with one form.
    Form,
}

/// A column form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FormSetting {
    /// The key that names it.
    pub key: &'static str,
    /// What that key's value may be.
    pub kind: Kind,
    /// Keys that must stand beside it.
    pub needs: &'static [&'static str],
    /// Keys that may stand beside it.
    pub beside: &'static [&'static str],
    /// How it is written, in Markdown.
    pub written: &'static str,
    /// What its value is, in Markdown.
    pub meaning: &'static str,
}

/// A setting with its default.
const fn setting(key: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        key,
        kind,
        default,
        meaning,
    }
}

#[cfg(test)]
mod tests;
