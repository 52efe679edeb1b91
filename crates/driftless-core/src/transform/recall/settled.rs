use super::failures::{Failures, Told};
use super::values::Values;

/// What is known of an output that depends on its inputs' bytes alone. Answers and failures are given up each by itself: the
/// values that fail often are few and the same where all others are different.
#[derive(Debug)]
pub(super) struct Settled {
    answers: Option<Values>,
    failures: Option<Failures>,
}

/// What is known of one key.
#[derive(Debug)]
pub(super) enum Known<'m> {
    /// The answer; inside `None` for null.
    Answer(Option<&'m [u8]>),
    /// It fails.
    Failure(&'m Told),
    /// Nothing.
    Nothing,
}

impl Default for Settled {
    fn default() -> Settled {
        Settled {
            answers: Some(Values::default()),
            failures: Some(Failures::default()),
        }
    }
}

impl Settled {
    /// What is known of a key.
    pub(super) fn look_up(&mut self, key: &[u8]) -> Known<'_> {
        if let Some(told) = self.failures.as_mut().and_then(|known| known.look_up(key)) {
            return Known::Failure(told);
        }
        match self.answers.as_mut().and_then(|known| known.look_up(key)) {
            Some(answer) => Known::Answer(answer),
            None => Known::Nothing,
        }
    }

    /// The memory of answers, unless it was given up.
    pub(super) fn answers(&mut self) -> Option<&mut Values> {
        self.answers.as_mut()
    }

    /// The memory of failures, unless it was given up.
    pub(super) fn failures(&mut self) -> Option<&mut Failures> {
        self.failures.as_mut()
    }

    /// Whether answers are remembered.
    pub(super) fn remembers_answers(&self) -> bool {
        self.answers.is_some()
    }

    /// Whether failures are remembered.
    pub(super) fn remembers_failures(&self) -> bool {
        self.failures.is_some()
    }

    /// Whether looking up would tell something of any key, or of how often keys come again.
    pub(super) fn is_of_use(&self) -> bool {
        self.remembers_answers() || self.failures.as_ref().is_some_and(|known| !known.is_empty())
    }

    /// Gives up what does not help.
    pub(super) fn judge(&mut self) {
        self.answers.take_if(|known| !known.is_worth_it());
        self.failures.take_if(|known| !known.is_worth_it());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a column of prices is: hardly one comes twice, but `n/a` does.
    #[test]
    fn failures_stay_known_where_answers_are_given_up() {
        let mut settled = Settled::default();
        settled
            .failures()
            .expect("failures")
            .remember(b"n/a", "22P02", "no number");
        for number in 0..1_000_000_u32 {
            let key = number.to_be_bytes();
            assert!(settled.is_of_use() && settled.remembers_failures());
            if let Some(answers) = settled.answers() {
                answers.remember(&key, None);
                settled.look_up(&(number + 1).to_be_bytes());
            }
            settled.judge();
        }
        assert!(!settled.remembers_answers());
        assert!(matches!(settled.look_up(b"n/a"), Known::Failure(told) if &*told.message == "no number"));
    }
}
