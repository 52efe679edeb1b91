//! Texts of a source in SQL_ASCII, whose server vouches for no encoding: they are read as UTF-8. A key that is none is shown
//! as `encode(…, 'escape')` of PostgreSQL writes it (`Ren\351`), so that its row is on record under a text that everybody can read,
//! and is found again by it.

use std::borrow::Cow;

use driftless_core::name::quote_literal;

/// Hexadecimal digits of bytes that are UTF-8.
const UTF8: &str = "^([0-7][0-9a-f]|(c[2-9a-f]|d[0-9a-f])[89ab][0-9a-f]|e0[ab][0-9a-f][89ab][0-9a-f]|(e[1-9a-cef])([89ab][0-9a-f]){2}\
    |ed[89][0-9a-f][89ab][0-9a-f]|f0[9ab][0-9a-f]([89ab][0-9a-f]){2}|f[1-3]([89ab][0-9a-f]){3}|f48[0-9a-f]([89ab][0-9a-f]){2})*$";

/// The text if it is UTF-8, else its bytes, escaped.
pub fn shown(bytes: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::new();
    for byte in bytes {
        match byte {
            0 | 0x80.. => out.extend(format!("\\{byte:03o}").into_bytes()),
            b'\\' => out.extend(b"\\\\"),
            _ => out.push(*byte),
        }
    }
    Cow::Owned(out)
}

/// SQL of the same over a text of the source.
pub fn shown_sql(text: &str) -> String {
    let bytes = format!("pg_catalog.convert_to({text}, 'SQL_ASCII')");
    format!(
        "CASE WHEN pg_catalog.encode({bytes}, 'hex') ~ '{UTF8}' THEN {text} ELSE pg_catalog.encode({bytes}, 'escape') END"
    )
}

/// SQL of the text that is shown so.
pub fn literal(shown: &str) -> String {
    if is_escaped(shown) {
        let escaped = quote_literal(shown);
        format!("pg_catalog.convert_from(pg_catalog.decode({escaped}, 'escape'), 'SQL_ASCII')")
    } else {
        quote_literal(shown)
    }
}

/// Whether it shows bytes beyond ASCII, and none as they are.
fn is_escaped(shown: &str) -> bool {
    let octal = |three: &[u8]| three.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    let high = |four: &[u8]| matches!(four, [b'\\', b'2' | b'3', rest @ ..] if octal(rest));
    shown.is_ascii() && shown.as_bytes().windows(4).any(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_shown_as_postgresql_escapes_it() {
        assert_eq!(*shown("René \\".as_bytes()), *"René \\".as_bytes());
        assert_eq!(*shown(b"Ren\xe9 \\ \xc3\xa9"), *br"Ren\351 \\ \303\251");
        assert!(is_escaped(r"Ren\351"));
        assert!(!is_escaped(r"Ren\151") && !is_escaped(r"é\351") && !is_escaped(r"Ren\35"));
    }
}
