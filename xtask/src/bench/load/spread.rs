/// Median, smallest and largest of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
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

    pub(super) fn text(self) -> String {
        format!("{:.2} ({:.2}-{:.2})", self.median, self.least, self.most)
    }

    /// `+1.8 % (-0.2 to +2.4 %)` for ratios around 1.
    pub(super) fn percent(self) -> String {
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        format!(
            "{:+.1} % ({:+.1} to {:+.1} %)",
            percent(self.median),
            percent(self.least),
            percent(self.most)
        )
    }
}

/// Whether a goal is held, in words.
pub(super) fn verdict(held: bool) -> &'static str {
    if held { "held" } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let odd = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.least, odd.most), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0]).median, 2.5);
    }

    #[test]
    fn a_ratio_may_be_told_in_percent() {
        assert_eq!(Spread::of([1.02, 0.98]).percent(), "+0.0 % (-2.0 to +2.0 %)");
    }
}
