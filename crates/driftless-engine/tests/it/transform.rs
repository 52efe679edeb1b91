//! The row program with PostgreSQL as judge: whatever it prints, builds, checks or derives, the server says the same.

mod plan;
mod random;

use driftless_core::batch::Batch;
use driftless_core::identity::derive;
use driftless_core::plan::{Check, EvaluationInput, EvaluationSource, JsonKind, JsonMember, Output, Value};
use driftless_core::transform::{
    self, Answers, COPY_HEADER, COPY_TRAILER, Constants, Recorded, Shaped, Shaper,
};
use driftless_core::value::Numeric;
use driftless_pg::{Param, Row, Session};
use driftless_testkit::Random;
use uuid::Uuid;

use crate::session::{database, session};
use plan::{entity, output, plan};

/// Rows of one test: enough that every branch is met many times over.
const ROWS: usize = 3000;

async fn ask(session: &Session, sql: &str, params: &[Param]) -> Vec<Row> {
    let rows = session.query(sql, params).await.expect("an answer");
    assert!(!rows.is_empty());
    rows
}

/// Shapes the first `width` columns of these rows.
fn shape(shaper: &Shaper<'_>, width: usize, rows: &[Row]) -> Shaped {
    let mut batch = Batch::new(width);
    for row in rows {
        batch.push_row((0..width).map(|column| row.raw(column)));
    }
    shaper.native(batch, Answers::default(), &Recorded::default())
}

