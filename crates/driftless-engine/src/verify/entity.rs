//! One entity: keys both ways, then values.

use driftless_core::batch::Batch;
use driftless_core::code;
use driftless_core::compare::{Fate, KeyOrder, Ledger, OutOfOrder, Tally};
use driftless_core::plan::{EntityPlan, Plan};
use driftless_core::transform::Shaped;
use driftless_pg::{PgError, Session};

use super::orphans;
use super::records::{self, Records};
use super::report::{Check, EntityCounts, EntityValidation};
use super::rows::{self, SourceRows};
use super::sums::Columns;
use crate::error::{EngineError, Result};
use crate::extract::reader::{self, Extracted};
use crate::extract::select::Rows;
use crate::extract::withheld::{Withheld, cannot_give, is_of_one_row};
use crate::shape::Shaping;
use crate::shape::constants::{self, RunFacts};
use crate::store::Store;

/// Bytes by which a row may exceed the plan's limit because its key is read twice.
const KEY_BYTES: usize = 1024 * 1024;

/// Facts of a run that is none: columns made of them are not compared.
const NO_RUN: RunFacts = RunFacts {
    execution: 0,
    started_at: 0,
    mode: "load",
};

/// Where both sides are read.
pub(super) struct Sides<'a> {
    pub(super) plan: &'a Plan,
    pub(super) store: &'a Store,
    /// In a read-only transaction with one snapshot.
    pub(super) source: &'a Session,
    /// The same.
    pub(super) target: &'a Session,
    /// The same snapshot as `target`, for questions while that one streams.
    pub(super) lookup: &'a Session,
    /// Evaluates expressions.
    pub(super) evaluator: &'a mut Session,
}

/// What became of an entity's rows.
struct Compared {
    ledger: Ledger,
    columns: Columns,
    /// Rows that are not on record as rejected, but that the plan would reject now.
    refused: Tally,
}

impl Sides<'_> {
    pub(super) async fn validate(&mut self, entity: &EntityPlan) -> Result<EntityValidation> {
        let compared = self.compare(entity).await?;
        let hidden = entity
            .identity
            .key
            .iter()
            .any(|part| entity.sensitive.contains(&part.column));
        let counts = counts(&compared.ledger);
        let mut checks = keys(compared.ledger, compared.refused);
        checks.extend(compared.columns.compare(entity, self.store, self.target).await?);
        for site in &entity.refs {
            checks.push(orphans::reference(self.target, self.store, entity, site).await?);
        }
        if hidden {
            checks = checks.into_iter().map(Check::masked).collect();
        }
        Ok(EntityValidation::new(entity, counts, checks))
    }

    /// Merges both sides by key and shapes the rows that must be in the target.
    async fn compare(&mut self, entity: &EntityPlan) -> Result<Compared> {
        let withheld = Withheld::default();
        loop {
            match self.compare_without(entity, &withheld).await {
                Err(error) if error.pg().is_some_and(|pg| self.is_of_one_row(pg)) => {
                    let limit = row_limit(self.plan);
                    withheld.find(self.source, entity, Rows::All, limit).await?;
                    if !withheld.grew() {
                        return Err(error.pg().map(cannot_give).unwrap_or(error));
                    }
                }
                other => return other,
            }
        }
    }

    /// Whether the source failed for one of its rows.
    fn is_of_one_row(&self, error: &PgError) -> bool {
        let ours = error.place() == self.source.place();
        ours && is_of_one_row(error)
    }

    async fn compare_without(&mut self, entity: &EntityPlan, withheld: &Withheld) -> Result<Compared> {
        let constants = constants::resolve(self.target, entity, &NO_RUN).await?;
        let shaping = Shaping::asking_always(self.plan, entity, constants, self.store);
        let mut columns = Columns::of(entity, self.target).await?;
        let mut refused = Tally::default();
        let order = KeyOrder::of(&entity.identity);
        let copy = self
            .target
            .copy_out(&records::sql(self.store, entity, order))
            .await?;
        let mut records = Records::new(copy, order, entity);
        let copy = self
            .source
            .copy_out_limited(&rows::sql(entity, order, &withheld.keys()), row_limit(self.plan))
            .await?;
        let mut source = SourceRows::new(copy, order, entity);
        let mut ledger = Ledger::new(order);
        let mut batch = Batch::new(entity.inputs.len());
        while source.advance().await? {
            while ledger.wants_entry(source.key()) {
                ledger
                    .entry(records.next().await?)
                    .map_err(|error| misordered(entity, error))?;
            }
            let hash = source.hash();
            let fate = ledger
                .source(source.key(), hash)
                .map_err(|error| misordered(entity, error))?;
            if fate == Fate::Aside || source.is_too_large() || source.is_withheld() {
                continue;
            }
            source.append_to(&mut batch);
            if batch.rows() >= entity.batch_rows || batch.bytes() >= entity.batch_bytes {
                let full = std::mem::replace(&mut batch, Batch::new(entity.inputs.len()));
                let shaped = shaping.shape(self.evaluator, extracted(entity, full)).await?;
                expect(&shaping, &shaped, &mut columns, &mut refused);
                columns.settle(self.lookup).await?;
            }
        }
        while !ledger.has_ended() {
            ledger
                .entry(records.next().await?)
                .map_err(|error| misordered(entity, error))?;
        }
        if !batch.is_empty() {
            let shaped = shaping.shape(self.evaluator, extracted(entity, batch)).await?;
            expect(&shaping, &shaped, &mut columns, &mut refused);
            columns.settle(self.lookup).await?;
        }
        Ok(Compared {
            ledger,
            columns,
            refused,
        })
    }
}

