//! The row program: what becomes of one row's bytes. Pure data; `transform` runs it.

use std::collections::BTreeMap;

use crate::spec::{RunFact, Unknown, WhenMissing};

/// A constant that the target turns into bytes once, before the first row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constant {
    /// Its text.
    pub text: ConstantText,
    /// The type, as SQL writes it, whose binary form it takes.
    pub type_sql: String,
}

/// What a constant says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConstantText {
    /// As PostgreSQL would read it.
    Text(String),
    /// A fact of the run.
    Run(RunFact),
    /// SQL null.
    Null,
}

/// How bytes of a key become canonical key text: what the target prints after casting to the parent key's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Canonical {
    /// A big-endian integer of 2, 4 or 8 bytes: its decimal digits.
    Integer,
    /// Text: itself.
    Text,
    /// A uuid: lower case with hyphens.
    Uuid,
}

/// One part of a key, as canonical text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyText {
    /// From the bytes of this input.
    Input(usize, Canonical),
    /// The answer of the key evaluation with this number: text already.
    Answer(usize),
}

/// Where one value comes from. `usize` that are called input, answer and constant count in [`Program`]'s entity:
/// its inputs, the answers of its evaluation, its constants.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The bytes of this input.
    Input(usize),
    /// The bytes of this answer of the evaluation, already in the column's own form.
    Answer(usize),
    /// The bytes of this constant.
    Constant(usize),
    /// This row's UUID.
    Id,
    /// Another entity's UUID: the reference with this number.
    Ref(usize),
    /// An integer of another width (2, 4 or 8 bytes); a value outside the width is a fault.
    Integer {
        /// The input.
        input: usize,
        /// Bytes of the result.
        width: u8,
    },
    /// The decimal text of an integer.
    IntegerText(usize),
    /// A value for a value.
    Map(MapProgram),
    /// A value of a row that the target has.
    Lookup(Box<LookupProgram>),
    /// An object, as jsonb's text; `binary_version` puts jsonb's version byte in front.
    Json {
        /// Members, sorted as jsonb stores them (by length of the name in bytes, then bytes), each name once.
        members: Vec<JsonMember>,
        /// Whether the column is jsonb (else json).
        jsonb: bool,
    },
}

impl Value {
    /// Whether this constant may be in it.
    pub fn holds_constant(&self, number: usize) -> bool {
        match self {
            Value::Constant(constant) => *constant == number,
            Value::Map(map) => {
                let listed = map.values.values().flatten();
                listed
                    .chain(&map.unknown_constant)
                    .any(|constant| *constant == number)
            }
            Value::Lookup(lookup) => lookup.value.holds_constant(number),
            Value::Json { members, .. } => members.iter().any(|member| member.value.holds_constant(number)),
            _ => false,
        }
    }
}

/// A value for a value.
#[derive(Debug, Clone, PartialEq)]
pub struct MapProgram {
    /// The input.
    pub input: usize,
    /// How its bytes become text.
    pub text: Canonical,
    /// Text, and the constant it becomes (`None`: null).
    pub values: BTreeMap<Vec<u8>, Option<usize>>,
    /// What happens with other texts: as the mapping says, with the constant of `Unknown::Const`.
    pub unknown: Unknown,
    /// The constant of `Unknown::Const`.
    pub unknown_constant: Option<usize>,
}

/// A value of a row that the target has.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupProgram {
    /// What was found.
    pub value: Value,
    /// The answer that says how many rows there are: 0, 1 or 2 for several; null where nothing is looked for.
    pub rows: usize,
    /// What happens where there is none.
    pub missing: WhenMissing,
    /// Where is looked.
    pub table: String,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonMember {
    /// Its name, not escaped.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// How the value's bytes become JSON.
    pub kind: JsonKind,
    /// What takes the place of null: rendered JSON text.
    pub default: Option<String>,
    /// Whether it is a fact of the run, which does not count in the fingerprint.
    pub volatile: bool,
}

