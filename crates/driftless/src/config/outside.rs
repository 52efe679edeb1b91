//! Files of somebody else's: read whole, if they are files and not larger than they can be.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// There is something else: a pipe that nobody may ever write into, a device without end. In words.
    NoFile(&'static str),
    /// It has more bytes than were asked for.
    TooLarge,
    /// The system says no.
    Io(io::Error),
}

/// The bytes of a file that has at most so many. No more of it than that is ever in memory.
pub(super) fn whole(path: &Path, most: u64) -> Result<Vec<u8>, Unreadable> {
    let metadata = fs::metadata(path).map_err(Unreadable::Io)?;
    let kind = metadata.file_type();
    if !kind.is_file() {
        return Err(match kind {
            _ if kind.is_dir() => Unreadable::NoFile("a directory"),
            _ if kind.is_fifo() => Unreadable::NoFile("a pipe"),
            _ if kind.is_socket() => Unreadable::NoFile("a socket"),
            _ => Unreadable::NoFile("a device"),
        });
    }
    if metadata.len() > most {
        return Err(Unreadable::TooLarge);
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(Unreadable::Io)?;
    if bytes.len() as u64 > most {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_what_was_asked_for_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(whole(&path, 5).unwrap(), b"12345");
        assert!(matches!(whole(&path, 4), Err(Unreadable::TooLarge)));
        assert!(matches!(
            whole(&dir.path().join("none"), 4),
            Err(Unreadable::Io(_))
        ));
        assert!(matches!(
            whole(dir.path(), 4),
            Err(Unreadable::NoFile("a directory"))
        ));
        // Says that it has no bytes, and gives them without end.
        assert!(matches!(
            whole(Path::new("/dev/zero"), 4),
            Err(Unreadable::NoFile("a device"))
        ));
    }
}
