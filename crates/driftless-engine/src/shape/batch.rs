//! A batch through all steps: keys, recorded mappings, native values, expressions, rules.

use driftless_core::batch::{Batch, Cell};
use driftless_core::plan::{EntityPlan, Evaluation, EvaluationInput, Plan};
use driftless_core::transform::recall::Subject;
use driftless_core::transform::{Answers, Constants, Shaped, Shaper};
use driftless_pg::Session;

use super::evaluate::{Experience, evaluate};
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
    experience: OfEach,
}

/// The experience of each evaluation.
#[derive(Debug)]
struct OfEach {
    keys: Experience,
    main: Experience,
    target: Experience,
}

impl<'p> Shaping<'p> {
    /// For an entity of a plan whose constants the target has read.
    pub fn new(plan: &'p Plan, entity: &'p EntityPlan, constants: Constants, store: &Store) -> Shaping<'p> {
        Shaping::with(plan, entity, constants, store, Experience::new)
    }

    /// The same, with every answer asked for: what checks a load must not believe what the load believed.
    pub fn asking_always(
        plan: &'p Plan,
        entity: &'p EntityPlan,
        constants: Constants,
        store: &Store,
    ) -> Shaping<'p> {
        Shaping::with(plan, entity, constants, store, Experience::without_recall)
    }

    fn with(
        plan: &'p Plan,
        entity: &'p EntityPlan,
        constants: Constants,
        store: &Store,
        experience: impl Fn(&Evaluation) -> Experience,
    ) -> Shaping<'p> {
        Shaping {
            all: plan,
            plan: entity,
            shaper: Shaper::new(plan, entity, constants),
            store: store.clone(),
            experience: OfEach {
                keys: experience(&entity.key_evaluation),
                main: experience(&entity.evaluation),
                target: experience(&entity.target_evaluation),
            },
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
            .ask(
                session,
                (&self.plan.evaluation, &self.experience.main),
                &mut shaped,
            )
            .await?;
        self.shaper.finish(&mut shaped, answers);
        if !self.plan.target_rules.is_empty() {
            let answers = self
                .ask(
                    session,
                    (&self.plan.target_evaluation, &self.experience.target),
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
        let (evaluation, experience) = (&self.plan.key_evaluation, &self.experience.keys);
        evaluate(session, evaluation, experience, batch, &all).await
    }

    /// Asks about the rows that are whole so far.
    async fn ask(
        &self,
        session: &mut Session,
        (evaluation, experience): (&Evaluation, &Experience),
        shaped: &mut Shaped,
    ) -> Result<Answers> {
        let rows: Vec<usize> = shaped.writable().collect();
        evaluate(
            session,
            evaluation,
            experience,
            &mut Produced {
                shaper: &self.shaper,
                shaped,
            },
            &rows,
        )
        .await
    }
}

/// Rows that the program has begun to shape.
struct Produced<'s, 'p> {
    shaper: &'s Shaper<'p>,
    shaped: &'s mut Shaped,
}

impl Subject for Produced<'_, '_> {
    fn cell(&self, input: &EvaluationInput, row: usize) -> Cell {
        self.shaper.evaluation_cell(self.shaped, input, row)
    }

    fn batch(&self) -> &Batch {
        &self.shaped.batch
    }

    fn batch_mut(&mut self) -> &mut Batch {
        &mut self.shaped.batch
    }
}
