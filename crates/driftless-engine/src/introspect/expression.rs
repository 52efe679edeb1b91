//! What an expression over one row reads and gives, and whether it may be evaluated at all. PostgreSQL itself is the parser:
//! every expression is tried as the select list of a query and as a CHECK constraint of a temporary table whose columns are
//! its inputs, in one transaction that is always rolled back.
//!
//! The two trials hold the expression between brackets of different kinds, `( … )` and `CASE WHEN true THEN … END`. What
//! closes the one does not close the other, so text that passes both is one whole expression. The CHECK refuses sub-selects,
//! aggregates, windows, sets and other tables, and leaves the columns that are read and the tree of what is called.

use std::collections::{BTreeSet, HashMap};

use driftless_core::catalog::{
    ExpressionCategory, ExpressionFacts, ExpressionInput, ExpressionProblem, ExpressionRequest, Oid,
    TypeKind, builtin,
};
use driftless_core::code;
use driftless_core::name::{QualifiedName, quote_ident};
use driftless_pg::{BeginMode, Disposition, ErrorKind, Param, PgError, Session, Transaction};

use super::called::Called;
use super::node_tree::{self, Calls};
use super::refusal;
use super::type_tree::TypeTree;
use crate::error::{EngineError, InContext, Result};

/// The temporary table; the name must not be one that an expression would use by accident.
const TABLE: &str = "driftless_expression_inputs";

const CHECK_PREFIX: &str =
    "ALTER TABLE pg_temp.driftless_expression_inputs ADD CONSTRAINT trial CHECK (CASE WHEN true THEN ";
const CHECK_SUFFIX: &str = "\nEND IS NOT NULL)";

/// The same again in another statement, because ALTER TABLE does not tell where in the expression it stumbled.
const POSITION_PREFIX: &str = "CREATE TEMPORARY TABLE driftless_expression_position (LIKE pg_temp.driftless_expression_inputs, \
                               CHECK (CASE WHEN true THEN ";
const POSITION_SUFFIX: &str = "\nEND IS NOT NULL))";

const SELECT_PREFIX: &str = "SELECT (";
const SELECT_SUFFIX: &str = "\n) FROM pg_temp.driftless_expression_inputs";

const TRIAL: &str = include_str!("sql/trial.sql");
const NAMESAKES: &str = include_str!("sql/namesakes.sql");

/// The verdict on one expression.
pub type Described = std::result::Result<ExpressionFacts, ExpressionProblem>;

/// Describes expressions, in the order of the requests. One that is refused does not spoil the others. Nothing remains on
/// the server.
///
/// # Errors
/// When this role may not create temporary tables there, or the server fails.
pub async fn describe_expressions(
    session: &mut Session,
    requests: &[ExpressionRequest],
) -> Result<Vec<Described>> {
    let trials = try_all(session, requests).await?;
    let accepted = || trials.iter().filter_map(|trial| trial.as_ref().ok());
    let called = Called::load(session, accepted().map(|passed| &passed.calls)).await?;
    let results: BTreeSet<Oid> = accepted().map(|passed| passed.result_type).collect();
    let types = TypeTree::load(session, &results).await?;
    let mut described = trials
        .into_iter()
        .map(|trial| match trial {
            Ok(passed) => judge(passed, &called, &types),
            Err(problem) => Ok(Err(problem)),
        })
        .collect::<Result<Vec<Described>>>()?;
    name_schemas(session, requests, &mut described).await?;
    Ok(described)
}

