use std::fmt::Write as _;

use super::alternate::Series;
use super::ground::Ground;
use super::scene::Scene;
use super::spread::Spread;

/// All figures of some series as Markdown, with the ratio to each of the `bases`, which are numbers of series.
pub(super) fn render(scene: &Scene, rounds: usize, series: &[Series], bases: &[usize]) -> String {
    let ratios: String = bases
        .iter()
        .map(|base| format!(" x {} |", series[*base].name))
        .collect();
    let mut out = format!(
        "{}, {rounds} alternating runs each; median (least-most)\n\n\
         | | seconds | rows/s |{ratios} CPU s source | CPU s target | CPU s between | peak MB |\n\
         |---|---|---|{}---|---|---|---|\n",
        scene.title,
        "---|".repeat(bases.len()),
    );
    for one in series {
        let bases: Vec<&Series> = bases.iter().map(|base| &series[*base]).collect();
        line(&mut out, scene.rows, one, &bases);
    }
    for one in series
        .iter()
        .filter(|one| one.runs.iter().any(|run| !run.steps.is_empty()))
    {
        let _ = writeln!(
            out,
            "\nSteps of {}, median seconds: {}.",
            one.name,
            steps(one).join(", ")
        );
    }
    out
}

/// On what was measured, for below all tables.
pub(super) fn machine(ground: &Ground, program: &str) -> String {
    let version = ground.target.binaries().major();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let disk = if ground.durable { "on" } else { "off" };
    format!(
        "PostgreSQL {version} with fsync and full_page_writes {disk}, both servers on this machine, {cores} cores, \
         driftless: {program}.\n"
    )
}

fn line(out: &mut String, rows: u64, one: &Series, bases: &[&Series]) {
    let seconds = Spread::of(one.runs.iter().map(|run| run.seconds));
    let cpu = |part: usize| Spread::of(one.runs.iter().map(|run| run.cpu[part])).median;
    let _ = write!(
        out,
        "| {} | {} | {:.0} |",
        one.name,
        seconds.text(),
        rows as f64 / seconds.median
    );
    for base in bases {
        if std::ptr::eq(*base, one) {
            out.push_str(" 1 |");
        } else {
            let _ = write!(out, " {} |", Series::ratio(one, base).text());
        }
    }
    let _ = writeln!(
        out,
        " {:.2} | {:.2} | {} | {} |",
        cpu(0),
        cpu(1),
        figure(2, cpu(2)),
        figure(0, peak(one)),
    );
}

/// A figure; what nobody looked at is 0, and no figure.
fn figure(digits: usize, figure: f64) -> String {
    if figure == 0.0 {
        "-".to_owned()
    } else {
        format!("{figure:.digits$}")
    }
}

/// The most memory that a run of the series took, in MB.
fn peak(series: &Series) -> f64 {
    series.runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max)
}

fn steps(series: &Series) -> Vec<String> {
    let Some(first) = series.runs.first() else {
        return Vec::new();
    };
    let median = |step: &str| {
        Spread::of(series.runs.iter().map(|run| {
            let of_step = run.steps.iter().filter(|one| one.0 == step);
            of_step.map(|one| one.1).sum()
        }))
        .median
    };
    let names = first.steps.iter().map(|(step, _)| step);
    names.map(|step| format!("{step} {:.2}", median(step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::contender::Run;

    #[test]
    fn steps_are_medians() {
        let run = |seconds| Run {
            steps: vec![("loading".to_owned(), seconds)],
            ..Run::took(seconds)
        };
        let series = Series {
            name: "driftless".to_owned(),
            runs: vec![run(2.0), run(30.0)],
        };
        assert_eq!(steps(&series), ["loading 16.00"]);
    }

    #[test]
    fn what_was_not_measured_is_no_figure() {
        assert_eq!(
            (figure(2, 0.0), figure(1, 2.25)),
            ("-".to_owned(), "2.2".to_owned())
        );
    }
}
