//! Values of every type, drawn: what the boundaries leave out.

use driftless_core::plan::matrix::Type;
use driftless_testkit::Random;

use super::values::values;

/// Drawn values of each type, beside those at its boundaries.
const DRAWN: usize = 12;

/// Texts with which values of a type are written.
pub(super) fn pool(random: &mut Random, one: Type) -> Vec<String> {
    let sql = one.sql();
    let known = values(sql).unwrap_or_else(|| panic!("no values of {sql}"));
    let mut pool: Vec<String> = known.iter().map(|&text| text.to_owned()).collect();
    // PostgreSQL does not read its own binary form of the empty ones, and a number names no object.
    pool.retain(|text| !matches!(sql, "int2vector" | "oidvector" | "tsquery") || !text.is_empty());
    pool.retain(|text| !sql.starts_with("reg") || !text.contains("4000000000"));
    pool.extend((0..DRAWN).filter_map(|_| drawn(random, sql)));
    pool
}

fn pick<'t>(random: &mut Random, texts: &[&'t str]) -> &'t str {
    texts[random.below(texts.len() as u64) as usize]
}

fn drawn(random: &mut Random, sql: &str) -> Option<String> {
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
        "money" => format!("{}.{:02}", bits.cast_signed() / 1000, bits % 100),
        "text" | "citext" => text(random),
        "json" => format!("{{\"\\u0000\": [{}, \"\\udead\", -0, {}]}}", digits(random), bits),
        "jsonb" => format!("{{\"{}\": [{}, null, \"\\n\"]}}", bits % 99, digits(random)),
        "bytea" => format!("\\x{bits:016x}{:016x}", random.bits()),
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
        "varbit(5)" => format!("{:b}", random.below(32)),
        "pg_lsn" => format!("{:X}/{:X}", bits >> 32, bits as u32),
        "int4range" => {
            let low = bits as i32 / 2;
            format!("[{low},{})", low + random.below(1 << 20) as i32)
        }
        "hstore" => format!("\"{}\"=>\"{}\", \"k\"=>NULL", bits, random.bits()),
        "ltree" => format!("a{}.b_{}", bits, random.below(10)),
        "pair" => format!(
            "({},\"{}\",{}.{:02})",
            bits as i32,
            random.bits(),
            random.below(1000),
            random.below(100)
        ),
        _ => return None,
    })
}

/// A number of up to a thousand digits, zeros behind the point included.
fn digits(random: &mut Random) -> String {
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

fn text(random: &mut Random) -> String {
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

fn day(random: &mut Random) -> String {
    let rest = format!("{:02}-{:02}", 1 + random.below(12), 1 + random.below(28));
    match random.below(3) {
        0 => format!("{:04}-{rest} BC", 1 + random.below(4712)),
        1 => format!("{:04}-{rest}", 1 + random.below(294_275)),
        _ => format!("{:04}-{rest}", 1900 + random.below(200)),
    }
}

fn moment(random: &mut Random) -> String {
    let day = day(random);
    match day.strip_suffix(" BC") {
        Some(day) => format!("{day} {} BC", clock(random)),
        None => format!("{day} {}", clock(random)),
    }
}

/// An array of these: empty, or of up to three dimensions with any lower bounds, with nulls.
pub(super) fn array(random: &mut Random, pool: &[String], one: Type) -> String {
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
    let between = if one.sql() == "box" { ";" } else { "," };
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
