//! Takes back what this pipeline loaded: for `migrate --restart`.

use std::collections::BTreeSet;

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::{AsideItem, Silencing, loud_triggers};
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{BeginMode, Param, Session, Transaction};

use crate::error::{EngineError, InContext as _, Result};
use crate::preflight::busy;
use crate::store::lease::Lease;
use crate::store::{Store, identity};

/// The entities that go with these: those that refer to them, by the mapping or by a foreign key, and theirs.
pub fn dependants<'p>(plan: &'p Plan, target: &Catalog, only: &[String]) -> Vec<&'p EntityPlan> {
    if only.is_empty() {
        return plan.entities.iter().collect();
    }
    let mut names: Vec<&str> = only.iter().map(String::as_str).collect();
    loop {
        let more: Vec<&str> = plan
            .entities
            .iter()
            .filter(|entity| !names.contains(&entity.name.as_str()))
            .filter(|entity| names.iter().any(|name| refers(plan, target, entity, name)))
            .map(|entity| entity.name.as_str())
            .collect();
        if more.is_empty() {
            break;
        }
        names.extend(more);
    }
    plan.entities
        .iter()
        .filter(|entity| names.contains(&entity.name.as_str()))
        .collect()
}

/// Whether an entity refers to another: by the mapping, by a foreign key of its table, or by the recorded mappings that it shares.
fn refers(plan: &Plan, target: &Catalog, entity: &EntityPlan, name: &str) -> bool {
    let by_mapping = entity.identity.mint.recorded() == Some(name)
        || entity
            .refs
            .iter()
            .any(|site| site.parents.iter().any(|parent| parent.entity == name));
    let Some(parent) = plan.entity(name) else {
        return by_mapping;
    };
    let constraints = target
        .relation(&entity.into)
        .map_or(&[][..], |table| table.constraints.as_slice());
    by_mapping
        || constraints.iter().any(|one| {
            one.foreign
                .as_ref()
                .is_some_and(|foreign| foreign.parent == parent.into)
        })
}

/// Rows of an entity that this pipeline put into the target.
pub async fn rows(session: &Session, store: &Store, plan: &EntityPlan) -> Result<i64> {
    if !exists(session, store, plan).await? {
        return Ok(0);
    }
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} WHERE status = {}",
        store.identity_table(&plan.name).sql(),
        identity::LIVE
    );
    Ok(session.query_one(&sql, &[]).await?.get(0)?)
}

async fn exists(session: &Session, store: &Store, plan: &EntityPlan) -> Result<bool> {
    let name = store.identity_table(&plan.name).sql();
    let row = session
        .query_one(
            "SELECT pg_catalog.to_regclass($1) IS NOT NULL",
            &[Param::text(name)],
        )
        .await?;
    Ok(row.get(0)?)
}

/// Deletes rows of entities in one statement, behind which foreign keys are checked. Gives how many of each. Rows that the map does
/// not know are not touched.
async fn delete_rows(tx: &Transaction<'_>, store: &Store, plans: &[&EntityPlan]) -> Result<Vec<i64>> {
    let (mut deletions, mut counts) = (Vec::new(), Vec::new());
    for (number, plan) in plans.iter().enumerate() {
        if !exists(tx, store, plan).await? {
            counts.push("0::int8".to_owned());
            continue;
        }
        identity::refuse_displaced(tx, store, plan).await?;
        deletions.push(format!(
            "d{number} AS (DELETE FROM {} AS t USING {} AS i WHERE {} AND i.status = {} RETURNING 1)",
            plan.into.sql(),
            store.identity_table(&plan.name).sql(),
            identity::belongs(plan, "i", "t"),
            identity::LIVE
        ));
        counts.push(format!("(SELECT pg_catalog.count(*) FROM d{number})"));
    }
    if deletions.is_empty() {
        return Ok(vec![0; plans.len()]);
    }
    let sql = format!(
        "WITH {} SELECT ARRAY[{}]",
        deletions.join(", "),
        counts.join(", ")
    );
    Ok(tx.query_one(&sql, &[]).await?.get(0)?)
}

/// Deletes what is recorded about an entity: identities, checkpoints and rejects.
async fn forget(tx: &Transaction<'_>, store: &Store, plan: &EntityPlan) -> Result<()> {
    tx.batch(&format!(
        "DROP TABLE IF EXISTS {}; DROP TABLE IF EXISTS {}",
        store.identity_table(&plan.name).sql(),
        store.recorded_table(&plan.name).sql()
    ))
    .await?;
    for table in ["chunk", "rejects", "warning", "entity"] {
        let sql = store.sql(&format!(
            "DELETE FROM {{state}}.{table} WHERE pipeline = $1 AND entity = $2"
        ));
        tx.execute(
            &sql,
            &[Param::text(store.pipeline()), Param::text(plan.name.as_str())],
        )
        .await?;
    }
    Ok(())
}

