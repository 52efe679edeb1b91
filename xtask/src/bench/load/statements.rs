use std::collections::BTreeMap;

use super::contender::{self, Contender};
use super::ground::Ground;
use super::migrate::Setting;
use super::scene::Scene;

/// Statements that are told.
const MOST: usize = 50;

/// Characters of a statement that are told.
const LONGEST: usize = 140;

/// What statements of one shape took.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Taken {
    times: u64,
    milliseconds: f64,
}

/// A load of driftless whose statements each server notes with their duration: those that take most in all, by their shape. A
/// COPY lasts as long as rows are still to come, so that it also shows waiting.
pub(super) fn measure(ground: &Ground, scene: &Scene) -> Result<String, String> {
    let setting = Setting::default();
    contender::run(ground, scene, Contender::Driftless(&setting))?;
    let servers = [&ground.source, &ground.target];
    let mut begun = Vec::new();
    for server in servers {
        note_all(ground, &server.admin_url(), true)?;
        begun.push(server.log().len());
    }
    let run = contender::run(ground, scene, Contender::Driftless(&setting))?;
    let mut out = format!(
        "{}: {:.2} s with every statement noted\n",
        scene.title, run.seconds
    );
    for ((server, begun), name) in servers.into_iter().zip(begun).zip(["source", "target"]) {
        note_all(ground, &server.admin_url(), false)?;
        let log = server.log();
        out.push_str(&format!(
            "\n| ms in all | times | statement of the {name} |\n|---|---|---|\n"
        ));
        let (slowest, kinds) = slowest(log.get(begun..).unwrap_or_default());
        for (kind, taken) in kinds {
            out.push_str(&format!(
                "| {:.0} | {} | {kind} |\n",
                taken.milliseconds, taken.times
            ));
        }
        for (statement, taken) in slowest {
            out.push_str(&format!(
                "| {:.0} | {} | `{statement}` |\n",
                taken.milliseconds, taken.times
            ));
        }
    }
    Ok(out)
}

fn note_all(ground: &Ground, admin: &str, wanted: bool) -> Result<(), String> {
    let least = if wanted { "0" } else { "-1" };
    let set = format!("ALTER SYSTEM SET log_min_duration_statement = {least};\nSELECT pg_reload_conf();");
    ground.script(admin, &[], &set)
}

/// What statements are for, by what they hold; the first that fits.
const KINDS: [(&str, &[&str]); 12] = [
    ("rows that an expression fails for", &["driftless_failing"]),
    ("rows that are refused", &["driftless_insert", "driftless_stage"]),
    ("evaluation", &["\"driftless ord\"", "AT TIME ZONE $"]),
    (
        "references",
        &[
            "driftless_orphan",
            "driftless_left",
            "driftless_absent",
            "driftless_suspect",
            "SELECT o.key",
            "SELECT count(*) FROM",
        ],
    ),
    (
        "uniqueness",
        &["driftless_loser", "driftless_several", "driftless_twin"],
    ),
    ("COPY of identities", &["COPY \"driftless\".\"identity"]),
    ("COPY of rows", &["COPY \""]),
    (
        "indexes of identities",
        &["INDEX \"driftless", "INDEX ON \"driftless"],
    ),
    (
        "indexes",
        &[
            "CREATE INDEX",
            "CREATE UNIQUE INDEX",
            " ADD CONSTRAINT",
            "USING INDEX",
        ],
    ),
    ("validation", &["VALIDATE CONSTRAINT"]),
    ("statistics", &["ANALYZE"]),
    ("all others", &[""]),
];

/// What statements of one kind took.
type Kind = (&'static str, Taken);

/// What a statement is for.
fn kind(statement: &str) -> usize {
    let fits = |words: &[&str]| words.iter().any(|word| statement.contains(word));
    KINDS
        .iter()
        .position(|(_, words)| fits(words))
        .unwrap_or(KINDS.len() - 1)
}

/// The statements of a server's log that took most; and what all took, by kind and together.
fn slowest(log: &str) -> (Vec<(String, Taken)>, Vec<Kind>) {
    let mut shapes: BTreeMap<String, Taken> = BTreeMap::new();
    let mut sum = Taken::default();
    let mut kinds = KINDS.map(|(name, _)| (name, Taken::default()));
    for (milliseconds, statement) in entries(log) {
        let taken = shapes.entry(shape(&statement)).or_default();
        for count in [taken, &mut sum, &mut kinds[kind(&statement)].1] {
            count.times += 1;
            count.milliseconds += milliseconds;
        }
    }
    let mut all: Vec<(String, Taken)> = shapes.into_iter().collect();
    all.sort_by(|a, b| b.1.milliseconds.total_cmp(&a.1.milliseconds));
    all.truncate(MOST);
    let mut told = vec![("all of them", sum)];
    told.extend(kinds.into_iter().filter(|(_, taken)| taken.times > 0));
    (all, told)
}

/// Durations with their statements; lines that go on begin with a tab.
fn entries(log: &str) -> Vec<(f64, String)> {
    let mut found: Vec<(f64, String)> = Vec::new();
    let mut open = false;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if let Some((_, statement)) = found.last_mut().filter(|_| open) {
                statement.push(' ');
                statement.push_str(more);
            }
            continue;
        }
        let timed = line
            .split_once("LOG:  duration: ")
            .and_then(|(_, rest)| rest.split_once(" ms  "))
            .and_then(|(time, rest)| Some((time.parse().ok()?, rest.split_once(": ")?.1.to_owned())));
        open = timed.is_some();
        found.extend(timed);
    }
    found
}

/// A statement without what differs from one time to the next, shortened.
fn shape(statement: &str) -> String {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let mut out = String::new();
    let mut in_number = false;
    for letter in words.join(" ").replace('|', "/").chars().take(LONGEST) {
        let digit = letter.is_ascii_digit();
        if !digit {
            out.push(letter);
        } else if !in_number {
            out.push('0');
        }
        in_number = digit;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_one_shape_are_one() {
        let log = "2026 [1] u@d LOG:  duration: 2.5 ms  statement: SELECT 17\n\tFROM t\n\
                   2026 [1] u@d LOG:  checkpoint complete\n\tmore\n\
                   2026 [2] u@d LOG:  duration: 1.0 ms  execute <unnamed>: SELECT 4 FROM t\n\
                   2026 [2] u@d LOG:  duration: 3.0 ms  statement: COMMIT\n";
        let (slow, kinds) = slowest(log);
        let times: Vec<u64> = kinds.iter().map(|(_, taken)| taken.times).collect();
        assert_eq!(times, [3, 3]);
        assert_eq!(slow[0].0, "SELECT 0 FROM t");
        assert_eq!(
            slow[0].1,
            Taken {
                times: 2,
                milliseconds: 3.5
            }
        );
        assert_eq!(slow[1].0, "COMMIT");
        assert_eq!(slow.len(), 2);
    }
}
