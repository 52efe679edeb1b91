use super::*;
use crate::code;
use crate::plan::tests::notation::Side;

/// No zone declared, nothing may be lost.
pub(super) const PLAIN: Terms<'static> = Terms {
    source_zone: None,
    target_zone: None,
    same_money: true,
    same_interval: true,
    lossy: false,
};

const LOSSY: Terms<'static> = Terms { lossy: true, ..PLAIN };

/// Types of their own that both sides have, but for `gone`, which only the source has.
fn side() -> Side {
    Side::default()
        .with_enum("public.few", &["a", "b"])
        .with_enum("public.many", &["a", "b", "c"])
        .with_domain("public.code", "varchar(10)", false)
        .with_domain("public.short_code", "public.code", false)
        .with_domain("public.price", "numeric(12,2)", false)
        .with_type("public.citext", TypeKind::Base)
        .with_type("extensions.citext", TypeKind::Base)
        .with_type("public.hstore", TypeKind::Base)
        .with_type("public.geometry", TypeKind::Base)
        .with_type("public.pair", TypeKind::Composite(Vec::new()))
        .with_type("public.span", TypeKind::Range(None))
}

fn between(from: &str, to: &str, terms: Terms<'_>) -> Result<Fit, Misfit> {
    let side = side();
    let ((source, source_typmod), (target, target_typmod)) = (side.data_type(from), side.data_type(to));
    let from = End {
        data_type: &source,
        typmod: source_typmod,
    };
    let to = End {
        data_type: &target,
        typmod: target_typmod,
    };
    fit(from, to, terms)
}

/// A fit in few words: `same`, a check, or `value` and what shows that nothing is lost.
fn words(found: Result<Fit, Misfit>) -> String {
    match found {
        Ok(Fit::Same) => "same".to_owned(),
        Ok(Fit::Checked(check)) => checked(&check),
        Ok(Fit::Integer(width)) => format!("integer {width}"),
        Ok(Fit::IntegerText(None)) => "digits".to_owned(),
        Ok(Fit::IntegerText(Some(check))) => format!("digits, {}", checked(&check)),
        Ok(Fit::Cast {
            value,
            lossless,
            check,
            ..
        }) => {
            let parts = [Some(value), lossless, check.as_ref().map(checked)];
            let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" | ");
            text.replace("pg_catalog.", "")
                .replace("\"pg_catalog\".", "")
                .replace('"', "")
        }
        Err(misfit) => format!("{}: {}", misfit.code, misfit.message),
    }
}

