use std::collections::BTreeSet;

use super::Finding;
use crate::workspace::Workspace;

/// The table of codes. A row reads `NAME = 12, Exit, "title";`.
const TABLE: &str = "crates/driftless-core/src/code.rs";

/// Every code has a page `docs/errors/DLxxxx.md`, and every page a code.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let table = workspace.files.iter().find(|file| file.path == TABLE);
    let codes: BTreeSet<String> = table
        .map(|file| codes_of(&file.source.with_strings))
        .unwrap_or_default();
    if codes.is_empty() {
        return vec![finding(TABLE, "no row of the table of codes was understood")];
    }
    let pages: BTreeSet<String> = workspace
        .error_pages
        .iter()
        .filter_map(|name| name.strip_suffix(".md"))
        .map(str::to_owned)
        .collect();
    let without_page = codes
        .difference(&pages)
        .map(|code| finding(code, "has no page in docs/errors"));
    let without_code = pages
        .difference(&codes)
        .map(|page| finding(page, "is a page in docs/errors, but no code"));
    without_page.chain(without_code).collect()
}

fn finding(place: &str, text: &str) -> Finding {
    Finding {
        place: place.to_owned(),
        text: text.to_owned(),
    }
}

fn codes_of(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(row)
        .map(|number| format!("DL{number:04}"))
        .collect()
}

fn row(line: &str) -> Option<u16> {
    let (name, rest) = line.trim().split_once(" = ")?;
    let constant = name
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let (number, rest) = rest.split_once(',')?;
    (constant && rest.trim_end().ends_with("\";"))
        .then(|| number.trim().parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::super::{places, workspace_of};
    use super::*;

    fn breaches(pages: &[&str], table: &str) -> Vec<String> {
        let mut workspace = workspace_of(&[(TABLE, table)]);
        workspace.error_pages = pages.iter().map(|&page| page.to_owned()).collect();
        places(&check(&workspace))
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn codes_and_pages_belong_together() {
        let table =
            "codes! {\n    // ---- a\n    ONE = 1, Usage, \"one\";\n    TWO_2 = 102, Halted, \"two\";\n}";
        assert!(breaches(&["DL0001.md", "DL0102.md"], table).is_empty());
        assert_eq!(breaches(&["DL0001.md"], table), ["DL0102"]);
        assert_eq!(
            breaches(&["DL0001.md", "DL0102.md", "DL0103.md"], table),
            ["DL0103"]
        );
    }

    #[test]
    fn a_table_that_cannot_be_read_is_a_breach() {
        assert_eq!(breaches(&[], "nothing"), [TABLE]);
    }
}
