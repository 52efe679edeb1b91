//! The types of the matrix, with values that are easy, and values at which casts go wrong.

/// A type.
#[derive(Debug)]
pub(super) struct Kind {
    /// A name for columns.
    pub(super) name: &'static str,
    /// As SQL writes it.
    pub(super) sql: &'static str,
    /// Its values.
    pub(super) values: &'static [&'static str],
    /// Whether it holds characters, which other types are read from.
    pub(super) is_characters: bool,
    /// Whether it is an enum, which casts through text only.
    pub(super) is_enum: bool,
    /// Whether it has no `=`, or one that is too kind.
    pub(super) compared_as_text: bool,
}

const fn kind(name: &'static str, sql: &'static str, values: &'static [&'static str]) -> Kind {
    Kind {
        name,
        sql,
        values,
        is_characters: false,
        is_enum: false,
        compared_as_text: false,
    }
}

const fn characters(name: &'static str, sql: &'static str, values: &'static [&'static str]) -> Kind {
    Kind {
        is_characters: true,
        ..kind(name, sql, values)
    }
}

const fn labels(name: &'static str, values: &'static [&'static str]) -> Kind {
    Kind {
        is_enum: true,
        ..characters(name, name, values)
    }
}

const fn as_text(kind: Kind) -> Kind {
    Kind {
        compared_as_text: true,
        ..kind
    }
}

/// Texts that are values of something.
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "longer than five",
    "five  ",
    "äöüßé",
    "42",
    " 42 ",
    "007",
    "-1",
    "3.7",
    "12.50",
    "1.005",
    "99999999999",
    "0.1",
    "1.23456789012345678901",
    "1e3",
    "NaN",
    "Infinity",
    "true",
    "f",
    "2024-02-29",
    "2023-02-29",
    "20240229",
    "2024-02-29 00:00:00",
    "2024-02-29 10:00",
    "01/02/03",
    "5 Jan 24",
    "today",
    "infinity",
    "10:11",
    "10:11:12.5",
    "10:11:12.1234567",
    "10:11+02",
    "1 year 2 days",
    "1.5 seconds",
    "0190163d-8694-739b-aea5-966c26f8ad91",
    "{0190163D8694739BAEA5966C26F8AD91}",
    "\\x00ff",
    "{\"a\": 1}",
    "[1, 2]",
    "10.0.0.1/24",
    "10.0.0.0/24",
    "101",
    "10110",
    "{1,2}",
    "{1.5,2.255}",
    "{a,NULL,\"b c\"}",
];

