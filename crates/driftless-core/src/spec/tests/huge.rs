//! Mappings that are nested, long or wrong beyond all measure: findings, within seconds, on an ordinary stack.

use super::*;
use crate::code;
use crate::error::blocks;

/// What is told of a text, which must be wrong; that it can be shown is part of it.
fn told(text: String) -> Vec<Finding> {
    let sources = Sources::single("a.toml", text);
    let findings = refused(&sources, &[]);
    assert!(!render(&findings, &sources, Style::default()).is_empty());
    findings
}

/// `before` over and over, then the same count of `after`.
fn nested(before: &str, after: &str, levels: usize) -> String {
    format!("{}\"a\"{}", before.repeat(levels), after.repeat(levels))
}

#[test]
fn nesting_has_an_end() {
    let dots = vec!["a"; 79].join(".");
    for text in [
        format!("a = {}", nested("[", "]", 100_000)),
        format!("a = {}", nested("{a=", "}", 100_000)),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        // Each bound of the parser is kept here: seventy brackets, and keys of seventy-nine parts.
        format!("a = {}", nested(&format!("{{ {dots} = "), "}", 70)),
        format!("a = {}", nested(&format!("{{ {dots} = "), "}", 2)),
        format!("[{dots}]\n{dots} = 1"),
    ] {
        let findings = told(text);
        assert_eq!(findings[0].code, code::MAPPING_SYNTAX, "{findings:?}");
    }
}

#[test]
fn a_value_of_the_environment_is_bounded_too() {
    let dots = vec!["a"; 79].join(".");
    let value = nested(&format!("{{ {dots} = "), "}", 70);
    let findings = refused(&sources(""), &[("DRIFTLESS_DEFAULTS__COLUMNS", &value)]);
    assert!(
        findings[0].place.contains("DRIFTLESS_DEFAULTS__COLUMNS"),
        "{findings:?}"
    );
}

#[test]
fn objects_within_objects_are_read_as_deep_as_anybody_writes_them() {
    let object = |levels| nested("{ json = { a = ", " } }", levels);
    let mapping = |levels| format!("columns.a = {}\n", object(levels));
    // Column, entity and section stand around them.
    assert_eq!(refused_or_not(&sources(&mapping(30))), vec![]);
    assert!(blocks(&refused_or_not(&sources(&mapping(60)))));
}

fn refused_or_not(sources: &Sources) -> Vec<Finding> {
    match read(sources, &BTreeMap::new()) {
        Ok((_, findings)) | Err(findings) => findings,
    }
}

#[test]
fn a_thousand_findings_are_told_and_the_rest_counted() {
    let keys: String = (0..20_000).map(|number| format!("k{number} = 1\n")).collect();
    let findings = told(format!("{HEAD}{OFFICES}other = 1\n[defaults]\n{keys}"));
    assert_eq!(findings.len(), 1001);
    let last = findings.last().map(|finding| finding.message.as_str());
    assert_eq!(last, Some("19001 more findings are not shown"));
}

#[test]
fn work_grows_with_the_text_and_not_with_its_square() {
    let list = |line: &dyn Fn(usize) -> String| (0..30_000).map(line).collect::<String>();
    let after = list(&|number| format!("\"x{number}\", "));
    let twice = list(&|number| format!("\"y{}\", ", number / 2));
    for text in [
        format!("after = [{after}]\n"),
        format!("after = [{twice}]\n"),
        format!("[ignore]\n{}", list(&|number| format!("\"a.k{number}\" = 1\n"))),
        list(&|number| format!("[entities.e{number}]\nfrom = \"a.b\"\n")),
        format!(
            "after = [\"{}\"]\n[entities.{}]\n",
            "j".repeat(500_000),
            "k".repeat(500_000)
        ),
        "\u{1}=".repeat(300_000),
        "\"\n".repeat(300_000),
        "[\n".repeat(300_000),
    ] {
        told(format!("{HEAD}{OFFICES}{text}"));
    }
}

#[test]
fn sql_of_any_shape_is_read_once() {
    for piece in [":\"", "$a$ $b", "/*", "e' '\n", ":a ", "(", "::", "''", "$1"] {
        let sql = piece.repeat(100_000);
        let text = format!("columns.x = {{ sql = '''{sql}''' }}\n");
        refused_or_not(&sources(&text));
    }
}
