//! A mapping with both catalogs, and what PostgreSQL would say of its expressions.

use std::collections::BTreeMap;

use super::notation::{Side, qualified};
use crate::catalog::{ExpressionFacts, RelationKind};
use crate::code::Code;
use crate::error::{Finding, Severity};
use crate::name::QualifiedName;
use crate::plan::{
    AskedExpression, EntityPlan, Evaluation, EvaluationSource, Facts, Output, Plan, Value, compile,
    expressions,
};
use crate::spec::{self, Sources, Spec, Style};

const HEAD: &str = "\
[pipeline]
name = \"{pipeline}\"
[source]
url = \"postgres://a\"
{zone}
[target]
url = \"postgres://b\"
";

/// What a plan is made from.
#[derive(Debug, Clone, Default)]
pub(super) struct Case {
    zone: String,
    mapping: String,
    source: Side,
    target: Side,
    answers: BTreeMap<(String, String), String>,
    queries: BTreeMap<String, String>,
    begun: Vec<QualifiedName>,
    pipeline: Option<String>,
}

impl Case {
    /// A mapping's entities, in TOML.
    pub(super) fn new(mapping: &str, source: Side, target: Side) -> Case {
        Case {
            mapping: mapping.to_owned(),
            source,
            target,
            ..Case::default()
        }
    }

    /// With what `timestamp` means in the source.
    pub(super) fn zone(mut self, zone: &str) -> Case {
        self.zone = format!("zone = \"{zone}\"");
        self
    }

    /// With the type that PostgreSQL gives the expression at this place. Without a word an expression is refused.
    pub(super) fn answer(mut self, entity: &str, place: &str, data_type: &str) -> Case {
        self.answers
            .insert((entity.to_owned(), place.to_owned()), data_type.to_owned());
        self
    }

    /// With the columns of an entity's query.
    pub(super) fn query(mut self, entity: &str, columns: &str) -> Case {
        self.queries.insert(entity.to_owned(), columns.to_owned());
        self
    }

    /// With a table whose load has begun.
    pub(super) fn begun(mut self, table: &str) -> Case {
        self.begun.push(qualified(table));
        self
    }

    /// With a pipeline of another name than `lab`.
    pub(super) fn pipeline(mut self, name: &str) -> Case {
        self.pipeline = Some(name.to_owned());
        self
    }

    fn sources(&self) -> Sources {
        let head = HEAD.replace("{zone}", &self.zone);
        let head = head.replace("{pipeline}", self.pipeline.as_deref().unwrap_or("lab"));
        let text = format!("{head}{}", self.mapping);
        Sources::single("driftless.toml", text)
    }

    /// The mapping, read.
    pub(super) fn spec(&self) -> Spec {
        let sources = self.sources();
        match spec::read(&sources, &BTreeMap::new()) {
            Ok((spec, _)) => spec,
            Err(findings) => panic!("{}", spec::render(&findings, &sources, Style::default())),
        }
    }

    /// The source's shape.
    pub(super) fn source(&self) -> &crate::catalog::Catalog {
        &self.source.0
    }

    /// What PostgreSQL is asked.
    pub(super) fn asked(&self) -> Vec<AskedExpression> {
        expressions(
            &self.spec(),
            &self.source.0,
            &self.target.0,
            &self.facts_without_answers(),
        )
    }

    fn facts_without_answers(&self) -> Facts {
        let relation = |columns: &String| {
            let found = self.source.relation("public.query", RelationKind::Query, columns);
            crate::catalog::Relation {
                constraints: Vec::new(),
                indexes: Vec::new(),
                ..found
            }
        };
        Facts {
            queries: self
                .queries
                .iter()
                .map(|(entity, columns)| (entity.clone(), relation(columns)))
                .collect(),
            begun: self.begun.clone(),
            ..Facts::default()
        }
    }

    fn facts(&self) -> Facts {
        let mut facts = self.facts_without_answers();
        for one in self.asked() {
            let key = (one.key.entity.clone(), one.key.place.clone());
            let Some(data_type) = self.answers.get(&key) else {
                continue;
            };
            let (result_type, result_typmod) = self.target.data_type(data_type);
            let read = one.request.inputs.iter().map(|input| input.name.clone());
            let columns = read.filter(|name| reads(&one.request.sql, name)).collect();
            let found = ExpressionFacts {
                result_type,
                result_typmod,
                columns,
                settled: true,
            };
            facts.expressions.insert(one.key, found);
        }
        facts
    }

    /// The plan, or findings.
    pub(super) fn compile(&self) -> Result<(Plan, Vec<Finding>), Vec<Finding>> {
        compile(&self.spec(), &self.source.0, &self.target.0, &self.facts())
    }

    /// The plan.
    pub(super) fn plan(&self) -> Plan {
        match self.compile() {
            Ok((plan, findings)) => {
                assert_eq!(findings, []);
                plan
            }
            Err(findings) => panic!("{}", spec::render(&findings, &self.sources(), Style::default())),
        }
    }

    /// The plan of one entity.
    pub(super) fn entity(&self, name: &str) -> EntityPlan {
        self.plan().entity(name).expect("the entity").clone()
    }

    /// What is wrong. Every finding says where, what, and what to do.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let findings = match self.compile() {
            Ok((plan, _)) => panic!("no finding, but {plan:#?}"),
            Err(findings) => findings,
        };
        for finding in &findings {
            assert!(finding.span.is_some(), "no place: {finding}");
            assert!(
                !finding.message.is_empty() && !finding.remedy.is_empty(),
                "{finding:?}"
            );
            assert_eq!(finding.severity, Severity::Error);
        }
        findings
    }

    /// The one thing that is wrong: its code, the text of the mapping that it points at, its message.
    pub(super) fn finding(&self) -> (Code, String, String) {
        let findings = self.findings();
        let [one] = &findings[..] else {
            panic!("{findings:#?}")
        };
        let span = one.span.expect("a place");
        let sources = self.sources();
        let text = &sources.files[span.file as usize].text[span.start as usize..span.end as usize];
        (one.code, text.to_owned(), one.message.clone())
    }
}

/// Whether SQL reads a column: quoted, or as a word of its own.
fn reads(sql: &str, name: &str) -> bool {
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let plain = sql.split(|letter: char| !word(letter)).any(|one| one == name);
    plain || sql.contains(&crate::name::quote_ident(name))
}

/// The output that writes a column.
pub(super) fn output<'p>(plan: &'p EntityPlan, column: &str) -> &'p Output {
    let found = plan.program.outputs.iter().find(|output| output.column == column);
    found.unwrap_or_else(|| panic!("{column} is not written"))
}

/// The SQL of an answer, as short as it can be read.
pub(super) fn answer(evaluation: &Evaluation, number: usize) -> String {
    short(&evaluation.outputs[number].sql)
}

/// The SQL of an output's answer.
pub(super) fn answered(plan: &EntityPlan, column: &str) -> String {
    match output(plan, column).value {
        Value::Answer(number) => answer(&plan.evaluation, number),
        ref other => panic!("{column} is {other:?}"),
    }
}

/// SQL without what only makes it unambiguous.
pub(super) fn short(sql: &str) -> String {
    sql.replace("\"pg_catalog\".", "")
        .replace("pg_catalog.", "")
        .replace('\n', "")
}

/// What goes into an evaluation: names with whose bytes and casts.
pub(super) fn lent(evaluation: &Evaluation) -> Vec<(&str, EvaluationSource, Option<String>)> {
    let inputs = evaluation.inputs.iter();
    inputs
        .map(|input| (input.name.as_str(), input.from, input.cast.as_deref().map(short)))
        .collect()
}
