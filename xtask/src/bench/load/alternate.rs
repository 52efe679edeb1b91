use super::contender::Run;
use super::spread::Spread;

/// The runs of one contender, one a round.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) runs: Vec<Run>,
}

impl Series {
    /// The ratio within each round: what disturbs a round disturbs all of it.
    pub(super) fn ratio(series: &Series, base: &Series) -> Spread {
        let rounds = series.runs.iter().zip(&base.runs);
        Spread::of(rounds.map(|(run, base)| run.seconds / base.seconds))
    }
}

/// A contender's name, and what runs it once.
pub(super) type Turn<'a> = (&'a str, &'a dyn Fn() -> Result<Run, String>);

/// Runs everybody once a round, in every second round in the opposite order.
pub(super) fn alternate(rounds: usize, turns: &[Turn<'_>]) -> Result<Vec<Series>, String> {
    let mut series: Vec<Series> = turns
        .iter()
        .map(|(name, _)| Series {
            name: (*name).to_owned(),
            runs: Vec::new(),
        })
        .collect();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..turns.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (name, turn) = turns[at];
            let run = turn()?;
            eprintln!("{} of {rounds}: {name:20} {:.2} s", round + 1, run.seconds);
            series[at].runs.push(run);
        }
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn every_second_round_goes_the_other_way() {
        let order = RefCell::new(Vec::new());
        let turn = |name: &'static str, seconds| {
            order.borrow_mut().push(name);
            Ok(Run::took(seconds))
        };
        let series = alternate(2, &[("a", &|| turn("a", 1.0)), ("b", &|| turn("b", 3.0))]).unwrap();
        assert_eq!(*order.borrow(), ["a", "b", "b", "a"]);
        assert_eq!(Series::ratio(&series[1], &series[0]).median, 3.0);
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let series = |seconds: [f64; 2]| Series {
            name: String::new(),
            runs: seconds.map(Run::took).into(),
        };
        let ratio = Series::ratio(&series([2.0, 30.0]), &series([1.0, 10.0]));
        assert_eq!(ratio.text(), "2.50 (2.00-3.00)");
    }
}
