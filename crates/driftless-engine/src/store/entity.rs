//! Entities: how far each is, and the plan it was begun with.

use driftless_core::name::QualifiedName;
use driftless_core::plan::{EntityPlan, Path};
use driftless_pg::{Param, Session};

use super::Store;
use crate::error::{EngineError, Result};

/// How far the load of an entity is. Stored; set by the run in this order, never back but by `--restart`, and from done to
/// unproven and back by `rejects retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Chunks are being written.
    Loading,
    /// Every chunk is written, finished ranges are mended.
    Loaded,
    /// It was done, and rows came behind that which are not proven yet: those of a `rejects retry` under way, or killed.
    Unproven,
    /// Uniqueness and references are proven, everything set aside is back.
    Done,
}

impl Phase {
    /// As stored.
    pub fn text(self) -> &'static str {
        match self {
            Phase::Loading => "loading",
            Phase::Loaded => "loaded",
            Phase::Unproven => "unproven",
            Phase::Done => "done",
        }
    }

    fn parse(text: &str) -> Result<Phase> {
        match text {
            "loading" => Ok(Phase::Loading),
            "loaded" => Ok(Phase::Loaded),
            "unproven" => Ok(Phase::Unproven),
            "done" => Ok(Phase::Done),
            other => Err(EngineError::new(
                driftless_core::code::INTEGRITY,
                "state table entity",
                format!("unknown phase {other}"),
            )),
        }
    }
}

/// An entity whose load has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its name.
    pub entity: String,
    /// Its target table.
    pub table: QualifiedName,
    /// The path it was begun with.
    pub path: Path,
    /// How far it is.
    pub phase: Phase,
    /// The digest of the plan it was begun with.
    pub digest: u64,
    /// What its identities were derived from.
    pub signature: String,
    /// Its plan, a line for each thing that a mapping can change.
    pub described: Vec<String>,
    /// How it was cut into chunks.
    pub chunking: String,
}

/// Every entity of the pipeline whose load has begun.
pub async fn begun(session: &Session, store: &Store) -> Result<Vec<Begun>> {
    let rows = session
        .query(
            &store.sql(
                "SELECT entity, schema_name, table_name, path, phase, digest, signature, described, chunking \
                 FROM {state}.entity WHERE pipeline = $1 ORDER BY entity",
            ),
            &[Param::text(store.pipeline())],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Begun {
                entity: row.get(0)?,
                table: QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?),
                path: if row.get::<String>(3)? == "load" {
                    Path::Load
                } else {
                    Path::Beside
                },
                phase: Phase::parse(&row.get::<String>(4)?)?,
                digest: row.get::<i64>(5)?.cast_unsigned(),
                signature: row.get(6)?,
                described: row.get(7)?,
                chunking: row.get(8)?,
            })
        })
        .collect()
}

/// Records that an entity's load begins: with the next statement of the caller's transaction, or its commit.
pub async fn begin(session: &Session, store: &Store, plan: &EntityPlan, execution: i64) -> Result<()> {
    let chunking = format!("{:?}", plan.chunking);
    session
        .ahead(
            &store.sql(
                "INSERT INTO {state}.entity (pipeline, entity, schema_name, table_name, path, phase, digest, signature, described, chunking, execution) \
                 VALUES ($1, $2, $3, $4, $5, 'loading', $6, $7, $8, $9, $10)",
            ),
            &[
                Param::text(store.pipeline()),
                Param::text(plan.name.as_str()),
                Param::text(plan.into.schema.as_str()),
                Param::text(plan.into.name.as_str()),
                Param::text(plan.path.text()),
                Param::int8(plan.digest.cast_signed()),
                Param::text(plan.identity.signature.as_str()),
                Param::text_array(&described(plan)),
                Param::text(chunking),
                Param::int8(execution),
            ],
        )
        .await?;
    Ok(())
}

/// Moves an entity to a phase: with the next statement of the caller's transaction, or its commit.
pub async fn advance(session: &Session, store: &Store, entity: &str, phase: Phase) -> Result<()> {
    session
        .ahead(
            &store.sql(
                "UPDATE {state}.entity SET phase = $3, changed_at = pg_catalog.clock_timestamp() WHERE pipeline = $1 AND entity = $2",
            ),
            &[Param::text(store.pipeline()), Param::text(entity), Param::text(phase.text())],
        )
        .await?;
    Ok(())
}

/// Records that rows of an entity are not proven, if it was done. Its load under way proves them anyway.
pub async fn unprove(session: &Session, store: &Store, entity: &str) -> Result<()> {
    session
        .execute(
            &store.sql(
                "UPDATE {state}.entity SET phase = 'unproven', changed_at = pg_catalog.clock_timestamp() \
                 WHERE pipeline = $1 AND entity = $2 AND phase = 'done'",
            ),
            &[Param::text(store.pipeline()), Param::text(entity)],
        )
        .await?;
    Ok(())
}

/// A line for each thing of a plan that a mapping can change: what differs between two of these has changed.
pub fn described(plan: &EntityPlan) -> Vec<String> {
    let mut lines = vec![
        format!("from: {}", plan.origin.sql),
        format!("where: {}", plan.origin.filter.as_deref().unwrap_or("")),
        format!("into: {}", plan.into),
        format!(
            "identity: {} {:?} {:?} {:?} {:?}",
            plan.identity.signature,
            plan.identity.mint,
            plan.identity.adopt,
            plan.identity.merge,
            plan.identity.natural_key.as_ref().map(|natural| &natural.columns)
        ),
        format!("reads: {:?}", plan.inputs),
    ];
    for output in &plan.program.outputs {
        let constants: Vec<_> = output
            .default
            .iter()
            .map(|number| &plan.constants[*number])
            .collect();
        lines.push(format!("column {}: {:?} {constants:?}", output.column, output));
    }
    for reference in &plan.program.refs {
        lines.push(format!("reference: {reference:?}"));
    }
    for output in plan
        .evaluation
        .outputs
        .iter()
        .chain(&plan.target_evaluation.outputs)
    {
        lines.push(format!("{}: {}", output.place, output.sql));
    }
    for rule in plan.source_rules.iter().chain(&plan.target_rules) {
        lines.push(format!("rule {}: {:?}", rule.name, rule.on_fail));
    }
    for constant in &plan.constants {
        lines.push(format!("constant: {constant:?}"));
    }
    lines
}
