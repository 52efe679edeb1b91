//! `identity = …`: what a row's target key is made of.

use super::section::Section;
use super::sql;
use super::tree::Value;
use crate::code;
use crate::spec::{IdentitySpec, MergeSpec, Spanned, Winner};

/// What an entity says about its identity.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) spec: Option<Spanned<IdentitySpec>>,
    pub(super) adopt: Option<Spanned<String>>,
    pub(super) merge: Option<MergeSpec>,
    pub(super) natural_key: Vec<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Derive,
    Column,
    Columns,
    Random,
    None,
}

const BY: [(&str, By); 5] = [
    ("derive", By::Derive),
    ("column", By::Column),
    ("columns", By::Columns),
    ("random", By::Random),
    ("none", By::None),
];

/// Reads `identity` of an entity.
pub(super) fn identity(entity: &mut Section<'_>) -> Identity {
    let Some(member) = entity.take("identity") else {
        return Identity::default();
    };
    let place = format!("{}, identity", entity.place);
    let example = "identity = { by = \"derive\" }";
    let Some(mut table) = Section::open(&member.node, &place, example, entity.out()) else {
        return Identity::default();
    };
    let adopt = adopt(&mut table);
    let spec = spec(&mut table, adopt.is_some()).map(|value| Spanned {
        value,
        span: member.node.span.unwrap_or_default(),
    });
    if adopt.is_some() {
        refuse_adopt_beside(&mut table, spec.as_ref().map(|spec| &spec.value));
    }
    let merge = merge(&mut table);
    if merge.is_some() {
        refuse_merge_beside(&mut table, spec.as_ref().map(|spec| &spec.value));
    }
    let natural_key = natural_key(&mut table, spec.as_ref().map(|spec| &spec.value));
    table.finish(entity.out());
    Identity {
        spec,
        adopt,
        merge,
        natural_key,
    }
}

fn spec(table: &mut Section<'_>, adopts: bool) -> Option<IdentitySpec> {
    let by = table.take("by").is_some();
    let choice = table.choice("by", &BY);
    let name = table.text("name", "name = \"patients\"");
    let column = table.text("column", "column = \"account_uuid\"");
    let same_as = table.text("same_as", "same_as = \"users\"");
    belongs_to(
        table,
        "name",
        name.is_some() && choice != Some(By::Derive),
        "derive",
    );
    belongs_to(
        table,
        "column",
        column.is_some() && choice != Some(By::Column),
        "column",
    );
    match (choice, same_as) {
        (Some(_), Some(_)) => {
            table.refuse_all(
                code::AMBIGUOUS_FORM,
                "`by` and `same_as` are two identities",
                "keep one of them",
            );
            None
        }
        (None, Some(other)) => Some(IdentitySpec::SameAs(other.value)),
        (None, None) => {
            let says_nothing =
                !by && !adopts && table.take("match").is_none() && table.take("merge_on").is_none();
            if says_nothing {
                table.missing("by", "by = \"derive\"");
            }
            None
        }
        (Some(By::Derive), None) => Some(IdentitySpec::Derive {
            name: name.map(|name| name.value),
        }),
        (Some(By::Columns), None) => Some(IdentitySpec::Columns),
        (Some(By::Column), None) => {
            if table.take("column").is_none() {
                table.missing("column", "column = \"account_uuid\"");
            }
            column.map(|column| IdentitySpec::Column(column.value))
        }
        (Some(By::Random), None) => Some(IdentitySpec::Random),
        (Some(By::None), None) => Some(IdentitySpec::None),
    }
}

fn belongs_to(table: &mut Section<'_>, key: &'static str, misplaced: bool, by: &str) {
    if misplaced && let Some(member) = table.take(key) {
        let message = format!("`{key}` needs `by = \"{by}\"`");
        table.refuse(
            &member.node,
            code::INVALID_VALUE,
            message,
            "change `by`, or remove this",
        );
    }
}

fn adopt(table: &mut Section<'_>) -> Option<Spanned<String>> {
    const EXAMPLE: &str = "adopt = { sql = \"SELECT legacy_id, id FROM public.patients\" }";
    let member = table.take("adopt")?;
    let place = format!("{}, adopt", table.place);
    let mut inside = Section::open(&member.node, &place, EXAMPLE, table.out())?;
    let query = match inside.take("sql") {
        Some(member) => sql::plain(&member.node, &place, EXAMPLE, inside.out()),
        None => {
            inside.missing("sql", "sql = \"SELECT legacy_id, id FROM public.patients\"");
            None
        }
    };
    inside.finish(table.out());
    query
}