fn row_limit(plan: &Plan) -> usize {
    usize::try_from(plan.max_row_bytes)
        .unwrap_or(usize::MAX)
        .saturating_add(KEY_BYTES)
}

fn extracted(entity: &EntityPlan, mut batch: Batch) -> Extracted {
    let mut faults = Vec::new();
    reader::unreadable(&mut batch, entity, &mut faults);
    Extracted {
        bytes: batch.bytes(),
        batch,
        faults,
    }
}

/// Adds the rows of a batch that can be shaped; the others should be on record, and are not.
fn expect(shaping: &Shaping<'_>, shaped: &Shaped, columns: &mut Columns, refused: &mut Tally) {
    for row in 0..shaped.rows() {
        if shaped.is_faulty(row) {
            refused.note(|| shaping.shaper.key_text(shaped, row));
        } else {
            columns.expect(shaped, row);
        }
    }
}

fn counts(ledger: &Ledger) -> EntityCounts {
    EntityCounts {
        source: ledger.rows,
        repeated: ledger.repeated,
        live: ledger.live,
        target: ledger.target_rows,
        adopted: ledger.kept,
        rejected: ledger.rejected,
        parked: ledger.parked,
    }
}

/// The checks that keys are enough for.
fn keys(ledger: Ledger, refused: Tally) -> Vec<Check> {
    let mut checks = vec![
        Check::numbers("rows in the target or on record", ledger.rows, ledger.accounted()),
        Check::numbers("rows in the target", ledger.live, ledger.target_rows),
        Check::only_in_source("keys that only the source has", ledger.missing),
        Check::only_in_target("keys that only the target has", ledger.unexpected),
        Check::none_of("identities whose row is gone", ledger.gone),
        Check::none_of("rejects whose source row is gone", ledger.stale),
        Check::none_of("keys that are both loaded and rejected", ledger.contradictory),
        Check::none_of("rows that changed in the source since", ledger.changed),
        Check::none_of("rows that the mapping rejects now", refused),
    ];
    if ledger.undecided.count > 0 {
        let why = "several source rows have the key, and which of them was written is not on record: \
                   left out of all sums";
        let check = Check::none_of("rows whose key is not unique", ledger.undecided);
        checks.push(Check { ok: None, ..check }.noting(why));
    }
    checks
}

fn misordered(entity: &EntityPlan, error: OutOfOrder) -> EngineError {
    EngineError::new(
        code::INTERNAL,
        format!("entity {}", entity.name),
        error.to_string(),
    )
}
