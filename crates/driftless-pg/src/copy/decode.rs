use std::fmt;

use driftless_core::batch::Cell;

use super::SIGNATURE;

/// Signature, flags and length of the extension.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;

/// What [`CopyDecoder::feed`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The input is used up within the header, a row or between rows.
    NeedMore,
    /// One row was appended.
    Row,
    /// One row was appended whose fields exceed the limit together: those that did not fit stand as nulls.
    TooLarge {
        /// The first field that did not fit, from 0.
        column: usize,
        /// The bytes that this field has.
        bytes: usize,
    },
    /// The trailer was read.
    End,
}

/// Why bytes are no binary COPY stream of so many columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormatError {
    /// The first bytes are not those of a binary COPY.
    Signature,
    /// Flags that change the format.
    Flags(u32),
    /// A row has another number of fields than the COPY has columns.
    Fields(i16),
    /// A length below -1.
    Length(i32),
    /// Something follows the trailer.
    BehindEnd,
    /// The arena would reach 4 GiB.
    ArenaFull,
}

impl fmt::Display for CopyFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyFormatError::Signature => f.write_str("a COPY stream does not begin as a binary one does"),
            CopyFormatError::Flags(flags) => write!(f, "a COPY stream has the unknown flags {flags:#x}"),
            CopyFormatError::Fields(fields) => write!(f, "a row of a COPY stream has {fields} fields"),
            CopyFormatError::Length(length) => write!(f, "a field of a COPY stream has the length {length}"),
            CopyFormatError::BehindEnd => f.write_str("a COPY stream goes on behind its end"),
            CopyFormatError::ArenaFull => f.write_str("a batch would reach 4 GiB"),
        }
    }
}

impl std::error::Error for CopyFormatError {}

/// Where in the stream the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Extension(usize),
    Row,
    FieldLength,
    Field { length: usize, left: usize },
    Skipped { left: usize },
    End,
}

/// Reads a binary COPY stream that arrives in pieces of any size.
///
/// Fields go into the caller's arena as they are, cells say where. A row that arrives in one piece is appended with
/// one copy. Nothing is allocated for what the bytes merely announce.
#[derive(Debug)]
pub struct CopyDecoder {
    columns: usize,
    /// Most bytes that a row's fields may have together.
    limit: usize,
    state: State,
    /// Bytes of a header, count or length that was cut by the end of a piece.
    cut: [u8; HEADER_BYTES],
    cut_len: usize,
    /// Fields of the current row that were read, and their bytes in the arena.
    fields: usize,
    row_bytes: usize,
    /// The first field of the current row that did not fit.
    oversized: Option<(usize, usize)>,
}

impl CopyDecoder {
    /// A stream of rows with so many columns, whose fields have at most `limit` bytes together.
    pub fn new(columns: usize, limit: usize) -> CopyDecoder {
        CopyDecoder {
            columns,
            limit,
            state: State::Header,
            cut: [0; HEADER_BYTES],
            cut_len: 0,
            fields: 0,
            row_bytes: 0,
            oversized: None,
        }
    }

    /// Whether the trailer was read.
    pub fn is_at_end(&self) -> bool {
        self.state == State::End
    }

    /// Reads on: how many bytes were used, and what they made. Appends at most one row; between two calls with
    /// the same row unfinished, arena and cells must be left as they are.
    ///
    /// # Errors
    /// If the bytes are no such stream. Nothing can be read from it any more, and the arena may end with half a row.
    pub fn feed(
        &mut self,
        input: &[u8],
        arena: &mut Vec<u8>,
        cells: &mut Vec<Cell>,
    ) -> Result<(usize, Step), CopyFormatError> {
        let mut rest = input;
        let step = self.advance(&mut rest, arena, cells)?;
        Ok((input.len() - rest.len(), step))
    }

    fn advance(
        &mut self,
        rest: &mut &[u8],
        arena: &mut Vec<u8>,
        cells: &mut Vec<Cell>,
    ) -> Result<Step, CopyFormatError> {
        loop {
            match self.state {
                State::Header => {
                    let Some(header) = self.take::<HEADER_BYTES>(rest) else {
                        return Ok(Step::NeedMore);
                    };
                    self.state = State::Extension(extension_length(&header)?);
                }
                State::Extension(left) => {
                    let left = left - skip(rest, left);
                    self.state = if left > 0 {
                        State::Extension(left)
                    } else {
                        State::Row
                    };
                    if left > 0 {
                        return Ok(Step::NeedMore);
                    }
                }
                State::Row => {
                    if self.cut_len == 0 && self.whole_row(rest, arena, cells)? {
                        return Ok(Step::Row);
                    }
                    let Some(count) = self.take::<2>(rest) else {
                        return Ok(Step::NeedMore);
                    };
                    if !self.begin_row(i16::from_be_bytes(count))? {
                        return Ok(Step::End);
                    }
                }
                State::FieldLength => {
                    if self.fields == self.columns {
                        return Ok(self.finish_row());
                    }
                    let Some(length) = self.take::<4>(rest) else {
                        return Ok(Step::NeedMore);
                    };
                    self.begin_field(i32::from_be_bytes(length), arena, cells)?;
                }
                State::Field { length, left } => {
                    let (here, behind) = rest.split_at(left.min(rest.len()));
                    arena.extend_from_slice(here);
                    *rest = behind;
                    let left = left - here.len();
                    if left > 0 {
                        self.state = State::Field { length, left };
                        return Ok(Step::NeedMore);
                    }
                    cells.push(Cell::new((arena.len() - length) as u32, length as u32));
                    self.state = State::FieldLength;
                }
                State::Skipped { left } => {
                    let left = left - skip(rest, left);
                    if left > 0 {
                        self.state = State::Skipped { left };
                        return Ok(Step::NeedMore);
                    }
                    self.state = State::FieldLength;
                }
                State::End if rest.is_empty() => return Ok(Step::End),
                State::End => return Err(CopyFormatError::BehindEnd),
            }
        }
    }

