//! Rows that were written without a reference because a foreign key missed the parent, and whose parent came after all: rows
//! may wait for each other in chains and circles, and only when all are there it is known which references hold.

use driftless_core::plan::EntityPlan;
use driftless_core::spec::WhenMissing;
use driftless_pg::BeginMode;

use super::chunk::ChunkWork;
use super::lane::Lane;
use super::loud;
use super::write::{Care, Parents, Writing};
use crate::error::Result;
use crate::extract::withheld::Withheld;
use crate::store::execution::Counts;
use crate::store::{entity, identity};

/// Whether an entity has a reference that a foreign key can make null.
pub fn may_null(plan: &EntityPlan) -> bool {
    plan.refs
        .iter()
        .any(|site| site.path.is_empty() && site.missing == WhenMissing::Null)
}

/// Which rows get their references back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulled {
    /// Those that this execution wrote.
    Now,
    /// Those that earlier executions wrote, too: their parents may have come with this one.
    Ever,
}

impl ChunkWork<'_, '_> {
    /// Gives rows that are there without a reference all of their references, and takes away again what the foreign keys
    /// refuse. Where foreign keys are not checked, references must be proven behind it: nothing is refused.
    pub async fn reunite(&self, lane: &mut Lane, nulled: Nulled) -> Result<()> {
        let withheld = Withheld::default();
        loop {
            match self.reunite_without(lane, nulled, &withheld).await {
                Err(_) if withheld.grew() => {}
                other => return other,
            }
        }
    }

    async fn reunite_without(&self, lane: &mut Lane, nulled: Nulled, withheld: &Withheld) -> Result<()> {
        let plan = self.shaping.plan;
        let Lane {
            source,
            writer,
            evaluator,
        } = lane;
        let tx = writer.begin(BeginMode::ReadWrite).await?;
        tx.batch(&format!(
            "{};\n{}",
            self.lease.guard(),
            Care::Isolating.settings()
        ))
        .await?;
        let silenced = loud::silenced(&tx, &plan.into, self.triggers).await?;
        let columns = identity::key_columns(plan);
        let same: Vec<String> = columns.iter().map(|key| format!("i.{key} = s.{key}")).collect();
        tx.batch(&format!(
            "CREATE TEMPORARY TABLE driftless_staying ON COMMIT DROP AS SELECT {text} AS key, i.{keys} FROM {identities} AS i \
             WHERE i.nulled AND i.status = {live} AND {when}; \
             CREATE INDEX ON pg_temp.driftless_staying (key); ANALYZE pg_temp.driftless_staying; \
             DELETE FROM {identities} AS i USING pg_temp.driftless_staying AS s WHERE {same}; \
             DECLARE driftless_redo NO SCROLL CURSOR FOR SELECT key FROM pg_temp.driftless_staying ORDER BY {order}",
            text = identity::key_text(plan, "i"),
            keys = columns.join(", i."),
            identities = self.store.identity_table(&plan.name).sql(),
            live = identity::LIVE,
            when = match nulled {
                Nulled::Now => format!("i.execution = {}", self.execution),
                Nulled::Ever => "true".to_owned(),
            },
            same = same.join(" AND "),
            order = columns.join(", "),
        ))
        .await?;
        let to = Writing {
            store: self.store,
            shaping: self.shaping,
            spare: self.spare,
            execution: self.execution,
            care: Care::Isolating,
            staying: true,
            parents: Parents::Complete,
        };
        // They were counted when they were written.
        let mut counts = Counts::default();
        self.redo((source, withheld), evaluator, &tx, &to, &mut counts)
            .await?;
        self.fence.source_kept(source, plan).await?;
        self.fence.target_kept(&tx).await?;
        entity::unprove(&tx, self.store, &plan.name).await?;
        silenced.give_back(&tx).await?;
        tx.commit().await?;
        Ok(())
    }
}