/// Mappings can only be adopted by the entity whose map they enter.
fn refuse_adopt_beside(table: &mut Section<'_>, spec: Option<&IdentitySpec>) {
    let (message, remedy) = match spec {
        Some(IdentitySpec::SameAs(other)) => (
            format!("the mappings belong to `{other}`, whose identity this entity shares"),
            format!("move `adopt` to the identity of `{other}`"),
        ),
        Some(IdentitySpec::Columns | IdentitySpec::None) => (
            "there are no UUIDs to adopt where rows have none".to_owned(),
            "remove `adopt`, or choose another identity".to_owned(),
        ),
        _ => return,
    };
    if let Some(member) = table.take("adopt") {
        table.refuse(&member.node, code::INVALID_VALUE, message, &remedy);
    }
}

/// `match`: only who has a UUID of its own can take over another one.
fn natural_key(table: &mut Section<'_>, spec: Option<&IdentitySpec>) -> Vec<Spanned<String>> {
    let Some(member) = table.take("match") else {
        return Vec::new();
    };
    let columns = table.texts("match", "match = [\"email\"]");
    let refused = match spec {
        Some(IdentitySpec::SameAs(other)) => Some((
            format!("the identity belongs to `{other}`, whose rows are matched"),
            format!("move `match` to the identity of `{other}`"),
        )),
        Some(IdentitySpec::Columns | IdentitySpec::None) => Some((
            "rows without UUIDs cannot take one over".to_owned(),
            "choose `by = \"derive\"`, `\"column\"` or `\"random\"`, or remove this".to_owned(),
        )),
        _ => None,
    };
    if let Some((message, remedy)) = refused {
        table.refuse(&member.node, code::INVALID_VALUE, message, &remedy);
    } else if columns.as_ref().is_some_and(Vec::is_empty) {
        table.refuse(
            &member.node,
            code::INVALID_VALUE,
            "`match` names no column",
            "name the target columns whose values tell a row, or remove this",
        );
    }
    columns.unwrap_or_default()
}

const WINNER: &str = "winner = \"oldest\", or winner = { newest = \"updated_at\" }";

/// `merge_on`, `winner`.
fn merge(table: &mut Section<'_>) -> Option<MergeSpec> {
    let place = table.place.clone();
    let winner = winner(table);
    let Some(member) = table.take("merge_on") else {
        if let Some(member) = table.take("winner") {
            let message = "`winner` needs `merge_on`";
            table.refuse(
                &member.node,
                code::INVALID_VALUE,
                message,
                "add it, or remove this",
            );
        }
        return None;
    };
    let on = sql::plain(&member.node, &place, "merge_on = \"lower(email)\"", table.out())?;
    Some(MergeSpec { on, winner: winner? })
}

fn winner(table: &mut Section<'_>) -> Option<Winner> {
    let ends = [("oldest", false), ("newest", true)];
    let Some(member) = table.take("winner") else {
        return Some(Winner {
            last: false,
            by: None,
        });
    };
    if !matches!(member.node.value, Value::Table(_)) {
        return table
            .choice("winner", &ends)
            .map(|last| Winner { last, by: None });
    }
    let place = format!("{}, winner", table.place);
    let mut inside = Section::open(&member.node, &place, WINNER, table.out())?;
    let oldest = inside.text("oldest", "oldest = \"created_at\"");
    let newest = inside.text("newest", "newest = \"updated_at\"");
    let winner = match (oldest, newest) {
        (Some(by), None) => Some(Winner {
            last: false,
            by: Some(by),
        }),
        (None, Some(by)) => Some(Winner {
            last: true,
            by: Some(by),
        }),
        _ => {
            let message = "says nothing of which row is written, or two things";
            inside.refuse_all(code::AMBIGUOUS_FORM, message, format!("write `{WINNER}`"));
            None
        }
    };
    inside.finish(table.out());
    winner
}

/// Only who has a UUID of its own can give it to others.
fn refuse_merge_beside(table: &mut Section<'_>, spec: Option<&IdentitySpec>) {
    let message = match spec {
        Some(IdentitySpec::SameAs(other)) => format!("the identity belongs to `{other}`: merge there"),
        Some(IdentitySpec::Columns | IdentitySpec::None) => {
            "rows without UUIDs cannot point to one row".to_owned()
        }
        _ => String::new(),
    };
    if let (false, Some(member)) = (message.is_empty(), table.take("merge_on")) {
        let remedy = "choose `by = \"derive\"`, `\"column\"` or `\"random\"`";
        table.refuse(&member.node, code::INVALID_VALUE, message, remedy);
    }
}