fn shown(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[tokio::test]
async fn numerics_print_and_fit_as_postgresql_says() {
    let database = database("numeric").await;
    let session = session(&database).await;
    session
        .batch(
            "CREATE FUNCTION pg_temp.fits(v numeric, p int, s int) RETURNS boolean LANGUAGE plpgsql AS $$
             DECLARE taken boolean;
             BEGIN
               EXECUTE format('SELECT $1::numeric(%s,%s) = $1', p, s) INTO taken USING v;
               RETURN taken;
             EXCEPTION WHEN numeric_value_out_of_range THEN RETURN false;
             END $$",
        )
        .await
        .expect("a function");
    let mut random = Random::from_env();
    let any_scale = session.server_version() >= 150_000;
    let texts: Vec<String> = (0..ROWS).map(|_| random::numeric(&mut random)).collect();
    let (precisions, scales): (Vec<i32>, Vec<i32>) = (0..ROWS)
        .map(|_| random::precision_and_scale(&mut random, any_scale))
        .unzip();
    let sql = "SELECT v, v::text, pg_temp.fits(v, p, s), p, s
               FROM (SELECT t::numeric AS v, p, s FROM unnest($1::text[], $2::int[], $3::int[]) AS u (t, p, s)) AS x";
    let params = [
        Param::text_array(&texts),
        Param::int4_array(&precisions),
        Param::int4_array(&scales),
    ];
    let (mut fitting, mut refused) = (0, 0);
    for row in ask(&session, sql, &params).await {
        let numeric = Numeric::read(row.raw(0).expect("a value")).expect("a numeric");
        let mut printed = Vec::new();
        numeric.write(&mut printed);
        let expected: String = row.get(1).expect("text");
        assert_eq!(shown(Some(&printed)), expected);
        let (precision, scale): (i32, i32) = (row.get(3).expect("p"), row.get(4).expect("s"));
        let fits: bool = row.get(2).expect("bool");
        assert_eq!(
            numeric.fits(precision, scale),
            fits,
            "{expected} in numeric({precision},{scale})"
        );
        if fits { fitting += 1 } else { refused += 1 }
    }
    assert!(
        fitting > ROWS / 10 && refused > ROWS / 10,
        "{fitting} fit, {refused} do not"
    );
}

/// Columns of the object test: name, type, kind.
const COLUMNS: [(&str, &str, u32, JsonKind); 8] = [
    ("b", "bool", 16, JsonKind::Bool),
    ("id", "int8", 20, JsonKind::Integer),
    ("i2", "int2", 21, JsonKind::Integer),
    ("i4", "int4", 23, JsonKind::Integer),
    ("naïve \"name\"", "text", 25, JsonKind::String),
    ("num", "numeric", 1700, JsonKind::Numeric),
    ("u", "uuid", 2950, JsonKind::Uuid),
    ("zzj", "jsonb", 3802, JsonKind::Jsonb),
];

/// The columns as members, sorted as jsonb stores them.
fn members() -> Vec<JsonMember> {
    let mut members: Vec<JsonMember> = COLUMNS
        .iter()
        .enumerate()
        .map(|(number, (name, _, _, kind))| JsonMember {
            name: (*name).into(),
            value: Value::Input(number),
            kind: *kind,
            default: None,
            volatile: false,
        })
        .collect();
    members.sort_by_key(|member| (member.name.len(), member.name.clone()));
    members
}

#[tokio::test]
async fn objects_are_those_of_to_jsonb() {
    let database = database("object").await;
    let session = session(&database).await;
    let mut random = Random::from_env();
    let texts: Vec<Vec<Option<String>>> = COLUMNS
        .iter()
        .map(|(_, type_sql, _, _)| (0..ROWS).map(|_| random::value(&mut random, type_sql)).collect())
        .collect();
    let params: Vec<Param> = texts.iter().map(|column| random::text_array(column)).collect();
    let arrays: Vec<String> = (1..=COLUMNS.len())
        .map(|number| format!("${number}::text[]"))
        .collect();
    let listed = |write: &dyn Fn(usize) -> String| -> String {
        let written: Vec<String> = (0..COLUMNS.len()).map(write).collect();
        written.join(", ")
    };
    let cast = |number: usize| format!("c{number}::{}", COLUMNS[number].1);
    let object = listed(&|number| format!("($9::text[])[{}], {}", number + 1, cast(number)));
    let sql = format!(
        "SELECT {}, jsonb_build_object({object}), jsonb_build_object({object})::text::json FROM unnest({}) AS u ({})",
        listed(&cast),
        arrays.join(", "),
        listed(&|number| format!("c{number}")),
    );
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.0).collect();
    let rows = ask(
        &session,
        &sql,
        &[&params[..], &[Param::text_array(&names)]].concat(),
    )
    .await;
    let inputs: Vec<(&str, u32)> = COLUMNS.iter().map(|(name, _, oid, _)| (*name, *oid)).collect();
    let mut entity = entity(&inputs, 1);
    let object = |jsonb| Value::Json {
        members: members(),
        jsonb,
    };
    entity.program.outputs = vec![output("jsonb", object(true)), output("json", object(false))];
    let plan = plan();
    let shaper = Shaper::new(&plan, &entity, Constants::default());
    let shaped = shape(&shaper, COLUMNS.len(), &rows);
    let mut compared = 0;
    for row in shaped.writable() {
        for output in 0..2 {
            let expected = rows[row].raw(COLUMNS.len() + output);
            assert_eq!(shown(shaped.output(row, output)), shown(expected));
        }
        compared += 1;
    }
    // Rows without a key are at fault; all others were compared.
    let keyless = rows.iter().filter(|row| row.raw(1).is_none()).count();
    assert_eq!(compared, ROWS - keyless);
    assert!(compared > ROWS / 2);
}

