use super::alternate::{Series, Turn, alternate};
use super::contender::{self, Contender};
use super::ground::Ground;
use super::migrate::Setting;
use super::scene::Scene;
use super::spread::verdict;
use super::{clone, floor, table};

/// Most times the floor: as columns are, and with three expressions.
const GOALS: [f64; 2] = [1.15, 1.5];

/// Driftless beside what it can be compared with.
pub(super) fn measure(
    ground: &Ground,
    scene: &Scene,
    expressions: bool,
    pairs: usize,
) -> Result<String, String> {
    let setting = Setting::default();
    let driftless = Contender::Driftless(&setting);
    eprintln!("warming up; the floor's files are taken from this load");
    contender::run(ground, scene, driftless)?;
    floor::keep(ground, scene)?;
    let can_clone = clone::prepare(ground, scene)?;
    let run = |contender| contender::run(ground, scene, contender);
    let clone = || run(Contender::Clone);
    let (floor, pipe) = (|| run(Contender::Floor), || run(Contender::Pipe));
    let ours = || run(driftless);
    let mut turns: Vec<Turn<'_>> = vec![
        (Contender::Floor.name(), &floor),
        (driftless.name(), &ours),
        (Contender::Pipe.name(), &pipe),
    ];
    if can_clone {
        turns.push((Contender::Clone.name(), &clone));
    }
    let series = alternate(pairs, &turns)?;
    let mut out = table::render(scene, pairs, &series, &[0, 2]);
    if !can_clone {
        out.push_str("\npgcopydb is not installed, and was not compared.\n");
    }
    let goal = GOALS[usize::from(expressions)];
    let held = Series::ratio(&series[1], &series[0]).median <= goal;
    out.push_str(&format!("\nGoal: at most {goal} x floor: {}.\n", verdict(held)));
    Ok(out)
}
