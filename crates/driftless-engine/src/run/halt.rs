//! What one entity's trouble is, and whom it concerns: a table that was changed or locked under our hands halts its entity,
//! and the others go on.

use std::collections::BTreeSet;

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::AsideItem;
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{Disposition, Session};

use crate::apply::chunk::ChunkWork;
use crate::error::{EngineError, Result};
use crate::extract::snapshot;
use crate::preflight::busy::{self, Wish};

/// Statements that the tables do not fit any more: types that differ, an object of another kind, a generated column.
const UNFIT: [&str; 4] = ["42804", "42809", "428C9", "0A000"];

/// Whether an error may be one entity's trouble: only then it is worth a look.
pub(super) fn may_halt(error: &EngineError) -> bool {
    let of_a_server = error.pg().is_some_and(|pg| pg.server().is_some());
    error.code() == code::SCHEMA_CHANGED || (of_a_server && error.code() != code::LEASE_LOST)
}

/// The error of a halted entity, if this is one; any other error ends the run. The sessions can be used again: of the source the
/// snapshot stays, and locks go.
pub(super) async fn halt(
    error: EngineError,
    (source, writer): (&Session, &Session),
    work: &ChunkWork<'_, '_>,
) -> Result<EngineError> {
    let plan = work.shaping.plan;
    let place = format!("entity {}", plan.name);
    let again = format!(
        "put the schema back and start again; or change the mapping and run `driftless migrate --restart --entity {}`",
        plan.name
    );
    if error.code() == code::SCHEMA_CHANGED {
        snapshot::recover(source).await?;
        return Ok(error.context(place).remedy(again));
    }
    let Some(pg) = error.pg().filter(|pg| pg.server().is_some()) else {
        return Err(error.context(place));
    };
    let state = pg.sqlstate().unwrap_or_default();
    if busy::timed_out(pg) {
        let at_source = pg.place() == source.place() && pg.place() != writer.place();
        snapshot::recover(source).await?;
        let (session, asked) = match &plan.origin.relation {
            Some(relation) if at_source => (source, (relation, Wish::Read)),
            _ => (writer, (&plan.into, Wish::Change)),
        };
        return Ok(busy::error_asking(session, &[asked]).await?.context(place));
    }
    let gone = matches!(pg.disposition(), Disposition::Gone | Disposition::Permission);
    if gone || UNFIT.contains(&state) {
        let told = EngineError::new(
            code::SCHEMA_CHANGED,
            format!("{place}, {}", pg.place()),
            pg.cause(),
        );
        snapshot::recover(source).await?;
        return Ok(told.remedy(again));
    }
    // Bytes of one type sent into a column of another end in all kinds of errors.
    snapshot::recover(source).await?;
    match work.fence.target_kept(writer).await {
        Err(changed) if changed.code() == code::SCHEMA_CHANGED => Ok(changed.context(place).remedy(again)),
        _ => Err(error.context(place)),
    }
}

/// The entities that cannot be proven while these are halted: themselves, those that write the same tables, and all that
/// refer to them, by the mapping or by a foreign key that is in place or set aside.
pub(super) fn stuck(
    plan: &Plan,
    target: &Catalog,
    aside: &[AsideItem],
    halted: &[String],
) -> BTreeSet<String> {
    let mut stuck: BTreeSet<String> = halted.iter().cloned().collect();
    loop {
        let tables: BTreeSet<&QualifiedName> = plan
            .entities
            .iter()
            .filter(|entity| stuck.contains(&entity.name))
            .map(|entity| &entity.into)
            .collect();
        let concerned = |entity: &EntityPlan| {
            let in_place = target.relation(&entity.into).into_iter();
            let in_place =
                in_place.flat_map(|table| table.constraints.iter().filter_map(|one| one.foreign.as_ref()));
            let set_aside = aside.iter().filter(|item| item.table == entity.into);
            let set_aside = set_aside.filter_map(|item| item.foreign.as_ref());
            let mut parents = entity.refs.iter().flat_map(|site| &site.parents);
            tables.contains(&entity.into)
                || entity.after.iter().any(|name| stuck.contains(name))
                || parents.any(|parent| stuck.contains(&parent.entity))
                || in_place
                    .map(|key| &key.parent)
                    .chain(set_aside.map(|key| &key.parent))
                    .any(|parent| tables.contains(parent))
        };
        let more: Vec<String> = plan
            .entities
            .iter()
            .filter(|entity| !stuck.contains(&entity.name) && concerned(entity))
            .map(|entity| entity.name.clone())
            .collect();
        if more.is_empty() {
            return stuck;
        }
        stuck.extend(more);
    }
}
