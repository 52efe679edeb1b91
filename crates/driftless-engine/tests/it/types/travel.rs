//! Every type into a column of its own type, byte for byte, with PostgreSQL as judge.

use driftless_core::code;
use driftless_core::plan::matrix::Type;
use driftless_engine::run::prepare;
use driftless_testkit::{Random, TestDatabase};

use super::generated::{array, pools};
use super::wire::Own;
use super::{definitions, quoted};
use crate::pair::Pair;

const ROWS: usize = 60;

/// One entity: the table `t` of both sides.
const ENTITY: &str = "[entities.t]\nfrom = \"public.t\"\ninto = \"public.t\"\nmax_rejects = \"100%\"\n";

/// A composite of composites, arrays, domains and ranges of one's own.
const NEST: &str = "CREATE TYPE nest AS (one pair, list few[], word short_code, wide span, words citext[], days datemultirange);";

/// A column: its type, or that of its elements.
struct Column {
    of: &'static str,
    is_array: bool,
}

impl Column {
    fn sql(&self) -> String {
        format!("{}{}", self.of, if self.is_array { "[]" } else { "" })
    }
}

/// The types whose values are moved.
pub(super) fn moved() -> Vec<&'static str> {
    let types = Type::all().map(Type::sql);
    types.filter(|sql| *sql != "aclitem").chain(["nest"]).collect()
}

/// For each type a column, and one of its arrays.
fn columns() -> Vec<Column> {
    let mut columns = Vec::new();
    for of in moved() {
        columns.push(Column { of, is_array: false });
        if !of.ends_with("[]") {
            columns.push(Column { of, is_array: true });
        }
    }
    columns
}

/// For each row the texts of its values, and their bytes unless they are numbers of objects.
async fn held(database: &TestDatabase, columns: &[Column]) -> Vec<[Vec<Option<String>>; 2]> {
    let texts: Vec<String> = (0..columns.len())
        .map(|number| format!("c{number}::text"))
        .collect();
    let sql = format!(
        "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET extra_float_digits = 3; \
         SELECT {}, encode(record_send(t), 'hex') FROM t ORDER BY id",
        texts.join(", ")
    );
    let own = Own::of(database).await;
    let rows = database.rows(&sql).await.into_iter();
    rows.map(|mut texts| {
        let row = texts.pop().flatten().expect("a row");
        let mut bytes = own.fields(&row);
        // The key.
        bytes.remove(0);
        for (bytes, column) in bytes.iter_mut().zip(columns) {
            if column.of.starts_with("reg") {
                *bytes = None;
            }
        }
        [texts, bytes]
    })
    .collect()
}

/// A row of each value at a boundary, and of drawn ones.
async fn drawn_rows(source: &TestDatabase, columns: &[Column]) -> String {
    let mut random = Random::from_env();
    let pools = pools(&mut random, source, columns.iter().map(|column| column.of)).await;
    let mut sql = String::new();
    for id in 0..ROWS {
        let mut values = Vec::new();
        for column in columns {
            let pool = &pools[column.of];
            values.push(match pool.get(id) {
                _ if column.is_array && random.below(10) > 0 => quoted(&array(&mut random, pool, column.of)),
                Some(value) if !column.is_array => quoted(value),
                _ if random.below(10) == 0 => "NULL".to_owned(),
                _ if column.is_array => quoted("{}"),
                _ => quoted(&pool[random.below(pool.len() as u64) as usize]),
            });
        }
        sql += &format!("INSERT INTO t VALUES ({id}, {});\n", values.join(", "));
    }
    sql
}

