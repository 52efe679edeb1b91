//! Settings of sections and entities: what they mean, their defaults, and what they cannot be.

use super::{OFFICES, Sources, refused, said, sources};
use crate::spec::{EntitySpec, IdentitySpec, Limit, Spec, TriggerPolicy};

fn entity(lines: &str) -> Sources {
    sources(&format!(
        "[entities.x]\nfrom = \"old.x\"\ninto = \"public.x\"\n{lines}\n"
    ))
}

fn x(spec: &Spec) -> &EntitySpec {
    spec.entity("x").expect("entity x")
}

fn complaints(sources: &Sources) -> Vec<String> {
    refused(sources, &[])
        .iter()
        .map(|finding| format!("{} {}", finding.code, finding.message))
        .collect()
}

#[test]
fn a_short_mapping_has_the_documented_defaults() {
    let spec = said(&entity(""), &[]);
    assert_eq!(spec.pipeline.state_schema, "driftless");
    assert_eq!(spec.pipeline.undo_retention, 30 * 86_400);
    assert_eq!(spec.pipeline.max_row_bytes, 64 << 20);
    assert_eq!((spec.source.max_connections, spec.target.max_connections), (4, 4));
    assert_eq!(spec.source.zone, None);
    let x = x(&spec);
    assert!(x.copy_same_name);
    assert_eq!((x.batch_rows, x.batch_bytes), (5_000, 2 << 20));
    assert_eq!(
        (x.max_rejects, x.max_deletes),
        (Limit::Percent(1.0), Limit::Percent(1.0))
    );
    assert_eq!(x.triggers, TriggerPolicy::Fire);
    assert_eq!((&x.identity, &x.key, &x.filter), (&None, &None, &None));
}

#[test]
fn the_namespace_follows_from_the_name_and_never_changes() {
    // uuid.uuid5(uuid.NAMESPACE_URL, 'driftless:lab') of Python.
    let spec = said(&entity(""), &[]);
    assert_eq!(
        spec.pipeline.namespace.to_string(),
        "e6f18140-667d-52ef-94c7-186974b29f93"
    );
}

/// The head of a mapping with one more line in a section, in the place of what it would repeat.
fn head_with(section: &str, line: &str) -> String {
    let key = line.split(' ').next().unwrap_or_default();
    [
        ("pipeline", "name = \"lab\""),
        ("source", "url = \"postgres://a\""),
        ("target", "url = \"postgres://b\""),
    ]
    .iter()
    .map(|(name, base)| {
        let base = if *name == section && base.starts_with(key) {
            ""
        } else {
            base
        };
        let line = if *name == section { line } else { "" };
        format!("[{name}]\n{base}\n{line}\n")
    })
    .collect()
}

#[test]
fn sections_refuse_what_cannot_be() {
    for (line, section, expected) in [
        ("name = \"Lab\"", "pipeline", "DL0006 a pipeline's name takes"),
        (
            "state_schema = \"public\"",
            "pipeline",
            "DL0006 `public` is not a schema for state",
        ),
        (
            "state_schema = \"auth\"",
            "pipeline",
            "DL0006 `auth` is not a schema for state",
        ),
        (
            "state_schema = \"pg_state\"",
            "pipeline",
            "DL0006 `pg_state` is not a schema for state",
        ),
        ("namespace = \"lab\"", "pipeline", "DL0006 must be a UUID"),
        (
            "namespace = \"00000000-0000-0000-0000-000000000000\"",
            "pipeline",
            "DL0006 must be a UUID",
        ),
        ("undo_retention = \"30\"", "pipeline", "DL0006 must be a duration"),
        (
            "undo_retention = \"5ms\"",
            "pipeline",
            "DL0006 must be from \"1s\"",
        ),
        (
            "max_row_bytes = \"2GB\"",
            "pipeline",
            "DL0006 must be from \"1kB\" to \"1GB\"",
        ),
        (
            "max_connections = 0",
            "source",
            "DL0006 must be a whole number from 1 to 1000",
        ),
        (
            "max_connections = \"4\"",
            "source",
            "DL0004 must be a whole number, not a string",
        ),
        ("acquire_timeout = 5", "target", "DL0006 must be a duration"),
        (
            "zone = \"+02:00\"",
            "source",
            "DL0006 `zone` is not the name of a time zone",
        ),
        ("zone = 2", "source", "DL0004 must be a string"),
        ("zoen = \"UTC\"", "source", "DL0003 unknown key `zoen`"),
    ] {
        let head = head_with(section, line);
        let found = complaints(&Sources::single("driftless.toml", format!("{head}{OFFICES}")));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].starts_with(expected), "{line}: {found:?}");
    }
}

