//! What the program sees of a row while it runs.

use crate::batch::{Batch, Cell, Table};
use crate::code;
use crate::plan::{Canonical, EntityPlan, KeyText, LookupProgram, MapProgram, Value};
use crate::spec::{Unknown, WhenMissing};
use crate::value::{self, ShortText};

use super::fault::Trouble;

/// Stands in the table of keys where a UUID could not be found and the fault is on record. A UUID has 16 bytes, so no
/// cell of a UUID equals it.
pub(super) const AT_FAULT: Cell = Cell::new(0, 0);

/// The column of the row's own UUID in the table of keys; references follow.
pub(super) const OWN: usize = 0;

/// Everything that values are produced from.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) entity: &'a EntityPlan,
    pub(super) batch: &'a Batch,
    pub(super) key_answers: &'a Table,
    /// The row's own UUID and its references, where they are found already.
    pub(super) keys: &'a Table,
    pub(super) constants: &'a [Cell],
    pub(super) answers: &'a Table,
}

/// A value before it is written down: bytes that exist already, or a number.
pub(super) enum Scalar {
    Bytes(Cell),
    Number(i64, NumberForm),
}

/// How a column takes a number.
pub(super) enum NumberForm {
    /// Big endian, with so many bytes.
    Binary(u8),
    /// Its digits.
    Text,
}

/// Text that lies in the arena, or is short.
pub(super) enum CanonicalText<'a> {
    Borrowed(&'a [u8]),
    Short(ShortText),
}

impl CanonicalText<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            CanonicalText::Borrowed(bytes) => bytes,
            CanonicalText::Short(text) => text.as_bytes(),
        }
    }
}

/// The text of a value of this kind.
pub(super) fn canonical(bytes: &[u8], kind: Canonical) -> Result<CanonicalText<'_>, Trouble> {
    match kind {
        Canonical::Text => Ok(CanonicalText::Borrowed(bytes)),
        Canonical::Integer => match value::integer(bytes) {
            Some(number) => Ok(CanonicalText::Short(ShortText::integer(number))),
            None => Err(Trouble::unreadable("integer")),
        },
        Canonical::Uuid => match bytes.try_into() {
            Ok(uuid) => Ok(CanonicalText::Short(ShortText::uuid(uuid))),
            Err(_) => Err(Trouble::unreadable("uuid")),
        },
    }
}

impl<'a> View<'a> {
    /// The bytes of an input; `None` for null.
    pub(super) fn input(&self, input: usize, row: usize) -> Option<&'a [u8]> {
        self.batch.get(row, input)
    }

    /// The bytes of a cell of this batch.
    pub(super) fn bytes(&self, cell: Cell) -> Option<&'a [u8]> {
        cell.bytes(&self.batch.arena)
    }

    /// The text of a part of a key; `None` for null.
    pub(super) fn key_text(&self, part: KeyText, row: usize) -> Result<Option<CanonicalText<'a>>, Trouble> {
        match part {
            KeyText::Input(input, kind) => self
                .input(input, row)
                .map(|bytes| canonical(bytes, kind))
                .transpose(),
            KeyText::Answer(answer) => {
                let cell = self.key_answers.cell(row, answer);
                Ok(self.bytes(cell).map(CanonicalText::Borrowed))
            }
        }
    }

    /// The value, unless it is an object (then null).
    pub(super) fn scalar(&self, value: &Value, row: usize) -> Result<Scalar, Trouble> {
        Ok(Scalar::Bytes(match value {
            Value::Input(input) => self.batch.cell(row, *input),
            Value::Answer(answer) => self.answers.cell(row, *answer),
            Value::Constant(constant) => self.constant(Some(*constant)),
            Value::Id => return self.key(row, OWN),
            Value::Ref(reference) => return self.key(row, OWN + 1 + reference),
            Value::Map(map) => self.mapped(map, row)?,
            Value::Lookup(lookup) => return self.looked_up(lookup, row),
            Value::Integer { input, width } => return self.number(*input, NumberForm::Binary(*width), row),
            Value::IntegerText(input) => return self.number(*input, NumberForm::Text, row),
            Value::Json { .. } => Cell::NULL,
        }))
    }

    /// A constant; null where there is none.
    pub(super) fn constant(&self, constant: Option<usize>) -> Cell {
        constant.map_or(Cell::NULL, |number| self.constants[number])
    }

    fn key(&self, row: usize, column: usize) -> Result<Scalar, Trouble> {
        match self.keys.cell(row, column) {
            AT_FAULT => Err(Trouble::Known),
            cell => Ok(Scalar::Bytes(cell)),
        }
    }

    fn number(&self, input: usize, form: NumberForm, row: usize) -> Result<Scalar, Trouble> {
        let Some(bytes) = self.input(input, row) else {
            return Ok(Scalar::Bytes(Cell::NULL));
        };
        let number = value::integer(bytes).ok_or_else(|| Trouble::unreadable("integer"))?;
        let fits = match form {
            NumberForm::Binary(2) => i16::try_from(number).is_ok(),
            NumberForm::Binary(4) => i32::try_from(number).is_ok(),
            _ => true,
        };
        if fits {
            return Ok(Scalar::Number(number, form));
        }
        let shown = self.shown(input, ShortText::integer(number).as_bytes());
        Err(Trouble::new(
            code::ROW_WOULD_LOSE,
            format!("{shown} is outside the range of the column"),
        ))
    }

    fn mapped(&self, map: &MapProgram, row: usize) -> Result<Cell, Trouble> {
        let Some(bytes) = self.input(map.input, row) else {
            return Ok(Cell::NULL);
        };
        let text = canonical(bytes, map.text)?;
        if let Some(constant) = map.values.get(text.as_bytes()) {
            return Ok(self.constant(*constant));
        }
        match map.unknown {
            Unknown::Null => Ok(Cell::NULL),
            Unknown::Const(_) => Ok(self.constant(map.unknown_constant)),
            Unknown::Reject => Err(Trouble::new(
                code::ROW_UNKNOWN_VALUE,
                format!("the map does not list {}", self.shown(map.input, text.as_bytes())),
            )),
        }
    }

    /// What was found, unless nothing or more than one thing was.
    fn looked_up(&self, lookup: &LookupProgram, row: usize) -> Result<Scalar, Trouble> {
        let rows = self
            .bytes(self.answers.cell(row, lookup.rows))
            .map(value::integer);
        match (rows, lookup.missing) {
            (Some(Some(0)), WhenMissing::Reject | WhenMissing::Park) => Err(Trouble::new(
                code::ROW_REFERENCE_MISSING,
                format!("{} has no such row", lookup.table),
            )),
            (Some(Some(2..)), _) => Err(Trouble::new(
                code::ROW_SEVERAL_FOUND,
                format!("{} has several such rows", lookup.table),
            )),
            _ => self.scalar(&lookup.value, row),
        }
    }

    /// A value of an input for a message: the text itself, shortened, or words if the column is sensitive.
    pub(super) fn shown(&self, input: usize, text: &[u8]) -> String {
        if self.is_sensitive(input) {
            return "the value (sensitive)".to_owned();
        }
        shorten(text)
    }

    pub(super) fn is_sensitive(&self, input: usize) -> bool {
        self.entity.sensitive.contains(&self.entity.inputs[input].column)
    }
}

/// A text in quotes, cut behind 80 characters.
pub(super) fn shorten(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}
