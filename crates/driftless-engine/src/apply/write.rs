//! A shaped batch into the target: rows, identities, rejects and warnings, in one transaction that the caller commits.

use bytes::Bytes;
use driftless_core::code;
use driftless_core::name::quote_ident;
use driftless_core::plan::{EntityPlan, Mint, Path};
use driftless_core::transform::{COPY_HEADER, COPY_TRAILER, RowFault, Shaped, Shaper, Stamp, Verdict};
use driftless_pg::{Param, Transaction};

use uuid::Uuid;

use super::behind::{Behind, ROOM};
pub use super::care::Care;
use super::isolate::{self, Refused, Way};
use super::orphan::{self, Orphan};
use super::place;
use super::send::{confirm, copy_ahead};
use super::stay;
use crate::error::{EngineError, Result};
use crate::extract::spare::Spare;
use crate::shape::Shaping;
use crate::store::execution::Counts;
use crate::store::reject::{self, Reject};
use crate::store::{Store, identity};

/// Writes batches of one entity.
#[derive(Debug)]
pub struct Writing<'w, 'p> {
    /// The state.
    pub store: &'w Store,
    /// The entity's shaping.
    pub shaping: &'w Shaping<'p>,
    /// Memory of what was sent.
    pub spare: &'w Spare,
    /// The execution.
    pub execution: i64,
    /// How rows go in.
    pub care: Care,
    /// Whether the transaction has a table of rows that stay where they are and get new values.
    pub staying: bool,
    /// Whether rows that foreign keys miss may still come.
    pub parents: Parents,
}

/// What a foreign key's refusal says where the mapping lets the reference be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parents {
    /// That the parent is not there yet: the row is on record until it is tried again.
    Coming,
    /// That the parent is missing: the row is written without it.
    Complete,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Written {
    /// Rows by what became of them.
    pub counts: Counts,
    /// The numbers of those that are in the target now, ascending.
    pub rows: Vec<usize>,
}

impl Writing<'_, '_> {
    fn plan(&self) -> &EntityPlan {
        self.shaping.plan
    }

    /// Writes a batch, and says which of its rows are written. With [`Care::Fast`] the answers of the server are outstanding:
    /// `send::confirm` reads them; and what goes in `behind` these rows may wait for those of the next batch, or for
    /// [`Writing::put_behind`].
    pub async fn write(
        &self,
        tx: &Transaction<'_>,
        shaped: &mut Shaped,
        behind: &mut Behind,
    ) -> Result<Written> {
        self.halt(shaped)?;
        let mut rejects: Vec<Reject> = (0..shaped.rows())
            .filter_map(|row| self.faulty(shaped, row))
            .collect();
        let staying = if self.staying {
            stay::rows(tx, self.shaping, shaped).await?
        } else {
            Vec::new()
        };
        stay::rewrite(tx, self.shaping, shaped, &staying).await?;
        let merged = self.merged(tx, shaped).await?;
        let is_in = |list: &[usize], row: usize| list.binary_search(&row).is_ok();
        let mut standing = self.standing(tx, shaped).await?;
        standing.retain(|row| !is_in(&staying, *row) && !is_in(&merged, *row));
        let mut rows: Vec<usize> = shaped
            .writable()
            .filter(|row| !is_in(&standing, *row) && !is_in(&staying, *row) && !is_in(&merged, *row))
            .collect();
        let mut refused = self.copy_rows(tx, shaped, &rows).await?;
        if self.parents == Parents::Complete {
            refused = orphan::without_parents(tx, self.shaping, shaped, refused, Way::Insert).await?;
        }
        let mut orphans = orphan::orphans(tx, self.shaping, shaped, &refused).await?;
        for one in refused {
            rows.retain(|row| *row != one.row);
            let orphan = orphans.remove(&one.row);
            rejects.push(self.refused(shaped, one, orphan));
        }
        rows.extend(staying);
        rows.sort_unstable();
        for (rows, status) in [
            (&rows, identity::LIVE),
            (&standing, identity::ADOPTED),
            (&merged, identity::MERGED),
        ] {
            self.identify(tx, shaped, (rows, status), behind).await?;
        }
        let parked = rejects.iter().filter(|reject| reject.parked).count() as i64;
        let counts = Counts {
            read: shaped.rows() as i64,
            inserted: rows.len() as i64,
            unchanged: (standing.len() + merged.len()) as i64,
            rejected: rejects.len() as i64 - parked,
            parked,
            ..Counts::default()
        };
        behind.rejects.extend(rejects);
        behind.warnings.extend(self.warnings(shaped, &rows));
        if self.care == Care::Isolating || self.looks_back() || behind.is_full() {
            self.put_behind(tx, behind).await?;
        }
        Ok(Written { counts, rows })
    }