/// Short enough for five characters.
const SHORT_TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "five ",
    "äöüßé",
    "42",
    " 42 ",
    "007",
    "3.7",
    "1.005",
    "true",
    "f",
    "today",
    "101",
    "10:11",
    "{1,2}",
    "[1]",
];

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    kind("bool", "bool", &["true", "false"]),
    kind("int2", "int2", &["0", "1", "2", "-32768", "32767"]),
    kind(
        "int4",
        "int4",
        &["0", "1", "42", "-2147483648", "2147483647", "16777217"],
    ),
    kind(
        "int8",
        "int8",
        &[
            "0",
            "1",
            "-1",
            "9007199254740993",
            "-9223372036854775808",
            "9223372036854775807",
            "4294967295",
        ],
    ),
    kind("oid", "oid", &["0", "42", "4294967295"]),
    kind(
        "numeric",
        "numeric",
        &[
            "0",
            "1",
            "1.50",
            "1.005",
            "0.1",
            "12345678901234567890.123456789",
            "1e20",
            "NaN",
            "Infinity",
            "9007199254740993",
            "123.456",
        ],
    ),
    kind(
        "numeric92",
        "numeric(9,2)",
        &["0", "1.00", "1.50", "-9999999.99", "NaN", "9999999"],
    ),
    kind(
        "float4",
        "float4",
        &[
            "0",
            "0.1",
            "1.5",
            "16777216",
            "1e30",
            "NaN",
            "Infinity",
            "3.4028235e38",
        ],
    ),
    kind(
        "float8",
        "float8",
        &[
            "0",
            "-0",
            "0.1",
            "0.30000000000000004",
            "1.5",
            "9007199254740992",
            "1e300",
            "1e-300",
            "NaN",
            "-Infinity",
            "19.99",
        ],
    ),
    characters("text", "text", TEXTS),
    characters("varchar5", "varchar(5)", SHORT_TEXTS),
    characters("bpchar5", "char(5)", SHORT_TEXTS),
    characters("name", "name", &["a", "42", "true", "longer than five"]),
    labels("few", &["a", "b"]),
    labels("many", &["a", "42", "true"]),
    kind(
        "date",
        "date",
        &[
            "2024-02-29",
            "0044-03-15 BC",
            "infinity",
            "-infinity",
            "5874897-12-31",
            "2024-03-31",
        ],
    ),
    kind("time", "time", &["00:00", "10:11:12", "10:11:12.123456", "24:00"]),
    kind("time0", "time(0)", &["10:11:12"]),
    kind("timetz", "timetz", &["10:11:12+02", "10:11:12.5+00"]),
    kind(
        "timestamp",
        "timestamp",
        &[
            "2024-02-29 00:00",
            "2024-02-29 10:11:12.123456",
            "2024-03-31 02:30",
            "2024-10-27 02:30",
            "infinity",
            "-infinity",
            "0044-03-15 12:00 BC",
        ],
    ),
    kind(
        "timestamp0",
        "timestamp(0)",
        &["2024-02-29 00:00", "2024-02-29 10:11:12"],
    ),
    kind(
        "timestamptz",
        "timestamptz",
        &[
            "2024-02-29 10:11:12.123456+00",
            "2024-02-28 23:00+00",
            "2024-10-27 00:30+00",
            "2024-10-27 01:30+00",
            "infinity",
        ],
    ),
    as_text(kind(
        "interval",
        "interval",
        &["1 day", "1.5 seconds", "1 mon 30 days", "-00:00:01", "25:00"],
    )),
    as_text(kind("interval0", "interval(0)", &["1 day 00:00:02"])),
    kind("uuid", "uuid", &["0190163d-8694-739b-aea5-966c26f8ad91"]),
    kind("bytea", "bytea", &["", "\\x00ff"]),
    as_text(kind(
        "json",
        "json",
        &["{\"a\": 1}", "[1, 2]", "\"x\"", "null", "42"],
    )),
    kind("jsonb", "jsonb", &["{\"a\": 1}", "[1, 2]", "42"]),
    as_text(kind("xml", "xml", &["<a>b</a>"])),
    as_text(kind(
        "inet",
        "inet",
        &["10.0.0.1", "10.0.0.1/24", "10.0.0.0/24", "2001:db8::1/64"],
    )),
    as_text(kind("cidr", "cidr", &["10.0.0.0/24", "10.0.0.1/32"])),
    kind("bit3", "bit(3)", &["101"]),
    kind("varbit5", "varbit(5)", &["", "101", "10110"]),
    kind("ints", "int4[]", &["{}", "{1,2}", "[2:3]={1,NULL}", "{{1},{2}}"]),
    kind("texts", "text[]", &["{}", "{1,2}", "{a,NULL,\"b c\"}"]),
    kind("varchars3", "varchar(3)[]", &["{abc,NULL}"]),
    kind("numerics", "numeric[]", &["{1.5,2.50}", "{1.005}", "{1}"]),
    kind("numerics92", "numeric(9,2)[]", &["{1.50,NULL}", "{2.00}"]),
    kind("fews", "few[]", &["{a,b}"]),
    kind("int4range", "int4range", &["[1,5)", "empty"]),
];

