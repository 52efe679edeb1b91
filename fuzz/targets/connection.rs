//! Connection strings: URLs and keywords, within variables that come from outside too.
#![no_main]

use driftless_pg::{ConnectConfig, Surroundings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut parts = text.split('\n');
    let url = parts.next().unwrap_or_default();
    // No HOME and no names of files: a target reads nothing but its input.
    let variables = parts
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| {
            !name.contains("FILE")
                && !name.contains("HOME")
                && !name.starts_with("PGSSL")
                && !name.contains("SYSCONFDIR")
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    if let Ok(config) = ConnectConfig::parse_within(url, &Surroundings::of(variables)) {
        assert!(!config.place().is_empty());
        config.is_loopback();
    }
});
