//! The text of an evaluation.

use super::entity::{Evaluation, EvaluationOutput};
use crate::name::quote_ident;

impl Evaluation {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// The same with these outputs alone, and the inputs that they are computed from.
    pub fn part(&self, outputs: &[usize]) -> Evaluation {
        let mut inputs: Vec<usize> = outputs
            .iter()
            .flat_map(|output| &self.outputs[*output].inputs)
            .copied()
            .collect();
        inputs.sort_unstable();
        inputs.dedup();
        let renumbered = |output: &usize| {
            let output = self.outputs[*output].clone();
            let own = output.inputs.iter();
            let found = own.filter_map(|number| inputs.binary_search(number).ok());
            EvaluationOutput {
                inputs: found.collect(),
                ..output
            }
        };
        Evaluation {
            outputs: outputs.iter().map(renumbered).collect(),
            inputs: inputs.iter().map(|input| self.inputs[*input].clone()).collect(),
        }
    }

    /// One query that evaluates for all rows: `SELECT ord, answers…`, parameters one array per input, in order.
    pub fn sql(&self) -> String {
        let mut names = Vec::new();
        let mut arrays = Vec::new();
        let mut shown = Vec::new();
        for (number, input) in self.inputs.iter().enumerate() {
            let name = quote_ident(&input.name);
            arrays.push(format!("pg_catalog.unnest(${})", number + 1));
            shown.push(match &input.cast {
                Some(cast) => format!("{name}::{cast} AS {name}"),
                None => name.clone(),
            });
            names.push(name);
        }
        names.push("\"driftless ord\"".to_owned());
        shown.push("\"driftless ord\"".to_owned());
        let answers: Vec<&str> = self.outputs.iter().map(|output| output.sql.as_str()).collect();
        format!(
            "SELECT \"driftless ord\", {}\nFROM (SELECT {} FROM ROWS FROM ({}) WITH ORDINALITY AS u({})) AS s",
            answers.join(",\n  "),
            shown.join(", "),
            arrays.join(", "),
            names.join(", ")
        )
    }
}
