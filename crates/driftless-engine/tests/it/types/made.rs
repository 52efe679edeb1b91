//! Values that SQL makes of drawn parts: ranges, multiranges, composites, shapes, documents of words.

use driftless_testkit::Random;

use super::generated::{day, digits, moment, pick, text};
use super::quoted;

/// A value of the type, as SQL.
pub(super) fn made(random: &mut Random, sql: &str) -> Option<String> {
    if let Some(range) = sql.strip_suffix("multirange") {
        let range = match range {
            "span_" => "span".to_owned(),
            range => format!("{range}range"),
        };
        let ranges: Vec<String> = (0..random.below(5))
            .map(|_| ranged(random, &range))
            .collect::<Option<_>>()?;
        return Some(format!("{sql}({})", ranges.join(", ")));
    }
    ranged(random, sql)
        .or_else(|| shape(random, sql))
        .or_else(|| row(random, sql))
        .or_else(|| words(random, sql))
        .or_else(|| rounded(random, sql))
}

/// A range between two bounds of which PostgreSQL says which is the lower one, or without one of them.
fn ranged(random: &mut Random, sql: &str) -> Option<String> {
    let bound: fn(&mut Random) -> String = match sql {
        "int4range" => |random| (random.bits() as i32 / 2).to_string(),
        "int8range" => |random| (random.bits().cast_signed() / 2).to_string(),
        "numrange" => digits,
        "daterange" => |random| format!("{}::date", quoted(&or_infinite(random, day))),
        "tsrange" => |random| format!("{}::timestamp", quoted(&or_infinite(random, moment))),
        "tstzrange" => |random| format!("{}::timestamptz", quoted(&or_infinite(random, moment))),
        "span" => |random| quoted(&f64::from_bits(random.bits()).to_string()) + "::float8",
        _ => return None,
    };
    if random.below(8) == 0 {
        return Some("'empty'::".to_owned() + sql);
    }
    let kinds = pick(random, &["[)", "[]", "(]", "()"]);
    let (one, other) = (bound(random), bound(random));
    Some(match random.below(8) {
        0 => format!("{sql}(NULL, {one}, '{kinds}')"),
        1 => format!("{sql}({one}, NULL, '{kinds}')"),
        _ => format!("{sql}(least({one}, {other}), greatest({one}, {other}), '{kinds}')"),
    })
}

fn or_infinite(random: &mut Random, finite: fn(&mut Random) -> String) -> String {
    match random.below(10) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        _ => finite(random),
    }
}

fn float(random: &mut Random) -> String {
    f64::from_bits(random.bits()).to_string()
}

fn point(random: &mut Random) -> String {
    format!("({},{})", float(random), float(random))
}

fn shape(random: &mut Random, sql: &str) -> Option<String> {
    let points = |random: &mut Random| -> String {
        let points: Vec<String> = (0..=random.below(5)).map(|_| point(random)).collect();
        points.join(",")
    };
    let text = match sql {
        "lseg" => format!("[{},{}]", point(random), point(random)),
        "path" => {
            let (open, close) = if random.below(2) == 0 {
                ("[", "]")
            } else {
                ("(", ")")
            };
            format!("{open}{}{close}", points(random))
        }
        "box" => format!("{},{}", point(random), point(random)),
        "polygon" => format!("({})", points(random)),
        // A line has a slope, a circle no negative radius.
        "line" => format!(
            "{{{},{},{}}}",
            1 + random.below(1000),
            float(random),
            float(random)
        ),
        "circle" => format!("<{},{}>", point(random), random.below(1000) as f64 / 7.0),
        _ => return None,
    };
    Some(format!("{}::{sql}", quoted(&text)))
}

/// A field, or none.
fn field(random: &mut Random, sql: String) -> String {
    if random.below(6) == 0 {
        "NULL".to_owned()
    } else {
        sql
    }
}

