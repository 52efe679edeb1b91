//! Finds the rows of a batch that the target refuses, and writes the others.
//!
//! A COPY that fails for a row tells its line: those before it are copied, it is tried by itself, and the rest follows. Where no line
//! is told (of a foreign key, which is checked at the end), or many rows are refused, the batch goes into a temporary table
//! without constraints, and from there, by halving under an exception handler, in one round trip. That is rolled back; the rows that
//! went well are copied.

use driftless_core::code;
use driftless_core::name::quote_ident;
use driftless_core::plan::EntityPlan;
use driftless_core::transform::{COPY_HEADER, COPY_TRAILER, Shaped, Shaper};
use driftless_pg::{Disposition, Transaction, disposition};

use super::send::{copy, is_of_a_row};
use super::write::{copy_sql, encoded};
use crate::error::{EngineError, Result};

/// A row that the target refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its number in the batch.
    pub(super) row: usize,
    /// Why.
    pub(super) sqlstate: String,
    /// PostgreSQL's words. May hold values.
    pub(super) message: String,
    /// The constraint, if it was one.
    pub(super) constraint: Option<String>,
    /// The column, if PostgreSQL names one.
    pub(super) column: Option<String>,
}

/// How a row goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As a new row.
    Insert,
    /// As new values of the row with its target key, which must be there.
    Update,
}

/// Writes those of the rows that the target takes; the others come back.
pub(super) async fn write(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    shaper: &Shaper<'_>,
    shaped: &Shaped,
    rows: &[usize],
    way: Way,
) -> Result<Vec<Refused>> {
    match way {
        Way::Insert => insert(tx, plan, shaper, shaped, rows).await,
        Way::Update => {
            let function = function("", &format!("BEGIN {}; {CAUGHT} END;", change(plan)));
            by_function(tx, plan, shaper, (shaped, rows), &function).await
        }
    }
}

/// Most rows of a batch that are looked for by the lines that COPY tells: each costs some round trips.
const TOLD_BY_LINE: usize = 16;

async fn insert(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    shaper: &Shaper<'_>,
    shaped: &Shaped,
    rows: &[usize],
) -> Result<Vec<Refused>> {
    let encode = |rows: &[usize]| encoded(shaper, shaped, rows);
    let sql = copy_sql(plan);
    let mut refused = Vec::new();
    let mut rest = rows;
    for _ in 0..TOLD_BY_LINE {
        let Some(error) = attempt(tx, &sql, &plan.name, rest, encode).await? else {
            return Ok(refused);
        };
        // What the line says is tried: it is a number in a text for people.
        let Some(told) = line_of(&error, &plan.into.name).filter(|line| (1..=rest.len()).contains(line))
        else {
            break;
        };
        let (before, from) = rest.split_at(told - 1);
        if attempt(tx, &sql, &plan.name, before, encode).await?.is_some() {
            break;
        }
        if let Some(error) = attempt(tx, &sql, &plan.name, &from[..1], encode).await? {
            refused.push(unreadable(from[0], &error));
        }
        rest = &from[1..];
    }
    refused.extend(insert_by_trial(tx, plan, shaper, shaped, rest).await?);
    Ok(refused)
}

/// The line of a COPY into this table that an error is about. Words around it are of the server's language.
fn line_of(error: &EngineError, table: &str) -> Option<usize> {
    line_in(error.pg()?.server()?.context.as_deref()?, table)
}

fn line_in(context: &str, table: &str) -> Option<usize> {
    let (_, behind) = context.lines().rev().find_map(|line| line.split_once(table))?;
    let digits = behind.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// The function tells which rows are refused, and nothing of what it inserted stays: rules of the table change what INSERT does,
/// and never what COPY does. The others are copied, and the target must have taken every one.
async fn insert_by_trial(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    shaper: &Shaper<'_>,
    shaped: &Shaped,
    rows: &[usize],
) -> Result<Vec<Refused>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    tx.batch("SAVEPOINT driftless_trial").await?;
    let mut refused = by_function(tx, plan, shaper, (shaped, rows), &by_halves(plan)).await?;
    tx.batch("ROLLBACK TO SAVEPOINT driftless_trial; RELEASE SAVEPOINT driftless_trial")
        .await?;
    let is_refused = |row: &usize| refused.binary_search_by_key(row, |one| one.row).is_ok();
    let taken: Vec<usize> = rows.iter().copied().filter(|row| !is_refused(row)).collect();
    let encode = |rows: &[usize]| encoded(shaper, shaped, rows);
    // What a rule led elsewhere the table may refuse after all.
    let late = copy_whole(tx, &copy_sql(plan), &plan.name, &taken, encode).await?;
    refused.extend(late.iter().map(|(row, error)| unreadable(*row, error)));
    refused.sort_by_key(|refused| refused.row);
    Ok(refused)
}

