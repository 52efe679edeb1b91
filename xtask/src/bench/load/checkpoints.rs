use super::alternate::{Series, alternate};
use super::contender::{self, Contender};
use super::ground::{DATABASE, Ground};
use super::migrate::Setting;
use super::scene::Scene;
use super::spread::verdict;
use super::table;

/// Most that checkpoints may cost, as a ratio.
const GOAL: f64 = 1.02;

/// Chunks of every entity in the load that has no other checkpoints: as many as lanes work on the largest one.
const FEW: &str = "4";

/// The same load cut as it is, and cut into one chunk per lane.
pub(super) fn measure(ground: &Ground, scene: &Scene, pairs: usize) -> Result<String, String> {
    let few = [("DRIFTLESS_CHUNKS", FEW.to_owned())];
    let run = |variables| {
        let setting = Setting {
            variables,
            ..Setting::default()
        };
        contender::run(ground, scene, Contender::Driftless(&setting))
    };
    run(&[])?;
    let sql = "SELECT max(n) FROM (SELECT count(*) AS n FROM driftless.chunk GROUP BY entity) AS cut";
    let chunks = ground.answer(&ground.target.url(DATABASE), sql)?;
    let series = alternate(
        pairs,
        &[("few chunks", &|| run(&few)), ("checkpoints", &|| run(&[]))],
    )?;
    let cost = Series::ratio(&series[1], &series[0]);
    let judged = if chunks.parse().unwrap_or(0) > FEW.parse().unwrap_or(0) {
        verdict(cost.median <= GOAL)
    } else {
        "not judged, since so few rows have no more chunks than that"
    };
    Ok(format!(
        "{}\nThe largest entity is cut into {chunks} chunks, or into {FEW} with DRIFTLESS_CHUNKS={FEW}. Checkpoints cost {}. Goal: at most \
         +2 %: {judged}.\n",
        table::render(scene, pairs, &series, &[0]),
        cost.percent()
    ))
}
