//! From a row's bytes to the value of one output.

use crate::batch::Cell;
use crate::code;
use crate::plan::{Check, ClockChange, EntityPlan, Mint, Output, Value};
use crate::spec::WhenMissing;
use crate::value::{self, ShortText};

use super::check::check;
use super::fault::Trouble;
use super::json::{self, JSONB_VERSION, Sheet};
use super::shaped::{Place, Shaped};
use super::view::{AT_FAULT, NumberForm, OWN, Scalar, View};

/// What the shaper knows of an output before the first row.
#[derive(Debug)]
pub(super) struct OutputTraits {
    /// Its value needs the main evaluation.
    pub(super) deferred: bool,
    /// It is part of the target's key, which is never null.
    pub(super) key: bool,
    /// A row waits where a lookup in it finds nothing.
    pub(super) parks: bool,
    /// Answers that say how many rows a lookup found whose value is null where there is none.
    pub(super) nulling: Vec<usize>,
    /// Its text holds facts of the run beside others, so its fingerprint is not that of its bytes.
    pub(super) partly_volatile: bool,
}

impl OutputTraits {
    pub(super) fn of(entity: &EntityPlan, number: usize) -> OutputTraits {
        let output = &entity.program.outputs[number];
        OutputTraits {
            deferred: needs_answer(&output.value),
            key: matches!(&entity.identity.mint, Mint::Columns(outputs) if outputs.contains(&number)),
            parks: parks(&output.value),
            nulling: nulling(&output.value),
            partly_volatile: matches!(&output.value, Value::Json { members, .. } if json::has_volatile(members)),
        }
    }
}

fn needs_answer(value: &Value) -> bool {
    match value {
        Value::Answer(_) | Value::Lookup(_) => true,
        Value::Json { members, .. } => members.iter().any(|member| needs_answer(&member.value)),
        _ => false,
    }
}

/// Whether a row shall wait for what a lookup does not find. Within an object one such lookup speaks for all.
fn parks(value: &Value) -> bool {
    match value {
        Value::Lookup(lookup) => lookup.missing == WhenMissing::Park,
        Value::Json { members, .. } => members.iter().any(|member| parks(&member.value)),
        _ => false,
    }
}

/// Answers of lookups that make null of what they do not find: it may be there later.
fn nulling(value: &Value) -> Vec<usize> {
    match value {
        Value::Lookup(lookup) if lookup.missing == WhenMissing::Null => vec![lookup.rows],
        Value::Json { members, .. } => members.iter().flat_map(|member| nulling(&member.value)).collect(),
        _ => Vec::new(),
    }
}

/// Whether a value holds the reference with this number.
pub(super) fn holds_reference(value: &Value, number: usize) -> bool {
    match value {
        Value::Ref(reference) => *reference == number,
        Value::Json { members, .. } => members
            .iter()
            .any(|member| holds_reference(&member.value, number)),
        _ => false,
    }
}

/// Produces one output for these rows.
pub(super) fn fill(
    shaped: &mut Shaped,
    entity: &EntityPlan,
    number: usize,
    traits: &OutputTraits,
    rows: impl Iterator<Item = usize>,
) {
    let output = &entity.program.outputs[number];
    let mut sheet = Sheet::default();
    let existing = Existing::of(output);
    for row in rows {
        if let Some(cell) = existing.and_then(|existing| existing.cell(shaped, row)) {
            shaped.outputs.set(row, number, cell);
            continue;
        }
        match settle(shaped, entity, output, traits, row, &mut sheet) {
            Ok(cell) => shaped.outputs.set(row, number, cell),
            Err(trouble) => shaped.fault(entity, row, Place::Output(number), trouble, traits.parks),
        }
        let absent = |answer: &usize| {
            let rows = shaped.answers.cell(row, *answer).bytes(&shaped.batch.arena);
            rows.and_then(value::integer) == Some(0)
        };
        if traits.nulling.iter().any(absent) {
            shaped.note_null(row);
        }
        if traits.partly_volatile {
            shaped.stable[number][row] = sheet.stable_fingerprint();
        }
    }
}

/// Where the cells of a column lie that is copied as it is: the way of most columns, so it is short.
#[derive(Clone, Copy)]
enum Existing {
    Input(usize),
    Key(usize),
}

impl Existing {
    fn of(output: &Output) -> Option<Existing> {
        match output.value {
            _ if !output.checks.is_empty() => None,
            Value::Input(input) => Some(Existing::Input(input)),
            Value::Id => Some(Existing::Key(OWN)),
            Value::Ref(reference) => Some(Existing::Key(OWN + 1 + reference)),
            _ => None,
        }
    }

