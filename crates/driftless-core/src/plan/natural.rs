//! The order in which entities find out what their keys mean before the load: whose natural key refers to rows of another
//! entity must know theirs first.

use super::entity::EntityPlan;

/// Whether the natural key of one entity is made of the other's UUIDs, which are found by a natural key, too.
fn waits_to_match(one: &EntityPlan, other: &EntityPlan) -> bool {
    let Some(natural) = &one.identity.natural_key else {
        return false;
    };
    let refs = &natural.probe.program.refs;
    other.identity.natural_key.is_some() && refs.iter().any(|reference| reference.looks_up(&other.name))
}

/// The entities in an order in which they can be recorded: those without a natural key first. What waits for itself is left
/// out.
pub fn recording_order<'p>(entities: &[&'p EntityPlan]) -> Vec<&'p EntityPlan> {
    let (mut open, mut ordered): (Vec<&EntityPlan>, Vec<&EntityPlan>) = entities
        .iter()
        .partition(|entity| entity.identity.natural_key.is_some());
    while let Some(number) = open
        .iter()
        .position(|entity| open.iter().all(|other| !waits_to_match(entity, other)))
    {
        ordered.push(open.remove(number));
    }
    ordered
}