fn checked(check: &Check) -> String {
    match check {
        Check::Label(labels) => format!("label of {}", labels.join(" ")),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn expect(from: &str, to: &str, expected: &str) {
    assert_eq!(words(between(from, to, PLAIN)), expected, "{from} to {to}");
}

#[track_caller]
fn expect_lossy(from: &str, to: &str, expected: &str) {
    assert_eq!(words(between(from, to, LOSSY)), expected, "{from} to {to}");
}

#[track_caller]
fn refused(from: &str, to: &str) {
    let found = between(from, to, PLAIN);
    let misfit = found.expect_err(&format!("{from} to {to}"));
    assert_eq!(misfit.code, code::TYPES_DO_NOT_FIT, "{from} to {to}");
    assert!(!misfit.message.is_empty() && !misfit.remedy.is_empty());
}

#[test]
fn equal_types_are_copied_as_bytes() {
    let types = [
        "bool",
        "bytea",
        "char",
        "name",
        "int8",
        "text",
        "oid",
        "json",
        "xml",
        "point",
        "cidr",
        "float4",
        "float8",
        "money",
        "inet",
        "bpchar(3)",
        "varchar(3)",
        "date",
        "time(3)",
        "timestamp",
        "timestamptz(0)",
        "interval(2)",
        "timetz",
        "bit(3)",
        "varbit(3)",
        "numeric(12,2)",
        "uuid",
        "tsvector",
        "jsonb",
        "int4range",
        "tstzrange",
        "int4[]",
        "varchar(3)[]",
        "timestamptz[]",
        "int4range[]",
        "public.few",
        "public.citext",
        "public.hstore",
    ];
    for data_type in types {
        expect(data_type, data_type, "same");
    }
}

#[test]
fn a_wider_column_takes_every_byte() {
    for (from, to) in [
        ("varchar(10)", "text"),
        ("varchar(10)", "varchar"),
        ("varchar(10)", "varchar(20)"),
        ("name", "text"),
        ("text", "varchar"),
        ("bpchar(3)", "bpchar(5)"),
        ("bpchar(3)", "bpchar"),
        ("numeric(12,2)", "numeric"),
        ("numeric(12,2)", "numeric(14,4)"),
        ("numeric(5,2)", "numeric(5,2)"),
        ("timestamp(0)", "timestamp(3)"),
        ("timestamptz(3)", "timestamptz"),
        ("time(3)", "time"),
        ("interval(3)", "interval(6)"),
        ("public.few", "public.many"),
        ("public.few", "text"),
        ("public.price", "numeric(14,2)"),
        ("varchar(3)", "public.short_code"),
        ("public.short_code", "varchar(10)"),
    ] {
        expect(from, to, "same");
    }
}

#[test]
fn what_could_be_cut_is_checked() {
    expect("text", "varchar(10)", "Characters(10)");
    expect("varchar(11)", "varchar(10)", "Characters(10)");
    expect("name", "varchar(10)", "Characters(10)");
    expect("public.few", "varchar(10)", "Characters(10)");
    expect("text", "public.short_code", "Characters(10)");
    expect("numeric", "numeric(12,2)", "Numeric { precision: 12, scale: 2 }");
    expect(
        "numeric(12,3)",
        "numeric(14,2)",
        "Numeric { precision: 14, scale: 2 }",
    );
    // As many digits in all, but one less before the point.
    expect(
        "numeric(12,2)",
        "numeric(12,3)",
        "Numeric { precision: 12, scale: 3 }",
    );
    expect(
        "numeric(3,-2)",
        "numeric(3,-3)",
        "Numeric { precision: 3, scale: -3 }",
    );
    expect("numeric", "public.price", "Numeric { precision: 12, scale: 2 }");
    expect("timestamp", "timestamp(3)", "Microseconds(1000)");
    expect("timestamptz(3)", "timestamptz(0)", "Microseconds(1000000)");
    expect("time", "time(5)", "Microseconds(10)");
    expect("timetz", "timetz(0)", "Microseconds(1000000)");
    expect("interval", "interval(0)", "Microseconds(1000000)");
    expect("text", "public.few", "label of a b");
    expect("public.many", "public.few", "label of a b");
}

#[test]
fn integers_change_their_width() {
    expect("int8", "int2", "integer 2");
    expect("int2", "int8", "integer 8");
    expect("int4", "text", "digits");
    expect("int4", "varchar(5)", "digits, Characters(5)");
    expect("int8", "public.code", "digits, Characters(10)");
}

#[test]
fn padded_text_loses_blanks_only() {
    let fits = "({x})::bpchar(5) | length(rtrim(({x})::text)) <= 5";
    for from in [
        "text",
        "varchar(9)",
        "bpchar(9)",
        "bpchar",
        "int4",
        "bool",
        "public.few",
    ] {
        expect(from, "bpchar(5)", fits);
    }
    expect("text", "bpchar", "({x})::bpchar");
    expect("char", "bpchar", "(({x})::text)::bpchar");
    expect("bpchar(3)", "text", "({x})::text");
    expect("bpchar(3)", "varchar(2)", "({x})::text | Characters(2)");
    expect("bpchar(3)", "public.few", "({x})::text | label of a b");
    expect("bpchar(9)", "int4", "(({x})::text)::int4");
}

#[test]
fn everything_has_a_text() {
    for from in [
        "uuid",
        "bool",
        "numeric(12,2)",
        "jsonb",
        "timestamptz",
        "timestamp[]",
        "int4range",
        "public.hstore",
        "public.pair",
    ] {
        expect(from, "text", "({x})::text");
    }
    expect("uuid", "varchar(36)", "({x})::text | Characters(36)");
    expect("int4", "public.few", "({x})::text | label of a b");
    // A name is cut at 63 bytes.
    expect(
        "text",
        "name",
        "(({x})::text)::name | ((({x})::text)::name)::text IS NOT DISTINCT FROM ({x})::text",
    );
    expect(
        "int4",
        "name",
        "(({x})::text)::name | ((({x})::text)::name)::text IS NOT DISTINCT FROM ({x})::text",
    );
}

#[test]
fn text_is_read_as_postgresql_reads_it() {
    for to in [
        "int4",
        "bool",
        "uuid",
        "jsonb",
        "json",
        "bytea",
        "inet",
        "numeric",
        "int4[]",
        "public.hstore",
        "public.citext",
    ] {
        expect("text", to, &format!("(({{x}})::text)::{to}"));
    }
    expect(
        "text",
        "numeric(12,2)",
        "(({x})::text)::numeric(12,2) | (({x})::text)::numeric IS NOT DISTINCT FROM (({x})::text)::numeric(12,2)",
    );
    expect(
        "varchar(30)",
        "float8",
        "(({x})::text)::float8 | (({x})::text)::numeric IS NOT DISTINCT FROM (((({x})::text)::float8)::text)::numeric",
    );
    expect(
        "text",
        "varchar(3)[]",
        "(({x})::text)::varchar(3)[] | (({x})::text)::varchar[] IS NOT DISTINCT FROM (({x})::text)::varchar(3)[]",
    );
    expect(
        "text",
        "char",
        "(({x})::text)::char | ((({x})::text)::char)::text IS NOT DISTINCT FROM ({x})::text",
    );
    refused("text", "money");
}

#[test]
fn a_date_in_text_has_a_year_that_nobody_guesses() {
    let found = words(between("text", "date", PLAIN));
    assert!(
        found.starts_with("(({x})::text)::date | (({x})::text) ~* E'^"),
        "{found}"
    );
    let found = words(between("text", "time", PLAIN));
    assert!(
        found.starts_with("(({x})::text)::time | (({x})::text) ~* E'^"),
        "{found}"
    );
    let found = words(between("text", "time(0)", PLAIN));
    let digits = "((({x})::text)::time)::text IS NOT DISTINCT FROM (((({x})::text)::time)::time(0))::text";
    assert!(found.ends_with(&format!(" AND {digits}")), "{found}");
}

#[test]
fn an_interval_in_text_has_no_more_digits_than_are_kept() {
    expect(
        "text",
        "interval",
        "(({x})::text)::interval | (({x})::text) ~* '^[-+@0-9a-z:. ]*$' AND (({x})::text) !~ E'\\\\.[0-9]{6}0*[1-9]'",
    );
    let digits = "((({x})::text)::interval)::text IS NOT DISTINCT FROM (((({x})::text)::interval)::interval(32767,0))::text";
    let found = words(between("text", "interval(0)", PLAIN));
    assert!(found.ends_with(&format!(" AND {digits}")), "{found}");
    expect("time", "interval", "({x})::interval");
    expect(
        "time",
        "interval(0)",
        "({x})::interval(32767,0) | (({x})::interval(32767,0))::text IS NOT DISTINCT FROM ({x})::text",
    );
}

#[test]
fn numbers_come_back_as_they_went() {
    expect("int4", "numeric", "({x})::numeric");
    expect("int4", "float8", "({x})::float8");
    expect("float4", "float8", "({x})::float8");
    expect("int4", "numeric(5,2)", "({x})::numeric(5,2)");
    expect("numeric(15,2)", "float8", "({x})::float8");
    expect("float8", "numeric", "(({x})::text)::numeric");
    expect(
        "numeric(7,2)",
        "float4",
        "({x})::float4 | ((({x})::float4)::text)::numeric IS NOT DISTINCT FROM ({x})",
    );
    expect(
        "numeric(12,2)",
        "int4",
        "({x})::int4 | (({x})::int4)::numeric IS NOT DISTINCT FROM ({x})",
    );
    expect(
        "int8",
        "float8",
        "({x})::float8 | (({x})::float8)::int8 IS NOT DISTINCT FROM ({x})",
    );
    expect(
        "float8",
        "float4",
        "({x})::float4 | (({x})::float4)::float8 IS NOT DISTINCT FROM ({x})",
    );
    expect(
        "float8",
        "int2",
        "({x})::int2 | (({x})::int2)::float8 IS NOT DISTINCT FROM ({x})",
    );
    // Casts between numeric and floats keep fifteen digits only; the text of a float keeps all.
    expect(
        "numeric",
        "float8",
        "({x})::float8 | ((({x})::float8)::text)::numeric IS NOT DISTINCT FROM ({x})",
    );
    expect(
        "float8",
        "numeric(12,2)",
        "(({x})::text)::numeric(12,2) | ((({x})::text)::numeric(12,2))::float8 IS NOT DISTINCT FROM ({x})",
    );
    expect("bool", "int4", "(({x})::int4)::int4");
    expect("bool", "int2", "(({x})::int4)::int2");
    expect("int2", "bool", "(({x})::int4)::bool | ({x}) IN (0, 1)");
    expect("oid", "int4", "(({x})::int8)::int4");
    expect("int8", "oid", "({x})::oid");
    expect(
        "int4",
        "oid",
        "({x})::oid | (({x})::oid)::int8 IS NOT DISTINCT FROM ({x})::int8",
    );
    expect(
        "money",
        "numeric(12,2)",
        "({x})::numeric(12,2) | (({x})::numeric(12,2))::numeric IS NOT DISTINCT FROM ({x})::numeric",
    );
    expect("int4", "money", "({x})::money");
}

#[test]
fn other_conversions_come_back_too() {
    expect("date", "timestamp", "({x})::timestamp");
    expect(
        "timestamp",
        "date",
        "({x})::date | (({x})::date)::timestamp IS NOT DISTINCT FROM ({x})::timestamp",
    );
    expect(
        "inet",
        "cidr",
        "({x})::cidr | (({x})::cidr)::inet IS NOT DISTINCT FROM ({x})::inet",
    );
    expect(
        "varbit(9)",
        "bit(8)",
        "({x})::bit(8) | (({x})::bit(8))::text IS NOT DISTINCT FROM ({x})::text",
    );
    expect(
        "bit(9)",
        "bit(8)",
        "({x})::bit(8) | (({x})::bit)::text IS NOT DISTINCT FROM ((({x})::bit)::bit(8))::text",
    );
    expect("json", "jsonb", "({x})::jsonb");
    expect("jsonb", "json", "({x})::json");
}

#[test]
fn conversions_that_mean_something_else_are_refused() {
    for (from, to) in [
        ("timestamp", "time"),
        ("timestamptz", "date"),
        ("timestamptz", "time"),
        ("timestamptz", "timetz"),
        ("time", "timetz"),
        ("timetz", "time"),
        ("text", "timestamp"),
        ("text", "timestamptz"),
        ("text", "timetz"),
        ("bpchar(30)", "timestamp"),
        ("public.citext", "timestamp"),
        ("text", "timestamptz[]"),
        ("text", "tstzrange"),
        ("timestamp[]", "timestamptz[]"),
        ("date[]", "timestamptz[]"),
        ("date", "int4"),
        ("int4", "date"),
        ("int8", "timestamp"),
        ("uuid", "bytea"),
        ("char", "int4"),
        ("jsonb", "int4"),
        ("bool", "numeric"),
        ("float8", "bool"),
        ("float8", "money"),
        ("int4range", "numrange"),
        ("int4", "int4[]"),
        ("int4[]", "int4"),
        ("jsonb", "text[]"),
        ("public.hstore", "jsonb"),
        ("public.pair", "public.span"),
        ("jsonb", "public.hstore"),
    ] {
        refused(from, to);
    }
}

#[test]
fn a_zone_is_never_guessed() {
    for (from, to) in [
        ("timestamp", "timestamptz"),
        ("timestamptz", "timestamp"),
        ("date", "timestamptz"),
    ] {
        for terms in [PLAIN, LOSSY] {
            let misfit = between(from, to, terms).expect_err("no zone");
            assert_eq!(misfit.code, code::ZONE_UNDECLARED, "{from} to {to}");
        }
    }
    for terms in [PLAIN, LOSSY] {
        assert!(between("text", "timestamptz", terms).is_err());
    }
}

#[test]
fn a_declared_zone_is_used() {
    let paris = Terms {
        source_zone: Some("Europe/Paris"),
        ..PLAIN
    };
    assert_eq!(
        words(between("timestamp", "timestamptz(0)", paris)),
        "(({x}) AT TIME ZONE 'Europe/Paris')::timestamptz(0) | (((({x}) AT TIME ZONE 'Europe/Paris')::timestamptz(0)) \
         AT TIME ZONE 'Europe/Paris') IS NOT DISTINCT FROM ({x})"
    );
    assert_eq!(
        words(between(
            "timestamptz",
            "timestamp",
            Terms {
                target_zone: Some("Asia/Tokyo"),
                ..paris
            }
        )),
        "(({x}) AT TIME ZONE 'Asia/Tokyo')::timestamp | (((({x}) AT TIME ZONE 'Asia/Tokyo')::timestamp) \
         AT TIME ZONE 'Asia/Tokyo') IS NOT DISTINCT FROM ({x})"
    );
    let lossy = words(between(
        "timestamp",
        "timestamptz",
        Terms { lossy: true, ..paris },
    ));
    assert_eq!(lossy, "(({x}) AT TIME ZONE 'Europe/Paris')::timestamptz");
}

#[test]
fn universal_time_has_the_same_bytes() {
    let utc = Terms {
        source_zone: Some("utc"),
        ..PLAIN
    };
    assert_eq!(words(between("timestamp", "timestamptz", utc)), "same");
    assert_eq!(words(between("timestamptz", "timestamp", utc)), "same");
    assert_eq!(
        words(between("timestamp", "timestamptz(3)", utc)),
        "Microseconds(1000)"
    );
    let lossy = Terms { lossy: true, ..utc };
    assert_eq!(words(between("timestamp", "timestamptz", lossy)), "same");
    assert_eq!(
        words(between("timestamp", "timestamptz(3)", lossy)),
        "(({x}) AT TIME ZONE 'utc')::timestamptz(3)"
    );
}

#[test]
fn money_is_copied_where_it_means_the_same() {
    let other = Terms {
        same_money: false,
        ..PLAIN
    };
    assert_eq!(words(between("money", "money", PLAIN)), "same");
    for to in ["money", "numeric", "text"] {
        assert!(between("money", to, other).is_err(), "{to}");
    }
    assert!(between("money[]", "money[]", other).is_err());
    assert!(between("numeric", "money", other).is_ok());
}

#[test]
fn lossy_lets_the_target_cut() {
    expect_lossy("text", "varchar(10)", "({x})::varchar(10)");
    expect_lossy("numeric", "numeric(12,2)", "({x})::numeric(12,2)");
    expect_lossy("timestamp", "timestamp(3)", "({x})::timestamp(3)");
    expect_lossy("int4", "varchar(2)", "({x})::varchar(2)");
    expect_lossy("uuid", "varchar(8)", "(({x})::text)::varchar(8)");
    expect_lossy("numeric", "int4", "({x})::int4");
    expect_lossy("timestamp", "date", "({x})::date");
    expect_lossy("text", "timestamp", "(({x})::text)::timestamp");
    // What is no label stays none, and what is too big for an integer stays too big.
    expect_lossy("text", "public.few", "label of a b");
    expect_lossy("int4", "public.few", "({x})::text | label of a b");
    expect_lossy("int8", "int2", "integer 2");
    expect_lossy("text", "text", "same");
}

#[test]
fn arrays_go_element_by_element() {
    expect(
        "numeric[]",
        "numeric(12,2)[]",
        "({x})::numeric(12,2)[] | ({x})::numeric[] IS NOT DISTINCT FROM ({x})::numeric(12,2)[]",
    );
    expect("int4[]", "numeric(12,2)[]", "({x})::numeric(12,2)[]");
    expect("text[]", "public.few[]", "(({x})::text[])::public.few[]");
    expect(
        "text[]",
        "varchar(3)[]",
        "(({x})::text[])::varchar(3)[] | (((({x})::text[])::varchar(3)[])::text[]) IS NOT DISTINCT FROM ({x})::text[]",
    );
    expect("public.few[]", "text[]", "({x})::text[]");
    expect("json[]", "jsonb[]", "({x})::jsonb[]");
    expect("text[]", "uuid[]", "(({x})::text)::uuid[]");
    refused("bool[]", "int4[]");
    refused("uuid[]", "int4[]");
}

#[test]
fn types_of_ones_own_go_by_their_names() {
    // In the evaluation the value has the type already.
    expect("public.pair", "public.pair", "({x})::public.pair");
    expect("public.span", "public.span", "({x})::public.span");
    expect("public.few[]", "public.few[]", "({x})::public.few[]");
    expect(
        "public.citext",
        "extensions.citext",
        "(({x})::text)::extensions.citext",
    );
    expect("public.citext", "int4", "(({x})::text)::int4");
    expect("int4", "public.citext", "(({x})::text)::public.citext");
    expect("public.citext", "text", "({x})::text");
}

#[test]
fn what_names_an_object_is_named_again() {
    let named = |oid, name: &str| TypeRef {
        oid,
        name: crate::name::QualifiedName::new("pg_catalog", name),
        ..builtin::of(builtin::OID)
    };
    let (text, class, operator) = (
        builtin::of(builtin::TEXT),
        named(2205, "regclass"),
        named(2203, "regoper"),
    );
    let end = |data_type| End {
        data_type,
        typmod: -1,
    };
    assert_eq!(words(fit(end(&class), end(&class), PLAIN)), "({x})::regclass");
    // None is written `-`, but for operators, of which that is one.
    let read = |to| words(fit(end(&text), end(to), LOSSY));
    assert!(read(&class).starts_with("CASE ({x})::text WHEN '-' THEN "));
    assert!(read(&operator).starts_with("CASE ({x})::text WHEN '0' THEN "));
    let looked_at = words(fit(end(&text), end(&operator), PLAIN));
    assert!(looked_at.contains("0*[1-9]"), "{looked_at}");
}

#[test]
fn an_extensions_modifier_is_not_guessed() {
    let side = side();
    let (geometry, _) = side.data_type("public.geometry");
    let any = End {
        data_type: &geometry,
        typmod: -1,
    };
    let point = End { typmod: 1107, ..any };
    assert_eq!(words(fit(point, any, PLAIN)), "same");
    assert_eq!(words(fit(point, point, PLAIN)), "same");
    assert!(fit(any, point, PLAIN).is_err());
}

#[test]
fn a_type_without_binary_form_cannot_be_written() {
    let aclitem = TypeRef {
        oid: 1033,
        name: crate::name::QualifiedName::new("pg_catalog", "aclitem"),
        binary: false,
        ..builtin::of(builtin::TEXT)
    };
    let (text, acl) = (builtin::of(builtin::TEXT), aclitem);
    let (text, acl) = (
        End {
            data_type: &text,
            typmod: -1,
        },
        End {
            data_type: &acl,
            typmod: -1,
        },
    );
    assert_eq!(words(fit(acl, text, PLAIN)), "({x})::text");
    assert!(fit(text, acl, PLAIN).is_err());
    assert!(fit(acl, acl, PLAIN).is_err());
}
