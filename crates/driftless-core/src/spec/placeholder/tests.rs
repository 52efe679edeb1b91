use proptest::prelude::*;

use super::{Flaw, flaw, replace, scan};

fn names(sql: &str) -> Vec<String> {
    scan(sql)
        .into_iter()
        .map(|placeholder| placeholder.name)
        .collect()
}

#[test]
fn placeholders_are_found_where_they_are_meant() {
    for (sql, expected) in [
        ("first_name || ' ' || :id", vec!["id"]),
        (":a+:b", vec!["a", "b"]),
        ("(:office_id)::text", vec!["office_id"]),
        (":id::text", vec!["id"]),
        ("f(a, :id)", vec!["id"]),
        ("f(a => :id, b := :b)", vec!["id", "b"]),
        ("a[:n]", vec!["n"]),
        ("a[1 :n]", vec!["n"]),
        (r#":"odd column""#, vec!["odd column"]),
        (r#":"a""b""#, vec![r#"a"b"#]),
        (":größe", vec!["größe"]),
        (":a$b", vec!["a$b"]),
        ("'x':id", vec![]),
        ("x::text", vec![]),
        ("x:::id", vec![]),
        ("a[1:2]", vec![]),
        ("a[lo:hi]", vec![]),
        ("a[f(x):hi]", vec![]),
        ("a[b[1]:hi]", vec![]),
        (r#"a["lo":hi]"#, vec![]),
        ("a[1:]", vec![]),
        ("a[ :5]", vec![]),
        (": id", vec![]),
        (":", vec![]),
        (r#":""#, vec![]),
        (r#":"""#, vec![]),
    ] {
        assert_eq!(names(sql), expected, "{sql}");
    }
}

#[test]
fn quotes_and_comments_hide_placeholders() {
    for (sql, expected) in [
        ("':id'", vec![]),
        ("'it''s :id' || :a", vec!["a"]),
        (r"'back\' || :id", vec!["id"]),
        (r"E'back\' :id' || :a", vec!["a"]),
        (r"e'it''s \' :id' || :a", vec!["a"]),
        ("E'a'\n'b\\' :id' || :a", vec!["a"]),
        ("E'a' 'b\\' || :a", vec!["a"]),
        (r"name'back\' || :id", vec!["id"]),
        (r#"":id" || :a"#, vec!["a"]),
        ("$$ :id $$ || :a", vec!["a"]),
        ("$q$ :id $$ $q$ || :a", vec!["a"]),
        ("a$b$ :id", vec!["id"]),
        ("-- :id\n:a", vec!["a"]),
        ("-- :id", vec![]),
        ("/* :id /* :x */ :y */ :a", vec!["a"]),
        ("1 - :a / :b", vec!["a", "b"]),
    ] {
        assert_eq!(names(sql), expected, "{sql}");
    }
}

#[test]
fn replacing_keeps_everything_else() {
    let sql = "coalesce(:a, ':a')::text || :\"odd\" -- :a";
    assert_eq!(
        replace(sql, |name| format!("<{name}>")),
        "coalesce(<a>, ':a')::text || <odd> -- :a"
    );
}

#[test]
fn flaws_are_what_would_change_the_surrounding_statement() {
    for (sql, expected) in [
        ("lower(email) || ';)' -- fine;", None),
        ("a[1] + (b)", None),
        ("a; b", Some(Flaw::Semicolon(1))),
        ("$1 + 1", Some(Flaw::Parameter(0))),
        ("'open", Some(Flaw::Unterminated(0))),
        ("a /* open", Some(Flaw::Unterminated(2))),
        ("$x$ open $y$", Some(Flaw::Unterminated(0))),
        ("\"open", Some(Flaw::Unterminated(0))),
        ("a) , (b", Some(Flaw::Unbalanced(1))),
        ("(a]", Some(Flaw::Unbalanced(2))),
        ("((a)", Some(Flaw::Unbalanced(0))),
    ] {
        assert_eq!(flaw(sql), expected, "{sql}");
    }
}

/// Pieces of SQL that between them reach every state of the lexer.
fn sql_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("E'".to_owned()),
        Just("\\".to_owned()),
        Just("$$".to_owned()),
        Just("$t$".to_owned()),
        Just("$1".to_owned()),
        Just("--".to_owned()),
        Just("\n".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just(":".to_owned()),
        Just(":id".to_owned()),
        Just("[1:2]".to_owned()),
        Just(" é".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_panics_and_places_are_true(sql in sql_like()) {
        let mut behind = 0;
        for placeholder in scan(&sql) {
            prop_assert!(placeholder.start >= behind);
            prop_assert!(sql[placeholder.start..placeholder.end].starts_with(':'));
            behind = placeholder.end;
        }
        let _ = flaw(&sql);
    }

    #[test]
    fn replacing_by_what_stood_there_changes_nothing(sql in sql_like()) {
        let mut found = scan(&sql).into_iter();
        let same = replace(&sql, |name| {
            let placeholder = found.next().filter(|placeholder| placeholder.name == name);
            placeholder.map_or_else(String::new, |placeholder| sql[placeholder.start..placeholder.end].to_owned())
        });
        prop_assert_eq!(&same, &sql);
        prop_assert_eq!(found.next(), None);
    }

    #[test]
    fn strings_are_never_touched(text in "[^']{0,20}", tag in "[a-z]{1,3}") {
        for quoted in [
            format!("'{text}'"),
            format!("\"{}\"", text.replace('"', "\"\"")),
            format!("${tag}${}${tag}$", text.replace('$', "")),
            format!("/*{}*/", text.replace(['*', '/'], "")),
            format!("--{}\n", text.replace(['\n', '\r'], "")),
        ] {
            let sql = format!(":a || {quoted} || :b");
            prop_assert_eq!(replace(&sql, |_| "X".to_owned()), format!("X || {} || X", quoted));
        }
    }
}
