//! One table being read: typed settings out, findings collected, and what nobody asked for reported as unknown.

use std::collections::HashSet;

use super::tree::{Member, Node, Origin, Table, Value};
use crate::code::{self, Code};
use crate::error::{Finding, Span};
use crate::spec::Spanned;
use crate::spec::nearest::nearest;

/// A table being read.
pub(super) struct Section<'a> {
    table: &'a Table,
    /// The value that the table is, for findings about the whole of it.
    head: Option<&'a Node>,
    /// Its name in the operator's words.
    pub(super) place: String,
    asked: Vec<&'static str>,
    /// Settings that are missing, by key: not told where an unknown key seems to be the missing one misspelt.
    missing: Vec<(String, Finding)>,
    /// Keys that unknown ones seem to mean.
    meant: Vec<String>,
    out: Vec<Finding>,
}

/// Stands for a section that the mapping does not have.
static NOTHING: Table = Table { members: Vec::new() };

impl<'a> Section<'a> {
    /// Begins to read a value that must be a table; `None`, with a finding, where it is something else.
    pub(super) fn open(
        node: &'a Node,
        place: &str,
        example: &str,
        out: &mut Vec<Finding>,
    ) -> Option<Section<'a>> {
        match &node.value {
            Value::Table(table) => Some(Section {
                table,
                head: Some(node),
                place: place.to_owned(),
                asked: Vec::new(),
                missing: Vec::new(),
                meant: Vec::new(),
                out: Vec::new(),
            }),
            _ => {
                out.extend(wrong_type(node, place, "a table", example));
                None
            }
        }
    }

    /// Begins to read a section of the top level. One that is not there is read as empty.
    pub(super) fn top(node: Option<&'a Node>, place: &str, out: &mut Vec<Finding>) -> Section<'a> {
        node.and_then(|node| Section::open(node, place, place, out))
            .unwrap_or_else(|| Section {
                table: &NOTHING,
                head: None,
                place: place.to_owned(),
                asked: Vec::new(),
                missing: Vec::new(),
                meant: Vec::new(),
                out: Vec::new(),
            })
    }

    /// The member with this key, which is thereby known.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Member> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// All members, for tables whose keys are the user's names.
    pub(super) fn members(&self) -> &'a [Member] {
        &self.table.members
    }

    /// Where the table stands.
    pub(super) fn span(&self) -> Option<Span> {
        self.head.and_then(|head| head.span)
    }

    /// Records a finding.
    pub(super) fn report(&mut self, finding: Finding) {
        self.out.push(finding);
    }

    /// Where findings go, for readers of what is inside.
    pub(super) fn out(&mut self) -> &mut Vec<Finding> {
        &mut self.out
    }

    /// Records an error about a value in the table.
    pub(super) fn refuse(&mut self, node: &Node, code: Code, message: impl Into<String>, remedy: &str) {
        let finding = node.error(code, &self.place, message).remedy(remedy);
        self.out.push(finding);
    }

    /// Records an error about the table as a whole.
    pub(super) fn refuse_all(&mut self, code: Code, message: impl Into<String>, remedy: impl Into<String>) {
        let finding = self.about_all(code, message).remedy(remedy);
        self.out.push(finding);
    }

    fn about_all(&self, code: Code, message: impl Into<String>) -> Finding {
        match self.head {
            Some(head) => head.error(code, &self.place, message),
            None => Finding::error(code, &self.place, message),
        }
    }

    /// Records that a setting is missing.
    pub(super) fn missing(&mut self, key: &str, example: &str) {
        let finding = self
            .about_all(code::MISSING_KEY, format!("`{key}` is missing"))
            .remedy(format!("write `{example}`"));
        self.missing.push((key.to_owned(), finding));
    }

    /// Records that nobody knows a key.
    pub(super) fn unknown(&mut self, member: &Member, known: &[&str]) {
        self.meant
            .extend(nearest(&member.key, known.iter().copied()).map(str::to_owned));
        self.out.push(unknown_key(member, &self.place, known));
    }

    /// Ends the reading: keys that nobody asked for are unknown.
    pub(super) fn finish(mut self, out: &mut Vec<Finding>) {
        let known = self.asked.clone();
        for member in self.members() {
            if !known.contains(&member.key.as_str()) {
                self.unknown(member, &known);
            }
        }
        self.finish_named(out);
    }

    /// Ends the reading of a table whose keys are the user's names, or were looked at already.
    pub(super) fn finish_named(mut self, out: &mut Vec<Finding>) {
        let meant = self.meant;
        let missing = self.missing.into_iter().filter(|(key, _)| !meant.contains(key));
        self.out.extend(missing.map(|(_, finding)| finding));
        out.append(&mut self.out);
    }
}

/// Readers of one setting each. The example shows how it is written, and becomes the remedy.
impl<'a> Section<'a> {
    /// A string that is not empty.
    pub(super) fn text(&mut self, key: &'static str, example: &str) -> Option<Spanned<String>> {
        let member = self.take(key)?;
        text(
            &member.node,
            &member_place(&self.place, key),
            example,
            &mut self.out,
        )
    }

    /// A string that is not empty, and must be there.
    pub(super) fn required_text(&mut self, key: &'static str, example: &str) -> Option<Spanned<String>> {
        if self.table.get(key).is_none() {
            self.missing(key, example);
        }
        self.text(key, example)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let member = self.take(key)?;
        match (&member.node.value, &member.node.origin) {
            (Value::Boolean(truth), _) => return Some(*truth),
            (Value::Text(text), origin) if *origin != Origin::File => {
                if let Ok(truth) = text.parse() {
                    return Some(truth);
                }
            }
            _ => {}
        }
        let place = member_place(&self.place, key);
        self.out.extend(wrong_type(
            &member.node,
            &place,
            "true or false",
            &format!("{key} = true"),
        ));
        None
    }

