//! What becomes of the source as a whole. Commits nothing.

use std::collections::BTreeMap;

use driftless_core::plan::coverage::{Covered, Fate, coverage as covered};
use driftless_core::spec::{From, Spec};

use super::prepare::prepare;
use super::report::{CoverageReport, CoveredColumn, CoveredRelation};
use crate::error::Result;
use crate::introspect::kinship;

/// Every source table and column: mapped, ignored with a reason, or forgotten.
///
/// # Errors
/// Where the mapping cannot be planned, or a server fails. What is forgotten is no error.
pub async fn coverage(spec: &Spec) -> Result<CoverageReport> {
    let prepared = prepare(spec).await?;
    let session = prepared.source.session("coverage").await?;
    let queries: BTreeMap<String, String> = spec
        .entities
        .iter()
        .filter_map(|entity| match &entity.from.value {
            From::Query(sql) => Some((entity.name.clone(), sql.clone())),
            From::Relation(_) => None,
        })
        .collect();
    let kinship = kinship(&session, &queries).await?;
    let found = covered(spec, &prepared.plan, &prepared.source_catalog, &kinship);
    let relations: Vec<CoveredRelation> = found.iter().map(relation).collect();
    let forgotten = |fate: &str| fate == "forgotten";
    Ok(CoverageReport {
        pipeline: prepared.plan.pipeline.clone(),
        source: prepared.source.place(),
        forgotten_relations: relations.iter().filter(|one| forgotten(&one.fate)).count(),
        forgotten_columns: relations
            .iter()
            .flat_map(|one| &one.columns)
            .filter(|one| forgotten(&one.fate))
            .count(),
        relations,
    })
}

fn relation(found: &Covered) -> CoveredRelation {
    let (fate, entities, reason) = told(&found.fate);
    CoveredRelation {
        relation: found.relation.to_string(),
        estimated_rows: found.estimated_rows,
        fate,
        entities,
        reason,
        columns: found
            .columns
            .iter()
            .map(|(column, fate)| {
                let (fate, entities, reason) = told(fate);
                CoveredColumn {
                    column: column.clone(),
                    fate,
                    entities,
                    reason,
                }
            })
            .collect(),
    }
}

fn told(fate: &Fate) -> (String, Vec<String>, Option<String>) {
    match fate {
        Fate::Mapped(entities) => ("mapped".to_owned(), entities.clone(), None),
        Fate::Ignored(reason) => ("ignored".to_owned(), Vec::new(), Some(reason.clone())),
        Fate::Forgotten => ("forgotten".to_owned(), Vec::new(), None),
    }
}
