//! A checked mapping, two catalogs and PostgreSQL's word on the expressions become the plan, or findings.

use super::columns::{Columns, written_columns};
use super::draft::{Draft, ask};
use super::entity::{
    EntityPlan, Evaluation, EvaluationInput, EvaluationSource, Origin, Plan, RulePlan, TargetColumn,
};
use super::fit::{travel, type_with_modifier};
use super::path::{chunking, order, path, sequences};
use super::program::Program;
use super::request::{Facts, applicable, without_placeholders};
use super::suggest::suggestion;
use crate::catalog::{Catalog, Column, Generated, Relation, RelationKind};
use crate::code;
use crate::digest::text_hash;
use crate::error::{Finding, Severity, blocks};
use crate::spec::{EntitySpec, From, RuleSide, Spec};

/// Makes the plan. Findings that do not block come with it.
pub fn compile(
    spec: &Spec,
    source: &Catalog,
    target: &Catalog,
    facts: &Facts,
) -> Result<(Plan, Vec<Finding>), Vec<Finding>> {
    let mut findings = Vec::new();
    let mut entities = Vec::new();
    for entity in &spec.entities {
        let compiler = Compiler {
            spec,
            entity,
            source,
            target,
            facts,
        };
        entities.extend(compiler.entity(&mut findings));
    }
    match order(spec) {
        Ok(names) => entities.sort_by_key(|entity| names.iter().position(|name| *name == entity.name)),
        Err(finding) => findings.push(finding),
    }
    shared_tables(&entities, &mut findings);
    if blocks(&findings) {
        return Err(findings);
    }
    let plan = Plan {
        pipeline: spec.pipeline.name.clone(),
        state_schema: spec.pipeline.state_schema.clone(),
        namespace: spec.pipeline.namespace,
        max_row_bytes: spec.pipeline.max_row_bytes,
        source_connections: spec.source.max_connections,
        target_connections: spec.target.max_connections,
        entities,
    };
    Ok((plan, findings))
}

struct Compiler<'a> {
    spec: &'a Spec,
    entity: &'a EntitySpec,
    source: &'a Catalog,
    target: &'a Catalog,
    facts: &'a Facts,
}

impl<'a> Compiler<'a> {
    fn finding(&self, code: code::Code, message: impl Into<String>) -> Finding {
        Finding::error(code, format!("entity {}", self.entity.name), message).at(self.entity.span)
    }

    fn entity(&self, findings: &mut Vec<Finding>) -> Option<EntityPlan> {
        let from = self.from(findings);
        let into = self.into(findings);
        let (from, into) = (from?, into?);
        self.named_columns(from, into, findings);
        let mut own = Vec::new();
        let mut columns = Columns {
            spec: self.spec,
            entity: self.entity,
            source_catalog: self.source,
            facts: self.facts,
            draft: Draft::new(self.target),
            refs: Vec::new(),
            sites: Vec::new(),
            written: written_columns(self.entity, from, into),
            findings: &mut own,
        };
        let outputs = columns.outputs(from);
        let identity = columns.identity(from, into);
        let source_rules = self.source_rules(&mut columns, from);
        let (target_evaluation, target_rules) = self.target_rules(&columns);
        let Columns {
            draft,
            refs,
            sites,
            written,
            ..
        } = columns;
        self.unfilled(&written, into, &mut own);
        let failed = blocks(&own);
        findings.append(&mut own);
        let identity = match identity {
            Ok(identity) => identity,
            Err(found) => {
                findings.extend(found);
                return None;
            }
        };
        if failed {
            return None;
        }
        let (path, reason) = path(into, self.facts);
        let key = super::keys::key_columns(self.entity, from).ok()?;
        let mut plan = EntityPlan {
            name: self.entity.name.clone(),
            origin: self.origin(from),
            into: into.name.clone(),
            path,
            reason,
            after: self
                .entity
                .after
                .iter()
                .map(|after| after.value.clone())
                .collect(),
            chunking: chunking(from, &key),
            inputs: draft.inputs,
            identity,
            key_evaluation: draft.keys,
            evaluation: draft.evaluation,
            target_evaluation,
            program: Program { refs, outputs },
            constants: draft.constants,
            sequences: sequences(&written),
            columns: written.iter().map(|column| target_column(column)).collect(),
            source_rules,
            target_rules,
            refs: sites,
            sensitive: self
                .entity
                .sensitive
                .iter()
                .map(|column| column.value.clone())
                .collect(),
            batch_rows: self.entity.batch_rows,
            batch_bytes: self.entity.batch_bytes,
            max_rejects: self.entity.max_rejects,
            digest: 0,
        };
        plan.digest = digest(&plan, self.spec);
        Some(plan)
    }

