//! From what PostgreSQL says about an expression to a problem that its author can act on.

use driftless_core::catalog::{ExpressionCategory, ExpressionInput, ExpressionProblem};
use driftless_core::spec::nearest::nearest;
use driftless_pg::ServerError;

/// What to do instead of reading the clock.
pub(super) const STARTED_AT: &str = "an expression must give the same value whenever it runs; for the moment of the run give the \
                                     column `{ run = \"started_at\" }`";

const ONE_ROW: &str = "an expression takes one row and gives one value; take what spans rows or tables from a source query \
                       (`sql = \"SELECT …\"` in the entity)";

const UNKNOWN_FUNCTION: &str = "its arguments may need casts; functions and operators that are not in pg_catalog, public or \
                                extensions are named with their schema: app.my_function(…), a OPERATOR(app.%) b";

const FORBIDDEN: &str = "let the owner grant EXECUTE on the function, or USAGE on the schema, to the role that the target's URL names";

const CUT_OFF: &str =
    "this is not one complete expression: it breaks off, or its brackets and quotes do not match";

/// The problem that a refused statement shows. The expression stood in the statement after `prefix` characters.
pub(super) fn from_server(
    error: &ServerError,
    sql: &str,
    prefix: usize,
    inputs: &[ExpressionInput],
) -> ExpressionProblem {
    let place = place(error, sql, prefix);
    let position = match place {
        Place::Within(at) => Some(at),
        Place::Behind => Some(sql.len()),
        Place::Unknown => None,
    };
    let hint = error.hint.clone().unwrap_or_default();
    let message = in_our_words(&error.message);
    let problem = match error.sqlstate.as_str() {
        "42601" if place == Place::Behind => ExpressionProblem::new(ExpressionCategory::Syntax, CUT_OFF),
        "42601" => ExpressionProblem::new(ExpressionCategory::Syntax, message).remedy(hint),
        "42703" => {
            let name = position.and_then(|at| name_at(sql, at)?.pop());
            unknown_column(message, name, inputs)
        }
        "42883" => {
            ExpressionProblem::new(ExpressionCategory::UnknownFunction, message).remedy(UNKNOWN_FUNCTION)
        }
        "42P01" => ExpressionProblem::new(ExpressionCategory::NotAllowed, message).remedy(
            "columns stand by their own names, without a table before them, and other tables cannot be read",
        ),
        // Aggregates, windows, sub-selects and sets, whole rows and system columns.
        "42803" | "42P20" | "0A000" | "42P10" => {
            ExpressionProblem::new(ExpressionCategory::NotAllowed, message).remedy(ONE_ROW)
        }
        "42501" => ExpressionProblem::new(ExpressionCategory::Forbidden, message).remedy(FORBIDDEN),
        _ => ExpressionProblem::new(ExpressionCategory::Other, message).remedy(hint),
    };
    problem.at(position)
}

/// A well-formed expression that gives a row, a set or nothing instead of one value.
pub(super) fn not_one_value(what: &str) -> ExpressionProblem {
    ExpressionProblem::new(
        ExpressionCategory::NotAllowed,
        format!("the expression gives {what}, not one value"),
    )
    .remedy(ONE_ROW)
}

/// An expression that reads its row as a whole, or what only a stored row has.
pub(super) fn whole_row() -> ExpressionProblem {
    ExpressionProblem::new(
        ExpressionCategory::NotAllowed,
        "the expression reads the row as a whole, or a system column",
    )
    .remedy("name the columns; `{ json = … }` renders several of them")
}

/// An expression whose value depends on the moment or the session.
pub(super) fn volatile(function: &str, why: &str, remedy: &str) -> ExpressionProblem {
    let category = ExpressionCategory::Volatile {
        function: function.to_owned(),
    };
    ExpressionProblem::new(category, format!("{function} {why}")).remedy(remedy)
}

fn unknown_column(message: String, name: Option<String>, inputs: &[ExpressionInput]) -> ExpressionProblem {
    let known = || inputs.iter().map(|input| input.name.as_str());
    let nearest = name.and_then(|name| nearest(&name, known()).map(str::to_owned));
    let remedy = match &nearest {
        Some(near) if !is_plain(near) => format!(
            "did you mean {}? Names with capitals or signs are written in double quotes",
            driftless_pg::quote_ident(near)
        ),
        Some(near) => format!("did you mean {near}?"),
        None => "texts are written in single quotes, names in double quotes".to_owned(),
    };
    ExpressionProblem::new(ExpressionCategory::UnknownColumn { nearest }, message).remedy(remedy)
}

