//! Triggers that act on rows which a load writes: which are disabled meanwhile, and which forbid it.

use std::collections::{BTreeMap, BTreeSet};

use super::{AsideItem, AsideKind, Kept, Silencing, item};
use crate::catalog::{Catalog, Relation, RelationKind, Trigger};
use crate::code;
use crate::error::Finding;
use crate::name::QualifiedName;
use crate::plan::entity::{EntityPlan, Path, Plan};

/// A trigger that acts when an entity's rows go in.
struct Loud<'c> {
    relation: &'c Relation,
    trigger: &'c Trigger,
    /// Whether it is disabled for the load.
    ours: bool,
}

/// What decides about triggers.
#[derive(Clone, Copy)]
struct Ground<'c> {
    plan: &'c Plan,
    target: &'c Catalog,
    silencing: Silencing,
    recorded: &'c [AsideItem],
    /// Whether nobody else writes while triggers are silent.
    locked: bool,
}

impl<'c> Ground<'c> {
    /// The triggers that act when this entity's rows go in: those of its table, and where partitions bear the rows the row triggers
    /// of these. A partitioned table's own row triggers act nowhere.
    fn loud(self, entity: &EntityPlan) -> Vec<Loud<'c>> {
        let Some(into) = self.target.relation(&entity.into) else {
            return Vec::new();
        };
        let alone = self.locked || self.is_alone(entity, into);
        let mut loud = Vec::new();
        for relation in std::iter::once(into).chain(partitions(into, self.target)) {
            let ours = alone && relation.owned && is_lockable(relation);
            let acting = relation.triggers.iter().filter(|trigger| {
                let acts = if trigger.per_row {
                    relation.kind != RelationKind::Partitioned
                } else {
                    relation.name == into.name
                };
                acts && self.silencing.lets(trigger.mode)
            });
            loud.extend(acting.map(|trigger| Loud {
                relation,
                trigger,
                ours,
            }));
        }
        loud
    }

    /// Whether nobody else's rows are in the entity's table, so that triggers may be silent for all who write there. A partitioned
    /// table never goes the way of a load; it may have rows when an earlier run has silenced its triggers, which it did when it was
    /// empty.
    fn is_alone(self, entity: &EntityPlan, into: &Relation) -> bool {
        let silenced_before = || {
            let triggers = self
                .recorded
                .iter()
                .filter(|item| item.kind == AsideKind::Trigger);
            let mut writers = self.plan.entities.iter().filter(|other| other.into == into.name);
            writers.any(|writer| triggers.clone().any(|item| item.is_for(&writer.name)))
        };
        entity.path == Path::Load
            || (into.kind == RelationKind::Partitioned && (!into.has_rows || silenced_before()))
    }

    fn unsilenced<'p>(
        self,
        entities: impl IntoIterator<Item = &'p EntityPlan>,
        kept: &[Kept],
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut seen = BTreeSet::new();
        for entity in entities {
            if !seen.insert(&entity.into) {
                continue;
            }
            let mut firing: BTreeMap<&str, (&QualifiedName, Why<'_>, usize)> = BTreeMap::new();
            for loud in self.loud(entity) {
                if let Some(why) = loud.why(self.silencing, kept).filter(|_| loud.trigger.on_insert) {
                    firing
                        .entry(&loud.trigger.name)
                        .and_modify(|(.., more)| *more += 1)
                        .or_insert((&loud.relation.name, why, 0));
                }
            }
            let told = firing.into_iter();
            findings.extend(told.map(|(name, (table, why, more))| finding(table, name, more, &why)));
        }
        findings
    }
}

/// The partitions of a table that bear rows.
fn partitions<'c>(into: &'c Relation, target: &'c Catalog) -> impl Iterator<Item = &'c Relation> {
    let kin: &[QualifiedName] = match into.kind {
        RelationKind::Partitioned => &into.around.shares_rows_with,
        _ => &[],
    };
    let kin = kin.iter().filter_map(|name| target.relation(name));
    // What it is a partition of itself is partitioned, too.
    kin.filter(|relation| relation.kind != RelationKind::Partitioned)
}

/// A foreign table has triggers, but cannot be locked while they are disabled.
fn is_lockable(relation: &Relation) -> bool {
    matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned)
}

