//! Binary COPY out of a server: any bytes, in pieces of any size. Rows are the same however the bytes were cut, memory
//! stays within what arrived, and what was read is written back byte for byte.
#![no_main]

use driftless_core::batch::Cell;
use driftless_pg::CopyEncoder;
use driftless_pg::copy::{CopyDecoder, Step};
use libfuzzer_sys::fuzz_target;

type Row = Vec<Option<Vec<u8>>>;

/// Rows, whether the trailer came, and whether the stream is broken.
fn read(bytes: &[u8], columns: usize, piece: usize) -> (Vec<Row>, bool, bool) {
    let (mut decoder, mut rows) = (CopyDecoder::new(columns, 1 << 16), Vec::new());
    let (mut arena, mut cells): (Vec<u8>, Vec<Cell>) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        let mut rest = piece;
        loop {
            let Ok((used, step)) = decoder.feed(rest, &mut arena, &mut cells) else {
                return (rows, false, true);
            };
            assert!(
                arena.capacity() <= 4 * bytes.len() + 1024,
                "memory for bytes that never came"
            );
            rest = &rest[used..];
            match step {
                // What stands behind the trailer is an error, whether it came with it or later.
                Step::NeedMore | Step::End if rest.is_empty() => break,
                Step::NeedMore | Step::End => {}
                Step::Row | Step::TooLarge { .. } => {
                    assert_eq!(cells.len(), columns);
                    let field = |cell: &Cell| cell.bytes(&arena).map(<[u8]>::to_vec);
                    rows.push(cells.iter().map(field).collect());
                    arena.clear();
                    cells.clear();
                }
            }
        }
    }
    (rows, decoder.is_at_end(), false)
}

fuzz_target!(|input: &[u8]| {
    let [columns, piece, bytes @ ..] = input else {
        return;
    };
    let (columns, piece) = (usize::from(columns % 8), 1 + usize::from(*piece));
    let (rows, ended, broken) = read(bytes, columns, bytes.len().max(1));
    assert!(
        (rows.clone(), ended, broken) == read(bytes, columns, piece),
        "pieces make other rows"
    );
    let mut encoder = CopyEncoder::new();
    encoder.header();
    for row in &rows {
        encoder.row(u16::try_from(row.len()).expect("at most eight columns"));
        row.iter().for_each(|field| encoder.field(field.as_deref()));
    }
    encoder.trailer();
    assert!(
        (rows, true, false) == read(&encoder.take(), columns, piece),
        "what is written is not what was read"
    );
});
