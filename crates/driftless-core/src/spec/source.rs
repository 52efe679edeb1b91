//! The texts a mapping is read from.

use crate::error::Span;

/// One file of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name as the user knows it.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The files of a mapping: the root file first, then what it includes, in name order. `Span::file` counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The files.
    pub files: Vec<SourceFile>,
}

impl Sources {
    /// A mapping of one file.
    pub fn single(name: impl Into<String>, text: impl Into<String>) -> Sources {
        let mut sources = Sources::default();
        sources.add(name, text);
        sources
    }

    /// Adds a file behind the others.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.files.push(SourceFile {
            name: name.into(),
            text: text.into(),
        });
    }

    /// The file in which a span lies.
    pub fn file(&self, span: Span) -> Option<&SourceFile> {
        self.files.get(usize::try_from(span.file).ok()?)
    }

    /// `file:line:column` of a span's beginning, lines and characters counted from 1.
    pub fn locate(&self, span: Span) -> Option<String> {
        let file = self.file(span)?;
        let before = &file.text.as_bytes()[..(span.start as usize).min(file.text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        Some(format!("{}:{line}:{column}", file.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let sources = Sources::single("a.toml", "x = 1\né = 2\n");
        let at = |start| {
            sources.locate(Span {
                file: 0,
                start,
                end: start,
            })
        };
        assert_eq!(at(0).as_deref(), Some("a.toml:1:1"));
        assert_eq!(at(9).as_deref(), Some("a.toml:2:3"));
        assert_eq!(at(999).as_deref(), Some("a.toml:3:1"));
        let elsewhere = Span {
            file: 7,
            start: 0,
            end: 0,
        };
        assert_eq!(sources.locate(elsewhere), None);
    }
}
