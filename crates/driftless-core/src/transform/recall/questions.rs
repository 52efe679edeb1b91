use std::collections::BTreeMap;

/// What is left to ask for the rows of a batch, and what is known to be wrong with others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Questions {
    /// Questions to the target. No row is in two of them.
    pub asked: Vec<Question>,
    /// Remembered failures, one of a row, by row. It is what is wrong with the row, unless the row is in a question and fails there.
    pub failures: Vec<Failure>,
}

/// Outputs that are asked about rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// The outputs, by number, ascending.
    pub outputs: Vec<usize>,
    /// The rows.
    pub rows: Vec<usize>,
}

/// An output that fails for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The output's number.
    pub output: usize,
    /// The row's number in its batch.
    pub row: usize,
    /// The SQLSTATE that the target gave.
    pub sqlstate: String,
    /// What the target said. It may hold values, as the message of a row's fault.
    pub message: String,
}

/// What is not known of a batch, gathered output by output in their order.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Outputs that are asked about all rows.
    everywhere: Vec<usize>,
    /// The first output of which a row's answer is not known, those above not counted.
    first: BTreeMap<usize, usize>,
    /// The first failure of a row that is known.
    failing: BTreeMap<usize, Failure>,
}

impl Gaps {
    /// An output is asked about all rows.
    pub(super) fn ask_everywhere(&mut self, output: usize) {
        self.everywhere.push(output);
    }

    /// The answer of an output is not known for these rows.
    pub(super) fn ask(&mut self, output: usize, rows: Vec<usize>) {
        for row in rows {
            self.first.entry(row).or_insert(output);
        }
    }

    /// An output is known to fail for a row.
    pub(super) fn fails(&mut self, row: usize, failure: impl FnOnce() -> Failure) {
        self.failing.entry(row).or_insert_with(failure);
    }

    /// What has to be asked of an evaluation with so many outputs: see the rules of [the module](super).
    pub(super) fn questions(self, width: usize, rows: &[usize]) -> Questions {
        let mut below: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for failure in self.failing.values() {
            let unknown = self
                .first
                .get(&failure.row)
                .into_iter()
                .chain(self.everywhere.first());
            if unknown.min().is_some_and(|unknown| *unknown < failure.output) {
                below.entry(failure.output).or_default().push(failure.row);
            }
        }
        let sound = rows.iter().copied().filter(|row| !self.failing.contains_key(row));
        let (whole, others) = sound.partition(|row| self.first.contains_key(row));
        let mut asked = vec![Question {
            outputs: self.everywhere,
            rows: others,
        }];
        asked.extend(below.into_iter().map(|(output, rows)| Question {
            outputs: (0..output).collect(),
            rows,
        }));
        asked.push(Question {
            outputs: (0..width).collect(),
            rows: whole,
        });
        asked.retain(|question| !question.outputs.is_empty() && !question.rows.is_empty());
        Questions {
            asked,
            failures: self.failing.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(output: usize, row: usize) -> Failure {
        Failure {
            output,
            row,
            sqlstate: "22P02".to_owned(),
            message: format!("{output} of {row}"),
        }
    }

    fn question(outputs: impl Into<Vec<usize>>, rows: impl Into<Vec<usize>>) -> Question {
        Question {
            outputs: outputs.into(),
            rows: rows.into(),
        }
    }

    /// Of five outputs, 1 is asked everywhere; 3 is not known for row 7, and neither is 0 for row 8.
    fn gaps(failing: &[(usize, usize)]) -> Questions {
        let mut gaps = Gaps::default();
        gaps.ask_everywhere(1);
        gaps.ask(0, vec![8]);
        gaps.ask(3, vec![7, 8]);
        for (output, row) in failing {
            gaps.fails(*row, || failure(*output, *row));
        }
        gaps.questions(5, &[2, 4, 7, 8])
    }

    #[test]
    fn a_row_of_which_something_is_not_known_is_asked_whole() {
        let questions = gaps(&[]);
        assert_eq!(
            questions.asked,
            [question([1], [2, 4]), question([0, 1, 2, 3, 4], [7, 8])]
        );
        assert!(questions.failures.is_empty());
    }

    #[test]
    fn a_failure_with_nothing_unknown_below_is_not_asked_about() {
        // Whether output 3 fails for row 7 as well does not matter.
        let questions = gaps(&[(0, 4), (1, 7)]);
        assert_eq!(
            questions.asked,
            [question([1], [2]), question([0, 1, 2, 3, 4], [8])]
        );
        assert_eq!(questions.failures, [failure(0, 4), failure(1, 7)]);
    }

    #[test]
    fn what_may_fail_below_a_known_failure_is_asked_and_nothing_else() {
        let questions = gaps(&[(1, 8), (2, 4), (4, 7), (4, 2)]);
        assert_eq!(
            questions.asked,
            [
                question([0], [8]),
                question([0, 1], [4]),
                question([0, 1, 2, 3], [2, 7])
            ]
        );
        assert_eq!(questions.failures.len(), 4);
    }

    #[test]
    fn of_several_known_failures_the_first_output_counts() {
        assert_eq!(gaps(&[(0, 2), (4, 2)]).failures, [failure(0, 2)]);
    }
}
