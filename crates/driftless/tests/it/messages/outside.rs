//! Files that are none, or are beyond all measure: each is told, none is waited for.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use tempfile::{TempDir, tempdir};

use super::Names;
use crate::desk::{end, program};

const HEAD: &str = "[pipeline]\nname = \"shop\"\n\n[source]\nurl = \"postgres://reader@127.0.0.1:1/a\"\n\n";

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A file that has a gibibyte, and no room on the disk.
fn large(path: &Path) {
    File::create(path).unwrap().set_len(1 << 30).unwrap();
}

/// A directory with a mapping whose target is reached by this connection string.
fn mapping(target: &str) -> TempDir {
    let dir = tempdir().unwrap();
    let text = format!(
        "{HEAD}[target]\nurl = \"{target}\"\n\n[entities.a]\nfrom = \"public.a\"\ninto = \"public.b\"\n"
    );
    fs::write(dir.path().join("driftless.toml"), text).unwrap();
    dir
}

fn told(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = program(dir, arguments);
    command.envs(variables.iter().copied());
    let outcome = end(command.spawn().unwrap());
    // A part of the connection string's remedy; the directory differs from run to run.
    let mut names = Names::none();
    names.add(&dir.display().to_string(), "DIR");
    names.told(arguments, outcome)
}

#[test]
fn mappings_that_are_no_files() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    pipe(&at("pipe.toml"));
    large(&at("large.toml"));
    fs::write(at("program.toml"), b"\x7fELF\x02\x01\x01\0\n\xc3\x28").unwrap();
    fs::write(at("deep.toml"), format!("a = {}\n", "[".repeat(200))).unwrap();
    let dots = ["json"; 70].join(".");
    fs::write(at("dotted.toml"), format!("a.{dots} = {{ {dots} = 1 }}\n")).unwrap();
    fs::write(at("includes.toml"), "include = [\"pipe.toml\"]\n").unwrap();
    let files = [
        ".",
        "pipe.toml",
        "/dev/zero",
        "large.toml",
        "program.toml",
        "deep.toml",
        "dotted.toml",
        "includes.toml",
    ];
    let all = files.map(|file| told(dir.path(), &["check", "--config", file], &[]));
    insta::assert_snapshot!("mappings_that_are_no_files", all.join("\n"));
}

#[test]
fn files_of_variables_that_are_none() {
    let dir = mapping("${TARGET_URL}");
    let at = dir.path().join(".env");
    let mut all = Vec::new();
    for bytes in [&b"TARGET_URL='postgres://secret\n"[..], b"TARGET_URL=caf\xe9\n"] {
        fs::write(&at, bytes).unwrap();
        all.push(told(dir.path(), &["check"], &[]));
    }
    large(&at);
    all.push(told(dir.path(), &["check"], &[]));
    insta::assert_snapshot!("files_of_variables_that_are_none", all.join("\n"));
}

#[test]
fn service_files_that_are_none() {
    let dir = mapping("service=shop");
    let at = |name: &str| dir.path().join(name);
    pipe(&at("pipe"));
    large(&at("large"));
    fs::write(at("bytes"), b"[shop]\nhost=caf\xe9\n").unwrap();
    fs::write(at("line"), "[shop]\nhost\n").unwrap();
    fs::write(at("keyword"), "[shop]\nhots=a\n").unwrap();
    fs::write(at("other"), "[other]\nhost=a\n").unwrap();
    let files = ["none", "pipe", "large", "bytes", "line", "keyword", "other"];
    let all = files.map(|file| {
        let path = at(file).display().to_string();
        let variables = [("PGSERVICEFILE", path.as_str()), ("PGSYSCONFDIR", "/none")];
        told(dir.path(), &["status"], &variables)
    });
    insta::assert_snapshot!("service_files_that_are_none", all.join("\n"));
}
