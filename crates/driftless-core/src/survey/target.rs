//! What is written: rules, triggers that reach outside, publications, tables that a crash empties.

use super::Ground;
use crate::catalog::{Relation, RuleEvent, TriggerMode};
use crate::code;
use crate::error::{Finding, Severity};
use crate::plan::EntityPlan;

pub(super) fn findings(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    for (entity, table) in ground.written() {
        let mut own = Vec::new();
        rules(ground, table, &mut own);
        reaching(table, &mut own);
        published(ground, table, &mut own);
        durable(table, &mut own);
        findings.extend(own.into_iter().map(|finding| placed(ground, finding, entity)));
    }
    state_published(ground, findings);
}

fn placed(ground: Ground<'_>, finding: Finding, entity: &EntityPlan) -> Finding {
    ground.at_into(finding, entity)
}

/// Rows go in by COPY, which knows no rules, but single rows by INSERT, and they leave by DELETE: a rule that acts would make
/// something else of them, unseen.
fn rules(ground: Ground<'_>, table: &Relation, findings: &mut Vec<Finding>) {
    for rule in &table.around.rules {
        let place = format!("table {}, rule {}", table.name, rule.name);
        let word = rule.event.word();
        if ground.silencing.lets(rule.mode) {
            let message =
                format!("it rewrites {word}: what Driftless writes would become something else, unseen");
            let disable = format!(
                "for the load: ALTER TABLE {} DISABLE RULE {}",
                table.name.sql(),
                crate::name::quote_ident(&rule.name)
            );
            findings.push(Finding::error(code::REWRITTEN, place, message).remedy(disable));
        } else if rule.event == RuleEvent::Insert {
            let message = "it does not act on loaded rows: they go past it";
            findings.push(
                Finding::note(code::REWRITTEN, place, message)
                    .remedy("do what it does for them once, after the load, where that is wanted"),
            );
        }
    }
}

fn reaching(table: &Relation, findings: &mut Vec<Finding>) {
    for trigger in &table.triggers {
        if !trigger.on_insert || trigger.mode == TriggerMode::Disabled || trigger.reaches.is_empty() {
            continue;
        }
        findings.push(
            Finding::warning(
                code::REACHES_OUT,
                format!("table {}, trigger {}", table.name, trigger.name),
                format!(
                    "its function {} calls {}. It is silent during the load: nobody out there is told of the loaded rows",
                    trigger.function,
                    trigger.reaches.join(", ")
                ),
            )
            .remedy("if the other side must know of them, tell it once, after the load"),
        );
    }
}

fn published(ground: Ground<'_>, table: &Relation, findings: &mut Vec<Finding>) {
    let publications = table.around.publications.join(", ");
    if publications.is_empty() {
        return;
    }
    let sends = ground.target.server.setting("wal_level") == Some("logical");
    let message = if sends {
        format!("it is published by {publications}: every loaded row is sent to all subscribers")
    } else {
        format!("it is published by {publications}, which sends nothing while wal_level is not logical")
    };
    findings.push(
        Finding {
            severity: if sends { Severity::Warning } else { Severity::Note },
            ..Finding::warning(code::PUBLISHED, format!("table {}", table.name), message)
        }
        .remedy(
            "take it out for the load (ALTER PUBLICATION … DROP TABLE …) and let subscribers copy it afresh, or let them \
             take the load",
        ),
    );
}

/// A publication of all tables has the state in it too.
fn state_published(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    let publications = &ground.target.server.publications_of_all;
    if publications.is_empty() {
        return;
    }
    let (names, schema) = (publications.join(", "), &ground.plan.state_schema);
    findings.push(
        Finding::warning(
            code::PUBLISHED,
            "the target",
            format!(
                "publication {names} is FOR ALL TABLES: the tables of the state (schema {schema}) are published as well, and \
                 a subscriber that has no such tables stops with an error"
            ),
        )
        .remedy("publish the tables that are meant by name, at least until `driftless teardown`"),
    );
}

fn durable(table: &Relation, findings: &mut Vec<Finding>) {
    if !table.around.unlogged {
        return;
    }
    findings.push(
        Finding::warning(
            code::NOT_DURABLE,
            format!("table {}", table.name),
            "it is UNLOGGED: a crash of the server empties it, while the state says that its rows are there",
        )
        .remedy(format!("ALTER TABLE {} SET LOGGED", table.name.sql())),
    );
}
