//! A batch through all steps: keys, recorded mappings, native values, expressions, rules.

use driftless_core::batch::Batch;
use driftless_core::plan::{EntityPlan, Evaluation, EvaluationInput, Plan};
use driftless_core::transform::{Answers, Constants, Shaped, Shaper, key_array};
use driftless_pg::Session;

use super::evaluate::{Subject, Suspects, evaluate};
use super::recorded;
use crate::error::Result;
use crate::extract::reader::Extracted;
use crate::store::Store;

/// Shapes the batches of one entity.
#[derive(Debug)]
pub struct Shaping<'p> {
    /// The plan that the entity is of.
    pub all: &'p Plan,
    /// The entity.
    pub plan: &'p EntityPlan,
    /// Its program.
    pub shaper: Shaper<'p>,
    store: Store,
    suspects: AllSuspects,
}

/// The suspects of each evaluation.
#[derive(Debug, Default)]
struct AllSuspects {
    keys: Suspects,
    main: Suspects,
    target: Suspects,
}

impl<'p> Shaping<'p> {
    /// For an entity of a plan whose constants the target has read.
    pub fn new(plan: &'p Plan, entity: &'p EntityPlan, constants: Constants, store: &Store) -> Shaping<'p> {
        Shaping {
            all: plan,
            plan: entity,
            shaper: Shaper::new(plan, entity, constants),
            store: store.clone(),
            suspects: AllSuspects::default(),
        }
    }

    /// Shapes a batch with a session for expressions.
    pub async fn shape(&self, session: &mut Session, extracted: Extracted) -> Result<Shaped> {
        let Extracted {
            mut batch, faults, ..
        } = extracted;
        let mut keys = self.keys(session, &mut batch).await?;
        keys.failed.extend(faults);
        let lookups = self.shaper.lookups(&batch, &keys);
        let recorded = recorded::look_up(session, &self.store, &lookups).await?;
        let mut shaped = self.shaper.native(batch, keys, &recorded);
        let answers = self
            .ask(session, (&self.plan.evaluation, &self.suspects.main), &mut shaped)
            .await?;
        self.shaper.finish(&mut shaped, answers);
        if !self.plan.target_rules.is_empty() {
            let answers = self
                .ask(
                    session,
                    (&self.plan.target_evaluation, &self.suspects.target),
                    &mut shaped,
                )
                .await?;
            self.shaper.judge(&mut shaped, answers);
        }
        Ok(shaped)
    }

    /// Key texts that only the target can print.
    pub async fn keys(&self, session: &mut Session, batch: &mut Batch) -> Result<Answers> {
        let all: Vec<usize> = (0..batch.rows()).collect();
        let (evaluation, suspects) = (&self.plan.key_evaluation, &self.suspects.keys);
        evaluate(session, evaluation, suspects, &mut Raw(batch), &all).await
    }

    /// Asks about the rows that are whole so far.
    async fn ask(
        &self,
        session: &mut Session,
        (evaluation, suspects): (&Evaluation, &Suspects),
        shaped: &mut Shaped,
    ) -> Result<Answers> {
        let rows: Vec<usize> = shaped.writable().collect();
        evaluate(
            session,
            evaluation,
            suspects,
            &mut Produced {
                shaper: &self.shaper,
                shaped,
            },
            &rows,
        )
        .await
    }
}

/// Source rows before the program: key texts are asked about.
struct Raw<'b>(&'b mut Batch);

impl Subject for Raw<'_> {
    fn array(&self, input: &EvaluationInput, rows: &[usize], out: &mut Vec<u8>) {
        key_array(self.0, input, rows.iter().copied(), out);
    }

    fn batch(&mut self) -> &mut Batch {
        self.0
    }
}

/// Rows that the program has begun to shape.
struct Produced<'s, 'p> {
    shaper: &'s Shaper<'p>,
    shaped: &'s mut Shaped,
}

impl Subject for Produced<'_, '_> {
    fn array(&self, input: &EvaluationInput, rows: &[usize], out: &mut Vec<u8>) {
        self.shaper
            .evaluation_array(self.shaped, input, rows.iter().copied(), out);
    }

    fn batch(&mut self) -> &mut Batch {
        &mut self.shaped.batch
    }
}