/// Copies rows into the temporary table and lets a function take them from there; those that it does not take come back.
pub(super) async fn by_function(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    shaper: &Shaper<'_>,
    (shaped, rows): (&Shaped, &[usize]),
    function: &str,
) -> Result<Vec<Refused>> {
    tx.batch(&format!("{};\n{function}", stage_table(plan))).await?;
    let mut refused = stage(tx, plan, shaper, shaped, rows).await?;
    let found = tx
        .query(
            "SELECT row_number, state, message, on_constraint, on_column FROM pg_temp.driftless_insert()",
            &[],
        )
        .await?;
    for row in &found {
        let state: String = row.get(1)?;
        if disposition(&state) != Disposition::Row {
            return Err(EngineError::new(
                code::ROW_REFUSED,
                format!("entity {}", plan.name),
                format!("the target refuses a row with SQLSTATE {state}, which is no error of a row"),
            )
            .remedy("see the server's log at this time"));
        }
        let number: i64 = row.get(0)?;
        refused.push(Refused {
            row: usize::try_from(number).unwrap_or_default(),
            sqlstate: state,
            message: row.get(2)?,
            constraint: row.get::<Option<String>>(3)?.filter(|name| !name.is_empty()),
            column: row.get::<Option<String>>(4)?.filter(|name| !name.is_empty()),
        });
    }
    tx.batch("DROP FUNCTION pg_temp.driftless_insert(); DROP TABLE pg_temp.driftless_stage")
        .await?;
    refused.sort_by_key(|refused| refused.row);
    Ok(refused)
}

/// Copies rows into the temporary table. Rows whose bytes the target cannot even read come back.
async fn stage(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    shaper: &Shaper<'_>,
    shaped: &Shaped,
    rows: &[usize],
) -> Result<Vec<Refused>> {
    let encode = |rows: &[usize]| {
        let mut encoded = COPY_HEADER.to_vec();
        for row in rows {
            numbered(*row, &mut encoded, |tuple| {
                shaper.encode_rows(shaped, [*row], tuple)
            });
        }
        encoded.extend_from_slice(COPY_TRAILER);
        encoded
    };
    let sql = "COPY pg_temp.driftless_stage FROM STDIN (FORMAT binary)";
    let refused = copy_whole(tx, sql, &plan.name, rows, encode).await?;
    let refused = refused.iter().map(|(row, error)| unreadable(*row, error));
    Ok(refused.collect())
}

/// Copies those of the rows that a table takes; the others come back, found by halving.
pub(super) async fn copy_whole(
    tx: &Transaction<'_>,
    sql: &str,
    entity: &str,
    rows: &[usize],
    encode: impl Fn(&[usize]) -> Vec<u8>,
) -> Result<Vec<(usize, EngineError)>> {
    let mut refused = Vec::new();
    let mut open = vec![rows];
    while let Some(part) = open.pop() {
        match (attempt(tx, sql, entity, part, &encode).await?, part) {
            (None, _) => {}
            (Some(error), [row]) => refused.push((*row, error)),
            (Some(_), _) => {
                let (first, second) = part.split_at(part.len() / 2);
                open.push(second);
                open.push(first);
            }
        }
    }
    Ok(refused)
}

/// Copies rows all or none; the error where the target does not take one of them.
async fn attempt(
    tx: &Transaction<'_>,
    sql: &str,
    entity: &str,
    rows: &[usize],
    encode: impl Fn(&[usize]) -> Vec<u8>,
) -> Result<Option<EngineError>> {
    if rows.is_empty() {
        return Ok(None);
    }
    tx.ahead("SAVEPOINT driftless_attempt", &[]).await?;
    match copy(tx, sql, encode(rows), rows.len(), entity).await {
        Ok(()) => {
            tx.ahead("RELEASE SAVEPOINT driftless_attempt", &[]).await?;
            Ok(None)
        }
        Err(error) if is_of_a_row(&error) => {
            tx.batch("ROLLBACK TO SAVEPOINT driftless_attempt; RELEASE SAVEPOINT driftless_attempt")
                .await?;
            Ok(Some(error))
        }
        Err(error) => Err(error),
    }
}

fn unreadable(row: usize, error: &EngineError) -> Refused {
    let server = error.pg().and_then(|pg| pg.server());
    Refused {
        row,
        sqlstate: server.map(|server| server.sqlstate.clone()).unwrap_or_default(),
        message: server.map(|server| server.message.clone()).unwrap_or_default(),
        constraint: server.and_then(|server| server.constraint.clone()),
        column: server.and_then(|server| server.column.clone()),
    }
}

/// Appends a tuple with the row's number in front of what `encode` appends.
pub(super) fn numbered(row: usize, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let mut tuple = Vec::new();
    encode(&mut tuple);
    let fields = u16::from_be_bytes([tuple[0], tuple[1]]) + 1;
    out.extend_from_slice(&fields.to_be_bytes());
    out.extend_from_slice(&8_u32.to_be_bytes());
    out.extend_from_slice(&(row as i64).to_be_bytes());
    out.extend_from_slice(&tuple[2..]);
}

/// The temporary table of a batch.
fn stage_table(plan: &EntityPlan) -> String {
    let columns: Vec<String> = plan
        .columns
        .iter()
        .enumerate()
        .map(|(number, column)| format!("c{number} {}", column.base_sql))
        .collect();
    format!(
        "CREATE TEMPORARY TABLE driftless_stage (n int8, {}) ON COMMIT DROP",
        columns.join(", ")
    )
}

