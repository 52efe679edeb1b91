//! The rows of a range as batches. Those that the source cannot give come last, each with its key alone and with what the source
//! says of it, so that they are put on record as any row at fault.

use driftless_core::batch::{Batch, Room};
use driftless_core::code;
use driftless_core::plan::EntityPlan;
use driftless_core::transform::RowFault;
use driftless_pg::{CopyOut, Session};

use super::reader::{self, Extracted};
use super::select::{self, Rows, SourceKey};
use super::spare::Spare;
use super::withheld::{Why, Withheld, cannot_give, is_of_one_row};
use crate::error::Result;

/// Reads a range.
///
/// Where the source fails for one of its rows, [`Reading::next`] ends in an error after it has found out which ones these are:
/// whoever reads then begins anew if [`Withheld::grew`].
pub struct Reading<'r> {
    source: &'r Session,
    plan: &'r EntityPlan,
    rows: Rows<'r>,
    max_row_bytes: usize,
    withheld: &'r Withheld,
    /// What a batch is expected to take, and where its memory comes from.
    room: Room,
    spare: Option<&'r Spare>,
    copy: Option<CopyOut<'r>>,
    /// Of the rows that come now: why they cannot be given.
    why: Option<Why>,
    /// What is read behind it; none before the beginning.
    left: Option<Vec<(Why, Vec<SourceKey>)>>,
}

impl<'r> Reading<'r> {
    /// Of these rows, with a session as [`Withheld::find`] wants it.
    pub fn new(
        source: &'r Session,
        plan: &'r EntityPlan,
        rows: Rows<'r>,
        max_row_bytes: u64,
        withheld: &'r Withheld,
    ) -> Reading<'r> {
        Reading {
            source,
            plan,
            rows,
            max_row_bytes: usize::try_from(max_row_bytes).unwrap_or(usize::MAX),
            withheld,
            room: Room::default(),
            spare: None,
            copy: None,
            why: None,
            left: None,
        }
    }

    /// Makes batches of spare memory, which take so much before they have to grow.
    pub fn expecting(self, room: Room, spare: &'r Spare) -> Reading<'r> {
        Reading {
            room,
            spare: Some(spare),
            ..self
        }
    }

    /// Reads up to a batch; `None` at the end.
    ///
    /// # Errors
    /// What the source says.
    pub async fn next(&mut self) -> Result<Option<Extracted>> {
        match self.read().await {
            Ok(extracted) => Ok(extracted),
            Err(error) => {
                self.copy = None;
                let Some(pg) = error.pg().filter(|pg| is_of_one_row(pg)) else {
                    return Err(error);
                };
                self.withheld
                    .find(self.source, self.plan, self.rows, self.max_row_bytes)
                    .await?;
                Err(cannot_give(pg))
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Extracted>> {
        loop {
            if self.copy.is_none() {
                let Some(sql) = self.following() else {
                    return Ok(None);
                };
                self.copy = Some(self.source.copy_out_limited(&sql, self.max_row_bytes).await?);
            }
            let Some(copy) = &mut self.copy else { continue };
            let (width, room, spare) = (self.plan.inputs.len(), self.room, self.spare);
            let empty = || match spare {
                Some(spare) => spare.batch(width, room),
                None => Batch::with_room(width, room),
            };
            if let Some(mut extracted) = reader::next(copy, self.plan, empty).await? {
                if let Some(why) = &self.why {
                    let rows = 0..extracted.batch.rows();
                    extracted.faults.extend(rows.map(|row| fault(row, why)));
                }
                return Ok(Some(extracted));
            }
            self.copy = None;
        }
    }

    /// What is read next.
    fn following(&mut self) -> Option<String> {
        let Some(left) = &mut self.left else {
            let left = self.withheld.by_reason();
            let keys: Vec<SourceKey> = left.iter().flat_map(|(_, keys)| keys.clone()).collect();
            self.left = Some(left);
            return Some(select::copy_within(self.plan, self.rows, None, &keys));
        };
        let (why, keys) = left.pop()?;
        self.why = Some(why);
        Some(select::copy_keys(self.plan, self.rows, &keys))
    }
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading")
            .field("entity", &self.plan.name)
            .field("rows", &self.rows)
            .field("withheld", &self.withheld)
            .finish_non_exhaustive()
    }
}

fn fault(row: usize, why: &Why) -> RowFault {
    RowFault {
        sqlstate: Some(why.sqlstate.clone()),
        ..RowFault::new(
            row,
            code::ROW_NOT_GIVEN,
            format!("the source cannot give the row: {}", why.cause),
        )
    }
}
