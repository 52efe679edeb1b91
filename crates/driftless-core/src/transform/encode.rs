//! Shaped rows as bytes for the target: tuples of binary COPY, and arrays to bind.

use crate::batch::Cell;
use crate::digest;
use crate::plan::{EvaluationInput, EvaluationSource, Mint};

use super::Shaper;
use super::shaped::Shaped;
use super::view::OWN;

/// What stands before the first tuple of a binary COPY: signature, no flags, no extension.
pub const COPY_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands behind the last tuple of a binary COPY.
pub const COPY_TRAILER: &[u8; 2] = b"\xff\xff";

/// What identities record of the run that writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the execution.
    pub execution: i64,
    /// The state of the identity, as the store numbers them.
    pub status: i16,
    /// Whether what the program produced stands in the target: only then fingerprints tell of what was offered.
    pub offered: bool,
}

impl Shaper<'_> {
    /// Appends the tuples of these rows to `out`: the program's outputs, in order. Rows at fault are left out.
    pub fn encode_rows(
        &self,
        shaped: &Shaped,
        rows: impl IntoIterator<Item = usize, IntoIter: Clone>,
        out: &mut Vec<u8>,
    ) {
        let arena = &shaped.batch.arena[..];
        let fields = (shaped.outputs.width() as u16).to_be_bytes();
        let whole = |row: &usize| !shaped.is_faulty(*row);
        let rows = rows.into_iter().filter(whole);
        let size = |row: usize| {
            shaped
                .outputs
                .row(row)
                .iter()
                .map(|cell| 4 + cell.size())
                .sum::<usize>()
        };
        // All at once: to grow is to copy again and again.
        let sizes = rows.clone().map(|row| fields.len() + size(row));
        out.reserve(sizes.sum::<usize>() + COPY_TRAILER.len());
        for row in rows {
            out.extend_from_slice(&fields);
            for cell in shaped.outputs.row(row) {
                put_cell(*cell, arena, out);
            }
        }
    }

    /// Appends the tuples of these rows for the entity's identity table: the key's inputs; the row's UUID, or the outputs
    /// that make the target's key, or nothing where only the target knows the place; row hash (int8); fingerprints of what was offered (bytea: 8 bytes for each output, big
    /// endian, see [`Shaper::fingerprint`]), or null; execution (int8); status (int2); true where a reference is null because
    /// the row that it means is not there, else null (bool). Rows at fault are left out.
    pub fn encode_identities(
        &self,
        shaped: &Shaped,
        stamp: Stamp,
        rows: impl IntoIterator<Item = usize, IntoIter: Clone>,
        out: &mut Vec<u8>,
    ) {
        let identity = &self.entity.identity;
        let columns: &[usize] = match &identity.mint {
            Mint::Columns(outputs) => outputs,
            _ => &[],
        };
        let targets = match identity.mint {
            Mint::Columns(_) => columns.len(),
            Mint::Place => 0,
            _ => 1,
        };
        let fields = ((identity.key.len() + targets + 5) as u16).to_be_bytes();
        let arena = &shaped.batch.arena[..];
        let mut frame = Vec::new();
        let rows = rows.into_iter().filter(|row| !shaped.is_faulty(*row));
        // Lengths, and all that is no key; a key is most often no longer than a UUID.
        let size =
            2 + (4 + 16) * (identity.key.len() + targets) + 12 + 4 + self.traits.len() * 8 + 12 + 6 + 5;
        out.reserve(rows.clone().count() * size + COPY_TRAILER.len());
        for row in rows {
            out.extend_from_slice(&fields);
            for part in &identity.key {
                put_cell(shaped.batch.cell(row, part.input), arena, out);
            }
            match &identity.mint {
                Mint::Columns(_) => columns
                    .iter()
                    .for_each(|output| put_cell(shaped.outputs.cell(row, *output), arena, out)),
                Mint::Place => {}
                _ => put_cell(shaped.keys.cell(row, OWN), arena, out),
            }
            put(&shaped.row_hash(row, &mut frame).to_be_bytes(), out);
            if stamp.offered {
                out.extend_from_slice(&(self.traits.len() as u32 * 8).to_be_bytes());
                for output in 0..self.traits.len() {
                    out.extend_from_slice(&self.fingerprint(shaped, row, output).to_be_bytes());
                }
            } else {
                out.extend_from_slice(NULL);
            }
            put(&stamp.execution.to_be_bytes(), out);
            put(&stamp.status.to_be_bytes(), out);
            if shaped.is_nulled(row) {
                put(&[1], out);
            } else {
                out.extend_from_slice(NULL);
            }
        }
    }

    /// Fingerprint of what is offered for an output: of its bytes; of an object with facts of the run, as if they were not
    /// in it; 0 for an output that is a fact of the run itself.
    pub fn fingerprint(&self, shaped: &Shaped, row: usize, output: usize) -> u64 {
        if self.entity.program.outputs[output].volatile {
            return 0;
        }
        match shaped.stable[output].get(row) {
            Some(fingerprint) => *fingerprint,
            None => digest::fingerprint(shaped.output(row, output)),
        }
    }

    /// Where the value of an input of the main or the target evaluation lies.
    pub fn evaluation_cell(&self, shaped: &Shaped, input: &EvaluationInput, row: usize) -> Cell {
        match input.from {
            EvaluationSource::Input(number) => shaped.batch.cell(row, number),
            EvaluationSource::Output(number) => shaped.outputs.cell(row, number),
            EvaluationSource::Id => match shaped.id(row) {
                Some(_) => shaped.keys.cell(row, OWN),
                None => Cell::NULL,
            },
        }
    }
}

/// The length of null.
const NULL: &[u8; 4] = &[0xff; 4];

/// Length and bytes.
fn put_cell(cell: Cell, arena: &[u8], out: &mut Vec<u8>) {
    match cell.bytes(arena) {
        Some(bytes) => put(bytes, out),
        None => out.extend_from_slice(NULL),
    }
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A one-dimensional array in binary form, ready to bind: dimensions, whether there are nulls, the element's oid, length, lower
/// bound 1, elements. PostgreSQL's empty array has no dimension.
pub fn array(element: u32, cells: impl Iterator<Item = Cell>, arena: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let header = out.len();
    out.extend_from_slice(&[0; 20]);
    let (mut count, mut nulls) = (0u32, 0u32);
    for cell in cells {
        count += 1;
        nulls |= u32::from(cell.is_null());
        put_cell(cell, arena, &mut out);
    }
    let fields = [u32::from(count > 0), nulls, element, count, 1];
    for (at, field) in fields.iter().enumerate() {
        out[header + at * 4..header + at * 4 + 4].copy_from_slice(&field.to_be_bytes());
    }
    if count == 0 {
        out.truncate(header + 12);
    }
    out
}
