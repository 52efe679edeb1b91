//! References whose column has another type than the parent's key: the right parent, or none.

use crate::pair::Pair;

/// A parent's key type with its keys, and a child's type with its values and the keys that they mean.
struct Pairing {
    key: &'static str,
    keys: &'static [&'static str],
    child: &'static str,
    values: &'static [(&'static str, Option<&'static str>)],
}

const PAIRINGS: &[Pairing] = &[
    Pairing {
        key: "int4",
        keys: &["7", "-1", "0"],
        child: "text",
        values: &[
            ("7", Some("7")),
            (" 007 ", Some("7")),
            ("+7", Some("7")),
            ("-0", Some("0")),
            ("-1", Some("-1")),
            ("7.0", None),
            ("7x", None),
            ("", None),
            ("99999999999999999999", None),
        ],
    },
    Pairing {
        key: "int8",
        keys: &["2"],
        child: "numeric",
        values: &[
            ("2", Some("2")),
            ("2.00", Some("2")),
            ("1.5", None),
            ("2.5", None),
            ("NaN", None),
            ("1e30", None),
        ],
    },
    Pairing {
        key: "int4",
        keys: &["2"],
        child: "float8",
        values: &[("2", Some("2")), ("2.4", None), ("Infinity", None)],
    },
    Pairing {
        key: "int4",
        keys: &["42"],
        child: "char(5)",
        values: &[("42", Some("42")), ("4 2", None)],
    },
    Pairing {
        key: "numeric(9,2)",
        keys: &["1.50", "2", "0.01"],
        child: "numeric",
        values: &[
            ("1.5", Some("1.50")),
            ("1.500", Some("1.50")),
            ("1.501", None),
            ("1.495", None),
            ("2", Some("2")),
            ("1e20", None),
            ("0.005", None),
        ],
    },
    Pairing {
        key: "numeric(9,2)",
        keys: &["1.50", "2"],
        child: "text",
        values: &[
            ("1.5", Some("1.50")),
            ("2.", Some("2")),
            (".5", None),
            ("two", None),
        ],
    },
    Pairing {
        key: "numeric(9,0)",
        keys: &["12"],
        child: "int8",
        values: &[("12", Some("12")), ("13", None)],
    },
    Pairing {
        key: "char(5)",
        keys: &["ab", "abcde"],
        child: "text",
        values: &[
            ("ab", Some("ab")),
            ("ab   ", Some("ab")),
            ("abcdef", None),
            ("AB", None),
        ],
    },
    Pairing {
        key: "varchar(3)",
        keys: &["abc", "12"],
        child: "text",
        values: &[("abc", Some("abc")), ("abcd", None), ("abc ", None)],
    },
    Pairing {
        key: "text",
        keys: &["12", "ab"],
        child: "int4",
        values: &[("12", Some("12")), ("1", None)],
    },
    Pairing {
        key: "text",
        keys: &["ab"],
        child: "char(4)",
        values: &[("ab", Some("ab"))],
    },
    Pairing {
        key: "uuid",
        keys: &["0190163d-8694-739b-aea5-966c26f8ad91"],
        child: "text",
        values: &[
            (
                "0190163D-8694-739B-AEA5-966C26F8AD91",
                Some("0190163d-8694-739b-aea5-966c26f8ad91"),
            ),
            (
                "{0190163d8694739baea5966c26f8ad91}",
                Some("0190163d-8694-739b-aea5-966c26f8ad91"),
            ),
            ("{0190163d8694739baea5966c26f8ad91", None),
            ("0190163d-8694-739b-aea5-966c26f8ad9", None),
            ("none", None),
        ],
    },
    Pairing {
        key: "timestamptz",
        keys: &["2024-02-29 10:00+02"],
        child: "timestamptz(0)",
        values: &[
            ("2024-02-29 08:00+00", Some("2024-02-29 10:00+02")),
            ("2024-02-29 10:00+00", None),
        ],
    },
    Pairing {
        key: "kind",
        keys: &["a"],
        child: "varchar(9)",
        values: &[("a", Some("a")), ("b", None)],
    },
];

#[tokio::test]
async fn a_reference_means_the_row_whose_key_it_equals() {
    let (mut source, mut target, mut mapping) = (
        String::from("CREATE TYPE kind AS ENUM ('a', 'b');"),
        String::new(),
        String::new(),
    );
    for (number, pairing) in PAIRINGS.iter().enumerate() {
        source += &format!(
            "CREATE TABLE p{number} (k {} PRIMARY KEY); CREATE TABLE c{number} (id int PRIMARY KEY, v {}, expected text);",
            pairing.key, pairing.child
        );
        for key in pairing.keys {
            source += &format!("INSERT INTO p{number} VALUES ('{key}');");
        }
        for (id, (value, expected)) in pairing.values.iter().enumerate() {
            let expected =
                expected.map_or("NULL".to_owned(), |key| format!("'{key}'::{}::text", pairing.key));
            source += &format!("INSERT INTO c{number} VALUES ({id}, '{value}', {expected});");
        }
        source += &format!("INSERT INTO c{number} VALUES (99, NULL, NULL);");
        target += &format!(
            "CREATE TABLE p{number} (id uuid PRIMARY KEY, k text); \
             CREATE TABLE c{number} (id int PRIMARY KEY, v text, expected text, parent uuid REFERENCES p{number});"
        );
        mapping += &format!(
            "[entities.p{number}]\nfrom = \"public.p{number}\"\ninto = \"public.p{number}\"\ncolumns.id = {{ id = true }}\n\
             [entities.c{number}]\nfrom = \"public.c{number}\"\ninto = \"public.c{number}\"\n\
             columns.parent = {{ ref = \"p{number}\", from = \"v\", missing = \"null\" }}\n"
        );
    }
    let pair = Pair::create("keys", &source, &target).await;
    pair.migrate(&mapping).await.expect("a load");
    for (number, pairing) in PAIRINGS.iter().enumerate() {
        let rows = pair
            .target
            .rows(&format!(
                "SELECT c.v, c.expected, p.k FROM c{number} c LEFT JOIN p{number} p ON p.id = c.parent ORDER BY c.id"
            ))
            .await;
        assert_eq!(rows.len(), pairing.values.len() + 1);
        for row in rows {
            assert_eq!(
                row[2], row[1],
                "{} for a key of type {}: {:?}",
                pairing.child, pairing.key, row[0]
            );
        }
    }
}

/// The key of an entity that shares another's identity is read as that one's.
#[tokio::test]
async fn a_shared_identity_is_found_by_a_key_of_another_type() {
    let source = "CREATE TABLE u (id int PRIMARY KEY, name text); INSERT INTO u VALUES (7, 'seven'), (8, 'eight');
        CREATE TABLE profile (user_no varchar(5) PRIMARY KEY, nick text); INSERT INTO profile VALUES ('007', 'bond'), ('8', 'ate');";
    let target = "CREATE TABLE users (id uuid PRIMARY KEY, name text);
        CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES users, nick text);";
    let mapping = r#"
        [entities.users]
        from = "public.u"
        into = "public.users"
        columns.id = { id = true }
        [entities.profiles]
        from = "public.profile"
        into = "public.profiles"
        identity = { same_as = "users" }
        columns.id = { id = true }
    "#;
    let pair = Pair::create("sharedkeys", source, target).await;
    pair.migrate(mapping).await.expect("a load");
    let joined =
        "SELECT string_agg(name || ' ' || nick, ', ' ORDER BY name) FROM users JOIN profiles USING (id)";
    assert_eq!(
        pair.target.value(joined).await.as_deref(),
        Some("eight ate, seven bond")
    );
}
