//! `:id` and `:COLUMN` in SQL expressions of a mapping, found by reading the SQL as PostgreSQL's lexer does.
//!
//! A placeholder is a colon and an identifier (`:office_id`), or a colon and a quoted one (`:"odd column"`). Nothing is
//! one inside strings (`'…'`, `E'…'`, `$tag$…$tag$`), quoted identifiers and comments; neither are casts (`::text`),
//! `:=`, and the colon of an array slice, which follows its lower bound directly (`a[1:n]`, `a[lo:hi]`).

/// A placeholder and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// The name behind the colon, without quotes.
    pub name: String,
    /// First byte, the colon's.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// Why SQL cannot stand as a part of a larger statement, with the byte where it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A semicolon.
    Semicolon(usize),
    /// A parameter such as `$1`.
    Parameter(usize),
    /// A string, quoted identifier or comment that does not end.
    Unterminated(usize),
    /// A parenthesis or bracket without its partner.
    Unbalanced(usize),
}

/// The placeholders, in order.
pub fn scan(sql: &str) -> Vec<Placeholder> {
    Lexer::new(sql)
        .filter_map(|token| match token {
            Token::Placeholder(placeholder) => Some(placeholder),
            _ => None,
        })
        .collect()
}

/// The SQL with each placeholder replaced by what `replacement` gives for its name.
pub fn replace(sql: &str, mut replacement: impl FnMut(&str) -> String) -> String {
    let mut result = String::with_capacity(sql.len());
    let mut copied = 0;
    for placeholder in scan(sql) {
        result.push_str(&sql[copied..placeholder.start]);
        result.push_str(&replacement(&placeholder.name));
        copied = placeholder.end;
    }
    result.push_str(&sql[copied..]);
    result
}

/// The first reason why this SQL cannot stand as a part of a larger statement. Without one, putting it between
/// parentheses (the closing one on a line of its own, for the sake of a trailing comment) cannot change what surrounds it.
pub fn flaw(sql: &str) -> Option<Flaw> {
    let mut open: Vec<(char, usize)> = Vec::new();
    for token in Lexer::new(sql) {
        match token {
            Token::Placeholder(_) => {}
            Token::Flaw(flaw) => return Some(flaw),
            Token::Open(bracket, at) => open.push((bracket, at)),
            Token::Close(bracket, at) => match (open.pop(), bracket) {
                (Some(('(', _)), ')') | (Some(('[', _)), ']') => {}
                _ => return Some(Flaw::Unbalanced(at)),
            },
        }
    }
    open.pop().map(|(_, at)| Flaw::Unbalanced(at))
}

/// What the lexer tells; everything else is passed over.
enum Token {
    Placeholder(Placeholder),
    Open(char, usize),
    Close(char, usize),
    Flaw(Flaw),
}

struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while let Some(letter) = self.rest().chars().next() {
            if let Some(token) = self.step(letter) {
                return Some(token);
            }
        }
        None
    }
}

impl<'a> Lexer<'a> {
    fn new(sql: &'a str) -> Lexer<'a> {
        Lexer { sql, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    /// Passes over what begins here, and tells about it if it is worth telling.
    fn step(&mut self, letter: char) -> Option<Token> {
        let start = self.at;
        let ended = match letter {
            '\'' => self.pass_quoted('\'', false),
            '"' => self.pass_quoted('"', false),
            '-' if self.rest().starts_with("--") => self.pass_line_comment(),
            '/' if self.rest().starts_with("/*") => self.pass_block_comment(),
            '$' => return self.dollar(),
            ':' => return self.colon(),
            '(' | '[' => {
                self.at += 1;
                return Some(Token::Open(letter, start));
            }
            ')' | ']' => {
                self.at += 1;
                return Some(Token::Close(letter, start));
            }
            ';' => {
                self.at += 1;
                return Some(Token::Flaw(Flaw::Semicolon(start)));
            }
            _ if starts_identifier(letter) => self.pass_word(),
            _ => {
                self.at += letter.len_utf8();
                true
            }
        };
        (!ended).then_some(Token::Flaw(Flaw::Unterminated(start)))
    }

    /// An identifier or keyword; with the string behind it where it is the `E` of an escape string.
    fn pass_word(&mut self) -> bool {
        let word = identifier(self.rest());
        self.at += word.len();
        let escapes = word.eq_ignore_ascii_case("e") && self.rest().starts_with('\'');
        !escapes || self.pass_quoted('\'', true)
    }

    /// A string or quoted identifier, and whether it ended.
    fn pass_quoted(&mut self, quote: char, escapes: bool) -> bool {
        loop {
            if !self.pass_piece(quote, escapes) {
                return false;
            }
            match self.continuation(quote, escapes) {
                Some(next) => self.at = next,
                None => return true,
            }
        }
    }

    /// From one quote to the next, and whether there is a next. A doubled quote ends a piece and begins another.
    fn pass_piece(&mut self, quote: char, escapes: bool) -> bool {
        self.at += 1;
        let mut skip_next = false;
        for (offset, letter) in self.rest().char_indices() {
            if skip_next {
                skip_next = false;
            } else if escapes && letter == '\\' {
                skip_next = true;
            } else if letter == quote {
                self.at += offset + 1;
                return true;
            }
        }
        self.at = self.sql.len();
        false
    }

    /// Where an escape string goes on: at a doubled quote, or behind white space with a line break. Other strings need no
    /// telling: their pieces read the same apart.
    fn continuation(&self, quote: char, escapes: bool) -> Option<usize> {
        let rest = self.rest();
        if !escapes {
            return None;
        }
        let blank = rest.len()
            - rest
                .trim_start_matches([' ', '\t', '\n', '\r', '\x0c', '\x0b'])
                .len();
        let joined = blank == 0 || rest[..blank].contains(['\n', '\r']);
        (joined && rest[blank..].starts_with(quote)).then_some(self.at + blank)
    }

    fn pass_line_comment(&mut self) -> bool {
        let rest = self.rest();
        self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
        true
    }

    /// A comment with those inside it, and whether all of them ended.
    fn pass_block_comment(&mut self) -> bool {
        let mut depth = 0usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return true;
                }
            } else if let Some(letter) = rest.chars().next() {
                self.at += letter.len_utf8();
            } else {
                return false;
            }
        }
    }