#[test]
fn what_is_missing_is_told_whole() {
    let mut found = complaints(&Sources::single("driftless.toml", ""));
    found.sort();
    assert_eq!(
        found,
        [
            "DL0005 `name` is missing",
            "DL0005 `url` is missing",
            "DL0005 `url` is missing",
            "DL0005 there is no entity"
        ]
    );
}

/// Asserts the one finding of an entity's lines.
fn assert_refused(cases: &[(&str, &str)]) {
    for (lines, expected) in cases {
        let found = complaints(&entity(lines));
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        assert!(found[0].starts_with(expected), "{lines}: {found:?}");
    }
}

#[test]
fn entities_refuse_what_cannot_be() {
    assert_refused(&[
        ("key = []", "DL0006 a key needs a column"),
        ("key = [\"a\", \"a\"]", "DL0007 `a` is listed twice"),
        ("key = [1]", "DL0004 must be a string, not a whole number"),
        ("where = \"a = :id\"", "DL0006 `:id` has no meaning here"),
        ("where = \"a;\"", "DL0006 contains a semicolon"),
        ("sql = \"SELECT 1\"", "DL0011 `from` and `sql` both say"),
        ("after = [\"office\"]", "DL0009 there is no entity `office`"),
        ("after = [\"x\"]", "DL0006 an entity cannot come after itself"),
        ("triggers = \"off\"", "DL0006 \"off\" is not possible here"),
        (
            "copy = true",
            "DL0004 must be one of \"same-name\" or \"none\", not a boolean",
        ),
        (
            "batch_rows = 0",
            "DL0006 must be a whole number from 1 to 1000000",
        ),
        ("batch_bytes = \"1kB\"", "DL0006 must be from \"64kB\" to \"1GB\""),
        (
            "max_rejects = 0.5",
            "DL0006 must be a whole number of rows, or per cent",
        ),
        ("tabel = \"a\"", "DL0003 unknown key `tabel`"),
    ]);
}

#[test]
fn identities_refuse_what_cannot_be() {
    assert_refused(&[
        ("identity = \"derive\"", "DL0004 must be a table, not a string"),
        ("identity = {}", "DL0005 `by` is missing"),
        (
            "identity = { by = \"deriv\" }",
            "DL0006 \"deriv\" is not possible here",
        ),
        ("identity = { by = \"column\" }", "DL0005 `column` is missing"),
        (
            "identity = { by = \"derive\", column = \"a\" }",
            "DL0006 `column` needs `by = \"column\"`",
        ),
        (
            "identity = { by = \"columns\", name = \"a\" }",
            "DL0006 `name` needs `by = \"derive\"`",
        ),
        (
            "identity = { by = \"derive\", same_as = \"offices\" }",
            "DL0011 `by` and `same_as` are two identities",
        ),
        (
            "identity = { same_as = \"ofices\" }",
            "DL0009 there is no entity `ofices`",
        ),
        (
            "identity = { same_as = \"x\" }",
            "DL0006 `same_as` leads in a circle",
        ),
        (
            "identity = { same_as = \"offices\", adopt = { sql = \"SELECT 1\" } }",
            "DL0006 the mappings belong to `offices`",
        ),
        (
            "identity = { by = \"columns\", adopt = { sql = \"SELECT 1\" } }",
            "DL0006 there are no UUIDs to adopt",
        ),
        (
            "identity = { by = \"derive\", adopt = {} }",
            "DL0005 `sql` is missing",
        ),
        (
            "identity = { by = \"derive\", name = \"offices\" }",
            "DL0007 derives UUIDs under the name `offices`",
        ),
        (
            "identity = { by = \"none\" }\ncolumns.a = { id = true }",
            "DL0006 uses the row's UUID",
        ),
        (
            "identity = { by = \"none\" }\nkey = \"a\"",
            "DL0006 a key is named, but",
        ),
        (
            "identity = { by = \"none\", adopt = { sql = \"SELECT 1\" } }",
            "DL0006 there are no UUIDs to adopt",
        ),
        (
            "identity = { by = \"columns\", match = [\"email\"] }",
            "DL0006 rows without UUIDs cannot take one over",
        ),
        (
            "identity = { same_as = \"offices\", match = [\"email\"] }",
            "DL0006 the identity belongs to `offices`, whose rows are matched",
        ),
        (
            "identity = { by = \"derive\", match = [] }",
            "DL0006 `match` names no column",
        ),
        (
            "identity = { by = \"derive\", match = [\"email\", \"email\"] }",
            "DL0007 `email` is listed twice",
        ),
    ]);
}

