//! SQL in the mapping: what can be said of it before a server sees it.

use super::section::text;
use super::tree::Node;
use crate::code;
use crate::error::Finding;
use crate::spec::Spanned;
use crate::spec::placeholder::{Flaw, flaw, scan};

/// SQL in which `:id` and `:COLUMN` may stand.
pub(super) fn expression(
    node: &Node,
    place: &str,
    example: &str,
    out: &mut Vec<Finding>,
) -> Option<Spanned<String>> {
    let sql = text(node, place, example, out)?;
    let Some(flaw) = flaw(&sql.value) else {
        return Some(sql);
    };
    let (message, remedy) = match flaw {
        Flaw::Semicolon(_) => (
            "contains a semicolon",
            "write one expression or query, without `;`",
        ),
        Flaw::Parameter(_) => (
            "contains a parameter such as $1",
            "name the column itself; there are no parameters in a mapping",
        ),
        Flaw::Unterminated(_) => (
            "contains a string, quoted name or comment that does not end",
            "close it; a quote inside a string is written twice",
        ),
        Flaw::Unbalanced(_) => (
            "has a parenthesis or bracket without its partner",
            "close what is opened, and open what is closed",
        ),
    };
    out.push(node.error(code::INVALID_VALUE, place, message).remedy(remedy));
    None
}

/// SQL in which no placeholder may stand.
pub(super) fn plain(
    node: &Node,
    place: &str,
    example: &str,
    out: &mut Vec<Finding>,
) -> Option<Spanned<String>> {
    let sql = expression(node, place, example, out)?;
    if let Some(placeholder) = scan(&sql.value).first() {
        out.push(
            node.error(
                code::INVALID_VALUE,
                place,
                format!("`:{}` has no meaning here", placeholder.name),
            )
            .remedy("`:id` and `:COLUMN` may stand in the `sql` of a column only"),
        );
        return None;
    }
    Some(sql)
}
