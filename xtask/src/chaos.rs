use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use driftless_testkit::pg_dump_schema_without;
use driftless_testkit::workload;
use tokio::runtime::Runtime;

use crate::bench::program::build;

/// What goes wrong, and when.
mod choice;
/// The servers, and a disk that can be filled.
mod ground;
/// Two databases, a mapping, and the program.
mod desk;
/// How a program may end.
mod ending;
/// An application beside a load.
mod motion;
/// Faults, done to a program at work.
mod strike;

use choice::{Choice, Fault, Side};
use desk::{Desk, Ended};
use ending::undisturbed;
use ground::Ground;
use motion::Motion;
use strike::strike;

/// How long a start may say that somebody else is at work, whose server has not noticed yet that he is dead.
const HELD: Duration = Duration::from_secs(30);

/// What is wanted.
struct Wishes {
    runs: u64,
    seed: u64,
    /// One run alone, by its number from 1.
    run: Option<u64>,
    /// How many runs go on side by side, each with servers of its own.
    jobs: usize,
    /// A driftless that is built already.
    program: Option<PathBuf>,
}

/// What a run came to.
struct Outcome {
    kind: String,
    /// Whether the program went on by itself to the end.
    by_itself: bool,
    /// Loads that were over before the fault met them.
    missed: u64,
    seconds: f64,
}

/// A run that failed.
struct Failed {
    number: u64,
    kind: String,
    /// Whether the fault had fired before.
    fired: bool,
}

/// `cargo xtask chaos load`: loads that are disturbed, continued, and looked at row by row.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    match arguments.next().as_deref() {
        Some("load") => load(Wishes::read(arguments)?),
        other => Err(format!(
            "chaos {}: there is `chaos load`",
            other.unwrap_or_default()
        )),
    }
}

impl Wishes {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Wishes, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut wishes = Wishes {
            runs: 20,
            seed: u64::from(now.subsec_nanos()),
            run: None,
            jobs: 1,
            program: None,
        };
        while let Some(argument) = arguments.next() {
            let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| format!("{argument} {value}: a number is needed"))
            };
            match argument.as_str() {
                "--runs" => wishes.runs = number()?,
                "--seed" => wishes.seed = number()?,
                "--run" => wishes.run = Some(number()?),
                "--jobs" => wishes.jobs = usize::try_from(number()?.max(1)).unwrap_or(1),
                "--program" => wishes.program = Some(value.into()),
                _ => return Err(format!("chaos load knows no {argument}")),
            }
        }
        Ok(wishes)
    }

    /// The runs, numbered from 0.
    fn numbers(&self) -> Range<u64> {
        match self.run {
            Some(run) => run.saturating_sub(1)..run,
            None => 0..self.runs,
        }
    }
}

