use std::fs;
use std::process::{Command, ExitCode};

use crate::workspace;

/// The fuzz targets, which are called as their files.
const TARGETS: [&str; 7] = [
    "copy_frames",
    "values",
    "rows",
    "mapping",
    "connection",
    "files",
    "server",
];

/// What is run.
struct Wishes {
    targets: Vec<String>,
    seconds: u64,
    check: bool,
}

impl Wishes {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Wishes, String> {
        let mut wishes = Wishes {
            targets: Vec::new(),
            seconds: 60,
            check: false,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--check" => wishes.check = true,
                "--seconds" => {
                    let value = arguments.next().and_then(|value| value.parse().ok());
                    wishes.seconds = value
                        .filter(|n| *n > 0)
                        .ok_or("--seconds needs a number above 0")?;
                }
                target if TARGETS.contains(&target) => wishes.targets.push(argument),
                _ => return Err(format!("fuzz {argument}: there are {}", TARGETS.join(", "))),
            }
        }
        if wishes.targets.is_empty() {
            wishes.targets = TARGETS.map(str::to_owned).into();
        }
        Ok(wishes)
    }
}

/// `cargo xtask fuzz`: runs targets one after the other, or only looks whether they build. What is found stays below
/// `fuzz/artifacts`, what was learned below `fuzz/corpus`.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let wishes = Wishes::read(arguments)?;
    let fuzz = workspace::root().join("fuzz");
    if wishes.check {
        // Without libFuzzer, which wants a C++ compiler.
        let mut cargo = workspace::cargo();
        cargo.args(["check", "--quiet", "--locked", "--bins", "--no-default-features"]);
        return succeed(cargo.current_dir(&fuzz));
    }
    for target in &wishes.targets {
        let corpus = fuzz.join("corpus").join(target);
        fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
        let mut cargo = workspace::cargo();
        cargo
            .args(["fuzz", "run", target])
            .arg(&corpus)
            .arg(fuzz.join("seeds").join(target))
            .args(["--", &format!("-max_total_time={}", wishes.seconds)])
            .args(["-rss_limit_mb=1024", "-malloc_limit_mb=256", "-timeout=10"])
            .current_dir(&fuzz)
            // Sanitizers are not stable; the compiler that builds everything else builds this too.
            .env("RUSTC_BOOTSTRAP", "1");
        if succeed(&mut cargo)? != ExitCode::SUCCESS {
            return Err(format!(
                "{target} found something, or cargo-fuzz is not installed (cargo install cargo-fuzz)"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn succeed(command: &mut Command) -> Result<ExitCode, String> {
    let status = command
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_wrong_ones_refused() {
        let read = |line: &str| Wishes::read(line.split_whitespace().map(str::to_owned));
        assert_eq!(read("").unwrap().targets, TARGETS);
        let wishes = read("values --seconds 5").unwrap();
        assert_eq!((wishes.targets, wishes.seconds), (vec!["values".to_owned()], 5));
        assert!(read("--check").unwrap().check);
        for wrong in ["nothing", "--seconds", "--seconds 0"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_target_has_a_file_and_seeds() {
        for target in TARGETS {
            let fuzz = workspace::root().join("fuzz");
            assert!(fuzz.join(format!("targets/{target}.rs")).is_file(), "{target}");
            assert!(fuzz.join("seeds").join(target).is_dir(), "{target}");
        }
    }
}
