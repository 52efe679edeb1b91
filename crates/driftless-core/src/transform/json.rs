//! Objects as `to_jsonb` builds them and jsonb prints them: `{"a": 1, "bb": "x"}`.

use std::ops::Range;

use crate::digest;
use crate::plan::{JsonKind, JsonMember, Value};
use crate::value::{self, Numeric, ShortText, write_json_string};

use super::fault::Trouble;
use super::view::{NumberForm, Scalar, View};

/// The first byte of a binary jsonb.
pub(super) const JSONB_VERSION: u8 = 1;

/// A text under way, and which parts of it are facts of the run. Kept from row to row, for its memory.
#[derive(Default)]
pub(super) struct Sheet {
    pub(super) text: Vec<u8>,
    /// What to leave out for the fingerprint: ascending, apart from each other.
    volatile: Vec<Range<usize>>,
    stable: Vec<u8>,
}

impl Sheet {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.volatile.clear();
    }

    /// Fingerprint of the text as it would be without its volatile members.
    pub(super) fn stable_fingerprint(&mut self) -> u64 {
        self.stable.clear();
        let mut from = 0;
        for range in &self.volatile {
            self.stable.extend_from_slice(&self.text[from..range.start]);
            from = range.end;
        }
        self.stable.extend_from_slice(&self.text[from..]);
        digest::fingerprint(Some(&self.stable))
    }

    /// Leaves out everything from `start` on, what was left out inside it included.
    fn leave_out_from(&mut self, start: usize) {
        while self.volatile.last().is_some_and(|range| range.start >= start) {
            self.volatile.pop();
        }
        self.volatile.push(start..self.text.len());
    }
}

/// Whether an object has members that are facts of the run, at any depth.
pub(super) fn has_volatile(members: &[JsonMember]) -> bool {
    members.iter().any(|member| {
        member.volatile || matches!(&member.value, Value::Json { members, .. } if has_volatile(members))
    })
}

/// Appends an object to the sheet.
pub(super) fn write_object(
    view: View<'_>,
    members: &[JsonMember],
    row: usize,
    sheet: &mut Sheet,
) -> Result<(), Trouble> {
    sheet.text.push(b'{');
    let mut stable_before = false;
    for (index, member) in members.iter().enumerate() {
        let start = sheet.text.len();
        if index > 0 {
            sheet.text.extend_from_slice(b", ");
            if !member.volatile && !stable_before {
                // Without the members before it this one has no separator.
                sheet.leave_out_from(start);
            }
        }
        write_json_string(member.name.as_bytes(), &mut sheet.text);
        sheet.text.extend_from_slice(b": ");
        write_member(view, member, row, sheet)?;
        if member.volatile {
            sheet.leave_out_from(start);
        } else {
            stable_before = true;
        }
    }
    sheet.text.push(b'}');
    Ok(())
}

fn write_member(view: View<'_>, member: &JsonMember, row: usize, sheet: &mut Sheet) -> Result<(), Trouble> {
    if let Value::Json { members, .. } = &member.value {
        return write_object(view, members, row, sheet);
    }
    match view.scalar(&member.value, row)? {
        Scalar::Number(number, form) => {
            write_number(number, &form, member.kind, &mut sheet.text);
            Ok(())
        }
        Scalar::Bytes(cell) => match view.bytes(cell) {
            Some(bytes) => write_value(bytes, member.kind, &mut sheet.text),
            None => {
                let text = member.default.as_deref().unwrap_or("null");
                sheet.text.extend_from_slice(text.as_bytes());
                Ok(())
            }
        },
    }
}

fn write_number(number: i64, form: &NumberForm, kind: JsonKind, out: &mut Vec<u8>) {
    let digits = ShortText::integer(number);
    if matches!((form, kind), (NumberForm::Text, JsonKind::String)) {
        write_json_string(digits.as_bytes(), out);
    } else {
        out.extend_from_slice(digits.as_bytes());
    }
}

fn write_value(bytes: &[u8], kind: JsonKind, out: &mut Vec<u8>) -> Result<(), Trouble> {
    match kind {
        JsonKind::String => write_json_string(bytes, out),
        JsonKind::Integer => {
            let number = value::integer(bytes).ok_or_else(|| Trouble::unreadable("integer"))?;
            out.extend_from_slice(ShortText::integer(number).as_bytes());
        }
        JsonKind::Bool => match value::boolean(bytes) {
            Some(true) => out.extend_from_slice(b"true"),
            Some(false) => out.extend_from_slice(b"false"),
            None => return Err(Trouble::unreadable("boolean")),
        },
        JsonKind::Uuid => {
            let uuid = bytes.try_into().map_err(|_| Trouble::unreadable("uuid"))?;
            write_json_string(ShortText::uuid(uuid).as_bytes(), out);
        }
        JsonKind::Numeric => {
            let numeric = Numeric::read(bytes).ok_or_else(|| Trouble::unreadable("numeric"))?;
            write_numeric(numeric, out);
        }
        JsonKind::Jsonb => match bytes.split_first() {
            Some((&JSONB_VERSION, text)) if !text.is_empty() => out.extend_from_slice(text),
            _ => return Err(Trouble::unreadable("jsonb")),
        },
        // Objects are built in place; bytes that claim to be one were rendered elsewhere without version byte.
        JsonKind::Object => out.extend_from_slice(bytes),
    }
    Ok(())
}

/// JSON has no NaN and no infinity: `to_jsonb` makes strings of them.
fn write_numeric(numeric: Numeric<'_>, out: &mut Vec<u8>) {
    let quote: &[u8] = if numeric.is_finite() { b"" } else { b"\"" };
    out.extend_from_slice(quote);
    numeric.write(out);
    out.extend_from_slice(quote);
}