    fn from(&self, findings: &mut Vec<Finding>) -> Option<&'a Relation> {
        let found = self.facts.origin(self.entity, self.source);
        if let (None, From::Relation(name)) = (found, &self.entity.from.value) {
            let names: Vec<String> = self.source.relations.keys().map(ToString::to_string).collect();
            findings.push(
                self.finding(code::UNKNOWN_SOURCE, format!("the source has no relation {name}"))
                    .at(self.entity.from.span)
                    .remedy(suggestion(&name.to_string(), &names)),
            );
        }
        found
    }

    fn into(&self, findings: &mut Vec<Finding>) -> Option<&'a Relation> {
        let name = &self.entity.into.value;
        let found = self.target.relation(name);
        let problem = match found {
            None => {
                let names: Vec<String> = self.target.relations.keys().map(ToString::to_string).collect();
                Some((
                    format!("the target has no table {name}"),
                    suggestion(&name.to_string(), &names),
                ))
            }
            Some(into) if !matches!(into.kind, RelationKind::Table | RelationKind::Partitioned) => Some((
                format!("{name} is no table"),
                "name a table of the target".to_owned(),
            )),
            Some(_) => None,
        };
        let Some((message, remedy)) = problem else {
            return found;
        };
        findings.push(
            self.finding(code::UNKNOWN_TARGET, message)
                .at(self.entity.into.span)
                .remedy(remedy),
        );
        None
    }

    /// Every column that the mapping names must be there and be writable.
    fn named_columns(&self, from: &Relation, into: &Relation, findings: &mut Vec<Finding>) {
        let names: Vec<&str> = into.columns.iter().map(|column| column.name.as_str()).collect();
        for column in applicable(self.entity, into) {
            let place = format!("column {}", column.name);
            match into.column(&column.name) {
                None => findings.push(
                    self.finding(
                        code::UNKNOWN_TARGET_COLUMN,
                        format!("{} has no column {}", into.name, column.name),
                    )
                    .at(column.span)
                    .remedy(suggestion(&column.name, &names)),
                ),
                Some(there) if there.generated == Generated::Expression => findings.push(
                    self.finding(
                        code::UNWRITABLE_COLUMN,
                        format!("{place} is generated by the target"),
                    )
                    .at(column.span)
                    .remedy("leave it out: the target computes it"),
                ),
                Some(_) => {}
            }
        }
        for column in &self.entity.sensitive {
            if from.column(&column.value).is_none() && into.column(&column.value).is_none() {
                findings.push(
                    self.finding(
                        code::UNKNOWN_SOURCE_COLUMN,
                        format!("neither side has a column {}", column.value),
                    )
                    .at(column.span)
                    .remedy(suggestion(&column.value, &names)),
                );
            }
        }
    }

    fn unfilled(&self, written: &[&Column], into: &Relation, findings: &mut Vec<Finding>) {
        for column in &into.columns {
            let filled = column.has_default
                || column.generated != Generated::No
                || !column.not_null
                || written.iter().any(|other| other.name == column.name);
            if !filled {
                findings.push(
                    self.finding(
                        code::UNFILLED_COLUMN,
                        format!(
                            "{}.{} is NOT NULL, has no default and gets no value",
                            into.name, column.name
                        ),
                    )
                    .remedy("map it, or give it a constant: `{ const = … }`"),
                );
            }
        }
    }

    fn origin(&self, from: &Relation) -> Origin {
        let filter = self.entity.filter.as_ref().map(|filter| filter.value.clone());
        match &self.entity.from.value {
            From::Relation(name) => Origin {
                sql: name.sql(),
                label: name.to_string(),
                relation: Some(from.name.clone()),
                filter,
            },
            From::Query(sql) => Origin {
                sql: format!("({sql}\n) AS \"driftless query\""),
                label: format!("query of {}", self.entity.name),
                relation: None,
                filter,
            },
        }
    }

    fn source_rules(&self, columns: &mut Columns<'a, '_>, from: &'a Relation) -> Vec<RulePlan> {
        let mut rules = Vec::new();
        for rule in self
            .entity
            .rules
            .iter()
            .filter(|rule| rule.side == RuleSide::Source)
        {
            let place = format!("rule {}", rule.name);
            let asked = columns.expression_facts(&rule.check, &place).and_then(|facts| {
                columns.lend_columns(&facts.columns, from)?;
                let sql = format!("({}\n)::pg_catalog.bool", without_placeholders(&rule.check.value));
                Ok(columns.draft.ask(sql, &place, None))
            });
            match asked {
                Ok(answer) => rules.push(RulePlan {
                    name: rule.name.clone(),
                    answer,
                    on_fail: rule.on_fail,
                }),
                Err(finding) => columns.findings.push(finding),
            }
        }
        rules
    }

    fn target_rules(&self, columns: &Columns<'a, '_>) -> (Evaluation, Vec<RulePlan>) {
        let mut evaluation = Evaluation::default();
        let mut rules = Vec::new();
        for rule in self
            .entity
            .rules
            .iter()
            .filter(|rule| rule.side == RuleSide::Target)
        {
            let place = format!("rule {}", rule.name);
            let Ok(facts) = columns.expression_facts(&rule.check, &place) else {
                continue;
            };
            for name in &facts.columns {
                let Some(number) = columns.output_number(name) else {
                    continue;
                };
                let lent = travel(&columns.written[number].data_type, self.target);
                let input = EvaluationInput {
                    name: name.clone(),
                    from: EvaluationSource::Output(number),
                    element: lent.element,
                    array: lent.array,
                    cast: lent.cast,
                };
                if !evaluation.inputs.contains(&input) {
                    evaluation.inputs.push(input);
                }
            }
            let sql = format!("({}\n)::pg_catalog.bool", rule.check.value);
            let answer = ask(&mut evaluation, sql, &place, None);
            rules.push(RulePlan {
                name: rule.name.clone(),
                answer,
                on_fail: rule.on_fail,
            });
        }
        (evaluation, rules)
    }
}