    /// Appends a row that lies in the input as a whole, with one copy of it, lengths included: the cells point
    /// between those. `false` leaves everything as it was, for the way byte by byte.
    fn whole_row(
        &self,
        rest: &mut &[u8],
        arena: &mut Vec<u8>,
        cells: &mut Vec<Cell>,
    ) -> Result<bool, CopyFormatError> {
        let Some((count, body)) = rest.split_first_chunk::<2>() else {
            return Ok(false);
        };
        if usize::try_from(i16::from_be_bytes(*count)) != Ok(self.columns) {
            return Ok(false);
        }
        let base = arena.len();
        let room = (u32::MAX as usize).saturating_sub(base);
        let before = cells.len();
        cells.reserve(self.columns);
        let mut at = 0;
        let mut row_bytes = 0;
        for _ in 0..self.columns {
            let Some(length) = body.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>()) else {
                cells.truncate(before);
                return Ok(false);
            };
            at += 4;
            let length = i32::from_be_bytes(*length);
            let Ok(length) = usize::try_from(length) else {
                if length != -1 {
                    return Err(CopyFormatError::Length(length));
                }
                cells.push(Cell::NULL);
                continue;
            };
            row_bytes += length;
            if length > body.len() - at || row_bytes > self.limit || at + length >= room {
                cells.truncate(before);
                return Ok(false);
            }
            cells.push(Cell::new((base + at) as u32, length as u32));
            at += length;
        }
        let (row, behind) = body.split_at(at);
        arena.extend_from_slice(row);
        *rest = behind;
        Ok(true)
    }

    /// Whether a row begins; else it is the end.
    fn begin_row(&mut self, count: i16) -> Result<bool, CopyFormatError> {
        if count == -1 {
            self.state = State::End;
            return Ok(false);
        }
        if usize::try_from(count) != Ok(self.columns) {
            return Err(CopyFormatError::Fields(count));
        }
        self.state = State::FieldLength;
        self.fields = 0;
        self.row_bytes = 0;
        self.oversized = None;
        Ok(true)
    }

    fn begin_field(
        &mut self,
        length: i32,
        arena: &[u8],
        cells: &mut Vec<Cell>,
    ) -> Result<(), CopyFormatError> {
        let column = self.fields;
        self.fields += 1;
        let Ok(left) = usize::try_from(length) else {
            cells.push(Cell::NULL);
            return if length == -1 {
                Ok(())
            } else {
                Err(CopyFormatError::Length(length))
            };
        };
        if left > self.limit - self.row_bytes {
            self.oversized = self.oversized.or(Some((column, left)));
            self.state = State::Skipped { left };
            cells.push(Cell::NULL);
            return Ok(());
        }
        if arena.len() + left >= u32::MAX as usize {
            return Err(CopyFormatError::ArenaFull);
        }
        self.row_bytes += left;
        self.state = State::Field { length: left, left };
        Ok(())
    }

    fn finish_row(&mut self) -> Step {
        self.state = State::Row;
        match self.oversized.take() {
            Some((column, bytes)) => Step::TooLarge { column, bytes },
            None => Step::Row,
        }
    }

    /// The next `N` bytes, across the ends of pieces.
    fn take<const N: usize>(&mut self, rest: &mut &[u8]) -> Option<[u8; N]> {
        if self.cut_len == 0
            && let Some((bytes, behind)) = rest.split_first_chunk::<N>()
        {
            *rest = behind;
            return Some(*bytes);
        }
        let wanted = (N - self.cut_len).min(rest.len());
        self.cut[self.cut_len..self.cut_len + wanted].copy_from_slice(&rest[..wanted]);
        self.cut_len += wanted;
        *rest = &rest[wanted..];
        if self.cut_len < N {
            return None;
        }
        self.cut_len = 0;
        self.cut.first_chunk::<N>().copied()
    }
}

/// Passes over at most so many bytes; how many there were.
fn skip(rest: &mut &[u8], bytes: usize) -> usize {
    let skipped = bytes.min(rest.len());
    *rest = &rest[skipped..];
    skipped
}

fn extension_length(header: &[u8; HEADER_BYTES]) -> Result<usize, CopyFormatError> {
    let (signature, words) = header.split_at(SIGNATURE.len());
    if signature != SIGNATURE {
        return Err(CopyFormatError::Signature);
    }
    let word = |at: usize| {
        words[at..]
            .first_chunk::<4>()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    // The upper half are flags that a reader must know; there is none that we do.
    if word(0) >> 16 != 0 {
        return Err(CopyFormatError::Flags(word(0)));
    }
    i32::try_from(word(4))
        .ok()
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(CopyFormatError::Length(word(4).cast_signed()))
}
