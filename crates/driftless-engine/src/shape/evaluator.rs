//! The session that evaluates expressions.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use driftless_pg::{Pool, Session};

use crate::error::Result;

/// Where unqualified names of expressions are looked for, behind `pg_catalog`.
pub const SEARCH_PATH: &str = "pg_catalog, public, extensions";

/// A session for expressions: read-only, so whatever an expression calls, nothing of it stays. It knows which functions of
/// ours it has.
#[derive(Debug)]
pub struct Evaluator {
    session: Session,
    /// Their names by what they do.
    functions: BTreeMap<String, String>,
}

impl Evaluator {
    /// Opens one.
    ///
    /// # Errors
    /// No connection.
    pub async fn connect(target: &Pool) -> Result<Evaluator> {
        let session = target.session("expressions").await?;
        session
            .batch(&format!(
                "SET search_path = {SEARCH_PATH}; SET default_transaction_read_only = on"
            ))
            .await?;
        Ok(Evaluator::of(session))
    }

    /// One with this session, whose settings are the caller's.
    pub fn of(session: Session) -> Evaluator {
        Evaluator {
            session,
            functions: BTreeMap::new(),
        }
    }

    /// The name of the temporary function with this definition, which begins with its parameters. It is made if the session
    /// does not have it.
    ///
    /// # Errors
    /// A lost connection, or what the server refuses.
    pub(super) async fn function(&mut self, definition: &str) -> Result<String> {
        if let Some(name) = self.functions.get(definition) {
            return Ok(name.clone());
        }
        let name = format!("pg_temp.driftless_failing_{}", self.functions.len());
        // Of all that the session does only this is no reading, and nobody else sees it.
        let sql = format!("SET TRANSACTION READ WRITE; CREATE FUNCTION {name}{definition}");
        self.session.batch(&sql).await?;
        self.functions.insert(definition.to_owned(), name.clone());
        Ok(name)
    }
}

impl Deref for Evaluator {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Evaluator {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
