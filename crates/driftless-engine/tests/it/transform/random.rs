//! Random values as texts that PostgreSQL reads.

use driftless_pg::{ArrayBuilder, Param};
use driftless_testkit::Random;

/// One of these.
fn one_of<'t>(random: &mut Random, choices: &[&'t str]) -> &'t str {
    choices[random.below(choices.len() as u64) as usize]
}

/// A text: mostly what is hard to escape.
pub(super) fn text(random: &mut Random) -> String {
    const PIECES: [&str; 16] = [
        "a", "Zoë", "\"", "\\", "/", "\n", "\r\n", "\t", "\u{8}", "\u{c}", "\u{1}", "\u{1f}", "\u{7f}", "😀",
        "\u{2028}", "\\u0041",
    ];
    (0..random.below(12)).map(|_| one_of(random, &PIECES)).collect()
}

/// A numeric: many lengths, zeros in every place, exponents, and what is no number.
pub(super) fn numeric(random: &mut Random) -> String {
    if random.below(25) == 0 {
        return one_of(
            random,
            &["NaN", "0", "-0.000", "1e-30", "1e40", "Infinity", "-Infinity"],
        )
        .to_owned();
    }
    let digits = |random: &mut Random, most: u64| -> String {
        let zeros = random.below(3) == 0;
        let digit = |random: &mut Random| {
            if zeros && random.below(4) > 0 {
                0
            } else {
                random.below(10)
            }
        };
        (0..random.below(most + 1))
            .map(|_| digit(random).to_string())
            .collect()
    };
    let most = if random.below(2) == 0 { 4 } else { 24 };
    let (sign, whole, fraction) = (
        one_of(random, &["", "-"]),
        digits(random, most),
        digits(random, most),
    );
    match fraction.as_str() {
        "" => format!("{sign}0{whole}"),
        _ => format!("{sign}0{whole}.{fraction}"),
    }
}

/// Precision and scale of a column. Before PostgreSQL 15 the scale was between 0 and the precision.
pub(super) fn precision_and_scale(random: &mut Random, any_scale: bool) -> (i32, i32) {
    let precision = 1 + random.below(28) as i32;
    let scale = if any_scale {
        random.below(45) as i32 - 15
    } else {
        random.below(precision as u64 + 1) as i32
    };
    (precision, scale)
}

/// A time or a date with time: with up to six digits, around 1970 and 2000, and far away.
pub(super) fn time(random: &mut Random, type_sql: &str) -> String {
    if type_sql.starts_with("timestamp") && random.below(20) == 0 {
        return one_of(random, &["infinity", "-infinity", "4713-01-01 00:00:00.001 BC"]).to_owned();
    }
    let scale = 10u64.pow(random.below(7) as u32);
    let micros = random.below(1_000_000) / scale * scale;
    let clock = format!(
        "{:02}:{:02}:{:02}.{micros:06}",
        random.below(24),
        random.below(60),
        random.below(60)
    );
    match type_sql {
        "time" => clock,
        "timetz" => format!("{clock}+{:02}", random.below(15)),
        _ => format!("{:04}-06-15 {clock}", 1 + random.below(4000)),
    }
}

/// A double: any bits, or a short number around the point.
fn float(random: &mut Random) -> String {
    if random.below(2) == 0 {
        return f64::from_bits(random.bits()).to_string();
    }
    let exponent = random.below(24) as i32 - 6;
    format!("{}e{exponent}", random.below(100_000))
}

/// A value of this type, or null.
pub(super) fn value(random: &mut Random, type_sql: &str) -> Option<String> {
    if random.below(8) == 0 {
        return None;
    }
    let bits = random.bits();
    Some(match type_sql {
        "bool" => bits.is_multiple_of(2).to_string(),
        "int2" => (bits as i16).to_string(),
        "int4" => (bits as i32 >> (bits % 31)).to_string(),
        "int8" => (bits.cast_signed() >> (bits % 63)).to_string(),
        "uuid" => uuid::Uuid::from_u64_pair(bits, random.bits()).to_string(),
        "numeric" => numeric(random),
        "date" => time(random, "timestamp")
            .split_once(' ')
            .map_or("infinity", |parts| parts.0)
            .to_owned(),
        "timestamp" | "timestamptz" | "time" | "timetz" => time(random, type_sql),
        "float8" => float(random),
        "float4" => (f32::from_bits(bits as u32) / [1.0, 1e30][(bits >> 63) as usize]).to_string(),
        "bytea" => format!("\\x{bits:016x}"),
        "jsonb" => jsonb(random),
        _ => text(random),
    })
}

fn jsonb(random: &mut Random) -> String {
    let string = serde_json::Value::String(text(random));
    match random.below(5) {
        0 => "null".to_owned(),
        1 => string.to_string(),
        2 => "{}".to_owned(),
        3 => format!("[1, 2.50, {string}, []]"),
        _ => format!("{{\"bb\": {string}, \"a\": {{\"x\": -0.10}}, \"a\": true}}"),
    }
}

/// An array of texts with nulls.
pub(super) fn text_array(values: &[Option<String>]) -> Param {
    let mut array = ArrayBuilder::new(25, 1009);
    for value in values {
        array.push(value.as_ref().map(String::as_bytes));
    }
    array.finish()
}
