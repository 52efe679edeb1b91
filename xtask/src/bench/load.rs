use std::path::PathBuf;
use std::process::ExitCode;

/// The two servers, filled, and the programs that work on them.
mod ground;
/// What is compared, each as one measured run.
mod contender;
/// What came out, as a table.
mod table;

use contender::{Contender, Run};
use ground::Ground;

/// What is measured.
pub(crate) struct Wishes {
    /// Patients.
    rows: u64,
    /// How often every contender runs.
    pairs: usize,
    /// Whether three columns are SQL expressions.
    expressions: bool,
    /// With which profile driftless is built.
    profile: String,
    /// A driftless that is built already: to measure an earlier state.
    program: Option<PathBuf>,
}

impl Wishes {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Wishes, String> {
        let mut wishes = Wishes {
            rows: 100_000,
            pairs: 3,
            expressions: false,
            profile: "release".to_owned(),
            program: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--rows" => wishes.rows = positive(&argument, &value()?)?,
                "--pairs" => wishes.pairs = positive(&argument, &value()?)?,
                "--expressions" => wishes.expressions = true,
                "--profile" => wishes.profile = value()?,
                "--program" => wishes.program = Some(value()?.into()),
                _ => return Err(format!("bench load knows no {argument}")),
            }
        }
        Ok(wishes)
    }
}

fn positive<N: std::str::FromStr + PartialOrd + Default>(name: &str, value: &str) -> Result<N, String> {
    let number = value.parse().ok().filter(|number| *number > N::default());
    number.ok_or(format!("{name} {value}: a number above 0 is needed"))
}

/// Measures in one run, everything in alternation, so that what else the machine does hits all alike.
pub(crate) fn run(wishes: &Wishes) -> Result<ExitCode, String> {
    let ground = Ground::prepare(wishes)?;
    eprintln!("warming up; the floor's files are taken from this load");
    contender::run(&ground, Contender::Driftless)?;
    ground.keep_files()?;
    let mut runs: Vec<Run> = Vec::new();
    for pair in 0..wishes.pairs {
        let mut order = [Contender::Floor, Contender::Driftless, Contender::Pipe];
        if pair % 2 == 1 {
            order.reverse();
        }
        for contender in order {
            let run = contender::run(&ground, contender)?;
            eprintln!(
                "{} of {}: {:9} {:.2} s",
                pair + 1,
                wishes.pairs,
                contender.name(),
                run.seconds
            );
            runs.push(run);
        }
    }
    print!("{}", table::render(wishes, &ground, &runs));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Wishes, String> {
        Wishes::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read_and_wrong_ones_refused() {
        let wishes = read("--rows 5 --expressions --pairs 7 --profile demo").unwrap();
        assert_eq!((wishes.rows, wishes.pairs, wishes.expressions), (5, 7, true));
        assert_eq!(read("").unwrap().rows, 100_000);
        for wrong in ["--rows", "--rows 0", "--pairs x", "--fast"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
