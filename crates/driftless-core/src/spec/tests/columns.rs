//! Every column form: what is written, and what it means or why it is refused.

use super::{refused, said, sources};
use crate::spec::{ColumnSpec, Form, JsonForm, RefForm, RefSource, RunFact, Unknown, WhenMissing};

fn with_column(written: &str) -> crate::spec::Sources {
    sources(&format!(
        "[entities.x]\nfrom = \"old.x\"\ninto = \"public.x\"\ncolumns.id = {{ id = true }}\n[entities.x.columns.c]\n{written}\n"
    ))
}

/// The column that a form makes.
fn column(written: &str) -> ColumnSpec {
    let spec = said(&with_column(written), &[]);
    let entity = spec.entity("x").expect("entity");
    entity
        .columns
        .iter()
        .find(|column| column.name == "c")
        .expect("column")
        .clone()
}

fn form(written: &str) -> Form {
    column(written).form
}

/// The codes and messages of a form that is refused.
fn complaints(written: &str) -> Vec<String> {
    refused(&with_column(written), &[])
        .iter()
        .map(|finding| format!("{} {}", finding.code, finding.message))
        .collect()
}

#[test]
fn forms_mean_what_they_say() {
    assert!(matches!(form("copy = \"a\""), Form::Copy(column) if column.value == "a"));
    assert_eq!(form("id = true"), Form::Id);
    assert!(matches!(form("sql = \"lower(a)\""), Form::Sql(sql) if sql.value == "lower(a)"));
    assert!(matches!(
        form("extract = \"extra\"\npath = \"$.a\""),
        Form::Extract { column, path } if column.value == "extra" && path.value == "$.a"
    ));
    for (word, fact) in [
        ("started_at", RunFact::StartedAt),
        ("id", RunFact::Id),
        ("mode", RunFact::Mode),
    ] {
        assert_eq!(form(&format!("run = \"{word}\"")), Form::Run(fact));
    }
}

#[test]
fn constants_are_text_as_postgresql_reads_it() {
    for (written, text) in [
        ("\"FR\"", "FR"),
        ("\"null\"", "null"),
        ("\"\"", ""),
        ("5", "5"),
        ("+5", "5"),
        ("-5", "-5"),
        ("0xff", "255"),
        ("0o17", "15"),
        ("0b101", "5"),
        ("1_000_000", "1000000"),
        ("1.50", "1.50"),
        ("1_0.5", "10.5"),
        ("1e3", "1e3"),
        ("inf", "Infinity"),
        ("+inf", "Infinity"),
        ("-inf", "-Infinity"),
        ("nan", "NaN"),
        ("-nan", "NaN"),
        ("true", "true"),
        ("false", "false"),
        ("1979-05-27T07:32:00Z", "1979-05-27T07:32:00Z"),
        ("1979-05-27 07:32:00.5-07:00", "1979-05-27T07:32:00.5-07:00"),
        ("1979-05-27", "1979-05-27"),
        ("07:32:00", "07:32:00"),
    ] {
        assert_eq!(
            form(&format!("const = {written}")),
            Form::Const(Some(text.to_owned())),
            "{written}"
        );
        assert_eq!(
            column(&format!("copy = \"a\"\ndefault = {written}"))
                .default
                .as_deref(),
            Some(text),
            "{written}"
        );
    }
}

#[test]
fn companions_are_kept() {
    let plain = column("copy = \"a\"");
    assert_eq!((plain.default, plain.required, plain.lossy), (None, false, false));
    let column = column("copy = \"a\"\ndefault = \"b\"\nrequired = true\nlossy = true");
    assert_eq!(
        (column.default.as_deref(), column.required, column.lossy),
        (Some("b"), true, true)
    );
}

