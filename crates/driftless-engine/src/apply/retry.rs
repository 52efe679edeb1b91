//! Rejects tried again: read anew from the source by key, and through the same way as any row.

use driftless_pg::BeginMode;

use super::chunk::ChunkWork;
use super::lane::Lane;
use super::write::{Care, Writing};
use crate::error::Result;
use crate::extract::reader;
use crate::extract::select::{self, Rows};
use crate::store::execution::{self, Counts};
use crate::store::reject;

/// What a retry of some keys came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// What was written and rejected.
    pub counts: Counts,
    /// Keys whose source row is gone, and their records with it.
    pub gone: i64,
}

impl ChunkWork<'_, '_> {
    /// Tries these keys again, in one transaction with what is on record about them. Where the same run has read them
    /// before, they do not count as read once more.
    pub async fn retry(&self, lane: &mut Lane, keys: &[String], before: bool) -> Result<Retried> {
        let plan = self.shaping.plan;
        let limit = usize::try_from(self.max_row_bytes).unwrap_or(usize::MAX);
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
        reject::clear(&tx, self.store, &plan.name, keys).await?;
        let to = Writing {
            store: self.store,
            shaping: self.shaping,
            execution: self.execution,
            care: Care::Isolating,
            staying: false,
        };
        let mut counts = Counts::default();
        let mut rows = source
            .copy_out_limited(&select::copy(plan, Rows::Keys(keys)), limit)
            .await?;
        while let Some(extracted) = reader::next(&mut rows, plan).await? {
            let bytes = extracted.bytes as i64;
            let shaped = self.shaping.shape(evaluator, extracted).await?;
            counts.add(&Counts {
                bytes,
                ..to.write(&tx, &shaped).await?
            });
        }
        drop(rows);
        let counted = Counts {
            read: if before { 0 } else { counts.read },
            ..counts
        };
        execution::count(&tx, self.store, self.execution, &plan.name, &counted).await?;
        tx.commit().await?;
        Ok(Retried {
            counts,
            gone: keys.len() as i64 - counts.read,
        })
    }
}
