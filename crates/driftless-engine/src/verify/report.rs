//! What validation reports: values that the command line renders as a table or as JSON.

use driftless_core::compare::{Compared, Tally};
use driftless_core::plan::EntityPlan;
use serde::Serialize;

use crate::store::entity::Phase;

/// What stands in the place of a figure made of sensitive values.
const MASK: &str = "***";

/// Both sides compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// The pipeline.
    pub pipeline: String,
    /// When and where the source was read.
    pub source: ReadAt,
    /// When and where the target was read.
    pub target: ReadAt,
    /// Entities, in plan order.
    pub entities: Vec<EntityValidation>,
    /// Target tables of these entities, in the order of their first entity.
    pub tables: Vec<TableValidation>,
    /// How many checks found a difference.
    pub differences: i64,
    /// How many checks could not be made; their `note` says why.
    pub unchecked: i64,
}

/// A side, and the snapshot under which all of it was read. What was committed later is not in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadAt {
    /// `user@host:port/database`.
    pub place: String,
    /// As `pg_current_snapshot()` prints it.
    pub snapshot: String,
    /// ISO 8601, by that server's clock.
    pub at: String,
}

/// One entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityValidation {
    /// Its name.
    pub entity: String,
    /// The mapping's label.
    pub domain: Option<String>,
    /// Where its rows come from.
    pub from: String,
    /// Where they go.
    pub into: String,
    /// How far its load is: `loading`, `loaded`, `done`, or `-` if it has not begun.
    pub phase: String,
    /// Rows.
    pub counts: EntityCounts,
    /// What was compared.
    pub checks: Vec<Check>,
}

/// Rows of an entity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EntityCounts {
    /// Rows that the source has in scope.
    pub source: i64,
    /// Of these, rows whose key an earlier one has already.
    pub repeated: i64,
    /// Keys that were written.
    pub live: i64,
    /// Target rows of these keys.
    pub target: i64,
    /// Keys whose target row was there before and stays as it is.
    pub adopted: i64,
    /// Keys on record as rejected.
    pub rejected: i64,
    /// Keys on record as parked.
    pub parked: i64,
}

/// One target table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableValidation {
    /// Its name.
    pub table: String,
    /// Rows of this pipeline, whichever entity wrote them.
    pub ours: i64,
    /// Rows that no identity of this pipeline knows. Nothing is wrong with them.
    pub others: i64,
    /// Its foreign keys.
    pub checks: Vec<Check>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was compared: `rows`, `sum of amount`, `orphans of office_id`.
    pub name: String,
    /// The target column, if it is about one.
    pub column: Option<String>,
    /// What the source comes to, through the plan.
    pub source: Option<String>,
    /// What the target comes to.
    pub target: Option<String>,
    /// Whether they agree; `None` if it could not be checked.
    pub ok: Option<bool>,
    /// How many keys are concerned, where keys are.
    pub count: i64,
    /// Canonical keys of the first of them.
    pub examples: Vec<String>,
    /// What there is to say.
    pub note: Option<String>,
}

impl Check {
    fn new(name: impl Into<String>, ok: Option<bool>) -> Check {
        Check {
            name: name.into(),
            column: None,
            source: None,
            target: None,
            ok,
            count: 0,
            examples: Vec::new(),
            note: None,
        }
    }

    /// Two numbers that must be equal.
    pub(super) fn numbers(name: &str, source: i64, target: i64) -> Check {
        Check {
            source: Some(source.to_string()),
            target: Some(target.to_string()),
            ..Check::new(name, Some(source == target))
        }
    }

    /// Keys that only the source has, or that only the source has right.
    pub(super) fn only_in_source(name: &str, tally: Tally) -> Check {
        Check {
            source: Some(tally.count.to_string()),
            target: Some("0".to_owned()),
            ..Check::none_of(name, tally)
        }
    }

    /// Keys that only the target has.
    pub(super) fn only_in_target(name: &str, tally: Tally) -> Check {
        Check {
            source: Some("0".to_owned()),
            target: Some(tally.count.to_string()),
            ..Check::none_of(name, tally)
        }
    }

