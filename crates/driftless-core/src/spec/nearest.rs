/// Letters of the longest name for which another one is looked for. PostgreSQL's names have 63 at most, and the work grows
/// with the product of both lengths.
const LONGEST: usize = 200;

/// The known name nearest to what was written, if it is near enough to be meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    // A third of the letters may be wrong, but one always: short names would otherwise never be found.
    let letters = written.chars().count();
    let limit = (letters / 3).max(1);
    if letters > LONGEST {
        return None;
    }
    known
        .into_iter()
        // Each letter more or less is one that differs; a letter has four bytes at most.
        .filter(|name| name.len() <= 4 * (letters + limit))
        .map(|name| (distance(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many insertions, deletions, substitutions and swaps of neighbours lie between two texts.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_away() {
        let known = ["from", "into", "where", "batch_rows", "batch_bytes", "key"];
        for (written, meant) in [
            ("form", Some("from")),
            ("batch_row", Some("batch_rows")),
            ("Batch_Bytes", Some("batch_bytes")),
            ("kye", Some("key")),
            ("table", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(distance("form", "from"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
