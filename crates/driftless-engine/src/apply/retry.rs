//! Rejects tried again: read anew from the source by key, and through the same way as any row.

use std::collections::HashSet;

use driftless_core::plan::aside::Triggers;
use driftless_pg::BeginMode;

use super::behind::Behind;
use super::chunk::ChunkWork;
use super::lane::Lane;
use super::loud;
use super::write::{Care, Parents, Writing};
use crate::error::{EngineError, Result};
use crate::extract::select::Rows;
use crate::extract::withheld::Withheld;
use crate::preflight::busy::{self, Wish};
use crate::store::execution::{self, Counts};
use crate::store::{entity, identity, reject};

/// What a retry of some keys came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// What was written and rejected.
    pub counts: Counts,
    /// Keys whose source row is gone, and their records with it.
    pub gone: i64,
}

/// How keys are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrying {
    /// Whether the same run has read them before: then they do not count as read once more.
    pub before: bool,
    /// Whether rows that foreign keys miss may still come.
    pub parents: Parents,
}

/// What becomes of rows whose identity is on record already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeating {
    /// The identities refuse them, and with them the transaction.
    Refused,
    /// They go in, and are told apart later.
    Accepted,
}

impl ChunkWork<'_, '_> {
    /// Tries these keys again, in one transaction with what is on record about them. An entity that was done is unproven behind
    /// it, until whoever asks has proven it. Where keys repeat, the indexes of the identities are gone, too: whoever asks
    /// tells the identities apart.
    pub async fn retry(&self, lane: &mut Lane, keys: &[String], how: Retrying) -> Result<Retried> {
        let withheld = Withheld::default();
        let mut repeating = Repeating::Refused;
        loop {
            match self.try_again(lane, keys, how, repeating, &withheld).await {
                Err(_) if withheld.grew() => {}
                Err(error) if repeating == Repeating::Refused && self.repeats_identity(&error) => {
                    repeating = Repeating::Accepted;
                }
                Err(error) if self.locks() && error.pg().is_some_and(busy::timed_out) => {
                    let asked = (&self.shaping.plan.into, Wish::Silence);
                    return Err(busy::error_asking(&lane.writer, &[asked]).await?);
                }
                other => return other,
            }
        }
    }

    /// Whether the table is locked while rows go in.
    fn locks(&self) -> bool {
        matches!(self.triggers, Triggers::UnderLock(_))
    }

    fn repeats_identity(&self, error: &EngineError) -> bool {
        let table = self.store.identity_table(self.entity());
        let server = error.pg().and_then(|error| error.server());
        server.is_some_and(|server| {
            server.sqlstate == "23505"
                && server.schema.as_deref() == Some(table.schema.as_str())
                && server.table.as_deref() == Some(table.name.as_str())
        })
    }

    async fn try_again(
        &self,
        lane: &mut Lane,
        keys: &[String],
        how: Retrying,
        repeating: Repeating,
        withheld: &Withheld,
    ) -> Result<Retried> {
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
        if repeating == Repeating::Accepted {
            tx.batch(&identity::unindex(self.store, plan)).await?;
        }
        entity::unprove(&tx, self.store, &plan.name).await?;
        reject::clear(&tx, self.store, &plan.name, keys).await?;
        let to = Writing {
            store: self.store,
            shaping: self.shaping,
            spare: self.spare,
            execution: self.execution,
            care: Care::Isolating,
            staying: false,
            parents: how.parents,
        };
        let mut counts = Counts::default();
        let mut found = HashSet::new();
        let mut rows = self.reading(source, Rows::Keys(keys), withheld);
        while let Some(extracted) = rows.next().await? {
            let bytes = extracted.bytes as i64;
            let mut shaped = self.shaping.shape(evaluator, extracted).await?;
            found.extend((0..shaped.rows()).map(|row| self.shaping.shaper.key_text(&shaped, row)));
            counts.add(&Counts {
                bytes,
                ..to.write(&tx, &mut shaped, &mut Behind::default()).await?.counts
            });
        }
        drop(rows);
        let counted = Counts {
            read: if how.before { 0 } else { counts.read },
            ..counts
        };
        execution::count(&tx, self.store, self.execution, &plan.name, &counted).await?;
        silenced.give_back(&tx).await?;
        tx.commit().await?;
        Ok(Retried {
            counts,
            gone: keys.len() as i64 - found.len() as i64,
        })
    }
}