/// What is known of a refusal. What is no fault of the row (a deadlock, a full disk) ends the function.
macro_rules! caught {
    ($then:literal) => {
        concat!(
            "EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, \
             on_constraint = CONSTRAINT_NAME, on_column = COLUMN_NAME; \
             IF pg_catalog.left(state, 2) IN ('40', '53', '55', '57') THEN RAISE; END IF; ",
            $then
        )
    };
}

/// What a row that is refused becomes.
pub(super) const CAUGHT: &str = caught!("row_number := one.n; RETURN NEXT;");

/// Where several rows at once are refused half as many are tried, down to the one that is refused.
const CAUGHT_AMONG: &str = caught!(
    "IF low = high THEN row_number := low; RETURN NEXT; low := high + 1; ELSE wide := (high - low + 1) / 2; END IF;"
);

/// The function that inserts the rows of the temporary table in order: as many at once as went well the last time, and twice as
/// many after that.
fn by_halves(plan: &EntityPlan) -> String {
    let (names, values) = insertion_lists(plan, "s");
    let table = plan.into.sql();
    // Columns of the table go before the variables of the function, wherever a statement could mean either.
    format!(
        "CREATE FUNCTION pg_temp.driftless_insert() \
         RETURNS TABLE (row_number int8, state text, message text, on_constraint text, on_column text) LANGUAGE plpgsql AS $driftless$ \
         #variable_conflict use_column\n\
         <<bounds>> DECLARE low int8; high int8; last int8; wide int8; BEGIN \
         CREATE INDEX ON pg_temp.driftless_stage (n); \
         SELECT pg_catalog.min(s.n), pg_catalog.max(s.n) INTO low, last FROM pg_temp.driftless_stage AS s; \
         wide := last - low + 1; \
         WHILE low <= last LOOP high := LEAST(low + wide - 1, last); BEGIN \
         INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM pg_temp.driftless_stage AS s \
         WHERE s.n BETWEEN bounds.low AND bounds.high ORDER BY s.n; \
         low := high + 1; wide := wide * 2; {CAUGHT_AMONG} END; END LOOP; END $driftless$"
    )
}

/// The function that does something with each row `one` of the temporary table, in order.
pub(super) fn function(variables: &str, each: &str) -> String {
    format!(
        "CREATE FUNCTION pg_temp.driftless_insert() \
         RETURNS TABLE (row_number int8, state text, message text, on_constraint text, on_column text) LANGUAGE plpgsql AS $driftless$ \
         DECLARE one record; {variables} BEGIN FOR one IN SELECT * FROM pg_temp.driftless_stage AS s ORDER BY s.n LOOP {each} \
         END LOOP; END $driftless$"
    )
}

/// The insertion of row `one`.
pub(super) fn insertion(plan: &EntityPlan) -> String {
    let (names, values) = insertion_lists(plan, "one");
    format!(
        "INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE VALUES ({values})",
        plan.into.sql()
    )
}

/// The columns that are written, and what stands for them in the temporary table.
fn insertion_lists(plan: &EntityPlan, alias: &str) -> (String, String) {
    let (names, values): (Vec<String>, Vec<String>) = plan
        .columns
        .iter()
        .enumerate()
        .map(|(number, column)| (quote_ident(&column.name), format!("{alias}.c{number}")))
        .unzip();
    (names.join(", "), values.join(", "))
}

fn change(plan: &EntityPlan) -> String {
    let (mut same, mut set) = (Vec::new(), Vec::new());
    for (number, column) in plan.columns.iter().enumerate() {
        let name = quote_ident(&column.name);
        if plan.identity.target.iter().any(|(key, _)| *key == column.name) {
            same.push(format!("t.{name} = one.c{number}"));
        } else {
            set.push(format!("{name} = one.c{number}"));
        }
    }
    let (table, same) = (plan.into.sql(), same.join(" AND "));
    let statement = if set.is_empty() {
        format!("PERFORM FROM {table} AS t WHERE {same}")
    } else {
        format!("UPDATE {table} AS t SET {} WHERE {same}", set.join(", "))
    };
    // A row whose target key is another one now is not found, and those who refer to the old one would be left behind.
    format!("{statement}; IF NOT FOUND THEN RAISE integrity_constraint_violation; END IF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_copy_is_told_in_any_language() {
        let told = |context| line_in(context, "t2, line 7");
        assert_eq!(told("COPY t2, line 7, line 13"), Some(13));
        assert_eq!(
            told("COPY t2, line 7, Zeile 13, Spalte x9: \u{bb}14\u{ab}"),
            Some(13)
        );
        assert_eq!(
            told("SQL function \"check 3\" statement 1\nCOPY t2, line 7, line 4"),
            Some(4)
        );
        assert_eq!(
            told("SQL statement \"SELECT 1 FROM ONLY t2 x WHERE id = 3\""),
            None
        );
        assert_eq!(told("COPY t2, line 7"), None);
    }
}