fn load(wishes: Wishes) -> Result<ExitCode, String> {
    let numbers = wishes.numbers();
    println!(
        "chaos load: {} runs, --seed {}",
        numbers.end - numbers.start,
        wishes.seed
    );
    let program = match &wishes.program {
        Some(program) => program.clone(),
        None => build("dev")?,
    };
    let started = Instant::now();
    let came = side_by_side(&wishes, numbers, &program)?;
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for one in came {
        match one {
            Ok(outcome) => outcomes.push(outcome),
            Err(failure) => failed.push(failure),
        }
    }
    print!("{}", table(&outcomes, &failed));
    let runs = outcomes.len() + failed.len();
    println!(
        "{runs} runs, {} passed, {} failed, {} faults missed their moment and were moved, in {:.0} s; --seed {}",
        outcomes.len(),
        failed.len(),
        outcomes.iter().filter(|one| one.missed > 0).count(),
        started.elapsed().as_secs_f64(),
        wishes.seed
    );
    for Failed { number, .. } in &failed {
        println!(
            "again: cargo xtask chaos load --seed {} --run {number}",
            wishes.seed
        );
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Does the runs, as many at once as are wished. What a run draws does not depend on which others go on beside it.
fn side_by_side(
    wishes: &Wishes,
    numbers: Range<u64>,
    program: &Path,
) -> Result<Vec<Result<Outcome, Failed>>, String> {
    let mut first = prepare(program)?;
    measure(&mut first)?;
    let mut grounds = vec![first];
    for _ in 1..wishes.jobs {
        let traffic = grounds[0].traffic.clone();
        grounds.push(Ground {
            traffic,
            ..prepare(program)?
        });
    }
    let left = Mutex::new(numbers);
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let job = |mut ground: Ground| {
            let mut came = Vec::new();
            while let Some(number) = next() {
                let choice = Choice::of(wishes.seed, number, ground.disk.is_some());
                came.push(one(&mut ground, &choice, number));
                if came.last().is_some_and(Result::is_err) {
                    ground.mend()?;
                }
            }
            Ok::<_, String>(came)
        };
        let jobs: Vec<_> = grounds
            .into_iter()
            .map(|ground| scope.spawn(move || job(ground)))
            .collect();
        let mut all = Vec::new();
        for job in jobs {
            all.extend(job.join().map_err(|_| "a job panicked, see above".to_owned())??);
        }
        Ok(all)
    })
}

fn prepare(program: &Path) -> Result<Ground, String> {
    Runtime::new()
        .map_err(|error| format!("no runtime: {error}"))?
        .block_on(Ground::prepare(program.to_owned()))
}

/// One run, and a line about it.
fn one(ground: &mut Ground, choice: &Choice, number: u64) -> Result<Outcome, Failed> {
    let number = number + 1;
    let begun = Instant::now();
    let came = alone(ground, choice);
    let seconds = begun.elapsed().as_secs_f64();
    match came {
        Ok((by_itself, missed)) => {
            let how = if by_itself {
                "went on by itself"
            } else {
                "continued"
            };
            let again = if missed > 0 {
                format!(", met at the {}. load", missed + 1)
            } else {
                String::new()
            };
            println!("run {number}: {choice}: {how}{again}, {seconds:.1} s");
            Ok(Outcome {
                kind: choice.fault.kind(),
                by_itself,
                missed,
                seconds,
            })
        }
        Err(error) => {
            println!("run {number}: {choice}: FAILED, {seconds:.1} s\n{error}");
            Err(Failed {
                number,
                kind: choice.fault.kind(),
                fired: ground.fired,
            })
        }
    }
}

/// A load that nothing disturbs: what passes between it and the servers.
fn measure(ground: &mut Ground) -> Result<(), String> {
    let quiet = Choice {
        fault: Fault::Delay(Side::Source, driftless_testkit::Direction::ToServer, 0),
        at: choice::Moment { step: None, after: 0 },
        moving: false,
        silent: true,
        workload: 0,
    };
    within(async {
        let desk = Desk::lay(ground, &quiet, false).await?;
        let ended = desk.run(&["migrate"]).await?;
        if !ended.is_done() {
            return Err(format!(
                "a load that nothing disturbs ended with {}:\n{}",
                ended.status, ended.said
            ));
        }
        right(&desk).await?;
        let traffic = [Side::Source, Side::Target].map(|side| desk.proxy(side).traffic());
        drop(desk);
        ground.traffic = traffic;
        Ok(())
    })
}

/// One run, with a runtime of its own: whatever it leaves behind goes with it.
fn alone(ground: &mut Ground, choice: &Choice) -> Result<(bool, u64), String> {
    within(disturbed(ground, choice))
}

/// Runs to the end. The testkit panics where it cannot do its work; here that is a run that failed.
fn within<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    let done = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    runtime.shutdown_background();
    done.unwrap_or_else(|_| Err("the testkit could not do its work, see above".to_owned()))
}

