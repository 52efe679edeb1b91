//! Connection strings in the text of a mapping, made unreadable before any of it is shown.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// The text with asterisks for its secrets, byte for byte as long as before, so that places stay true. References to
/// variables stay readable.
pub(crate) fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let (table, errors) = DeTable::parse_recoverable(text);
    for section in ["source", "target"] {
        let url = table
            .get_ref()
            .get(section)
            .and_then(|section| section.get_ref().get("url"));
        if let Some(url) = url
            && matches!(url.get_ref(), DeValue::String(_))
        {
            mask(text, url.span(), &mut bytes);
        }
    }
    if !errors.is_empty() {
        // Where the text does not parse, a connection string may stand in no table: whatever looks like one counts.
        for line in lines(text) {
            if let Some(value) = url_value(&text[line.clone()]) {
                mask(text, line.start + value..line.end, &mut bytes);
            }
        }
    }
    for secret in passwords(text) {
        mask(text, secret, &mut bytes);
    }
    // Every masked letter became as many asterisks as it has bytes, so this is text again.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        range
    })
}

/// Where the value begins in a line that gives a `url`.
fn url_value(line: &str) -> Option<usize> {
    let at = line.find("url")?;
    let rest = &line[at + 3..];
    let equals = rest.find('=')?;
    rest[..equals]
        .chars()
        .all(|letter| letter == '"' || letter == '\'' || letter.is_whitespace())
        .then_some(at + 3 + equals + 1)
}

/// Passwords wherever they stand: `://user:PASSWORD@` and `password=PASSWORD`.
fn passwords(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let length = text[start..]
            .find(|letter: char| letter.is_whitespace() || letter == '"' || letter == '\'')
            .unwrap_or(text.len() - start);
        let authority = &text[start..start + length];
        if let (Some(colon), Some(end)) = (authority.find(':'), authority.rfind('@'))
            && colon < end
        {
            found.push(start + colon + 1..start + end);
        }
    }
    let lower = text.to_ascii_lowercase();
    for (at, key) in lower.match_indices("password=") {
        let start = at + key.len();
        let rest = &text[start..];
        let length = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map_or(rest.len(), |end| end + 2),
            None => rest
                .find(|letter: char| letter.is_whitespace() || letter == '"' || letter == '&')
                .unwrap_or(rest.len()),
        };
        found.push(start..start + length);
    }
    found
}

/// Puts asterisks over a range, but for quotes at its ends, line breaks and `${NAME}`.
fn mask(text: &str, range: Range<usize>, bytes: &mut [u8]) {
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        if let Some(inside) = rest.strip_prefix("${") {
            let name = inside
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .unwrap_or(inside.len());
            at += 2 + name;
            // The default behind the name may be a secret; the brace that ends it is none.
            let after = &text[at..range.end];
            at += if after.starts_with(":-") { 2 } else { 0 };
            continue;
        }
        let Some(letter) = rest.chars().next() else {
            return;
        };
        let end = at + letter.len_utf8();
        let shown = matches!(letter, '"' | '\'' | '}' | '\n' | '\r' | ' ');
        if !shown {
            bytes[at..end].fill(b'*');
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::masked;

    #[test]
    fn connection_strings_are_covered_and_nothing_else() {
        for (text, shown) in [
            (
                "[source]\nurl = \"postgres://u:p@h/d\"\nzone = \"UTC\"\n",
                "[source]\nurl = \"******************\"\nzone = \"UTC\"\n",
            ),
            (
                "source = { url = 'host=x password=é' }",
                "source = { url = '****** ***********' }",
            ),
            (
                "[target]\nurl = \"${URL:-postgres://x}\"",
                "[target]\nurl = \"${URL:-************}\"",
            ),
            (
                "[entities.a.columns]\nurl = \"link\"",
                "[entities.a.columns]\nurl = \"link\"",
            ),
            ("[source\nurl = \"abc\"", "[source\nurl = \"***\""),
            ("urll = \"pg://u:secret@h\"", "urll = \"pg://u:******@h\""),
            (
                "x = \"user=a PASSWORD='b c' x\"",
                "x = \"user=a PASSWORD='* *' x\"",
            ),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    proptest! {
        #[test]
        fn masking_keeps_every_place(text in r#"(\[source\]\n)?(url|a|x) ?= ?["']?.{0,40}["']?\n?"#) {
            let shown = masked(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }

        #[test]
        fn a_password_is_never_shown(secret in "[a-z0-9]{8,20}", broken in any::<bool>(), form in 0..3) {
            let url = match form {
                0 => format!("postgres://u:{secret}@localhost/db"),
                1 => format!("host=localhost password={secret}"),
                _ => format!("postgres://localhost/db?password={secret}&sslmode=require"),
            };
            let end = if broken { "" } else { "\"" };
            let shown = masked(&format!("[source]\nurl = \"{url}{end}\n"));
            prop_assert!(!shown.contains(&secret), "{}", shown);
        }
    }
}