#[test]
fn merged_identities_and_ids_refuse_what_cannot_be() {
    assert_refused(&[
        (
            "identity = { merge_on = \"lower(email)\", winner = \"eldest\" }",
            "DL0006 \"eldest\" is not possible here",
        ),
        (
            "identity = { merge_on = \"a\", winner = { oldest = \"b\", newest = \"c\" } }",
            "DL0011 says nothing of which row is written, or two things",
        ),
        (
            "identity = { by = \"columns\", merge_on = \"a\" }",
            "DL0006 rows without UUIDs cannot point to one row",
        ),
        (
            "identity = { same_as = \"offices\", merge_on = \"a\" }",
            "DL0006 the identity belongs to `offices`: merge there",
        ),
        (
            "identity = { by = \"derive\", winner = \"oldest\" }",
            "DL0006 `winner` needs `merge_on`",
        ),
        (
            "identity = { by = \"columns\" }\ncolumns.a = { id = true }",
            "DL0006 uses the row's UUID",
        ),
        (
            "identity = { by = \"columns\" }\ncolumns.a = { json = { x = { id = true } } }",
            "DL0006 uses the row's UUID",
        ),
        (
            "identity = { by = \"columns\" }\ncolumns.a = { sql = \":id\" }",
            "DL0006 uses the row's UUID",
        ),
        (
            "columns.a = { sql = \"b\" }\ncolumns.b = { sql = \":a\" }",
            "DL0006 `:a` stands for a column that is itself an expression",
        ),
    ]);
}

#[test]
fn rules_refuse_what_cannot_be() {
    assert_refused(&[
        ("rules = [{ check = \"a\" }]", "DL0005 `name` is missing"),
        ("rules = [{ name = \"a\" }]", "DL0005 `check` is missing"),
        (
            "rules = [{ name = \"a\", check = \"a\" }, { name = \"a\", check = \"b\" }]",
            "DL0007 two rules are named `a`",
        ),
        (
            "rules = [{ name = \"a\", check = \"a\", on_fail = \"skip\" }]",
            "DL0006 \"skip\" is not possible here",
        ),
        (
            "rules = { name = \"a\" }",
            "DL0004 must be a list of tables, not a table",
        ),
        (
            "totals = [{ sum = \"amount\", by = [\"currency\"] }]",
            "DL0010 `totals` cannot act yet",
        ),
    ]);
}

