//! Aligned columns of text.

use console::{measure_text_width, truncate_str};

/// Narrowest that a column of texts is made to fit a terminal.
const NARROWEST: usize = 12;

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows under headings. Cells are data: what a terminal would obey is written out.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: &[(&'static str, Align)]) -> Table {
        Table {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one cell per heading.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| clean(&cell)).collect();
        row.resize(self.headings.len(), String::new());
        self.rows.push(row);
    }

    /// The table without those of these columns in which every cell is empty: what nobody uses takes no room.
    pub(crate) fn without_unused(mut self, headings: &[&str]) -> Table {
        for at in (0..self.headings.len()).rev() {
            let unused = self.rows.iter().all(|row| row[at].is_empty());
            if unused && headings.contains(&self.headings[at].0) {
                self.headings.remove(at);
                for row in &mut self.rows {
                    row.remove(at);
                }
            }
        }
        self
    }

    /// The table as text. With a width, texts are cut so that it fits.
    pub(crate) fn text(&self, width: Option<usize>) -> String {
        let widths = self.widths(width.unwrap_or(usize::MAX));
        let headings: Vec<String> = self
            .headings
            .iter()
            .map(|(heading, _)| (*heading).to_owned())
            .collect();
        let mut text = self.line(&headings, &widths);
        let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        text.push_str(&self.line(&rules, &widths));
        for row in &self.rows {
            text.push_str(&self.line(row, &widths));
        }
        text
    }

    fn widths(&self, most: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| measure_text_width(&row[column]));
                cells
                    .chain([measure_text_width(self.headings[column].0)])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let gaps = widths.len().saturating_sub(1) * 2;
        while widths.iter().sum::<usize>() + gaps > most {
            let texts = (0..widths.len()).filter(|column| self.headings[*column].1 == Align::Left);
            match texts.max_by_key(|column| widths[*column]) {
                Some(widest) if widths[widest] > NARROWEST => widths[widest] -= 1,
                _ => break,
            }
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.headings) {
            let cell = truncate_str(cell, *width, "…");
            let blank = " ".repeat(width.saturating_sub(measure_text_width(&cell)));
            match align {
                Align::Left => line.push_str(&format!("{cell}{blank}  ")),
                Align::Right => line.push_str(&format!("{blank}{cell}  ")),
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// A text in which nothing is left that a terminal would obey, on one line.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        // U+202A.. and U+2066.. turn the direction of what follows.
        let obeyed =
            character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if obeyed {
            cleaned.extend(character.escape_default());
        } else {
            cleaned.push(character);
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&[
            ("entity", Align::Left),
            ("rows", Align::Right),
            ("reason", Align::Left),
        ]);
        table.row([
            "patients".into(),
            "39,540".into(),
            "the table is empty and ours to alter".into(),
        ]);
        table.row(["愛".into(), "4".into(), "line\nend \u{1b}[31mred".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_control_characters_written_out() {
        insta::assert_snapshot!(sample().text(None));
    }

    #[test]
    fn a_narrow_terminal_gets_cut_texts_and_whole_numbers() {
        let text = sample().text(Some(40));
        assert!(text.lines().all(|line| measure_text_width(line) <= 40), "{text}");
        assert!(text.contains("39,540") && text.contains('…'), "{text}");
    }
}
