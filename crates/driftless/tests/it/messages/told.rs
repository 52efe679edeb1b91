//! Two databases and a directory to be told things in, and what was told in a form that every run repeats.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use driftless_testkit::{TestDatabase, servers};
use tempfile::TempDir;

use crate::desk::{Outcome, run};

/// Databases, and a directory for the mapping.
pub(crate) struct Scene {
    dir: TempDir,
    pub(crate) source: TestDatabase,
    pub(crate) target: TestDatabase,
    names: Names,
}

/// Texts of this run and what stands for them.
pub(crate) struct Names(Vec<(String, &'static str)>);

impl Scene {
    /// Both databases made by these scripts; the superuser connects to both.
    pub(crate) async fn new(hint: &str, source: &str, target: &str) -> Scene {
        let servers = servers();
        let databases = tokio::join!(
            TestDatabase::create(&servers.source, hint),
            TestDatabase::create(&servers.target, hint)
        );
        let scene = Scene {
            dir: tempfile::tempdir().unwrap(),
            names: Names::of(&databases.0, &databases.1),
            source: databases.0,
            target: databases.1,
        };
        tokio::join!(scene.source.run(source), scene.target.run(target));
        scene.connect(&scene.source.url(), &scene.target.url());
        scene
    }

    /// Replaces the connection strings.
    pub(crate) fn connect(&self, source: &str, target: &str) {
        self.write(".env", &format!("SOURCE_URL='{source}'\nTARGET_URL='{target}'\n"));
    }

    /// Replaces a text of this run by a name wherever it is told, before those that it may hold.
    pub(crate) fn name_first(&mut self, text: &str, name: &'static str) {
        self.names.add(text, name);
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.dir().join(name), text).unwrap();
    }

    /// Writes a mapping of these entities.
    pub(crate) fn map(&self, entities: &str) {
        self.map_with("", entities);
    }

    /// Writes a mapping with further lines of `[pipeline]`.
    pub(crate) fn map_with(&self, pipeline: &str, entities: &str) {
        let text = format!(
            "[pipeline]\nname = \"shop\"\n{pipeline}\n[source]\nurl = \"${{SOURCE_URL}}\"\n\n[target]\nurl = \
             \"${{TARGET_URL}}\"\n\n{entities}"
        );
        self.write("driftless.toml", &text);
    }

    /// Runs a command quietly, and gives everything that it told, with the way it ended.
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let arguments = [arguments, &["--quiet"]].concat();
        self.names.told(&arguments, run(self.dir(), &arguments))
    }
}

/// An empty table of the target whose file is `/dev/full`: the kernel has no room for what the server writes there. It has
/// room again when this goes.
pub(crate) struct FullDisk(PathBuf);

impl FullDisk {
    pub(crate) async fn of(target: &TestDatabase, table: &str) -> FullDisk {
        let sql =
            format!("SELECT current_setting('data_directory') || '/' || pg_relation_filepath('{table}')");
        let path = PathBuf::from(target.value(&sql).await.unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), 0, "{table} has rows already");
        fs::remove_file(&path).unwrap();
        symlink("/dev/full", &path).unwrap();
        FullDisk(path)
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
        fs::File::create(&self.0).unwrap();
        let server = fs::metadata(self.0.parent().unwrap()).unwrap();
        chown(&self.0, Some(server.uid()), Some(server.gid())).unwrap();
    }
}

impl Names {
    /// Nothing that differs from run to run.
    pub(crate) fn none() -> Names {
        Names(Vec::new())
    }

    pub(crate) fn of(source: &TestDatabase, target: &TestDatabase) -> Names {
        let names = [(source, "SOURCE"), (target, "TARGET")];
        Names(
            names
                .map(|(database, name)| (database.name().to_owned(), name))
                .to_vec(),
        )
    }

    /// One more text, which is replaced before those that it may hold.
    pub(crate) fn add(&mut self, text: &str, name: &'static str) {
        self.0.insert(0, (text.to_owned(), name));
    }

    /// What a command told, as it is compared.
    pub(crate) fn told(&self, arguments: &[&str], outcome: Outcome) -> String {
        let Outcome { code, out, err } = outcome;
        let mut text = format!("$ driftless {}\n", arguments.join(" "));
        for (name, stream) in [("stdout", out), ("stderr", err)] {
            if !stream.is_empty() {
                let line = if name == "stdout" { steady_row } else { steady_cell };
                text.push_str(&format!("--- {name}\n{}", self.steady(&stream, line)));
            }
        }
        text + &format!("--- exit {code}\n")
    }

    fn steady(&self, stream: &str, line: fn(&str) -> String) -> String {
        let mut text = stream.to_owned();
        for (own, name) in &self.0 {
            text = text.replace(own, name);
        }
        text.lines().map(|text| line(text) + "\n").collect()
    }
}

/// A line of a table, cell by cell: how wide its columns are follows from what is replaced, so that several blanks stand as two.
fn steady_row(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (indent, rest) = line.split_at(indent);
    let rest = rest.replace('─', "");
    let cells: Vec<String> = rest
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .map(steady_cell)
        .collect();
    format!("{indent}{}", cells.join("  ")).trim_end().to_owned()
}

/// A text with its ports, processes, times, durations and UUIDs replaced.
fn steady_cell(cell: &str) -> String {
    if duration(cell) {
        return "TIME".to_owned();
    }
    let words: Vec<&str> = cell.split(' ').collect();
    let mut text = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let before = index.checked_sub(1).map(|at| words[at]).unwrap_or_default();
        let pair = words
            .get(index + 1)
            .map(|next| format!("{word} {}", next.trim_end_matches([';', ','])));
        let timed = matches!(before, "in" | "life");
        if timed && pair.as_deref().is_some_and(duration) {
            let rest = words[index + 1].trim_start_matches(|c: char| c.is_ascii_alphabetic());
            text.push(format!("TIME{rest}"));
            index += 2;
            continue;
        }
        text.push(if before.trim_start_matches('(') == "process" {
            digits(word, "PID")
        } else {
            steady_word(word)
        });
        index += 1;
    }
    text.join(" ")
}

/// `840 ms`, `4.2 s`
fn duration(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(number, unit)| {
        number.chars().all(|c| c.is_ascii_digit() || c == '.') && matches!(unit, "ms" | "s")
    })
}

/// A word whose leading digits are replaced.
fn digits(word: &str, name: &str) -> String {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == word.len() {
        word.to_owned()
    } else {
        format!("{name}{rest}")
    }
}

fn steady_word(word: &str) -> String {
    let mut word = word.to_owned();
    while let Some(at) = (0..word.len()).find(|at| word.get(*at..at + 36).is_some_and(is_uuid)) {
        word.replace_range(at..at + 36, "UUID");
    }
    if word.starts_with("\"base/") {
        return word
            .replace(|c: char| c.is_ascii_digit(), "")
            .replace("//", "/FILE");
    }
    if let Some(at) = word.find("127.0.0.1:") {
        let port = at + "127.0.0.1:".len();
        return format!("{}{}", &word[..port], digits(&word[port..], "PORT"));
    }
    let is_time = |text: &str| {
        text.char_indices().all(|(at, c)| match at {
            4 | 7 => c == '-',
            10 => c == 'T',
            _ => c.is_ascii_digit() || ":.Z".contains(c),
        }) && text.len() >= "2026-11-20T10:00:00Z".len()
    };
    let bare = word.trim_end_matches([',', ';', ')']);
    if is_time(bare) {
        word.replace(bare, "WHEN")
    } else {
        word
    }
}

fn is_uuid(text: &str) -> bool {
    text.char_indices().all(|(at, c)| match at {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    })
}