    /// Something of which there must be none.
    pub(super) fn none_of(name: impl Into<String>, tally: Tally) -> Check {
        Check {
            count: tally.count,
            examples: tally.examples,
            ..Check::new(name, Some(tally.count == 0))
        }
    }

    /// Something that could not be checked.
    pub(super) fn unchecked(name: impl Into<String>, why: impl Into<String>) -> Check {
        Check {
            note: Some(why.into()),
            ..Check::new(name, None)
        }
    }

    /// A figure of a column.
    pub(super) fn figure(column: &str, compared: Compared, sensitive: bool) -> Check {
        // Counts tell nothing of a value; sums and extremes do.
        let masked = sensitive && matches!(compared.figure, "sum" | "min" | "max");
        let shown = |text: Option<String>| text.map(|text| if masked { MASK.to_owned() } else { text });
        Check {
            column: Some(column.to_owned()),
            source: shown(compared.source),
            target: shown(compared.target),
            note: compared.unit.map(|unit| format!("in {unit}")),
            ..Check::new(format!("{} of {column}", compared.figure), Some(compared.equal))
        }
    }

    /// The same about a column.
    #[must_use]
    pub(super) fn about(self, column: &str) -> Check {
        Check {
            column: Some(column.to_owned()),
            ..self
        }
    }

    /// The same with something to say.
    #[must_use]
    pub(super) fn noting(self, note: impl Into<String>) -> Check {
        Check {
            note: Some(note.into()),
            ..self
        }
    }

    /// The same without the keys.
    #[must_use]
    pub(super) fn masked(mut self) -> Check {
        self.examples.clear();
        self
    }
}

impl EntityValidation {
    pub(super) fn new(plan: &EntityPlan, counts: EntityCounts, checks: Vec<Check>) -> EntityValidation {
        EntityValidation {
            entity: plan.name.clone(),
            domain: None,
            from: plan.origin.label.clone(),
            into: plan.into.to_string(),
            phase: "-".to_owned(),
            counts,
            checks,
        }
    }

    /// An entity whose load has not begun: everything is missing, and nothing is counted.
    pub(super) fn not_loaded(plan: &EntityPlan) -> EntityValidation {
        let check = Check::new("loaded", Some(false)).noting("its load has not begun");
        EntityValidation::new(plan, EntityCounts::default(), vec![check])
    }

    /// An entity whose load is under way, or was interrupted.
    pub(super) fn not_finished(plan: &EntityPlan, phase: Phase) -> EntityValidation {
        let check = Check::new("loaded", Some(false)).noting("its load is not finished");
        let mut found = EntityValidation::new(plan, EntityCounts::default(), vec![check]);
        phase.text().clone_into(&mut found.phase);
        found
    }

    pub(super) fn in_phase(mut self, phase: Phase) -> EntityValidation {
        phase.text().clone_into(&mut self.phase);
        if phase != Phase::Done {
            let check = Check::new("loaded", Some(false)).noting("what a retry wrote is not proven yet");
            self.checks.insert(0, check);
        }
        self
    }
}

impl Validation {
    pub(super) fn new(
        pipeline: &str,
        source: ReadAt,
        target: ReadAt,
        entities: Vec<EntityValidation>,
        tables: Vec<TableValidation>,
    ) -> Validation {
        let mut validation = Validation {
            pipeline: pipeline.to_owned(),
            source,
            target,
            entities,
            tables,
            differences: 0,
            unchecked: 0,
        };
        let count = |ok: Option<bool>| validation.checks().filter(|(_, check)| check.ok == ok).count() as i64;
        (validation.differences, validation.unchecked) = (count(Some(false)), count(None));
        validation
    }

    /// Every check with the entity or table that it is about.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &Check)> {
        let entities = self.entities.iter().map(|one| (one.entity.as_str(), &one.checks));
        let tables = self.tables.iter().map(|one| (one.table.as_str(), &one.checks));
        entities
            .chain(tables)
            .flat_map(|(name, checks)| checks.iter().map(move |check| (name, check)))
    }

    /// The checks that found a difference, with the entity or table that they are about.
    pub fn differences(&self) -> impl Iterator<Item = (&str, &Check)> {
        self.checks().filter(|(_, check)| check.ok == Some(false))
    }
}
