//! A file that makes room for itself.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Appends to `path` until it holds `limit` bytes, then renames it to `path.1`, `path.1` to `path.2` and so on, of
/// which `kept` stay. Several processes may append to one file: each line is one write, and a process that finds the file
/// renamed by another goes on in the new one.
pub(super) struct Rotating {
    path: PathBuf,
    limit: u64,
    kept: usize,
    file: File,
}

impl Rotating {
    pub(super) fn open(path: &Path, limit: u64, kept: usize) -> io::Result<Rotating> {
        Ok(Rotating {
            path: path.to_owned(),
            limit,
            kept,
            file: append(path)?,
        })
    }

    /// Makes sure that the next line goes to a file with room for it.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        loop {
            let ours = self.file.metadata()?;
            if ours.len() == 0 || ours.len() + bytes <= self.limit {
                return Ok(());
            }
            let current = fs::metadata(&self.path).ok();
            if current.is_some_and(|current| (current.dev(), current.ino()) == (ours.dev(), ours.ino())) {
                self.rename_all()?;
            }
            // Ours, new; or another process's, which may be full as well.
            self.file = append(&self.path)?;
        }
    }

    fn rename_all(&self) -> io::Result<()> {
        for number in (1..self.kept).rev() {
            let from = self.numbered(number);
            if from.exists() {
                fs::rename(from, self.numbered(number + 1))?;
            }
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// Readable by the owner and the group only: keys of rows may be in it.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.make_room(line.len() as u64)?;
        self.file.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lab.log");
        let mut log = Rotating::open(&path, 10, 2).unwrap();
        for line in ["one 4567\n", "two 4567\n", "three 67\n", "four 567\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        assert_eq!(read("lab.log"), "four 567\n");
        assert_eq!(read("lab.log.1"), "three 67\n");
        assert_eq!(read("lab.log.2"), "two 4567\n");
        assert_eq!(read("lab.log.3"), "");
    }

    #[test]
    fn two_processes_share_a_file_and_lose_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lab.log");
        let mut ours = Rotating::open(&path, 10, 2).unwrap();
        let mut other = Rotating::open(&path, 10, 2).unwrap();
        ours.write_all(b"ours 678\n").unwrap();
        other.write_all(b"other 78\n").unwrap();
        ours.write_all(b"again 78\n").unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        assert_eq!(read("lab.log"), "again 78\n");
        assert_eq!(read("lab.log.1"), "other 78\n");
        assert_eq!(read("lab.log.2"), "ours 678\n");
    }
}
