//! Whether the values of a cell show that its class is the one that the reference tells.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::code;
use driftless_core::plan::matrix::{Class, Type};

use super::lost::is_any_long;
use super::telling::{long, telling};
use super::values::values;
use super::{Case, Cell};

/// What became of the values of a cell.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Values that came through.
    passed: usize,
    /// Values that were rejected for what a cast would lose of them, or because they are no labels and no such integers.
    withheld: usize,
    /// What contradicts the class.
    pub(super) wrong: Vec<String>,
}

/// What was seen of one value.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// Its bytes in the source, where the cell's are copied.
    pub(super) sent: Option<&'a str>,
    /// Its bytes in the target.
    pub(super) arrived: Option<&'a str>,
    /// The code of its reject.
    pub(super) code: Option<&'a str>,
}

impl Shown {
    /// Counts a value of the cell.
    pub(super) fn add(&mut self, case: &Case, seen: &Seen<'_>) {
        self.passed += usize::from(seen.arrived.is_some());
        let class = case.cell.class;
        if let (Some(sent), Some(arrived)) = (seen.sent, seen.arrived)
            && copies_bytes(&case.cell)
            && sent != arrived
        {
            self.wrong.push(case.told("other bytes", None));
        }
        let Some(code) = seen.code.filter(|_| class != Class::Lossy) else {
            return;
        };
        let withheld = [code::ROW_WOULD_LOSE, code::ROW_UNKNOWN_VALUE].map(|one| one.to_string());
        let is_withheld = withheld.iter().any(|one| one == code);
        self.withheld += usize::from(is_withheld);
        if is_withheld && !class.is_checked() {
            self.wrong.push(case.told(code, None));
        }
    }

    /// What else the class needs to have seen.
    pub(super) fn close(&mut self, cell: &Cell) {
        let names = (cell.from.1.sql(), cell.to.1.sql());
        let told = |what: &str| format!("{} to {}, {:?}: {what}", names.0, names.1, cell.class);
        if self.passed == 0 && !fits_nothing(cell) {
            self.wrong.push(told("no value comes through"));
        }
        if self.passed > 0 && fits_nothing(cell) {
            self.wrong.push(told("values come through that cannot"));
        }
        let expected = !holds_little(names.0) && !loses_nothing(cell);
        if cell.class.is_checked() && self.withheld == 0 && expected {
            self.wrong.push(told("no value is withheld"));
        }
        if self.withheld > 0 && loses_nothing(cell) {
            self.wrong.push(told("values are withheld that lose nothing"));
        }
    }
}

/// Whether the very bytes are copied: not those of integers of another width, nor digits, and a modifier fills digits up.
pub(super) fn copies_bytes(cell: &Cell) -> bool {
    let (from, to) = (cell.from.1.sql(), cell.to.1.sql());
    let is_integer = matches!(from, "int2" | "int4" | "int8");
    let copied = matches!(cell.class, Class::Bytes | Class::BytesChecked);
    copied && (from == to || !is_integer && to != "numeric(9,2)")
}

/// Five characters hold them, and no more.
const FIVE: [&str; 4] = ["varchar(5)", "char(5)", "code", "short_code"];

/// Types that print more than five characters whatever the value.
const PRINTS_MORE: [&str; 18] = [
    "uuid",
    "aclitem",
    "box",
    "circle",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "path",
    "polygon",
    "date",
    "time",
    "time(0)",
    "timetz",
    "timestamp",
    "timestamp(0)",
    "timestamptz",
    "timestamptz(0)",
];

/// Types that are read from more than five characters only.
const READS_MORE: [&str; 7] = ["uuid", "date", "macaddr", "macaddr8", "lseg", "box", "line"];

/// Types that hold no characters by the matrix, and print or read the labels of `few`, `a` and `b`.
const LETTERS: [&str; 7] = [
    "\"char\"",
    "refcursor",
    "xml",
    "ltree",
    "lquery",
    "ltxtquery",
    "tsquery",
];

/// Whether nothing that the source's type prints is a value of the target's.
fn fits_nothing(cell: &Cell) -> bool {
    let (from, to) = (cell.from.1.sql(), cell.to.1.sql());
    let letters = |one: Type| one.is_characters() || LETTERS.contains(&one.sql());
    match (from, to) {
        // Bits may begin with a `b`.
        ("few", "bytea" | "\"bit\"" | "varbit" | "varbit(5)") => false,
        ("few", _) => !letters(cell.to.1),
        // Its words are quoted.
        ("tsquery", "few") => true,
        (_, "few") => !letters(cell.from.1),
        _ => {
            (PRINTS_MORE.contains(&from) && FIVE.contains(&to))
                || (FIVE.contains(&from) && READS_MORE.contains(&to))
        }
    }
}

/// Types of few labels, all of which are tried, and of five characters, in which there are not that many digits: their values
/// are looked at as all texts are, and may have nothing to lose.
fn holds_little(from: &str) -> bool {
    FIVE.contains(&from) || ["few", "many", "few[]", "varchar(5)[]", "code[]"].contains(&from)
}

/// Whether nothing that the source's type can hold is too long for the target, or loses a digit there: each value is looked at
/// because of the types, and in vain.
fn loses_nothing(cell: &Cell) -> bool {
    let (from, to) = (cell.from.1.sql(), cell.to.1.sql());
    match (from, to) {
        (_, "name") => long(from).is_none() && !holds_little(from),
        ("bool" | "\"char\"" | "bit(3)" | "varbit(5)", _) => FIVE.contains(&to),
        ("bool[]", "varchar(5)[]" | "code[]") => true,
        // The target reads them as text, and refuses what is too long.
        ("regclass[]", "code[]") => true,
        // No day begins within a change of the clocks there.
        ("date", "timestamptz" | "timestamptz(0)") => true,
        // With two digits behind the point.
        ("numeric(9,2)", "money") | ("money", "numeric(9,2)") => true,
        _ => false,
    }
}

/// Values by which the class of the cell is shown: of the target's type, as far as they are texts of the source's, too, and
/// such that lose something.
pub(super) fn fitting(cell: &Cell) -> BTreeSet<&'static str> {
    let (from, to) = (cell.from.1, cell.to.1);
    let mut found: BTreeSet<&str> = long(from.sql())
        .filter(|_| to.sql() == "name")
        .into_iter()
        .collect();
    let of_characters = ["text[]", "varchar(5)[]", "code[]", "citext[]"].contains(&from.sql());
    if from != to && (from.is_characters() || of_characters && to.sql().ends_with("[]")) {
        let texts = values(to.sql())
            .unwrap_or_default()
            .iter()
            .chain(telling(to.sql()));
        found.extend(texts.copied().filter(|text| holds(from, text)));
    }
    for known in values(from.sql()).unwrap_or_default() {
        found.remove(known);
    }
    found
}

/// Whether a type of characters holds the text.
fn holds(one: Type, text: &str) -> bool {
    match one.sql() {
        "text" | "varchar" | "bpchar" | "citext" | "text[]" | "citext[]" => true,
        "name" => text.len() < 64,
        "short_code" if text == "b" => false,
        "varchar(5)[]" | "code[]" => !is_any_long(text),
        one => FIVE.contains(&one) && text.chars().count() <= 5,
    }
}

/// What the values show of each cell, and what contradicts its class.
pub(super) fn contradictions(cells: &[Cell], shown: &mut BTreeMap<usize, Shown>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, cell) in cells.iter().enumerate() {
        let shown = shown.entry(number).or_default();
        shown.close(cell);
        wrong.append(&mut shown.wrong);
    }
    wrong
}
