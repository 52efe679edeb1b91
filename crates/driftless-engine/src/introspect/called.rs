//! Whether what an expression calls gives the same value for the same row, whenever and wherever it runs.

use std::collections::{BTreeSet, HashMap};

use driftless_core::catalog::{ExpressionCategory, ExpressionProblem, Oid};
use driftless_pg::{Row, Session};

use super::node_tree::Calls;
use super::{oid_array, refusal};
use crate::error::Result;

const FUNCTIONS: &str = include_str!("sql/functions.sql");

/// `SQLValueFunctionOp`, in its order: the first nine are the clock, the others the session.
const SESSION_VALUES: [&str; 15] = [
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "LOCALTIMESTAMP",
    "CURRENT_ROLE",
    "CURRENT_USER",
    "USER",
    "SESSION_USER",
    "CURRENT_CATALOG",
    "CURRENT_SCHEMA",
];

/// Functions of pg_catalog that read the clock, whatever they are declared as.
const CLOCK: [&str; 5] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "timeofday",
];

/// Stable functions of pg_catalog that read the session, or tables: settings, search path, whole tables as XML.
const BEYOND_THE_ROW: [&str; 12] = [
    "current_setting",
    "current_schemas",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xmlschema",
    "database_to_xml_and_xmlschema",
    "txid_visible_in_snapshot",
];

/// Objects that do not come with PostgreSQL itself have numbers from here on (`FirstNormalObjectId`).
const FIRST_OF_USERS: Oid = 16_384;

const PG_CATALOG: &str = "pg_catalog";

/// A function as the catalog declares it.
struct Function {
    schema: String,
    name: String,
    volatility: String,
    arguments: i32,
}

/// Functions, and functions behind operators, by oid.
pub(super) struct Called {
    functions: HashMap<Oid, Function>,
    operators: HashMap<Oid, Function>,
}

impl Called {
    /// Reads everything that these expressions call, in one query.
    pub(super) async fn load<'a>(
        session: &Session,
        calls: impl Iterator<Item = &'a Calls> + Clone,
    ) -> Result<Called> {
        let functions: BTreeSet<Oid> = calls
            .clone()
            .flat_map(|calls| &calls.functions)
            .copied()
            .collect();
        let operators: BTreeSet<Oid> = calls.flat_map(|calls| &calls.operators).copied().collect();
        let mut called = Called {
            functions: HashMap::new(),
            operators: HashMap::new(),
        };
        if functions.is_empty() && operators.is_empty() {
            return Ok(called);
        }
        let params = [oid_array(&functions), oid_array(&operators)];
        for row in session.query(FUNCTIONS, &params).await? {
            let into = if row.get(0)? {
                &mut called.operators
            } else {
                &mut called.functions
            };
            into.insert(row.get(1)?, read(&row)?);
        }
        Ok(called)
    }

    /// Why an expression with these calls is refused, if it is.
    pub(super) fn refusal(&self, calls: &Calls) -> Option<ExpressionProblem> {
        let values = calls.session_values.iter().map(|op| session_value(*op));
        let functions = calls
            .functions
            .iter()
            .filter_map(|oid| match self.functions.get(oid) {
                Some(function) => function.refusal(),
                None => Some(gone(*oid)),
            });
        let operators = calls
            .operators
            .iter()
            .filter_map(|oid| match self.operators.get(oid) {
                Some(function) => function.refusal(),
                None => Some(gone(*oid)),
            });
        values.chain(functions).chain(operators).next()
    }

    /// Whether none of these calls may read tables: what is not immutable is PostgreSQL's own, and reads settings at most.
    pub(super) fn settled(&self, calls: &Calls) -> bool {
        let functions = calls.functions.iter().map(|oid| (oid, self.functions.get(oid)));
        let operators = calls.operators.iter().map(|oid| (oid, self.operators.get(oid)));
        functions.chain(operators).all(|(oid, called)| {
            *oid < FIRST_OF_USERS || called.is_some_and(|function| function.volatility == "i")
        })
    }
}

