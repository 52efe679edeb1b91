//! Triggers that would act when rows are written or leave: read under the locks of their tables, disabled, and given back the modes that
//! were read.

use std::collections::BTreeSet;

use driftless_core::catalog::TriggerMode;
use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::{Silencing, Triggers, switch_trigger};
use driftless_pg::{Param, Transaction};

use crate::error::{InContext as _, Result};
use crate::introspect::trigger_mode;
use crate::preflight::busy::Wish;

/// A trigger that acts, and that the role may disable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Loud {
    /// Its table: one of those that were asked about, or a partition or an inheriting table.
    table: QualifiedName,
    name: String,
    mode: TriggerMode,
}

/// Triggers with those of the tables for which they act.
#[derive(Debug, Default)]
pub(super) struct Found {
    tables: BTreeSet<QualifiedName>,
    triggers: BTreeSet<Loud>,
}

/// Looks for triggers that act in these tables.
pub(super) async fn look(
    tx: &Transaction<'_>,
    tables: &BTreeSet<&QualifiedName>,
    silencing: Silencing,
) -> Result<Found> {
    let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let parameters = [Param::text_array(&schemas), Param::text_array(&names)];
    let mut found = Found::default();
    for row in tx.query(include_str!("loud.sql"), &parameters).await? {
        let mode = trigger_mode(&row.get::<String>(5)?);
        if !silencing.lets(mode) {
            continue;
        }
        let asked = QualifiedName::new(row.get::<String>(0)?, row.get::<String>(1)?);
        found.tables.insert(asked);
        found.triggers.insert(Loud {
            table: QualifiedName::new(row.get::<String>(2)?, row.get::<String>(3)?),
            name: row.get(4)?,
            mode,
        });
    }
    Ok(found)
}

/// Silences what acts in a table until [`Found::give_back`], where nobody has set it aside: under a lock behind which others wait who
/// write there, so that theirs act. If the transaction does not come to its end, nothing has changed.
pub(super) async fn silenced(
    tx: &Transaction<'_>,
    table: &QualifiedName,
    triggers: Triggers,
) -> Result<Found> {
    let Triggers::UnderLock(silencing) = triggers else {
        return Ok(Found::default());
    };
    let tables = BTreeSet::from([table]);
    let mut found = look(tx, &tables, silencing).await?;
    let named = [Param::text(table.sql())];
    if tx.query_one(LOCKABLE, &named).await?.get(0)? {
        // The look before tells which lock that takes; what counts is what is there when nobody can change it any more.
        tx.batch(&lock_sql(&found.wishes(&tables))).await?;
        found = look(tx, &tables, silencing).await?;
    }
    found.silence(tx).await?;
    Ok(found)
}

/// Whether the table $1 can be locked by name, which a foreign table cannot.
const LOCKABLE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1) AND relkind <> 'f')";

impl Found {
    /// What is asked of each table before: of those that have triggers to be disabled what that takes, so that nothing is
    /// waited for later; of the others only that their triggers stay as they are.
    pub(super) fn wishes<'t>(&self, tables: &BTreeSet<&'t QualifiedName>) -> Vec<(&'t QualifiedName, Wish)> {
        let wish = |table: &'t QualifiedName| match self.tables.contains(table) {
            true => (table, Wish::Silence),
            false => (table, Wish::Write),
        };
        tables.iter().map(|table| wish(table)).collect()
    }

    /// Disables the triggers.
    pub(super) async fn silence(&self, tx: &Transaction<'_>) -> Result<()> {
        self.switch(tx, |_| TriggerMode::Disabled).await
    }

    /// Gives the triggers their modes back. A table cannot be altered while checks of its rows are put off.
    pub(super) async fn give_back(&self, tx: &Transaction<'_>) -> Result<()> {
        if self.triggers.is_empty() {
            return Ok(());
        }
        tx.batch("SET CONSTRAINTS ALL IMMEDIATE").await?;
        self.switch(tx, |mode| mode).await
    }

    async fn switch(&self, tx: &Transaction<'_>, to: impl Fn(TriggerMode) -> TriggerMode) -> Result<()> {
        for Loud { table, name, mode } in &self.triggers {
            let switch = switch_trigger(table, name, to(*mode));
            tx.batch(&switch)
                .await
                .context(format!("trigger {name} of {table}"))?;
        }
        Ok(())
    }
}

/// The statement that takes the locks, partitions and inheriting tables included.
pub(super) fn lock_sql(wishes: &[(&QualifiedName, Wish)]) -> String {
    let lock = |(table, wish): &(&QualifiedName, Wish)| {
        let mode = match wish {
            Wish::Silence => "SHARE ROW EXCLUSIVE",
            _ => "ROW EXCLUSIVE",
        };
        format!("LOCK TABLE {} IN {mode} MODE", table.sql())
    };
    let locks: Vec<String> = wishes.iter().map(lock).collect();
    locks.join("; ")
}
