use bytes::{BufMut, Bytes, BytesMut};

use crate::pipeline::{HEADER, TRAILER};

/// Builds a binary COPY stream: a header, rows of fields, a trailer. What was built is taken off in pieces of any size.
#[derive(Debug, Default)]
pub struct CopyEncoder {
    buffer: BytesMut,
    /// Fields that the current row still lacks.
    missing: u16,
}

impl CopyEncoder {
    /// An empty stream.
    pub fn new() -> CopyEncoder {
        CopyEncoder::default()
    }

    /// What every stream begins with.
    pub fn header(&mut self) {
        self.buffer.put_slice(HEADER);
    }

    /// Begins a row; so many fields must follow. A table has at most 1,600 columns.
    pub fn row(&mut self, fields: u16) {
        debug_assert_eq!(
            self.missing, 0,
            "a row begins before the last one has all its fields"
        );
        self.missing = fields;
        self.buffer.put_u16(fields);
    }

    /// A field in binary form, or a null. One field is far smaller than the 1 GiB that PostgreSQL can hold.
    pub fn field(&mut self, value: Option<&[u8]>) {
        debug_assert!(self.missing > 0, "a field too many");
        self.missing = self.missing.saturating_sub(1);
        match value {
            Some(value) => {
                self.buffer.put_u32(value.len() as u32);
                self.buffer.put_slice(value);
            }
            None => self.buffer.put_i32(-1),
        }
    }

    /// What every stream ends with.
    pub fn trailer(&mut self) {
        debug_assert_eq!(self.missing, 0, "the stream ends within a row");
        self.buffer.put_slice(TRAILER);
    }

    /// Bytes built and not yet taken.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing is there to take.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Takes what was built.
    pub fn take(&mut self) -> Bytes {
        let taken = self.buffer.split();
        // The next piece will be about as large; reserving at once spares the doubling.
        self.buffer.reserve(taken.len());
        taken.freeze()
    }
}