fn read(row: &Row) -> Result<Function> {
    Ok(Function {
        schema: row.get(2)?,
        name: row.get(3)?,
        volatility: row.get(4)?,
        arguments: row.get(5)?,
    })
}

fn session_value(op: u32) -> ExpressionProblem {
    let at = usize::try_from(op).unwrap_or(usize::MAX);
    let name = SESSION_VALUES
        .get(at)
        .copied()
        .unwrap_or("a value of the session");
    if at < 9 {
        refusal::volatile(name, "reads the clock", refusal::STARTED_AT)
    } else {
        refusal::volatile(
            name,
            "depends on the session",
            "give the value as a constant: `{ const = … }`",
        )
    }
}

/// What was dropped between two looks cannot be vouched for.
fn gone(oid: Oid) -> ExpressionProblem {
    ExpressionProblem::new(
        ExpressionCategory::UnknownFunction,
        format!("function or operator {oid} went away while it was looked at"),
    )
}

impl Function {
    fn refusal(&self) -> Option<ExpressionProblem> {
        let builtin = self.schema == PG_CATALOG;
        let name = self.display();
        if builtin && self.reads_the_clock() {
            return Some(refusal::volatile(&name, "reads the clock", refusal::STARTED_AT));
        }
        if self.volatility == "v" {
            return Some(refusal::volatile(
                &name,
                "is volatile: it may give another value every time",
                self.instead(),
            ));
        }
        // What is only stable and takes nothing of the row can but depend on the session or the server.
        let nothing_of_the_row = self.volatility == "s" && self.arguments == 0;
        if builtin && (nothing_of_the_row || BEYOND_THE_ROW.contains(&self.name.as_str())) {
            return Some(refusal::volatile(
                &name,
                "depends on the session or on other tables",
                "an expression may depend on its row alone",
            ));
        }
        None
    }

    /// `age` of one moment is measured from today.
    fn reads_the_clock(&self) -> bool {
        CLOCK.contains(&self.name.as_str()) || (self.name == "age" && self.arguments == 1)
    }

    fn instead(&self) -> &'static str {
        match (self.schema.as_str(), self.name.as_str()) {
            (PG_CATALOG, "nextval") => {
                "leave the column out: its default draws from the sequence; or keep the key: `{ by = \"columns\" }`"
            }
            (_, "gen_random_uuid" | "uuid_generate_v4") => {
                "`{ id = true }` gives the row its lasting UUID; or leave the column to its default"
            }
            (PG_CATALOG, _) => "leave the column to its default in the target, or to a trigger there",
            _ => "if its value depends on its arguments alone, declare it so: ALTER FUNCTION … STABLE",
        }
    }

    fn display(&self) -> String {
        if self.schema == PG_CATALOG {
            format!("{}()", self.name)
        } else {
            format!("{}.{}()", self.schema, self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(schema: &str, name: &str, volatility: &str, arguments: i32) -> Function {
        Function {
            schema: schema.to_owned(),
            name: name.to_owned(),
            volatility: volatility.to_owned(),
            arguments,
        }
    }

    #[test]
    fn only_what_depends_on_the_row_alone_is_accepted() {
        let accepted = [
            function("pg_catalog", "lower", "i", 1),
            function("pg_catalog", "pi", "i", 0),
            function("pg_catalog", "to_char", "s", 2),
            function("pg_catalog", "age", "i", 2),
            function("public", "now", "s", 0),
        ];
        for function in &accepted {
            assert_eq!(function.refusal(), None, "{}", function.display());
        }
        let refused = [
            function("pg_catalog", "now", "s", 0),
            function("pg_catalog", "age", "s", 1),
            function("pg_catalog", "version", "s", 0),
            function("pg_catalog", "current_setting", "s", 1),
            function("pg_catalog", "random", "v", 0),
            function("public", "guess", "v", 1),
        ];
        for function in &refused {
            let problem = function.refusal().unwrap();
            assert!(
                matches!(problem.category, ExpressionCategory::Volatile { .. }),
                "{problem}"
            );
            assert!(!problem.remedy.is_empty(), "{problem}");
        }
    }
}
