//! Copies between types, judged by PostgreSQL: whatever goes through is what a cast gives, and can be turned back;
//! whatever a cast would lose is rejected.

mod kinds;

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::code;
use driftless_engine::run::prepare;

use crate::pair::{Pair, migrate_spec};
use kinds::{KINDS, Kind, REFUSED, WITHOUT_CAST, WRAPPED, is_lost_in_text};

/// Local times that a change of the clocks leaves out, and moments whose local time comes twice, are told from other losses.
#[tokio::test]
async fn the_clocks_are_named() {
    let pair = Pair::create(
        "clocks",
        "CREATE TABLE t (id int PRIMARY KEY, local timestamp, moment timestamptz, exact timestamp);
         INSERT INTO t VALUES
         (1, '2024-03-31 01:59:59', '2024-10-26 22:30Z', '2024-06-01 12:00:00'),
         (2, '2024-03-31 02:30', NULL, NULL), (3, NULL, '2024-10-27 00:30Z', NULL),
         (4, NULL, NULL, '2024-06-01 12:00:00.5'), (5, NULL, NULL, '2024-03-31 02:30');",
        "CREATE TABLE t (id int PRIMARY KEY, local timestamptz, moment timestamp, exact timestamptz(0))",
    )
    .await;
    let mapping =
        "[defaults]\nmax_rejects = \"100%\"\n[entities.t]\nfrom = \"public.t\"\ninto = \"public.t\"\n";
    pair.migrate(mapping).await.expect("a load");
    let rows = pair
        .target
        .rows("SELECT key, code, message FROM driftless.rejects ORDER BY key")
        .await;
    let told: Vec<String> = rows
        .into_iter()
        .map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" "))
        .collect();
    let gap = "this local time never was in Europe/Paris: the clocks were put forward over it";
    assert_eq!(
        told,
        [
            format!("2 DL0403 {gap}"),
            "3 DL0403 another moment has the same local time in Europe/Paris, where the clocks were put back"
                .to_owned(),
            "4 DL0403 the value does not fit the column without loss".to_owned(),
            format!("5 DL0403 {gap}"),
        ]
    );
    assert_eq!(pair.count("SELECT count(*) FROM t").await, 1);
}

/// A source and a target type by their short names.
type Names = (&'static str, &'static str);

/// One value on its way into one column. Every case has a row of its own, so that one fault is one case's.
struct Case {
    id: usize,
    from: &'static Kind,
    to: &'static Kind,
    literal: &'static str,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for from in KINDS {
        for to in KINDS {
            for literal in from.values {
                cases.push(Case {
                    id: cases.len() + 1,
                    from,
                    to,
                    literal,
                });
            }
        }
    }
    cases
}

fn quoted(literal: &str) -> String {
    format!("'{}'", literal.replace('\'', "''"))
}

/// A table for each source type with a column for each target type.
fn tables(prefix: &str, data_type: impl Fn(&Kind, &Kind) -> &'static str) -> String {
    let table = |from: &Kind| {
        let columns = KINDS
            .iter()
            .map(|to| format!(", v_{} {}", to.name, data_type(from, to)));
        format!(
            "CREATE TABLE {prefix}_{} (id int PRIMARY KEY{});\n",
            from.name,
            columns.collect::<String>()
        )
    };
    let types = "CREATE TYPE few AS ENUM ('a', 'b'); CREATE TYPE many AS ENUM ('a', 'b', '42', 'true');\n";
    format!("{types}{}", KINDS.iter().map(table).collect::<String>())
}

fn source(cases: &[Case]) -> String {
    let mut sql = tables("s", |from, _| from.sql);
    for case in cases {
        sql += &format!(
            "INSERT INTO s_{} (id, v_{}) VALUES ({}, {});\n",
            case.from.name,
            case.to.name,
            case.id,
            quoted(case.literal)
        );
    }
    sql
}

fn mapping(skipped: &BTreeSet<Names>) -> String {
    let entity = |from: &Kind| {
        let skip: Vec<String> = KINDS
            .iter()
            .filter(|to| skipped.contains(&(from.name, to.name)))
            .map(|to| format!("\"v_{}\"", to.name))
            .collect();
        let name = from.name;
        format!(
            "[entities.{name}]\nfrom = \"public.s_{name}\"\ninto = \"public.t_{name}\"\nskip = [{}]\nmax_rejects = \"100%\"\n",
            skip.join(", ")
        )
    };
    KINDS.iter().map(entity).collect()
}

/// The pairs that the plan refuses.
async fn refused(pair: &Pair) -> BTreeSet<Names> {
    let error = prepare(&pair.spec(&mapping(&BTreeSet::new())))
        .await
        .expect_err("misfits");
    let mut found = BTreeSet::new();
    for finding in error.into_findings() {
        assert_eq!(finding.code, code::TYPES_DO_NOT_FIT, "{finding}");
        // What the compiler refuses, PostgreSQL need not be asked about.
        assert!(!finding.message.contains("cannot cast"), "{finding}");
        let names = KINDS
            .iter()
            .flat_map(|from| KINDS.iter().map(move |to| (from.name, to.name)));
        let place = |(from, to): &Names| {
            finding.place == format!("entity {from}")
                && finding.message.starts_with(&format!("column v_{to}: "))
        };
        found.extend(names.filter(place));
    }
    found
}

