use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::ground::{DATABASE, Ground, TABLES, TARGET};
use crate::bench::meter::{Cost, server_cpu, watch};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    /// The least that has to be done: files with finished rows and identities into bare tables, then everything built.
    Floor,
    /// `driftless migrate`.
    Driftless,
    /// What one would type: COPY out, COPY in, of rows that are in shape already.
    Pipe,
}

impl Contender {
    pub(super) fn name(self) -> &'static str {
        match self {
            Contender::Floor => "floor",
            Contender::Driftless => "driftless",
            Contender::Pipe => "pipe",
        }
    }
}

/// One measured run.
pub(super) struct Run {
    pub(super) contender: Contender,
    pub(super) seconds: f64,
    /// Seconds of CPU time of the source's server, of the target's, and of the programs between them.
    pub(super) cpu: [f64; 3],
    /// The most memory of the programs between the servers, in MB.
    pub(super) peak_mb: f64,
    /// Steps of driftless, with the seconds of each.
    pub(super) steps: Vec<(String, f64)>,
}

/// What the programs between the servers cost together.
#[derive(Default)]
struct Between {
    cpu: f64,
    peak_mb: f64,
}

impl Between {
    fn add(&mut self, cost: &Cost) {
        self.cpu += cost.cpu;
        self.peak_mb = self.peak_mb.max(cost.peak_mb);
    }
}

/// Runs a contender into a fresh database, and makes sure that all rows are there.
pub(super) fn run(ground: &Ground, contender: Contender) -> Result<Run, String> {
    ground.fresh_target()?;
    let schema = match contender {
        Contender::Floor => ground.section("pre-data")?,
        Contender::Driftless | Contender::Pipe => TARGET.to_owned(),
    };
    ground.script(&ground.target.url(DATABASE), &[], &schema)?;
    let servers = || [&ground.source, &ground.target].map(|server| server.pid().map_or(0.0, server_cpu));
    let (before, started) = (servers(), Instant::now());
    let mut between = Between::default();
    match contender {
        Contender::Floor => floor(ground)?,
        Contender::Driftless => between.add(&driftless(ground)?),
        Contender::Pipe => pipe(ground, &mut between)?,
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = servers();
    let there = ground.answer("SELECT count(*) FROM public.patients")?;
    if there != ground.rows.to_string() {
        return Err(format!(
            "{} left {there} rows of {}",
            contender.name(),
            ground.rows
        ));
    }
    Ok(Run {
        contender,
        seconds,
        cpu: [after[0] - before[0], after[1] - before[1], between.cpu],
        peak_mb: between.peak_mb,
        steps: match contender {
            Contender::Driftless => steps(ground)?,
            Contender::Floor | Contender::Pipe => Vec::new(),
        },
    })
}

/// Rows and identities from files, then all constraints and indexes, in one session.
fn floor(ground: &Ground) -> Result<(), String> {
    let copies: Vec<String> = ground
        .files()?
        .iter()
        .map(|(table, file)| format!("COPY {table} FROM '{file}' (FORMAT binary);\n"))
        .collect();
    let script = copies.concat() + &ground.section("post-data")?;
    ground.script(&ground.target.url(DATABASE), &[], &script)
}

fn driftless(ground: &Ground) -> Result<Cost, String> {
    // Steps are read from the log of this run alone.
    fs::remove_file(ground.log()).ok();
    let running = Command::new(&ground.driftless)
        .args(["migrate", "--quiet", "--yes", "--config"])
        .arg(ground.mapping())
        .arg("--log-file")
        .arg(ground.log())
        .env("BENCH_SOURCE_URL", ground.source.url(DATABASE))
        .env("BENCH_TARGET_URL", ground.target.url(DATABASE))
        .stdout(Stdio::null())
        .spawn();
    let cost = watch(running.map_err(|error| format!("driftless does not start: {error}"))?)?;
    if !cost.status.success() {
        return Err(format!("driftless ended with {}", cost.status));
    }
    Ok(cost)
}

/// `psql | psql`, table after table.
fn pipe(ground: &Ground, between: &mut Between) -> Result<(), String> {
    for table in TABLES {
        let read = format!("COPY (SELECT * FROM shaped.{table}) TO STDOUT (FORMAT binary)");
        let write = format!("COPY {table} FROM STDIN (FORMAT binary)");
        let mut reader = ground.psql(&ground.source.url(DATABASE))?;
        let reader = reader.args(["-q", "-c", &read]).stdout(Stdio::piped()).spawn();
        let mut reader = reader.map_err(|error| format!("psql does not start: {error}"))?;
        let rows = reader.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let mut writer = ground.psql(&ground.target.url(DATABASE))?;
        let writer = writer.args(["-q", "-c", &write]).stdin(rows).spawn();
        let writer = watch(writer.map_err(|error| format!("psql does not start: {error}"))?)?;
        let reader = watch(reader)?;
        if !(reader.status.success() && writer.status.success()) {
            return Err(format!("the pipe of {table} broke"));
        }
        between.add(&reader);
        between.add(&writer);
    }
    Ok(())
}

/// How long each step took, from the times in the log. What comes before the first one is `preparing`.
fn steps(ground: &Ground) -> Result<Vec<(String, f64)>, String> {
    let text = fs::read_to_string(ground.log()).map_err(|error| format!("driftless left no log: {error}"))?;
    let mut marks = Vec::new();
    for line in text.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).map_err(|error| format!("the log is no JSON: {error}"))?;
        let at = line.get("timestamp").and_then(|at| seconds_of_day(at.as_str()?));
        let (Some(at), step) = (at, line.get("step").and_then(serde_json::Value::as_str)) else {
            continue;
        };
        marks.push((step.map(str::to_owned), at));
    }
    Ok(between_marks(&marks))
}

fn between_marks(marks: &[(Option<String>, f64)]) -> Vec<(String, f64)> {
    let mut steps: Vec<(String, f64)> = Vec::new();
    for pair in marks.windows(2) {
        let passed = (pair[1].1 - pair[0].1).rem_euclid(86_400.0);
        match (&pair[0].0, steps.last_mut()) {
            (Some(step), _) => steps.push((step.clone(), passed)),
            (None, Some(last)) => last.1 += passed,
            (None, None) => steps.push(("preparing".to_owned(), passed)),
        }
    }
    steps
}

/// `2026-11-20T12:30:01.250000Z` is 45001.25.
fn seconds_of_day(time: &str) -> Option<f64> {
    let (_, time) = time.trim_end_matches('Z').split_once('T')?;
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_last_until_the_next_one() {
        let at = |step: Option<&str>, time| (step.map(str::to_owned), seconds_of_day(time).unwrap());
        let marks = [
            at(None, "2026-11-20T23:59:58.500000Z"),
            at(Some("loading"), "2026-11-20T23:59:59.000000Z"),
            at(Some("proving"), "2026-11-21T00:00:01.250000Z"),
            at(None, "2026-11-21T00:00:02.250000Z"),
        ];
        let steps = between_marks(&marks);
        let expected = [("preparing", 0.5), ("loading", 2.25), ("proving", 1.0)];
        assert_eq!(steps, expected.map(|(step, seconds)| (step.to_owned(), seconds)));
    }
}
