use driftless_core::batch::Cell;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::{option, prop_oneof};

use super::{CopyDecoder, CopyEncoder, CopyFormatError, SIGNATURE, Step};

type Values = Vec<Vec<Option<Vec<u8>>>>;

/// A stream of these rows.
fn encoded(rows: &Values) -> Vec<u8> {
    let mut encoder = CopyEncoder::new();
    encoder.header();
    for row in rows {
        encoder.row(row.len() as u16);
        for value in row {
            encoder.field(value.as_deref());
        }
    }
    encoder.trailer();
    encoder.take().to_vec()
}

/// Rows read, columns that were too large, and how it ended.
struct Decoded {
    rows: Values,
    too_large: Vec<(usize, usize)>,
    at_end: bool,
}

/// Reads a stream in pieces of these sizes, over and over.
fn decode(stream: &[u8], columns: usize, limit: usize, sizes: &[usize]) -> Result<Decoded, CopyFormatError> {
    let mut decoder = CopyDecoder::new(columns, limit);
    let (mut arena, mut cells) = (Vec::new(), Vec::new());
    let mut too_large = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = stream;
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        rest = behind;
        while !piece.is_empty() {
            let (used, step) = decoder.feed(piece, &mut arena, &mut cells)?;
            assert!(used > 0 || step == Step::Row, "no progress");
            piece = &piece[used..];
            if let Step::TooLarge { column, bytes } = step {
                too_large.push((column, bytes));
            }
        }
    }
    // What is announced is never allocated ahead: a length word costs no more than the bytes that are there.
    assert!(
        arena.capacity() <= 2 * stream.len() + 64,
        "{} for {}",
        arena.capacity(),
        stream.len()
    );
    let value = |cell: &Cell| cell.bytes(&arena).map(<[u8]>::to_vec);
    let rows = cells
        .chunks_exact(columns)
        .map(|row| row.iter().map(value).collect());
    Ok(Decoded {
        rows: rows.collect(),
        too_large,
        at_end: decoder.is_at_end(),
    })
}

fn rows() -> impl Strategy<Value = (usize, Values)> {
    (1usize..6).prop_flat_map(|columns| {
        let field = option::weighted(0.8, vec(any::<u8>(), 0..40));
        (proptest::strategy::Just(columns), vec(vec(field, columns), 0..12))
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        proptest::strategy::Just(vec![1]),
        proptest::strategy::Just(vec![usize::MAX]),
        vec(1usize..50, 1..8),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_rows((columns, rows) in rows(), sizes in sizes()) {
        let decoded = decode(&encoded(&rows), columns, usize::MAX >> 1, &sizes).unwrap();
        prop_assert_eq!(decoded.rows, rows);
        prop_assert!(decoded.at_end);
        prop_assert!(decoded.too_large.is_empty());
    }

    #[test]
    fn rows_beyond_the_limit_keep_what_fits((columns, rows) in rows(), sizes in sizes(), limit in 0usize..80) {
        let decoded = decode(&encoded(&rows), columns, limit, &sizes).unwrap();
        // The rule, written down a second time: a field stays if the row so far and it are within the limit.
        let mut too_large = Vec::new();
        let expected: Values = rows.iter().map(|row| {
            let (mut kept, mut first) = (0, None);
            let row = row.iter().enumerate().map(|(column, value)| {
                let size = value.as_ref().map_or(0, Vec::len);
                if kept + size > limit {
                    first = first.or(Some((column, size)));
                    return None;
                }
                kept += size;
                value.clone()
            }).collect();
            too_large.extend(first);
            row
        }).collect();
        prop_assert_eq!(decoded.rows, expected);
        prop_assert_eq!(decoded.too_large, too_large);
        prop_assert!(decoded.at_end);
    }

    #[test]
    fn broken_streams_end_in_an_error_or_in_order(
        (columns, rows) in rows(),
        sizes in sizes(),
        breaks in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut stream = encoded(&rows);
        for (at, byte) in breaks {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        stream.truncate(cut.index(stream.len() + 1));
        // Not a panic, not a loop, not a large allocation: decode() asserts all three.
        drop(decode(&stream, columns, 1 << 20, &sizes));
    }

    #[test]
    fn a_stream_that_is_cut_is_not_at_its_end((columns, rows) in rows(), sizes in sizes(), cut in any::<proptest::sample::Index>()) {
        let stream = encoded(&rows);
        let decoded = decode(&stream[..cut.index(stream.len())], columns, 1 << 20, &sizes).unwrap();
        prop_assert!(!decoded.at_end);
        prop_assert!(rows.starts_with(&decoded.rows));
    }

    #[test]
    fn noise_is_refused(noise in vec(any::<u8>(), 19..200), sizes in sizes()) {
        if !noise.starts_with(SIGNATURE) {
            prop_assert!(decode(&noise, 3, 1 << 20, &sizes).is_err());
        }
    }
}

/// The error of a stream, which both ways of reading it must agree on.
fn fault(stream: &[u8]) -> CopyFormatError {
    let bytewise = decode(stream, 2, 100, &[1]).err().expect("an error");
    let whole = decode(stream, 2, 100, &[usize::MAX]).err().expect("an error");
    assert_eq!(bytewise, whole);
    whole
}

#[test]
fn every_fault_has_its_name() {
    let good = encoded(&vec![vec![Some(b"ab".to_vec()), None]]);
    let with = |at: usize, bytes: &[u8]| {
        let mut stream = good.clone();
        stream[at..at + bytes.len()].copy_from_slice(bytes);
        stream
    };
    assert_eq!(fault(&with(0, b"X")), CopyFormatError::Signature);
    assert_eq!(fault(&with(11, &[0, 1, 0, 0])), CopyFormatError::Flags(0x1_0000));
    assert_eq!(fault(&with(15, &[255; 4])), CopyFormatError::Length(-1));
    assert_eq!(fault(&with(19, &[0, 3])), CopyFormatError::Fields(3));
    assert_eq!(fault(&with(19, &[255, 254])), CopyFormatError::Fields(-2));
    assert_eq!(
        fault(&with(21, &[255, 255, 255, 254])),
        CopyFormatError::Length(-2)
    );
    let mut behind = good.clone();
    behind.push(0);
    assert_eq!(fault(&behind), CopyFormatError::BehindEnd);
}

#[test]
fn unknown_lower_flags_and_extensions_are_passed_over() {
    let mut stream = encoded(&vec![vec![None, Some(Vec::new())]]);
    stream[14] = 1;
    stream[18] = 3;
    stream.splice(19..19, [9, 9, 9]);
    for sizes in [1, 7, usize::MAX] {
        let decoded = decode(&stream, 2, 100, &[sizes]).unwrap();
        assert_eq!(decoded.rows, vec![vec![None, Some(Vec::new())]]);
        assert!(decoded.at_end);
    }
}

#[test]
fn a_stream_without_its_trailer_is_not_at_its_end() {
    let stream = encoded(&vec![vec![Some(b"a".to_vec())]]);
    let decoded = decode(&stream[..stream.len() - 2], 1, 100, &[usize::MAX]).unwrap();
    assert_eq!(decoded.rows.len(), 1);
    assert!(!decoded.at_end);
}