/// What PostgreSQL makes of each case: the value after the cast as text, and whether it can be turned back.
async fn judged(pair: &Pair, cases: &[Case]) -> BTreeMap<usize, (String, bool)> {
    let mut sql =
        "CREATE TEMP TABLE asked (id int, forward text, kept text); INSERT INTO asked VALUES ".to_owned();
    let rows = cases.iter().map(|case| {
        let (forward, kept) = questions(case);
        format!("({}, {}, {})", case.id, quoted(&forward), quoted(&kept))
    });
    sql += &rows.collect::<Vec<_>>().join(",\n");
    pair.target
        .run(
            "CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE found text; \
              BEGIN EXECUTE 'SELECT (' || sql || ')::text' INTO found; RETURN found; \
              EXCEPTION WHEN OTHERS THEN RETURN 'fails'; END $$",
        )
        .await;
    let sql = format!(
        "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET extra_float_digits = 3; {sql}; \
         SELECT id::text, attempt(forward), attempt(kept) FROM asked"
    );
    let mut found = BTreeMap::new();
    for row in pair.target.rows(&sql).await {
        let text = |column: usize| row[column].clone().unwrap_or_default();
        found.insert(text(0).parse().expect("a number"), (text(1), text(2) == "true"));
    }
    found
}

/// The cast, and what is true where it can be turned back.
fn questions(case: &Case) -> (String, String) {
    let (from, to) = (case.from, case.to);
    let value = format!("{}::{}", quoted(case.literal), from.sql);
    let forward = forward(&value, from, to);
    let equal = |back: &str| {
        if from.compared_as_text {
            format!("(({back})::text IS NOT DISTINCT FROM ({value})::text)::text = 'true'")
        } else {
            format!("(({back}) IS NOT DISTINCT FROM ({value}))")
        }
    };
    let back = turned_back(&forward, from, to);
    let by_cast = format!("attempt({})", quoted(&equal(&back)));
    let by_text = format!(
        "attempt({})",
        quoted(&equal(&format!("(({forward})::text)::{}", from.sql)))
    );
    if matches!(to.name, "varchar5" | "bpchar5") {
        return (
            forward,
            format!("pg_catalog.length(pg_catalog.rtrim(({value})::text)) <= 5"),
        );
    }
    if to.name == "varchars3" {
        return (
            forward,
            format!("({value})::text[] = ({value})::varchar(3)[]::text[]"),
        );
    }
    // A double that a single prints alike is another number all the same.
    let either = if (from.name, to.name) == ("float8", "float4") {
        format!("{by_cast} = 'true'")
    } else {
        format!("'true' IN ({by_cast}, {by_text})")
    };
    (forward, either)
}

/// A value of the target's type as one of the source's.
fn turned_back(forward: &str, from: &Kind, to: &Kind) -> String {
    let zone = "AT TIME ZONE 'Europe/Paris'";
    match (from.name, to.name) {
        ("timestamp" | "timestamp0", "timestamptz") | ("timestamptz", "timestamp" | "timestamp0") => {
            format!("({forward}) {zone}")
        }
        ("date", "timestamptz") => format!("(({forward}) {zone})::date"),
        ("int2" | "int8", "bool") | ("bool", "int2" | "int8") | ("oid", "int2") => {
            format!("(({forward})::int4)::{}", from.sql)
        }
        _ => format!("({forward})::{}", from.sql),
    }
}

fn forward(value: &str, from: &Kind, to: &Kind) -> String {
    let zone = "AT TIME ZONE 'Europe/Paris'";
    let inner = match (from.name, to.name) {
        ("timestamp" | "timestamp0", "timestamptz") => format!("({value}) {zone}"),
        ("timestamptz", "timestamp" | "timestamp0") => format!("({value}) {zone}"),
        ("date", "timestamptz") => format!("(({value})::timestamp) {zone}"),
        ("bool", "int2" | "int8") | ("int2" | "int8", "bool") => format!("({value})::int4"),
        ("oid", "int2") => format!("({value})::int8"),
        // The cast from a float keeps fifteen digits; its text has all.
        ("float4" | "float8", "numeric" | "numeric92") => format!("({value})::text"),
        // Trailing blanks of char(n) are none of its value, and a name is made of text.
        ("bpchar5", _) | (_, "name") => format!("({value})::text"),
        ("fews", _) | (_, "fews") => format!("({value})::text"),
        _ if from.is_enum || to.is_enum => format!("({value})::text"),
        _ => value.to_owned(),
    };
    format!("({inner})::{}", to.sql)
}

