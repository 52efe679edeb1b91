//! A batch on its way through the program.

use crate::batch::{Batch, Cell, Table};
use crate::code;
use crate::digest;
use crate::plan::EntityPlan;

use super::fault::{Faults, RowFault, Trouble};
use super::view::{OWN, View};

/// Longest value that PostgreSQL can hold, in bytes (1 GB less one: its allocation limit).
const MAX_VALUE_BYTES: usize = 0x3fff_ffff;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is written.
    Write,
    /// It is rejected (or parked) for this fault, the first in the order of columns.
    Reject(&'a RowFault),
    /// A rule with `on_fail = "halt"` refused it: the entity halts.
    Halt(&'a RowFault),
}

/// Where in a row something is wrong, in the order in which faults are told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Key,
    Output(usize),
    /// Source rules come before target rules.
    SourceRule(usize),
    TargetRule(usize),
}

/// Source rows and what the program made of them so far.
#[derive(Debug)]
pub struct Shaped {
    /// The source rows. Whoever evaluates appends answers to its arena; cells and rows stay as they are.
    pub batch: Batch,
    pub(super) key_answers: Table,
    /// Per row its own UUID and its references.
    pub(super) keys: Table,
    pub(super) constants: Vec<Cell>,
    pub(super) answers: Table,
    pub(super) outputs: Table,
    /// Per output the fingerprints of its rows, where they are not those of the bytes (objects with volatile members).
    pub(super) stable: Vec<Vec<u64>>,
    /// Rows with a reference that is null because its recorded mapping is absent; empty where no reference can be.
    pub(super) nulled: Vec<bool>,
    pub(super) faults: Faults,
    pub(super) warnings: Vec<RowFault>,
}

impl Shaped {
    /// Rows of the batch, written or not.
    pub fn rows(&self) -> usize {
        self.batch.rows()
    }

    /// The bytes of an output; `None` for null. A row at fault may have nulls where values could not be produced.
    pub fn output(&self, row: usize, output: usize) -> Option<&[u8]> {
        self.outputs.cell(row, output).bytes(&self.batch.arena)
    }

    /// The row's UUID; `None` where the target's key is made of columns, or the row is at fault.
    pub fn id(&self, row: usize) -> Option<[u8; 16]> {
        let bytes = self.keys.cell(row, OWN).bytes(&self.batch.arena)?;
        bytes.try_into().ok()
    }

    /// The UUID of the reference with this number; `None` where it is null, or the row is at fault.
    pub fn reference(&self, row: usize, reference: usize) -> Option<[u8; 16]> {
        let bytes = self
            .keys
            .cell(row, OWN + 1 + reference)
            .bytes(&self.batch.arena)?;
        bytes.try_into().ok()
    }

    /// Whether a reference of the row leads somewhere, if only as far as the row's own text says.
    pub(super) fn refers(&self, row: usize, reference: usize) -> bool {
        !self.keys.cell(row, OWN + 1 + reference).is_null()
    }

    /// Whether a reference of the row is null because no mapping is recorded of the row that it means: it may be there under
    /// a later snapshot.
    pub fn is_nulled(&self, row: usize) -> bool {
        self.nulled.get(row).is_some_and(|nulled| *nulled)
    }

    /// Whether the row will not be written.
    pub fn is_faulty(&self, row: usize) -> bool {
        self.faults.is_faulty(row)
    }

    /// What becomes of a row, as far as it is known.
    pub fn verdict(&self, row: usize) -> Verdict<'_> {
        let mut verdict = Verdict::Write;
        for (fault, halts) in self.faults.of(row) {
            match (halts, verdict) {
                (true, _) => return Verdict::Halt(fault),
                (false, Verdict::Write) => verdict = Verdict::Reject(fault),
                (false, _) => {}
            }
        }
        verdict
    }

    /// All faults of a row, in the order of columns.
    pub fn faults(&self, row: usize) -> impl Iterator<Item = &RowFault> {
        self.faults.of(row).map(|(fault, _)| fault)
    }

    /// Rows that are to be written, ascending.
    pub fn writable(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows()).filter(|row| !self.is_faulty(*row))
    }

    /// How many rows are to be written.
    pub fn writable_rows(&self) -> usize {
        self.rows() - self.faults.faulty_rows()
    }

    /// What rules with `on_fail = "warn"` said, of rows that may be written all the same.
    pub fn warnings(&self) -> &[RowFault] {
        &self.warnings
    }

    /// The stored hash of a source row. `frame` is scratch memory.
    pub fn row_hash(&self, row: usize, frame: &mut Vec<u8>) -> i64 {
        let cells = self.batch.row(row).iter();
        digest::row_hash(cells.map(|cell| cell.bytes(&self.batch.arena)), frame)
    }

    /// Notes that a row holds null in the place of what is not there yet.
    pub(super) fn note_null(&mut self, row: usize) {
        self.nulled.resize(self.batch.rows(), false);
        self.nulled[row] = true;
    }

    /// The program's view of the batch.
    pub(super) fn view<'a>(&'a self, entity: &'a EntityPlan) -> View<'a> {
        View {
            entity,
            batch: &self.batch,
            key_answers: &self.key_answers,
            keys: &self.keys,
            constants: &self.constants,
            answers: &self.answers,
        }
    }

    /// Puts a produced value into the arena.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<Cell, Trouble> {
        let start = u32::try_from(self.batch.arena.len());
        match start {
            Ok(start)
                if bytes.len() <= MAX_VALUE_BYTES && start.checked_add(bytes.len() as u32).is_some() =>
            {
                self.batch.arena.extend_from_slice(bytes);
                Ok(Cell::new(start, bytes.len() as u32))
            }
            _ => Err(Trouble::new(
                code::ROW_TOO_LARGE,
                "the shaped row is too large for one batch",
            )),
        }
    }

    /// Records what went wrong, unless it is on record already.
    pub(super) fn fault(
        &mut self,
        entity: &EntityPlan,
        row: usize,
        place: Place,
        trouble: Trouble,
        parks: bool,
    ) {
        let Trouble::New(trouble) = trouble else { return };
        let (code, message) = *trouble;
        let column = match place {
            Place::Output(output) => Some(entity.program.outputs[output].column.clone()),
            _ => None,
        };
        let fault = RowFault {
            column,
            parked: parks && code == code::ROW_REFERENCE_MISSING,
            ..RowFault::new(row, code, message)
        };
        self.faults.add(rank(entity, place), false, fault);
    }
}

/// Order of faults within a row.
pub(super) fn rank(entity: &EntityPlan, place: Place) -> u32 {
    let outputs = entity.program.outputs.len();
    let position = match place {
        Place::Key => 0,
        Place::Output(output) => 1 + output,
        Place::SourceRule(rule) => 1 + outputs + rule,
        Place::TargetRule(rule) => 1 + outputs + entity.source_rules.len() + rule,
    };
    position as u32
}