    /// Whether what is done with a batch depends on what the ones before left on record.
    fn looks_back(&self) -> bool {
        self.plan().identity.merge.is_some() || self.may_stand()
    }

    /// Writes what goes in behind rows.
    pub async fn put_behind(&self, tx: &Transaction<'_>, behind: &mut Behind) -> Result<()> {
        let entity = &self.plan().name;
        reject::record(tx, self.store, entity, self.execution, &behind.rejects).await?;
        reject::warn(tx, self.store, entity, self.execution, &behind.warnings).await?;
        behind.rejects.clear();
        behind.warnings.clear();
        let (encoded, rows) = std::mem::take(&mut behind.identities);
        if rows > 0 {
            let sql = identity::copy_sql(self.store, self.plan());
            self.copy_ahead(tx, &sql, encoded, rows).await?;
        }
        if self.care == Care::Isolating {
            // Whoever comes next takes a refusal for one of its rows.
            confirm(tx, entity).await?;
        }
        Ok(())
    }

    fn warnings(&self, shaped: &Shaped, rows: &[usize]) -> Vec<(String, String)> {
        let warnings = shaped.warnings().iter();
        let of_written = warnings.filter(|warning| rows.binary_search(&(warning.row as usize)).is_ok());
        of_written
            .map(|warning| {
                let key = self.shaping.shaper.key_text(shaped, warning.row as usize);
                (key, warning.rule.clone().unwrap_or_default())
            })
            .collect()
    }

    /// A row by its key, unless that is sensitive.
    fn named(&self, shaped: &Shaped, row: usize) -> String {
        let plan = self.plan();
        if plan
            .identity
            .key
            .iter()
            .any(|part| plan.sensitive.contains(&part.column))
        {
            return "a row".to_owned();
        }
        format!("row {}", self.shaping.shaper.key_text(shaped, row))
    }

    fn halt(&self, shaped: &Shaped) -> Result<()> {
        for row in 0..shaped.rows() {
            if let Verdict::Halt(fault) = shaped.verdict(row) {
                let rule = fault.rule.clone().unwrap_or_default();
                return Err(EngineError::new(
                    code::RULE_HALTED,
                    format!("rule {rule}"),
                    format!(
                        "{} does not satisfy it, and its on_fail is halt",
                        self.named(shaped, row)
                    ),
                )
                .remedy("correct the row in the source, or let the rule reject or warn; then start again"));
            }
        }
        Ok(())
    }

    fn faulty(&self, shaped: &Shaped, row: usize) -> Option<Reject> {
        let fault = shaped.faults(row).next()?;
        let key = self.shaping.shaper.key_text(shaped, row);
        Some(self.reject(shaped, row, key, stage(fault), fault))
    }

    fn reject(
        &self,
        shaped: &Shaped,
        row: usize,
        key: String,
        stage: &'static str,
        fault: &RowFault,
    ) -> Reject {
        // Where columns are sensitive, a message might quote one of their values.
        let message = if self.plan().sensitive.is_empty() {
            fault.message.clone()
        } else {
            fault.code.title().to_owned()
        };
        Reject {
            key,
            parked: fault.parked,
            stage,
            code: fault.code.to_string(),
            sqlstate: fault.sqlstate.clone(),
            category: fault.category.as_str(),
            message,
            column: fault.column.clone(),
            constraint: None,
            parent_entity: None,
            parent_key: None,
            rule: fault.rule.clone(),
            source_row: Some(
                self.shaping
                    .shaper
                    .source_row_json(&shaped.batch, row)
                    .to_string(),
            ),
        }
    }

