//! Rows as people read them in reject records.

use serde_json::{Map, Value as Json, json};

use crate::batch::{Batch, Table};
use crate::catalog::{Oid, builtin};
use crate::identity::KeyWriter;
use crate::plan::{KeyPart, KeyText};
use crate::value::{self, Numeric, ShortText};

use super::shaped::Shaped;
use super::{Answers, Shaper, key, view};

/// What stands in the place of a sensitive value.
const MASK: &str = "***";

impl Shaper<'_> {
    /// A source row: its columns with their texts; null as null; `***` for sensitive columns; types without a text here as
    /// `{"bytes": "\\x…"}`.
    pub fn source_row_json(&self, batch: &Batch, row: usize) -> Json {
        let columns = self.entity.inputs.iter().enumerate().map(|(number, input)| {
            let text = match batch.get(row, number) {
                None => Json::Null,
                Some(_) if self.entity.sensitive.contains(&input.column) => json!(MASK),
                Some(bytes) => text_of(input.oid, bytes).map_or_else(|| hex_of(bytes), Json::String),
            };
            (input.column.clone(), text)
        });
        Json::Object(columns.collect::<Map<String, Json>>())
    }

    /// The canonical key text of a shaped row: what a reject is recorded under. A part that is null, or that could not be
    /// read, is shown as the source has it, so that different rows keep different keys where that is possible.
    pub fn key_text(&self, shaped: &Shaped, row: usize) -> String {
        self.key_text_of(&shaped.batch, &shaped.key_answers, row)
    }

    /// The same before the row is shaped.
    pub fn key_text_of_source(&self, batch: &Batch, keys: &Answers, row: usize) -> String {
        self.key_text_of(batch, &keys.table, row)
    }

    /// The canonical key of the row that a reference means: what its parent is on record under. `None` where it is null or
    /// sensitive.
    pub fn reference_key(&self, shaped: &Shaped, row: usize, reference: usize) -> Option<String> {
        let view = shaped.view(self.entity);
        let program = &self.entity.program.refs[reference];
        if key::is_sensitive(view, program) {
            return None;
        }
        let mut text = Vec::new();
        let parts = program.parts.iter().copied();
        match key::write_key(view, parts, row, &mut text) {
            Ok(true) => Some(String::from_utf8_lossy(&text).into_owned()),
            _ => None,
        }
    }

    fn key_text_of(&self, batch: &Batch, key_answers: &Table, row: usize) -> String {
        let key = &self.entity.identity.key;
        let mut out = Vec::new();
        let mut writer = KeyWriter::new(key.len(), &mut out);
        for part in key {
            writer.part(&self.part_text(batch, key_answers, part, row));
        }
        writer.finish();
        String::from_utf8_lossy(&out).into_owned()
    }

    fn part_text(&self, batch: &Batch, key_answers: &Table, part: &KeyPart, row: usize) -> Vec<u8> {
        let Some(bytes) = batch.get(row, part.input) else {
            return b"null".to_vec();
        };
        let text = match part.text {
            KeyText::Input(input, kind) => batch
                .get(row, input)
                .and_then(|bytes| view::canonical(bytes, kind).ok())
                .map(|text| text.as_bytes().to_vec()),
            KeyText::Answer(answer) if answer < key_answers.width() => key_answers
                .cell(row, answer)
                .bytes(&batch.arena)
                .map(<[u8]>::to_vec),
            KeyText::Answer(_) => None,
        };
        text.or_else(|| text_of(self.entity.inputs[part.input].oid, bytes).map(String::into_bytes))
            .unwrap_or_else(|| hex(bytes).into_bytes())
    }
}

/// The text of a value as PostgreSQL prints it, for types that are read here.
fn text_of(oid: Oid, bytes: &[u8]) -> Option<String> {
    match oid {
        builtin::TEXT
        | builtin::VARCHAR
        | builtin::BPCHAR
        | builtin::NAME
        | builtin::CHAR
        | builtin::JSON => String::from_utf8(bytes.to_vec()).ok(),
        builtin::INT2 | builtin::INT4 | builtin::INT8 => {
            value::integer(bytes).map(|number| number.to_string())
        }
        builtin::BOOL => value::boolean(bytes).map(|truth| truth.to_string()),
        builtin::UUID => {
            let text = ShortText::uuid(bytes.try_into().ok()?);
            String::from_utf8(text.as_bytes().to_vec()).ok()
        }
        builtin::NUMERIC => {
            let mut text = Vec::new();
            Numeric::read(bytes)?.write(&mut text);
            String::from_utf8(text).ok()
        }
        builtin::JSONB => String::from_utf8(bytes.strip_prefix(&[1])?.to_vec()).ok(),
        builtin::DATE => value::text::date(bytes),
        builtin::TIMESTAMP => value::text::timestamp(bytes, ""),
        builtin::TIMESTAMPTZ => value::text::timestamp(bytes, "+00"),
        builtin::TIME | builtin::TIMETZ => value::text::time(bytes),
        builtin::FLOAT4 | builtin::FLOAT8 => value::text::float(bytes),
        builtin::BYTEA => Some(hex(bytes)),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    format!("\\x{}", digits.collect::<String>())
}

fn hex_of(bytes: &[u8]) -> Json {
    json!({ "bytes": hex(bytes) })
}