#[test]
fn references_name_an_entity_and_the_columns_of_its_key() {
    let Form::Ref(RefForm { to, from, missing }) =
        form("ref = \"offices\"\nfrom = [\"a\", \"b\"]\nmissing = \"park\"")
    else {
        panic!("not a reference");
    };
    assert!(matches!(to, RefSource::Entity(entity) if entity.value == "offices"));
    assert_eq!(
        from.iter()
            .map(|column| column.value.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(missing, WhenMissing::Park);
    let Form::Ref(RefForm { from, missing, .. }) = form("ref = \"x\"\nfrom = \"parent\"") else {
        panic!("not a reference");
    };
    assert_eq!((from.len(), missing), (1, WhenMissing::Reject));
}

#[test]
fn references_may_take_their_entity_from_another_column() {
    let written = "ref = { by = \"kind\", values = { Office = \"offices\", X = \"x\" } }\nfrom = \"ref\"\nunknown = \"null\"";
    let Form::Ref(RefForm {
        to: RefSource::Polymorphic { by, values, unknown },
        ..
    }) = form(written)
    else {
        panic!("not polymorphic");
    };
    assert_eq!((by.value.as_str(), unknown), ("kind", Unknown::Null));
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(text, entity)| (text.as_str(), entity.value.as_str()))
        .collect();
    assert_eq!(values, [("Office", "offices"), ("X", "x")]);
}

#[test]
fn maps_keep_their_order_and_say_what_happens_to_the_rest() {
    let map = |written: &str| match form(written) {
        Form::Map(map) => map,
        other => panic!("{other:?}"),
    };
    let values = "map = \"a\"\nvalues = { 2 = \"two\", 1 = 1, true = false, \"on hold\" = \"held\" }";
    let some = |text: &str| Some(text.to_owned());
    let said = map(values);
    assert_eq!(said.column.value, "a");
    assert_eq!(said.unknown, Unknown::Reject);
    let expected = [
        ("2", some("two")),
        ("1", some("1")),
        ("true", some("false")),
        ("on hold", some("held")),
    ];
    assert_eq!(said.values, expected.map(|(key, value)| (key.to_owned(), value)));
    for (written, unknown) in [
        ("\"reject\"", Unknown::Reject),
        ("\"null\"", Unknown::Null),
        ("{ const = 0 }", Unknown::Const("0".to_owned())),
    ] {
        assert_eq!(map(&format!("{values}\nunknown = {written}")).unknown, unknown);
    }
}

#[test]
fn json_nests_forms_and_knows_bare_constants() {
    let Form::Json(JsonForm::Object(members)) = form(
        "json = { a = \"a\", n = { const = 1 }, t = { const = \"1\" }, m = { map = \"k\", values = { 1 = true } }, \
         d = { copy = \"d\", default = \"none\" }, in = { json = { id = { id = true } } }, rest = { json = \"unmapped\" } }",
    ) else {
        panic!("not an object");
    };
    let bare: Vec<(&str, bool)> = members
        .iter()
        .map(|member| (member.name.as_str(), member.bare))
        .collect();
    assert_eq!(
        bare,
        [
            ("a", false),
            ("n", true),
            ("t", false),
            ("m", true),
            ("d", false),
            ("in", false),
            ("rest", false)
        ]
    );
    assert_eq!(members[4].default.as_deref(), Some("none"));
    assert!(matches!(&members[5].form, Form::Json(JsonForm::Object(inner)) if inner[0].form == Form::Id));
    assert!(matches!(&members[6].form, Form::Json(JsonForm::Scope(_))));
    assert_eq!(form("json = {}"), Form::Json(JsonForm::Object(vec![])));
}

/// Asserts codes and messages, in whatever order they come.
fn assert_refused(cases: &[(&str, &[&str])]) {
    for (written, expected) in cases {
        let mut found = complaints(written);
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{written}");
    }
}

#[test]
fn what_a_form_cannot_be_is_refused() {
    assert_refused(&[
        ("id = false", &["DL0006 `id = false` says nothing"]),
        ("id = \"x\"", &["DL0004 must be true or false, not a string"]),
        ("copy = \"\"", &["DL0006 is empty"]),
        ("copy = 5", &["DL0004 must be a string, not a whole number"]),
        ("ref = \"offices\"", &["DL0005 `from` is missing"]),
        ("ref = \"offices\"\nfrom = []", &["DL0006 `from` lists no column"]),
        (
            "ref = \"offices\"\nfrom = [\"a\", \"a\"]",
            &["DL0007 `a` is listed twice"],
        ),
        (
            "ref = \"offices\"\nfrom = \"a\"\nmissing = \"ignore\"",
            &["DL0006 \"ignore\" is not possible here"],
        ),
        (
            "ref = \"offices\"\nfrom = \"a\"\nunknown = \"null\"",
            &["DL0006 `unknown` is for references whose entity another column names"],
        ),
        (
            "ref = { by = \"k\" }\nfrom = \"a\"",
            &["DL0005 `values` is missing"],
        ),
        (
            "ref = { by = \"k\", values = {} }\nfrom = \"a\"",
            &["DL0006 `values` lists nothing"],
        ),
        (
            "ref = { by = \"k\", values = { A = \"ofices\" } }\nfrom = \"a\"",
            &["DL0009 there is no entity `ofices`"],
        ),
        ("map = \"a\"", &["DL0005 `values` is missing"]),
        (
            "map = \"a\"\nvalues = { 1 = [] }",
            &["DL0004 a constant cannot be a list"],
        ),
        (
            "map = \"a\"\nvalues = { 1 = 1 }\nunknown = {}",
            &["DL0005 `const` is missing"],
        ),
        (
            "map = \"a\"\nvalues = { 1 = 1 }\nunknown = 0",
            &["DL0004 must be one of \"reject\" or \"null\", not a whole number"],
        ),
        ("extract = \"a\"", &["DL0005 `path` is missing"]),
        ("sql = \"a; b\"", &["DL0006 contains a semicolon"]),
        ("sql = \"$1\"", &["DL0006 contains a parameter such as $1"]),
        (
            "sql = \"'a\"",
            &["DL0006 contains a string, quoted name or comment that does not end"],
        ),
        (
            "sql = \"a) + (b\"",
            &["DL0006 has a parenthesis or bracket without its partner"],
        ),
        ("const = []", &["DL0004 a constant cannot be a list"]),
        (
            "const = \"a\"\ndefault = \"b\"",
            &["DL0003 `default` does not go with `const`"],
        ),
        ("run = \"now\"", &["DL0006 \"now\" is not possible here"]),
    ]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    assert_refused(&[
        ("json = \"all\"", &["DL0006 \"all\" is not possible here"]),
        (
            "json = 1",
            &["DL0004 must be a table or \"unmapped\", not a whole number"],
        ),
        (
            "json = { a = { copy = \"a\", lossy = true } }",
            &["DL0003 `lossy` has no meaning inside JSON"],
        ),
        (
            "json = { a = { const = nan } }",
            &["DL0006 JSON has no infinity and no NaN"],
        ),
        (
            "json = { a = { map = \"k\", values = { 1 = 1, 2 = \"2\" } } }",
            &["DL0006 mixes strings with numbers or booleans"],
        ),
        ("json = { a = { ref = \"x\" } }", &["DL0005 `from` is missing"]),
        (
            "copy = \"a\"\nmissing = \"null\"",
            &["DL0003 `missing` does not go with `copy`"],
        ),
        ("copy = \"a\"\nlosy = true", &["DL0003 unknown key `losy`"]),
        (
            "copy = \"a\"\nsql = \"b\"",
            &["DL0011 says 2 things at once: copy, sql"],
        ),
        (
            "default = \"a\"",
            &["DL0011 says nothing of where the value comes from"],
        ),
        ("cpoy = \"a\"", &["DL0003 unknown key `cpoy`"]),
        (
            "ref = \"offices\"\nfrom = \"a\"\nmissing = \"null\"\nrequired = true",
            &["DL0006 `required = true` and `missing = \"null\"` contradict each other"],
        ),
        (
            "map = \"a\"\nvalues = { 1 = 1 }\nunknown = \"null\"\nrequired = true",
            &["DL0006 `required = true` and `unknown = \"null\"` contradict each other"],
        ),
        (
            "lookup = \"public.countries\"\nmatch = {}\ntake = \"id\"",
            &["DL0006 `match` names no column"],
        ),
        (
            "lookup = \"public.countries\"\nmatch = { iso = \"code\" }\ntake = \"id\"\nmissing = \"null\"\nrequired = true",
            &["DL0006 `required = true` and `missing = \"null\"` contradict each other"],
        ),
        (
            "lookup = \"countries\"\nmatch = { iso = 5 }",
            &[
                "DL0006 `countries` lacks its schema",
                "DL0005 `take` is missing",
                "DL0004 must be a string, not a whole number",
            ],
        ),
        (
            "mask = \"email\"\nfrom = \"email\"",
            &["DL0010 the form `mask` cannot act yet, and nothing is copied in clear in its place"],
        ),
    ]);
}

#[test]
fn null_is_no_contradiction_where_a_default_takes_its_place() {
    let column =
        column("ref = \"offices\"\nfrom = \"a\"\nmissing = \"null\"\nrequired = true\ndefault = \"x\"");
    assert!(column.required);
}

#[test]
fn a_column_must_be_a_name_or_a_form() {
    for (written, expected) in [
        (
            "columns.c = 5",
            "DL0004 must be the name of a source column or a form, not a whole number",
        ),
        ("columns.c = \"\"", "DL0006 names no source column"),
        (
            "columns.c = [\"a\"]",
            "DL0004 must be the name of a source column or a form, not a list",
        ),
        ("columns = \"c\"", "DL0004 must be a table, not a string"),
    ] {
        let text = format!("[entities.x]\nfrom = \"old.x\"\ninto = \"public.x\"\n{written}\n");
        let findings = refused(&sources(&text), &[]);
        let found: Vec<String> = findings
            .iter()
            .map(|finding| format!("{} {}", finding.code, finding.message))
            .collect();
        assert_eq!(found, [expected], "{written}");
    }
}