#[test]
fn relations_are_named_exactly() {
    for (written, expected) in [
        ("\"patients\"", "DL0006 `patients` lacks its schema"),
        ("\"a.b.c\"", "DL0006 `a.b.c` has more than one dot"),
        ("\".b\"", "DL0006 `` cannot be a name"),
        ("\"a.\"", "DL0006 `` cannot be a name"),
        ("[\"a\"]", "DL0006 a relation's list must hold two strings"),
        ("[\"a\", 1]", "DL0006 a relation's list must hold two strings"),
        ("5", "DL0004 must be a relation's name, not a whole number"),
        (
            "'public.\"Patients\"'",
            "DL0006 `\"Patients\"` is quoted as in SQL",
        ),
        ("\"${SCHEMA}.x\"", "DL0006 variables are read in"),
    ] {
        let text = format!("[entities.x]\nfrom = \"old.x\"\ninto = {written}\n");
        let found = complaints(&sources(&text));
        assert_eq!(found.len(), 1, "{written}: {found:?}");
        assert!(found[0].starts_with(expected), "{written}: {found:?}");
    }
    let spec = said(
        &sources("[entities.x]\nfrom = \"Old.X y\"\ninto = [\"a.b\", \"c.d\"]\n"),
        &[],
    );
    assert_eq!(x(&spec).into.value.sql(), r#""a.b"."c.d""#);
}

#[test]
fn settings_of_later_commands_are_checked_and_change_nothing() {
    let plain = said(&entity(""), &[]);
    for lines in [
        "detect = { by = \"log\", deletes = \"log\", truncate = \"apply\" }",
        "detect = { by = \"hash\", deletes = \"sweep\" }",
        "detect = { by = \"timestamp\", column = \"u\", overlap = \"5m\", deletes = \"soft\", soft_column = \"d\", soft_value = true }",
        "conflicts = { policy = \"merge\", fallback = \"target\" }",
        "conflicts = { policy = \"newest\", newest = { source = \"a\", target = \"b\" }, deleted_in_source = \"keep\" }",
        "conflicts = { columns = { a = \"owned\", b = \"review\" }, deleted_in_target = \"leave\" }",
    ] {
        assert_eq!(x(&said(&entity(lines), &[])), x(&plain), "{lines}");
    }
    assert_refused(&[
        ("detect = {}", "DL0005 `by` is missing"),
        (
            "detect = { by = \"trigger\" }",
            "DL0006 \"trigger\" is not possible here",
        ),
        ("detect = { by = \"timestamp\" }", "DL0005 `column` is missing"),
        (
            "detect = { by = \"hash\", column = \"a\" }",
            "DL0006 `column` as given here needs",
        ),
        (
            "detect = { by = \"log\", overlap = \"5m\" }",
            "DL0006 `overlap` as given here needs",
        ),
        (
            "detect = { by = \"hash\", deletes = \"log\" }",
            "DL0006 `deletes` as given here needs",
        ),
        (
            "detect = { by = \"hash\", truncate = \"halt\" }",
            "DL0006 `truncate` as given here needs",
        ),
        (
            "detect = { by = \"hash\", deletes = \"soft\" }",
            "DL0005 `soft_column` is missing",
        ),
        (
            "detect = { by = \"hash\", soft_value = 1 }",
            "DL0006 `soft_value` needs",
        ),
        (
            "conflicts = { policy = \"owned\" }",
            "DL0006 \"owned\" is not possible here",
        ),
        (
            "conflicts = { policy = \"newest\" }",
            "DL0005 `newest` is missing",
        ),
        (
            "conflicts = { policy = \"source\", fallback = \"target\" }",
            "DL0006 `fallback` has no meaning",
        ),
        (
            "conflicts = { newest = { source = \"a\", target = \"b\" } }",
            "DL0006 `newest` has no meaning",
        ),
        (
            "conflicts = { columns = { a = \"mine\" } }",
            "DL0006 \"mine\" is not possible here",
        ),
    ]);
}

#[test]
fn a_query_needs_a_key_and_no_log() {
    let query = |lines: &str| {
        sources(&format!(
            "[entities.x]\nsql = \"SELECT 1 AS id\"\ninto = \"public.x\"\n{lines}\n"
        ))
    };
    assert_eq!(complaints(&query("")), ["DL0005 `key` is missing"]);
    let found = complaints(&query("key = [\"id\"]\ndetect = { by = \"log\" }"));
    assert_eq!(
        found,
        ["DL0006 a query cannot be followed by `detect = { by = \"log\" }`"]
    );
    said(&query("key = \"id\""), &[]);
}

#[test]
fn what_is_ignored_is_not_read() {
    let found = complaints(&entity("[ignore]\n\"old.x\" = \"not needed\""));
    assert_eq!(found, ["DL0006 `old.x` is read here, and listed in [ignore]"]);
    for (line, expected) in [
        ("\"x\" = \"why\"", "DL0006 `x` lacks its schema"),
        ("\"a.b.c.d\" = \"why\"", "DL0006 `a.b.c.d` has more than one dot"),
        (
            "\"a..c\" = \"why\"",
            "DL0006 `` cannot be a name: PostgreSQL's have 1 to 63 bytes",
        ),
        (
            "a.b = \"why\"\n\"a.b\" = \"again\"",
            "DL0007 this is listed twice",
        ),
        ("\"a.b\" = \"\"", "DL0006 is empty"),
        ("\"a.b\" = true", "DL0004 must be a string, not a boolean"),
        ("a.b = 1", "DL0004 must be a string, not a whole number"),
    ] {
        assert_eq!(
            complaints(&entity(&format!("[ignore]\n{line}"))),
            [expected],
            "{line}"
        );
    }
}

#[test]
fn columns_are_ignored_too() {
    let lines = "\"a.b\" = \"1\"\n\"a.c.d\" = \"2\"\nx.y.z = \"3\"\n\"old.x.fax\" = \"4\"";
    let spec = said(&entity(&format!("[ignore]\n{lines}")), &[]);
    let lines: Vec<String> = spec
        .ignore
        .iter()
        .map(|one| format!("{} {:?} {}", one.relation, one.column, one.reason))
        .collect();
    assert_eq!(
        lines,
        [
            "a.b None 1",
            "a.c Some(\"d\") 2",
            "x.y Some(\"z\") 3",
            "old.x Some(\"fax\") 4"
        ]
    );
}

#[test]
fn an_identity_may_only_adopt() {
    let spec = said(
        &entity("identity = { adopt = { sql = \"SELECT old, id FROM m\" } }"),
        &[],
    );
    assert_eq!(x(&spec).identity, None);
    assert!(x(&spec).adopt.is_some());
}

#[test]
fn chains_of_shared_identities_end_where_the_identity_is() {
    let text = "[entities.a]\nfrom = \"o.a\"\ninto = \"n.a\"\nidentity = { same_as = \"b\" }\n\
                [entities.b]\nfrom = \"o.b\"\ninto = \"n.b\"\nidentity = { same_as = \"offices\" }\n";
    let spec = said(&sources(text), &[]);
    for name in ["a", "b"] {
        let identity = spec.entity(name).and_then(|entity| entity.identity.clone());
        assert_eq!(
            identity.map(|identity| identity.value),
            Some(IdentitySpec::SameAs("offices".to_owned()))
        );
    }
    let circle = text.replace("offices", "a");
    let found = complaints(&sources(&circle));
    assert_eq!(found, ["DL0006 `same_as` leads in a circle"; 2]);
}
