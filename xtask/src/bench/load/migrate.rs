use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use driftless_testkit::DelayProxy;

use super::ground::Ground;
use super::scene::Scene;
use crate::bench::meter::{Cost, watch};

/// How driftless is run, where it is not run as everybody does.
#[derive(Default)]
pub(super) struct Setting<'a> {
    /// On the way to source and target.
    pub(super) proxies: Option<&'a [DelayProxy; 2]>,
    /// Environment variables.
    pub(super) variables: &'a [(&'a str, String)],
    /// A profiler that runs it, with its arguments.
    pub(super) under: Option<&'a [String]>,
}

/// Starts `driftless migrate`.
pub(super) fn start(ground: &Ground, scene: &Scene, setting: &Setting<'_>) -> Result<Child, String> {
    // Steps are read from the log of this run alone.
    fs::remove_file(ground.log()).ok();
    let [source, target] = scene.urls(ground, setting.proxies);
    let mut command = match setting.under {
        Some([profiler, arguments @ ..]) => {
            let mut command = Command::new(profiler);
            command.args(arguments).arg(&ground.driftless);
            command
        }
        Some([]) | None => Command::new(&ground.driftless),
    };
    let running = command
        .args(["migrate", "--quiet", "--yes", "--config"])
        .arg(&scene.mapping)
        .arg("--log-file")
        .arg(ground.log())
        .env("SOURCE_DATABASE_URL", source)
        .env("TARGET_DATABASE_URL", target)
        .envs(setting.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(
            fs::File::create(said(ground)).map_err(|error| format!("no file for errors: {error}"))?,
        ))
        .spawn();
    running.map_err(|error| format!("driftless does not start: {error}"))
}

/// `driftless migrate` to its end.
pub(super) fn load(ground: &Ground, scene: &Scene, setting: &Setting<'_>) -> Result<Cost, String> {
    finish(ground, start(ground, scene, setting)?)
}

/// Waits for one that was started, which has to end well. A load that left rejects does, with code 1; how many
/// rows there have to be is looked at afterwards.
pub(super) fn finish(ground: &Ground, running: Child) -> Result<Cost, String> {
    let cost = watch(running)?;
    if cost.status.success() || cost.status.code() == Some(1) {
        return Ok(cost);
    }
    let said = fs::read_to_string(said(ground)).unwrap_or_default();
    Err(format!("driftless ended with {}\n{said}", cost.status))
}

fn said(ground: &Ground) -> PathBuf {
    ground.home().join("driftless.stderr")
}

/// How long each step took, from the times in the log. What comes before the first one is `preparing`.
pub(super) fn steps(ground: &Ground) -> Result<Vec<(String, f64)>, String> {
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