#[tokio::test]
async fn times_keep_or_lose_digits_as_postgresql_says() {
    let database = database("times").await;
    let session = session(&database).await;
    let mut random = Random::from_env();
    for (type_sql, oid) in [
        ("timestamptz", 1184),
        ("timestamp", 1114),
        ("time", 1083),
        ("timetz", 1266),
    ] {
        for digits in 0..=6u32 {
            let texts: Vec<String> = (0..200).map(|_| random::time(&mut random, type_sql)).collect();
            let sql = format!(
                "SELECT 1::int8, t::{type_sql}, t::{type_sql}::{type_sql}({digits}) = t::{type_sql} FROM unnest($1::text[]) AS t"
            );
            let rows = ask(&session, &sql, &[Param::text_array(&texts)]).await;
            let mut entity = entity(&[("id", 20), ("t", oid)], 0);
            entity.program.outputs = vec![Output {
                checks: vec![Check::Microseconds(10i64.pow(6 - digits))],
                ..output("t", Value::Input(1))
            }];
            let plan = plan();
            let shaped = shape(&Shaper::new(&plan, &entity, Constants::default()), 2, &rows);
            for (number, row) in rows.iter().enumerate() {
                let keeps: bool = row.get(2).expect("bool");
                assert_eq!(
                    !shaped.is_faulty(number),
                    keeps,
                    "{} as {type_sql}({digits})",
                    texts[number]
                );
            }
        }
    }
}

/// What a source row looks like in a reject record, for types that this crate prints itself.
#[tokio::test]
async fn rows_read_like_postgresql_prints_them() {
    const TYPES: [(&str, u32); 12] = [
        ("int8", 20),
        ("date", 1082),
        ("timestamp", 1114),
        ("timestamptz", 1184),
        ("time", 1083),
        ("timetz", 1266),
        ("float8", 701),
        ("float4", 700),
        ("bytea", 17),
        ("numeric", 1700),
        ("uuid", 2950),
        ("bool", 16),
    ];
    let database = database("report").await;
    let session = session(&database).await;
    session.batch("SET timezone = 'UTC'").await.expect("a zone");
    let mut random = Random::from_env();
    for (type_sql, oid) in TYPES {
        let texts: Vec<Option<String>> = (0..500).map(|_| random::value(&mut random, type_sql)).collect();
        let sql = format!("SELECT t::{type_sql}, t::{type_sql}::text FROM unnest($1::text[]) AS t");
        let rows = ask(&session, &sql, &[random::text_array(&texts)]).await;
        let entity = entity(&[("v", oid)], 0);
        let plan = plan();
        let shaper = Shaper::new(&plan, &entity, Constants::default());
        let (mut batch, mut same) = (Batch::new(1), 0);
        for (number, row) in rows.iter().enumerate() {
            batch.push_row([row.raw(0)]);
            let expected: Option<String> = row.get(1).expect("text");
            let report = shaper.source_row_json(&batch, number);
            match (report["v"].as_str(), expected.as_deref()) {
                (ours, theirs) if ours == theirs => same += 1,
                (Some(ours), Some(theirs)) if type_sql == "float8" => {
                    assert_eq!(ours.parse::<f64>(), theirs.parse::<f64>(), "{ours}, {theirs}");
                }
                (Some(ours), Some(theirs)) if type_sql == "float4" => {
                    assert_eq!(ours.parse::<f32>(), theirs.parse::<f32>(), "{ours}, {theirs}");
                }
                (ours, theirs) => panic!("{type_sql}: {ours:?}, {theirs:?}"),
            }
        }
        assert!(same > 450, "{same} of 500 {type_sql} are the same text");
    }
}

