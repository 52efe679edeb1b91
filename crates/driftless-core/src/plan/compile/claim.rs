//! Tables that several entities write.

use super::super::entity::{EntityPlan, Mint};
use crate::code;
use crate::error::Finding;
use crate::spec::Spec;

/// Entities that write one table must not be able to write the same row.
pub(super) fn shared_tables(spec: &Spec, entities: &[EntityPlan], findings: &mut Vec<Finding>) {
    for (number, entity) in entities.iter().enumerate() {
        for other in &entities[number + 1..] {
            if entity.into != other.into || !may_meet(entity, other) {
                continue;
            }
            let finding = Finding::error(
                code::TARGET_CLAIMED_TWICE,
                format!("entities {} and {}", entity.name, other.name),
                format!(
                    "both write {} and could give the same key to different rows",
                    entity.into
                ),
            );
            let span = spec
                .entity(&other.name)
                .map_or_else(Default::default, |said| said.into.span);
            findings.push(
                finding
                    .at(span)
                    .remedy("give each a uuid identity with a name of its own"),
            );
        }
    }
}

/// Whether two rows could get the same key.
fn may_meet(one: &EntityPlan, other: &EntityPlan) -> bool {
    match (&one.identity.mint, &other.identity.mint) {
        // Who has no key does not meet anybody; what is unique is told by the target.
        (Mint::Place, _) | (_, Mint::Place) => false,
        // Kept keys are whatever the sources hold.
        (Mint::Columns(_), _) | (_, Mint::Columns(_)) => true,
        // A UUID belongs to one row, as long as it is not read twice.
        (Mint::Column(_), Mint::Column(_)) => {
            one.origin.sql == other.origin.sql && one.identity.uuid_column == other.identity.uuid_column
        }
        (one, other) => one == other,
    }
}