/// Whether a cast reads a text, and would round it, cut it, or take it for something else.
pub(super) fn is_lost_in_text(to: &str, literal: &str) -> bool {
    let among = |literals: &[&str]| literals.contains(&literal);
    match to {
        "varchar5" => literal.chars().count() > 5,
        "bpchar5" => literal.trim_end().chars().count() > 5,
        "numeric92" => among(&["1.005", "1.23456789012345678901"]),
        "float4" => among(&["99999999999", "1.23456789012345678901", "20240229"]),
        "float8" => literal == "1.23456789012345678901",
        "oid" => literal == "-1",
        "date" => among(&["1.005", "2024-02-29 10:00", "01/02/03", "5 Jan 24", "today"]),
        "time" => among(&[
            "2024-02-29 00:00:00",
            "2024-02-29 10:00",
            "10:11:12.1234567",
            "10:11+02",
        ]),
        "time0" => literal == "10:11:12.5" || is_lost_in_text("time", literal),
        "interval" => literal == "1.23456789012345678901" || literal == "10:11:12.1234567",
        "interval0" => among(&[
            "3.7",
            "12.50",
            "1.005",
            "0.1",
            "1.23456789012345678901",
            "10:11:12.5",
            "10:11:12.1234567",
            "1.5 seconds",
        ]),
        // An empty string of bits is filled up, and one that is longer is cut.
        "bit3" => among(&["", "b", "10110"]),
        "varchars3" => among(&["{0190163D8694739BAEA5966C26F8AD91}", "{1.5,2.255}"]),
        "numerics92" => literal == "{1.5,2.255}",
        _ => false,
    }
}

/// Values that a cast could turn back, and that become others all the same: below zero, or beyond it.
pub(super) const WRAPPED: &[(&str, &str, &str)] =
    &[("int4", "oid", "-2147483648"), ("oid", "int4", "4294967295")];

/// Pairs between which PostgreSQL has a cast that means something else, or takes a zone from the session.
pub(super) const REFUSED: &[(&str, &str)] = &[
    // Bits are not the digits of a number.
    ("int4", "bit3"),
    ("int8", "bit3"),
    // Text may name a zone, or need one.
    ("text", "timetz"),
    ("text", "timestamp"),
    ("text", "timestamp0"),
    ("text", "timestamptz"),
    ("varchar5", "timetz"),
    ("varchar5", "timestamp"),
    ("varchar5", "timestamp0"),
    ("varchar5", "timestamptz"),
    ("bpchar5", "timetz"),
    ("bpchar5", "timestamp"),
    ("bpchar5", "timestamp0"),
    ("bpchar5", "timestamptz"),
    ("name", "timetz"),
    ("name", "timestamp"),
    ("name", "timestamp0"),
    ("name", "timestamptz"),
    ("few", "timetz"),
    ("few", "timestamp"),
    ("few", "timestamp0"),
    ("few", "timestamptz"),
    ("many", "timetz"),
    ("many", "timestamp"),
    ("many", "timestamp0"),
    ("many", "timestamptz"),
    ("time", "timetz"),
    ("time0", "timetz"),
    ("timetz", "time"),
    ("timetz", "time0"),
    // Every date would be lost.
    ("timestamp", "time"),
    ("timestamp", "time0"),
    ("timestamp0", "time"),
    ("timestamp0", "time0"),
    // Which day and hour it is depends on where.
    ("timestamptz", "date"),
    ("timestamptz", "time"),
    ("timestamptz", "time0"),
    ("timestamptz", "timetz"),
    // Only some documents are scalars.
    ("jsonb", "bool"),
    ("jsonb", "int2"),
    ("jsonb", "int4"),
    ("jsonb", "int8"),
    ("jsonb", "numeric"),
    ("jsonb", "numeric92"),
    ("jsonb", "float4"),
    ("jsonb", "float8"),
    ("bit3", "int4"),
    ("bit3", "int8"),
];

/// Pairs between which PostgreSQL has no cast, and a value means the same all the same.
pub(super) const WITHOUT_CAST: &[(&str, &str)] = &[
    // Truth values that are kept as numbers of any width.
    ("bool", "int2"),
    ("bool", "int8"),
    ("int2", "bool"),
    ("int8", "bool"),
    ("oid", "int2"),
    // Element by element, through their text.
    ("ints", "fews"),
    ("numerics", "fews"),
    ("numerics92", "fews"),
    ("fews", "ints"),
    ("fews", "numerics"),
    ("fews", "numerics92"),
];