/// Disturbs a load, continues it, and looks.
async fn disturbed(ground: &mut Ground, choice: &Choice) -> Result<(bool, u64), String> {
    ground.fired = false;
    let on_small_disk = matches!(choice.fault, Fault::DiskFull(_));
    let mut desk = Desk::lay(ground, choice, on_small_disk).await?;
    let before = pg_dump_schema_without(&desk.target.url(), "driftless");
    if choice.moving {
        desk.motion = Motion::start(&desk.source, choice.workload).await;
    }
    let struck = strike(ground, &desk, choice).await?;
    let continued = go_on(&desk).await?;
    let moved = desk.motion.end().await;
    let wrong = |error: String| {
        format!(
            "{error}\nthe disturbed load said:\n{}\nthe next one said:\n{}",
            struck.ended.said, continued.said
        )
    };
    moved.map_err(wrong)?;
    right(&desk).await.map_err(wrong)?;
    if pg_dump_schema_without(&desk.target.url(), "driftless") != before {
        return Err(wrong(
            "definitions of the target are others than before".to_owned(),
        ));
    }
    if !choice.moving {
        let validated = desk.run(&["validate"]).await?;
        if !validated.is_done() {
            return Err(wrong(format!(
                "validate ended with {}:\n{}",
                validated.status, validated.said
            )));
        }
    }
    let by_itself = struck.ended.is_done() && struck.ended.went_on();
    Ok((by_itself, struck.missed))
}

/// What the operator would do: the same command again.
async fn go_on(desk: &Desk) -> Result<Ended, String> {
    let since = Instant::now();
    loop {
        let ended = desk.run(&["migrate"]).await?;
        undisturbed(&ended)?;
        if ended.is_done() {
            return if workload::is_done(&desk.target).await {
                Ok(ended)
            } else {
                Err(format!(
                    "it says that it is done, and the state does not:\n{}",
                    ended.said
                ))
            };
        }
        if since.elapsed() > HELD {
            return Err(format!(
                "continued, it ended with {}:\n{}",
                ended.status, ended.said
            ));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The target is what the source was under the last snapshot.
async fn right(desk: &Desk) -> Result<(), String> {
    let differences = workload::differences(&desk.source, &desk.target).await;
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("\n"))
    }
}

/// Figures by kind.
fn table(outcomes: &[Outcome], failed: &[Failed]) -> String {
    let mut kinds: BTreeMap<&str, (Vec<&Outcome>, Vec<&Failed>)> = BTreeMap::new();
    for outcome in outcomes {
        kinds.entry(&outcome.kind).or_default().0.push(outcome);
    }
    for failure in failed {
        kinds.entry(&failure.kind).or_default().1.push(failure);
    }
    let mut text = format!(
        "{:36} {:>5} {:>6} {:>7} {:>10} {:>7} {:>8}\n",
        "fault", "runs", "fired", "passed", "by itself", "missed", "s a run"
    );
    for (kind, (passed, failures)) in kinds {
        let seconds: f64 = passed.iter().map(|one| one.seconds).sum();
        let fired = failures.iter().filter(|one| one.fired).count();
        text.push_str(&format!(
            "{kind:36} {:>5} {:>6} {:>7} {:>10} {:>7} {:>8.1}\n",
            passed.len() + failures.len(),
            passed.len() + fired,
            passed.len(),
            passed.iter().filter(|one| one.by_itself).count(),
            passed.iter().map(|one| one.missed).sum::<u64>(),
            seconds / (passed.len().max(1)) as f64,
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_wrong_ones_refused() {
        let read = |line: &str| Wishes::read(line.split_whitespace().map(str::to_owned));
        let wishes = read("--runs 7 --seed 9").unwrap();
        assert_eq!((wishes.seed, wishes.numbers()), (9, 0..7));
        assert_eq!(read("--run 3").unwrap().numbers(), 2..3);
        for wrong in ["--runs", "--seed x", "--fast 1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
