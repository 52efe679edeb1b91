//! Whatever somebody writes, reading ends with a mapping or with findings, and the findings can be shown.

use proptest::prelude::*;

use super::{HEAD, OFFICES, variables};
use crate::error::blocks;
use crate::spec::{SourceFile, Sources, Style, includes, read, render};

/// Lines of which mappings are made, right and wrong.
fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "include",
        "name",
        "url",
        "zone",
        "from",
        "sql",
        "into",
        "key",
        "where",
        "after",
        "identity",
        "detect",
        "conflicts",
        "columns",
        "columns.a",
        "columns.b.ref",
        "columns.b.from",
        "rules",
        "totals",
        "copy",
        "skip",
        "batch_rows",
        "max_rejects",
        "domain",
        "\"odd key\"",
        "x.y.z",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "-1.5",
        "inf",
        "true",
        "\"a\"",
        "\"a.b\"",
        "\"${A}\"",
        "\"${B:-1}\"",
        "\"${\"",
        "[]",
        "[\"a\", 1]",
        "{}",
        "{ by = \"derive\" }",
        "{ by = \"columns\" }",
        "{ same_as = \"a\" }",
        "{ id = true }",
        "{ ref = \"a\" }",
        "{ json = { a = { json = \"unmapped\" }, b = 1 } }",
        "{ map = \"a\", values = { 1 = 2 } }",
        "\"\\u0000\"",
        "{ sql = \":id || ':x'\" }",
        "1979-05-27",
        "[{ name = \"a\", check = \"b\" }]",
        "\"1%\"",
        "\"é\"",
    ]);
    let header = prop::sample::select(vec![
        "[pipeline]",
        "[source]",
        "[target]",
        "[defaults]",
        "[defaults.columns]",
        "[entities]",
        "[entities.a]",
        "[entities.b.columns]",
        "[[entities.a.rules]]",
        "[[entities.b.totals]]",
        "[ignore]",
        "[oops",
    ]);
    prop_oneof![
        4 => (key, value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        2 => header.prop_map(|header| format!("{header}\n")),
        1 => "\\PC{0,12}\n",
    ]
}

fn check(sources: &Sources) -> Result<(), TestCaseError> {
    let environment = variables(&[("A", "a"), ("DRIFTLESS_DEFAULTS__SKIP", "[1")]);
    let findings = match read(sources, &environment) {
        Ok((_, findings)) => {
            prop_assert!(!blocks(&findings));
            findings
        }
        Err(findings) => {
            prop_assert!(blocks(&findings));
            findings
        }
    };
    for finding in &findings {
        prop_assert!(!finding.message.is_empty() && !finding.remedy.is_empty());
        if let Some(span) = finding.span {
            prop_assert!(sources.locate(span).is_some(), "{finding:?}");
        }
    }
    let shown = render(&findings, sources, Style::default());
    prop_assert_eq!(shown.is_empty(), findings.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn lines_of_mappings_in_any_order(
        first in prop::collection::vec(line(), 0..16),
        second in prop::collection::vec(line(), 0..8),
        whole in any::<bool>(),
    ) {
        let head = if whole { format!("{HEAD}{OFFICES}") } else { String::new() };
        let mut sources = Sources::single("a.toml", format!("{head}{}", first.concat()));
        sources.add("b.toml", second.concat());
        check(&sources)?;
    }

    #[test]
    fn any_text_at_all(text in any::<String>()) {
        let file = SourceFile { name: "a.toml".to_owned(), text: text.clone() };
        let _ = includes(&file);
        check(&Sources::single("a.toml", text))?;
    }

    #[test]
    fn a_mapping_with_a_piece_cut_out(start in 0usize..3000, length in 0usize..60) {
        let whole = include_str!("complete.toml");
        let cut = |at: usize| whole.floor_char_boundary(at.min(whole.len()));
        let text = format!("{}{}", &whole[..cut(start)], &whole[cut(start + length)..]);
        check(&Sources::single("a.toml", text))?;
    }

    /// The example, with pieces of it left out, said twice, moved elsewhere, or replaced by what TOML reads otherwise.
    #[test]
    fn the_dental_lab_with_changes(file in 0..LAB.len(), changes in prop::collection::vec(change(), 1..6)) {
        let mut sources = Sources::default();
        for (number, text) in LAB.iter().enumerate() {
            let mine = changes.iter().filter(|_| number == file);
            let text = mine.fold((*text).to_owned(), |text, change| change.made(&text));
            sources.add(format!("{number}.toml"), text);
        }
        check(&sources)?;
    }
}

const LAB: [&str; 5] = [
    include_str!("../../../../../examples/dental-lab/driftless.toml"),
    include_str!("../../../../../examples/dental-lab/entities/orders.toml"),
    include_str!("../../../../../examples/dental-lab/entities/people.toml"),
    include_str!("../../../../../examples/dental-lab/entities/stock.toml"),
    include_str!("../../../../../examples/dental-lab/entities/talk.toml"),
];

/// Pieces that change how the text around them is read.
const TOKENS: [&str; 30] = [
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "\\",
    "\r",
    "\0",
    "${",
    "${A}",
    ":",
    "true",
    "1e9",
    "-1",
    "nan",
    "1979-05-27",
    "é",
    "\u{202e}",
    "ref",
    "columns",
    "entities",
];

/// What is done to a text.
#[derive(Debug, Clone)]
struct Change {
    kind: usize,
    at: prop::sample::Index,
    length: usize,
    elsewhere: prop::sample::Index,
    token: &'static str,
}

fn change() -> impl Strategy<Value = Change> {
    let places = (
        any::<prop::sample::Index>(),
        0usize..40,
        any::<prop::sample::Index>(),
    );
    (0..5usize, places, prop::sample::select(TOKENS.to_vec())).prop_map(
        |(kind, (at, length, elsewhere), token)| Change {
            kind,
            at,
            length,
            elsewhere,
            token,
        },
    )
}

impl Change {
    fn made(&self, text: &str) -> String {
        let boundary = |at: usize| text.floor_char_boundary(at.min(text.len()));
        let start = boundary(self.at.index(text.len() + 1));
        let end = boundary(start + self.length);
        let (before, piece, after) = (&text[..start], &text[start..end], &text[end..]);
        let token = self.token;
        match self.kind {
            0 => format!("{before}{after}"),
            1 => format!("{before}{piece}{piece}{after}"),
            2 => format!("{before}{token}{piece}{after}"),
            3 => format!("{before}{token}{after}"),
            _ => {
                let rest = format!("{before}{after}");
                let place = rest.floor_char_boundary(self.elsewhere.index(rest.len() + 1));
                format!("{}{piece}{}", &rest[..place], &rest[place..])
            }
        }
    }
}
