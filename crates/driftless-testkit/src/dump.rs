use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use driftless_cluster::{Binaries, newest_client};

/// Loads a plain dump with `psql`; a file that ends in `.gz` is unpacked on the way.
///
/// # Panics
///
/// A program is absent or fails, or a statement fails.
pub fn load_dump(url: &str, dump: &Path) {
    let file = File::open(dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
    let unpacker = dump.extension().is_some_and(|e| e == "gz").then(|| {
        let unpacker = Command::new("gzip")
            .arg("-dc")
            .stdin(file.try_clone().expect("a second handle"))
            .stdout(Stdio::piped())
            .spawn();
        unpacker.unwrap_or_else(|error| panic!("gzip: {error}"))
    });
    let mut command = client_program("psql");
    command
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url])
        .stdout(Stdio::null());
    match unpacker {
        Some(mut unpacker) => {
            command.stdin(unpacker.stdout.take().expect("its output is a pipe"));
            complete(&mut command, dump);
            let status = unpacker.wait().expect("gzip ends");
            assert!(status.success(), "gzip: {status}: {}", dump.display());
        }
        None => complete(command.stdin(file), dump),
    }
}

/// The definition of everything in a database, as `pg_dump --schema-only` writes it, without what differs from
/// one dump of the same database to the next.
///
/// # Panics
///
/// `pg_dump` is absent or fails.
#[must_use]
pub fn pg_dump_schema(url: &str) -> String {
    dump_schema(&["--schema-only", "-d", url])
}

/// As [`pg_dump_schema`], without one schema: what a program keeps for itself there.
///
/// # Panics
///
/// As [`pg_dump_schema`].
#[must_use]
pub fn pg_dump_schema_without(url: &str, schema: &str) -> String {
    dump_schema(&["--schema-only", "--exclude-schema", schema, "-d", url])
}

fn dump_schema(arguments: &[&str]) -> String {
    let mut command = client_program("pg_dump");
    let output = command.args(arguments).output().expect("pg_dump starts");
    assert!(
        output.status.success(),
        "pg_dump: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    normalised(&String::from_utf8_lossy(&output.stdout))
}

/// Leaves out `pg_dump`'s own headers and the random words of `\restrict`. Comments inside functions stay.
fn normalised(dump: &str) -> String {
    let noise = |line: &&str| {
        let header = [
            "-- Name: ",
            "-- Dumped ",
            "-- PostgreSQL database dump",
            "\\restrict ",
            "\\unrestrict ",
        ];
        !(line.trim().is_empty() || *line == "--" || header.iter().any(|start| line.starts_with(start)))
    };
    dump.lines()
        .filter(noise)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Those of the newest major know every server that is tested; without them, the machine's own.
fn client_program(name: &str) -> Command {
    if let Some(program) = newest_client(name).unwrap_or_else(|error| panic!("{error}")) {
        return Command::new(program);
    }
    let binaries = Binaries::find().unwrap_or_else(|error| panic!("{error}; {}", error.remedy()));
    Command::new(
        binaries
            .tool(name)
            .unwrap_or_else(|| panic!("{name} is not installed")),
    )
}

fn complete(command: &mut Command, dump: &Path) {
    let output = command
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    let output = output.unwrap_or_else(|error| panic!("psql: {error}"));
    assert!(
        output.status.success(),
        "psql: {}: {}",
        dump.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dumps_own_words_are_left_out() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n-- Dumped from database version 15.1\n\
                    -- Name: f; Type: FUNCTION\nCREATE FUNCTION f()\n    -- inside\n    AS 1;\n\\unrestrict abc\n";
        assert_eq!(
            normalised(dump),
            "CREATE FUNCTION f()\n    -- inside\n    AS 1;\n"
        );
    }
}
