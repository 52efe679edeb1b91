//! Files of somebody else's.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes that a service file or a password file may have, or one of certificates: far more than anybody has servers, and several times what a
/// system trusts.
const MOST_BYTES: u64 = 1024 * 1024;

/// The bytes of an ordinary file. Anything else could be without end, or never begin.
pub(crate) fn whole(path: &Path) -> io::Result<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_or_has_no_end_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(whole(&path).map(|bytes| bytes.len()).ok(), Some(1 << 20));
        fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
        assert_eq!(whole(&path).unwrap_err().to_string(), "it has more than 1 MiB");
        for path in [dir.path(), Path::new("/dev/zero")] {
            assert_eq!(whole(path).unwrap_err().to_string(), "it is no file");
        }
    }
}
