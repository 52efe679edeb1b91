use crate::pipeline::Answer;
use crate::row::Column;

/// What a statement wants and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The oids of its parameters' types.
    pub params: Vec<u32>,
    /// The columns of its result; empty for a statement that gives none.
    pub columns: Vec<Column>,
    /// Whether it gives rows at all.
    pub gives_rows: bool,
}

impl From<Answer> for Description {
    fn from(answer: Answer) -> Description {
        Description {
            params: answer.params,
            gives_rows: answer.columns.is_some(),
            columns: answer.columns.map_or_else(Vec::new, |columns| columns.to_vec()),
        }
    }
}
