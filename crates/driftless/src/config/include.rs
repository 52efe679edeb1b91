//! The files that `include` names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use driftless_core::code;
use driftless_core::error::Finding;
use driftless_core::spec::Spanned;

use crate::failure::Failure;

/// The files that a pattern stands for, in name order. `*` stands for any text within the last part of the path.
pub(super) fn expand(dir: &Path, pattern: &Spanned<String>) -> Result<Vec<PathBuf>, Failure> {
    let path = dir.join(&pattern.value);
    let refuse = |message: String, remedy: &str| {
        let place = format!("include \"{}\"", pattern.value);
        let finding = Finding::error(code::MAPPING_UNREADABLE, place, message);
        Failure::of(vec![finding.remedy(remedy).at(pattern.span)])
    };
    let parent = path.parent().unwrap_or(dir);
    if parent.to_string_lossy().contains('*') {
        return Err(refuse(
            "`*` stands for a part of a file's name only".to_owned(),
            "name each directory, as in include = [\"a/*.toml\", \"b/*.toml\"]",
        ));
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if !name.contains('*') {
        return Ok(vec![path]);
    }
    let found = matching(parent, &name).map_err(|error| {
        refuse(
            format!("{} cannot be read: {error}", parent.display()),
            "name a readable directory",
        )
    })?;
    if found.is_empty() {
        return Err(refuse(
            "no file has such a name".to_owned(),
            "correct the pattern, or remove it",
        ));
    }
    Ok(found)
}

fn matching(dir: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        // As in a shell: what begins with a dot is meant only when it is named so.
        let hidden = name.as_encoded_bytes().starts_with(b".") && !pattern.starts_with('.');
        if !hidden && fits(pattern, &name.to_string_lossy()) && entry.path().is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    // The leftmost place serves as well as any other: what stands behind it is the longest then.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_core::error::Span;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("*.toml", "people.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "people.toml.bak", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("*", "anything", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    fn expanded(dir: &Path, pattern: &str) -> Result<Vec<String>, String> {
        let pattern = Spanned {
            value: pattern.to_owned(),
            span: Span::default(),
        };
        let names = |path: PathBuf| path.strip_prefix(dir).unwrap().display().to_string();
        expand(dir, &pattern)
            .map(|files| files.into_iter().map(names).collect())
            .map_err(|failure| failure.findings()[0].message.clone())
    }

    #[test]
    fn files_come_in_name_order_without_hidden_ones() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("entities")).unwrap();
        fs::create_dir(root.path().join("entities/dir.toml")).unwrap();
        for name in ["b.toml", "a.toml", ".hidden.toml", "c.md"] {
            fs::write(root.path().join("entities").join(name), "").unwrap();
        }
        let files = expanded(root.path(), "entities/*.toml").unwrap();
        assert_eq!(files, ["entities/a.toml", "entities/b.toml"]);
        assert_eq!(expanded(root.path(), "entities/c.md").unwrap(), ["entities/c.md"]);
        assert_eq!(
            expanded(root.path(), "entities/x*").unwrap_err(),
            "no file has such a name"
        );
        assert!(
            expanded(root.path(), "ent*/a.toml")
                .unwrap_err()
                .contains("part of a file's name")
        );
    }
}
