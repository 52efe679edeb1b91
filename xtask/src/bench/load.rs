use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Median and spread.
mod spread;
/// The two servers, and the programs that work on them.
mod ground;
/// What is loaded, and what has to become of it.
mod scene;
/// Finished rows from files: the least that has to be done.
mod floor;
/// `driftless migrate`, as it is run here.
mod migrate;
/// What is compared, each as one measured run.
mod contender;
/// `psql | psql`.
mod pipe;
/// `pgcopydb clone`.
mod clone;
/// Runs in alternation.
mod alternate;
/// What came out, as a table.
mod table;
/// Patients: driftless beside the others.
mod comparison;
/// The dental laboratory, large.
mod lab;
/// Servers that are far away.
mod latency;
/// Memory and time per row, as loads grow.
mod memory;
/// What checkpoints cost.
mod checkpoints;
/// What a kill costs.
mod resume;
/// Where driftless spends its time.
mod flame;
/// Where the servers spend theirs.
mod statements;

use ground::Ground;
use scene::Scene;

/// What is measured.
pub(crate) struct Wishes {
    /// Rows: patients, or those of the laboratory over all entities. What a part is measured with where it is not said
    /// depends on the part.
    rows: Option<u64>,
    /// How often every contender runs.
    pairs: Option<usize>,
    /// Whether three columns are SQL expressions.
    expressions: bool,
    /// Whether the servers write to the disk as production does.
    durable: bool,
    /// With which profile driftless is built.
    profile: String,
    /// A driftless that is built already: to measure an earlier state.
    program: Option<PathBuf>,
    /// Rows of the loads whose memory and time per row are compared.
    ladder: Vec<u64>,
    /// In the order in which they were named.
    parts: Vec<Part>,
}

/// One thing that is measured.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Comparison,
    /// The same with three SQL expressions.
    Expressions,
    Lab,
    Latency(Duration),
    Memory,
    Checkpoints,
    Resume,
    Flame(PathBuf),
    /// Of the laboratory, or of patients.
    Statements {
        lab: bool,
    },
}

impl Wishes {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Wishes, String> {
        let mut wishes = Wishes {
            rows: None,
            pairs: None,
            expressions: false,
            durable: false,
            profile: "release".to_owned(),
            program: None,
            ladder: vec![100_000, 5_000_000],
            parts: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--rows" => wishes.rows = Some(positive(&argument, &value()?)?),
                "--pairs" => wishes.pairs = Some(positive(&argument, &value()?)?),
                "--expressions" => wishes.expressions = true,
                "--durable" => wishes.durable = true,
                "--profile" => wishes.profile = value()?,
                "--program" => wishes.program = Some(value()?.into()),
                "--compare" => wishes.parts.push(Part::Comparison),
                "--lab" => wishes.parts.push(Part::Lab),
                "--latency" => wishes.parts.push(Part::Latency(milliseconds(&value()?)?)),
                "--memory" => wishes.parts.push(Part::Memory),
                "--ladder" => wishes.ladder = ladder(&value()?)?,
                "--checkpoints" => wishes.parts.push(Part::Checkpoints),
                "--resume" => wishes.parts.push(Part::Resume),
                "--flame" => wishes.parts.push(Part::Flame(value()?.into())),
                "--statements" => wishes.parts.push(Part::Statements {
                    lab: lab_of(&value()?)?,
                }),
                _ => return Err(format!("bench load knows no {argument}")),
            }
        }
        if wishes.parts.is_empty() {
            let both = [Part::Comparison, Part::Expressions];
            wishes
                .parts
                .extend(both.into_iter().skip(usize::from(wishes.expressions)));
        }
        Ok(wishes)
    }

    fn rows(&self) -> u64 {
        self.rows.unwrap_or(100_000)
    }
}

fn positive<N: std::str::FromStr + PartialOrd + Default>(name: &str, value: &str) -> Result<N, String> {
    let number = value.parse().ok().filter(|number| *number > N::default());
    number.ok_or(format!("{name} {value}: a number above 0 is needed"))
}

/// `100000,5000000`.
fn ladder(value: &str) -> Result<Vec<u64>, String> {
    let sizes = value.split(',');
    sizes.map(|rows| positive("--ladder", rows)).collect()
}

/// Which of the two.
fn lab_of(value: &str) -> Result<bool, String> {
    match value {
        "lab" => Ok(true),
        "patients" => Ok(false),
        _ => Err(format!("--statements {value}: lab or patients")),
    }
}

/// `20ms`.
fn milliseconds(value: &str) -> Result<Duration, String> {
    let number = value.strip_suffix("ms").and_then(|number| number.parse().ok());
    number
        .map(Duration::from_millis)
        .ok_or(format!("{value}: milliseconds are needed, such as 20ms"))
}

/// Measures in one run, everything in alternation, so that what else the machine does hits all alike.
pub(crate) fn run(wishes: &Wishes) -> Result<ExitCode, String> {
    let ground = Ground::prepare(wishes)?;
    for part in &wishes.parts {
        println!("{}", measure(&ground, wishes, part)?);
    }
    let program = wishes.program.as_ref().map_or_else(
        || format!("profile {}", wishes.profile),
        |file| file.display().to_string(),
    );
    print!("{}", table::machine(&ground, &program));
    Ok(ExitCode::SUCCESS)
}

fn measure(ground: &Ground, wishes: &Wishes, part: &Part) -> Result<String, String> {
    let patients = || Scene::patients(ground, wishes.rows(), wishes.expressions);
    let pairs = wishes.pairs.unwrap_or(3);
    match part {
        Part::Comparison => comparison::measure(ground, &patients()?, wishes.expressions, pairs),
        Part::Expressions => {
            let scene = Scene::patients(ground, wishes.rows(), true)?;
            comparison::measure(ground, &scene, true, pairs)
        }
        Part::Lab => lab::measure(ground, wishes.rows.unwrap_or(lab::GOAL_ROWS), pairs),
        Part::Latency(delay) => latency::measure(ground, &patients()?, *delay, pairs),
        Part::Memory => memory::measure(ground, &wishes.ladder, pairs),
        // The goal speaks of seven pairs.
        Part::Checkpoints => checkpoints::measure(ground, &patients()?, wishes.pairs.unwrap_or(7)),
        Part::Resume => resume::measure(ground, &patients()?, pairs),
        Part::Flame(svg) => flame::measure(ground, &patients()?, svg),
        Part::Statements { lab: true } => statements::measure(
            ground,
            &lab::scene(ground, wishes.rows.unwrap_or(lab::GOAL_ROWS))?,
        ),
        Part::Statements { lab: false } => statements::measure(ground, &patients()?),
    }
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
        assert_eq!(
            (wishes.rows(), wishes.pairs, wishes.expressions),
            (5, Some(7), true)
        );
        assert_eq!(read("").unwrap().rows(), 100_000);
        assert_eq!(read("").unwrap().parts, [Part::Comparison, Part::Expressions]);
        assert_eq!(read("--expressions").unwrap().parts, [Part::Expressions]);
        assert_eq!(read("--compare").unwrap().parts, [Part::Comparison]);
        let parts = read("--latency 20ms --lab").unwrap().parts;
        assert_eq!(parts, [Part::Latency(Duration::from_millis(20)), Part::Lab]);
        for wrong in [
            "--rows",
            "--rows 0",
            "--pairs x",
            "--fast",
            "--latency 20",
            "--ladder 1,x",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
