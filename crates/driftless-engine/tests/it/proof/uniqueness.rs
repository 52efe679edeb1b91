//! Of rows with one unique value one stays.

use driftless_core::plan::{Mint, Path};

use super::{Fixture, id};
use crate::plan::load;

/// Table, what is unique, rows (key and values), keys that stay, and words of each reject.
struct Case {
    columns: &'static str,
    unique: &'static str,
    rows: &'static [(&'static str, &'static str)],
    kept: &'static str,
    rejects: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        columns: "a int, b text",
        unique: "CONSTRAINT u UNIQUE (a, b)",
        rows: &[
            ("10", "1, 'x'"),
            ("9", "1, 'x'"),
            ("2", "1, NULL"),
            ("3", "1, NULL"),
            ("1", "2, 'x'"),
        ],
        kept: "1 2 3 9",
        rejects: &["10 rejected DL0406 it repeats what u allows once; kept is NAME 9"],
    },
    Case {
        columns: "a int",
        unique: "CONSTRAINT u UNIQUE NULLS NOT DISTINCT (a) DEFERRABLE INITIALLY DEFERRED",
        rows: &[("1", "5"), ("2", "NULL"), ("3", "NULL"), ("4", "5"), ("5", "5")],
        kept: "1 2",
        rejects: &[
            "3 rejected DL0406 it repeats what u allows once; kept is NAME 2",
            "4 rejected DL0406 it repeats what u allows once; kept is NAME 1",
            "5 rejected DL0406 it repeats what u allows once; kept is NAME 1",
        ],
    },
    Case {
        columns: "mail text, sso bool",
        unique: "; CREATE UNIQUE INDEX u ON NAME (lower(mail)) WHERE NOT sso",
        rows: &[
            ("1", "'A@x', true"),
            ("2", "'a@X', false"),
            ("3", "'a@x', false"),
            ("4", "'a@x', true"),
        ],
        kept: "1 2 4",
        rejects: &["3 rejected DL0406 it repeats what u allows once; kept is NAME 2"],
    },
    Case {
        columns: "a text COLLATE ci",
        unique: "CONSTRAINT u UNIQUE (a)",
        rows: &[
            ("1", "'straße'"),
            ("2", "'STRASSE'"),
            ("3", "'Strasse'"),
            ("4", "'x'"),
        ],
        kept: "1 2 4",
        rejects: &["3 rejected DL0406 it repeats what u allows once; kept is NAME 2"],
    },
    Case {
        columns: "a text",
        unique: "; CREATE UNIQUE INDEX u ON NAME (a COLLATE ci)",
        rows: &[("1", "'abc'"), ("2", "'ABC'"), ("3", "'abd'")],
        kept: "1 3",
        rejects: &["2 rejected DL0406 it repeats what u allows once; kept is NAME 1"],
    },
    Case {
        columns: "a text",
        unique: "; CREATE UNIQUE INDEX u ON NAME (a text_pattern_ops) WHERE a <> ''",
        rows: &[("1", "''"), ("2", "''"), ("4", "'y'"), ("3", "'y'")],
        kept: "1 2 3",
        rejects: &["4 rejected DL0406 it repeats what u allows once; kept is another row"],
    },
    Case {
        columns: "a int4range",
        unique: "CONSTRAINT u EXCLUDE USING gist (a WITH &&) DEFERRABLE",
        rows: &[
            ("1", "'[1,3)'"),
            ("2", "'[2,9)'"),
            ("3", "'[3,5)'"),
            ("4", "'[8,10)'"),
        ],
        kept: "1 3 4",
        rejects: &["2 rejected DL0406 it repeats what u allows once; kept is another row"],
    },
    Case {
        columns: "a numeric, b bytea",
        unique: "; CREATE UNIQUE INDEX u ON NAME ((a + 1) DESC, b) INCLUDE (id)",
        rows: &[("1", "1.0, '\\x00'"), ("2", "1.00, '\\x00'"), ("3", "1, '\\x01'")],
        kept: "1 3",
        rejects: &["2 rejected DL0406 it repeats what u allows once; kept is NAME 1"],
    },
];

#[tokio::test]
async fn of_rows_with_one_unique_value_the_smallest_key_stays() {
    for (number, case) in CASES.iter().enumerate() {
        let name = format!("t{number}");
        let (inside, behind) = match case.unique.strip_prefix(';') {
            Some(index) => (String::new(), index.replace("NAME", &name)),
            None => (format!(", {}", case.unique), String::new()),
        };
        let sql = format!(
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE {name} (id uuid PRIMARY KEY, {} {inside}); {behind}",
            case.columns
        );
        let mut fixture = Fixture::new("prooftwins", &sql, vec![load("public", &name)]).await;
        for (key, values) in case.rows {
            fixture.row(&name, key, values).await;
        }
        fixture.settle().await;
        assert_eq!(fixture.kept(&name).await, case.kept, "{}", case.unique);
        let expected: Vec<String> = case
            .rejects
            .iter()
            .map(|text| text.replace("NAME", &name))
            .collect();
        assert_eq!(fixture.rejects(&name).await, expected, "{}", case.unique);
        fixture.finish().await;
    }
}

