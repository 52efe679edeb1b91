//! The text of an evaluation.

use super::entity::Evaluation;
use crate::name::quote_ident;

impl Evaluation {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
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
