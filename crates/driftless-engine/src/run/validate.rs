//! Both sides of a mapping compared.

use driftless_core::spec::Spec;

use super::prepare::prepare;
use crate::error::Result;
use crate::verify::{Validation, validate_plan};

/// Compares what the source gives through the mapping with what the target holds: every entity, or only these. Writes
/// nothing.
///
/// # Errors
/// Where the mapping cannot be planned, nothing of it was ever loaded, or a server fails. Differences are no errors.
pub async fn validate(spec: &Spec, only: &[String]) -> Result<Validation> {
    let prepared = prepare(spec).await?;
    let mut validation = validate_plan(
        &prepared.plan,
        &prepared.store,
        &prepared.source,
        &prepared.target,
        only,
    )
    .await?;
    for one in &mut validation.entities {
        one.domain = spec.domain(&one.entity);
    }
    Ok(validation)
}
