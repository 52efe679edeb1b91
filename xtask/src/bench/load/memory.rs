use super::contender::{self, Contender, Run};
use super::ground::Ground;
use super::migrate::Setting;
use super::scene::{Outline, Scene};
use super::spread::{Spread, verdict};

/// MB that the process may take, beside three times the largest row.
const BASE_MB: f64 = 96.0;

/// Most that the time per row, or the peak of memory, may differ, as a ratio of the most to the least.
const FLAT: f64 = 1.15;

/// So few rows that a load of them costs what every load costs.
const START: u64 = 1_000;

/// Large rows, and the bytes of each.
const LARGE: (u64, u64) = (8, 16 << 20);

/// Most bytes that an ordinary patient takes: small beside everything else.
const PATIENT_MB: f64 = 0.001;

const WIDE: &str = include_str!("wide.sql");
const WIDE_MAPPING: &str = "[pipeline]\nname = \"bench\"\n[source]\nurl = \"${SOURCE_DATABASE_URL}\"\n\
     [target]\nurl = \"${TARGET_DATABASE_URL}\"\n[defaults]\ncopy = \"same-name\"\n\
     [entities.offices]\nfrom = \"public.dispatch_office\"\ninto = \"public.offices\"\ncolumns.id = { id = true }\n";
const WIDE_TARGET: &str =
    "CREATE TABLE offices (id uuid PRIMARY KEY, name text NOT NULL, city text NOT NULL);";

/// One size: the seconds, and the most memory of its loads.
struct Size {
    rows: u64,
    seconds: Spread,
    peak_mb: f64,
}

/// Peak memory and time per row of growing loads, and peak memory with large rows.
pub(super) fn measure(ground: &Ground, ladder: &[u64], pairs: usize) -> Result<String, String> {
    let rows = [START].into_iter().chain(ladder.iter().copied());
    let scenes = rows.map(|rows| Scene::patients(ground, rows, false));
    let scenes: Vec<Scene> = scenes.collect::<Result<_, _>>()?;
    let sizes = loaded(ground, &scenes, pairs)?;
    let start = sizes[0].seconds.median;
    let limit = BASE_MB + 3.0 * PATIENT_MB;
    let mut out = format!(
        "Patients, {pairs} loads of each size, in turn, median seconds (least-most) and the highest peak; a load of {START} takes {start:.2} s whatever it loads\n\n\
         | rows | seconds | us per row | us per row without these {start:.2} s | peak MB |\n|---|---|---|---|---|\n"
    );
    for size in &sizes {
        out.push_str(&format!(
            "| {} | {} | {:.2} | {} | {:.0} |\n",
            size.rows,
            size.seconds.text(),
            per_row(size, 0.0),
            if size.rows == START {
                "-".to_owned()
            } else {
                format!("{:.2}", per_row(size, start))
            },
            size.peak_mb,
        ));
    }
    let flat = |less: f64| {
        let spread = Spread::of(sizes[1..].iter().map(|size| per_row(size, less)));
        spread.most / spread.least
    };
    let (whole, without) = (flat(0.0), flat(start));
    let peaks = Spread::of(sizes[1..].iter().map(|size| size.peak_mb));
    let (peak, steady) = (peaks.most, peaks.most / peaks.least);
    out.push_str(&format!(
        "\nThe longest time per row is {whole:.2} times the shortest, {without:.2} times without what every load costs. Goal: at most {FLAT}: {}, {} without. \
         Peak memory: at most {limit:.0} MB: {}. The highest peak is {steady:.2} times the lowest; goal: the same, at most {FLAT}: {}.\n",
        verdict(whole <= FLAT),
        verdict(without <= FLAT),
        verdict(peak <= limit),
        verdict(steady <= FLAT),
    ));
    let (rows, bytes) = LARGE;
    let large = &loaded(ground, &[wide(ground, rows, bytes)?], 1)?[0];
    let row_mb = bytes as f64 / f64::from(1 << 20);
    let limit = BASE_MB + 3.0 * row_mb;
    out.push_str(&format!(
        "{rows} rows of {row_mb:.0} MB: {:.2} s, peak {:.0} MB. Goal: at most {limit:.0} MB: {}.\n",
        large.seconds.median,
        large.peak_mb,
        verdict(large.peak_mb <= limit)
    ));
    Ok(out)
}

/// Microseconds per row, without some seconds.
fn per_row(size: &Size, less: f64) -> f64 {
    (size.seconds.median - less) * 1e6 / size.rows as f64
}

/// Loads each scene so many times, one after the other, so that an hour in which the machine is slower hits all of them.
fn loaded(ground: &Ground, scenes: &[Scene], times: usize) -> Result<Vec<Size>, String> {
    let setting = Setting::default();
    let mut runs: Vec<Vec<Run>> = scenes.iter().map(|_| Vec::new()).collect();
    for _ in 0..times {
        for (scene, runs) in scenes.iter().zip(&mut runs) {
            let run = contender::run(ground, scene, Contender::Driftless(&setting))?;
            eprintln!("{}: {:.2} s, {:.0} MB", scene.title, run.seconds, run.peak_mb);
            runs.push(run);
        }
    }
    let size = |(scene, runs): (&Scene, Vec<Run>)| Size {
        rows: scene.rows,
        seconds: Spread::of(runs.iter().map(|run| run.seconds)),
        peak_mb: runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max),
    };
    Ok(scenes.iter().zip(runs).map(size).collect())
}

fn wide(ground: &Ground, rows: u64, bytes: u64) -> Result<Scene, String> {
    let source = format!("wide_{bytes}");
    if ground.make_source(&source)? {
        let variables = [("rows", rows.to_string()), ("bytes", bytes.to_string())];
        ground.script(&ground.source.url(&source), &variables, WIDE)?;
    }
    let outline = Outline {
        title: format!("{rows} rows of {bytes} bytes"),
        rows,
        mapping: ground.write("wide.toml", WIDE_MAPPING)?,
        source,
        roles: None,
        schema: WIDE_TARGET.to_owned(),
        expected: vec![("public.offices".to_owned(), rows)],
    };
    Scene::of(ground, outline)
}
