//! What grows while an entity is compiled: inputs, constants, questions to the target; each once.

use std::collections::BTreeSet;

use super::entity::{Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource, Input, Local};
use super::key_text::{KeyForm, native_text};
use super::program::{Canonical, Constant, ConstantText, KeyText};
use super::travel::{Travel, is_citext, travel};
use crate::catalog::{Catalog, Column, builtin};
use crate::name::quote_ident;

/// The growing parts of an entity's plan.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) target_catalog: &'a Catalog,
    /// Whether intervals are infinite on both servers or on neither.
    pub(super) same_interval: bool,
    pub(super) inputs: Vec<Input>,
    pub(super) constants: Vec<Constant>,
    pub(super) keys: Evaluation,
    pub(super) evaluation: Evaluation,
    /// What the next question to the main evaluation is computed from.
    basis: Basis,
}

/// What an answer is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Basis {
    /// Inputs of the evaluation, by number.
    pub(super) inputs: BTreeSet<usize>,
    /// Whether nothing else decides.
    pub(super) settled: bool,
}

impl Default for Basis {
    fn default() -> Basis {
        Basis {
            inputs: BTreeSet::new(),
            settled: true,
        }
    }
}

impl Basis {
    /// These inputs, and nothing else.
    pub(super) fn of(inputs: impl IntoIterator<Item = usize>) -> Basis {
        Basis {
            inputs: inputs.into_iter().collect(),
            settled: true,
        }
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(target_catalog: &'a Catalog, same_interval: bool) -> Draft<'a> {
        Draft {
            target_catalog,
            same_interval,
            inputs: Vec::new(),
            constants: Vec::new(),
            keys: Evaluation::default(),
            evaluation: Evaluation::default(),
            basis: Basis::default(),
        }
    }

    /// Turns to the next value: what is lent from here on is what the questions after it are computed from.
    pub(super) fn turn_to_next(&mut self) {
        self.basis = Basis::default();
    }

    /// The next question depends on more than the row.
    pub(super) fn unsettle(&mut self) {
        self.basis.settled = false;
    }

    /// The next question holds that of another answer.
    pub(super) fn build_on(&mut self, answer: usize) {
        let other = &self.evaluation.outputs[answer];
        self.basis.inputs.extend(&other.inputs);
        self.basis.settled &= other.settled;
    }

    /// The input with a column's own bytes.
    pub(super) fn raw(&mut self, column: &Column) -> usize {
        let base = column.data_type.base();
        let oid = if base.is_builtin() {
            base.oid
        } else if base.labels().is_some() || is_citext(base) {
            builtin::TEXT
        } else {
            // Bytes whose meaning only an extension knows.
            builtin::BYTEA
        };
        self.input(Input {
            column: column.name.clone(),
            select: quote_ident(&column.name),
            oid,
        })
    }

    /// The input with a column's text.
    pub(super) fn text(&mut self, column: &Column) -> usize {
        let select = format!("{}::pg_catalog.text", quote_ident(&column.name));
        self.input(Input {
            column: column.name.clone(),
            select,
            oid: builtin::TEXT,
        })
    }

    /// The input with the text of a column that every table has: `tableoid`, `ctid`.
    pub(super) fn system(&mut self, column: &str) -> usize {
        self.input(Input {
            column: column.to_owned(),
            select: format!("{}::pg_catalog.text", quote_ident(column)),
            oid: builtin::TEXT,
        })
    }

    fn input(&mut self, input: Input) -> usize {
        position_or_push(&mut self.inputs, input)
    }

    /// The constant with this text as a value of this type.
    pub(super) fn constant(&mut self, text: ConstantText, type_sql: &str) -> usize {
        position_or_push(
            &mut self.constants,
            Constant {
                text,
                type_sql: type_sql.to_owned(),
            },
        )
    }

    /// A column as canonical key text or map text: natively where its bytes allow, else the input is its text.
    pub(super) fn canonical(&mut self, column: &Column) -> (usize, Canonical) {
        match native_text(&column.data_type) {
            Some(canonical) => (self.raw(column), canonical),
            None => (self.text(column), Canonical::Text),
        }
    }

    /// A column as the text of a key.
    pub(super) fn key_text(&mut self, column: &Column, form: KeyForm, place: &str) -> KeyText {
        match form {
            KeyForm::Native(canonical) => KeyText::Input(self.raw(column), canonical),
            KeyForm::Asked(sql) => {
                let lent = self.lendable(column);
                let sql = sql.replace("{x}", &quote_ident(&lent.name));
                let input = position_or_push(&mut self.keys.inputs, lent);
                KeyText::Answer(ask(&mut self.keys, Basis::of([input]), sql, place, None))
            }
        }
    }

    /// Puts a column into the main evaluation; its quoted name inside.
    pub(super) fn lend(&mut self, column: &Column) -> String {
        let lent = self.lendable(column);
        let quoted = quote_ident(&lent.name);
        self.lend_input(lent);
        quoted
    }

    /// Puts an input into the main evaluation.
    pub(super) fn lend_input(&mut self, input: EvaluationInput) {
        let number = position_or_push(&mut self.evaluation.inputs, input);
        self.basis.inputs.insert(number);
    }

    /// A column as the input of an evaluation.
    fn lendable(&mut self, column: &Column) -> EvaluationInput {
        let Travel {
            as_text,
            element,
            array,
            cast,
            ..
        } = travel(&column.data_type, self.target_catalog, self.same_interval);
        let input = if as_text {
            self.text(column)
        } else {
            self.raw(column)
        };
        EvaluationInput {
            name: inner_name(&column.name),
            from: EvaluationSource::Input(input),
            element,
            array,
            cast,
        }
    }

    /// What the main evaluation is asked from this output on is a copied value, which the target only reads.
    pub(super) fn reads(&mut self, from: usize) {
        for output in self.evaluation.outputs.iter_mut().skip(from) {
            output.reads = true;
        }
    }

    /// Asks the main evaluation for a value; the number of the answer.
    pub(super) fn ask(&mut self, sql: String, place: &str, column: Option<&str>) -> usize {
        ask(&mut self.evaluation, self.basis.clone(), sql, place, column)
    }

    /// The same for a rule.
    pub(super) fn ask_whether(&mut self, sql: String, place: &str) -> usize {
        ask_whether(&mut self.evaluation, self.basis.clone(), sql, place)
    }

    /// Where the zone has one offset, the answer follows from it.
    pub(super) fn follows_from(&mut self, answer: usize, zone: &str, local: Local) {
        self.evaluation.outputs[answer].local = Some((zone.to_owned(), local));
    }
}

/// Asks an evaluation for a value; the number of the answer. Equal questions are asked once.
pub(super) fn ask(
    evaluation: &mut Evaluation,
    basis: Basis,
    sql: String,
    place: &str,
    column: Option<&str>,
) -> usize {
    let output = EvaluationOutput {
        column: column.map(str::to_owned),
        ..question(basis, sql, place)
    };
    found_or_pushed(evaluation, output)
}

/// The same for a rule.
pub(super) fn ask_whether(evaluation: &mut Evaluation, basis: Basis, sql: String, place: &str) -> usize {
    let output = EvaluationOutput {
        for_rules: true,
        ..question(basis, sql, place)
    };
    found_or_pushed(evaluation, output)
}

fn question(basis: Basis, sql: String, place: &str) -> EvaluationOutput {
    EvaluationOutput {
        sql,
        place: place.to_owned(),
        column: None,
        reads: false,
        inputs: basis.inputs.into_iter().collect(),
        settled: basis.settled,
        local: None,
        for_rules: false,
    }
}

fn found_or_pushed(evaluation: &mut Evaluation, output: EvaluationOutput) -> usize {
    let outputs = &mut evaluation.outputs;
    if let Some(found) = outputs.iter().position(|other| other.sql == output.sql) {
        outputs[found].for_rules &= output.for_rules;
        return found;
    }
    outputs.push(output);
    outputs.len() - 1
}

/// Whether a source column has a name that an evaluation keeps for itself: expressions cannot read it.
pub(super) fn is_reserved(column: &str) -> bool {
    column.starts_with(':') || column.starts_with(RESERVED)
}

/// A source column's name inside an evaluation.
pub(super) fn inner_name(column: &str) -> String {
    if is_reserved(column) {
        format!("{RESERVED}column {column}")
    } else {
        column.to_owned()
    }
}

/// How names begin that stand for something else than a column inside an evaluation.
const RESERVED: &str = "driftless ";

/// Where an item stands in a list, which it joins if it is new.
pub(super) fn position_or_push<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    if let Some(found) = list.iter().position(|other| *other == item) {
        return found;
    }
    list.push(item);
    list.len() - 1
}