/// What the target holds: the text of each case's value.
async fn loaded(pair: &Pair, cases: &[Case], skipped: &BTreeSet<Names>) -> BTreeMap<usize, String> {
    let mut found = BTreeMap::new();
    for from in KINDS {
        let one = |case: &&Case| case.from.name == from.name && !skipped.contains(&(from.name, case.to.name));
        let parts: Vec<String> = KINDS
            .iter()
            .filter_map(|to| {
                let ids: Vec<String> = cases
                    .iter()
                    .filter(one)
                    .filter(|case| case.to.name == to.name)
                    .map(|case| case.id.to_string())
                    .collect();
                (!ids.is_empty()).then(|| {
                    let (name, ids) = (to.name, ids.join(", "));
                    format!(
                        "SELECT id::text, v_{name}::text FROM t_{} WHERE id IN ({ids})",
                        from.name
                    )
                })
            })
            .collect();
        let sql = format!(
            "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET extra_float_digits = 3; {}",
            parts.join(" UNION ALL ")
        );
        for mut row in pair.target.rows(&sql).await {
            let (value, id) = (
                row.pop().expect("a value"),
                row.pop().expect("an id").expect("an id"),
            );
            found.insert(id.parse().expect("a number"), value.expect("no null"));
        }
    }
    found
}

#[tokio::test]
async fn values_go_through_as_a_cast_would_have_them_or_not_at_all() {
    let cases = cases();
    let pair = Pair::create("fit", &source(&cases), &tables("t", |_, to| to.sql)).await;
    let skipped = refused(&pair).await;
    let report = migrate_spec(&pair.spec(&mapping(&skipped)))
        .await
        .expect("a load");
    let judged = judged(&pair, &cases).await;
    let loaded = loaded(&pair, &cases, &skipped).await;

    let mut wrong = Vec::new();
    let mut rejected = 0;
    for case in cases
        .iter()
        .filter(|case| !skipped.contains(&(case.from.name, case.to.name)))
    {
        let (forward, kept) = &judged[&case.id];
        let verdict = verdict(case, forward, *kept, loaded.get(&case.id).map(String::as_str));
        rejected += i64::from(!loaded.contains_key(&case.id));
        wrong.extend(verdict.err());
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(
        report.entities.iter().map(|entity| entity.rejected).sum::<i64>(),
        rejected
    );
    println!(
        "{} cases, {rejected} rejected, {} pairs refused",
        cases.len(),
        skipped.len()
    );
}

/// Whether a case came out as it should.
fn verdict(case: &Case, forward: &str, kept: bool, loaded: Option<&str>) -> Result<(), String> {
    let told = |what: &str| {
        Err(format!(
            "{} {:?} to {}: {what} (a cast gives {forward:?}, it can{} be turned back, loaded is {loaded:?})",
            case.from.name,
            case.literal,
            case.to.name,
            if kept { "" } else { "not" }
        ))
    };
    let lost = if case.from.is_characters {
        is_lost_in_text(case.to.name, case.literal)
    } else {
        !kept || WRAPPED.contains(&(case.from.name, case.to.name, case.literal))
    };
    match loaded {
        Some(_) if forward == "fails" => told("loaded, though a cast fails"),
        Some(_) if lost => told("loaded, though something is lost"),
        Some(value) if value != forward => told("loaded, and is another value"),
        None if forward != "fails" && !lost => told("rejected, though nothing is lost"),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn only_conversions_that_mean_the_same_are_made() {
    let pair = Pair::create("fitpairs", &source(&[]), &tables("t", |_, to| to.sql)).await;
    let refused = refused(&pair).await;
    let mut sql = Vec::new();
    for from in KINDS {
        for to in KINDS {
            let through = if from.is_enum || to.is_enum { "::text" } else { "" };
            let cast = format!("(NULL::{}){through}::{}", from.sql, to.sql);
            sql.push(format!("('{}', '{}', {})", from.name, to.name, quoted(&cast)));
        }
    }
    pair.target
        .run("CREATE FUNCTION exists_cast(sql text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || sql; \
              RETURN true; EXCEPTION WHEN cannot_coerce THEN RETURN false; END $$")
        .await;
    let sql = format!(
        "SELECT f, t FROM (VALUES {}) AS asked (f, t, sql) WHERE exists_cast(sql)",
        sql.join(", ")
    );
    let mut castable = BTreeSet::new();
    for row in pair.target.rows(&sql).await {
        castable.insert((row[0].clone().expect("a name"), row[1].clone().expect("a name")));
    }
    let all = KINDS
        .iter()
        .flat_map(|from| KINDS.iter().map(move |to| (from.name, to.name)));
    let (with, without): (Vec<Names>, Vec<Names>) =
        all.partition(|(from, to)| castable.contains(&((*from).to_owned(), (*to).to_owned())));
    let with: Vec<Names> = with.into_iter().filter(|names| refused.contains(names)).collect();
    let without: Vec<Names> = without
        .into_iter()
        .filter(|names| !refused.contains(names))
        .collect();
    assert_eq!(with, REFUSED, "refused, though PostgreSQL has a cast");
    assert_eq!(without, WITHOUT_CAST, "made, though PostgreSQL has no cast");
}
