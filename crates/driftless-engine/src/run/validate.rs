//! Both sides compared, through the plan.

use driftless_core::spec::Spec;

use super::prepare::prepare;
use crate::error::Result;
use crate::verify::{Validation, validate_plan};

/// Compares both sides of a mapping: all entities, or only these.
pub async fn validate(spec: &Spec, only: &[String]) -> Result<Validation> {
    let prepared = prepare(spec).await?;
    validate_plan(
        &prepared.plan,
        &prepared.store,
        &prepared.source,
        &prepared.target,
        only,
    )
    .await
}
