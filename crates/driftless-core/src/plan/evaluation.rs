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

    /// Whether nothing but rules is asked: then an answer tells of the rows that they refuse, and of no others.
    pub fn asks_rules_alone(&self) -> bool {
        self.outputs.iter().all(|output| output.for_rules)
    }

    /// One query that evaluates for all rows: `SELECT ord, answers…`, parameters one array per input, in order, or the number of
    /// rows where there is no input. Where [rules alone](Evaluation::asks_rules_alone) are asked it answers for rows that one of them refuses.
    pub fn sql(&self) -> String {
        let outputs = self.outputs.iter().map(|output| output.sql.as_str());
        if !self.asks_rules_alone() {
            let answers: Vec<&str> = outputs.collect();
            return format!("SELECT {ORD}, {}\nFROM {}", answers.join(",\n  "), self.rows());
        }
        let (mut names, mut answers, mut refuses) = (Vec::new(), Vec::new(), Vec::new());
        for (number, output) in outputs.enumerate() {
            let name = format!("\"driftless rule {}\"", number + 1);
            answers.push(format!("{output} AS {name}"));
            refuses.push(format!("{name} IS FALSE"));
            names.push(name);
        }
        // OFFSET 0 keeps PostgreSQL from writing the rules into WHERE a second time, where OR may pass over those behind one that refuses.
        format!(
            "SELECT {ORD}, {}\nFROM (SELECT {ORD}, {}\nFROM {} OFFSET 0) AS judged\nWHERE {}",
            names.join(", "),
            answers.join(",\n  "),
            self.rows(),
            refuses.join(" OR ")
        )
    }

    /// The rows, as they stand in FROM, with a column for each input by its name. Sets in a SELECT list go side by side, row by row,
    /// where those of FROM are gathered first, each by itself.
    fn rows(&self) -> String {
        if self.inputs.is_empty() {
            return format!("pg_catalog.generate_series(1::int8, $1::int8) AS {ORD}");
        }
        let (mut shown, mut sets) = (vec![ORD.to_owned()], Vec::new());
        for (number, input) in self.inputs.iter().enumerate() {
            let name = quote_ident(&input.name);
            sets.push(format!("pg_catalog.unnest(${}) AS {name}", number + 1));
            shown.push(match &input.cast {
                Some(cast) => format!("{name}::{cast} AS {name}"),
                None => name,
            });
        }
        format!(
            "(SELECT {} FROM (SELECT pg_catalog.generate_series(1::int8, pg_catalog.cardinality($1)::int8) AS {ORD}, {}) AS u) AS s",
            shown.join(", "),
            sets.join(", ")
        )
    }
}

/// The column that numbers rows, from 1.
const ORD: &str = "\"driftless ord\"";