/// Names are looked up in pg_catalog alone. Where a function was named without the schema that has it, says which that is.
async fn name_schemas(
    session: &Session,
    requests: &[ExpressionRequest],
    described: &mut [Described],
) -> Result<()> {
    let mut missing: Vec<(String, &mut ExpressionProblem)> = Vec::new();
    for (request, described) in requests.iter().zip(described) {
        if let Err(problem) = described
            && let Some(name) = refusal::unqualified_function(problem, &request.sql)
        {
            missing.push((name, problem));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
    for row in session.query(NAMESAKES, &[Param::text_array(&names)]).await? {
        let there = QualifiedName::new(row.get::<String>(1)?, row.get::<String>(0)?);
        for (_, problem) in missing.iter_mut().filter(|(name, _)| *name == there.name) {
            problem.remedy = format!("there is one in another schema: write {}(…)", there.sql());
        }
    }
    Ok(())
}

/// What PostgreSQL told about an expression that it accepts.
struct Passed {
    result_type: Oid,
    result_typmod: i32,
    columns: Vec<String>,
    calls: Calls,
    /// A word such as `now` that was read from a text as a moment in time.
    moment: Option<&'static str>,
}

type Trial = std::result::Result<Passed, ExpressionProblem>;

/// Whether an expression that PostgreSQL accepts is one that may be evaluated at any time, in any session.
fn judge(passed: Passed, called: &Called, types: &TypeTree) -> Result<Described> {
    if let Some(problem) = called.refusal(&passed.calls) {
        return Ok(Err(problem));
    }
    if let Some(word) = passed.moment {
        let name = format!("'{word}' as a date or time");
        return Ok(Err(refusal::volatile(
            &name,
            "reads the clock",
            refusal::STARTED_AT,
        )));
    }
    let result_type = types.get(passed.result_type)?;
    if result_type.kind == TypeKind::Other {
        return Ok(Err(refusal::not_one_value(&format!(
            "the pseudo-type {}",
            result_type.name.name
        ))));
    }
    Ok(Ok(ExpressionFacts {
        result_type,
        result_typmod: passed.result_typmod,
        columns: passed.columns,
        settled: called.settled(&passed.calls),
    }))
}

/// Tries every expression in one transaction, one temporary table at a time.
async fn try_all(session: &mut Session, requests: &[ExpressionRequest]) -> Result<Vec<Trial>> {
    let transaction = session.begin(BeginMode::ReadWrite).await?;
    let mut trials: Vec<Option<Trial>> = requests.iter().map(|_| None).collect();
    for (inputs, members) in by_inputs(requests) {
        transaction.batch("SAVEPOINT inputs").await?;
        let created = create_table(&transaction, inputs).await?;
        for index in members {
            let trial = match &created {
                Ok(()) => try_one(&transaction, &requests[index]).await?,
                Err(problem) => Err(problem.clone()),
            };
            trials[index] = Some(trial);
        }
        transaction
            .batch("ROLLBACK TO SAVEPOINT inputs; RELEASE SAVEPOINT inputs")
            .await?;
    }
    transaction.rollback().await?;
    // Every request is a member of the set of its own inputs.
    Ok(trials.into_iter().flatten().collect())
}

/// Requests by their set of inputs, in the order in which the sets come first.
fn by_inputs(requests: &[ExpressionRequest]) -> Vec<(&[ExpressionInput], Vec<usize>)> {
    let mut sets: Vec<(&[ExpressionInput], Vec<usize>)> = Vec::new();
    let mut known: HashMap<&[ExpressionInput], usize> = HashMap::new();
    for (index, request) in requests.iter().enumerate() {
        let at = *known.entry(&request.inputs).or_insert_with(|| {
            sets.push((&request.inputs, Vec::new()));
            sets.len() - 1
        });
        sets[at].1.push(index);
    }
    sets
}

/// Creates the table of inputs; a problem if these inputs cannot stand in one.
async fn create_table(
    transaction: &Transaction<'_>,
    inputs: &[ExpressionInput],
) -> Result<std::result::Result<(), ExpressionProblem>> {
    let columns: Vec<String> = inputs
        .iter()
        .map(|input| format!("{} {}", quote_ident(&input.name), input.type_sql))
        .collect();
    let sql = format!("CREATE TEMPORARY TABLE {TABLE} ({})", columns.join(", "));
    let Err(error) = transaction.execute(&sql, &[]).await else {
        return Ok(Ok(()));
    };
    match error.sqlstate() {
        Some("42501") => Err(no_temporary_tables(&error)),
        Some("25006") => Err(EngineError::new(
            code::OTHER_STATE,
            error.place(),
            "expressions cannot be checked: the server is read-only (a standby, or short of disk)",
        )
        .remedy("use the primary; `SHOW default_transaction_read_only` tells whether it is a setting")),
        _ => {
            let server = about_expression(error)?;
            let message = format!(
                "the columns that it could read cannot be laid out in the target: {}",
                server.message
            );
            Ok(Err(ExpressionProblem::new(ExpressionCategory::Other, message)))
        }
    }
}

fn no_temporary_tables(error: &PgError) -> EngineError {
    EngineError::new(
        code::PRIVILEGE_MISSING,
        error.place(),
        "expressions cannot be checked: this role may not create temporary tables",
    )
    .remedy(
        "the database's owner can allow it: GRANT TEMPORARY ON DATABASE … TO the role of the target's URL",
    )
}

/// Tries one expression. The transaction is afterwards as it was before.
async fn try_one(transaction: &Transaction<'_>, request: &ExpressionRequest) -> Result<Trial> {
    if request.sql.contains('\0') {
        let message = "the expression holds a zero byte";
        return Ok(Err(ExpressionProblem::new(ExpressionCategory::Syntax, message)));
    }
    transaction.batch("SAVEPOINT trial").await?;
    let trial = both_trials(transaction, request).await;
    transaction
        .batch("ROLLBACK TO SAVEPOINT trial; RELEASE SAVEPOINT trial")
        .await?;
    trial
}

async fn both_trials(transaction: &Transaction<'_>, request: &ExpressionRequest) -> Result<Trial> {
    let sql = &request.sql;
    let refused = |error: PgError, prefix: &str| -> Result<Trial> {
        let server = about_expression(error)?;
        Ok(Err(refusal::from_server(
            &server,
            sql,
            prefix.len(),
            &request.inputs,
        )))
    };
    let select = format!("{SELECT_PREFIX}{sql}{SELECT_SUFFIX}");
    let description = match transaction.describe(&select, &[]).await {
        Ok(description) => description,
        Err(error) => return refused(error, SELECT_PREFIX),
    };
    let check = format!("{CHECK_PREFIX}{sql}{CHECK_SUFFIX}");
    if let Err(error) = transaction.execute(&check, &[]).await {
        return match with_position(transaction, &error, sql).await? {
            Some(error) => refused(error, POSITION_PREFIX),
            None => refused(error, CHECK_PREFIX),
        };
    }
    let [column] = description.columns.as_slice() else {
        return Ok(Err(refusal::not_one_value("more or less than one column")));
    };
    if column.type_oid == builtin::RECORD {
        return Ok(Err(refusal::not_one_value("a row of values")));
    }
    let row = transaction.query_one(TRIAL, &[]).await?;
    let numbers: Vec<i16> = row.get(0)?;
    let tree: String = row.get(1)?;
    let Some(columns) = names_read(&numbers, &request.inputs) else {
        return Ok(Err(refusal::whole_row()));
    };
    let calls = node_tree::calls(&tree);
    Ok(Ok(Passed {
        result_type: column.type_oid,
        result_typmod: column.type_modifier,
        columns,
        moment: moment(sql, &tree, &calls),
        calls,
    }))
}

/// The same error with its position, where the server can be brought to tell it.
async fn with_position(transaction: &Transaction<'_>, error: &PgError, sql: &str) -> Result<Option<PgError>> {
    match error.server() {
        Some(server) if server.position.is_none() && error.kind() == ErrorKind::Server => {}
        _ => return Ok(None),
    }
    transaction.batch("ROLLBACK TO SAVEPOINT trial").await?;
    let create = format!("{POSITION_PREFIX}{sql}{POSITION_SUFFIX}");
    let again = transaction.execute(&create, &[]).await.err();
    Ok(again.filter(|again| again.sqlstate() == error.sqlstate()))
}

/// The error as the server told it, if it is about the statement; else it is no matter of one expression.
fn about_expression(error: PgError) -> Result<driftless_pg::ServerError> {
    match error.server() {
        Some(server)
            if error.kind() == ErrorKind::Server
                && !matches!(error.disposition(), Disposition::Retry)
                && !["53", "55", "57", "58", "XX"]
                    .contains(&&server.sqlstate[..2.min(server.sqlstate.len())]) =>
        {
            Ok(server.clone())
        }
        _ => Err(error).context("checking expressions"),
    }
}

/// Names of the columns with these numbers; `None` for the row as a whole (0) and system columns (below).
fn names_read(numbers: &[i16], inputs: &[ExpressionInput]) -> Option<Vec<String>> {
    let mut places: Vec<usize> = numbers
        .iter()
        .map(|number| usize::try_from(*number).ok()?.checked_sub(1))
        .collect::<Option<_>>()?;
    places.sort_unstable();
    places
        .iter()
        .map(|at| inputs.get(*at).map(|input| input.name.clone()))
        .collect()
}

/// A word that PostgreSQL reads as the moment of reading when a text becomes a date or time. It is in the expression's text;
/// and in its tree it is either no longer (`date 'today'` is read at once) or stands beside such a cast.
fn moment(sql: &str, tree: &str, calls: &Calls) -> Option<&'static str> {
    let folded = sql.to_ascii_lowercase();
    ["now", "today", "tomorrow", "yesterday"]
        .into_iter()
        .find(|word| {
            folded.match_indices(word).any(|(at, _)| {
                let quoted = folded[..at].trim_end().ends_with(['\'', '$']);
                let as_written = &sql.as_bytes()[at..at + word.len()];
                quoted && (calls.reads_time_from_text || !node_tree::holds_constant(tree, as_written))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_name_the_table() {
        assert!(CHECK_PREFIX.contains(TABLE) && SELECT_SUFFIX.ends_with(TABLE));
        // Positions are counted in characters, prefixes in bytes.
        assert!(CHECK_PREFIX.is_ascii() && SELECT_PREFIX.is_ascii() && POSITION_PREFIX.is_ascii());
        assert!(POSITION_PREFIX.contains(TABLE));
    }

    #[test]
    fn whole_rows_and_system_columns_have_no_name() {
        let input = |name: &str| ExpressionInput {
            name: name.to_owned(),
            type_sql: "text".to_owned(),
        };
        let inputs = [input("a"), input("b")];
        assert_eq!(
            names_read(&[2, 1], &inputs),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(names_read(&[1, 0], &inputs), None);
        assert_eq!(names_read(&[-6], &inputs), None);
    }
}
