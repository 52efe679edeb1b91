//! The plan, and what checking it found.

use driftless_core::error::{Finding, Severity};
use driftless_engine::run::report::{PlanReport, PlannedEntity, PlannedIndex, PlannedStatement};

use super::figure::{bytes, count, rows};
use super::table::{Align, Table, clean};

/// Most entities that are named beside a reason; more are counted, so that it stays one line.
const NAMED: usize = 5;

/// What `check` says when nothing forbids a plan.
pub(crate) fn checked(report: &PlanReport) -> String {
    let number = report.entities.len();
    let entities = if number == 1 { "entity" } else { "entities" };
    let errors = tally(&report.findings, Severity::Error, "error");
    let warnings = tally(&report.findings, Severity::Warning, "warning");
    let notes = tally(&report.findings, Severity::Note, "note");
    format!(
        "{}\nchecked: {number} {entities}, {errors}, {warnings}, {notes}\n",
        heading(report)
    )
}

fn tally(findings: &[Finding], severity: Severity, noun: &str) -> String {
    match findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .count()
    {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

fn heading(report: &PlanReport) -> String {
    format!(
        "pipeline  {}\nsource    {}\ntarget    {}\ntriggers  {}\n",
        clean(&report.pipeline),
        clean(&report.source),
        clean(&report.target),
        clean(&report.triggers),
    )
}

/// The whole plan: a line per entity in the order in which they start, and why each goes its path.
pub(crate) fn planned(report: &PlanReport, width: Option<usize>) -> String {
    let mut table = Table::new(&[
        ("entity", Align::Left),
        ("domain", Align::Left),
        ("from", Align::Left),
        ("into", Align::Left),
        ("path", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("set aside", Align::Right),
        ("state", Align::Left),
    ]);
    for entity in &report.entities {
        table.row([
            entity.entity.clone(),
            entity.domain.clone().unwrap_or_default(),
            entity.from.clone(),
            entity.into.clone(),
            entity.path.clone(),
            entity
                .estimated_rows
                .map_or_else(|| "unknown".to_owned(), |rows| format!("~{}", count(rows))),
            entity.estimated_bytes.map_or_else(|| "unknown".to_owned(), bytes),
            count(entity.set_aside.len() as i64),
            state(entity),
        ]);
    }
    let table = table.without_unused(&["domain"]);
    let mut text = format!("{}\n{}\n", heading(report), table.text(width));
    for (path, reason, entities) in reasons(&report.entities) {
        let which = match entities.len() {
            ..=NAMED => entities.join(", "),
            number => format!("{number} entities"),
        };
        text.push_str(&format!("{path}: {} ({which})\n", clean(reason)));
    }
    let indexes = report.entities.iter().flat_map(|entity| &entity.indexes);
    text.push_str(&advice(indexes));
    text.push_str("\ncolumns, SQL and what is set aside: driftless plan --entity NAME\n");
    text
}

/// Indexes that would help, each with its statement.
fn advice<'i>(indexes: impl Iterator<Item = &'i PlannedIndex>) -> String {
    let lines: Vec<String> = indexes
        .map(|index| {
            let (sql, why) = (clean(&index.sql), clean(&index.why));
            format!("  {}  {sql};\n          {why}\n", index.side)
        })
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("\nindexes that would help\n{}", lines.concat())
    }
}

/// What will run, statement by statement.
fn statements(statements: &[PlannedStatement]) -> String {
    let mut text = String::new();
    for statement in statements {
        text.push_str(&format!("\n  {}  {}\n", statement.side, clean(&statement.step)));
        for line in statement.sql.lines() {
            text.push_str(&format!("    {}\n", clean(line)));
        }
    }
    if text.is_empty() {
        text
    } else {
        format!("\nwhat runs, in this order{text}")
    }
}

/// How far an entity's load is, and whether it would go on.
fn state(entity: &PlannedEntity) -> String {
    match &entity.refused {
        Some(code) => format!("{}, refused: {code}", entity.phase),
        None => entity.phase.clone(),
    }
}

/// The paths with their reasons, each with the entities it holds for, in plan order.
fn reasons(entities: &[PlannedEntity]) -> Vec<(&str, &str, Vec<&str>)> {
    let mut found: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for entity in entities {
        let key = (entity.path.as_str(), entity.reason.as_str());
        match found.iter_mut().find(|(path, reason, _)| (*path, *reason) == key) {
            Some((_, _, names)) => names.push(&entity.entity),
            None => found.push((key.0, key.1, vec![&entity.entity])),
        }
    }
    found
}

/// Everything that the plan says about one entity.
pub(crate) fn detail(entity: &PlannedEntity, width: Option<usize>) -> String {
    let mut text = format!(
        "{}\n  from    {}, {}{}\n  into    {}\n  path    {}: {}\n  chunks  {}\n  state   {}\n\n",
        entity.entity,
        clean(&entity.from),
        entity.estimated_rows.map_or_else(
            || "rows unknown".to_owned(),
            |number| format!("about {}", rows(number))
        ),
        entity
            .estimated_bytes
            .map_or_else(String::new, |number| format!(", {}", bytes(number))),
        clean(&entity.into),
        entity.path,
        clean(&entity.reason),
        entity.chunks,
        state(entity),
    );
    if let Some(domain) = &entity.domain {
        let at = text.len() - 1;
        text.insert_str(at, &format!("  domain  {}\n", clean(domain)));
    }
    text.push_str(&pairs(
        ["column", "how its value travels"],
        &entity.columns,
        width,
    ));
    if !entity.set_aside.is_empty() {
        text.push('\n');
        text.push_str(&pairs(["set aside", "name"], &entity.set_aside, width));
    }
    if !entity.stays.is_empty() {
        text.push('\n');
        text.push_str(&pairs(["stays in place", "why"], &entity.stays, width));
    }
    text.push_str(&statements(&entity.statements));
    text.push_str(&advice(entity.indexes.iter()));
    text
}

fn pairs(headings: [&'static str; 2], pairs: &[(String, String)], width: Option<usize>) -> String {
    let mut table = Table::new(&headings.map(|heading| (heading, Align::Left)));
    for (first, second) in pairs {
        table.row([first.clone(), second.clone()]);
    }
    table.text(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_core::code;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn entity(name: &str, path: &str, reason: &str) -> PlannedEntity {
        PlannedEntity {
            entity: text(name),
            domain: None,
            from: format!("public.dispatch_{name}"),
            into: format!("public.{name}s"),
            path: text(path),
            reason: text(reason),
            chunks: text("ranges of id"),
            estimated_rows: Some(40_000),
            estimated_bytes: Some(4_800_000),
            columns: vec![
                (text("id"), text("identity")),
                (text("price"), text("evaluated by the target")),
            ],
            set_aside: vec![(text("primary key"), format!("{name}s_pkey"))],
            stays: vec![(text("check_price"), text("a check is kept"))],
            phase: text("-"),
            refused: None,
            statements: vec![
                PlannedStatement {
                    side: "source",
                    step: text("read chunk 1 of 3"),
                    sql: text("COPY (SELECT \"id\",\n  \"price\" FROM t) TO STDOUT (FORMAT binary)"),
                },
                PlannedStatement {
                    side: "target",
                    step: text("write rows"),
                    sql: text("COPY t (id) FROM STDIN (FORMAT binary)"),
                },
            ],
            indexes: vec![PlannedIndex {
                side: "target",
                table: format!("public.{name}s"),
                sql: format!("CREATE INDEX CONCURRENTLY ON \"public\".\"{name}s\" (\"parent\")"),
                why: text("it is looked up from its parent"),
            }],
        }
    }

    fn report() -> PlanReport {
        PlanReport {
            pipeline: text("lab"),
            source: text("reader@127.0.0.1:5432/legacy"),
            target: text("owner@127.0.0.1:5433/target"),
            triggers: text("replica role"),
            entities: vec![
                entity("user", "beside", "the table is not ours to alter"),
                PlannedEntity {
                    domain: Some(text("sales")),
                    phase: text("loading"),
                    refused: Some(text("DL0505")),
                    ..entity("order", "load", "the table is empty and ours to alter")
                },
                PlannedEntity {
                    estimated_rows: None,
                    estimated_bytes: None,
                    ..entity("case", "load", "the table is empty and ours to alter")
                },
            ],
            findings: vec![Finding::warning(
                code::TYPES_DO_NOT_FIT,
                "entity order",
                "could cut",
            )],
        }
    }

    #[test]
    fn a_plan_is_a_line_per_entity_and_its_reasons() {
        insta::assert_snapshot!(planned(&report(), None));
    }

    #[test]
    fn an_entity_in_detail() {
        insta::assert_snapshot!(detail(&report().entities[1], None));
    }

    #[test]
    fn a_check_counts_what_it_found() {
        insta::assert_snapshot!(checked(&report()));
    }
}
