//! Findings as people read them: severity, code, file, line, column, the line itself with a caret, and the remedy.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::Sources;
use super::secret::masked;
use crate::error::{Finding, Severity, Span};

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether colours may be used. Nothing is told by colour alone.
    pub color: bool,
}

/// Findings as text, one below the other with an empty line between. Those without a place in the mapping are shown with
/// what they are about. Connection strings are covered.
pub fn render(findings: &[Finding], sources: &Sources, style: Style) -> String {
    let shown: Vec<Shown> = sources.files.iter().map(|file| Shown::of(&file.text)).collect();
    let renderer = match style.color {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    let mut result = String::new();
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            result.push('\n');
        }
        result.push_str(&renderer.render(&[group(finding, sources, &shown)]));
        result.push('\n');
    }
    result
}

/// Bytes of a line that is still shown. Longer ones no person wrote; only their places are told.
const LONGEST_LINE: usize = 10_000;

/// A file as it is shown, with where its lines begin: the renderer is handed one line, and not the file, for each finding.
struct Shown {
    text: String,
    lines: Vec<usize>,
}

impl Shown {
    fn of(text: &str) -> Shown {
        let text = masked(text);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Shown { text, lines }
    }

    /// The number of the line in which this byte lies, from 1, where it begins, and the line.
    fn line(&self, at: usize) -> (usize, usize, &str) {
        let number = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(number - 1).copied().unwrap_or(0);
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        (number, start, &self.text[start..end])
    }
}

fn group<'a>(finding: &'a Finding, sources: &'a Sources, shown: &'a [Shown]) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level
        .primary_title(format!("{}: {}", finding.place, finding.message))
        .id(finding.code.to_string());
    let place = finding.span.and_then(|span| {
        let index = usize::try_from(span.file).ok()?;
        Some((span, sources.files.get(index)?, shown.get(index)?))
    });
    let group = match place {
        Some((span, file, shown)) => {
            let caret = caret(&shown.text, span);
            let (number, start, line) = shown.line(caret.start);
            if line.len() > LONGEST_LINE {
                let before = line[..caret.start - start].chars().count();
                let origin = Origin::path(file.name.as_str()).line(number);
                return with_remedy(title.element(origin.char_column(before + 1)), finding);
            }
            title.element(
                Snippet::source(line)
                    .line_start(number)
                    .path(file.name.as_str())
                    .annotation(AnnotationKind::Primary.span(caret.start - start..caret.end - start)),
            )
        }
        None => Group::with_title(title),
    };
    with_remedy(group, finding)
}

fn with_remedy<'a>(group: Group<'a>, finding: &'a Finding) -> Group<'a> {
    if finding.remedy.is_empty() {
        return group;
    }
    group.element(Level::HELP.message(normalize_untrusted_str(&finding.remedy)))
}

/// The part of the text under which carets stand: the span's first line, inside the text, between whole letters.
fn caret(text: &str, span: Span) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary((span.start as usize).min(text.len()));
    let end = text.ceil_char_boundary((span.end as usize).clamp(start, text.len()));
    let line = text[start..end]
        .find(['\r', '\n'])
        .map_or(end, |length| start + length);
    start..line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code;

    fn span(start: u32, end: u32) -> Span {
        Span { file: 0, start, end }
    }

    #[test]
    fn a_finding_shows_code_place_caret_and_remedy() {
        let sources = Sources::single("driftless.toml", "[pipeline]\nnaem = \"lab\"\n");
        let finding = Finding::error(code::UNKNOWN_KEY, "[pipeline]", "unknown key `naem`")
            .remedy("did you mean `name`?")
            .at(span(11, 15));
        insta::assert_snapshot!(render(&[finding], &sources, Style::default()));
    }

    #[test]
    fn a_finding_without_a_span_shows_what_it_is_about() {
        let finding = Finding::warning(code::UNFILLED_COLUMN, "entity patients, column x", "has no value")
            .remedy("map it");
        insta::assert_snapshot!(render(&[finding], &Sources::default(), Style::default()));
    }

    #[test]
    fn colours_only_when_asked() {
        let finding = Finding::note(code::NOT_YET, "entity a", "not yet");
        let sources = Sources::default();
        let shown = |color| render(std::slice::from_ref(&finding), &sources, Style { color });
        assert!(!shown(false).contains('\u{1b}'));
        assert!(shown(true).contains('\u{1b}'));
    }

    #[test]
    fn lines_that_nobody_wrote_are_not_shown() {
        let text = format!("a = 1\nb = [{}]\nc = 1\n", "é, ".repeat(5000));
        let sources = Sources::single("a.toml", text);
        let finding = Finding::error(code::INVALID_VALUE, "x", "m").at(span(15, 17));
        let shown = render(&[finding.remedy("r")], &sources, Style::default());
        assert!(
            shown.contains("--> a.toml:2:9") && shown.contains("help: r"),
            "{shown}"
        );
        assert!(shown.len() < 200, "{shown}");
    }

    #[test]
    fn places_outside_the_text_do_not_matter() {
        for text in ["", "\n", "é", "a\r\nb", "\u{1b}[31m\t\u{202e}x"] {
            let sources = Sources::single("a.toml", text);
            for (start, end) in [(0, 0), (0, 1), (1, 2), (0, 99), (99, 100), (5, 2)] {
                let finding = Finding::error(code::INVALID_VALUE, "\u{1b}[31m", "m\nm").at(span(start, end));
                let shown = render(&[finding], &sources, Style::default());
                assert!(shown.contains("DL0006"));
                assert!(!shown.contains('\u{1b}'), "{shown}");
            }
        }
    }
}
