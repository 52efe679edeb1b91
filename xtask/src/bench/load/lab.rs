use crate::workspace;

use super::alternate::{Series, alternate};
use super::contender::{self, Contender};
use super::floor;
use super::ground::Ground;
use super::migrate::Setting;
use super::scene::{Outline, Role, Scene};
use super::spread::verdict;
use super::table;

const LEGACY: &str = include_str!("../../../../examples/dental-lab/legacy.sql");
const TARGET: &str = include_str!("../../../../examples/dental-lab/target.sql");
const EXPECTED: &str = include_str!("../../../../examples/dental-lab/expected.sql");
const COPIES: &str = include_str!("lab.sql");

/// Rows of the laboratory as `legacy.sql` makes it, over all tables.
const ROWS: u64 = 210_000;

/// As whom the laboratory is read and written: `legacy.sql` and `target.sql` make these.
const ROLES: [Role; 2] = [("lab_reader", "lab"), ("lab_owner", "lab")];

/// Rows over all entities that the goal speaks of.
pub(super) const GOAL_ROWS: u64 = 5_000_000;

/// Most times the sum of the floors.
const GOAL: f64 = 1.1;

/// The whole laboratory with some `rows` over all entities, against the floor of all of them.
pub(super) fn measure(ground: &Ground, rows: u64, pairs: usize) -> Result<String, String> {
    let scene = scene(ground, rows)?;
    let setting = Setting::default();
    let driftless = Contender::Driftless(&setting);
    eprintln!("warming up; the floor's files are taken from this load");
    contender::run(ground, &scene, driftless)?;
    floor::keep(ground, &scene)?;
    let run = |contender| contender::run(ground, &scene, contender);
    let series = alternate(
        pairs,
        &[
            (Contender::Floor.name(), &|| run(Contender::Floor)),
            (driftless.name(), &|| run(driftless)),
        ],
    )?;
    let held = Series::ratio(&series[1], &series[0]).median <= GOAL;
    Ok(format!(
        "{}\nGoal: at most {GOAL} x the floors of all entities: {}.\n",
        table::render(&scene, pairs, &series, &[0]),
        verdict(held)
    ))
}

/// Fills the source, and counts what has to become of it by SQL that knows of no engine.
pub(super) fn scene(ground: &Ground, rows: u64) -> Result<Scene, String> {
    let copies = ((rows + ROWS / 2) / ROWS).max(1);
    let source = format!("lab_{copies}");
    let url = ground.source.url(&source);
    if ground.make_source(&source)? {
        eprintln!("filling the source with {copies} laboratories");
        ground.script(&url, &[], LEGACY)?;
        ground.script(&url, &[("copies", copies.to_string())], COPIES)?;
    }
    let counted = ground.answers(&url, &[], &format!("SET work_mem = '1GB';\n{EXPECTED}"))?;
    let counts = |kind: &str| -> Vec<(String, u64)> {
        let lines = counted.lines().filter_map(|line| {
            let mut fields = line.split('|');
            let entity = fields.next()?;
            let rows = (fields.next()? == kind).then(|| fields.nth(1)?.parse().ok());
            Some((entity.to_owned(), rows??))
        });
        lines.collect()
    };
    let read: u64 = counts("read").iter().map(|(_, rows)| rows).sum();
    let entities = counts("rows");
    if entities.is_empty() || read < copies * ROWS / 2 {
        return Err("the laboratory is empty".to_owned());
    }
    let outline = Outline {
        title: format!(
            "dental lab x {copies}: {read} rows of {} entities",
            entities.len()
        ),
        rows: read,
        mapping: workspace::root().join("examples/dental-lab/driftless.toml"),
        source,
        roles: Some(ROLES),
        schema: TARGET.to_owned(),
        expected: entities
            .into_iter()
            .map(|(entity, rows)| (table_of(&entity), rows))
            .collect(),
    };
    Scene::of(ground, outline)
}

/// The laboratory's entities are called as their tables; two of them are the platform's.
fn table_of(entity: &str) -> String {
    let schema = if ["users", "identities"].contains(&entity) {
        "auth"
    } else {
        "public"
    };
    format!("{schema}.{entity}")
}
