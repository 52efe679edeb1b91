//! Mapping files and files of variables: any text is a mapping or findings.
#![no_main]

use std::collections::BTreeMap;

use driftless_core::spec::{SourceFile, Sources, includes, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let variables: BTreeMap<String, String> = dotenvy::from_read_iter(bytes).map_while(Result::ok).collect();
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let file = SourceFile {
        name: "driftless.toml".to_owned(),
        text: text.to_owned(),
    };
    let patterns = includes(&file);
    assert!(patterns.is_ok() || patterns.is_err_and(|findings| !findings.is_empty()));
    let sources = Sources { files: vec![file] };
    if let Err(findings) = read(&sources, &variables) {
        assert!(!findings.is_empty(), "refused without a reason");
    }
});
