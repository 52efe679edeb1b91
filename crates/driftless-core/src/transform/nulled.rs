//! References that become null behind the shaping, because the target refuses the row with them.

use crate::plan::Value;

use super::Shaper;
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

    /// Whether an output is a reference, and nothing stands in its place where it is null.
    fn needs_value(&self, shaped: &Shaped, number: usize) -> bool {
        let output = &self.entity.program.outputs[number];
        matches!(output.value, Value::Ref(_))
            && (output.required || self.traits[number].key)
            && shaped.view(self.entity).constant(output.default).is_null()
    }
}