/// How bytes become JSON, as `to_jsonb` renders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// Text: a string.
    String,
    /// An integer of 2, 4 or 8 bytes: a number.
    Integer,
    /// A boolean.
    Bool,
    /// A uuid: a string.
    Uuid,
    /// Binary numeric: a number, or a string for NaN and infinities.
    Numeric,
    /// Binary jsonb (with version byte): embedded.
    Jsonb,
    /// An object built here ([`Value::Json`] without version byte): embedded.
    Object,
}

/// What a value must satisfy; otherwise the row is at fault ([`crate::code::ROW_WOULD_LOSE`] or
/// [`crate::code::ROW_UNKNOWN_VALUE`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// At most so many characters (UTF-8).
    Characters(u32),
    /// A numeric that fits precision and scale without rounding (NaN fits; infinity does not).
    Numeric {
        /// Digits in all.
        precision: i32,
        /// Digits behind the point; may be negative from 15 on.
        scale: i32,
    },
    /// Microseconds that are a multiple of this (timestamp and time with fewer digits).
    Microseconds(i64),
    /// No interval that one of the servers takes for infinite and the other for its longest one.
    SameInterval,
    /// One of these labels.
    Label(Vec<String>),
    /// The answer with this number is true (or null): the evaluator's own check that nothing was lost.
    Lossless(usize),
    /// The same where only a change of the clocks can make it false.
    Clock {
        /// The answer.
        answer: usize,
        /// What it means then.
        change: ClockChange,
    },
}

/// Which change of the clocks a time may lie in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClockChange {
    /// Local time of this zone that the clocks leave out when they are put forward.
    Forward(String),
    /// A moment whose local time in this zone comes twice, because the clocks are put back.
    Back(String),
}

/// A reference to another entity's row.
#[derive(Debug, Clone, PartialEq)]
pub struct RefProgram {
    /// The parent's key in the parent's order. Null in any part makes the reference null.
    pub parts: Vec<KeyText>,
    /// For polymorphic references: the input that names the parent, and how it becomes text.
    pub discriminator: Option<(usize, Canonical)>,
    /// Text of the discriminator and how that parent is found. Without a discriminator one entry with empty text.
    pub parents: Vec<(Vec<u8>, Resolution)>,
    /// What happens with other discriminators (reject or null).
    pub unknown: Unknown,
    /// What happens where a recorded mapping is looked up and absent.
    pub missing: WhenMissing,
}

impl RefProgram {
    /// Whether it may mean a row that is looked up in the recorded mappings of this entity.
    pub fn looks_up(&self, name: &str) -> bool {
        let mut parents = self.parents.iter().map(|(_, resolution)| resolution);
        parents.any(|one| matches!(one, Resolution::Recorded { entity, .. } if entity == name))
    }
}

/// How the UUID of a key is found.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// UUIDv5 of this name and the key.
    Derive {
        /// The name in the derivation.
        name: String,
    },
    /// The recorded mapping of this entity; where there is none, UUIDv5 of `name` if given, else the parent is missing.
    Recorded {
        /// The entity whose recorded mappings are looked up.
        entity: String,
        /// The name in the derivation.
        name: Option<String>,
    },
}

/// A written target column.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name.
    pub column: String,
    /// Where its value comes from.
    pub value: Value,
    /// What takes the place of null: a constant.
    pub default: Option<usize>,
    /// Whether null rejects the row (the mapping's `required`, or the target's NOT NULL).
    pub required: bool,
    /// What the value must satisfy.
    pub checks: Vec<Check>,
    /// Whether the value is a fact of the run, which has no fingerprint.
    pub volatile: bool,
}

/// What becomes of one row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// References, resolved before anything else.
    pub refs: Vec<RefProgram>,
    /// Written columns, in the order in which COPY writes them.
    pub outputs: Vec<Output>,
}
