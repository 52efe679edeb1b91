//! References that become null behind the shaping: because the target refuses the row with them, or because it is known that
//! it would not stay so.

use crate::plan::Value;
use crate::value;

use super::Shaper;
use super::census::{Census, referring_input};
use super::produce::{fill, holds_reference};
use super::shaped::Shaped;
use super::view::{AT_FAULT, OWN};

impl Shaper<'_> {
    /// Makes these references of a row null, as if no mapping were recorded of the rows that they mean, and produces anew what
    /// holds them. False where nothing can come of it: all of them are null already, or a column bears no null.
    pub fn null_references(&self, shaped: &mut Shaped, row: usize, references: &[usize]) -> bool {
        let held = |reference: &usize| {
            let cell = shaped.keys.cell(row, OWN + 1 + reference);
            !cell.is_null() && cell != AT_FAULT
        };
        if shaped.is_faulty(row) || !references.iter().any(held) {
            return false;
        }
        let outputs: Vec<usize> = (0..self.traits.len())
            .filter(|number| {
                let value = &self.entity.program.outputs[*number].value;
                references
                    .iter()
                    .any(|reference| holds_reference(value, *reference))
            })
            .collect();
        if outputs.iter().any(|number| self.needs_value(shaped, *number)) {
            return false;
        }
        shaped.nulled.resize(shaped.batch.rows(), false);
        shaped.nulled[row] = true;
        for reference in references {
            shaped
                .keys
                .set(row, OWN + 1 + reference, crate::batch::Cell::NULL);
        }
        for number in outputs {
            fill(
                shaped,
                self.entity,
                number,
                &self.traits[number],
                [row].into_iter(),
            );
        }
        !shaped.is_faulty(row)
    }

    /// Whether a reference is a column's whole value that may be null, with nothing in its place: what becomes of a row without it is
    /// the same whether it is shaped so or loses it afterwards.
    pub fn can_lose(&self, reference: usize) -> bool {
        let program = &self.entity.program;
        let mut holders = (0..program.outputs.len())
            .filter(|number| holds_reference(&program.outputs[*number].value, reference));
        let bears_null = |number: usize| {
            let output = &program.outputs[number];
            let alone = matches!(output.value, Value::Ref(_)) && output.default.is_none();
            alone && !output.required && !self.traits[number].key
        };
        holders.all(bears_null)
    }

    /// Makes a reference null that [can be lost](Self::can_lose), in rows that are to be written, where it leads to none of its parent's
    /// rows, of which all are counted.
    pub fn null_dangling(&self, shaped: &mut Shaped, reference: usize, parent: &Census) {
        let Some(input) = referring_input(&self.entity.program.refs[reference]) else {
            return;
        };
        for row in 0..shaped.rows() {
            let key = shaped.batch.get(row, input).and_then(value::integer);
            if key.and_then(|key| parent.lacks(key)) == Some(true) {
                self.null_references(shaped, row, &[reference]);
            }
        }
    }

    /// Whether an output is a reference, and nothing stands in its place where it is null.
    fn needs_value(&self, shaped: &Shaped, number: usize) -> bool {
        let output = &self.entity.program.outputs[number];
        matches!(output.value, Value::Ref(_))
            && (output.required || self.traits[number].key)
            && shaped.view(self.entity).constant(output.default).is_null()
    }
}
