//! Mapping files and files of variables: any text is a mapping or findings, and those can be shown. What stands behind a zero
//! byte is the file of variables; without one the text is both.
#![no_main]

#[path = "../../crates/driftless/src/config/dotenv.rs"]
mod dotenv;

use driftless_core::error::blocks;
use driftless_core::spec::{SourceFile, Sources, Style, includes, read, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let mapping = parts.next().unwrap_or_default();
    let lines = parts.next().unwrap_or(mapping);
    let variables = dotenv::read(lines).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(mapping) else {
        return;
    };
    let file = SourceFile {
        name: "driftless.toml".to_owned(),
        text: text.to_owned(),
    };
    let patterns = includes(&file);
    assert!(patterns.is_ok() || patterns.is_err_and(|findings| !findings.is_empty()));
    let sources = Sources { files: vec![file] };
    let findings = match read(&sources, &variables) {
        Ok((_, findings)) => findings,
        Err(findings) => {
            assert!(blocks(&findings), "refused without a reason");
            findings
        }
    };
    let shown = render(&findings, &sources, Style::default());
    assert_eq!(shown.is_empty(), findings.is_empty());
});
