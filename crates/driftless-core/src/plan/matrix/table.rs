//! The types: what a copy decides by, and how a test makes them.

use crate::catalog::{Oid, builtin as b};

/// A type as a row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// As SQL writes it.
    pub(super) sql: &'static str,
    /// What it is.
    pub(super) shape: Shape,
    /// The statement that makes it.
    pub(super) definition: Option<&'static str>,
}

/// What a type is, as far as copies decide by it. Other types are named as SQL writes them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Built in: oid, name, typmod.
    Base(Oid, &'static str, i32),
    /// Built in, and without binary form: oid, name.
    WithoutBinary(Oid, &'static str),
    /// A built-in range or multirange: oid, name.
    Range(Oid, &'static str),
    /// An array: oid (0 where its elements are not built in), element.
    Array(Oid, &'static str),
    /// A base type of an extension.
    Extension,
    /// An enum: labels.
    Enum(&'static [&'static str]),
    /// A domain: what it is over.
    Domain(&'static str),
    /// A composite: names and types of its fields.
    Composite(&'static [(&'static str, &'static str)]),
    /// A range or multirange of one's own: what its bounds are.
    OwnRange(&'static str),
}

const fn row(sql: &'static str, shape: Shape) -> Listed {
    Listed {
        sql,
        shape,
        definition: None,
    }
}

const fn base(sql: &'static str, oid: Oid) -> Listed {
    row(sql, Shape::Base(oid, sql, -1))
}

const fn modified(sql: &'static str, oid: Oid, name: &'static str, typmod: i32) -> Listed {
    row(sql, Shape::Base(oid, name, typmod))
}

const fn range(sql: &'static str, oid: Oid) -> Listed {
    row(sql, Shape::Range(oid, sql))
}

const fn array(sql: &'static str, oid: Oid, element: &'static str) -> Listed {
    row(sql, Shape::Array(oid, element))
}

const fn own(sql: &'static str, shape: Shape, definition: &'static str) -> Listed {
    Listed {
        definition: Some(definition),
        ..row(sql, shape)
    }
}

const fn extension(sql: &'static str, definition: &'static str) -> Listed {
    own(sql, Shape::Extension, definition)
}

/// No fields of an interval are left out (`INTERVAL_FULL_RANGE`), no digits are kept.
const WHOLE_SECONDS: i32 = 0x7fff << 16;

/// Nine digits, two of them behind the point.
const NINE_AND_TWO: i32 = (9 << 16) + 2 + 4;

/// Labels that others print, so that something of every type becomes one of them.
const MANY: &[&str] = &[
    "a",
    "b",
    "42",
    "true",
    "1.50",
    "1.5",
    "$1.50",
    "\\x00ff",
    "0190163d-8694-739b-aea5-966c26f8ad91",
    "infinity",
    "10:11:12",
    "10:11:12+02",
    "1 day",
    "[1, 2]",
    "$.\"a\"",
    "10.0.0.1",
    "10.0.0.0/24",
    "08:00:2b:01:02:03",
    "08:00:2b:ff:fe:01:02:03",
    "101",
    "(0.1,-0)",
    "[(0,0),(1,0.1)]",
    "[(0,0),(1,1)]",
    "(2,2),(1,0.1)",
    "((0,0),(1,1),(2,0))",
    "{1,-2,0.1}",
    "<(0.1,0),1.5>",
    "'a' 'b c':2A,3",
    "'a' <2> 'b'",
    "(0,1)",
    "(0.1)",
    "0/0",
    "10:20:10,14,15",
    "1 2 3",
    "pg_class",
    "integer",
    "pg_sleep",
    "version()",
    "*<>",
    "=(integer,integer)",
    "pg_monitor",
    "public",
    "\"C\"",
    "simple",
    "=r/pg_monitor",
    "empty",
    "{}",
    "\"a\"=>\"1\"",
    "(,,)",
    "(a,1)",
];

const DEFINES_MANY: &str = r#"CREATE TYPE many AS ENUM ('a', 'b', '42', 'true', '1.50', '1.5', '$1.50', '\x00ff', '0190163d-8694-739b-aea5-966c26f8ad91', 'infinity', '10:11:12', '10:11:12+02', '1 day', '[1, 2]', '$."a"', '10.0.0.1', '10.0.0.0/24', '08:00:2b:01:02:03', '08:00:2b:ff:fe:01:02:03', '101', '(0.1,-0)', '[(0,0),(1,0.1)]', '[(0,0),(1,1)]', '(2,2),(1,0.1)', '((0,0),(1,1),(2,0))', '{1,-2,0.1}', '<(0.1,0),1.5>', '''a'' ''b c'':2A,3', '''a'' <2> ''b''', '(0,1)', '(0.1)', '0/0', '10:20:10,14,15', '1 2 3', 'pg_class', 'integer', 'pg_sleep', 'version()', '*<>', '=(integer,integer)', 'pg_monitor', 'public', '"C"', 'simple', '=r/pg_monitor', 'empty', '{}', '"a"=>"1"', '(,,)', '(a,1)')"#;

/// All of them. What is made of others stands behind them.
pub(super) const TABLE: &[Listed] = &[
    base("bool", b::BOOL),
    base("int2", b::INT2),
    base("int4", b::INT4),
    base("int8", b::INT8),
    base("numeric", b::NUMERIC),
    modified("numeric(9,2)", b::NUMERIC, "numeric", NINE_AND_TWO),
    base("float4", b::FLOAT4),
    base("float8", b::FLOAT8),
    base("money", b::MONEY),
    base("text", b::TEXT),
    base("varchar", b::VARCHAR),
    modified("varchar(5)", b::VARCHAR, "varchar", 9),
    modified("char(5)", b::BPCHAR, "bpchar", 9),
    base("bpchar", b::BPCHAR),
    base("name", b::NAME),
    modified("\"char\"", b::CHAR, "char", -1),
    base("refcursor", 1790),
    extension("citext", "CREATE EXTENSION citext"),
    own(
        "few",
        Shape::Enum(&["a", "b"]),
        "CREATE TYPE few AS ENUM ('a', 'b')",
    ),
    own("many", Shape::Enum(MANY), DEFINES_MANY),
    own(
        "code",
        Shape::Domain("varchar(5)"),
        "CREATE DOMAIN code AS varchar(5)",
    ),
    own(
        "short_code",
        Shape::Domain("code"),
        "CREATE DOMAIN short_code AS code CHECK (VALUE <> 'b')",
    ),
    base("bytea", b::BYTEA),
    base("uuid", b::UUID),
    base("date", b::DATE),
    base("time", b::TIME),
    modified("time(0)", b::TIME, "time", 0),
    base("timetz", b::TIMETZ),
    base("timestamp", b::TIMESTAMP),
    modified("timestamp(0)", b::TIMESTAMP, "timestamp", 0),
    base("timestamptz", b::TIMESTAMPTZ),
    modified("timestamptz(0)", b::TIMESTAMPTZ, "timestamptz", 0),
    base("interval", b::INTERVAL),
    modified("interval(0)", b::INTERVAL, "interval", WHOLE_SECONDS),
    base("json", b::JSON),
    base("jsonb", b::JSONB),
    base("jsonpath", 4072),
    base("xml", b::XML),
    base("inet", b::INET),
    base("cidr", b::CIDR),
    base("macaddr", b::MACADDR),
    base("macaddr8", b::MACADDR8),
    modified("\"bit\"", b::BIT, "bit", -1),
    modified("bit(3)", b::BIT, "bit", 3),
    base("varbit", b::VARBIT),
    modified("varbit(5)", b::VARBIT, "varbit", 5),
    base("point", b::POINT),
    base("lseg", 601),
    base("path", 602),
    base("box", 603),
    base("polygon", 604),
    base("line", 628),
    base("circle", 718),
    base("tsvector", b::TSVECTOR),
    base("tsquery", 3615),
    base("oid", b::OID),
    base("xid", 28),
    base("cid", 29),
    base("tid", 27),
    base("xid8", 5069),
    base("pg_lsn", b::PG_LSN),
    base("pg_snapshot", 5038),
    base("txid_snapshot", 2970),
    base("int2vector", 22),
    base("oidvector", 30),
    base("regclass", 2205),
    base("regtype", 2206),
    base("regproc", 24),
    base("regprocedure", 2202),
    base("regoper", 2203),
    base("regoperator", 2204),
    base("regrole", 4096),
    base("regnamespace", 4089),
    base("regcollation", 4191),
    base("regconfig", 3734),
    base("regdictionary", 3769),
    row("aclitem", Shape::WithoutBinary(1033, "aclitem")),
    range("int4range", b::INT4RANGE),
    range("int8range", b::INT8RANGE),
    range("numrange", b::NUMRANGE),
    range("daterange", b::DATERANGE),
    range("tsrange", b::TSRANGE),
    range("tstzrange", b::TSTZRANGE),
    range("int4multirange", 4451),
    range("int8multirange", 4536),
    range("nummultirange", 4532),
    range("datemultirange", b::DATEMULTIRANGE),
    range("tsmultirange", 4533),
    range("tstzmultirange", 4534),
    array("bool[]", 1000, "bool"),
    array("int4[]", 1007, "int4"),
    array("numeric[]", 1231, "numeric"),
    array("numeric(9,2)[]", 1231, "numeric(9,2)"),
    array("float8[]", 1022, "float8"),
    array("text[]", 1009, "text"),
    array("varchar(5)[]", 1015, "varchar(5)"),
    array("date[]", 1182, "date"),
    array("timestamptz[]", 1185, "timestamptz"),
    array("interval[]", 1187, "interval"),
    array("json[]", 199, "json"),
    array("jsonb[]", 3807, "jsonb"),
    array("inet[]", 1041, "inet"),
    array("cidr[]", 651, "cidr"),
    array("regclass[]", 2210, "regclass"),
    array("int4range[]", 3905, "int4range"),
    array("few[]", 0, "few"),
    array("code[]", 0, "code"),
    array("citext[]", 0, "citext"),
    extension("hstore", "CREATE EXTENSION hstore"),
    extension("ltree", "CREATE EXTENSION ltree"),
    row("lquery", Shape::Extension),
    row("ltxtquery", Shape::Extension),
    extension("cube", "CREATE EXTENSION cube"),
    array("hstore[]", 0, "hstore"),
    own(
        "pair",
        Shape::Composite(&[("a", "int4"), ("b", "text"), ("c", "numeric(9,2)")]),
        "CREATE TYPE pair AS (a int4, b text, c numeric(9,2))",
    ),
    own(
        "couple",
        Shape::Composite(&[("b", "text"), ("a", "int4")]),
        "CREATE TYPE couple AS (b text, a int4)",
    ),
    array("pair[]", 0, "pair"),
    own(
        "span",
        Shape::OwnRange("float8"),
        "CREATE TYPE span AS RANGE (subtype = float8)",
    ),
    row("span_multirange", Shape::OwnRange("float8")),
];
