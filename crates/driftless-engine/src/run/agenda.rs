//! What a run has to do: which entities begin, which go on, which are refused, which are done.

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::plan::{EntityPlan, Plan};

use crate::store::entity::{Begun, Phase, described};

/// What a run has to do, by entity name.
#[derive(Debug, Default)]
pub struct Agenda<'p> {
    /// Entities whose load begins.
    pub new: Vec<&'p EntityPlan>,
    /// Entities whose load goes on.
    pub resumed: Vec<&'p EntityPlan>,
    /// Entities that are done.
    pub done: Vec<&'p EntityPlan>,
    /// Entities that are refused, and why.
    pub refused: Vec<(String, Finding)>,
}

impl<'p> Agenda<'p> {
    /// Decides for the entities named, or for all.
    pub fn decide(plan: &'p Plan, target: &Catalog, begun: &[Begun], only: &[String]) -> Agenda<'p> {
        let mut agenda = Agenda::default();
        let only = with_parents(plan, target, only);
        for entity in plan
            .entities
            .iter()
            .filter(|entity| only.is_empty() || only.contains(&entity.name))
        {
            match begun.iter().find(|one| one.entity == entity.name) {
                None => agenda.new.push(entity),
                Some(one) => match refusal(entity, one) {
                    Some(finding) => agenda.refused.push((entity.name.clone(), finding)),
                    None if one.phase == Phase::Done => agenda.done.push(entity),
                    None => agenda.resumed.push(entity),
                },
            }
        }
        agenda
    }

    /// How many entities a run works on.
    pub fn at_work(&self) -> usize {
        self.new.len() + self.resumed.len()
    }

    /// The plan of the entities that are in the target when this run ends: proofs look at no others.
    pub fn settled_plan(&self, plan: &Plan) -> Plan {
        let mut settled = plan.clone();
        let is = |list: &[&EntityPlan], name: &str| list.iter().any(|one| one.name == name);
        settled.entities.retain(|entity| {
            let name = entity.name.as_str();
            is(&self.new, name) || is(&self.resumed, name) || is(&self.done, name)
        });
        settled
    }

    /// Why entities are refused.
    pub fn refusals(&self) -> Vec<Finding> {
        self.refused.iter().map(|(_, finding)| finding.clone()).collect()
    }

    /// Whether nothing is left to load.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.resumed.is_empty()
    }
}

/// The entities named with all that they refer to, by the mapping or by a foreign key of the target, and whose identity they
/// share: without its parents an entity cannot be proven.
fn with_parents(plan: &Plan, target: &Catalog, only: &[String]) -> Vec<String> {
    let mut names = only.to_vec();
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        at += 1;
        let Some(entity) = plan.entity(&name) else {
            continue;
        };
        let referred = entity
            .refs
            .iter()
            .flat_map(|site| &site.parents)
            .map(|parent| parent.entity.clone());
        let foreign = target
            .relation(&entity.into)
            .into_iter()
            .flat_map(|table| &table.constraints);
        let tables: Vec<_> = foreign
            .filter_map(|one| one.foreign.as_ref())
            .map(|foreign| &foreign.parent)
            .collect();
        let behind = plan
            .entities
            .iter()
            .filter(|other| tables.contains(&&other.into))
            .map(|other| other.name.clone());
        let shared = entity.identity.mint.recorded().map(str::to_owned);
        for parent in referred.chain(behind).chain(shared).collect::<Vec<_>>() {
            if !names.contains(&parent) {
                names.push(parent);
            }
        }
    }
    names
}

fn refusal(entity: &EntityPlan, begun: &Begun) -> Option<Finding> {
    let place = format!("entity {}", entity.name);
    let again = format!(
        "`driftless migrate --restart --entity {}` takes back what was loaded and starts it over",
        entity.name
    );
    if begun.signature != entity.identity.signature {
        return Some(
            Finding::error(
                code::IDENTITY_CHANGED,
                place,
                differences(&begun.signature, &entity.identity.signature),
            )
            .remedy(format!(
                "set it back (`namespace` of [pipeline], and `name` in `identity`, pin what was derived from); or {again}"
            )),
        );
    }
    if begun.digest == entity.digest {
        return None;
    }
    Some(
        Finding::error(
            code::PLAN_CHANGED,
            place,
            format!("changed since its load began: {}", changes(entity, begun)),
        )
        .remedy(format!("set the mapping back; or {again}")),
    )
}

/// What differs between two ways of making identities: namespace, name, form and key, with a bar between.
fn differences(before: &str, now: &str) -> String {
    let parts = |signature: &str| -> Vec<String> { signature.splitn(4, '|').map(str::to_owned).collect() };
    let (before, now) = (parts(before), parts(now));
    let named = ["namespace", "name", "form", "key"].into_iter().enumerate();
    let differing: Vec<String> = named
        .filter(|(number, _)| before.get(*number) != now.get(*number))
        .map(|(number, name)| {
            let of = |parts: &[String]| parts.get(number).map_or("none", String::as_str).to_owned();
            format!("the {name} was {} and would now be {}", of(&before), of(&now))
        })
        .collect();
    format!("its identities would be others: {}", differing.join(", "))
}

/// Which lines of the plan differ, by what stands before their colon.
fn changes(entity: &EntityPlan, begun: &Begun) -> String {
    let now = described(entity);
    let mut names: Vec<&str> = Vec::new();
    let differing = now
        .iter()
        .filter(|line| !begun.described.contains(line))
        .chain(begun.described.iter().filter(|line| !now.contains(line)));
    for line in differing {
        let name = line.split(':').next().unwrap_or(line);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        "its plan, by another version of Driftless".to_owned()
    } else {
        names.join(", ")
    }
}