    /// A dollar-quoted string, a parameter, or nothing.
    fn dollar(&mut self) -> Option<Token> {
        let start = self.at;
        let rest = self.rest();
        self.at += 1;
        if rest[1..].starts_with(|next: char| next.is_ascii_digit()) {
            return Some(Token::Flaw(Flaw::Parameter(start)));
        }
        let tag_end = 1 + tag(&rest[1..]).len();
        if !rest[tag_end..].starts_with('$') {
            return None;
        }
        let delimiter = &rest[..=tag_end];
        let body = start + delimiter.len();
        match self.sql[body..].find(delimiter) {
            Some(length) => {
                self.at = body + length + delimiter.len();
                None
            }
            None => {
                self.at = self.sql.len();
                Some(Token::Flaw(Flaw::Unterminated(start)))
            }
        }
    }

    /// A placeholder, or a colon that means something else.
    fn colon(&mut self) -> Option<Token> {
        let start = self.at;
        let follows_bound = self.sql[..start].chars().next_back().is_some_and(ends_operand);
        self.at += 1;
        let rest = self.rest();
        if rest.starts_with([':', '=']) {
            self.at += 1;
            return None;
        }
        if follows_bound {
            return None;
        }
        let name = if rest.starts_with('"') {
            self.quoted_name()?
        } else if rest.starts_with(starts_identifier) {
            let word = identifier(rest);
            self.at += word.len();
            word.to_owned()
        } else {
            return None;
        };
        Some(Token::Placeholder(Placeholder {
            name,
            start,
            end: self.at,
        }))
    }

    /// The name between quotes, or `None` where it does not end: then the quote is read as any other.
    fn quoted_name(&mut self) -> Option<String> {
        let inside = &self.rest()[1..];
        let mut name = String::new();
        let mut letters = inside.char_indices().peekable();
        while let Some((offset, letter)) = letters.next() {
            if letter == '"' && letters.next_if(|(_, next)| *next == '"').is_none() {
                self.at += offset + 2;
                return (!name.is_empty()).then_some(name);
            }
            name.push(letter);
        }
        None
    }
}

fn starts_identifier(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_' || !letter.is_ascii()
}

/// The identifier at the beginning of a text that begins with one.
fn identifier(text: &str) -> &str {
    let continues = |letter: char| starts_identifier(letter) || letter.is_ascii_digit() || letter == '$';
    &text[..text.find(|letter| !continues(letter)).unwrap_or(text.len())]
}

/// The tag of a dollar quote, perhaps empty.
fn tag(text: &str) -> &str {
    let continues = |letter: char| starts_identifier(letter) || letter.is_ascii_digit();
    &text[..text.find(|letter| !continues(letter)).unwrap_or(text.len())]
}

/// Whether a letter can end the lower bound of a slice.
fn ends_operand(letter: char) -> bool {
    starts_identifier(letter)
        || letter.is_ascii_digit()
        || matches!(letter, ')' | ']' | '"' | '\'' | '$' | ':')
}

#[cfg(test)]
mod tests;