/// The triggers that are disabled, each for the entities on whose rows it would act.
pub(super) fn silenced(
    plan: &Plan,
    target: &Catalog,
    silencing: Silencing,
    recorded: &[AsideItem],
) -> Vec<AsideItem> {
    let ground = Ground {
        plan,
        target,
        silencing,
        recorded,
        locked: false,
    };
    let mut items: BTreeMap<(QualifiedName, String), AsideItem> = BTreeMap::new();
    for entity in &plan.entities {
        for loud in ground.loud(entity).into_iter().filter(|loud| loud.ours) {
            let named = (loud.relation.name.clone(), loud.trigger.name.clone());
            let item = items
                .entry(named)
                .or_insert_with(|| item::trigger(loud.relation, loud.trigger));
            if !item.entity.is_empty() {
                item.entity.push_str(", ");
            }
            item.entity.push_str(&entity.name);
        }
    }
    items.into_values().collect()
}

/// Triggers that would fire when rows of these entities go in: those that cannot be disabled, and those that the rehearsal has kept.
/// One finding for a trigger and its copies on partitions. `recorded` is as for [`set_aside`](super::set_aside).
pub fn unsilenced<'p>(
    entities: impl IntoIterator<Item = &'p EntityPlan>,
    plan: &Plan,
    target: &Catalog,
    silencing: Silencing,
    recorded: &[AsideItem],
    kept: &[Kept],
) -> Vec<Finding> {
    let ground = Ground {
        plan,
        target,
        silencing,
        recorded,
        locked: false,
    };
    ground.unsilenced(entities, kept)
}

/// Triggers that would fire when rows of these entities go in while their tables are locked: whoever's rows are there, all that are the
/// role's own can be disabled.
pub fn unsilenced_under_lock<'p>(
    entities: impl IntoIterator<Item = &'p EntityPlan>,
    plan: &Plan,
    target: &Catalog,
    silencing: Silencing,
) -> Vec<Finding> {
    let ground = Ground {
        plan,
        target,
        silencing,
        recorded: &[],
        locked: true,
    };
    ground.unsilenced(entities, &[])
}

impl Loud<'_> {
    /// Why it would fire; nothing if it does not.
    fn why<'k>(&self, silencing: Silencing, kept: &'k [Kept]) -> Option<Why<'k>> {
        let is_this = |one: &&Kept| {
            one.kind == AsideKind::Trigger && one.table == self.relation.name && one.name == self.trigger.name
        };
        match kept.iter().find(is_this) {
            Some(kept) => Some(Why::Refused(&kept.reason)),
            None if self.ours => None,
            None if is_lockable(self.relation) => Some(Why::NotOurs(silencing)),
            None => Some(Why::Foreign),
        }
    }
}

/// Why a trigger is not silenced.
enum Why<'k> {
    /// The table has rows of others, or another owner.
    NotOurs(Silencing),
    /// The partition is a foreign table.
    Foreign,
    /// The rehearsal could not disable it and enable it again.
    Refused(&'k str),
}

fn finding(table: &QualifiedName, trigger: &str, more: usize, why: &Why<'_>) -> Finding {
    let (why, remedy) = match why {
        Why::NotOurs(Silencing::ReplicaRole) => (
            "it fires in replica sessions too, and the table has rows of others or another owner".to_owned(),
            "let the table's owner disable it for the load, or give it the ordinary mode (ENABLE TRIGGER)",
        ),
        Why::NotOurs(Silencing::EachTrigger) => (
            "this role may not set session_replication_role, and the table has rows of others or another owner"
                .to_owned(),
            "GRANT SET ON PARAMETER session_replication_role to the role (from 15 on), or let the table's owner \
             disable the trigger for the load",
        ),
        Why::Foreign => (
            "it is one of a foreign table, which cannot be locked while it is disabled".to_owned(),
            "let the table's owner disable the trigger for the load",
        ),
        Why::Refused(reason) => (
            format!("it cannot be disabled and enabled again: {reason}"),
            "remove what forbids it, or let the table's owner disable the trigger for the load",
        ),
    };
    let place = match more {
        0 => format!("table {table}, trigger {trigger}"),
        1 => format!("table {table} and another partition, trigger {trigger}"),
        _ => format!("table {table} and {more} more partitions, trigger {trigger}"),
    };
    Finding::error(
        code::TRIGGERS_NOT_SILENCED,
        place,
        format!("the trigger would fire for every loaded row: {why}"),
    )
    .remedy(remedy)
}
