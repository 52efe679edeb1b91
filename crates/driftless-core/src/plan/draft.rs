//! What grows while an entity is compiled: inputs, constants, questions to the target; each once.

use super::entity::{Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource, Input};
use super::fit::{Travel, travel};
use super::program::{Canonical, Constant, ConstantText, KeyText};
use crate::catalog::{Catalog, Column, TypeKind, TypeRef, builtin};
use crate::name::quote_ident;

/// The growing parts of an entity's plan.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) target_catalog: &'a Catalog,
    pub(super) inputs: Vec<Input>,
    pub(super) constants: Vec<Constant>,
    pub(super) keys: Evaluation,
    pub(super) evaluation: Evaluation,
}

impl<'a> Draft<'a> {
    pub(super) fn new(target_catalog: &'a Catalog) -> Draft<'a> {
        Draft {
            target_catalog,
            inputs: Vec::new(),
            constants: Vec::new(),
            keys: Evaluation::default(),
            evaluation: Evaluation::default(),
        }
    }

    /// The input with a column's own bytes.
    pub(super) fn raw(&mut self, column: &Column) -> usize {
        let base = column.data_type.base();
        let oid = if base.is_builtin() {
            base.oid
        } else {
            builtin::TEXT
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

    /// A column as the text that the target prints for it after a cast.
    pub(super) fn key_answer(&mut self, column: &Column, cast: Option<&str>, place: &str) -> KeyText {
        let (name, _) = self.lend(column, Round::Keys);
        let value = match cast {
            Some(cast) => format!("(({name})::{cast})::pg_catalog.text"),
            None => format!("({name})::pg_catalog.text"),
        };
        KeyText::Answer(ask(&mut self.keys, value, place, None))
    }

    /// Puts a column into an evaluation; its quoted name and type inside.
    pub(super) fn lend(&mut self, column: &Column, round: Round) -> (String, TypeRef) {
        let Travel {
            as_text,
            element,
            array,
            cast,
            data_type,
        } = travel(&column.data_type, self.target_catalog);
        let input = if as_text {
            self.text(column)
        } else {
            self.raw(column)
        };
        let lent = EvaluationInput {
            name: column.name.clone(),
            from: EvaluationSource::Input(input),
            element,
            array,
            cast,
        };
        let evaluation = match round {
            Round::Keys => &mut self.keys,
            Round::Main => &mut self.evaluation,
        };
        position_or_push(&mut evaluation.inputs, lent);
        (quote_ident(&column.name), data_type)
    }

    /// Asks the main evaluation for a value; the number of the answer.
    pub(super) fn ask(&mut self, sql: String, place: &str, column: Option<&str>) -> usize {
        ask(&mut self.evaluation, sql, place, column)
    }
}

/// Which evaluation a question belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Key texts, before anything else.
    Keys,
    /// Everything else.
    Main,
}

/// Asks an evaluation for a value; the number of the answer. Equal questions are asked once.
pub(super) fn ask(evaluation: &mut Evaluation, sql: String, place: &str, column: Option<&str>) -> usize {
    if let Some(found) = evaluation.outputs.iter().position(|output| output.sql == sql) {
        return found;
    }
    evaluation.outputs.push(EvaluationOutput {
        sql,
        place: place.to_owned(),
        column: column.map(str::to_owned),
    });
    evaluation.outputs.len() - 1
}

/// How a type's bytes become text without asking anybody.
pub(super) fn native_text(data_type: &TypeRef) -> Option<Canonical> {
    let base = data_type.base();
    match (&base.kind, base.oid) {
        (TypeKind::Enum(_), _) => Some(Canonical::Text),
        (_, builtin::INT2 | builtin::INT4 | builtin::INT8) => Some(Canonical::Integer),
        (_, builtin::TEXT | builtin::VARCHAR | builtin::NAME) => Some(Canonical::Text),
        (_, builtin::UUID) => Some(Canonical::Uuid),
        _ => None,
    }
}

fn position_or_push<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    if let Some(found) = list.iter().position(|other| *other == item) {
        return found;
    }
    list.push(item);
    list.len() - 1
}
