//! Mistakes that people make, and how they are told of them.

use super::{HEAD, OFFICES, Sources, refused};
use crate::spec::{Style, render};

/// What is shown for a root file and an included one.
fn shown(root: &str, included: &str) -> String {
    let mut sources = Sources::single("driftless.toml", root);
    if !included.is_empty() {
        sources.add("entities/lab.toml", included);
    }
    render(&refused(&sources, &[]), &sources, Style::default())
}

/// A mistake in an entity of an included file; the root file is right.
fn in_entity(lines: &str) -> String {
    let root = format!("include = [\"entities/*.toml\"]\n\n{HEAD}\n{OFFICES}");
    shown(
        &root,
        &format!("[entities.patients]\nfrom = \"old.patient\"\ninto = \"public.patients\"\n{lines}\n"),
    )
}

#[test]
fn in_forms() {
    let mistakes = [
        (
            "misspelt_form",
            "columns.status = { mapp = \"status_id\", values = { 1 = \"a\" } }",
        ),
        (
            "misspelt_companion",
            "columns.phone = { copy = \"tel\", defualt = \"none\" }",
        ),
        (
            "two_forms",
            "columns.name = { copy = \"first\", sql = \"first || last\" }",
        ),
        ("no_form", "columns.office_id = { from = \"office_id\" }"),
        (
            "companion_of_another_form",
            "columns.phone = { copy = \"tel\", missing = \"null\" }",
        ),
        ("number_for_a_column", "columns.level = 5"),
        (
            "unknown_entity",
            "columns.office_id = { ref = \"office\", from = \"office_id\" }",
        ),
        (
            "reference_without_from",
            "columns.office_id = { ref = \"offices\" }",
        ),
        (
            "required_and_null",
            "columns.office_id = { ref = \"offices\", from = \"o\", missing = \"null\", required = true }",
        ),
        (
            "open_quote_in_sql",
            "columns.label = { sql = \"first || ' || last\" }",
        ),
        (
            "lossy_in_json",
            "columns.data = { json = { sub = { id = true }, mail = { copy = \"mail\", lossy = true } } }",
        ),
        ("mask", "columns.email = { mask = \"email\", from = \"email\" }"),
    ];
    for (name, lines) in mistakes {
        insta::assert_snapshot!(name, in_entity(lines));
    }
}

#[test]
fn in_entities() {
    let mistakes = [
        ("misspelt_key", "whre = \"deleted_at IS NULL\""),
        (
            "totals",
            "[[entities.patients.totals]]\nsum = \"amount\"\nby = [\"currency\"]",
        ),
        ("match", "identity = { by = \"columns\", match = [\"email\"] }"),
        (
            "identity_and_id",
            "identity = { by = \"columns\" }\ncolumns.id = { id = true }",
        ),
        (
            "same_derivation",
            "identity = { by = \"derive\", name = \"offices\" }",
        ),
        (
            "rule_twice",
            "[[entities.patients.rules]]\nname = \"a\"\ncheck = \"x > 0\"\n[[entities.patients.rules]]\nname = \"a\"\ncheck = \"y > 0\"",
        ),
        ("bad_policy", "conflicts = { policy = \"surce\" }"),
        ("percentage", "max_rejects = \"150%\""),
        ("size", "batch_bytes = \"8mb\""),
    ];
    for (name, lines) in mistakes {
        insta::assert_snapshot!(name, in_entity(lines));
    }
}

#[test]
fn in_files() {
    let entity =
        |name: &str, from: &str| format!("[entities.{name}]\nfrom = \"{from}\"\ninto = \"public.x\"\n");
    let root = format!("{HEAD}{OFFICES}");
    let mistakes = [
        ("entity_twice", root.clone(), entity("offices", "old.o")),
        (
            "setting_twice",
            root.clone(),
            "[pipeline]\nname = \"lab\"\n".to_owned(),
        ),
        (
            "nested_include",
            root.clone(),
            format!("include = \"more.toml\"\n{}", entity("a", "old.a")),
        ),
        (
            "key_twice_in_one_file",
            format!("{root}into = \"public.other\"\n"),
            String::new(),
        ),
        (
            "broken_file",
            root.clone(),
            "[entities.a]\nfrom = \"old.a\ninto = \"public.a\"\n".to_owned(),
        ),
        ("bare_relation", root.clone(), entity("a", "patients")),
        ("dotted_relation", root.clone(), entity("a", "old.a.b")),
        ("entity_name", root.clone(), entity("Patients", "old.a")),
        (
            "misspelt_section",
            root.replace("[source]", "[sorce]"),
            String::new(),
        ),
    ];
    for (name, root, included) in mistakes {
        insta::assert_snapshot!(name, shown(&root, &included));
    }
}

#[test]
fn many_at_once() {
    let root = "\
[pipeline]
name = \"Lab 1\"
state_schema = \"public\"
[source]
url = \"postgres://app:secret@db/legacy?sslmode=${SSL_MODE}\"
zone = \"+01\"
[target]
max_connection = 3
[defaults]
skip = \"a\"
copy = \"none\"
max_rejects = \"some\"
";
    let included = "\
[entities.orders]
form = \"old.orders\"
into = \"orders\"
after = [\"offcies\"]
[entities.orders.columns]
id = { id = true }
office_id = { ref = \"offices\", form = \"office_id\" }
[entities.offices]
from = \"old.offices\"
into = \"public.offices\"
";
    insta::assert_snapshot!("many_at_once", shown(root, included));
}