    fn refused(&self, shaped: &Shaped, refused: Refused, orphan: Option<Orphan>) -> Reject {
        let key = self.shaping.shaper.key_text(shaped, refused.row);
        let row = refused.row;
        let fault = RowFault {
            sqlstate: Some(refused.sqlstate.clone()),
            column: refused.column.clone(),
            ..refusal(&refused, orphan.as_ref())
        };
        let reject = Reject {
            constraint: refused.constraint,
            ..self.reject(shaped, row, key, "write", &fault)
        };
        match orphan {
            Some(orphan) => Reject {
                column: Some(orphan.column),
                parent_entity: Some(orphan.parent),
                parent_key: orphan.key,
                ..reject
            },
            None => reject,
        }
    }

    /// Rows that are one with another row, which is written for them.
    async fn merged(&self, tx: &Transaction<'_>, shaped: &Shaped) -> Result<Vec<usize>> {
        if self.plan().identity.merge.is_none() {
            return Ok(Vec::new());
        }
        let rows: Vec<usize> = shaped.writable().collect();
        let shaper = &self.shaping.shaper;
        let keys: Vec<String> = rows.iter().map(|row| shaper.key_text(shaped, *row)).collect();
        let sql = format!(
            "SELECT u.ord FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS u (key, ord) \
             JOIN {} AS r ON r.key = u.key COLLATE pg_catalog.\"C\" WHERE r.merged ORDER BY u.ord",
            self.store.recorded_table(&self.plan().name).sql()
        );
        let found = tx.query(&sql, &[Param::text_array(&keys)]).await?;
        let number = |ordinal: i64| rows[usize::try_from(ordinal - 1).unwrap_or_default()];
        found.iter().map(|row| Ok(number(row.get(0)?))).collect()
    }

    /// Rows whose mapping was adopted and whose target row is there already: they stay as they are. A row that this entity
    /// knows is taken: whoever else has its key repeats it.
    async fn standing(&self, tx: &Transaction<'_>, shaped: &Shaped) -> Result<Vec<usize>> {
        let [(column, _)] = self.plan().identity.target.as_slice() else {
            return Ok(Vec::new());
        };
        if !self.may_stand() {
            return Ok(Vec::new());
        }
        let rows: Vec<usize> = shaped.writable().collect();
        let ids: Vec<Uuid> = rows
            .iter()
            .filter_map(|row| shaped.id(*row))
            .map(Uuid::from_bytes)
            .collect();
        let sql = format!(
            "SELECT u.ord FROM (SELECT id, pg_catalog.min(ord) AS ord \
             FROM pg_catalog.unnest($1::uuid[]) WITH ORDINALITY AS one (id, ord) GROUP BY id) AS u \
             WHERE EXISTS (SELECT FROM {} AS t WHERE t.{} = u.id) \
             AND NOT EXISTS (SELECT FROM {} AS i WHERE i.t1 = u.id AND i.status <> {}) ORDER BY u.ord",
            self.plan().into.sql(),
            quote_ident(column),
            self.store.identity_table(&self.plan().name).sql(),
            identity::MERGED,
        );
        let found = tx.query(&sql, &[Param::uuid_array(&ids)]).await?;
        found
            .iter()
            .map(|row| {
                let ordinal: i64 = row.get(0)?;
                Ok(rows[usize::try_from(ordinal - 1).unwrap_or_default()])
            })
            .collect()
    }

    /// Whether rows may be in the target already.
    fn may_stand(&self) -> bool {
        // A table that a load fills has no rows but ours.
        let natural = self.plan().identity.natural_key.is_some();
        let ours = self.plan().path == Path::Load && self.care == Care::Fast && !natural;
        !ours && self.plan().identity.mint.recorded().is_some()
    }

