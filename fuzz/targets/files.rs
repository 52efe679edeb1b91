//! Password files and service files, and the connection strings that lead to them.
#![no_main]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::{fs, process};

use driftless_pg::{ConnectConfig, Surroundings};
use libfuzzer_sys::fuzz_target;

/// A file of this process that only its owner may read.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("driftless-fuzz-file-{}", process::id()));
        fs::write(&path, "").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its permissions");
        path
    })
}

fuzz_target!(|bytes: &[u8]| {
    fs::write(file(), bytes).expect("a file");
    let path = file().display().to_string();
    let read = |text: &str, variable: &str| {
        let variables = [(variable.to_owned(), path.clone())];
        if let Ok(config) = ConnectConfig::parse_within(text, &Surroundings::of(variables)) {
            assert!(!config.place().is_empty());
            config.is_loopback();
        }
    };
    read("host=h,/tmp,::1 user=u dbname=d", "PGPASSFILE");
    // Without HOME, and with no directory of the system, a service leads nowhere else.
    read("service=s user=u", "PGSERVICEFILE");
});
