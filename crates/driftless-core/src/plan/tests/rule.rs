//! Rules on both sides.

use super::fixture::{Case, answer, lent};
use super::notation::Side;
use crate::code;
use crate::plan::EvaluationSource;
use crate::spec::OnFail;

fn case(rules: &str) -> Case {
    let mapping = format!(
        "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n[entities.t.columns]\nid = {{ id = true }}\nprice = \"p\"\n\
         tags = \"labels\"\nmade = {{ sql = \"string_to_array(n, ',')\" }}\n{rules}"
    );
    let source = Side::default().with("old.t", "key int4 pk; p numeric; labels text[]; n text");
    let target = Side::default().with(
        "new.t",
        "id uuid pk; price numeric(9,2); tags text[]; made text[]",
    );
    Case::new(&mapping, source, target).answer("t", "column made", "text[]")
}

fn rule(name: &str, check: &str, side: &str, on_fail: &str) -> String {
    format!(
        "[[entities.t.rules]]\nname = \"{name}\"\ncheck = \"{check}\"\non = \"{side}\"\non_fail = \"{on_fail}\"\n"
    )
}

#[test]
fn a_source_rule_is_a_question_of_the_main_evaluation() {
    let plan = case(&rule("positive", "p > 0", "source", "reject"))
        .answer("t", "rule positive", "bool")
        .entity("t");
    let [found] = &plan.source_rules[..] else { panic!() };
    assert_eq!((found.name.as_str(), found.on_fail), ("positive", OnFail::Reject));
    assert_eq!(answer(&plan.evaluation, found.answer), "(p > 0)::bool");
    let asked = &plan.evaluation.outputs[found.answer];
    assert_eq!(
        (asked.place.as_str(), asked.column.as_deref()),
        ("rule positive", None)
    );
    assert!(
        lent(&plan.evaluation).contains(&("p", EvaluationSource::Input(0), None)),
        "{:?}",
        lent(&plan.evaluation)
    );
    assert!(plan.target_rules.is_empty() && plan.target_evaluation.is_empty());
}

#[test]
fn a_target_rule_looks_at_the_shaped_values() {
    let plan = case(&format!(
        "{}{}",
        rule("cheap", "price < 9", "target", "warn"),
        rule(
            "tagged",
            "cardinality(tags) > 0 AND id IS NOT NULL",
            "target",
            "halt"
        )
    ))
    .answer("t", "rule cheap", "bool")
    .answer("t", "rule tagged", "bool")
    .entity("t");
    let modes: Vec<OnFail> = plan.target_rules.iter().map(|rule| rule.on_fail).collect();
    assert_eq!(modes, [OnFail::Warn, OnFail::Halt]);
    assert_eq!(
        answer(&plan.target_evaluation, plan.target_rules[0].answer),
        "(price < 9)::bool"
    );
    let labels = plan
        .inputs
        .iter()
        .position(|input| input.select.contains("\"labels\"::"))
        .expect("its text");
    assert_eq!(
        lent(&plan.target_evaluation),
        [
            (
                "price",
                EvaluationSource::Output(1),
                Some("\"numeric\"(9,2)".into())
            ),
            ("id", EvaluationSource::Output(0), None),
            // The bytes of an array cannot stand in an array of arrays: the source's text does.
            ("tags", EvaluationSource::Input(labels), Some("\"text\"[]".into())),
        ]
    );
}

#[test]
fn a_computed_array_is_out_of_a_target_rules_reach() {
    let (code, text, message) = case(&rule("made", "cardinality(made) > 0", "target", "reject"))
        .answer("t", "rule made", "bool")
        .finding();
    assert_eq!(
        (code, text.as_str()),
        (code::BAD_EXPRESSION, "\"cardinality(made) > 0\"")
    );
    assert!(message.starts_with("rule made reads made"), "{message}");
}

#[test]
fn where_rules_alone_are_asked_the_answer_tells_of_rows_that_they_refuse() {
    let rules = format!(
        "{}{}",
        rule("cheap", "price < 9", "target", "warn"),
        rule("dear", "price > 1", "target", "reject")
    );
    let plan = case(&rules)
        .answer("t", "rule cheap", "bool")
        .answer("t", "rule dear", "bool")
        .entity("t");
    let sql = plan.target_evaluation.sql().replace("pg_catalog.", "");
    assert_eq!(
        sql,
        "SELECT \"driftless ord\", \"driftless rule 1\", \"driftless rule 2\"\n\
         FROM (SELECT \"driftless ord\", (price < 9\n)::bool AS \"driftless rule 1\",\n  (price > 1\n)::bool AS \"driftless rule 2\"\n\
         FROM (SELECT \"driftless ord\", \"price\"::\"pg_catalog\".\"numeric\"(9,2) AS \"price\" FROM \
         (SELECT generate_series(1::int8, cardinality($1)::int8) AS \"driftless ord\", unnest($1) AS \"price\") AS u) AS s \
         OFFSET 0) AS judged\n\
         WHERE \"driftless rule 1\" IS FALSE OR \"driftless rule 2\" IS FALSE"
    );
}

#[test]
fn columns_are_told_of_every_row() {
    let rules = rule("positive", "p > 0", "source", "reject") + &rule("same", "p > 0", "source", "warn");
    let plan = case(&rules)
        .answer("t", "rule positive", "bool")
        .answer("t", "rule same", "bool")
        .entity("t");
    let [first, second] = &plan.source_rules[..] else {
        panic!()
    };
    assert_eq!(first.answer, second.answer);
    assert!(!plan.evaluation.asks_rules_alone());
    assert!(plan.evaluation.part(&[first.answer]).asks_rules_alone());
}

#[test]
fn rules_that_postgresql_refuses_are_found_on_both_sides() {
    for side in ["source", "target"] {
        let (code, text, _) = case(&rule("bad", "nonsense", side, "reject")).finding();
        assert_eq!(
            (code, text.as_str()),
            (code::BAD_EXPRESSION, "\"nonsense\""),
            "{side}"
        );
    }
}

#[test]
fn a_target_rule_reads_no_reference_that_may_become_null() {
    let mapping = format!(
        "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\n[entities.t.columns]\nid = {{ id = true }}\n\
         boss = {{ ref = \"t\", from = \"boss\", missing = \"null\" }}\n{}",
        rule("led", "boss IS NOT NULL", "target", "reject")
    );
    let source = Side::default().with("old.t", "id int4 pk; boss int4");
    let target = Side::default().with("new.t", "id uuid pk; boss uuid");
    let (code, text, message) = Case::new(&mapping, source, target)
        .answer("t", "rule led", "bool")
        .finding();
    assert_eq!(
        (code, text.as_str()),
        (code::BAD_EXPRESSION, "\"boss IS NOT NULL\"")
    );
    assert!(
        message.starts_with("rule led reads boss, which becomes null"),
        "{message}"
    );
}

#[test]
fn target_rules_may_read_what_is_written() {
    let asked = case(&rule("r", "true", "target", "reject")).asked();
    let rule = asked
        .iter()
        .find(|one| one.key.place == "rule r")
        .expect("the rule");
    let names: Vec<&str> = rule
        .request
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    assert_eq!(names, ["id", "price", "tags", "made"]);
}
