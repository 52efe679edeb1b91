//! Rows that the source cannot give: a column of a view, an expression of a query or the filter fails for them, or a text has no
//! form in the encoding that was asked for. Which rows these are is found by reading ever smaller spans of keys under the
//! same snapshot. From then on everything is read without them, and of them only their keys.
//!
//! The session must be in a transaction that [`snapshot::keep`] has marked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_core::code;
use driftless_core::plan::EntityPlan;
use driftless_core::spec::Limit;
use driftless_pg::{Disposition, PgError, RowRead, Session};

use super::select::{self, Rows, SourceKey, Span};
use super::snapshot;
use crate::error::{EngineError, Result};

/// So many of one range are looked for, where the mapping allows as many rejects: each costs a few dozen small queries.
const MOST: usize = 1000;

/// So many are put on record in any case, as of all other rejects, before somebody judges how many there are.
const LEAST: usize = 100;

/// What the source says of a row instead of giving it, without values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Why {
    /// The SQLSTATE.
    pub sqlstate: String,
    /// State and condition.
    pub cause: String,
}

/// Rows of an entity that the source cannot give, as far as they are known.
#[derive(Debug, Default)]
pub struct Withheld(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    rows: BTreeMap<SourceKey, Why>,
    /// How many there were when somebody last asked.
    known: usize,
}

/// Whether a statement failed for one of the rows that it read. What somebody's function raises counts, a sub-select that
/// yields several rows as well.
pub fn is_of_one_row(error: &PgError) -> bool {
    let state = error.sqlstate().unwrap_or_default();
    error.disposition() == Disposition::Row || state == "21000" || state.starts_with("P0")
}

/// What to say where the rows cannot be told apart.
pub fn cannot_give(error: &PgError) -> EngineError {
    let message = format!("the source cannot give one of the rows: {}", error.cause());
    EngineError::new(code::STATEMENT_REFUSED, error.place(), message).remedy(
        "find the row with a query there, and correct it or leave it out with `where`; then start again",
    )
}

impl Withheld {
    /// Their keys.
    pub fn keys(&self) -> Vec<SourceKey> {
        self.found().rows.keys().cloned().collect()
    }

    /// Their keys by what the source says.
    pub fn by_reason(&self) -> Vec<(Why, Vec<SourceKey>)> {
        let mut reasons: BTreeMap<Why, Vec<SourceKey>> = BTreeMap::new();
        for (key, why) in &self.found().rows {
            reasons.entry(why.clone()).or_default().push(key.clone());
        }
        reasons.into_iter().collect()
    }

    /// Whether there are more than when this was last asked: what failed for them goes through without them.
    pub fn grew(&self) -> bool {
        let mut found = self.found();
        let grown = found.rows.len() > found.known;
        found.known = found.rows.len();
        grown
    }