#[tokio::test]
async fn every_value_of_every_type_arrives_byte_for_byte() {
    let columns = columns();
    let listed: String = columns
        .iter()
        .enumerate()
        .map(|(number, column)| format!(", c{number} {}", column.sql()))
        .collect();
    let table = format!(
        "{}{NEST}CREATE TABLE t (id int PRIMARY KEY{listed});",
        definitions()
    );
    // Numbers of types that differ between the databases, as they do in life.
    let shifted = format!("CREATE DOMAIN before AS int; {table}");
    let pair = Pair::create("travel", &table, &shifted).await;
    pair.source.run(&drawn_rows(&pair.source, &columns).await).await;
    let report = pair.migrate(ENTITY).await.expect("a load");
    let told = pair
        .target
        .rows("SELECT key, column_name, message FROM driftless.rejects")
        .await;
    assert_eq!(report.entities[0].rejected, 0, "{told:?}");
    let (sent, arrived) = (
        held(&pair.source, &columns).await,
        held(&pair.target, &columns).await,
    );
    assert_eq!((sent.len(), arrived.len()), (ROWS, ROWS));
    let mut wrong = Vec::new();
    for (row, (sent, arrived)) in sent.iter().zip(&arrived).enumerate() {
        for (sent, arrived) in sent.iter().zip(arrived) {
            assert_eq!((sent.len(), arrived.len()), (columns.len(), columns.len()));
            for ((sent, arrived), column) in sent.iter().zip(arrived).zip(&columns) {
                if sent != arrived {
                    wrong.push(format!(
                        "row {row}, {}: {sent:?} became {arrived:?}",
                        column.sql()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// PostgreSQL's ANALYZE, which ends a load, takes the width of ranges for doubles.
#[tokio::test]
async fn ranges_that_no_statistics_hold_are_loaded_all_the_same() {
    let table = "CREATE TABLE t (id numrange PRIMARY KEY, wide numrange, n int);";
    let rows = "INSERT INTO t SELECT numrange(n, 10::numeric ^ (400 + n)), numrange(0, 10::numeric ^ (400 + n)), n \
                FROM generate_series(1, 20) n;";
    let pair = Pair::create("wide", &format!("{table}{rows}"), table).await;
    let refused = pair.source.client().await.batch_execute("ANALYZE t").await;
    let state = refused.expect_err("a width").code().cloned();
    assert_eq!(state.as_ref().map(|state| state.code()), Some("22003"));
    let report = pair.migrate(ENTITY).await.expect("a load");
    assert_eq!(report.entities[0].rejected, 0);
    let sql = "SELECT id, wide, n FROM t ORDER BY n";
    assert_eq!(pair.source.rows(sql).await, pair.target.rows(sql).await);
}

/// The most memory that this process had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        * 1024
}

#[tokio::test]
async fn a_text_of_fifty_megabytes_passes_in_bounded_memory() {
    const LARGE: u64 = 50 << 20;
    let table = "CREATE TABLE t (id int PRIMARY KEY, large text, cast_too json);";
    let pair = Pair::create(
        "large",
        &format!(
            "{table} ALTER TABLE t ALTER large SET STORAGE EXTERNAL; INSERT INTO t
             SELECT n, left(repeat(md5(n::text) || 'é', {LARGE} / 33), {LARGE} - 100000), '[1]' FROM generate_series(1, 2) n;"
        ),
        &table.replace("json", "jsonb"),
    )
    .await;
    let report = pair.migrate(ENTITY).await.expect("a load");
    assert_eq!(report.entities[0].rejected, 0);
    let sql = "SELECT md5(large) || octet_length(large) || cast_too FROM t ORDER BY id";
    assert_eq!(pair.source.rows(sql).await, pair.target.rows(sql).await);
    let bound = (96 << 20) + 3 * LARGE;
    assert!(peak() < bound, "{} of {bound} bytes", peak());
}

/// The longest interval, which is infinite since PostgreSQL 17; added up, since 14 reads no such number of hours.
const LONGEST: &str = "(interval '2147483647 mons 2147483647 days' + interval '1000000000 hours' * 2 + interval '562047788:00:54.775807')";

/// A value that the target cannot hold, or not without becoming another: column, value, code of its reject.
type Refused = (&'static str, &'static str, &'static str);

#[tokio::test]
async fn what_the_target_cannot_hold_rejects_its_row_alone() {
    let columns = "id int PRIMARY KEY, doc json, path jsonpath, label ltree, span interval, spans interval[], query tsquery, few text, \
                   named regclass, price price[], word text";
    let definitions = "CREATE EXTENSION ltree; CREATE DOMAIN price AS numeric";
    let pair = Pair::create(
        "unheld",
        &format!("{definitions}; CREATE TABLE known (); CREATE TABLE gone (); CREATE TABLE t ({columns});"),
        &format!(
            "{definitions}(9,2); CREATE DOMAIN word AS text CHECK (VALUE <> 'no'); CREATE TABLE known (); CREATE TABLE t ({});",
            columns.replace("doc json", "doc jsonb").replace("few text", "few date").replace("word text", "word word")
        ),
    )
    .await;
    let (from, to) = (major(&pair.source).await, major(&pair.target).await);
    let mut refused: Vec<Refused> = vec![
        ("doc", "{\"a\": \"\\u0000\"}", "DL0404"),
        ("doc", "\"\\ud800\"", "DL0404"),
        ("query", "", "DL0407"),
        ("few", "01/02/03", "DL0403"),
        ("named", "gone", "DL0404"),
        ("named", "4000000000", "DL0404"),
        ("price", "{1.005}", "DL0403"),
        ("word", "no", "DL0407"),
    ];
    if from >= 17 && to < 17 {
        refused.push(("path", "$.a.bigint()", "DL0407"));
        refused.push(("span", "infinity", "DL0403"));
        refused.push(("span", "-infinity", "DL0403"));
        refused.push(("spans", "{1 day,infinity}", "DL0404"));
    }
    if from < 17 && to >= 17 {
        refused.push(("span", LONGEST, "DL0403"));
    }
    if from >= 16 && to < 16 {
        refused.push(("label", "a-b.c", "DL0407"));
    }
    let mut sql = "INSERT INTO t VALUES (0, '{\"a\": 1}', '$.a', 'a.b', '1 day', '{1 day}', 'a', '2024-02-29', 'known', '{1.00}', 'yes');".to_owned();
    for (number, (column, value, _)) in refused.iter().enumerate() {
        sql += &format!(
            "INSERT INTO t (id, {column}) VALUES ({}, {});",
            number + 1,
            if *value == LONGEST {
                (*value).to_owned()
            } else {
                quoted(value)
            }
        );
    }
    pair.source.run(&sql).await;
    pair.migrate(ENTITY).await.expect("a load");
    let expected: Vec<(String, String)> = refused
        .iter()
        .enumerate()
        .map(|(number, refused)| ((number + 1).to_string(), refused.2.to_owned()))
        .collect();
    assert_eq!(pair.rejects("t").await, expected);
    let whole = "SELECT doc, path, label, span, spans, query, few, named, price, word FROM t";
    assert_eq!(
        pair.source.rows(&format!("{whole} WHERE id = 0")).await,
        pair.target.rows(whole).await
    );
}

/// The major version of a database's server.
async fn major(database: &TestDatabase) -> u32 {
    let number = database
        .value("SELECT current_setting('server_version_num')")
        .await;
    number.expect("a number").parse::<u32>().expect("a number") / 10_000
}

/// What a finding says of columns, in the order of the columns.
async fn findings(pair: &Pair, entity: &str) -> Vec<String> {
    let error = prepare(&pair.spec(entity)).await.expect_err("misfits");
    let mut told: Vec<String> = error
        .into_findings()
        .into_iter()
        .inspect(|finding| assert_eq!(finding.code, code::TYPES_DO_NOT_FIT, "{finding}"))
        .map(|finding| finding.message)
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn types_that_the_target_lacks_or_makes_of_other_parts_are_refused_or_looked_at() {
    let pair = Pair::create(
        "parts_of_types",
        "CREATE EXTENSION hstore; CREATE EXTENSION cube; CREATE TYPE pair AS (a int, b int); CREATE TYPE price AS (a numeric);
         CREATE DOMAIN cents AS numeric;
         CREATE TABLE t (id int PRIMARY KEY, swapped pair, object hstore, corner cube, price price, cents cents[], shown hstore, list hstore[]);
         INSERT INTO t VALUES (1, '(1,2)', 'a=>1', '(1,2)', '(1.50)', '{1.50}', 'a=>1', '{\"a=>1\"}'),
           (2, NULL, NULL, NULL, '(1.505)', NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, '{1.005}', NULL, NULL);",
        "CREATE EXTENSION cube VERSION '1.4'; CREATE TYPE pair AS (b int, a int); CREATE TYPE price AS (a numeric(9,2));
         CREATE DOMAIN cents AS numeric(9,2);
         CREATE TABLE t (id int PRIMARY KEY, swapped pair, object jsonb, corner cube, price price, cents cents[], shown text, list text[]);",
    )
    .await;
    assert_eq!(
        findings(&pair, ENTITY).await,
        [
            "column corner: public.cube into public.cube: the type has no binary form, in which rows are written",
            "column object: public.hstore into jsonb: PostgreSQL has no conversion that always means the same value",
            "column swapped: public.pair into public.pair: its fields are a, b, and those of the target's type are b, a",
        ]
    );
    let rest = format!("{ENTITY}skip = [\"swapped\", \"object\", \"corner\"]\n");
    assert_eq!(
        findings(&pair, &rest).await,
        [
            "column corner of the target is public.cube, which has no binary form: PostgreSQL takes no binary COPY into its table, \
             even where the column is left out"
        ]
    );
    pair.target.run("ALTER TABLE t DROP COLUMN corner").await;
    pair.migrate(&rest).await.expect("a load");
    let lost = |key: &str| (key.to_owned(), "DL0403".to_owned());
    assert_eq!(pair.rejects("t").await, [lost("2"), lost("3")]);
    let held = pair.target.rows("SELECT price, cents, shown, list FROM t").await;
    let expected = ["(1.50)", "{1.50}", "\"a\"=>\"1\"", "{\"\\\"a\\\"=>\\\"1\\\"\"}"];
    assert_eq!(held, [expected.map(|text| Some(text.to_owned())).to_vec()]);
}
