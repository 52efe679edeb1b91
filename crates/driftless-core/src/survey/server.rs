//! Settings of servers that people stumble over. Driftless sets its own sessions; others are not so lucky.

use super::Ground;
use crate::catalog::Catalog;
use crate::code;
use crate::error::Finding;
use crate::plan::Path;
use crate::plan::aside::Silencing;

pub(super) fn findings(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    for (place, catalog) in [("the source", ground.source), ("the target", ground.target)] {
        settings(place, catalog, findings);
    }
    event_triggers(ground, findings);
}

fn settings(place: &str, catalog: &Catalog, findings: &mut Vec<Finding>) {
    let setting = |name: &str| catalog.server.setting(name).unwrap_or_default();
    let timeout = setting("statement_timeout");
    if !matches!(timeout, "" | "0") {
        findings.push(
            Finding::note(
                code::SERVER_SETTING,
                place,
                format!(
                    "statement_timeout is {timeout} for role {}; the sessions of Driftless set it off",
                    catalog.role
                ),
            )
            .remedy("SET statement_timeout = 0 in sessions of your own that run long"),
        );
    }
    if setting("extra_float_digits")
        .parse()
        .is_ok_and(|digits: i32| digits < 1)
    {
        findings.push(
            Finding::note(
                code::SERVER_SETTING,
                place,
                "extra_float_digits is below 1: floating-point numbers print with fewer digits than they have. Driftless \
                 copies all of them",
            )
            .remedy("SET extra_float_digits = 1 before you compare such numbers by their text"),
        );
    }
}

fn event_triggers(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    let server = &ground.target.server;
    let acting = server
        .event_triggers
        .iter()
        .filter(|trigger| trigger.event != "login" && trigger.mode != crate::catalog::TriggerMode::Replica);
    let (telling, other): (Vec<_>, Vec<_>) = acting.partition(|trigger| trigger.notifies);
    let names = |triggers: &[&crate::catalog::EventTrigger]| {
        let names: Vec<String> = triggers
            .iter()
            .map(|trigger| format!("{} ({})", trigger.name, trigger.function))
            .collect();
        names.join(", ")
    };
    let loads = ground
        .plan
        .entities
        .iter()
        .any(|entity| entity.path == Path::Load);
    if !telling.is_empty() && loads {
        findings.push(
            Finding::note(
                code::SERVER_SETTING,
                "the target",
                format!(
                    "event trigger {} tells listeners of every change of the schema: {}",
                    names(&telling),
                    reloads(ground.silencing)
                ),
            )
            .remedy(
                "load while the API is little used; it sees the final schema again when the load has ended",
            ),
        );
    }
    if !other.is_empty() && loads {
        findings.push(
            Finding::note(
                code::SERVER_SETTING,
                "the target",
                format!(
                    "event trigger {} runs at changes of the schema, those of a load included",
                    names(&other)
                ),
            )
            .remedy("see that it takes them; what it refuses in the rehearsal stays in place"),
        );
    }
}

/// What setting aside and putting back does to an API that listens.
fn reloads(silencing: Silencing) -> &'static str {
    match silencing {
        Silencing::ReplicaRole => {
            "it is silent during a load unless it is ENABLE ALWAYS, and an API is told once, when everything is back"
        }
        Silencing::EachTrigger => {
            "setting aside and putting back constraints and indexes makes an API reload its picture of the schema"
        }
    }
}