    /// The cell, unless there is something to decide about it.
    fn cell(self, shaped: &Shaped, row: usize) -> Option<Cell> {
        let cell = match self {
            Existing::Input(input) => shaped.batch.cell(row, input),
            Existing::Key(column) => shaped.keys.cell(row, column),
        };
        (!cell.is_null() && cell != AT_FAULT).then_some(cell)
    }
}

/// The value, its default, and whether it may stand in its column.
fn settle(
    shaped: &mut Shaped,
    entity: &EntityPlan,
    output: &Output,
    traits: &OutputTraits,
    row: usize,
    sheet: &mut Sheet,
) -> Result<Cell, Trouble> {
    let cell = value(shaped, entity, &output.value, row, sheet)?;
    let view = shaped.view(entity);
    let Some(bytes) = view.bytes(cell) else {
        // A default is a constant of the column's own type: nothing to check.
        return or_default(view, output, traits);
    };
    for one in &output.checks {
        check(bytes, one).map_err(|trouble| with_value(view, output, row, trouble))?;
    }
    Ok(cell)
}

fn or_default(view: View<'_>, output: &Output, traits: &OutputTraits) -> Result<Cell, Trouble> {
    let cell = view.constant(output.default);
    if !cell.is_null() {
        return Ok(cell);
    }
    if traits.key {
        return Err(Trouble::new(
            code::ROW_KEY_NULL,
            "a part of the target's key is null",
        ));
    }
    if output.required {
        return Err(Trouble::new(code::ROW_REQUIRED_NULL, "the value is null"));
    }
    Ok(Cell::NULL)
}

/// Adds the value to a message about it, where it is text of one input that may be shown.
fn with_value(view: View<'_>, output: &Output, row: usize, trouble: Trouble) -> Trouble {
    let Trouble::New(mut inner) = trouble else {
        return trouble;
    };
    if let (Value::Input(input), [Check::Characters(_) | Check::Label(_), ..]) =
        (&output.value, &output.checks[..])
        && let Some(bytes) = view.input(*input, row)
    {
        inner.1 = format!("{}: {}", inner.1, view.shown(*input, bytes));
    }
    Trouble::New(inner)
}

fn value(
    shaped: &mut Shaped,
    entity: &EntityPlan,
    value: &Value,
    row: usize,
    sheet: &mut Sheet,
) -> Result<Cell, Trouble> {
    if let Value::Json { members, jsonb } = value {
        sheet.clear();
        if *jsonb {
            sheet.text.push(JSONB_VERSION);
        }
        json::write_object(shaped.view(entity), members, row, sheet)?;
        return shaped.append(&sheet.text);
    }
    match shaped.view(entity).scalar(value, row)? {
        Scalar::Bytes(cell) => Ok(cell),
        Scalar::Number(number, NumberForm::Text) => shaped.append(ShortText::integer(number).as_bytes()),
        Scalar::Number(number, NumberForm::Binary(width)) => {
            let bytes = number.to_be_bytes();
            shaped.append(&bytes[8 - usize::from(width.min(8))..])
        }
    }
}

/// What a change of the clocks does to a time.
fn clock(change: &ClockChange) -> String {
    match change {
        ClockChange::Forward(zone) => {
            format!("this local time never was in {zone}: the clocks were put forward over it")
        }
        ClockChange::Back(zone) => {
            format!("another moment has the same local time in {zone}, where the clocks were put back")
        }
    }
}

/// The evaluator's own check that nothing was lost: an answer that is false is a fault.
pub(super) fn check_lossless(shaped: &mut Shaped, entity: &EntityPlan, number: usize, rows: &[usize]) {
    for one in &entity.program.outputs[number].checks {
        let (answer, loss) = match one {
            Check::Lossless(answer) => (
                answer,
                "the value does not fit the column without loss".to_owned(),
            ),
            Check::Clock { answer, change } => (answer, clock(change)),
            _ => continue,
        };
        for &row in rows {
            let view = shaped.view(entity);
            let trouble = match view.bytes(shaped.answers.cell(row, *answer)).map(value::boolean) {
                None | Some(Some(true)) => continue,
                Some(Some(false)) => Trouble::new(code::ROW_WOULD_LOSE, loss.clone()),
                Some(None) => Trouble::unreadable("boolean"),
            };
            shaped.fault(entity, row, Place::Output(number), trouble, false);
        }
    }
}
