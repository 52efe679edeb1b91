//! Values of which something would be lost: texts that a type would round, cut or guess, and values that are too long for a name.

/// Texts of which a value of this type would keep a part only, or another.
pub(super) fn telling(to: &str) -> &'static [&'static str] {
    match to {
        "varchar(5)" | "char(5)" | "code" | "short_code" => &["longer than five"],
        "name" => &[LONG],
        "\"char\"" => &["ab"],
        "numeric(9,2)" => &["1.005"],
        "float4" | "float8" => &["1.23456789012345678901"],
        "date" => &["01/02/03"],
        "time" | "time(0)" => &["10:11+02"],
        "interval" => &["$1.00"],
        "interval(0)" => &["1.5 seconds"],
        "macaddr" => &["8:0:2b:1:2:3"],
        "bit(3)" => &["10110"],
        "varbit(5)" => &["1011000111"],
        "point" | "cube" => &["(1.23456789012345678901,2)"],
        "lseg" | "path" => &["[(1.23456789012345678901,0),(1,1)]"],
        "box" | "polygon" => &["(1.23456789012345678901,1),(0,0)"],
        "circle" => &["<(1.23456789012345678901,0),1>"],
        "line" => &["{1.23456789012345678901,2,3}"],
        "tsvector" => &["fat & cat"],
        "oid" | "xid" | "cid" | "xid8" => &["-1"],
        "tid" => &["(0, 1)"],
        "int2vector" | "oidvector" => &[" 1 2 3"],
        "daterange" => &["[01/02/03,)"],
        "datemultirange" => &["{[today,)}"],
        "numeric(9,2)[]" => &["{1.5,2.255}"],
        "float8[]" => &["{1.23456789012345678901}"],
        "varchar(5)[]" => &["{abcdef}"],
        "code[]" => &["{abcdef}", "{ abc}"],
        "date[]" => &["{01/02/03}"],
        "interval[]" => &["{24:00}"],
        "regclass[]" => &["{1259}"],
        "pair" => &["(1,a,1.005)"],
        "couple" => &["(a,01)"],
        "pair[]" => &["{\"(1,a,1.005)\"}"],
        "span" => &["[0.12345678901234567890,2)"],
        "span_multirange" => &["{[0.12345678901234567890,2)}"],
        "regclass" => &[],
        _ if to.starts_with("reg") => &["1259"],
        _ => &[],
    }
}

/// More than the 63 bytes of a name.
const LONG: &str = "abcdefghij.bcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij";

/// A value that is printed with more than the 63 bytes of a name, of types that have such.
pub(super) fn long(from: &str) -> Option<&'static str> {
    Some(match from {
        "text" | "varchar" | "bpchar" | "citext" | "refcursor" | "ltree" | "lquery" | "xml" => LONG,
        "ltxtquery" => "abcdefghij & bcdefghij & abcdefghij & abcdefghij & abcdefghij & abcdefghij",
        "numeric" => "1e70",
        "bytea" => "\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "json" | "jsonb" => "[1000000000, 2000000000, 3000000000, 4000000000, 5000000000, 6000000000]",
        "jsonpath" => "$.\"abcdefghij.bcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij\"",
        "interval" => "-178956970 years -7 mons -2147483647 days -999999999:00:54.775807",
        "\"bit\"" | "varbit" => "1011000111101100011110110001111011000111101100011110110001111011000111",
        "lseg" => {
            "[(0.12345678901234567,1.2345678901234567e-300),(0.12345678901234567,-1.2345678901234567e-300)]"
        }
        "path" | "polygon" => {
            "((0.12345678901234567,1.2345678901234567e-300),(0.12345678901234567,-1.2345678901234567e-300))"
        }
        "box" => {
            "(1.2345678901234567,1.2345678901234567e-300),(0.12345678901234567,-1.2345678901234567e-300)"
        }
        "line" => "{-1.2345678901234567e-200,-1.2345678901234567e+200,-1.2345678901234567e-200}",
        "circle" => "<(-1.2345678901234567e-200,-1.2345678901234567e-200),1.2345678901234567e-200>",
        "tsvector" | "tsquery" => {
            "'abcdefghij.bcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij'"
        }
        "int2vector" | "oidvector" => {
            "10001 10002 10003 10004 10005 10006 10007 10008 10009 10010 10011 10012"
        }
        "pg_snapshot" | "txid_snapshot" => {
            "1000000000001:1000000000009:1000000000001,1000000000002,1000000000003,1000000000004"
        }
        "numrange" => {
            "[0.1234567890123456789012345678901234567890,1.1234567890123456789012345678901234567890]"
        }
        "tsrange" => "[\"4713-01-01 00:00:00.123456 BC\",\"294276-12-31 23:59:59.123456\"]",
        "tstzrange" => "[\"4713-01-01 00:00:00.123456+00 BC\",\"294276-12-31 23:59:59.123456+00\"]",
        "int4multirange" | "int8multirange" | "nummultirange" | "span_multirange" => {
            "{[1000000,2000000),[3000000,4000000),[5000000,6000000),[7000000,8000000)}"
        }
        "datemultirange" | "tsmultirange" | "tstzmultirange" => {
            "{[2001-01-01,2002-01-01),[2003-01-01,2004-01-01),[2005-01-01,2006-01-01)}"
        }
        "bool[]" => "{t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t}",
        "int4[]" | "numeric[]" | "float8[]" | "regclass[]" | "text[]" | "citext[]" | "json[]" | "jsonb[]" => {
            "{1000000000,2000000000,1000000000,2000000000,1000000000,2000000000,1000000000}"
        }
        "numeric(9,2)[]" => "{1000000,2000000,1000000,2000000,1000000,2000000,1000000}",
        "varchar(5)[]" | "code[]" => {
            "{10000,20000,10000,20000,10000,20000,10000,20000,10000,20000,10000,20000}"
        }
        "few[]" => "{a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a}",
        "date[]" | "timestamptz[]" => "{2001-01-01,2001-01-01,2001-01-01,2001-01-01,2001-01-01,2001-01-01}",
        "interval[]" => "{1 day,1 day,1 day,1 day,1 day,1 day,1 day,1 day,1 day}",
        "inet[]" | "cidr[]" => "{2001:db8::/64,2001:db8::/64,2001:db8::/64,2001:db8::/64,2001:db8::/64}",
        "int4range[]" => "{\"[1,5)\",\"[1,5)\",\"[1,5)\",\"[1,5)\",\"[1,5)\",\"[1,5)\",\"[1,5)\",\"[1,5)\"}",
        "hstore" => "\"abcdefghijabcdefghijabcdefghij\"=>\"abcdefghijabcdefghijabcdefghij\"",
        "hstore[]" => "{\"abcdefghijabcdefghijabcdefghij=>abcdefghijabcdefghijabcdefghij\"}",
        "cube" => "(0.12345678901234567, 1.2345678901234567, 1.2345678901234567, 1.2345678901234567)",
        "pair" => "(1,abcdefghij.bcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij,1.00)",
        "couple" => "(abcdefghij.bcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij,1)",
        "pair[]" => "{\"(1,abcdefghij.bcdefghij.abcdefghij.abcdefghij.abcdefghij.abcdefghij,1.00)\"}",
        _ => return None,
    })
}
