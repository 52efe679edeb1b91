//! Single values in binary form: whatever the bytes, a text, a figure, an array or nothing.
#![no_main]

use driftless_core::catalog::builtin;
use driftless_core::compare::{KeyOrder, Kind, Measure};
use driftless_core::value::{Numeric, boolean, integer, text, write_json_string};
use driftless_pg::FromRaw;
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

const MEASURED: [u32; 9] = [
    builtin::INT8,
    builtin::NUMERIC,
    builtin::FLOAT4,
    builtin::FLOAT8,
    builtin::DATE,
    builtin::TIMESTAMP,
    builtin::TIMESTAMPTZ,
    builtin::TIME,
    builtin::TEXT,
];

/// Elements of the bytes as an array of this type; each of them took four bytes at least.
fn elements<T>(bytes: &[u8])
where
    Vec<T>: FromRaw,
{
    if let Some(values) = Vec::<T>::from_raw(Some(bytes)) {
        assert!(4 * values.len() <= bytes.len());
    }
}

/// What all columns come to that hold the two halves of the bytes.
fn measure(bytes: &[u8]) {
    let (one, other) = bytes.split_at(bytes.len() / 2);
    for oid in MEASURED {
        let kind = Kind::of(oid);
        let mut measure = Measure::new(kind);
        for value in [Some(bytes), Some(one), Some(other), None] {
            measure.add(value);
        }
        let summary = measure.summary();
        assert!(summary.compare(kind, &summary).iter().all(|figure| figure.equal));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut out = Vec::new();
    if let Some(number) = Numeric::read(bytes) {
        number.write(&mut out);
        assert!(out.is_ascii() && !out.is_empty());
        number.fits(10, 2);
    }
    for written in [
        text::date(bytes),
        text::time(bytes),
        text::float(bytes),
        text::timestamp(bytes, "+00"),
    ] {
        assert!(written.is_none_or(|text| !text.is_empty()));
    }
    integer(bytes);
    boolean(bytes);
    elements::<bool>(bytes);
    elements::<i16>(bytes);
    elements::<i64>(bytes);
    elements::<f64>(bytes);
    elements::<char>(bytes);
    elements::<String>(bytes);
    elements::<Uuid>(bytes);
    elements::<Vec<u8>>(bytes);
    elements::<Option<i32>>(bytes);
    elements::<Option<String>>(bytes);
    measure(bytes);
    for order in [KeyOrder::Integer, KeyOrder::Uuid, KeyOrder::Text] {
        if order.comparable(bytes, &mut out) {
            order.text(Some(&out));
        }
    }
    out.clear();
    write_json_string(bytes, &mut out);
    assert!(out.len() <= 2 + 6 * bytes.len());
});
