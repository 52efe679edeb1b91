//! Transactions that begin with the lease's guard: what runs in them runs only while the lease is ours.

use std::ops::Deref;

use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::Silencing;
use driftless_pg::{BeginMode, ErrorKind, PgError, Session, Transaction};

use super::loud::{self, Found};
use crate::error::Result;
use crate::preflight::busy;
use crate::store::aside::Scope;
use crate::store::execution::{self, Counts};

/// A transaction for DDL. Functions in index expressions may count on the role's own search path; everything that we
/// write is qualified.
pub(super) async fn ddl<'s>(session: &'s mut Session, scope: &Scope<'_>) -> Result<Transaction<'s>> {
    begin(session, scope, &["SET LOCAL search_path TO DEFAULT"]).await
}

/// A transaction for corrections of rows.
#[derive(Debug)]
pub(super) struct Correcting<'s> {
    tx: Transaction<'s>,
    silenced: Found,
}

impl<'s> Deref for Correcting<'s> {
    type Target = Transaction<'s>;

    fn deref(&self) -> &Transaction<'s> {
        &self.tx
    }
}

impl Correcting<'_> {
    /// Counts what became of rows of each entity, gives triggers back that were silenced, and commits: what is told of a run is
    /// what it has done.
    pub(super) async fn commit<'e>(
        self,
        scope: &Scope<'_>,
        counts: impl IntoIterator<Item = (&'e str, Counts)>,
    ) -> Result<()> {
        for (entity, counts) in counts {
            execution::count(&self.tx, scope.store, scope.execution, entity, &counts).await?;
        }
        self.silenced.give_back(&self.tx).await?;
        Ok(self.tx.commit().await?)
    }
}

/// A transaction for corrections of a table's rows: no trigger of it fires, nothing cascades.
pub(super) async fn rows<'s>(
    session: &'s mut Session,
    scope: &Scope<'_>,
    table: &QualifiedName,
) -> Result<Correcting<'s>> {
    let tx = records(session, scope).await?;
    let silenced = loud::silenced(&tx, table, scope.triggers).await?;
    Ok(Correcting { tx, silenced })
}

/// A transaction for corrections of what is on record of rows.
pub(super) async fn records<'s>(session: &'s mut Session, scope: &Scope<'_>) -> Result<Transaction<'s>> {
    let mut settings = vec!["SET CONSTRAINTS ALL IMMEDIATE"];
    if scope.silencing == Silencing::ReplicaRole {
        settings.push("SET LOCAL session_replication_role = replica");
    }
    begin(session, scope, &settings).await
}

/// The guard, how long to wait for locks, and the settings go with the transaction's first statement, and nothing behind a guard that fails is run.
async fn begin<'s>(
    session: &'s mut Session,
    scope: &Scope<'_>,
    settings: &[&str],
) -> Result<Transaction<'s>> {
    let tx = session.begin(BeginMode::ReadWrite).await?;
    tx.ahead(scope.guard, &[]).await?;
    for setting in busy::PATIENT.iter().chain(settings) {
        tx.ahead(setting, &[]).await?;
    }
    Ok(tx)
}

/// Whether an error is about the statement's object and its rows, so that the work on others can go on. A lost lease,
/// locks, resources and connections are not.
pub(super) fn concerns_item(error: &PgError) -> bool {
    const CLASSES: [&str; 7] = ["0A", "22", "23", "2B", "42", "55", "P0"];
    let state = error.sqlstate().unwrap_or_default();
    error.kind() == ErrorKind::Server
        && state != "55P03"
        && state.get(..2).is_some_and(|class| CLASSES.contains(&class))
}
