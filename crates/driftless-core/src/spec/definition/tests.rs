use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::spec::{Sources, read};

const HEAD: &str =
    "[pipeline]\nname = \"lab\"\n[source]\nurl = \"postgres://a\"\n[target]\nurl = \"postgres://b\"\n";
const ENTITY_X: &str = "[entities.x]\nfrom = \"a.b\"\ninto = \"c.d\"\n";

/// The keys that the reader says it knows where it meets one that nobody knows.
fn known(text: &str) -> BTreeSet<String> {
    let sources = Sources::single("driftless.toml", text);
    let findings = read(&sources, &BTreeMap::new()).expect_err("an unknown key");
    let told = findings
        .iter()
        .find(|finding| finding.message.contains("`qqqqqqqqqq`"))
        .unwrap_or_else(|| panic!("{findings:#?}"));
    let list = told
        .remedy
        .strip_prefix("known here: ")
        .unwrap_or_else(|| panic!("{told}"));
    list.split(", ").map(str::to_owned).collect()
}

fn keys(lists: &[&[Setting]]) -> BTreeSet<String> {
    let settings = lists.iter().copied().flatten();
    settings.map(|setting| setting.key.to_owned()).collect()
}

#[test]
fn the_reader_knows_what_is_defined_and_nothing_else() {
    let unknown = "qqqqqqqqqq = 1\n";
    for (text, defined) in [
        (
            HEAD.replace("[source]", &format!("{unknown}[source]")) + ENTITY_X,
            keys(&[PIPELINE]),
        ),
        (
            HEAD.replace("[target]", &format!("{unknown}[target]")) + ENTITY_X,
            keys(&[SERVER]),
        ),
        (format!("{HEAD}{unknown}{ENTITY_X}"), keys(&[SERVER])),
        (
            format!("{HEAD}[defaults]\n{unknown}{ENTITY_X}"),
            keys(&[SHARED, DEFAULTS]),
        ),
        (format!("{HEAD}{ENTITY_X}{unknown}"), keys(&[SHARED, ENTITY])),
        (
            format!("{HEAD}{ENTITY_X}[entities.x.identity]\nby = \"derive\"\n{unknown}"),
            keys(&[IDENTITY]),
        ),
        (
            format!("{HEAD}{ENTITY_X}[entities.x.detect]\nby = \"hash\"\n{unknown}"),
            keys(&[DETECT]),
        ),
        (
            format!("{HEAD}{ENTITY_X}[entities.x.conflicts]\n{unknown}"),
            keys(&[CONFLICTS]),
        ),
        (
            format!("{HEAD}{ENTITY_X}[[entities.x.rules]]\nname = \"a\"\ncheck = \"b\"\n{unknown}"),
            keys(&[RULE]),
        ),
        (
            format!("{HEAD}{ENTITY_X}[[entities.x.totals]]\nsum = \"a\"\n{unknown}"),
            keys(&[TOTAL]),
        ),
    ] {
        assert_eq!(known(&text), defined, "{text}");
    }
}

#[test]
fn the_reader_knows_the_forms_and_what_stands_beside_them() {
    for form in FORMS {
        let value = match form.key {
            "id" => "true",
            "json" => "\"unmapped\"",
            "lookup" => "\"a.b\"",
            "run" => "\"id\"",
            _ => "\"a\"",
        };
        let text = format!(
            "{HEAD}{ENTITY_X}[entities.x.columns.c]\n{} = {value}\nqqqqqqqqqq = 1\n",
            form.key
        );
        let mut defined: BTreeSet<String> = [form.needs, form.beside]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert!(
            defined
                .iter()
                .all(|key| BESIDE.iter().any(|setting| setting.key == key)),
            "{}",
            form.key
        );
        defined.insert(form.key.to_owned());
        assert_eq!(known(&text), defined, "{}", form.key);
    }
    let none = format!("{HEAD}{ENTITY_X}[entities.x.columns.c]\nqqqqqqqqqq = 1\n");
    let sources = Sources::single("driftless.toml", none);
    let findings = read(&sources, &BTreeMap::new()).expect_err("no form");
    let acting = FORMS.iter().filter(|form| !form.meaning.contains("**not yet**"));
    for form in acting {
        assert!(
            findings[0].remedy.contains(&format!("\"{}\"", form.key)),
            "{}",
            form.key
        );
    }
}

#[test]
fn the_documents_are_current() {
    let page = include_str!("../../../../../docs/reference/mapping.md");
    let filled = page::filled(page).expect("known marks");
    assert!(
        filled == page,
        "docs/reference/mapping.md is not current: run `cargo xtask docs`"
    );
    let written = include_str!("../../../../../docs/reference/mapping.schema.json");
    assert!(
        schema::text() == written,
        "docs/reference/mapping.schema.json is not current: run `cargo xtask docs`"
    );
    for name in [
        "pipeline", "server", "defaults", "entity", "identity", "rules", "forms", "beside",
    ] {
        assert!(page.contains(&format!("<!-- settings: {name} -->")), "{name}");
    }
}

#[test]
fn a_mark_must_be_known_and_end() {
    assert!(page::filled("<!-- settings: nobody -->\n<!-- end -->\n").is_err());
    assert!(page::filled("<!-- settings: rules -->\n").is_err());
    assert_eq!(page::filled("text\n").as_deref(), Ok("text\n"));
}
