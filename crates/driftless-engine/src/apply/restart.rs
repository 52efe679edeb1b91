//! Takes back what this pipeline loaded: for `migrate --restart`.

use std::collections::BTreeSet;

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::Silencing;
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{BeginMode, Param, Session, Transaction};

use super::chunk::{despite_deadlocks, is_deadlock};
use super::loud;
use crate::error::{EngineError, Result};
use crate::preflight::busy::{self, Wish};
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
    /// Whether it writes into the child when rows of the parent leave (CASCADE, SET NULL, SET DEFAULT).
    pub acts: bool,
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

/// What is to be taken back.
#[derive(Debug)]
pub struct Doomed<'p> {
    /// Entities in the order in which their rows leave; those that stand together leave at once.
    pub plans: Vec<Vec<&'p EntityPlan>>,
    /// Foreign keys by which rows of others could refer to them.
    pub outside: Vec<Outside>,
    /// How triggers are kept silent meanwhile.
    pub silencing: Silencing,
    /// Those of the tables that PostgreSQL does not lock by name: foreign tables.
    pub unlockable: BTreeSet<QualifiedName>,
}

impl Doomed<'_> {
    /// The tables that rows leave.
    fn tables(&self) -> BTreeSet<&QualifiedName> {
        self.plans.iter().flatten().map(|plan| &plan.into).collect()
    }

    /// What is asked of tables while rows leave, and what is recorded about them.
    fn wishes(&self, store: &Store) -> Vec<(QualifiedName, Wish)> {
        let left = self
            .tables()
            .into_iter()
            .map(|table| (table.clone(), Wish::Change));
        let dropped = self.plans.iter().flatten().flat_map(|plan| {
            let tables = [store.identity_table(&plan.name), store.recorded_table(&plan.name)];
            tables.map(|table| (table, Wish::Alone))
        });
        let referring = self.outside.iter().map(|foreign| {
            let wish = match self.silencing {
                Silencing::ReplicaRole => Wish::Read,
                Silencing::EachTrigger if foreign.acts => Wish::Write,
                Silencing::EachTrigger => Wish::KeepRows,
            };
            (foreign.child.clone(), wish)
        });
        left.chain(dropped).chain(referring).collect()
    }
}

/// Deletes these entities' rows and all that is recorded about them in one transaction. Refuses where rows of others refer
/// to what would be gone: they are neither left as orphans nor deleted along. No trigger fires that the role may disable, on the
/// tables or on partitions and inheriting tables that bear the rows: as when rows came, what they would do is not part of moving
/// rows.
pub async fn delete_all(
    writer: &mut Session,
    store: &Store,
    lease: &Lease,
    doomed: &Doomed<'_>,
) -> Result<Vec<i64>> {
    // What is waited for when a lock is not had in time.
    let mut asked = Vec::new();
    let done =
        despite_deadlocks(async || delete_at_once(writer, store, lease, doomed, &mut asked).await).await;
    match done {
        Err(error) if is_deadlock(&error) || error.pg().is_some_and(busy::timed_out) => {
            let asked: Vec<_> = asked.iter().map(|(table, wish)| (table, *wish)).collect();
            Err(busy::error_asking(writer, &asked).await?)
        }
        other => other,
    }
}

async fn delete_at_once(
    writer: &mut Session,
    store: &Store,
    lease: &Lease,
    doomed: &Doomed<'_>,
    asked: &mut Vec<(QualifiedName, Wish)>,
) -> Result<Vec<i64>> {
    *asked = doomed.wishes(store);
    let tx = writer.begin(BeginMode::ReadWrite).await?;
    tx.batch(&lease.guard()).await?;
    let loud = locked(&tx, doomed, asked).await?;
    *asked = doomed.wishes(store);
    // Before anything is deleted: a foreign key that cascades would leave nothing to be found afterwards.
    for foreign in &doomed.outside {
        refuse_if_referred(&tx, store, &doomed.plans.concat(), foreign).await?;
    }
    loud.silence(&tx).await?;
    let mut deleted = Vec::new();
    for together in &doomed.plans {
        deleted.extend(delete_rows(&tx, store, together).await?);
        for plan in together {
            forget(&tx, store, plan).await?;
        }
    }
    loud.give_back(&tx).await?;
    tx.commit().await?;
    Ok(deleted)
}

/// Locks the tables that rows leave, and gives the triggers that would act then. A look before tells which locks that takes; what
/// counts is what is there when nobody can change it any more.
async fn locked(
    tx: &Transaction<'_>,
    doomed: &Doomed<'_>,
    asked: &mut Vec<(QualifiedName, Wish)>,
) -> Result<loud::Found> {
    let tables = doomed.tables();
    let wishes = loud::look(tx, &tables, doomed.silencing).await?.wishes(&tables);
    *asked = wishes
        .iter()
        .map(|(table, wish)| ((*table).clone(), *wish))
        .collect();
    let lockable = wishes
        .into_iter()
        .filter(|(table, _)| !doomed.unlockable.contains(*table));
    tx.batch(&loud::lock_sql(&lockable.collect::<Vec<_>>())).await?;
    loud::look(tx, &tables, doomed.silencing).await
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
