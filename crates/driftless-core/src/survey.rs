//! What somebody should know of both databases before a plan runs: traps with their consequence and the way out.
//!
//! Nothing here changes the plan. What forbids a load is an error; what changes its result for others is a warning; what
//! Driftless deals with by itself, and a stranger may still wonder about, is a note.

mod accounts;
mod disk;
mod platform;
mod server;
mod source;
mod target;

pub use disk::state_bytes;
pub use source::is_ambiguous;

use crate::catalog::{Catalog, Relation};
use crate::error::Finding;
use crate::plan::aside::Silencing;
use crate::plan::{EntityPlan, Plan};
use crate::spec::Spec;

/// What is surveyed.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The mapping.
    pub spec: &'a Spec,
    /// The plan.
    pub plan: &'a Plan,
    /// The source.
    pub source: &'a Catalog,
    /// The target.
    pub target: &'a Catalog,
    /// How triggers and rules of the target are kept silent.
    pub silencing: Silencing,
}

/// Everything worth knowing, errors included.
pub fn findings(ground: Ground<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    source::findings(ground, &mut findings);
    target::findings(ground, &mut findings);
    platform::findings(ground, &mut findings);
    accounts::findings(ground, &mut findings);
    server::findings(ground, &mut findings);
    disk::findings(ground, &mut findings);
    findings
}

impl<'a> Ground<'a> {
    /// The relation that an entity reads, unless it is a query.
    fn read_by(&self, entity: &EntityPlan) -> Option<&'a Relation> {
        self.source.relation(entity.origin.relation.as_ref()?)
    }

    /// The tables that are written, each once, with the first entity that writes it.
    fn written(&self) -> Vec<(&'a EntityPlan, &'a Relation)> {
        let mut found: Vec<(&EntityPlan, &Relation)> = Vec::new();
        for entity in &self.plan.entities {
            if let Some(table) = self.target.relation(&entity.into)
                && !found.iter().any(|(_, other)| other.name == table.name)
            {
                found.push((entity, table));
            }
        }
        found
    }

    /// The finding with the place where the mapping names the entity's target.
    fn at_into(&self, finding: Finding, entity: &EntityPlan) -> Finding {
        match self.spec.entity(&entity.name) {
            Some(said) => finding.at(said.into.span),
            None => finding,
        }
    }

    /// The finding with the place where the mapping names the entity's source.
    fn at_from(&self, finding: Finding, entity: &EntityPlan) -> Finding {
        match self.spec.entity(&entity.name) {
            Some(said) => finding.at(said.from.span),
            None => finding,
        }
    }
}
