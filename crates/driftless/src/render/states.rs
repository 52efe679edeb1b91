//! The state of a pipeline.

use driftless_engine::run::report::{EntityStatus, ExecutionStatus, StatusReport};

use super::figure::{count, rows};
use super::table::{Align, Table, clean};

/// How many executions are listed; the JSON document has all that the engine reports.
const EXECUTIONS: usize = 10;

/// The SQLSTATE with which a foreign key is not put back.
const ORPHANS: &str = "23503";

/// Entities, executions and what is set aside.
pub(crate) fn status(report: &StatusReport, width: Option<usize>) -> String {
    if !report.present {
        return format!(
            "pipeline {}: nothing of it is in the target yet\n",
            clean(&report.pipeline)
        );
    }
    let holder = report
        .holder
        .as_deref()
        .map_or_else(|| "nobody".to_owned(), clean);
    let mut text = format!("pipeline  {}\nheld by   {holder}\n\n", clean(&report.pipeline));
    text.push_str(&entities(&report.entities, width));
    text.push('\n');
    text.push_str(&executions(&report.executions, width));
    if !report.set_aside.is_empty() {
        text.push_str("\nset aside; the next migrate puts it back, or driftless migrate --abandon:\n");
        text.push_str(&set_aside(report, width));
        let orphans = |why: &Option<String>| why.as_ref().is_some_and(|why| why.starts_with(ORPHANS));
        if report.set_aside.iter().any(|(.., why)| orphans(why)) {
            text.push_str(
                "rows refer to rows that are not there: the end of a load takes them out before it puts a foreign key back\n",
            );
        }
    }
    text
}

fn entities(entities: &[EntityStatus], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        ("entity", Align::Left),
        ("domain", Align::Left),
        ("table", Align::Left),
        ("phase", Align::Left),
        ("chunks", Align::Right),
        ("identities", Align::Right),
        ("rejected", Align::Right),
        ("parked", Align::Right),
    ]);
    for entity in entities {
        table.row([
            entity.entity.clone(),
            entity.domain.clone().unwrap_or_default(),
            entity.table.clone(),
            entity.phase.clone(),
            format!("{}/{}", count(entity.chunks_done), count(entity.chunks)),
            count(entity.identities),
            count(entity.rejected),
            count(entity.parked),
        ]);
    }
    table.without_unused(&["domain"]).text(width)
}

fn executions(executions: &[ExecutionStatus], width: Option<usize>) -> String {
    let mut table = Table::new(&[
        ("execution", Align::Right),
        ("command", Align::Left),
        ("state", Align::Left),
        ("started", Align::Left),
        ("ended", Align::Left),
        ("result", Align::Left),
    ]);
    for execution in executions.iter().take(EXECUTIONS) {
        table.row([
            execution.id.to_string(),
            execution.command.clone(),
            execution.state.clone(),
            execution.started_at.clone(),
            execution.ended_at.clone().unwrap_or_else(|| "-".to_owned()),
            result(execution),
        ]);
    }
    table.text(width)
}

fn result(execution: &ExecutionStatus) -> String {
    if let Some(code) = &execution.code {
        let message = execution.message.as_deref().unwrap_or_default();
        if message.contains(code.as_str()) {
            return message.to_owned();
        }
        return format!("{code} {message}").trim_end().to_owned();
    }
    let written = execution.entities.iter().map(|entity| entity.inserted).sum();
    format!("{} written", rows(written))
}

fn set_aside(report: &StatusReport, width: Option<usize>) -> String {
    let headings = ["table", "kind", "name", "state", "why"].map(|heading| (heading, Align::Left));
    let mut table = Table::new(&headings);
    for (name, kind, item, state, why) in &report.set_aside {
        table.row([
            name.clone(),
            kind.clone(),
            item.clone(),
            state.clone(),
            why.clone().unwrap_or_default(),
        ]);
    }
    table.without_unused(&["why"]).text(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn report() -> StatusReport {
        StatusReport {
            pipeline: text("lab"),
            present: true,
            holder: Some(text("process 4711 on mill")),
            entities: vec![EntityStatus {
                entity: text("orders"),
                domain: None,
                table: text("public.orders"),
                phase: text("loading"),
                chunks_done: 3,
                chunks: 8,
                rejected: 12,
                parked: 0,
                identities: 15_000,
            }],
            executions: vec![ExecutionStatus {
                id: 2,
                command: text("migrate"),
                state: text("interrupted"),
                started_at: text("2026-11-20T10:00:00Z"),
                ended_at: Some(text("2026-11-20T10:00:07Z")),
                code: Some(text("DL0507")),
                message: Some(text("interrupted, resumable")),
                entities: Vec::new(),
            }],
            set_aside: vec![
                (
                    text("public.orders"),
                    text("primary key"),
                    text("orders_pkey"),
                    text("dropped"),
                    None,
                ),
                (
                    text("public.orders"),
                    text("foreign key"),
                    text("orders_customer_id_fkey"),
                    text("failed"),
                    Some(text("23503: insert or update on table \"orders\" violates it")),
                ),
            ],
        }
    }

    #[test]
    fn a_status_shows_entities_executions_and_what_is_set_aside() {
        insta::assert_snapshot!(status(&report(), None));
    }

    #[test]
    fn a_pipeline_that_never_ran_says_so() {
        let report = StatusReport {
            present: false,
            ..report()
        };
        assert_eq!(
            status(&report, None),
            "pipeline lab: nothing of it is in the target yet\n"
        );
    }
}