/// PostgreSQL tried the expression as a CHECK constraint; its author wrote none. A text that does not end is quoted with
/// all that we wrote behind it, from the next line on.
fn in_our_words(message: &str) -> String {
    let (first, quote) = match message.split_once('\n') {
        Some((first, _)) => (first, "\""),
        None => (message, ""),
    };
    format!("{first}{quote}")
        .replace(" in check constraints", " in expressions")
        .replace(" in check constraint", " in an expression")
        .replace(" in CASE", " in expressions")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Byte within the expression.
    Within(usize),
    /// In what we wrote behind it.
    Behind,
    Unknown,
}

/// Positions count characters from 1.
fn place(error: &ServerError, sql: &str, prefix: usize) -> Place {
    let offset = error
        .position
        .and_then(|position| usize::try_from(position).ok())
        .and_then(|position| position.checked_sub(prefix + 1));
    match offset {
        None => Place::Unknown,
        Some(offset) => sql
            .char_indices()
            .nth(offset)
            .map_or(Place::Behind, |(byte, _)| Place::Within(byte)),
    }
}

/// The parts of the name that begins at this byte, as PostgreSQL folds them.
fn name_at(sql: &str, at: usize) -> Option<Vec<String>> {
    let mut rest = sql.get(at..)?;
    let mut parts = Vec::new();
    loop {
        let (name, behind) = one_name(rest)?;
        parts.push(name);
        match behind.trim_start().strip_prefix('.') {
            Some(more) => rest = more.trim_start(),
            None => return Some(parts),
        }
    }
}

/// The function that an expression names without a schema and that pg_catalog does not have.
pub(super) fn unqualified_function(problem: &ExpressionProblem, sql: &str) -> Option<String> {
    if problem.category != ExpressionCategory::UnknownFunction {
        return None;
    }
    let mut parts = name_at(sql, problem.position?)?;
    let last = parts.pop()?;
    parts.is_empty().then_some(last)
}

fn one_name(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut rest = quoted;
        loop {
            let (part, behind) = rest.split_once('"')?;
            name.push_str(part);
            match behind.strip_prefix('"') {
                Some(more) => rest = more,
                None => return Some((name, behind)),
            }
            name.push('"');
        }
    }
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (!name.is_empty()).then(|| (name.to_ascii_lowercase(), rest))
}

fn is_plain(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    first
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(names: &[&str]) -> Vec<ExpressionInput> {
        let input = |name: &&str| ExpressionInput {
            name: (*name).to_owned(),
            type_sql: "text".to_owned(),
        };
        names.iter().map(input).collect()
    }

    fn error(sqlstate: &str, position: u32) -> ServerError {
        ServerError {
            sqlstate: sqlstate.to_owned(),
            message: "m".to_owned(),
            position: Some(position),
            ..ServerError::default()
        }
    }

    #[test]
    fn positions_count_characters_and_become_bytes() {
        let found = from_server(&error("42703", 13), "'é' || nmae", 5, &inputs(&["name", ":id"]));
        assert_eq!(found.position, Some(8));
        assert_eq!(
            found.category,
            ExpressionCategory::UnknownColumn {
                nearest: Some("name".to_owned())
            }
        );
        assert_eq!(from_server(&error("42601", 3), "a", 5, &[]).position, None);
        let behind = from_server(&error("42601", 9), "a +", 5, &[]);
        assert_eq!((behind.position, behind.message.as_str()), (Some(3), CUT_OFF));
    }

    #[test]
    fn names_are_folded_as_postgresql_folds_them() {
        let parts = |sql: &str| name_at(sql, 0).map(|parts| parts.join("|"));
        assert_eq!(parts("T.CustomerId + 1").as_deref(), Some("t|customerid"));
        assert_eq!(parts(r#""a""b" . "C d""#).as_deref(), Some(r#"a"b|C d"#));
        assert_eq!(name_at("+", 0), None);
        assert_eq!(name_at(r#""open"#, 0), None);
    }
}
