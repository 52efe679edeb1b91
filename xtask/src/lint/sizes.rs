use super::Finding;
use crate::workspace::Workspace;

/// The most lines of a file. Clippy watches over functions.
const MOST_LINES: usize = 700;

/// Frees a file that is a table of data; the reason follows on the same line.
const TABLE_OF_DATA: &str = "// table of data: ";

/// No Rust file is longer than 700 lines, unless it is a table of data and says why.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.files.iter().filter(|file| file.is_rust()) {
        let text = &file.source.text;
        let lines = text.lines().count();
        let reason = text.lines().find_map(|line| line.strip_prefix(TABLE_OF_DATA));
        let freed = reason.is_some_and(|reason| !reason.trim().is_empty());
        if lines > MOST_LINES && !freed {
            let text = format!("{lines} lines; {MOST_LINES} are the most: split it");
            findings.push(Finding {
                place: file.path.clone(),
                text,
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::workspace_of;
    use super::*;

    #[test]
    fn a_long_file_is_found_unless_it_is_a_table() {
        let long = "\n".repeat(MOST_LINES + 1);
        let table = format!("{TABLE_OF_DATA}one row per type{long}");
        let no_reason = format!("{TABLE_OF_DATA}{long}");
        let breaches = |text: &str| check(&workspace_of(&[("crates/c/src/a.rs", text)])).len();
        assert_eq!(breaches(&long), 1);
        assert_eq!(breaches(&long[1..]), 0);
        assert_eq!(breaches(&table), 0);
        assert_eq!(breaches(&no_reason), 1);
    }
}
