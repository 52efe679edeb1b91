//! A dead holder may have left a transaction open, whose locks the catalog waits for: it is ended while a run prepares.

use std::convert::Infallible;
use std::time::Duration;

use driftless_core::spec::Spec;
use tokio::time::sleep;

use super::prepare::{Prepared, endpoints, prepare_to_run};
use crate::error::Result;
use crate::store::{Store, lease};

/// Sessions of the target that a run takes first.
const HOLDING: [&str; 2] = ["control", "run"];

/// A catalog that is read takes less, so that most runs ask nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prepares a run that will take the lease.
///
/// # Errors
/// As [`prepare`].
pub(super) async fn prepare_past_the_dead(spec: &Spec) -> Result<Prepared> {
    prepare_ahead(spec, &[]).await
}

/// The same, where sessions of the source will be wanted for these purposes.
///
/// # Errors
/// As [`prepare`].
pub(super) async fn prepare_ahead(spec: &Spec, of_source: &[&'static str]) -> Result<Prepared> {
    // Both are large, and a run holds them beside much else.
    tokio::select! {
        prepared = Box::pin(prepare_to_run(spec, [of_source, &HOLDING])) => prepared,
        never = Box::pin(end_the_dead(spec)) => match never {},
    }
}

/// Looks again and again, since a holder that is silent may still be taken for alive. What goes wrong here does so for the run,
/// which tells it.
async fn end_the_dead(spec: &Spec) -> Infallible {
    loop {
        sleep(PATIENCE).await;
        look(spec).await.ok();
    }
}

async fn look(spec: &Spec) -> Result<()> {
    let (_, target) = endpoints(spec)?;
    let store = Store::new(spec.pipeline.state_schema.clone(), spec.pipeline.name.clone());
    let session = target.session("looking for the dead").await?;
    lease::end_dead(&session, &store).await
}
