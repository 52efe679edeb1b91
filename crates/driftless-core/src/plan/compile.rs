//! A checked mapping, two catalogs and PostgreSQL's word on the expressions become the plan, or findings.

mod ends;
mod rule;
mod claim;
mod natural;

use super::columns::{Columns, written_columns};
use super::draft::Draft;
use super::entity::{
    Chunking, EntityPlan, Evaluation, IdentityPlan, Lookup, Path, Plan, RefSite, RulePlan, TargetColumn,
};
use super::keys::{identity_of, key_columns};
use super::path::{chunking, order, path, sequences, waits_for};
use super::program::{Output, Program, RefProgram};
use super::request::{Facts, World};
use super::sql_type::{type_name, type_with_modifier};
use crate::catalog::{Catalog, Column, Relation};
use crate::code;
use crate::digest::text_hash;
use crate::error::{Finding, blocks};
use crate::spec::{EntitySpec, IdentitySpec, Limit, Spec};

use claim::shared_tables;
use ends::{ignored_columns, unknown_ignored};

/// Makes the plan. Findings that do not block come with it.
pub fn compile(
    spec: &Spec,
    source: &Catalog,
    target: &Catalog,
    facts: &Facts,
) -> Result<(Plan, Vec<Finding>), Vec<Finding>> {
    let mut findings = Vec::new();
    let mut entities = Vec::new();
    let world = World {
        spec,
        source,
        target,
        facts,
    };
    for entity in &spec.entities {
        entities.extend(Compiler { world, entity }.entity(&mut findings));
    }
    match order(spec) {
        Ok(names) => entities.sort_by_key(|entity| names.iter().position(|name| *name == entity.name)),
        Err(finding) => findings.push(finding),
    }
    shared_tables(spec, &entities, &mut findings);
    unknown_ignored(spec, source, &mut findings);
    ignored_columns(spec, &entities, &mut findings);
    findings.extend(natural::circle(spec, &entities));
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

/// The compiler of one entity.
#[derive(Debug, Clone, Copy)]
struct Compiler<'a> {
    world: World<'a>,
    entity: &'a EntitySpec,
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
        let found = self.parts(from, into, &mut own);
        let failed = blocks(&own);
        findings.append(&mut own);
        let mut parts = found.filter(|_| !failed)?;
        parts.identity.natural_key = self.natural_key(from, into, findings);
        Some(self.assemble(from, into, parts))
    }

    /// Compiles everything that needs the columns; findings say why there is nothing.
    fn parts(
        &self,
        from: &'a Relation,
        into: &'a Relation,
        findings: &mut Vec<Finding>,
    ) -> Option<Parts<'a>> {
        let written = written_columns(self.entity, from, into);
        let mut columns = Columns {
            world: self.world,
            entity: self.entity,
            draft: Draft::new(self.world.target, self.world.same_interval()),
            refs: Vec::new(),
            sites: Vec::new(),
            lookups: Vec::new(),
            outputs: vec![None; written.len()],
            has_uuid: !matches!(
                identity_of(self.entity, self.world.target),
                IdentitySpec::Columns | IdentitySpec::None
            ),
            written,
            findings,
        };
        columns.compile(from);
        let identity = columns.identity(from, into);
        let source_rules = self.source_rules(&mut columns, from);
        let (target_evaluation, target_rules) = self.target_rules(&mut columns, from);
        self.unfilled(&columns.written, into, columns.findings);
        self.unread(&columns.written, into, columns.findings);
        Some(Parts {
            identity: identity?,
            source_rules,
            target_evaluation,
            target_rules,
            sensitive: columns.sensitive(from),
            unused: columns.unused(from),
            key: key_columns(self.entity, from).ok()?,
            outputs: columns.outputs.into_iter().collect::<Option<_>>()?,
            draft: columns.draft,
            refs: columns.refs,
            sites: columns.sites,
            lookups: columns.lookups,
            written: columns.written,
        })
    }

    fn assemble(&self, from: &Relation, into: &Relation, parts: Parts<'a>) -> EntityPlan {
        let entity = self.entity;
        let (path, reason) = path(into, self.world.facts);
        let mut plan = EntityPlan {
            name: entity.name.clone(),
            origin: self.origin(from),
            into: into.name.clone(),
            path,
            reason,
            after: waits_for(self.world.spec, entity)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            chunking: chunking(from, &parts.key),
            inputs: parts.draft.inputs,
            identity: parts.identity,
            key_evaluation: parts.draft.keys,
            evaluation: parts.draft.evaluation,
            target_evaluation: parts.target_evaluation,
            program: Program {
                refs: parts.refs,
                outputs: parts.outputs,
            },
            constants: parts.draft.constants,
            sequences: sequences(&parts.written),
            columns: parts.written.iter().map(|column| target_column(column)).collect(),
            source_rules: parts.source_rules,
            target_rules: parts.target_rules,
            refs: parts.sites,
            lookups: parts.lookups,
            sensitive: parts.sensitive,
            unused: parts.unused,
            batch_rows: entity.batch_rows,
            batch_bytes: entity.batch_bytes,
            max_rejects: entity.max_rejects,
            digest: 0,
        };
        plan.digest = digest(&plan, self.world.spec);
        plan
    }
}

/// What is compiled of an entity before it is put together.
struct Parts<'a> {
    identity: IdentityPlan,
    source_rules: Vec<RulePlan>,
    target_evaluation: Evaluation,
    target_rules: Vec<RulePlan>,
    sensitive: Vec<String>,
    unused: Vec<String>,
    key: Vec<&'a Column>,
    outputs: Vec<Output>,
    draft: Draft<'a>,
    refs: Vec<RefProgram>,
    sites: Vec<RefSite>,
    lookups: Vec<Lookup>,
    written: Vec<&'a Column>,
}

fn target_column(column: &Column) -> TargetColumn {
    TargetColumn {
        name: column.name.clone(),
        type_sql: type_with_modifier(&column.data_type, column.typmod),
        base_sql: type_name(column.data_type.base()),
        oid: column.data_type.oid,
        not_null: column.not_null,
    }
}

/// What decides what rows become. What only decides how fast they get there does not count.
fn digest(plan: &EntityPlan, spec: &Spec) -> u64 {
    let mut counted = plan.clone();
    counted.path = Path::Load;
    counted.reason.clear();
    counted.chunking = Chunking::Whole;
    counted.batch_rows = 0;
    counted.batch_bytes = 0;
    counted.max_rejects = Limit::Rows(0);
    counted.after.clear();
    counted.unused.clear();
    counted.digest = 0;
    for evaluation in [
        &mut counted.key_evaluation,
        &mut counted.evaluation,
        &mut counted.target_evaluation,
    ] {
        for output in &mut evaluation.outputs {
            (output.inputs, output.settled, output.local) = (Vec::new(), true, None);
            output.for_rules = false;
        }
    }
    let natural = counted.identity.natural_key.take();
    let natural = natural.map(|natural| (natural.columns, natural.probe.digest));
    text_hash(&format!("{} {counted:?} {natural:?}", spec.pipeline.namespace))
}