#[tokio::test]
async fn rows_of_others_win_and_entities_win_in_the_order_of_the_plan() {
    let mut second = load("public", "t");
    second.name = "second".to_owned();
    let mut first = load("public", "t");
    first.name = "first".to_owned();
    let sql = "CREATE TABLE t (id uuid PRIMARY KEY, a int UNIQUE)";
    let mut fixture = Fixture::new("prooforder", sql, vec![first, second]).await;
    for (entity, key, a) in [
        ("second", "1", 1),
        ("first", "5", 1),
        ("first", "6", 2),
        ("second", "2", 3),
    ] {
        let own = id(entity, key);
        fixture
            .row_as(entity, "t", key, &own.to_string(), &format!("'{own}', {a}"))
            .await;
    }
    fixture
        .database
        .run("INSERT INTO t VALUES (gen_random_uuid(), 2)")
        .await;
    let corrections = fixture.settle().await;
    assert_eq!(
        corrections
            .entities
            .values()
            .map(|tally| tally.rejected)
            .sum::<u64>(),
        2
    );
    assert_eq!(
        (
            fixture.kept("first").await.as_str(),
            fixture.kept("second").await.as_str()
        ),
        ("5", "2")
    );
    assert_eq!(
        fixture.rejects("first").await,
        [
            "6 rejected DL0406 it repeats what t_a_key allows once; kept is a row that was not loaded from the source"
        ]
    );
    assert_eq!(
        fixture.rejects("second").await,
        ["1 rejected DL0406 it repeats what t_a_key allows once; kept is first 5"]
    );
    fixture.finish().await;
}

#[tokio::test]
async fn deferrable_keys_that_stayed_in_place_are_proven_too() {
    let sql = "CREATE TABLE t (id uuid PRIMARY KEY, a int UNIQUE DEFERRABLE);
               CREATE TABLE r (id uuid, part int, PRIMARY KEY (id, part) DEFERRABLE, UNIQUE (part) DEFERRABLE)
                      PARTITION BY RANGE (part);
               CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10);
               CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20);";
    let mut beside = load("public", "t");
    beside.path = Path::Beside;
    let mut fixture = Fixture::new("prooflate", sql, vec![beside, load("public", "r")]).await;
    for (key, value) in [("1", "5"), ("2", "5"), ("3", "15")] {
        fixture.row("t", key, value).await;
        fixture.row("r", key, value).await;
    }
    let corrections = fixture.settle().await;
    assert_eq!(corrections.entities["t"].rejected, 1);
    assert_eq!(corrections.entities["r"].rejected, 1);
    assert_eq!(
        (fixture.kept("t").await.as_str(), fixture.kept("r").await.as_str()),
        ("1 3", "1 3")
    );
    fixture.finish().await;
}

#[tokio::test]
async fn identities_that_contradict_each_other_leave_one_row_or_none() {
    let sql = "CREATE TABLE nm (a int, b int, note text, PRIMARY KEY (a, b)); CREATE TABLE d (id uuid PRIMARY KEY, n int)";
    let mut nm = load("public", "nm");
    nm.identity.mint = Mint::Columns(vec![0, 1]);
    nm.identity.target = vec![
        ("a".to_owned(), "int4".to_owned()),
        ("b".to_owned(), "int4".to_owned()),
    ];
    let mut fixture = Fixture::new("prooftwinids", sql, vec![nm, load("public", "d")]).await;
    for (key, target) in [
        ("3", "1/1"),
        ("1", "1/1"),
        ("2", "1/1"),
        ("4", "1/2"),
        ("5", "2/1"),
        ("5", "2/2"),
    ] {
        let values = format!("{}, 'of {key}'", target.replace('/', ", "));
        fixture.row_as("nm", "nm", key, target, &values).await;
    }
    for n in ["1", "2"] {
        fixture.row("d", "8", n).await;
    }
    let corrections = fixture.settle().await;
    assert_eq!(
        (
            corrections.entities["nm"].rejected,
            corrections.entities["nm"].parked
        ),
        (3, 1)
    );
    assert_eq!(corrections.entities["d"].rejected, 1);
    assert_eq!(
        fixture.rejects("nm").await,
        [
            "1 parked DL0406 other rows have its target key; it must be read again",
            "2 rejected DL0406 it has the same target key as nm 1",
            "3 rejected DL0406 it has the same target key as nm 1",
            "5 rejected DL0406 its key occurs more than once in the source; one row is kept",
        ]
    );
    let rest = fixture
        .database
        .value("SELECT string_agg(note, ', ' ORDER BY note) FROM nm")
        .await;
    assert_eq!(rest.as_deref(), Some("of 4, of 5"));
    assert_eq!(fixture.kept("d").await, "8");
    let hash = fixture
        .database
        .value("SELECT row_hash FROM driftless.identity_d")
        .await;
    assert_eq!(hash, None, "the next comparison looks at it");
    fixture.finish().await;
}
