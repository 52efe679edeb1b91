use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use driftless_core::catalog::Oid;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, RowDescriptionBody};
use uuid::Uuid;

use crate::error::{ErrorKind, PgError};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, or `?column?`.
    pub name: String,
    /// The oid of its type.
    pub type_oid: Oid,
    /// The type's modifier, -1 without one.
    pub type_modifier: i32,
    /// The table it is a column of, 0 if it is none.
    pub table_oid: Oid,
    /// Its number within that table, 0 if it is none.
    pub table_column: i16,
}

/// Reads the columns of a result.
pub(crate) fn columns(body: &RowDescriptionBody) -> std::io::Result<Vec<Column>> {
    body.fields()
        .map(|field| {
            Ok(Column {
                name: field.name().to_owned(),
                type_oid: field.type_oid(),
                type_modifier: field.type_modifier(),
                table_oid: field.table_oid(),
                table_column: field.column_id(),
            })
        })
        .collect()
}

/// A row of a result, in binary form. Prints without its values.
#[derive(Clone)]
pub struct Row {
    columns: Arc<[Column]>,
    bytes: Bytes,
    cells: Box<[Option<Range<usize>>]>,
}

impl Row {
    pub(crate) fn read(columns: &Arc<[Column]>, body: &DataRowBody) -> std::io::Result<Row> {
        let cells: Vec<_> = body.ranges().collect()?;
        if cells.len() != columns.len() {
            return Err(std::io::Error::other(
                "a row with more or fewer fields than its result has columns",
            ));
        }
        Ok(Row {
            columns: Arc::clone(columns),
            bytes: body.buffer_bytes().clone(),
            cells: cells.into_boxed_slice(),
        })
    }

    /// Fields.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no fields, as rows of `SELECT` without a list have none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The result's columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The field's bytes; `None` for null, and for a field that is not there.
    pub fn raw(&self, index: usize) -> Option<&[u8]> {
        let range = self.cells.get(index)?.clone()?;
        self.bytes.get(range)
    }

    /// The field's value.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is no such field, if it is null and `T` is no `Option`, or if its bytes are no
    /// `T`. Only the form is looked at: eight bytes are an `i64`, whether they are an int8 or a timestamp's
    /// microseconds since 2000.
    pub fn get<T: FromRaw>(&self, index: usize) -> Result<T, PgError> {
        let fault = |fault: &str| {
            let column = self.columns.get(index);
            let name = column.map_or("", |column| column.name.as_str());
            let oid = column.map_or(0, |column| column.type_oid);
            let cause = format!("field {index} ({name}, type {oid}) of a result {fault}");
            PgError::new(ErrorKind::Usage, "", cause)
        };
        if index >= self.cells.len() {
            return Err(fault("is not there"));
        }
        T::from_raw(self.raw(index)).ok_or_else(|| fault("is not of the form that was asked for"))
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({} fields, {} bytes)", self.cells.len(), self.bytes.len())
    }
}

/// A value that can be read from a field's binary form.
pub trait FromRaw: Sized {
    /// The value; `None` if the bytes are no such value, or null where that is none.
    fn from_raw(raw: Option<&[u8]>) -> Option<Self>;
}

/// Numbers: exactly their bytes, big-endian.
macro_rules! number {
    ($($type:ty),*) => {$(
        impl FromRaw for $type {
            fn from_raw(raw: Option<&[u8]>) -> Option<$type> {
                Some(<$type>::from_be_bytes(raw?.try_into().ok()?))
            }
        }
    )*};
}

// i8 is PostgreSQL's "char", u32 an oid.
number!(i8, i16, i32, i64, u32, f32, f64);

