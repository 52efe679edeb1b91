use std::process::Stdio;
use std::time::Instant;

use super::contender::{self, Contender};
use super::ground::{DATABASE, Ground};
use super::migrate::{self, Setting};
use super::scene::Scene;
use super::spread::{Spread, verdict};
use crate::bench::program::succeed;

/// Most that the interrupted load may take beside one COPY of what was finished, as a part of an uninterrupted one.
const GOAL: f64 = 1.1;

/// Returns once half of `:rows` rows are behind a checkpoint. Each look is a transaction of its own.
const HALF: &str = "
DO $$
DECLARE
    finished bigint := 0;
BEGIN
    LOOP
        IF to_regclass('driftless.chunk') IS NOT NULL THEN
            EXECUTE 'SELECT coalesce(sum(rows_read), 0) FROM driftless.chunk WHERE done' INTO finished;
        END IF;
        EXIT WHEN finished * 2 >= current_setting('bench.rows')::bigint;
        COMMIT;
        PERFORM pg_sleep(0.005);
    END LOOP;
END
$$";

/// An interrupted load, and an uninterrupted one beside it.
struct Round {
    whole: f64,
    until_kill: f64,
    rest: f64,
    /// Of the finished ranges, out of the source.
    copy: f64,
    finished: u64,
}

/// Loads once to the end, then with a kill -9 at half of the rows and a second start.
pub(super) fn measure(ground: &Ground, scene: &Scene, pairs: usize) -> Result<String, String> {
    let mut out = format!(
        "{}, killed at half of its rows and continued, {pairs} rounds\n\n\
         | | uninterrupted s | until the kill s | continued s | rows finished | COPY of these s | x (uninterrupted + COPY) |\n\
         |---|---|---|---|---|---|---|\n",
        scene.title
    );
    let setting = Setting::default();
    contender::run(ground, scene, Contender::Driftless(&setting))?;
    let mut ratios = Vec::new();
    for number in 1..=pairs {
        let round = once(ground, scene, &setting)?;
        let ratio = (round.until_kill + round.rest - round.copy) / round.whole;
        eprintln!("{number} of {pairs}: resume, {ratio:.2}");
        out.push_str(&format!(
            "| {number} | {:.2} | {:.2} | {:.2} | {} | {:.2} | {:.2} |\n",
            round.whole,
            round.until_kill,
            round.rest,
            round.finished,
            round.copy,
            (round.until_kill + round.rest) / (round.whole + round.copy),
        ));
        ratios.push(ratio);
    }
    let spread = Spread::of(ratios);
    out.push_str(&format!(
        "\nBoth parts without that COPY against the uninterrupted load: {}. Goal: at most +10 %: {}.\n",
        spread.percent(),
        verdict(spread.median <= GOAL)
    ));
    Ok(out)
}

fn once(ground: &Ground, scene: &Scene, setting: &Setting<'_>) -> Result<Round, String> {
    let whole = contender::run(ground, scene, Contender::Driftless(setting))?.seconds;
    scene.fresh_target(ground)?;
    let target = ground.target.url(DATABASE);
    let mut watcher = ground.psql(&target)?;
    let watcher = watcher
        .args(["-q", "-c"])
        .arg(format!("SET bench.rows = {}", scene.rows))
        .args(["-c", HALF])
        .stdout(Stdio::null())
        .spawn();
    let mut watcher = watcher.map_err(|error| format!("psql does not start: {error}"))?;
    let started = Instant::now();
    let mut running = migrate::start(ground, scene, setting)?;
    let status = watcher.wait().map_err(|error| format!("psql is lost: {error}"))?;
    let killed = running.kill();
    let until_kill = started.elapsed().as_secs_f64();
    let ended = running
        .wait()
        .map_err(|error| format!("driftless is lost: {error}"))?;
    if !status.success() || killed.is_err() || ended.code().is_some() {
        return Err("driftless was at its end before it was killed: more rows are needed".to_owned());
    }
    let finished =
        "SELECT coalesce(sum(rows_read), 0) FROM driftless.chunk WHERE done AND entity = 'patients'";
    let finished: u64 = ground
        .answer(&target, finished)?
        .parse()
        .map_err(|error| format!("no number of rows: {error}"))?;
    let started = Instant::now();
    migrate::load(ground, scene, setting)?;
    let rest = started.elapsed().as_secs_f64();
    scene.verify(ground, "a resumed load")?;
    let started = Instant::now();
    let mut copy = ground.psql(&scene.source_admin(ground))?;
    succeed(copy.args(["-q", "-o", "/dev/null", "-c"]).arg(format!(
        "COPY (SELECT * FROM public.dispatch_patient WHERE id <= {finished}) TO STDOUT (FORMAT binary)"
    )))?;
    Ok(Round {
        whole,
        until_kill,
        rest,
        copy: started.elapsed().as_secs_f64(),
        finished,
    })
}
