//! Automation: `cargo xtask lint` checks the invariants of the architecture, `cargo xtask test` runs the tests
//! against one pair of servers, `cargo xtask postgres` installs servers of PostgreSQL 14 to 18 for them, `cargo xtask bench`
//! measures, `cargo xtask chaos` disturbs loads, `cargo xtask fuzz` fuzzes, `cargo xtask docs` writes what is generated in `docs/`.

use std::env;
use std::process::ExitCode;

/// Rust source as the lints see it: without comments, strings or tests, as each rule needs.
mod source;
/// The workspace as values: its files and its packages.
mod workspace;
/// The invariants of the architecture.
mod lint;
/// Server programs of every major that is tested.
mod postgres;
/// The test run.
mod test;
/// Measurements.
mod bench;
/// Loads that are disturbed.
mod chaos;
/// Bytes that nobody expects, for everything that reads bytes from outside.
mod fuzz;
/// Documents that are generated.
mod docs;

const USAGE: &str = "usage: cargo xtask lint
       cargo xtask postgres
       cargo xtask test [--source MAJOR] [--target MAJOR] [-p PACKAGE] [arguments of cargo nextest run]
       cargo xtask bench load [--rows N] [--pairs K] [--expressions] [--profile NAME | --program FILE]
                             [--compare] [--lab] [--latency 20ms] [--memory [--ladder N,N]] [--checkpoints]
                             [--resume] [--flame FILE.svg] [--statements lab|patients]
       cargo xtask chaos load [--runs N] [--seed S] [--run I] [--jobs N] [--program FILE]
       cargo xtask fuzz [TARGET…] [--seconds N] [--check]
       cargo xtask docs
";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("lint") => lint::run(),
        Some("postgres") => postgres::run(),
        Some("test") => test::run(arguments),
        Some("bench") => bench::run(arguments),
        Some("chaos") => chaos::run(arguments),
        Some("fuzz") => fuzz::run(arguments),
        Some("docs") => docs::run(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
