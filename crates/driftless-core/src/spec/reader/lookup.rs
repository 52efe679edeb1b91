//! `{ lookup = …, match = …, take = …, missing = … }`: a value of a row that the target has.

use super::leaf::missing;
use super::naming;
use super::section::{Section, text};
use crate::code;
use crate::spec::{Form, LookupForm, LookupPair, Spanned};

const MATCH: &str = "match = { iso = \"country_code\" }";

/// Reads the form.
pub(super) fn lookup(section: &mut Section<'_>) -> Option<Form> {
    let place = section.place.clone();
    let member = section.take("lookup")?;
    let table = naming::relation(&member.node, &place, section.out()).map(|value| Spanned {
        value,
        span: member.node.span.unwrap_or_default(),
    });
    let take = section.required_text("take", "take = \"id\"");
    let missing = missing(section);
    let on = pairs(section);
    Some(Form::Lookup(LookupForm {
        table: table?,
        on: on?,
        take: take?,
        missing,
    }))
}

/// `match = { column of the table = "source column" }`.
fn pairs(section: &mut Section<'_>) -> Option<Vec<LookupPair>> {
    let Some(member) = section.take("match") else {
        section.missing("match", MATCH);
        return None;
    };
    let place = section.place.clone();
    let mut table = Section::open(&member.node, &place, MATCH, section.out())?;
    let mut pairs = Vec::new();
    for column in table.members() {
        pairs.extend(
            text(&column.node, &place, MATCH, table.out()).map(|from| LookupPair {
                column: Spanned {
                    value: column.key.clone(),
                    span: column.span(),
                },
                from,
            }),
        );
    }
    let whole = pairs.len() == table.members().len();
    table.finish_named(section.out());
    if pairs.is_empty() && whole {
        section.refuse(
            &member.node,
            code::INVALID_VALUE,
            "`match` names no column",
            &format!("write `{MATCH}`"),
        );
    }
    (whole && !pairs.is_empty()).then_some(pairs)
}
