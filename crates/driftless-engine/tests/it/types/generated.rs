//! Values of every type, drawn: what the boundaries leave out. PostgreSQL reads all of them before they are used.

use std::collections::BTreeMap;

use driftless_testkit::{Random, TestDatabase};

use super::made::made;
use super::quoted;
use super::values::values;

/// Drawn values of each type, beside those at its boundaries.
const DRAWN: usize = 12;

/// For each type texts with which its values are written: those at the boundaries as they stand, the drawn ones as the
/// server prints what it has made of them.
pub(super) async fn pools<'s>(
    random: &mut Random,
    database: &TestDatabase,
    types: impl Iterator<Item = &'s str>,
) -> BTreeMap<&'s str, Vec<String>> {
    let mut pools: BTreeMap<&str, Vec<String>> = types.map(|sql| (sql, boundaries(sql))).collect();
    let mut asked = Vec::new();
    for sql in pools.keys() {
        for _ in 0..DRAWN {
            if let Some(value) = drawn(random, sql) {
                asked.push(format!("SELECT {}, ({value})::text", quoted(sql)));
            }
        }
    }
    let settings =
        "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET extra_float_digits = 3; SET jit = off";
    for mut row in database
        .rows(&format!("{settings}; {}", asked.join(" UNION ALL ")))
        .await
    {
        let (value, sql) = (row.pop().flatten(), row.pop().flatten().expect("a type"));
        let value = value.unwrap_or_else(|| panic!("no null of {sql}"));
        pools.get_mut(sql.as_str()).expect("an asked type").push(value);
    }
    pools
}

fn boundaries(sql: &str) -> Vec<String> {
    let known = values(sql).unwrap_or_else(|| panic!("no values of {sql}"));
    let mut pool: Vec<String> = known.iter().map(|&text| text.to_owned()).collect();
    // PostgreSQL does not read its own binary form of the empty ones, and a number names no object.
    pool.retain(|text| !matches!(sql, "int2vector" | "oidvector" | "tsquery") || !text.is_empty());
    pool.retain(|text| !sql.starts_with("reg") || !text.contains("4000000000"));
    if sql == "numeric" {
        // The most digits behind the point, and exactly a thousand.
        pool.push(format!("0.{}", "0123456789".repeat(1700).split_at(16_383).0));
        pool.push(format!("-{}.{}", "9".repeat(600), "7".repeat(400)));
    }
    pool
}

pub(super) fn pick<'t>(random: &mut Random, texts: &[&'t str]) -> &'t str {
    texts[random.below(texts.len() as u64) as usize]
}

/// A value as SQL, if values of the type are drawn.
fn drawn(random: &mut Random, sql: &str) -> Option<String> {
    let text = written(random, sql);
    text.map(|text| format!("{}::{sql}", quoted(&text)))
        .or_else(|| made(random, sql))
}

/// A value as text.
fn written(random: &mut Random, sql: &str) -> Option<String> {
    let bits = random.bits();
    Some(match sql {
        "int2" => (bits as i16).to_string(),
        "int4" => (bits as i32).to_string(),
        "int8" => bits.cast_signed().to_string(),
        "oid" | "xid" | "cid" => (bits as u32).to_string(),
        "xid8" => bits.to_string(),
        "numeric" => digits(random),
        "float4" => f32::from_bits(bits as u32).to_string(),
        "float8" => f64::from_bits(bits).to_string(),
        "point" => format!("({},{})", f64::from_bits(bits), f64::from_bits(random.bits())),
        "cube" => format!(
            "({}, {})",
            random.below(1000) as f64 / 7.0,
            f64::from_bits(bits >> 2)
        ),
        "numeric(9,2)" => format!("{}.{:02}", random.below(9_999_999), random.below(100)),
        "money" => format!("{}.{:02}", bits.cast_signed() / 1000, bits % 100),
        "text" | "varchar" | "bpchar" | "refcursor" | "citext" => text(random),
        "varchar(5)" | "char(5)" | "code" => text(random).chars().take(5).collect(),
        // One more than the domain takes apart.
        "short_code" => text(random).chars().take(4).chain(['.']).collect(),
        "name" => text(random).chars().take(15).collect(),
        "few" => pick(random, &["a", "b"]).to_owned(),
        "many" => pick(random, &["a", "b", "42", "true"]).to_owned(),
        "json" => format!("{{\"\\u0000\": [{}, \"\\udead\", -0, {}]}}", digits(random), bits),
        "jsonb" => format!("{{\"{}\": [{}, null, \"\\n\"]}}", bits % 99, digits(random)),
        "bytea" => {
            let bytes: String = (0..random.below(40))
                .map(|_| format!("{:02x}", random.below(256)))
                .collect();
            format!("\\x{bytes}")
        }
        "uuid" => uuid::Uuid::from_u64_pair(bits, random.bits()).to_string(),
        "date" => day(random),
        "time" => clock(random),
        "timetz" => format!(
            "{}{}{:02}:{:02}",
            clock(random),
            pick(random, &["+", "-"]),
            random.below(16),
            random.below(60)
        ),
        "timestamp" => moment(random),
        "timestamptz" => {
            let moment = moment(random);
            match moment.strip_suffix(" BC") {
                Some(moment) => format!("{moment}+00 BC"),
                None => format!("{moment}+00"),
            }
        }
        "interval" => format!(
            "{} mons {} days {}{}",
            bits as i32,
            random.bits() as i32,
            pick(random, &["", "-"]),
            clock(random)
        ),
        "inet" => format!(
            "{}.{}.{}.{}/{}",
            bits as u8,
            (bits >> 8) as u8,
            (bits >> 16) as u8,
            (bits >> 24) as u8,
            random.below(33)
        ),
        "macaddr8" => {
            let parts: Vec<String> = bits
                .to_be_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            parts.join(":")
        }
        "\"bit\"" | "varbit" => binary(random, 1, 90),
        "bit(3)" => binary(random, 3, 1),
        "varbit(5)" => binary(random, 0, 6),
        "pg_lsn" => format!("{:X}/{:X}", bits >> 32, bits as u32),
        "hstore" => format!("\"{}\"=>\"{}\", \"k\"=>NULL", bits, random.bits()),
        "ltree" => format!("a{}.b_{}", bits, random.below(10)),
        _ => return None,
    })
}

