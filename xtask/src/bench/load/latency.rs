use std::time::Duration;

use driftless_testkit::DelayProxy;

use super::alternate::{Series, alternate};
use super::contender::{self, Contender};
use super::ground::Ground;
use super::migrate::Setting;
use super::scene::Scene;
use super::spread::{Spread, verdict};
use super::table;

/// Least part of the throughput that has to remain.
const GOAL: f64 = 0.8;

/// The same load directly, through proxies that only pass on, and through proxies that make every byte late.
pub(super) fn measure(
    ground: &Ground,
    scene: &Scene,
    delay: Duration,
    pairs: usize,
) -> Result<String, String> {
    let ports = [ground.source.port(), ground.target.port()];
    let proxies = |delay| -> Result<[DelayProxy; 2], String> {
        let start = |port| DelayProxy::start(port, delay).map_err(|error| format!("no proxy: {error}"));
        Ok([start(ports[0])?, start(ports[1])?])
    };
    let (near, far) = (proxies(Duration::ZERO)?, proxies(delay)?);
    let run = |proxies| {
        let setting = Setting {
            proxies,
            ..Setting::default()
        };
        contender::run(ground, scene, Contender::Driftless(&setting))
    };
    run(None)?;
    let late = format!("{} ms late", delay.as_millis());
    let series = alternate(
        pairs,
        &[
            ("direct", &|| run(None)),
            ("proxies", &|| run(Some(&near))),
            (&late, &|| run(Some(&far))),
        ],
    )?;
    let kept = |base: &Series| {
        let rounds = series[2].runs.iter().zip(&base.runs);
        Spread::of(rounds.map(|(run, base)| base.seconds / run.seconds))
    };
    let (of_direct, of_proxies) = (kept(&series[0]), kept(&series[1]));
    Ok(format!(
        "{}\nEvery byte arrives {} ms late each way: an answer takes {} ms longer. Throughput is {} of the direct one, {} of that \
         through proxies that only pass on. Goal: at least {GOAL}; of the direct one: {}, of that through proxies: {}.\n",
        table::render(scene, pairs, &series, &[0, 1]),
        delay.as_millis(),
        2 * delay.as_millis(),
        of_direct.text(),
        of_proxies.text(),
        verdict(of_direct.median >= GOAL),
        verdict(of_proxies.median >= GOAL)
    ))
}
