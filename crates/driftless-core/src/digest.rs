//! Hashes that are stored, so their definition never changes: XXH3 with 64 bits, seed 0, over length-framed bytes.
//!
//! Source: the XXH3 specification of the xxHash project. Each value goes in as its length (4 bytes, little endian;
//! `ff ff ff ff` for null) followed by its bytes, so that no two different rows frame to the same bytes.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Hash of a row: over the columns in order.
pub fn row_hash<'v>(values: impl IntoIterator<Item = Option<&'v [u8]>>, frame: &mut Vec<u8>) -> i64 {
    frame.clear();
    for value in values {
        match value {
            None => frame.extend_from_slice(&u32::MAX.to_le_bytes()),
            Some(bytes) => {
                frame.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                frame.extend_from_slice(bytes);
            }
        }
    }
    xxh3_64(frame).cast_signed()
}

/// Fingerprint of one value. Null has a fingerprint of its own that no bytes share but by chance.
pub fn fingerprint(value: Option<&[u8]>) -> u64 {
    match value {
        None => NULL_FINGERPRINT,
        Some(bytes) => xxh3_64(bytes),
    }
}

/// Fingerprint of SQL null: a fixed value.
pub const NULL_FINGERPRINT: u64 = 0x6e75_6c6c_d71f_7e55;

/// Hash of a text that describes something (a plan): changes of it are changes of meaning.
pub fn text_hash(text: &str) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(text.as_bytes());
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_tells_rows_apart() {
        let mut frame = Vec::new();
        let one = row_hash([Some(&b"ab"[..]), Some(&b"c"[..])], &mut frame);
        let two = row_hash([Some(&b"a"[..]), Some(&b"bc"[..])], &mut frame);
        let three = row_hash([Some(&b"abc"[..]), None], &mut frame);
        assert!(one != two && two != three && one != three);
    }

    #[test]
    fn stored_hashes_never_change() {
        assert_eq!(fingerprint(Some(b"")), 0x2d06_8005_38d3_94c2);
        assert_eq!(
            row_hash([], &mut Vec::new()).cast_unsigned(),
            0x2d06_8005_38d3_94c2
        );
    }
}