#[tokio::test]
async fn keys_and_their_uuids_are_those_of_sql() {
    let database = database("keys").await;
    let session = session(&database).await;
    let page = include_str!("../../../../docs/reference/identity.md");
    let function = page
        .split("```sql\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    session
        .batch("SET search_path = public; CREATE EXTENSION pgcrypto")
        .await
        .expect("pgcrypto");
    session
        .batch(function.expect("a function on the page"))
        .await
        .expect("the page's function");
    let mut random = Random::from_env();
    let texts: Vec<String> = (0..ROWS).map(|_| random::text(&mut random)).collect();
    let sql = "SELECT a, b, to_json(ARRAY[a::text, b])::text,
                      derive_uuid($2, 'lines', to_json(ARRAY[a::text, b])::text), derive_uuid($2, 'Länder', b)
               FROM (SELECT hashtextextended(t, 0) AS a, t AS b FROM unnest($1::text[]) AS t) AS x";
    let namespace = plan().namespace;
    let rows = ask(
        &session,
        sql,
        &[Param::text_array(&texts), Param::uuid(namespace)],
    )
    .await;
    let mut entity = entity(&[("a", 20), ("b", 25)], 0);
    plan::add_text_key(&mut entity, 1, "lines");
    let plan = plan();
    let shaper = Shaper::new(&plan, &entity, Constants::default());
    let shaped = shape(&shaper, 2, &rows);
    for (number, row) in rows.iter().enumerate() {
        let expected: String = row.get(2).expect("text");
        assert_eq!(shaper.key_text(&shaped, number), expected);
        let (own, other): (Uuid, Uuid) = (row.get(3).expect("uuid"), row.get(4).expect("uuid"));
        assert_eq!(shaped.id(number).map(Uuid::from_bytes), Some(own), "{expected}");
        assert_eq!(derive(namespace, "Länder", texts[number].as_bytes()), other);
    }
}

#[tokio::test]
async fn tuples_and_arrays_are_read_as_they_were_written() {
    let database = database("tuples").await;
    let session = session(&database).await;
    session
        .batch("SET search_path = public; CREATE TABLE t (id int8, v text, n numeric)")
        .await
        .expect("a table");
    let mut random = Random::from_env();
    let texts: Vec<Option<String>> = (0..ROWS).map(|_| random::value(&mut random, "text")).collect();
    let numbers: Vec<Option<String>> = (0..ROWS).map(|_| random::value(&mut random, "numeric")).collect();
    let sql = "SELECT row_number() OVER (), t, n::numeric FROM unnest($1::text[], $2::text[]) AS u (t, n)";
    let rows = ask(
        &session,
        sql,
        &[random::text_array(&texts), random::text_array(&numbers)],
    )
    .await;
    let mut entity = entity(&[("id", 20), ("v", 25), ("n", 1700)], 0);
    entity.program.outputs = (0..3).map(|number| output("x", Value::Input(number))).collect();
    let plan = plan();
    let shaper = Shaper::new(&plan, &entity, Constants::default());
    let shaped = shape(&shaper, 3, &rows);
    let mut bytes = COPY_HEADER.to_vec();
    shaper.encode_rows(&shaped, 0..shaped.rows(), &mut bytes);
    bytes.extend_from_slice(COPY_TRAILER);
    let mut copy = session
        .copy_in("COPY t FROM STDIN (FORMAT binary)")
        .await
        .expect("COPY");
    copy.send(bytes.into()).await.expect("sent");
    assert_eq!(copy.finish().await.expect("copied"), ROWS as u64);
    let array = |from, element, array| {
        let input = EvaluationInput {
            name: String::new(),
            from,
            element,
            array,
            cast: None,
        };
        let cells = (0..ROWS).map(|row| shaper.evaluation_cell(&shaped, &input, row));
        Param::raw(array, transform::array(element, cells, &shaped.batch.arena))
    };
    let same = "SELECT count(*), count(*) FILTER (WHERE t.v IS NOT DISTINCT FROM u.v
                  AND t.n IS NOT DISTINCT FROM u.n AND t.n::text IS NOT DISTINCT FROM u.n::text)
                FROM t JOIN unnest($1, $2, $3) AS u (id, v, n) USING (id)";
    let params = [
        array(EvaluationSource::Input(0), 20, 1016),
        array(EvaluationSource::Output(1), 25, 1009),
        array(EvaluationSource::Input(2), 1700, 1231),
    ];
    let counts = &ask(&session, same, &params).await[0];
    let (all, same): (i64, i64) = (counts.get(0).expect("count"), counts.get(1).expect("count"));
    assert_eq!((all, same), (ROWS as i64, ROWS as i64));
}