    /// Finds which of these rows fail, after one has. Finds none where keys do not tell.
    ///
    /// # Errors
    /// [`code::TOO_MANY_REJECTS`] where there are too many to go on; else when the source fails.
    pub async fn find(
        &self,
        source: &Session,
        plan: &EntityPlan,
        rows: Rows<'_>,
        max_row_bytes: usize,
    ) -> Result<()> {
        snapshot::recover(source).await?;
        let search = Search {
            source,
            plan,
            rows,
            max_row_bytes,
            without: self.keys(),
        };
        match search.run().await {
            Ok(found) => {
                self.found().rows.extend(found);
                Ok(())
            }
            // The key itself is what the source cannot give.
            Err(error) if error.pg().is_some_and(is_of_one_row) => snapshot::recover(source).await,
            Err(error) => Err(error),
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search for the rows of a range that fail.
struct Search<'s> {
    source: &'s Session,
    plan: &'s EntityPlan,
    rows: Rows<'s>,
    max_row_bytes: usize,
    /// Keys that are known to fail.
    without: Vec<SourceKey>,
}

impl Search<'_> {
    async fn run(&self) -> Result<Vec<(SourceKey, Why)>> {
        let count = select::count(self.plan, self.rows, &self.without);
        let count: i64 = self.source.query_one(&count, &[]).await?.get(0)?;
        let Some(from) = self.key(None, &self.without, 0).await? else {
            return Ok(Vec::new());
        };
        let most = match self.plan.max_rejects {
            Limit::Rows(rows) => usize::try_from(rows).unwrap_or(MOST).clamp(LEAST, MOST),
            Limit::Percent(_) => MOST,
        };
        let mut found = Vec::new();
        let mut spans = vec![(Span { from, below: None }, count)];
        while let Some((span, rows)) = spans.pop() {
            let Err(error) = self.read(&span).await else {
                continue;
            };
            if !is_of_one_row(&error) {
                return Err(error.into());
            }
            snapshot::recover(self.source).await?;
            if let Some((lower, upper)) = self.halves(&span, rows).await? {
                // The lower one is read next: keys are found in their order.
                spans.extend([upper, lower]);
                continue;
            }
            let why = Why {
                sqlstate: error.sqlstate().unwrap_or_default().to_owned(),
                cause: error.cause().to_owned(),
            };
            found.push((span.from, why));
            if found.len() > most {
                return Err(self.too_many(&error, most));
            }
        }
        // What fails for every row is no matter of the rows; unless somebody asked for just these.
        let all = i64::try_from(found.len()).is_ok_and(|found| found >= count) && count > 1;
        if all && !matches!(self.rows, Rows::Keys(_)) {
            found.clear();
        }
        Ok(found)
    }

    /// The key at a place in the order of a span.
    async fn key(
        &self,
        span: Option<&Span>,
        without: &[SourceKey],
        offset: i64,
    ) -> Result<Option<SourceKey>> {
        let keys = select::keys(self.plan, self.rows, span, without);
        let sql = format!("{keys} LIMIT 1 OFFSET {offset}");
        let row = self.source.query_opt(&sql, &[]).await?;
        row.map(|row| {
            let parts = 0..self.plan.identity.key.len();
            parts.map(|part| Ok(row.get(part)?)).collect()
        })
        .transpose()
    }

    /// The two halves of a span with so many rows; none where it is a single key.
    async fn halves(&self, span: &Span, rows: i64) -> Result<Option<((Span, i64), (Span, i64))>> {
        let half = rows / 2;
        let mut middle = self.key(Some(span), &self.without, half).await?;
        if middle.as_ref().is_none_or(|key| *key == span.from) {
            // Keys may repeat: then the next larger one.
            let others = [self.without.as_slice(), std::slice::from_ref(&span.from)].concat();
            middle = self.key(Some(span), &others, 0).await?;
        }
        Ok(middle.map(|middle| {
            let lower = Span {
                from: span.from.clone(),
                below: Some(middle.clone()),
            };
            let upper = Span {
                from: middle,
                below: span.below.clone(),
            };
            ((lower, half), (upper, rows - half))
        }))
    }

    /// Reads a span for nothing but to see whether it fails.
    async fn read(&self, span: &Span) -> Result<(), PgError> {
        let sql = select::copy_within(self.plan, self.rows, Some(span), &self.without);
        let mut copy = self.source.copy_out_limited(&sql, self.max_row_bytes).await?;
        let (mut arena, mut cells) = (Vec::new(), Vec::new());
        while copy.append_row(&mut arena, &mut cells).await? != RowRead::End {
            arena.clear();
            cells.clear();
        }
        Ok(())
    }

    fn too_many(&self, error: &PgError, most: usize) -> EngineError {
        let message = format!(
            "more than {most} rows of {} cannot be given: {}",
            self.plan.origin.label,
            error.cause()
        );
        EngineError::new(code::TOO_MANY_REJECTS, error.place(), message).remedy(
            "correct what fails in the source, or leave these rows out with `where`; or allow more with max_rejects, \
             which does not go beyond 1000 of such rows in one chunk; then start again",
        )
    }
}