    /// A whole number in these bounds.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        bounds: std::ops::RangeInclusive<u64>,
        example: &str,
    ) -> Option<u64> {
        let member = self.take(key)?;
        let place = member_place(&self.place, key);
        let digits = match (&member.node.value, &member.node.origin) {
            (Value::Integer(digits), _) => digits,
            // `${NAME}` can only stand in a string, so a string from the environment may be a number.
            (Value::Text(text), origin) if *origin != Origin::File => text,
            _ => {
                self.out
                    .extend(wrong_type(&member.node, &place, "a whole number", example));
                return None;
            }
        };
        match digits.trim().parse::<u64>() {
            Ok(number) if bounds.contains(&number) => Some(number),
            _ => {
                let message = format!(
                    "must be a whole number from {} to {}",
                    bounds.start(),
                    bounds.end()
                );
                self.refuse_in(&member.node, &place, message, &format!("write `{example}`"));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let member = self.take(key)?;
        let place = member_place(&self.place, key);
        choice(&member.node, &place, choices, &mut self.out)
    }

    /// A list of strings, or one string that stands for a list of one.
    pub(super) fn texts(&mut self, key: &'static str, example: &str) -> Option<Vec<Spanned<String>>> {
        let member = self.take(key)?;
        let place = member_place(&self.place, key);
        texts(&member.node, &place, example, &mut self.out)
    }

    /// What a parser makes of a setting; its complaint becomes a finding.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let member = self.take(key)?;
        if matches!(member.node.value, Value::Broken) {
            return None;
        }
        match parse(&member.node.value) {
            Ok(value) => Some(value),
            Err(complaint) => {
                let place = member_place(&self.place, key);
                self.refuse_in(&member.node, &place, complaint, &format!("write `{example}`"));
                None
            }
        }
    }

    fn refuse_in(&mut self, node: &Node, place: &str, message: String, remedy: &str) {
        self.out
            .push(node.error(code::INVALID_VALUE, place, message).remedy(remedy));
    }
}

fn member_place(place: &str, key: &str) -> String {
    format!("{place}, {key}")
}

/// A string that is not empty.
pub(super) fn text(
    node: &Node,
    place: &str,
    example: &str,
    out: &mut Vec<Finding>,
) -> Option<Spanned<String>> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Some(Spanned {
            value: text.clone(),
            span: node.span.unwrap_or_default(),
        }),
        Value::Text(_) => {
            out.push(
                node.error(code::INVALID_VALUE, place, "is empty")
                    .remedy(format!("write `{example}`, or leave the line out")),
            );
            None
        }
        _ => {
            out.extend(wrong_type(node, place, "a string", example));
            None
        }
    }
}

/// A list of strings without repetition, or one string.
pub(super) fn texts(
    node: &Node,
    place: &str,
    example: &str,
    out: &mut Vec<Finding>,
) -> Option<Vec<Spanned<String>>> {
    let items = match &node.value {
        Value::List(items) => items,
        Value::Text(_) => return Some(vec![text(node, place, example, out)?]),
        _ => {
            out.extend(wrong_type(node, place, "a list of strings", example));
            return None;
        }
    };
    let mut result: Vec<Spanned<String>> = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    let mut whole = true;
    for item in items {
        match text(item, place, example, out) {
            Some(text) if !seen.insert(text.value.clone()) => {
                let message = format!("`{}` is listed twice", text.value);
                out.push(
                    item.error(code::DUPLICATE_SETTING, place, message)
                        .remedy("keep one of them"),
                );
            }
            Some(text) => result.push(text),
            None => whole = false,
        }
    }
    whole.then_some(result)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    node: &Node,
    place: &str,
    choices: &[(&str, T)],
    out: &mut Vec<Finding>,
) -> Option<T> {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let listed = listed(&words);
    match &node.value {
        Value::Text(text) => {
            if let Some((_, value)) = choices.iter().find(|(word, _)| word == text) {
                return Some(*value);
            }
            // What a variable holds may be a secret that went astray.
            let shown = match node.origin {
                Origin::File => format!("\"{text}\" is not possible here"),
                _ => "what the variable holds is not possible here".to_owned(),
            };
            let remedy = match nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? Possible are {listed}"),
                None => format!("possible are {listed}"),
            };
            out.push(node.error(code::INVALID_VALUE, place, shown).remedy(remedy));
        }
        _ => out.extend(wrong_type(
            node,
            place,
            &format!("one of {listed}"),
            &format!("\"{}\"", words.first().unwrap_or(&"")),
        )),
    }
    None
}

/// A finding about a value of the wrong kind; none where it was already reported.
pub(super) fn wrong_type(node: &Node, place: &str, wanted: &str, example: &str) -> Option<Finding> {
    if matches!(node.value, Value::Broken) {
        return None;
    }
    let message = format!("must be {wanted}, not {}", node.value.kind());
    Some(
        node.error(code::WRONG_TYPE, place, message)
            .remedy(format!("write `{example}`")),
    )
}

/// A finding about a key that nobody knows.
pub(super) fn unknown_key(member: &Member, place: &str, known: &[&str]) -> Finding {
    let remedy = match nearest(&member.key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => {
            let mut names = known.to_vec();
            names.sort_unstable();
            format!("known here: {}", names.join(", "))
        }
    };
    member
        .error(code::UNKNOWN_KEY, place, format!("unknown key `{}`", member.key))
        .remedy(remedy)
}

/// `"a", "b" or "c"`.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}
