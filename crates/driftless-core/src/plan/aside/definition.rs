//! What `pg_get_indexdef` says, taken apart as far as a proof of uniqueness needs it.
//!
//! Only PostgreSQL's own output is read here: it never holds comments or dollar quotes, and quotes inside quotes are
//! doubled. What is not understood is `None`, and the caller asks PostgreSQL itself.

/// An index definition in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexText<'t> {
    /// Everything from `USING` on: what another table needs for the same index.
    pub(super) body: &'t str,
    /// The key items with their collations, without operator class and direction.
    pub(super) keys: Vec<String>,
    /// Whether every item uses its type's default operator class.
    pub(super) default_classes: bool,
    /// Whether nulls equal each other.
    pub(super) nulls_not_distinct: bool,
    /// The predicate.
    pub(super) predicate: Option<&'t str>,
}

/// Takes a definition apart.
pub(super) fn parse(definition: &str) -> Option<IndexText<'_>> {
    let mut units = Units::new(definition);
    units.word("CREATE")?;
    let _ = units.word("UNIQUE");
    units.word("INDEX")?;
    units.name()?;
    units.word("ON")?;
    let _ = units.word("ONLY");
    units.name()?;
    let body = &definition[units.at()..];
    units.word("USING")?;
    units.name()?;
    let list = units.group()?;
    let items = split_list(list)
        .into_iter()
        .map(key_item)
        .collect::<Option<Vec<_>>>()?;
    let mut text = IndexText {
        body,
        default_classes: items.iter().all(|(_, default_class)| *default_class),
        keys: items.into_iter().map(|(sql, _)| sql).collect(),
        nulls_not_distinct: false,
        predicate: None,
    };
    if units.word("INCLUDE").is_some() {
        units.group()?;
    }
    if units.word("NULLS").is_some() {
        units.word("NOT")?;
        units.word("DISTINCT")?;
        text.nulls_not_distinct = true;
    }
    if units.word("WITH").is_some() {
        units.group()?;
    }
    if units.word("TABLESPACE").is_some() {
        units.name()?;
    }
    if units.word("WHERE").is_some() {
        text.predicate = Some(&definition[units.at()..]);
    } else if !units.done() {
        return None;
    }
    Some(text)
}

/// One key item: its expression with its collation, and whether its operator class is the default.
fn key_item(item: &str) -> Option<(String, bool)> {
    let mut units = Units::new(item);
    let expression_end = units.expression()?;
    let mut sql = item[..expression_end].trim().to_owned();
    let mut default_class = true;
    while !units.done() {
        if units.word("COLLATE").is_some() {
            let start = units.at();
            units.name()?;
            sql = format!("{sql} COLLATE {}", item[start..units.position].trim());
        } else if units.word("ASC").is_some() || units.word("DESC").is_some() {
        } else if units.word("NULLS").is_some() {
            units.word("FIRST").or_else(|| units.word("LAST"))?;
        } else {
            default_class = false;
            units.next()?;
        }
    }
    Some((sql, default_class))
}

/// Splits at commas that are neither quoted nor in parentheses.
fn split_list(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut position = 0;
    while position < list.len() {
        if list.as_bytes()[position] == b',' {
            parts.push(list[start..position].trim());
            start = position + 1;
        }
        position = unit_end(list, position).unwrap_or(list.len());
    }
    parts.push(list[start..].trim());
    parts
}

/// A position in a text that moves over whole units: words, quoted texts, groups in parentheses, single signs.
struct Units<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Units<'t> {
    fn new(text: &'t str) -> Units<'t> {
        Units { text, position: 0 }
    }

    /// Where the next unit starts.
    fn at(&self) -> usize {
        let rest = &self.text[self.position..];
        self.position + (rest.len() - rest.trim_start().len())
    }

    fn done(&self) -> bool {
        self.at() == self.text.len()
    }

    fn next(&mut self) -> Option<&'t str> {
        let start = self.at();
        let end = unit_end(self.text, start)?;
        self.position = end;
        Some(&self.text[start..end])
    }

    /// Moves on if the next unit is this word.
    fn word(&mut self, word: &str) -> Option<()> {
        let start = self.at();
        let end = unit_end(self.text, start)?;
        (&self.text[start..end] == word).then(|| self.position = end)
    }

    /// Moves over a name with or without a schema.
    fn name(&mut self) -> Option<()> {
        self.next().filter(|unit| is_name(unit))?;
        while self.text[self.position..].starts_with('.') {
            self.position += 1;
            self.next().filter(|unit| is_name(unit))?;
        }
        Some(())
    }

    /// The inside of the parentheses that come next.
    fn group(&mut self) -> Option<&'t str> {
        let unit = self.next()?;
        unit.strip_prefix('(')?.strip_suffix(')')
    }

    /// Moves over a column, a call or an expression in parentheses, and says where it ends.
    fn expression(&mut self) -> Option<usize> {
        if self.text[self.at()..].starts_with('(') {
            self.next()?;
        } else {
            self.name()?;
            if self.text[self.position..].starts_with('(') {
                self.next()?;
            }
        }
        Some(self.position)
    }
}

fn is_name(unit: &str) -> bool {
    unit.bytes()
        .next()
        .is_some_and(|first| first == b'"' || is_word(first))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The end of the unit that starts here; `None` at the end of the text or where something stays open.
fn unit_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match *bytes.get(start)? {
        quote @ (b'"' | b'\'') => quoted_end(bytes, start, quote),
        b'(' => {
            let mut at = start + 1;
            while *bytes.get(at)? != b')' {
                at = unit_end(text, at)?;
            }
            Some(at + 1)
        }
        first if is_word(first) => {
            let length = bytes[start..].iter().take_while(|byte| is_word(**byte)).count();
            Some(start + length)
        }
        _ => Some(start + 1),
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == quote)? + 1;
        if bytes.get(at) != Some(&quote) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_columns_and_options() {
        let text = parse(
            "CREATE UNIQUE INDEX \"Odd \"\"ix\" ON ONLY public.\"a.b (c)\" USING btree (a, \"B,c\" DESC NULLS LAST) \
             INCLUDE (d) NULLS NOT DISTINCT WITH (fillfactor='70') WHERE (NOT (a = ')'::text))",
        )
        .unwrap();
        assert_eq!(text.keys, ["a", "\"B,c\""]);
        assert!(text.default_classes && text.nulls_not_distinct);
        assert_eq!(text.predicate, Some("(NOT (a = ')'::text))"));
        assert!(text.body.starts_with("USING btree (a, "));
    }

    #[test]
    fn expressions_collations_and_classes() {
        let text = parse(
            "CREATE UNIQUE INDEX i ON s.t USING btree (lower(email), (((a || ','::text) || b)), app.\"F\"(x) DESC, \
             name COLLATE \"C\")",
        )
        .unwrap();
        assert_eq!(
            text.keys,
            [
                "lower(email)",
                "(((a || ','::text) || b))",
                "app.\"F\"(x)",
                "name COLLATE \"C\""
            ]
        );
        assert!(text.default_classes);
        let class = parse(
            "CREATE UNIQUE INDEX i ON s.t USING btree (name COLLATE extensions.ci text_pattern_ops, b)",
        )
        .unwrap();
        assert_eq!(class.keys, ["name COLLATE extensions.ci", "b"]);
        assert!(!class.default_classes);
    }

    #[test]
    fn what_is_not_understood_is_none() {
        for text in [
            "",
            "CREATE INDEX",
            "CREATE INDEX a ON b USING btree (a",
            "CREATE INDEX a ON b USING x (a) ODD",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
