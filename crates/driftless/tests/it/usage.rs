//! Command lines, right and wrong.

use crate::desk::{program, run};
use tempfile::tempdir;

#[test]
fn help_is_data_and_a_missing_command_is_not() {
    let dir = tempdir().unwrap();
    let help = run(dir.path(), &["--help"]).expect(0);
    assert!(
        help.out.contains("Examples:\n") && help.err.is_empty(),
        "{}",
        help.err
    );
    let version = run(dir.path(), &["--version"]).expect(0);
    assert_eq!(version.out, format!("driftless {}\n", env!("CARGO_PKG_VERSION")));
    let nothing = run(dir.path(), &[]).expect(2);
    assert!(
        nothing.out.is_empty() && nothing.err.contains("Commands:"),
        "{}",
        nothing.err
    );
}

#[test]
fn wrong_usage_ends_with_two_and_a_code() {
    let dir = tempdir().unwrap();
    for arguments in [
        &["chek"][..],
        &["migrate", "--restrat"],
        &["ids", "find", "17"],
        &["check", "--entity", "a"],
    ] {
        let outcome = run(dir.path(), arguments).expect(2);
        assert!(outcome.out.is_empty(), "{}", outcome.out);
        assert!(
            outcome.err.contains("error[DL0600]") && outcome.err.contains("docs/errors/DL0600.md"),
            "{}",
            outcome.err
        );
    }
    let later = run(dir.path(), &["stream"]).expect(2);
    assert!(
        later.err.contains("`stream` is not in this release"),
        "{}",
        later.err
    );
}

#[test]
fn nothing_is_coloured_where_nobody_looks() {
    let dir = tempdir().unwrap();
    let plain = run(dir.path(), &["check"]).expect(2);
    assert!(!plain.err.contains('\u{1b}'), "{}", plain.err);
}

#[test]
fn completions_name_every_command() {
    let dir = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(dir.path(), &["completions", shell]).expect(0).out;
        for command in ["demo", "check", "migrate", "rejects", "teardown"] {
            assert!(script.contains(command), "{shell} {command}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempdir().unwrap();
    let mut child = program(dir.path(), &["reference"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
