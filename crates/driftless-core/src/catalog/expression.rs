//! What PostgreSQL says about an expression over one row, as values.

use std::fmt;

use super::scalar::TypeRef;
use crate::code::{self, Code};

/// A value that an expression may read: a column of the row it is evaluated over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExpressionInput {
    /// Its name, exact (`id`, `:id`): expressions write it quoted unless it is plain lower case.
    pub name: String,
    /// Its type without modifier, as a CREATE TABLE on the evaluating server writes it.
    pub type_sql: String,
}

/// An expression to be described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionRequest {
    /// The expression as the user wrote it, placeholders already replaced by quoted input names.
    pub sql: String,
    /// Everything it may read.
    pub inputs: Vec<ExpressionInput>,
}

/// What an accepted expression gives and needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionFacts {
    /// The type of its value on the evaluating server; of a domain, the type below it.
    pub result_type: TypeRef,
    /// The modifier of that type, -1 for none.
    pub result_typmod: i32,
    /// Names of the inputs that it reads, in the order of the request.
    pub columns: Vec<String>,
    /// Whether these inputs alone decide: no function that it calls may read tables.
    pub settled: bool,
}

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpressionCategory {
    /// It is not one expression.
    Syntax,
    /// It reads something that is no input.
    UnknownColumn {
        /// The input whose name comes nearest.
        nearest: Option<String>,
    },
    /// It calls a function or operator that is not there for these types.
    UnknownFunction,
    /// Its value depends on more than the row.
    Volatile {
        /// What makes it so, as SQL names it.
        function: String,
    },
    /// It is well formed, but not one row in, one value out: sub-select, aggregate, window, set, whole row.
    NotAllowed,
    /// The role may not call or use what it names.
    Forbidden,
    /// Anything else that PostgreSQL objects to.
    Other,
}

/// An expression that is refused, with PostgreSQL's reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionProblem {
    /// Why.
    pub category: ExpressionCategory,
    /// What is wrong, in PostgreSQL's words where it said something.
    pub message: String,
    /// Where in the request's `sql`, in bytes from its start.
    pub position: Option<usize>,
    /// What to do about it; may be empty.
    pub remedy: String,
}

impl ExpressionProblem {
    /// A problem without position and remedy.
    pub fn new(category: ExpressionCategory, message: impl Into<String>) -> ExpressionProblem {
        ExpressionProblem {
            category,
            message: message.into(),
            position: None,
            remedy: String::new(),
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> ExpressionProblem {
        self.remedy = remedy.into();
        self
    }

    /// The same with its place in the expression, in bytes.
    #[must_use]
    pub fn at(mut self, position: Option<usize>) -> ExpressionProblem {
        self.position = position;
        self
    }

    /// The code of the finding that this problem makes.
    pub fn code(&self) -> Code {
        match self.category {
            ExpressionCategory::Volatile { .. } | ExpressionCategory::NotAllowed => code::VOLATILE_EXPRESSION,
            ExpressionCategory::Forbidden => code::PRIVILEGE_MISSING,
            _ => code::BAD_EXPRESSION,
        }
    }
}

impl fmt::Display for ExpressionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}
