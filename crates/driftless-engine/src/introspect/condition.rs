//! What a mapping says about which rows of a source it means (`where`).

use driftless_core::catalog::{Column, ExpressionCategory, ExpressionInput, ExpressionProblem};
use driftless_pg::{ErrorKind, PgError, Session};

use super::refusal;
use crate::error::Result;

const SELECT: &str = "SELECT (";
const FILTER: (&str, &str) = (" WHERE CASE WHEN true THEN ", "\nEND");

/// Checks a condition over the rows of `from` (`"schema"."table"`, or `(query) AS name`), whose columns these are. Nothing is
/// run. Sub-selects are allowed, aggregates, windows and sets are not.
///
/// As with expressions, two kinds of brackets make sure that the condition is one whole expression.
///
/// # Errors
/// When the server fails.
pub async fn describe_condition(
    session: &Session,
    from: &str,
    columns: &[Column],
    condition: &str,
) -> Result<std::result::Result<(), ExpressionProblem>> {
    if condition.contains('\0') {
        let message = "the condition holds a zero byte";
        return Ok(Err(ExpressionProblem::new(ExpressionCategory::Syntax, message)));
    }
    let filtered = format!("SELECT FROM {from}{}", FILTER.0);
    let trials = [
        (SELECT.to_owned(), format!("\n) FROM {from}")),
        (filtered, FILTER.1.to_owned()),
    ];
    for (prefix, suffix) in trials {
        match session
            .describe(&format!("{prefix}{condition}{suffix}"), &[])
            .await
        {
            Ok(description) if description.params.is_empty() => {}
            Ok(_) => {
                let message = "parameters such as $1 have no value here";
                return Ok(Err(ExpressionProblem::new(ExpressionCategory::Other, message)));
            }
            Err(error) => return problem(error, condition, prefix.chars().count(), columns).map(Err),
        }
    }
    Ok(Ok(()))
}

fn problem(error: PgError, condition: &str, prefix: usize, columns: &[Column]) -> Result<ExpressionProblem> {
    match error.server() {
        Some(server) if error.kind() == ErrorKind::Server => {
            let input = |column: &Column| ExpressionInput {
                name: column.name.clone(),
                type_sql: column.type_sql.clone(),
            };
            let inputs: Vec<_> = columns.iter().map(input).collect();
            Ok(refusal::from_server(server, condition, prefix, &inputs))
        }
        _ => Err(error.into()),
    }
}
