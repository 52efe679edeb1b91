//! `[[entities.X.rules]]` and `[[entities.X.totals]]`.

use super::section::{Section, wrong_type};
use super::sql;
use super::tree::{Node, Value};
use crate::code;
use crate::spec::{OnFail, RuleSide, RuleSpec};

/// Reads `rules` of an entity.
pub(super) fn rules(entity: &mut Section<'_>) -> Vec<RuleSpec> {
    let mut rules: Vec<RuleSpec> = Vec::new();
    for node in tables(entity, "rules", "[[entities.patients.rules]]") {
        rules.extend(rule(entity, node, &rules));
    }
    rules
}

fn rule(entity: &mut Section<'_>, node: &Node, earlier: &[RuleSpec]) -> Option<RuleSpec> {
    const CHECK: &str = "check = \"patient_number ~ '^P[0-9]+$'\"";
    let place = format!("{}, rules", entity.place);
    let mut table = Section::open(node, &place, "[[entities.patients.rules]]", entity.out())?;
    let name = table.required_text("name", "name = \"patient_number_format\"");
    if let Some(name) = &name {
        table.place = format!("{}, rule {}", entity.place, name.value);
        if earlier.iter().any(|rule| rule.name == name.value)
            && let Some(member) = table.take("name")
        {
            let message = format!("two rules are named `{}`", name.value);
            let remedy = "give each rule a name of its own";
            table.refuse(&member.node, code::DUPLICATE_SETTING, message, remedy);
        }
    }
    let place = table.place.clone();
    let check = match table.take("check") {
        Some(member) => sql::plain(&member.node, &place, CHECK, table.out()),
        None => {
            table.missing("check", CHECK);
            None
        }
    };
    let side = table.choice(
        "on",
        &[("source", RuleSide::Source), ("target", RuleSide::Target)],
    );
    let on_fail = table.choice(
        "on_fail",
        &[
            ("reject", OnFail::Reject),
            ("warn", OnFail::Warn),
            ("halt", OnFail::Halt),
        ],
    );
    table.finish(entity.out());
    Some(RuleSpec {
        name: name?.value,
        check: check?,
        side: side.unwrap_or(RuleSide::Source),
        on_fail: on_fail.unwrap_or(OnFail::Reject),
    })
}

/// Checks `totals` of an entity, and refuses them: nothing proves them yet, and a proof that is silently left out is
/// worse than none.
pub(super) fn totals(entity: &mut Section<'_>) {
    for node in tables(entity, "totals", "[[entities.payments.totals]]") {
        let place = format!("{}, totals", entity.place);
        let Some(mut table) = Section::open(node, &place, "[[entities.payments.totals]]", entity.out())
        else {
            continue;
        };
        table.required_text("sum", "sum = \"amount\"");
        table.texts("by", "by = [\"currency\"]");
        table.refuse(
            node,
            code::NOT_YET,
            "`totals` cannot act yet",
            "remove it: `validate` compares the exact sum of every numeric column, though not by group",
        );
        table.finish(entity.out());
    }
}

fn tables<'a>(entity: &mut Section<'a>, key: &'static str, example: &str) -> &'a [Node] {
    let Some(member) = entity.take(key) else {
        return &[];
    };
    if let Value::List(items) = &member.node.value {
        return items;
    }
    let place = format!("{}, {key}", entity.place);
    entity
        .out()
        .extend(wrong_type(&member.node, &place, "a list of tables", example));
    &[]
}
