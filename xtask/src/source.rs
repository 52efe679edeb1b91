use std::ops::Range;

/// One Rust file in the forms that rules look at. All forms have the length of the text, so that an offset
/// means the same line in each.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// As it stands.
    pub(crate) text: String,
    /// Without comments and without what stands in strings.
    pub(crate) code: String,
    /// Without comments; strings stand.
    pub(crate) with_strings: String,
    /// The parts that only tests compile.
    tests: Vec<Range<usize>>,
}

impl Source {
    /// Reads a file's text; `all_test` for a file that only tests compile.
    pub(crate) fn new(text: &str, all_test: bool) -> Self {
        let mut code = text.as_bytes().to_vec();
        let mut with_strings = code.clone();
        for (range, what) in spans(text.as_bytes()) {
            blank(&mut code, range.clone());
            if what == Span::Comment {
                blank(&mut with_strings, range);
            }
        }
        let [code, with_strings] = [code, with_strings].map(|b| String::from_utf8_lossy(&b).into_owned());
        let tests = if all_test {
            std::iter::once(0..code.len()).collect()
        } else {
            test_parts(&code)
        };
        Self {
            text: text.to_owned(),
            code,
            with_strings,
            tests,
        }
    }

    /// Whether an offset lies in a part that only tests compile.
    pub(crate) fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|part| part.contains(&offset))
    }

    /// The line, counted from one, of an offset.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.code.as_bytes()[..offset]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    }

    /// Where `word` stands in the code, not as a part of a longer name.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        occurrences(&self.code, word)
    }

    /// As [`Source::words`], with strings looked into as well.
    pub(crate) fn words_with_strings(&self, word: &str) -> Vec<usize> {
        occurrences(&self.with_strings, word)
    }
}

fn occurrences(text: &str, word: &str) -> Vec<usize> {
    let part_of_name = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let starts_name = word.as_bytes().first().is_some_and(|b| part_of_name(Some(b)));
    let ends_name = word.as_bytes().last().is_some_and(|b| part_of_name(Some(b)));
    let bytes = text.as_bytes();
    let whole = |at: usize| {
        let before = at.checked_sub(1).and_then(|i| bytes.get(i));
        let joined_before = starts_name && part_of_name(before);
        let joined_after = ends_name && part_of_name(bytes.get(at + word.len()));
        !joined_before && !joined_after
    };
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| whole(*at))
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Comment,
    /// What stands between the quotes of a string or character.
    Text,
}

fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in &mut bytes[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Comments, and the insides of strings and characters, in order.
fn spans(bytes: &[u8]) -> Vec<(Range<usize>, Span)> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            let end = rest
                .iter()
                .position(|b| *b == b'\n')
                .map_or(bytes.len(), |n| at + n);
            spans.push((at..end, Span::Comment));
            at = end;
        } else if rest.starts_with(b"/*") {
            let end = at + block_comment(rest);
            spans.push((at..end, Span::Comment));
            at = end;
        } else if let Some((open, hashes)) = raw_string(bytes, at) {
            let inside = at + open;
            let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let end = find(&bytes[inside..], &close).map_or(bytes.len(), |n| inside + n);
            spans.push((inside..end, Span::Text));
            at = (end + close.len()).min(bytes.len());
        } else if rest[0] == b'"' {
            let end = closing(bytes, at + 1, b'"');
            spans.push((at + 1..end, Span::Text));
            at = end + 1;
        } else if rest[0] == b'\'' && is_character(rest) {
            let end = closing(bytes, at + 1, b'\'');
            spans.push((at + 1..end, Span::Text));
            at = end + 1;
        } else {
            at += 1;
        }
    }
    spans
}

/// Length of a block comment, which may contain others.
fn block_comment(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// At the `r` of a raw string: the length of its opening, and how many `#` close it.
fn raw_string(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let before = at.checked_sub(1).map(|i| bytes[i]);
    // `br"` and `cr"` open at their second letter; any other letter before makes the `r` a part of a name.
    let in_name = before.is_some_and(|b| (b.is_ascii_alphanumeric() && b != b'b' && b != b'c') || b == b'_');
    if bytes[at] != b'r' || in_name {
        return None;
    }
    let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some((hashes + 2, hashes))
}

/// At a quote: whether it opens a character, not a lifetime.
fn is_character(rest: &[u8]) -> bool {
    if rest.get(1) == Some(&b'\\') {
        return true;
    }
    let width = match rest.get(1) {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    rest.get(1 + width) == Some(&b'\'')
}

/// Where the quote stands that closes a string whose inside begins at `from`.
fn closing(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Items behind `#[cfg(test)]`, to their closing brace or semicolon.
fn test_parts(code: &str) -> Vec<Range<usize>> {
    let marks = code
        .match_indices("#[cfg(test)]")
        .chain(code.match_indices("#[cfg(all(test,"));
    marks
        .map(|(at, mark)| at..item_end(code, at + mark.len()))
        .collect()
}

fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b';' if depth == 0 => return offset + 1,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return offset + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_told_from_code() {
        let text = r##"let a = "x // no"; // yes
let b = r#"say "todo!" "#; /* out /* in */ out */ let c = '"'; let d: &'a str = b"\"q"; // é
let e = br"\"; let f = 'é'; var"##;
        let source = Source::new(text, false);
        assert_eq!(source.code.len(), text.len());
        let expected = r##"let a = " "; let b = r#" "#; let c = ' '; let d: &'a str = b" "; let e = br" "; let f = ' '; var"##;
        assert_eq!(
            source.code.split_whitespace().collect::<Vec<_>>().join(" "),
            expected
        );
        assert!(source.with_strings.contains("x // no") && !source.with_strings.contains("yes"));
    }

    #[test]
    fn test_parts_end_with_their_item() {
        let text =
            "#[cfg(test)]\nmod tests;\nfn a() {}\n#[cfg(test)]\nmod more { fn b() { {} } }\nfn c() {}\n";
        let source = Source::new(text, false);
        let at = |word: &str| source.is_test(source.words(word)[0]);
        assert_eq!(
            [at("tests"), at("a"), at("b"), at("c")],
            [true, false, true, false]
        );
        assert_eq!(source.line(source.words("c")[0]), 6);
        assert!(Source::new(text, true).is_test(source.words("c")[0]));
    }

    #[test]
    fn words_are_whole() {
        let source = Source::new("sleepy(); sleep(); asleep(); x.sleep(1)", false);
        assert_eq!(source.words("sleep(").len(), 2);
    }
}
