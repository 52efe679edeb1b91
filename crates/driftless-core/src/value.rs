//! Single values in PostgreSQL's binary form: reading them, and printing them exactly as PostgreSQL does.
//!
//! Everything here is total: bytes that are no value of the type give `None`, never a panic.

mod numeric;
/// Texts of dates, times and floating-point numbers, for people to read.
pub mod text;

pub use numeric::Numeric;

/// The integer in `bytes`: big endian, 2, 4 or 8 bytes. `None` for any other length.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    match *bytes {
        [a, b] => Some(i64::from(i16::from_be_bytes([a, b]))),
        [a, b, c, d] => Some(i64::from(i32::from_be_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Some(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

/// The boolean in `bytes`: one byte, 0 or 1.
pub fn boolean(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

/// A text of at most 36 bytes that needs no allocation: an integer's digits or a uuid.
#[derive(Debug, Clone, Copy)]
pub struct ShortText {
    bytes: [u8; 36],
    start: u8,
}

impl ShortText {
    /// The decimal digits of `number`, with a leading `-` where it is negative.
    pub fn integer(number: i64) -> ShortText {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(number).as_bytes();
        let mut bytes = [0; 36];
        let start = bytes.len() - digits.len();
        bytes[start..].copy_from_slice(digits);
        ShortText {
            bytes,
            start: start as u8,
        }
    }

    /// A uuid in lower case with hyphens.
    pub fn uuid(uuid: [u8; 16]) -> ShortText {
        let mut bytes = [0; 36];
        uuid::Uuid::from_bytes(uuid).hyphenated().encode_lower(&mut bytes);
        ShortText { bytes, start: 0 }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// Appends `text` as a JSON string, quotes included, escaped as PostgreSQL's `escape_json` does: `\b \f \n \r \t \" \\`,
/// other bytes below 0x20 as `\u00` and two lower-case hexadecimal digits, everything else (0x7f, UTF-8) as it is.
pub fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(position) = rest.iter().position(|byte| needs_escape(*byte)) {
        out.extend_from_slice(&rest[..position]);
        write_escape(rest[position], out);
        rest = &rest[position + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        b'"' | b'\\' => byte,
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0x0f)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width() {
        assert_eq!(integer(&(-2i16).to_be_bytes()), Some(-2));
        assert_eq!(integer(&i32::MIN.to_be_bytes()), Some(i64::from(i32::MIN)));
        assert_eq!(integer(&i64::MIN.to_be_bytes()), Some(i64::MIN));
        for length in [0, 1, 3, 5, 6, 7, 9] {
            assert_eq!(integer(&vec![1; length]), None);
        }
    }

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, -1, 9, 10, -10, 1_234_567_890, i64::MAX, i64::MIN] {
            assert_eq!(
                ShortText::integer(number).as_bytes(),
                number.to_string().as_bytes()
            );
        }
    }

    #[test]
    fn json_strings_are_escaped_as_postgresql_does() {
        let cases: [(&[u8], &str); 6] = [
            (b"", r#""""#),
            (b"plain", r#""plain""#),
            (b"a\"b\\c/d", r#""a\"b\\c/d""#),
            (b"\x08\x0c\n\r\t", r#""\b\f\n\r\t""#),
            (b"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""),
            ("é😀\u{2028}".as_bytes(), "\"é😀\u{2028}\""),
        ];
        for (text, expected) in cases {
            let mut out = Vec::new();
            write_json_string(text, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn booleans_are_one_byte() {
        assert_eq!(boolean(&[1]), Some(true));
        assert_eq!(boolean(&[0]), Some(false));
        assert_eq!(boolean(&[2]), None);
        assert_eq!(boolean(&[]), None);
    }
}
