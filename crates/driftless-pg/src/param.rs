use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use driftless_core::catalog::{Oid, builtin};
use uuid::Uuid;

/// Microseconds from 1970 to 2000, where PostgreSQL's clock begins.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A statement's parameter: the oid of its type and its value in binary form. Prints without the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Param {
    oid: Oid,
    value: Option<Bytes>,
}

impl Param {
    /// A value in the binary form of the type with this oid.
    pub fn raw(oid: Oid, value: impl Into<Bytes>) -> Param {
        Param {
            oid,
            value: Some(value.into()),
        }
    }

    /// SQL null of the type with this oid.
    pub fn null(oid: Oid) -> Param {
        Param { oid, value: None }
    }

    /// `int2`.
    pub fn int2(value: i16) -> Param {
        Param::raw(builtin::INT2, value.to_be_bytes().to_vec())
    }

    /// `int4`.
    pub fn int4(value: i32) -> Param {
        Param::raw(builtin::INT4, value.to_be_bytes().to_vec())
    }

    /// `int8`.
    pub fn int8(value: i64) -> Param {
        Param::raw(builtin::INT8, value.to_be_bytes().to_vec())
    }

    /// `oid`.
    pub fn oid(value: Oid) -> Param {
        Param::raw(builtin::OID, value.to_be_bytes().to_vec())
    }

    /// `float8`.
    pub fn float8(value: f64) -> Param {
        Param::raw(builtin::FLOAT8, value.to_be_bytes().to_vec())
    }

    /// `bool`.
    pub fn bool(value: bool) -> Param {
        Param::raw(builtin::BOOL, vec![u8::from(value)])
    }

    /// `text`. PostgreSQL takes no U+0000 within it.
    pub fn text(value: impl Into<String>) -> Param {
        Param::raw(builtin::TEXT, value.into().into_bytes())
    }

    /// `text`, or null.
    pub fn text_or_null(value: Option<impl Into<String>>) -> Param {
        value.map_or_else(|| Param::null(builtin::TEXT), Param::text)
    }

    /// `uuid`.
    pub fn uuid(value: Uuid) -> Param {
        Param::raw(builtin::UUID, value.as_bytes().to_vec())
    }

    /// `bytea`.
    pub fn bytea(value: impl Into<Bytes>) -> Param {
        Param::raw(builtin::BYTEA, value)
    }

    /// `json`, from its text. Cast it in the statement where jsonb is wanted.
    pub fn json(text: impl Into<String>) -> Param {
        Param::raw(builtin::JSON, text.into().into_bytes())
    }

    /// `jsonb`, from JSON text.
    pub fn jsonb(text: &str) -> Param {
        let mut value = Vec::with_capacity(text.len() + 1);
        // The version of jsonb's binary form; there is only this one.
        value.push(1);
        value.extend_from_slice(text.as_bytes());
        Param::raw(builtin::JSONB, value)
    }

    /// `timestamptz`, from microseconds since 1970-01-01 00:00 UTC. What lies 292,000 years back becomes `-infinity`.
    pub fn timestamptz_micros(unix_micros: i64) -> Param {
        let value = unix_micros.saturating_sub(EPOCH_MICROS);
        Param::raw(builtin::TIMESTAMPTZ, value.to_be_bytes().to_vec())
    }

    /// A one-dimensional array of values in binary form; `None` is a null element. Both oids are the catalog's.
    pub fn array<'v>(
        element_oid: Oid,
        array_oid: Oid,
        values: impl IntoIterator<Item = Option<&'v [u8]>>,
    ) -> Param {
        let mut builder = ArrayBuilder::new(element_oid, array_oid);
        for value in values {
            builder.push(value);
        }
        builder.finish()
    }

    /// `text[]`.
    pub fn text_array(values: &[impl AsRef<str>]) -> Param {
        let values = values.iter().map(|value| Some(value.as_ref().as_bytes()));
        Param::array(builtin::TEXT, builtin::of(builtin::TEXT).array_oid, values)
    }

    /// `int8[]`.
    pub fn int8_array(values: &[i64]) -> Param {
        let mut builder = ArrayBuilder::new(builtin::INT8, builtin::of(builtin::INT8).array_oid);
        for value in values {
            builder.push(Some(&value.to_be_bytes()));
        }
        builder.finish()
    }

    /// `int4[]`.
    pub fn int4_array(values: &[i32]) -> Param {
        let mut builder = ArrayBuilder::new(builtin::INT4, builtin::of(builtin::INT4).array_oid);
        for value in values {
            builder.push(Some(&value.to_be_bytes()));
        }
        builder.finish()
    }

    /// `uuid[]`.
    pub fn uuid_array(values: &[Uuid]) -> Param {
        let values = values.iter().map(|value| Some(value.as_bytes().as_slice()));
        Param::array(builtin::UUID, builtin::of(builtin::UUID).array_oid, values)
    }

    /// The oid of its type.
    pub fn type_oid(&self) -> Oid {
        self.oid
    }

    /// Its value in binary form; `None` for null.
    pub fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "Param(type {}, {} bytes)", self.oid, value.len()),
            None => write!(f, "Param(type {}, null)", self.oid),
        }
    }
}

/// Bytes before the first element: dimensions, null flag, element type, length and lower bound.
const ARRAY_HEADER: usize = 20;

/// Builds the binary form of a one-dimensional array, element by element, in one buffer.
pub struct ArrayBuilder {
    array_oid: Oid,
    element_oid: Oid,
    bytes: BytesMut,
    count: i32,
    has_null: bool,
}

impl ArrayBuilder {
    /// An empty array.
    pub fn new(element_oid: Oid, array_oid: Oid) -> ArrayBuilder {
        let mut bytes = BytesMut::with_capacity(256);
        bytes.put_bytes(0, ARRAY_HEADER);
        ArrayBuilder {
            array_oid,
            element_oid,
            bytes,
            count: 0,
            has_null: false,
        }
    }

    /// Appends an element in binary form, or a null.
    pub fn push(&mut self, value: Option<&[u8]>) {
        self.count += 1;
        match value {
            Some(value) => {
                // More than 2 GiB never get here: the message that carries them is refused at 1 GiB.
                self.bytes.put_u32(value.len() as u32);
                self.bytes.put_slice(value);
            }
            None => {
                self.has_null = true;
                self.bytes.put_i32(-1);
            }
        }
    }

    /// Elements so far.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The array as a parameter.
    pub fn finish(mut self) -> Param {
        let dimensions = i32::from(self.count > 0);
        let header = [
            dimensions,
            i32::from(self.has_null),
            self.element_oid.cast_signed(),
            self.count,
            1,
        ];
        for (place, word) in self.bytes.chunks_exact_mut(4).zip(header) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        // An array without elements has no dimensions, so no length and lower bound either.
        self.bytes
            .truncate(if self.count == 0 { 12 } else { self.bytes.len() });
        Param::raw(self.array_oid, self.bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_have_the_header_that_the_server_writes() {
        let param = Param::array(23, 1007, [Some(&[0, 0, 0, 7][..]), None]);
        let expected = [
            0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 255, 255,
            255, 255,
        ];
        assert_eq!(param.value().map(|bytes| bytes.to_vec()), Some(expected.to_vec()));
        assert_eq!(param.type_oid(), 1007);
        let empty = Param::text_array(&[] as &[&str]);
        assert_eq!(
            empty.value().map(|bytes| bytes.to_vec()),
            Some(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25])
        );
    }

    #[test]
    fn values_are_not_printed() {
        assert_eq!(format!("{:?}", Param::text("anna")), "Param(type 25, 4 bytes)");
    }
}