/// A number of up to a thousand digits, zeros behind the point included.
pub(super) fn digits(random: &mut Random) -> String {
    let most = if random.below(4) == 0 { 1000 } else { 30 };
    let mut run = |least: u64| -> String {
        let count = least + random.below(most / 2);
        (0..count)
            .map(|_| char::from(b'0' + random.below(10) as u8))
            .collect()
    };
    let (whole, fraction) = (run(1), run(0));
    let whole = whole.trim_start_matches('0');
    format!(
        "{}{}.{fraction}0",
        pick(random, &["", "-"]),
        if whole.is_empty() { "0" } else { whole }
    )
}

/// As many bits as `least` says, or up to `more` - 1 more.
fn binary(random: &mut Random, least: u64, more: u64) -> String {
    let count = least + random.below(more);
    (0..count).map(|_| pick(random, &["0", "1"])).collect()
}

pub(super) fn text(random: &mut Random) -> String {
    const PIECES: [&str; 12] = [
        "a", "Zoë", "\"", "\\", "\n", "\r", "\t", "\u{1}", "\u{7f}", "😀", "\u{fffd}", "{NULL,}",
    ];
    (0..random.below(40)).map(|_| pick(random, &PIECES)).collect()
}

fn clock(random: &mut Random) -> String {
    if random.below(8) == 0 {
        return "24:00:00".to_owned();
    }
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(1_000_000)
    )
}

pub(super) fn day(random: &mut Random) -> String {
    let rest = format!("{:02}-{:02}", 1 + random.below(12), 1 + random.below(28));
    match random.below(3) {
        0 => format!("{:04}-{rest} BC", 1 + random.below(4712)),
        1 => format!("{:04}-{rest}", 1 + random.below(294_275)),
        _ => format!("{:04}-{rest}", 1900 + random.below(200)),
    }
}

pub(super) fn moment(random: &mut Random) -> String {
    let day = day(random);
    match day.strip_suffix(" BC") {
        Some(day) => format!("{day} {} BC", clock(random)),
        None => format!("{day} {}", clock(random)),
    }
}

/// An array of these: empty, or of up to three dimensions with any lower bounds, with nulls.
pub(super) fn array(random: &mut Random, pool: &[String], sql: &str) -> String {
    let dimensions = random.below(4);
    if dimensions == 0 {
        return "{}".to_owned();
    }
    let lengths: Vec<u64> = (0..dimensions).map(|_| 1 + random.below(3)).collect();
    let mut bounds = String::new();
    for length in &lengths {
        let low = random.below(9) as i64 - 4;
        bounds += &format!("[{low}:{}]", low + *length as i64 - 1);
    }
    // A box is the one type whose arrays are not told apart by commas.
    let between = if sql == "box" { ";" } else { "," };
    let body = nested(random, pool, &lengths, between);
    if random.below(3) == 0 {
        body
    } else {
        format!("{bounds}={body}")
    }
}

fn nested(random: &mut Random, pool: &[String], lengths: &[u64], between: &str) -> String {
    let Some((length, inner)) = lengths.split_first() else {
        if random.below(6) == 0 {
            return "NULL".to_owned();
        }
        let text = &pool[random.below(pool.len() as u64) as usize];
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    };
    let parts: Vec<String> = (0..*length)
        .map(|_| nested(random, pool, inner, between))
        .collect();
    format!("{{{}}}", parts.join(between))
}