impl FromRaw for bool {
    fn from_raw(raw: Option<&[u8]>) -> Option<bool> {
        match raw? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

/// PostgreSQL's `"char"`, where it is ASCII; its zero byte is U+0000.
impl FromRaw for char {
    fn from_raw(raw: Option<&[u8]>) -> Option<char> {
        match raw? {
            [byte] if byte.is_ascii() => Some(char::from(*byte)),
            _ => None,
        }
    }
}

impl FromRaw for String {
    fn from_raw(raw: Option<&[u8]>) -> Option<String> {
        str::from_utf8(raw?).ok().map(str::to_owned)
    }
}

impl FromRaw for Vec<u8> {
    fn from_raw(raw: Option<&[u8]>) -> Option<Vec<u8>> {
        raw.map(<[u8]>::to_vec)
    }
}

impl FromRaw for Uuid {
    fn from_raw(raw: Option<&[u8]>) -> Option<Uuid> {
        Uuid::from_slice(raw?).ok()
    }
}

impl<T: FromRaw> FromRaw for Option<T> {
    fn from_raw(raw: Option<&[u8]>) -> Option<Option<T>> {
        match raw {
            None => Some(None),
            Some(_) => T::from_raw(raw).map(Some),
        }
    }
}

/// One-dimensional arrays; bytes are `Vec<u8>`, so there is none of them.
macro_rules! arrays {
    ($($type:ty),*) => {$(
        impl FromRaw for Vec<$type> {
            fn from_raw(raw: Option<&[u8]>) -> Option<Vec<$type>> {
                array(raw?)
            }
        }
    )*};
}

arrays!(
    bool,
    i8,
    i16,
    i32,
    i64,
    u32,
    f32,
    f64,
    char,
    String,
    Uuid,
    Vec<u8>
);

impl<T: FromRaw> FromRaw for Vec<Option<T>> {
    fn from_raw(raw: Option<&[u8]>) -> Option<Vec<Option<T>>> {
        array(raw?)
    }
}

fn array<T: FromRaw>(mut bytes: &[u8]) -> Option<Vec<T>> {
    let mut word = || -> Option<i32> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        bytes = rest;
        Some(i32::from_be_bytes(*head))
    };
    let (dimensions, _flags, _element) = (word()?, word()?, word()?);
    if dimensions == 0 {
        return bytes.is_empty().then(Vec::new);
    }
    let (length, _lower_bound) = (word()?, word()?);
    if dimensions != 1 || length < 0 {
        return None;
    }
    let mut values = Vec::new();
    for _ in 0..length {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let size = i32::from_be_bytes(*head);
        bytes = rest;
        let value = match usize::try_from(size) {
            Ok(size) => {
                let (value, rest) = bytes.split_at_checked(size)?;
                bytes = rest;
                Some(value)
            }
            Err(_) if size == -1 => None,
            Err(_) => return None,
        };
        values.push(T::from_raw(value)?);
    }
    bytes.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::Index;
    use proptest::{option, prop_oneof};

    use super::*;
    use crate::param::Param;

    fn roundtrip<T: FromRaw>(param: &Param) -> Option<T> {
        T::from_raw(param.value().map(|bytes| &bytes[..]))
    }

    #[test]
    fn what_a_parameter_writes_a_row_reads() {
        let id = Uuid::from_u128(7);
        assert_eq!(roundtrip(&Param::int2(-2)), Some(-2i16));
        assert_eq!(roundtrip(&Param::int4(i32::MIN)), Some(i32::MIN));
        assert_eq!(roundtrip(&Param::int8(i64::MAX)), Some(i64::MAX));
        assert_eq!(roundtrip(&Param::bool(true)), Some(true));
        assert_eq!(roundtrip(&Param::uuid(id)), Some(id));
        assert_eq!(roundtrip(&Param::text("ü")), Some("ü".to_owned()));
        assert_eq!(roundtrip(&Param::int8_array(&[1, 2])), Some(vec![1i64, 2]));
        assert_eq!(
            roundtrip(&Param::text_array(&["a", ""])),
            Some(vec!["a".to_owned(), String::new()])
        );
        assert_eq!(roundtrip(&Param::uuid_array(&[])), Some(Vec::<Uuid>::new()));
        assert_eq!(
            roundtrip(&Param::array(25, 1009, [None, Some(&b"x"[..])])),
            Some(vec![None, Some("x".to_owned())])
        );
        assert_eq!(roundtrip(&Param::null(25)), Some(None::<String>));
    }

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(i32::from_raw(Some(&[0; 8])), None);
        assert_eq!(i32::from_raw(None), None);
        assert_eq!(String::from_raw(Some(&[0xff])), None);
        assert_eq!(bool::from_raw(Some(&[2])), None);
        // Two dimensions, a length that is not there, and bytes behind the end.
        let mut bytes = Param::int4_array(&[1, 2]).value().map(|b| b.to_vec()).unwrap();
        bytes[3] = 2;
        assert_eq!(Vec::<i32>::from_raw(Some(&bytes)), None);
        bytes[3] = 1;
        bytes.push(0);
        assert_eq!(Vec::<i32>::from_raw(Some(&bytes)), None);
        assert_eq!(Vec::<i32>::from_raw(Some(&bytes[..21])), None);
        // Lengths of arrays and elements that cannot be, and something behind an array without elements.
        let array = |words: &[i32]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            Vec::<Option<i32>>::from_raw(Some(&bytes))
        };
        assert_eq!(array(&[1, 1, 23, 1, 1, -1]), Some(vec![None]));
        assert_eq!(array(&[1, 1, 23, 1, 1, -2]), None);
        assert_eq!(array(&[1, 0, 23, -1, 1]), None);
        assert_eq!(array(&[0, 0, 23]), Some(vec![]));
        assert_eq!(array(&[0, 0, 23, 1]), None);
    }

    proptest! {
        #[test]
        fn arrays_of_texts_read_back_and_none_is_read_in_part(values in vec(option::of("\\PC{0,6}"), 1..6), cut in any::<Index>()) {
            let elements = values.iter().map(|value| value.as_deref().map(str::as_bytes));
            let param = Param::array(25, 1009, elements);
            let bytes = param.value().map(|bytes| bytes.to_vec()).unwrap();
            let part = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(Vec::<Option<String>>::from_raw(Some(part)), None);
            prop_assert_eq!(Vec::<Option<String>>::from_raw(Some(&bytes)), Some(values));
        }

        #[test]
        fn no_bytes_make_a_value_panic(
            header in prop_oneof![Just(Vec::new()), Just([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25].to_vec())],
            rest in vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..40),
        ) {
            let bytes = [header, rest].concat();
            let most = bytes.len() / 4;
            let raw = Some(bytes.as_slice());
            prop_assert!(Vec::<Option<String>>::from_raw(raw).is_none_or(|values| values.len() <= most));
            prop_assert!(Vec::<Vec<u8>>::from_raw(raw).is_none_or(|values| values.len() <= most));
            prop_assert!(Vec::<bool>::from_raw(raw).is_none_or(|values| values.len() <= most));
            prop_assert!(Vec::<char>::from_raw(raw).is_none_or(|values| values.len() <= most));
            prop_assert!(Vec::<Uuid>::from_raw(raw).is_none_or(|values| values.len() <= most));
            // Values of a fixed size are read from that size alone.
            prop_assert_eq!(i64::from_raw(raw).is_some(), bytes.len() == 8);
            prop_assert_eq!(f32::from_raw(raw).is_some(), bytes.len() == 4);
            prop_assert_eq!(Uuid::from_raw(raw).is_some(), bytes.len() == 16);
        }
    }
}
