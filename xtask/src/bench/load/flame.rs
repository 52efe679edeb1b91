use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use super::contender::{self, Contender};
use super::ground::Ground;
use super::migrate::Setting;
use super::scene::Scene;
use crate::bench::program::succeed;

/// Functions that are told by name.
const MOST: usize = 15;

/// A load of driftless under `perf`, which samples by the clock and so needs no counters of the processor: a flame graph
/// as SVG where inferno is installed, and what takes most in words.
pub(super) fn measure(ground: &Ground, scene: &Scene, svg: &Path) -> Result<String, String> {
    let data = ground.home().join("perf.data");
    let data = data.display().to_string();
    let under = [
        "perf",
        "record",
        "--quiet",
        "--event",
        "cpu-clock",
        "--freq",
        "499",
    ]
    .into_iter()
    .chain(["--call-graph", "dwarf,16384", "--output", &data, "--"])
    .map(str::to_owned)
    .collect::<Vec<_>>();
    if Command::new("perf").arg("--version").output().is_err() {
        return Err("perf is not installed: Debian has it in linux-perf".to_owned());
    }
    let setting = Setting {
        under: Some(&under),
        ..Setting::default()
    };
    let run = contender::run(ground, scene, Contender::Driftless(&setting))?;
    let stacks = ground.write(
        "stacks",
        &succeed(Command::new("perf").args(["script", "--input", &data]))?,
    )?;
    let mut out = format!(
        "Where {} spends driftless' own time, {:.2} s under perf; CPU seconds: source {:.2}, target {:.2}\n\n",
        scene.title, run.seconds, run.cpu[0], run.cpu[1]
    );
    let open = || File::open(&stacks).map_err(|error| format!("no stacks: {error}"));
    let folding = Command::new("inferno-collapse-perf").stdin(open()?).output();
    let Ok(folded) = folding else {
        out.push_str("There is no flame graph: `cargo install inferno` installs what draws it.\n");
        return Ok(out);
    };
    let folded = ground.write("folded", &String::from_utf8_lossy(&folded.stdout))?;
    let text = std::fs::read_to_string(&folded).map_err(|error| format!("no stacks: {error}"))?;
    let file = File::create(svg).map_err(|error| format!("{}: {error}", svg.display()))?;
    // What is narrower nobody reads, and it would be most of the file.
    let drawn = Command::new("inferno-flamegraph")
        .args(["--minwidth", "0.4", "--title", &scene.title])
        .args([
            "--subtitle",
            "the CPU time of driftless itself, without the servers",
        ])
        .arg(&folded)
        .stdout(Stdio::from(file))
        .status();
    if !drawn.is_ok_and(|status| status.success()) {
        return Err("inferno-flamegraph draws nothing".to_owned());
    }
    out.push_str("| function | % of samples |\n|---|---|\n");
    for (function, share) in hottest(&text) {
        out.push_str(&format!("| `{function}` | {:.1} |\n", share * 100.0));
    }
    out.push_str(&format!("\nFlame graph: {}\n", svg.display()));
    Ok(out)
}

/// The innermost functions of folded stacks (`a;b;c 17`) with their share of the samples, the largest first.
fn hottest(folded: &str) -> Vec<(String, f64)> {
    let mut samples: BTreeMap<&str, f64> = BTreeMap::new();
    for (stack, count) in folded.lines().filter_map(|line| line.rsplit_once(' ')) {
        let innermost = stack.rsplit(';').next().unwrap_or(stack);
        *samples.entry(innermost).or_default() += count.parse().unwrap_or(0.0);
    }
    let all: f64 = samples.values().sum();
    let mut shares: Vec<(String, f64)> = samples
        .into_iter()
        .map(|(function, count)| (function.to_owned(), count / all))
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares.truncate(MOST);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_function_is_what_takes_time() {
        let hot = hottest("main;a;copy 3\nmain;b 1\nmain;c;copy 4\n");
        assert_eq!(hot, [("copy".to_owned(), 0.875), ("b".to_owned(), 0.125)]);
    }
}