fn target_column(column: &Column) -> TargetColumn {
    TargetColumn {
        name: column.name.clone(),
        type_sql: type_with_modifier(&column.data_type, column.typmod),
        base_sql: super::fit::type_name(column.data_type.base()),
        oid: column.data_type.oid,
        not_null: column.not_null,
    }
}

/// What decides what rows become. What only decides how fast they get there does not count.
fn digest(plan: &EntityPlan, spec: &Spec) -> u64 {
    let mut counted = plan.clone();
    counted.path = super::entity::Path::Load;
    counted.reason.clear();
    counted.chunking = super::entity::Chunking::Whole;
    counted.batch_rows = 0;
    counted.batch_bytes = 0;
    counted.max_rejects = crate::spec::Limit::Rows(0);
    counted.after.clear();
    counted.digest = 0;
    text_hash(&format!("{} {counted:?}", spec.pipeline.namespace))
}

/// Entities that write one table must not be able to write the same row.
fn shared_tables(entities: &[EntityPlan], findings: &mut Vec<Finding>) {
    for (number, entity) in entities.iter().enumerate() {
        for other in &entities[number + 1..] {
            if entity.into != other.into {
                continue;
            }
            let same_derivation = entity.identity.mint == other.identity.mint;
            let kept = matches!(other.identity.mint, super::entity::Mint::Columns(_));
            if same_derivation || kept {
                findings.push(Finding {
                    severity: Severity::Error,
                    ..Finding::error(
                        code::TARGET_CLAIMED_TWICE,
                        format!("entities {} and {}", entity.name, other.name),
                        format!(
                            "both write {} and could give the same key to different rows",
                            entity.into
                        ),
                    )
                    .remedy("give each a uuid identity with a name of its own")
                });
            }
        }
    }
}
