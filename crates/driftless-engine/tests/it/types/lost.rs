//! What a cast would lose of a value: said by PostgreSQL where the value can be turned back, and by hand where a text is read.

use driftless_core::plan::matrix::Type;

use super::values::values;

/// What PostgreSQL says of one value.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// The value as text.
    pub(super) printed: &'a str,
    /// What the cast gives, as text.
    pub(super) held: &'a str,
    /// Whether that can be turned back.
    pub(super) by_cast: bool,
    /// Whether its text can.
    pub(super) by_text: bool,
}

/// Whether a cast loses something of a value.
pub(super) fn is_lost(from: Type, to: Type, answer: &Answer<'_>) -> bool {
    let (from_sql, to) = (from.sql(), to.sql());
    match to {
        "varchar(5)" | "code" | "short_code" if from_sql != "char(5)" => {
            return answer.printed != answer.held;
        }
        // Trailing blanks are none of its value.
        "char(5)" => return answer.printed.trim_end() != answer.held.trim_end(),
        _ => {}
    }
    let of_characters = ["text[]", "varchar(5)[]", "code[]", "citext[]", "few[]"];
    if from.is_characters() || (of_characters.contains(&from_sql) && !of_characters.contains(&to)) {
        return is_lost_in_text(to, answer.printed, answer.held);
    }
    match (from_sql, to) {
        // The last of equal keys, and no blanks.
        ("json", "jsonb") | ("json[]", "jsonb[]") => false,
        // A double that a single prints alike is another number all the same.
        ("float8", "float4") => !answer.by_cast,
        // They could be turned back, and become others all the same: below zero, or beyond it.
        ("int4", "oid") => answer.printed.starts_with('-') || !answer.by_cast,
        ("oid", "int4") => answer.printed == "4294967295",
        // A number is no name.
        _ if from_sql == to && from_sql.starts_with("reg") => answer.printed.contains("4000000000"),
        // The cast from text knows no `-`, which is what stands for none.
        ("regclass", _) => answer.held != answer.printed,
        _ => !answer.by_cast && !answer.by_text,
    }
}

/// Whether a cast reads a text, and would round it, cut it, or take it for something else.
fn is_lost_in_text(to: &str, text: &str, held: &str) -> bool {
    let among = |literals: &[&str]| literals.contains(&text);
    match to {
        // Written as such values are written.
        "date" | "time" | "time(0)" | "macaddr" | "line"
            if values(to).is_some_and(|own| own.contains(&text)) =>
        {
            false
        }
        "numeric(9,2)" => among(&["1.005", "1.23456789012345678901"]),
        "float4" => among(&["99999999999", "1.23456789012345678901", "20240229", "4294967296"]),
        "float8" => text == "1.23456789012345678901",
        "oid" => text == "-1",
        "date" => !among(&[
            "2024-02-29",
            "20240229",
            "2024-02-29 00:00:00",
            "infinity",
            "Infinity",
        ]),
        "time" => !among(&["10:11", "10:11:12.5"]),
        "time(0)" => text != "10:11",
        "interval" => {
            among(&["1.23456789012345678901", "10:11:12.1234567"])
                || text.contains(['$', '{', '(', ',', '/', '[', ')'])
        }
        "interval(0)" => {
            is_lost_in_text("interval", text, held)
                || among(&[
                    "1.5",
                    "1.50",
                    "3.7",
                    "12.50",
                    "1.005",
                    "0.1",
                    "10:11:12.5",
                    "1.5 seconds",
                ])
        }
        // An empty string of bits is filled up, and one that is longer is cut.
        "bit(3)" => among(&["", "0", "b", "10110"]),
        "varbit(5)" => text == "1011000111",
        "float8[]" => text.contains("5678901"),
        "macaddr" => text != "08:00:2b:01:02:03",
        "daterange" | "datemultirange" => text.contains("01/02/03") || text.contains("today"),
        "numeric(9,2)[]" => text == "{1.5,2.255}",
        "point" | "lseg" | "path" | "box" | "polygon" | "circle" | "cube" => text.contains("567890"),
        "line" => text != "{1,2,3}",
        "regoper" | "regoperator" if text == "0" => false,
        _ if to.starts_with("reg") => text.contains(|one: char| one.is_ascii_digit()),
        "varchar(5)[]" => is_any_long(text),
        "name" | "\"char\"" | "xid" | "cid" | "xid8" | "tid" | "int2vector" | "oidvector" | "tsvector"
        | "date[]" | "interval[]" | "code[]" | "pair" | "couple" | "pair[]" | "span" | "span_multirange" => {
            text != held
        }
        _ => false,
    }
}

/// Whether an element has more than five characters.
pub(super) fn is_any_long(array: &str) -> bool {
    let elements = array.trim_matches(['{', '}']).split(',');
    let long = |element: &str| element.trim_matches('"').chars().count() > 5;
    array.contains("(1,a") || elements.filter(|element| *element != "NULL").any(long)
}
