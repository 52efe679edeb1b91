//! Files of somebody else's.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes that a service file or a password file may have: far more than anybody has servers.
const MOST_BYTES: u64 = 1024 * 1024;

/// The bytes of an ordinary file. Anything else could be without end, or never begin.
pub(super) fn whole(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    Ok(bytes)
}