    async fn copy_rows(&self, tx: &Transaction<'_>, shaped: &Shaped, rows: &[usize]) -> Result<Vec<Refused>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if self.plan().identity.mint == Mint::Place {
            return place::insert(tx, self.plan(), &self.shaping.shaper, (shaped, rows), self.care).await;
        }
        if self.care == Care::Isolating {
            return isolate::write(tx, self.plan(), &self.shaping.shaper, shaped, rows, Way::Insert).await;
        }
        let mut encoded = self.spare.buffer();
        self.shaping
            .shaper
            .encode_rows(shaped, rows.iter().copied(), &mut encoded);
        self.copy_ahead(tx, &copy_sql(self.plan()), encoded, rows.len())
            .await?;
        Ok(Vec::new())
    }

    /// Records the identities of rows, behind these.
    async fn identify(
        &self,
        tx: &Transaction<'_>,
        shaped: &Shaped,
        (rows, status): (&[usize], i16),
        behind: &mut Behind,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let stamp = Stamp {
            execution: self.execution,
            status,
            // What stands there was not offered by us: rows without fingerprints are never overwritten by guess.
            offered: status == identity::LIVE,
        };
        if self.plan().identity.mint == Mint::Place {
            let work = (self.plan(), &self.shaping.shaper);
            return place::identities(tx, self.store, work, (shaped, rows), stamp).await;
        }
        let (encoded, count) = &mut behind.identities;
        if encoded.capacity() == 0 {
            *encoded = self.spare.large_buffer(ROOM);
        }
        self.shaping
            .shaper
            .encode_identities(shaped, stamp, rows.iter().copied(), encoded);
        *count += rows.len();
        Ok(())
    }

    /// Sends rows without waiting for an answer.
    async fn copy_ahead(&self, tx: &Transaction<'_>, sql: &str, encoded: Vec<u8>, rows: usize) -> Result<()> {
        let encoded = Bytes::from(encoded);
        copy_ahead(tx, sql, encoded.clone(), rows).await?;
        self.spare.keep_buffer(encoded);
        Ok(())
    }
}

/// `COPY … FROM STDIN` of an entity's written columns.
pub fn copy_sql(plan: &EntityPlan) -> String {
    let columns: Vec<String> = plan
        .columns
        .iter()
        .map(|column| quote_ident(&column.name))
        .collect();
    format!(
        "COPY {} ({}) FROM STDIN (FORMAT binary)",
        plan.into.sql(),
        columns.join(", ")
    )
}

/// What a whole COPY sends for these rows.
pub(super) fn encoded(shaper: &Shaper<'_>, shaped: &Shaped, rows: &[usize]) -> Vec<u8> {
    let mut encoded = COPY_HEADER.to_vec();
    shaper.encode_rows(shaped, rows.iter().copied(), &mut encoded);
    encoded.extend_from_slice(COPY_TRAILER);
    encoded
}

/// What is wrong with a row that the target refuses.
fn refusal(refused: &Refused, orphan: Option<&Orphan>) -> RowFault {
    if let Some(orphan) = orphan {
        let message = format!(
            "column {} refers to a row that is not in {}",
            orphan.column, orphan.table
        );
        return RowFault {
            parked: orphan.parked,
            ..RowFault::new(refused.row, code::ROW_REFERENCE_MISSING, message)
        };
    }
    let code = match refused.sqlstate.as_str() {
        "23505" | "23P01" => code::ROW_DUPLICATE,
        // No character of the encoding, or of the target's.
        "22021" | "22P05" => code::ROW_UNREADABLE,
        _ => code::ROW_REFUSED,
    };
    RowFault::new(refused.row, code, refused.message.clone())
}

fn stage(fault: &RowFault) -> &'static str {
    match fault.code {
        code::ROW_RULE_FAILED => "rule",
        code::ROW_EXPRESSION_FAILED => "evaluate",
        code::ROW_TOO_LARGE | code::ROW_NOT_GIVEN => "extract",
        code::ROW_REFERENCE_MISSING | code::ROW_PARENT_REJECTED => "reference",
        _ => "transform",
    }
}
