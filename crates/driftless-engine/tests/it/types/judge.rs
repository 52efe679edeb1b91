//! What PostgreSQL makes of a value in a column of another type, without any of our own code.

use driftless_core::plan::matrix::Type;

/// `judge(value, from, to, forward, back, by_value)`: what the cast gives (its text, its bytes), how the value itself is
/// printed, and whether it can be turned back, by a cast and from its text. `value` is an SQL expression of type `from`; `forward` and `back`
/// are null where PostgreSQL's own cast, else the one through text, is meant.
pub(super) const FUNCTIONS: &str = r"
CREATE FUNCTION cast_of(value text, to_sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SELECT (%s)::%s', value, to_sql);
  RETURN format('(%s)::%s', value, to_sql);
EXCEPTION
  WHEN cannot_coerce THEN
    BEGIN
      EXECUTE format('SELECT ((%s)::text)::%s', value, to_sql);
      RETURN format('((%s)::text)::%s', value, to_sql);
    EXCEPTION WHEN OTHERS THEN RETURN NULL; END;
  WHEN OTHERS THEN RETURN NULL;
END $$;

CREATE FUNCTION is_true(sql text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE found bool;
BEGIN EXECUTE 'SELECT ' || sql INTO found; RETURN coalesce(found, false);
EXCEPTION WHEN OTHERS THEN RETURN false; END $$;

CREATE FUNCTION judge(value text, from_sql text, to_sql text, forward text, back text, by_value bool,
                      OUT held text, OUT printed text, OUT kept_by_cast bool, OUT kept_by_text bool) LANGUAGE plpgsql AS $$
DECLARE there text; again text;
BEGIN
  there := coalesce(forward, cast_of(value, to_sql));
  BEGIN
    EXECUTE format('SELECT (x)::text || chr(1) || encode(record_send(ROW(x)), ''hex'') FROM (SELECT %s) AS one(x)', there) INTO held;
  EXCEPTION WHEN OTHERS THEN held := NULL; END;
  EXECUTE format('SELECT (%s)::text', value) INTO printed;
  again := coalesce(replace(back, '{x}', there), cast_of(there, from_sql));
  kept_by_cast := CASE WHEN by_value THEN is_true(format('(%s) IS NOT DISTINCT FROM (%s)', again, value))
                       ELSE is_true(format('(%s)::text IS NOT DISTINCT FROM (%s)::text', again, value)) END;
  kept_by_text := CASE WHEN by_value THEN is_true(format('((%s)::text)::%s IS NOT DISTINCT FROM (%s)', there, from_sql, value))
                       ELSE is_true(format('(((%s)::text)::%s)::text IS NOT DISTINCT FROM (%s)::text', there, from_sql, value)) END;
END $$;
";

/// Types whose `=` means the same value. All others are compared as text.
const BY_VALUE: [&str; 48] = [
    "bool",
    "int2",
    "int4",
    "int8",
    "oid",
    "numeric",
    "numeric(9,2)",
    "float4",
    "float8",
    "money",
    "date",
    "time",
    "time(0)",
    "timetz",
    "timestamp",
    "timestamp(0)",
    "timestamptz",
    "timestamptz(0)",
    "uuid",
    "bytea",
    "jsonb",
    "\"bit\"",
    "bit(3)",
    "varbit",
    "varbit(5)",
    "macaddr",
    "macaddr8",
    "int4range",
    "int8range",
    "numrange",
    "daterange",
    "tsrange",
    "tstzrange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "datemultirange",
    "tsmultirange",
    "tstzmultirange",
    "bool[]",
    "int4[]",
    "numeric[]",
    "numeric(9,2)[]",
    "float8[]",
    "date[]",
    "timestamptz[]",
    "int4range[]",
    "jsonb[]",
];

pub(super) fn is_by_value(from: Type) -> bool {
    BY_VALUE.contains(&from.sql())
}

/// The cast, where it is none that PostgreSQL makes by itself; `lossy` is the explicit cast that cuts and rounds.
pub(super) fn forward(value: &str, from: Type, to: Type) -> Option<String> {
    let zone = "AT TIME ZONE 'Europe/Paris'";
    let (from, to) = (from.sql(), to.sql());
    let inner = match (from, to) {
        ("timestamp" | "timestamp(0)", "timestamptz" | "timestamptz(0)")
        | ("timestamptz" | "timestamptz(0)", "timestamp" | "timestamp(0)") => format!("({value}) {zone}"),
        ("date", "timestamptz" | "timestamptz(0)") => format!("(({value})::timestamp) {zone}"),
        ("bool", "int2" | "int8") | ("int2" | "int8", "bool") => format!("({value})::int4"),
        ("oid", "int2" | "int4") => format!("({value})::int8"),
        // The cast from a float keeps fifteen digits; its text has all.
        ("float4" | "float8", "numeric" | "numeric(9,2)") => format!("({value})::text"),
        // What names none is written so, and the cast from text takes it for a name.
        (_, "regclass") if from != to => {
            let text = format!("({value})::text");
            return Some(format!(
                "CASE {text} WHEN '-' THEN 0::oid::regclass ELSE {text}::regclass END"
            ));
        }
        ("char(5)", "bpchar") => return None,
        // Trailing blanks of char(n) are none of its value, and a name is made of text.
        ("char(5)" | "bpchar" | "\"char\"", _) | (_, "name") if from != to => format!("({value})::text"),
        // A name is read, and a number is none.
        (_, "regclass" | "regclass[]") if from != to => format!("({value})::text"),
        ("regclass[]", "code[]") => format!("({value})::text"),
        // An assignment to a domain cuts nothing, an explicit cast does.
        (_, "code" | "short_code") if from != "code" && from != "short_code" => format!("({value})::text"),
        _ => return None,
    };
    Some(format!("({inner})::{to}"))
}

/// The way back, with `{x}` for the value of the target's type.
pub(super) fn back(from: Type, to: Type) -> Option<String> {
    let zone = "AT TIME ZONE 'Europe/Paris'";
    let (from, to) = (from.sql(), to.sql());
    match (from, to) {
        ("timestamp" | "timestamp(0)", "timestamptz" | "timestamptz(0)")
        | ("timestamptz" | "timestamptz(0)", "timestamp" | "timestamp(0)") => Some(format!("({{x}}) {zone}")),
        ("date", "timestamptz" | "timestamptz(0)") => Some(format!("(({{x}}) {zone})::date")),
        ("int2" | "int8", "bool") | ("bool", "int2" | "int8") | ("oid", "int2" | "int4") => {
            Some(format!("(({{x}})::int4)::{from}"))
        }
        (
            _,
            "int4multirange" | "int8multirange" | "nummultirange" | "datemultirange" | "tsmultirange"
            | "tstzmultirange",
        ) if to.strip_suffix("multirange") == from.strip_suffix("range") => {
            Some("range_merge({x})".to_owned())
        }
        ("int4" | "int8", "money") => Some(format!("(({{x}})::numeric)::{from}")),
        _ => None,
    }
}