fn row(random: &mut Random, sql: &str) -> Option<String> {
    let number = |random: &mut Random| (random.bits() as i32).to_string();
    let fields = match sql {
        "pair" => {
            let cents = format!("{}.{:02}", random.below(1000), random.below(100));
            vec![number(random), quoted(&text(random)), cents]
        }
        "couple" => vec![quoted(&text(random)), number(random)],
        "nest" => vec![
            row(random, "pair")?,
            pick(random, &["'{}'", "'{b,NULL,a}'", "'[3:4][-1:-1]={{a},{b}}'"]).to_owned(),
            quoted(&text(random).chars().take(4).chain(['.']).collect::<String>()),
            ranged(random, "span")?,
            format!("ARRAY[{}, NULL]::citext[]", quoted(&text(random))),
            made(random, "datemultirange")?,
        ],
        _ => return None,
    };
    let fields: Vec<String> = fields.into_iter().map(|sql| field(random, sql)).collect();
    Some(format!("ROW({})::{sql}", fields.join(", ")))
}

fn word(random: &mut Random) -> String {
    let strange = pick(random, &["", "", "ö", "''", " ", "\\\\", "😀"]);
    format!("'w{}{strange}'", random.below(50))
}

fn words(random: &mut Random, sql: &str) -> Option<String> {
    let (one, other) = (random.below(1 << 20), random.below(1 << 20));
    let text = match sql {
        "tsvector" => {
            let word = |random: &mut Random| {
                let weight = pick(random, &["", "A", "B", "C"]);
                let place = format!(":{}{weight}", 1 + random.below(16_383));
                word(random) + if random.below(3) == 0 { "" } else { &place }
            };
            let words: Vec<String> = (0..random.below(20)).map(|_| word(random)).collect();
            words.join(" ")
        }
        "tsquery" => {
            let weights = pick(random, &["", ":*", ":AB", ":*D"]);
            format!(
                "{}{weights} & !({} | {} <{}> {})",
                word(random),
                word(random),
                word(random),
                random.below(16_384),
                word(random)
            )
        }
        "jsonpath" => format!("strict $.\"k{one}\"[*] ? (@.a > {other} && @.b starts with \"é\")"),
        "xml" => format!("<a b=\"{one}\">é&lt;<c/>{other}</a>"),
        "lquery" => format!("a{one}*@.!b{{1,{}}}.*", 1 + random.below(100)),
        "ltxtquery" => format!("a{one}* & !(b{other}@ | c)"),
        "int2vector" => format!("{} {}", one as i16, other as i16),
        "oidvector" => format!("{one} {other} 4294967295"),
        "tid" => format!("({},{})", random.bits() as u32, one as u16),
        "pg_snapshot" | "txid_snapshot" => {
            let lowest = 1 + random.below(1 << 40);
            format!("{lowest}:{}:{},{}", lowest + other + 9, lowest + 3, lowest + 7)
        }
        "macaddr" => format!("{:012x}", random.bits() >> 16),
        _ => return None,
    };
    Some(format!("{}::{sql}", quoted(&text)))
}

/// Values to which a modifier is applied.
fn rounded(random: &mut Random, sql: &str) -> Option<String> {
    Some(match sql {
        "bool" => pick(random, &["true", "false"]).to_owned(),
        "\"char\"" => format!("chr({})::\"char\"", 1 + random.below(127)),
        "cidr" => format!(
            "network('{:x}::/{}'::inet)::cidr",
            random.bits() as u16,
            random.below(129)
        ),
        "time(0)" => format!("'{:02}:{:02}'::time(0)", random.below(24), random.below(60)),
        "timestamp(0)" => format!("{}::timestamp::timestamp(0)", quoted(&moment(random))),
        "timestamptz(0)" => format!("{}::timestamptz::timestamptz(0)", quoted(&moment(random))),
        "interval(0)" => format!(
            "make_interval(months => {}, secs => {})::interval(0)",
            random.bits() as i32,
            random.below(1 << 30)
        ),
        _ => return None,
    })
}
