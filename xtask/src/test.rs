use std::process::ExitCode;

use driftless_testkit::Binaries;
use driftless_testkit::servers::{SOURCE_ADMIN_URL, TARGET_ADMIN_URL, start_pair};

use crate::workspace;

/// What a test run is told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wishes {
    /// The majors of the source's server and of the target's; the machine's own server programs where none is named.
    majors: [Option<u32>; 2],
    /// For `cargo nextest run`.
    arguments: Vec<String>,
}

impl Wishes {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wishes = Self::default();
        while let Some(argument) = arguments.next() {
            let [source, target] = &mut wishes.majors;
            let major = match argument.as_str() {
                "--source" => source,
                "--target" => target,
                _ => {
                    wishes.arguments.push(argument);
                    continue;
                }
            };
            let number = arguments.next().unwrap_or_default();
            *major =
                Some(number.parse().map_err(|_| {
                    format!("{argument} {number:?}: a major version of PostgreSQL is wanted")
                })?);
        }
        Ok(wishes)
    }

    /// Whether a package is named; without one the whole workspace is tested.
    fn names_package(&self) -> bool {
        let names = |a: &String| a.starts_with("-p") || a.starts_with("--package");
        self.arguments.iter().any(names)
    }
}

/// Starts one server pair, runs the tests against it, and stops it. `--source` and `--target` choose the major of each
/// server, the other arguments go to `cargo nextest run`; without `-p` the whole workspace is tested. The summary of
/// nextest is the last thing printed.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let wishes = Wishes::read(arguments)?;
    let [source, target] = wishes
        .majors
        .map(|major| major.map(Binaries::of_major).transpose());
    let pair = source.and_then(|source| start_pair([source, target?]));
    let (source, target) = pair.map_err(|error| format!("{error}\n  {}", error.remedy()))?;
    let status = workspace::cargo()
        .args(["nextest", "run"])
        .args((!wishes.names_package()).then_some("--workspace"))
        .args(&wishes.arguments)
        .current_dir(workspace::root())
        .env(SOURCE_ADMIN_URL, source.admin_url())
        .env(TARGET_ADMIN_URL, target.admin_url())
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &str) -> Result<Wishes, String> {
        Wishes::read(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn majors_are_told_from_what_goes_to_nextest() {
        let wishes = read("--source 14 -p driftless-pg --target 18 copy").unwrap();
        assert_eq!(wishes.majors, [Some(14), Some(18)]);
        assert_eq!(wishes.arguments, ["-p", "driftless-pg", "copy"]);
        assert!(wishes.names_package());
        assert_eq!(read("copy").unwrap().majors, [None, None]);
        assert!(read("--source new").unwrap_err().contains("--source \"new\""));
    }
}
