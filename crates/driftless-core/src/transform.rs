//! The row program run over a batch: raw PostgreSQL bytes in, raw PostgreSQL bytes and faults out.
//!
//! ```text
//!                 ┌── key evaluation (texts that only the target can print)
//! Batch ──lookups─┴─► recorded mappings ──native──► Shaped ──finish──► Shaped ──judge──► Shaped ──encode──► COPY
//!                                                    │   ▲             │  ▲
//!                                                    └───┴ main        └──┴ target
//!                                                      evaluation        evaluation
//! ```
//!
//! 1. [`Shaper::lookups`] says which recorded mappings are needed: none where every key is derived.
//! 2. [`Shaper::native`] finds the row's UUID and its references and produces every output that needs no answer.
//! 3. [`Shaper::finish`] produces the outputs that hold answers of the main evaluation, and judges source rules.
//! 4. [`Shaper::judge`] judges target rules with the answers of the target evaluation.
//! 5. [`Shaper::encode_rows`] and [`Shaper::encode_identities`] write what is to be loaded.
//!
//! What was written of it is counted by a [`Census`](crate::transform::Census), for the proof of references.
//!
//! A step whose evaluation is empty takes [`Answers::default`] or is left out. Every step looks at the rows that the steps
//! before left whole and records all their faults; what is wrong with a row that is at fault already, and may follow from
//! that, is not told. Nothing here fails: a row that cannot be shaped is a [`RowFault`].
//!
//! Columns are produced one after the other, so that what is decided per column is decided once; values are appended to the
//! batch's arena, and a row without fault costs no allocation.
//!
//! [`Shaper::lookups`]: crate::transform::Shaper::lookups
//! [`Shaper::native`]: crate::transform::Shaper::native
//! [`Shaper::finish`]: crate::transform::Shaper::finish
//! [`Shaper::judge`]: crate::transform::Shaper::judge
//! [`Shaper::encode_rows`]: crate::transform::Shaper::encode_rows
//! [`Shaper::encode_identities`]: crate::transform::Shaper::encode_identities
//! [`RowFault`]: crate::transform::RowFault
//! [`Answers::default`]: crate::transform::Answers

mod census;
mod check;
mod encode;
mod fault;
mod json;
mod key;
mod produce;
mod nulled;
mod recorded;
/// What the target has answered before.
pub mod recall;
mod report;
mod shaped;
mod view;

pub use census::Census;
pub use encode::{COPY_HEADER, COPY_TRAILER, Stamp, array};
pub use fault::{Category, RowFault};
pub use recorded::{Lookups, Recorded};
pub use shaped::{Shaped, Verdict};

use crate::batch::{Batch, Cell, Table, append};
use crate::code;
use crate::plan::{Check, EntityPlan, Evaluation, Plan, RulePlan};
use crate::spec::OnFail;
use crate::value;

use fault::Faults;
use key::Reference;
use produce::OutputTraits;
use recorded::Resolver;
use shaped::{Place, rank};
use view::OWN;

/// The constants of an entity as the target reads them: bytes of each type's binary form, `None` for null, parallel to
/// `EntityPlan::constants`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constants(pub Vec<Option<Vec<u8>>>);

/// What an evaluation answered.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// One row for each row of the batch, one column for each output of the evaluation; the bytes lie in the batch's
    /// arena. Rows that were not asked about, or failed, are nulls. Of what only rules ask nothing but false is told apart: true may
    /// stand for null.
    pub table: Table,
    /// Rows that failed, one or more faults each.
    pub failed: Vec<RowFault>,
}

/// Runs one entity's program.
#[derive(Debug)]
pub struct Shaper<'p> {
    entity: &'p EntityPlan,
    constants: Constants,
    own: Option<Resolver<'p>>,
    references: Vec<Reference<'p>>,
    traits: Vec<OutputTraits>,
    /// Whether any key is looked up in recorded mappings.
    recorded: bool,
}

