//! The demonstration, as a newcomer runs it.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::fs;
use std::path::Path;

use crate::desk::{end, program, run, signal};
use tempfile::tempdir;

/// The commands of the story.
const STORY: [&str; 8] = [
    "check",
    "plan",
    "migrate",
    "rejects list",
    "rejects show",
    "ids get",
    "ids find",
    "validate",
];

/// A temporary directory of its own shows what is left behind.
fn demo(home: &Path, arguments: &[&str]) -> std::process::Child {
    program(home, &[&["demo"], arguments].concat())
        .env("TMPDIR", home.join("tmp"))
        .env("XDG_STATE_HOME", home.join("state"))
        .spawn()
        .unwrap()
}

/// Ends a demonstration that was left running, also when its test fails.
struct Stopped<'h>(&'h Path);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let outcome = end(demo(self.0, &["--stop"]));
        if !std::thread::panicking() {
            outcome.expect(0);
        }
    }
}

fn left_behind(home: &Path) -> Vec<String> {
    let below = |dir: &str| fs::read_dir(home.join(dir)).into_iter().flatten().flatten();
    let names = below("tmp")
        .chain(below("state/driftless"))
        .map(|entry| entry.file_name().into_string().unwrap());
    names.collect()
}

fn home() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempdir().unwrap();
    fs::create_dir(home.path().join("tmp")).unwrap();
    // Servers started by root run as somebody else.
    for path in [home.path().to_owned(), home.path().join("tmp")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    home
}

#[test]
fn the_whole_story_is_told_and_can_be_kept_and_ended() {
    let home = home();
    let stopped = Stopped(home.path());
    let out = end(demo(home.path(), &["--keep"])).expect(0).out;
    for command in STORY {
        assert!(
            out.contains(&format!("$ driftless {command}")),
            "{command}\n{out}"
        );
    }
    assert!(out.contains("Every row is in the target, or on record"), "{out}");

    let second = end(demo(home.path(), &["--keep"])).expect(2);
    assert!(second.err.contains("error[DL0605]"), "{}", second.err);
    let mapping = out
        .lines()
        .find_map(|line| line.trim().strip_prefix("mapping "))
        .unwrap();
    let status = run(home.path(), &["--config", mapping.trim(), "status"]).expect(0);
    assert!(status.out.contains("patients"), "{}", status.out);

    drop(stopped);
    assert_eq!(left_behind(home.path()), Vec::<String>::new());
    let nothing = end(demo(home.path(), &["--stop"])).expect(0);
    assert_eq!(nothing.out, "no demonstration is running\n");
}

#[tokio::test]
async fn an_interrupted_demonstration_leaves_nothing() {
    let home = home();
    let running = demo(home.path(), &[]);
    driftless_testkit::wait_until("a server's directory", async || {
        !left_behind(home.path()).is_empty()
    })
    .await;
    signal(&running, "INT");
    end(running).expect(130);
    // The guards remove what their servers leave, after the program has ended.
    driftless_testkit::wait_until("everything gone", async || left_behind(home.path()).is_empty()).await;
}