/// A foreign key of a table whose rows are not deleted to one whose rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// The referencing table.
    pub child: QualifiedName,
    /// The constraint's name.
    pub constraint: String,
    /// The table that it refers to.
    pub parent: QualifiedName,
    /// True where a row `c` of the child refers to a row `p` of the parent.
    pub refers: String,
}

impl Outside {
    /// A query that says whether some row refers to a row that this entity has loaded.
    fn question(&self, store: &Store, plan: &EntityPlan) -> String {
        format!(
            "SELECT EXISTS (SELECT FROM {} AS c JOIN {} AS p ON {} JOIN {} AS i ON {} WHERE i.status = {})",
            self.child.sql(),
            self.parent.sql(),
            self.refers,
            store.identity_table(&plan.name).sql(),
            identity::belongs(plan, "i", "p"),
            identity::LIVE
        )
    }
}

/// Triggers of these entities' tables that would fire when rows leave, as far as the role may disable them.
pub fn triggers(plans: &[&EntityPlan], target: &Catalog, silencing: Silencing) -> Vec<AsideItem> {
    let tables: BTreeSet<&QualifiedName> = plans.iter().map(|plan| &plan.into).collect();
    let relations = tables.into_iter().filter_map(|table| target.relation(table));
    let items = relations.flat_map(|relation| loud_triggers(relation, silencing));
    items.collect()
}

/// What is to be taken back.
#[derive(Debug)]
pub struct Doomed<'p> {
    /// Entities in the order in which their rows leave; those that stand together leave at once.
    pub plans: Vec<Vec<&'p EntityPlan>>,
    /// Foreign keys by which rows of others could refer to them.
    pub outside: Vec<Outside>,
    /// Triggers that are silent meanwhile.
    pub triggers: Vec<AsideItem>,
}

/// Deletes these entities' rows and all that is recorded about them in one transaction. Refuses where rows of others refer
/// to what would be gone: they are neither left as orphans nor deleted along. No trigger fires that the role may disable: as
/// when rows came, what they would do is not part of moving rows.
pub async fn delete_all(
    writer: &mut Session,
    store: &Store,
    lease: &Lease,
    doomed: &Doomed<'_>,
) -> Result<Vec<i64>> {
    match delete_at_once(writer, store, lease, doomed).await {
        Err(error) if error.pg().is_some_and(busy::timed_out) => {
            let tables: Vec<&QualifiedName> = doomed.plans.iter().flatten().map(|plan| &plan.into).collect();
            Err(busy::error(writer, &tables).await?)
        }
        other => other,
    }
}

async fn delete_at_once(
    writer: &mut Session,
    store: &Store,
    lease: &Lease,
    doomed: &Doomed<'_>,
) -> Result<Vec<i64>> {
    let tx = writer.begin(BeginMode::ReadWrite).await?;
    tx.batch(&lease.guard()).await?;
    // Before anything is deleted: a foreign key that cascades would leave nothing to be found afterwards.
    for foreign in &doomed.outside {
        refuse_if_referred(&tx, store, &doomed.plans.concat(), foreign).await?;
    }
    silence(&tx, &doomed.triggers).await?;
    let mut deleted = Vec::new();
    for together in &doomed.plans {
        deleted.extend(delete_rows(&tx, store, together).await?);
        for plan in together {
            forget(&tx, store, plan).await?;
        }
    }
    give_back(&tx, &doomed.triggers).await?;
    tx.commit().await?;
    Ok(deleted)
}

async fn silence(tx: &Transaction<'_>, triggers: &[AsideItem]) -> Result<()> {
    for trigger in triggers {
        tx.batch(&trigger.drop_sql).await.context(trigger.label())?;
    }
    Ok(())
}

/// Gives triggers their mode back. A table cannot be altered while checks of its rows are put off.
async fn give_back(tx: &Transaction<'_>, triggers: &[AsideItem]) -> Result<()> {
    if triggers.is_empty() {
        return Ok(());
    }
    tx.batch("SET CONSTRAINTS ALL IMMEDIATE").await?;
    for trigger in triggers {
        for statement in &trigger.restore {
            tx.batch(statement).await.context(trigger.label())?;
        }
    }
    Ok(())
}

async fn refuse_if_referred(
    tx: &Transaction<'_>,
    store: &Store,
    plans: &[&EntityPlan],
    foreign: &Outside,
) -> Result<()> {
    for plan in plans.iter().filter(|plan| plan.into == foreign.parent) {
        if !exists(tx, store, plan).await? {
            continue;
        }
        let referred = tx.query_one(&foreign.question(store, plan), &[]).await?;
        if referred.get::<bool>(0)? {
            return Err(EngineError::new(
                code::INTEGRITY,
                format!("table {}", foreign.child),
                format!(
                    "rows of it refer to rows that would be deleted (constraint {})",
                    foreign.constraint
                ),
            )
            .remedy("they would be left behind: remove or redirect them first, or start their entity over with the others"));
        }
    }
    Ok(())
}
