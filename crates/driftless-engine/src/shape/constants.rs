//! Constants, read by the target once: their bytes are those that the target itself would store.

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::plan::{Constant, ConstantText, EntityPlan};
use driftless_core::spec::RunFact;
use driftless_core::transform::Constants;
use driftless_pg::{Param, Session};

use crate::error::{EngineError, Result};

/// Facts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The execution.
    pub execution: i64,
    /// When it started: microseconds since 2000-01-01 UTC.
    pub started_at: i64,
    /// `load`.
    pub mode: &'static str,
}

/// Resolves the constants of an entity, or says which of them are no values of their types.
pub async fn resolve(target: &Session, plan: &EntityPlan, run: &RunFacts) -> Result<Constants> {
    if plan.constants.is_empty() {
        return Ok(Constants::default());
    }
    let (columns, params): (Vec<String>, Vec<Param>) = plan
        .constants
        .iter()
        .enumerate()
        .map(|(number, constant)| question(number + 1, constant, run))
        .unzip();
    match target
        .query_one(&format!("SELECT {}", columns.join(", ")), &params)
        .await
    {
        Ok(row) => Ok(Constants(
            (0..plan.constants.len())
                .map(|number| row.raw(number).map(<[u8]>::to_vec))
                .collect(),
        )),
        Err(_) => Err(EngineError::findings(each(target, plan, run).await?)),
    }
}

/// The expression of a constant with its parameter.
fn question(number: usize, constant: &Constant, run: &RunFacts) -> (String, Param) {
    let of = |type_sql: &str| match constant.type_sql.as_str() {
        "pg_catalog.jsonb" => format!("pg_catalog.to_jsonb(${number}::{type_sql})"),
        wanted => format!("(${number}::{type_sql})::{wanted}"),
    };
    match &constant.text {
        ConstantText::Null => (
            format!("(${number}::pg_catalog.text)::{}", constant.type_sql),
            Param::null(25),
        ),
        ConstantText::Text(text) => (
            format!("(${number}::pg_catalog.text)::{}", constant.type_sql),
            Param::text(text.as_str()),
        ),
        ConstantText::Run(RunFact::Id) => (of("pg_catalog.int8"), Param::int8(run.execution)),
        ConstantText::Run(RunFact::Mode) => (of("pg_catalog.text"), Param::text(run.mode)),
        ConstantText::Run(RunFact::StartedAt) => (
            of("pg_catalog.timestamptz"),
            Param::raw(1184, run.started_at.to_be_bytes().to_vec()),
        ),
    }
}

/// The columns that may become a constant.
fn place(plan: &EntityPlan, number: usize) -> String {
    let outputs = plan.program.outputs.iter();
    let holds =
        outputs.filter(|output| output.default == Some(number) || output.value.holds_constant(number));
    let columns: Vec<String> = holds.map(|output| format!("column {}", output.column)).collect();
    match columns.as_slice() {
        [] => format!("entity {}", plan.name),
        _ => format!("entity {}, {}", plan.name, columns.join(", ")),
    }
}

/// Asks for each alone, to say which ones the target does not read.
async fn each(target: &Session, plan: &EntityPlan, run: &RunFacts) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (number, constant) in plan.constants.iter().enumerate() {
        let (sql, param) = question(1, constant, run);
        if let Err(error) = target.query_one(&format!("SELECT {sql}"), &[param]).await {
            let Some(server) = error.server() else {
                return Err(error.into());
            };
            // A constant stands in the mapping, not in a row: it may be shown.
            findings.push(
                Finding::error(code::BAD_CONSTANT, place(plan, number), server.message.clone())
                    .remedy(format!("write a value of type {}", constant.type_sql)),
            );
        }
    }
    Ok(findings)
}
