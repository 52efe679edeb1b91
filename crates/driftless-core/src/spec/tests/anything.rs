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
}
