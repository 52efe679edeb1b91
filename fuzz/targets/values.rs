//! Single values in binary form: whatever the bytes, a text or nothing.
#![no_main]

use driftless_core::value::{Numeric, boolean, integer, text, write_json_string};
use libfuzzer_sys::fuzz_target;

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
    out.clear();
    write_json_string(bytes, &mut out);
    assert!(out.len() <= 2 + 6 * bytes.len());
});