impl<'p> Shaper<'p> {
    /// For an entity of a plan, with its constants resolved.
    ///
    /// # Panics
    /// Where `constants` are not as many as the plan's.
    pub fn new(plan: &Plan, entity: &'p EntityPlan, constants: Constants) -> Shaper<'p> {
        assert_eq!(
            constants.0.len(),
            entity.constants.len(),
            "constants of {}",
            entity.name
        );
        let own = Resolver::of_mint(plan.namespace, &entity.identity.mint);
        let references: Vec<Reference<'p>> = (0..entity.program.refs.len())
            .map(|number| Reference::new(plan.namespace, entity, number))
            .collect();
        let recorded = own.iter().chain(references.iter().flat_map(|one| &one.resolvers));
        Shaper {
            entity,
            constants,
            recorded: recorded.into_iter().any(|resolver| resolver.entity.is_some()),
            own,
            references,
            traits: (0..entity.program.outputs.len())
                .map(|number| OutputTraits::of(entity, number))
                .collect(),
        }
    }

    /// Which recorded mappings the batch needs. At once where the entity needs none.
    ///
    /// # Panics
    /// Where batch or answers have not the plan's width.
    pub fn lookups(&self, batch: &Batch, keys: &Answers) -> Lookups {
        let mut lookups = Lookups::default();
        if self.recorded {
            let keys_answered = self.expect_answers(batch, &keys.table, &self.entity.key_evaluation);
            let nothing = Table::default();
            let view = view::View {
                entity: self.entity,
                batch,
                key_answers: keys_answered,
                keys: &nothing,
                constants: &[],
                answers: &nothing,
            };
            key::collect(view, self.own.as_ref(), &self.references, &mut lookups);
        }
        lookups
    }

    /// The row's UUID, its references, and every output that needs no answer of the main evaluation.
    ///
    /// # Panics
    /// Where batch or answers have not the plan's width.
    pub fn native(&self, mut batch: Batch, keys: Answers, recorded: &Recorded) -> Shaped {
        self.expect_answers(&batch, &keys.table, &self.entity.key_evaluation);
        let (rows, outputs) = (batch.rows(), self.traits.len());
        let constants = self
            .constants
            .0
            .iter()
            .map(|bytes| append(&mut batch.arena, bytes.as_deref()));
        let constants: Vec<Cell> = constants.collect();
        let mut shaped = Shaped {
            key_answers: keys.table,
            keys: Table::nulls(rows, OWN + 1 + self.references.len()),
            constants,
            answers: Table::default(),
            outputs: Table::nulls(rows, outputs),
            stable: self
                .traits
                .iter()
                .map(|one| vec![0; if one.partly_volatile { rows } else { 0 }])
                .collect(),
            nulled: Vec::new(),
            faults: Faults::none(rows),
            warnings: Vec::new(),
            batch,
        };
        self.take_failed(&mut shaped, keys.failed);
        self.find_keys(&mut shaped, recorded);
        for (number, traits) in self.outputs(false) {
            produce::fill(&mut shaped, self.entity, number, traits, 0..rows);
        }
        shaped
    }

    /// With the main evaluation's answers: the outputs that hold them, losses they found, source rules.
    ///
    /// # Panics
    /// Where the answers have not the plan's width.
    pub fn finish(&self, shaped: &mut Shaped, answers: Answers) {
        self.expect_answers(&shaped.batch, &answers.table, &self.entity.evaluation);
        let whole = self.take_failed(shaped, answers.failed);
        shaped.answers = answers.table;
        for (number, traits) in self.outputs(true) {
            produce::fill(shaped, self.entity, number, traits, whole.iter().copied());
        }
        for number in 0..self.traits.len() {
            let checks = &self.entity.program.outputs[number].checks;
            if checks
                .iter()
                .any(|check| matches!(check, Check::Lossless(_) | Check::Clock { .. }))
            {
                produce::check_lossless(shaped, self.entity, number, &whole);
            }
        }
        let answers = std::mem::take(&mut shaped.answers);
        for (number, rule) in self.entity.source_rules.iter().enumerate() {
            self.apply_rule(shaped, &answers, rule, Place::SourceRule(number), &whole);
        }
        shaped.answers = answers;
    }

    /// With the target evaluation's answers: target rules.
    ///
    /// # Panics
    /// Where the answers have not the plan's width.
    pub fn judge(&self, shaped: &mut Shaped, answers: Answers) {
        self.expect_answers(&shaped.batch, &answers.table, &self.entity.target_evaluation);
        let whole = self.take_failed(shaped, answers.failed);
        for (number, rule) in self.entity.target_rules.iter().enumerate() {
            self.apply_rule(shaped, &answers.table, rule, Place::TargetRule(number), &whole);
        }
    }

    /// The outputs that wait for answers, or those that do not.
    fn outputs(&self, deferred: bool) -> impl Iterator<Item = (usize, &OutputTraits)> {
        let all = self.traits.iter().enumerate();
        all.filter(move |(_, traits)| traits.deferred == deferred)
    }

    /// Checks what cannot be checked per row: a batch of another shape would be read as nonsense.
    fn expect_answers<'t>(&self, batch: &Batch, answers: &'t Table, evaluation: &Evaluation) -> &'t Table {
        assert_eq!(
            batch.width(),
            self.entity.inputs.len(),
            "columns of {}",
            self.entity.name
        );
        let outputs = evaluation.outputs.len();
        let fits =
            outputs == 0 || batch.is_empty() || (answers.width(), answers.rows()) == (outputs, batch.rows());
        assert!(fits, "answers of {}", self.entity.name);
        answers
    }

    fn find_keys(&self, shaped: &mut Shaped, recorded: &Recorded) {
        let failed: Vec<bool> = (0..shaped.rows()).map(|row| shaped.is_faulty(row)).collect();
        let finder = self.own.as_ref().map(|resolver| resolver.with(recorded));
        key::mint(shaped, self.entity, finder.as_ref());
        for (number, reference) in self.references.iter().enumerate() {
            key::refer(shaped, self.entity, number, reference, recorded, &failed);
        }
    }

    /// Records what an evaluation says of rows that were whole, and gives the rows that still are.
    fn take_failed(&self, shaped: &mut Shaped, failed: Vec<RowFault>) -> Vec<usize> {
        let whole: Vec<usize> = shaped.writable().collect();
        for fault in failed {
            if whole.binary_search(&(fault.row as usize)).is_ok() {
                let rank = rank(self.entity, self.place_of(&fault));
                shaped.faults.add(rank, false, fault);
            }
        }
        whole.into_iter().filter(|row| !shaped.is_faulty(*row)).collect()
    }

    fn place_of(&self, fault: &RowFault) -> Place {
        let column = fault.column.as_deref();
        let output = self
            .entity
            .program
            .outputs
            .iter()
            .position(|one| Some(one.column.as_str()) == column);
        match (output, &fault.rule) {
            (Some(output), _) => Place::Output(output),
            (None, Some(_)) => Place::SourceRule(0),
            (None, None) => Place::Key,
        }
    }

    fn apply_rule(
        &self,
        shaped: &mut Shaped,
        answers: &Table,
        rule: &RulePlan,
        place: Place,
        rows: &[usize],
    ) {
        for &row in rows {
            let answer = answers
                .cell(row, rule.answer)
                .bytes(&shaped.batch.arena)
                .map(value::boolean);
            let fault = match answer {
                None | Some(Some(true)) => continue,
                Some(Some(false)) => RowFault::new(
                    row,
                    code::ROW_RULE_FAILED,
                    format!("rule {} refused the row", rule.name),
                ),
                Some(None) => RowFault::new(row, code::ROW_UNREADABLE, "the rule's answer is no boolean"),
            };
            let unreadable = fault.code == code::ROW_UNREADABLE;
            let fault = RowFault {
                rule: Some(rule.name.clone()),
                ..fault
            };
            match rule.on_fail {
                OnFail::Warn if !unreadable => shaped.warnings.push(fault),
                on_fail => shaped
                    .faults
                    .add(rank(self.entity, place), on_fail == OnFail::Halt, fault),
            }
        }
    }
}

#[cfg(test)]
mod tests;
