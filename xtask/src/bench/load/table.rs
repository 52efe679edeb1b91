use std::fmt::Write as _;

use super::Wishes;
use super::contender::{Contender, Run};
use super::ground::Ground;

/// Median, smallest and largest of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |position: usize| figures.get(position).copied().unwrap_or(f64::NAN);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        };
        Spread {
            median,
            least: at(0),
            most: at(figures.len().saturating_sub(1)),
        }
    }

    fn text(self) -> String {
        format!("{:.2} ({:.2}-{:.2})", self.median, self.least, self.most)
    }
}

/// All figures, as Markdown.
pub(super) fn render(wishes: &Wishes, ground: &Ground, runs: &[Run]) -> String {
    let mut out = format!(
        "{} patients{}, {} alternating runs each; median (least-most)\n\n\
         | | seconds | rows/s | x floor | x pipe | CPU s source | CPU s target | CPU s between | peak MB |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        wishes.rows,
        if wishes.expressions {
            ", three columns by expression"
        } else {
            ""
        },
        wishes.pairs,
    );
    for contender in [Contender::Floor, Contender::Driftless, Contender::Pipe] {
        line(&mut out, ground.rows, runs, contender);
    }
    out.push_str("\nSteps of driftless, median seconds: ");
    out.push_str(&steps(runs).join(", "));
    let version = ground.target.binaries().major();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    // Writing to the string cannot fail.
    let _ = writeln!(
        out,
        "\n\nPostgreSQL {version} with fsync and full_page_writes off, both servers on this machine, {cores} cores, \
         driftless: {}.",
        wishes.program.as_ref().map_or_else(
            || format!("profile {}", wishes.profile),
            |file| file.display().to_string()
        )
    );
    out
}

fn line(out: &mut String, rows: u64, runs: &[Run], contender: Contender) {
    let seconds = Spread::of(of(runs, contender).map(|run| run.seconds));
    let cpu = |part: usize| Spread::of(of(runs, contender).map(|run| run.cpu[part])).median;
    let peak = of(runs, contender).map(|run| run.peak_mb).fold(0.0, f64::max);
    let _ = writeln!(
        out,
        "| {} | {} | {:.0} | {} | {} | {:.2} | {:.2} | {} | {} |",
        contender.name(),
        seconds.text(),
        rows as f64 / seconds.median,
        ratio(runs, contender, Contender::Floor),
        ratio(runs, contender, Contender::Pipe),
        cpu(0),
        cpu(1),
        // The floor's session only hands over statements.
        figure(contender, format!("{:.2}", cpu(2))),
        figure(contender, format!("{peak:.0}")),
    );
}

fn figure(contender: Contender, figure: String) -> String {
    if contender == Contender::Floor {
        "-".to_owned()
    } else {
        figure
    }
}

fn of(runs: &[Run], contender: Contender) -> impl Iterator<Item = &Run> {
    runs.iter().filter(move |run| run.contender == contender)
}

/// The ratio within each pair: what disturbs a pair disturbs both of it.
fn ratio(runs: &[Run], contender: Contender, base: Contender) -> String {
    if contender == base {
        return "1".to_owned();
    }
    let pairs = of(runs, contender).zip(of(runs, base));
    Spread::of(pairs.map(|(run, base)| run.seconds / base.seconds)).text()
}

fn steps(runs: &[Run]) -> Vec<String> {
    let Some(first) = of(runs, Contender::Driftless).next() else {
        return Vec::new();
    };
    let median = |step: &str| {
        let of_step = |run: &Run| {
            run.steps
                .iter()
                .filter(|one| one.0 == step)
                .map(|one| one.1)
                .sum()
        };
        Spread::of(of(runs, Contender::Driftless).map(of_step)).median
    };
    let names = first.steps.iter().map(|(step, _)| step);
    names.map(|step| format!("{step} {:.2}", median(step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(contender: Contender, seconds: f64) -> Run {
        Run {
            contender,
            seconds,
            cpu: [0.0; 3],
            peak_mb: 0.0,
            steps: vec![("loading".to_owned(), seconds)],
        }
    }

    #[test]
    fn the_median_stands_in_the_middle() {
        let odd = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.least, odd.most), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0]).median, 2.5);
    }

    #[test]
    fn ratios_are_taken_within_pairs() {
        let (us, base) = (Contender::Driftless, Contender::Floor);
        let runs = [run(base, 1.0), run(us, 2.0), run(us, 30.0), run(base, 10.0)];
        assert_eq!(ratio(&runs, us, base), "2.50 (2.00-3.00)");
        assert_eq!(steps(&runs), ["loading 16.00"]);
    }
}
