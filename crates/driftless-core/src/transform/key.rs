//! Keys: canonical texts, the row's own UUID, references.

mod familiar;

use familiar::Familiar;
use uuid::Uuid;

use crate::batch::Cell;
use crate::code;
use crate::identity::KeyWriter;
use crate::plan::{Canonical, EntityPlan, KeyPart, KeyText, Mint, RefProgram};
use crate::spec::{Unknown, WhenMissing};
use crate::value;

use super::fault::Trouble;
use super::produce::holds_reference;
use super::recorded::{Finder, Lookups, Recorded, Resolver};
use super::shaped::{Place, Shaped};
use super::view::{AT_FAULT, OWN, View, canonical, shorten};

/// A reference of an entity, with the resolvers of its parents (parallel to `RefProgram::parents`).
#[derive(Debug)]
pub(super) struct Reference<'p> {
    pub(super) program: &'p RefProgram,
    pub(super) resolvers: Vec<Resolver<'p>>,
    /// The first output that holds it: a fault is that column's.
    pub(super) output: Option<usize>,
}

impl<'p> Reference<'p> {
    pub(super) fn new(namespace: Uuid, entity: &'p EntityPlan, number: usize) -> Reference<'p> {
        let program = &entity.program.refs[number];
        let parents = program.parents.iter();
        Reference {
            program,
            resolvers: parents
                .map(|(_, how)| Resolver::of_resolution(namespace, how))
                .collect(),
            output: entity
                .program
                .outputs
                .iter()
                .position(|output| holds_reference(&output.value, number)),
        }
    }

    fn reads_answers(&self) -> bool {
        self.program
            .parts
            .iter()
            .any(|part| matches!(part, KeyText::Answer(_)))
    }

    /// The input that alone says which row is meant, where it is an integer.
    fn integer(&self) -> Option<usize> {
        match (self.program.parts.as_slice(), self.program.discriminator) {
            ([KeyText::Input(input, Canonical::Integer)], None) => Some(*input),
            _ => None,
        }
    }

    fn place(&self) -> Place {
        self.output.map_or(Place::Key, Place::Output)
    }
}

/// Which parent a reference means in one row.
enum Parent {
    Null,
    Unknown,
    Number(usize),
}

/// Writes the canonical key into `out`; false where a part is null.
pub(super) fn write_key(
    view: View<'_>,
    parts: impl ExactSizeIterator<Item = KeyText>,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<bool, Trouble> {
    out.clear();
    let mut writer = KeyWriter::new(parts.len(), out);
    for part in parts {
        match view.key_text(part, row)? {
            Some(text) => writer.part(text.as_bytes()),
            None => return Ok(false),
        }
    }
    writer.finish();
    Ok(true)
}

/// The texts of an entity's own key.
pub(super) fn own_parts(key: &[KeyPart]) -> impl ExactSizeIterator<Item = KeyText> + '_ {
    key.iter().map(|part| part.text)
}

/// Collects the keys of a batch that must be looked up. Rows whose keys cannot be read are left out: they are found at
/// fault later.
pub(super) fn collect(
    view: View<'_>,
    own: Option<&Resolver<'_>>,
    references: &[Reference<'_>],
    lookups: &mut Lookups,
) {
    let mut key = Vec::new();
    if let Some(entity) = own.and_then(|resolver| resolver.entity) {
        for row in 0..view.batch.rows() {
            if let Ok(true) = write_key(view, own_parts(&view.entity.identity.key), row, &mut key) {
                lookups.add(entity, &key);
            }
        }
    }
    let recorded = |reference: &&Reference<'_>| reference.resolvers.iter().any(|one| one.entity.is_some());
    for reference in references.iter().filter(recorded) {
        for row in 0..view.batch.rows() {
            if let Ok(Parent::Number(parent)) = parent(view, reference.program, row)
                && let Some(entity) = reference.resolvers[parent].entity
                && let Ok(true) = write_key(view, reference.program.parts.iter().copied(), row, &mut key)
            {
                lookups.add(entity, &key);
            }
        }
    }
}

/// Finds every row's own UUID.
pub(super) fn mint(shaped: &mut Shaped, entity: &EntityPlan, finder: Option<&Finder<'_>>) {
    let identity = &entity.identity;
    let reads_answers = identity
        .key
        .iter()
        .any(|part| matches!(part.text, KeyText::Answer(_)));
    let mut key = Vec::new();
    for row in 0..shaped.rows() {
        if reads_answers && shaped.is_faulty(row) {
            shaped.keys.set(row, OWN, AT_FAULT);
            continue;
        }
        let found = own_cell(shaped.view(entity), &identity.mint, finder, row, &mut key);
        let cell = found.and_then(|own| match own {
            Own::Cell(cell) => Ok(cell),
            Own::New(uuid) => shaped.append(&uuid),
        });
        let cell = cell.unwrap_or_else(|trouble| {
            shaped.fault(entity, row, Place::Key, trouble, false);
            AT_FAULT
        });
        shaped.keys.set(row, OWN, cell);
    }
}

/// A row's own UUID: bytes that are there, or new ones.
enum Own {
    Cell(Cell),
    New([u8; 16]),
}

fn own_cell(
    view: View<'_>,
    mint: &Mint,
    finder: Option<&Finder<'_>>,
    row: usize,
    key: &mut Vec<u8>,
) -> Result<Own, Trouble> {
    let parts = &view.entity.identity.key;
    if let Some(part) = parts.iter().find(|part| view.input(part.input, row).is_none()) {
        return Err(null_key(&part.column));
    }
    match (mint, finder) {
        (Mint::Column(input), _) => match view.input(*input, row) {
            None => Err(null_key(&view.entity.inputs[*input].column)),
            Some(bytes) if bytes.len() == 16 => Ok(Own::Cell(view.batch.cell(row, *input))),
            Some(_) => Err(Trouble::unreadable("uuid")),
        },
        (Mint::Columns(_) | Mint::Place, _) | (_, None) => Ok(Own::Cell(Cell::NULL)),
        (Mint::Derive { .. } | Mint::Recorded { .. }, Some(finder)) => {
            if !write_key(view, own_parts(parts), row, key)? {
                return Err(null_key("the key"));
            }
            match finder.find(key) {
                Some(uuid) => Ok(Own::New(uuid.into_bytes())),
                None => Err(Trouble::new(
                    code::ROW_REFERENCE_MISSING,
                    "the entity that this one shares its identity with has no such row",
                )),
            }
        }
    }
}

fn null_key(column: &str) -> Trouble {
    Trouble::new(code::ROW_KEY_NULL, format!("{column} is null"))
}

/// Finds the UUIDs of one reference, the one with this number, in every row.
pub(super) fn refer(
    shaped: &mut Shaped,
    entity: &EntityPlan,
    number: usize,
    reference: &Reference<'_>,
    recorded: &Recorded,
    failed: &[bool],
) {
    let finders: Vec<Finder<'_>> = reference.resolvers.iter().map(|one| one.with(recorded)).collect();
    let reads_answers = reference.reads_answers();
    let integer = reference.integer();
    let mut familiar = Familiar::new();
    let mut key = Vec::new();
    for (row, failed) in failed.iter().enumerate() {
        if reads_answers && *failed {
            shaped.keys.set(row, OWN + 1 + number, AT_FAULT);
            continue;
        }
        let value = integer
            .and_then(|input| shaped.batch.get(row, input))
            .and_then(value::integer);
        if let Some(cell) = value.and_then(|value| familiar.find(value)) {
            shaped.keys.set(row, OWN + 1 + number, cell);
            continue;
        }
        let found = referred(shaped.view(entity), reference.program, &finders, row, &mut key);
        let cell = found.and_then(|referred| match referred {
            Referred::Row(uuid) => {
                let cell = shaped.append(uuid.as_bytes())?;
                if let Some(value) = value {
                    familiar.keep(value, cell);
                }
                Ok(cell)
            }
            Referred::Nothing => Ok(Cell::NULL),
            Referred::Absent => {
                shaped.note_null(row);
                Ok(Cell::NULL)
            }
        });
        let cell = cell.unwrap_or_else(|trouble| {
            let parks = reference.program.missing == WhenMissing::Park;
            shaped.fault(entity, row, reference.place(), trouble, parks);
            AT_FAULT
        });
        shaped.keys.set(row, OWN + 1 + number, cell);
    }
}

/// What a reference means in one row.
enum Referred {
    /// No row at all.
    Nothing,
    /// The row with this UUID.
    Row(Uuid),
    /// A row whose mapping is not recorded, which makes the reference null.
    Absent,
}

fn referred(
    view: View<'_>,
    program: &RefProgram,
    finders: &[Finder<'_>],
    row: usize,
    key: &mut Vec<u8>,
) -> Result<Referred, Trouble> {
    if !write_key(view, program.parts.iter().copied(), row, key)? {
        return Ok(Referred::Nothing);
    }
    let parent = match parent(view, program, row)? {
        Parent::Null => return Ok(Referred::Nothing),
        Parent::Number(parent) => parent,
        Parent::Unknown if program.unknown == Unknown::Null => return Ok(Referred::Nothing),
        Parent::Unknown => {
            return Err(Trouble::new(
                code::ROW_UNKNOWN_SUBJECT,
                format!(
                    "{} names no entity of the reference",
                    shown_kind(view, program, row)
                ),
            ));
        }
    };
    match (finders[parent].find(key), program.missing) {
        (Some(uuid), _) => Ok(Referred::Row(uuid)),
        (None, WhenMissing::Null) => Ok(Referred::Absent),
        (None, WhenMissing::Reject | WhenMissing::Park) => Err(Trouble::new(
            code::ROW_REFERENCE_MISSING,
            format!("no row {} is there", shown_key(view, program, key)),
        )),
    }
}

fn parent(view: View<'_>, program: &RefProgram, row: usize) -> Result<Parent, Trouble> {
    let Some((input, kind)) = program.discriminator else {
        return Ok(if program.parents.is_empty() {
            Parent::Unknown
        } else {
            Parent::Number(0)
        });
    };
    let Some(bytes) = view.input(input, row) else {
        return Ok(Parent::Null);
    };
    let text = canonical(bytes, kind)?;
    let number = program
        .parents
        .iter()
        .position(|(name, _)| name == text.as_bytes());
    Ok(number.map_or(Parent::Unknown, Parent::Number))
}

fn shown_kind(view: View<'_>, program: &RefProgram, row: usize) -> String {
    program.discriminator.map_or_else(String::new, |(input, kind)| {
        let bytes = view.input(input, row).unwrap_or_default();
        canonical(bytes, kind).map_or_else(|_| String::new(), |text| view.shown(input, text.as_bytes()))
    })
}

/// Whether the key that a reference is made of must not be shown.
pub(super) fn is_sensitive(view: View<'_>, program: &RefProgram) -> bool {
    program.parts.iter().any(|part| match part {
        KeyText::Input(input, _) => view.is_sensitive(*input),
        // Whose bytes an answer holds is the evaluation's matter: shown only where nothing is sensitive.
        KeyText::Answer(_) => !view.entity.sensitive.is_empty(),
    })
}

fn shown_key(view: View<'_>, program: &RefProgram, key: &[u8]) -> String {
    if is_sensitive(view, program) {
        return "with this key (sensitive)".to_owned();
    }
    shorten(key)
}
