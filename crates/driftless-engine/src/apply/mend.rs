//! Mends what an earlier run loaded under an older snapshot, so that everything stands as under one.
//!
//! The finished ranges are read again; key and row hash of each row go into a temporary table of the target, which says
//! what changed, what is new and what is gone. Changed and gone rows leave the target with their identities; changed and new
//! rows are read again by key and take the same way as any row. All of them leave before the first one comes back, so that
//! a unique value may go from row to row; only rows to which others refer change where they are. All of an entity's mending is
//! one transaction.

use driftless_core::batch::Batch;
use driftless_core::code;
use driftless_core::name::quote_literal;
use driftless_core::plan::{EntityPlan, Mint};
use driftless_core::transform::{COPY_HEADER, COPY_TRAILER};
use driftless_pg::{BeginMode, Param, Session, Transaction};

use super::behind::Behind;
use super::chunk::ChunkWork;
use super::lane::Reader;
use super::referrer::{Along, hold, referrers};
use super::send::copy;
use super::write::{Care, Parents, Writing};
use crate::error::Result;
use crate::extract::reading::Reading;
use crate::extract::select::Rows;
use crate::extract::withheld::Withheld;
use crate::store::chunk::{self, Chunk, Mended};
use crate::store::execution::{self, Counts};
use crate::store::identity;

/// Keys that are read again in one go.
const KEYS_AT_ONCE: usize = 2000;

impl ChunkWork<'_, '_> {
    /// Mends these ranges of an entity; `None` mends all of it, whatever ranges are finished.
    pub async fn mend(
        &self,
        reader: &mut Reader<'_>,
        writer: &mut Session,
        ranges: Option<&[Chunk]>,
    ) -> Result<Counts> {
        let withheld = Withheld::default();
        loop {
            match self.mend_without(reader, writer, ranges, &withheld).await {
                Err(_) if withheld.grew() => {}
                other => return other,
            }
        }
    }

    async fn mend_without(
        &self,
        Reader {
            source, evaluator, ..
        }: &mut Reader<'_>,
        writer: &mut Session,
        ranges: Option<&[Chunk]>,
        withheld: &Withheld,
    ) -> Result<Counts> {
        let plan = self.shaping.plan;
        let tx = writer.begin(BeginMode::ReadWrite).await?;
        tx.batch(&self.lease.guard()).await?;
        tx.batch(&seen_table(plan)).await?;
        let mut counts = Counts::default();
        let mut keyless = false;
        match ranges {
            None => {
                let all = self.reading(source, Rows::All, withheld);
                keyless = self.look(all, &tx, &mut counts).await?;
            }
            Some(ranges) => {
                for range in ranges {
                    let before = counts.read;
                    let rows = self.reading(source, Rows::Chunk(range), withheld);
                    keyless |= self.look(rows, &tx, &mut counts).await?;
                    let read = counts.read - before;
                    chunk::read_again(&tx, self.store, &plan.name, range.number, read).await?;
                }
            }
        }
        let staying = self.decide(&tx, &mut counts, keyless).await?;
        let to = Writing {
            store: self.store,
            shaping: self.shaping,
            spare: self.spare,
            execution: self.execution,
            care: Care::Isolating,
            staying,
            parents: Parents::Coming,
        };
        self.redo((source, withheld), evaluator, &tx, &to, &mut counts)
            .await?;
        if keyless {
            // No key finds them: they are rejected once more, as they were.
            let mut rows = self.reading(source, Rows::Keyless, withheld);
            while let Some(extracted) = rows.next().await? {
                let mut shaped = self.shaping.shape(evaluator, extracted).await?;
                let written = to.write(&tx, &mut shaped, &mut Behind::default()).await?.counts;
                counts.add(&Counts { read: 0, ..written });
            }
        }
        self.fence.source_kept(source, plan).await?;
        self.fence.target_kept(&tx).await?;
        // What was rewritten counts as updated, not as one more row.
        counts.inserted -= counts.updated;
        let what = ranges.map_or(Mended::Whole(counts.read), |_| Mended::Finished);
        chunk::mended(&tx, self.store, &plan.name, self.snapshot, self.execution, what).await?;
        execution::count(&tx, self.store, self.execution, &plan.name, &counts).await?;
        crate::crash::point("mend-before-commit");
        tx.commit().await?;
        crate::crash::point("mended");
        // No lasting progress: the next attempt has another snapshot, and mends again.
        Ok(counts)
    }

    /// Reads the rows again whose keys the transaction's cursor `driftless_redo` gives, and writes them.
    pub(super) async fn redo(
        &self,
        (source, withheld): (&Session, &Withheld),
        evaluator: &mut Session,
        tx: &Transaction<'_>,
        to: &Writing<'_, '_>,
        counts: &mut Counts,
    ) -> Result<()> {
        loop {
            let keys = tx
                .query(&format!("FETCH {KEYS_AT_ONCE} FROM driftless_redo"), &[])
                .await?;
            let keys: Vec<String> = keys.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut rows = self.reading(source, Rows::Keys(&keys), withheld);
            while let Some(extracted) = rows.next().await? {
                let mut shaped = self.shaping.shape(evaluator, extracted).await?;
                let written = to.write(tx, &mut shaped, &mut Behind::default()).await?.counts;
                counts.add(&Counts { read: 0, ..written });
            }
        }
    }

    /// These rows of the source.
    pub(super) fn reading<'r>(
        &'r self,
        source: &'r Session,
        rows: Rows<'r>,
        withheld: &'r Withheld,
    ) -> Reading<'r> {
        Reading::new(source, self.shaping.plan, rows, self.max_row_bytes, withheld)
    }

    /// Key and row hash of every row of a range, into the temporary table. Says whether there are rows without a key.
    async fn look(&self, mut rows: Reading<'_>, tx: &Transaction<'_>, counts: &mut Counts) -> Result<bool> {
        let mut keyless = false;
        let plan = self.shaping.plan;
        while let Some(extracted) = rows.next().await? {
            counts.read += extracted.batch.rows() as i64;
            counts.bytes += extracted.bytes as i64;
            let (encoded, sent) = hashes(plan, &extracted.batch);
            keyless |= sent < extracted.batch.rows();
            copy(
                tx,
                "COPY pg_temp.driftless_seen FROM STDIN (FORMAT binary)",
                encoded,
                sent,
                &plan.name,
            )
            .await?;
        }
        Ok(keyless)
    }

    /// Removes what changed and what is gone, and opens a cursor on what must be read again. A row whose reference was made
    /// null is read again too: the row that it refers to may be there by now. Says whether rows stay that changed.
    async fn decide(&self, tx: &Transaction<'_>, counts: &mut Counts, keyless: bool) -> Result<bool> {
        let plan = self.shaping.plan;
        identity::refuse_displaced(tx, self.store, plan).await?;
        let identities = self.store.identity_table(&plan.name).sql();
        let same = |left: &str, right: &str| {
            let pairs: Vec<String> = identity::key_columns(plan)
                .iter()
                .map(|key| format!("{left}.{key} = {right}.{key}"))
                .collect();
            pairs.join(" AND ")
        };
        let columns = identity::key_columns(plan);
        let (keys, seen_keys) = (columns.join(", i."), columns.join(", s."));
        let (execution, live, adopted) = (self.execution, identity::LIVE, identity::ADOPTED);
        tx.batch(&format!(
            "ANALYZE pg_temp.driftless_seen; \
             CREATE TEMPORARY TABLE driftless_doomed ON COMMIT DROP AS \
             SELECT i.{keys}, i.status, s.h IS NULL AS gone, false AS stays FROM {identities} AS i \
             LEFT JOIN pg_temp.driftless_seen AS s ON {join} \
             WHERE i.execution <> {execution} AND (s.h IS NULL OR (i.status <> {adopted} AND (i.nulled OR s.h IS DISTINCT FROM i.row_hash))); \
             CREATE TEMPORARY TABLE driftless_again ON COMMIT DROP AS \
             SELECT DISTINCT {text} AS key, s.{seen_keys} FROM pg_temp.driftless_seen AS s LEFT JOIN {identities} AS i ON {join} \
             WHERE i.execution IS NULL OR (i.status <> {adopted} AND (i.nulled OR s.h IS DISTINCT FROM i.row_hash)); \
             DELETE FROM pg_temp.driftless_again AS a USING {rejects} AS r \
             WHERE r.pipeline = {pipeline} AND r.entity = {entity} AND r.key = a.key AND r.state = 'discarded' AND {stays}",
            join = same("i", "s"),
            text = identity::key_text(plan, "s"),
            rejects = self.store.table("rejects").sql(),
            pipeline = quote_literal(self.store.pipeline()),
            entity = quote_literal(&plan.name),
            // A place may hold another row by now, which nobody has dismissed.
            stays = plan.identity.mint != Mint::Place,
        ))
        .await?;
        let row = tx
            .query_one(
                "SELECT pg_catalog.count(*) FILTER (WHERE gone AND status = 0), pg_catalog.count(*) FILTER (WHERE NOT gone) \
                 FROM pg_temp.driftless_doomed",
                &[],
            )
            .await?;
        counts.deleted = row.get(0)?;
        counts.updated = row.get(1)?;
        let staying = self.keep_referred(tx).await?;
        tx.batch(&format!(
            "DELETE FROM {table} AS t USING {identities} AS i, pg_temp.driftless_doomed AS d \
             WHERE {belongs} AND {join} AND i.status = {live} AND NOT d.stays; \
             DELETE FROM {identities} AS i USING pg_temp.driftless_doomed AS d WHERE {join}",
            table = plan.into.sql(),
            belongs = identity::belongs(plan, "i", "t"),
            join = same("i", "d"),
        ))
        .await?;
        counts.updated += self.vanished(tx).await?;
        tx.batch(&identity::unindex(self.store, plan)).await?;
        self.forget_rejects(tx, keyless).await?;
        // Beside rows of others the first of two equal values is the one that stays.
        tx.batch(&format!(
            "DECLARE driftless_redo NO SCROLL CURSOR FOR SELECT key FROM pg_temp.driftless_again ORDER BY {}",
            columns.join(", ")
        ))
        .await?;
        Ok(staying)
    }

    /// Rows of others must not lose what they refer to: what changed stays and gets its new values in place, what is gone
    /// refuses the mending. Says whether any row stays.
    async fn keep_referred(&self, tx: &Transaction<'_>) -> Result<bool> {
        let plan = self.shaping.plan;
        let referrers = referrers(tx, self.store, self.shaping.all, &plan.into, Along::ReadAgain).await?;
        let same: Vec<String> = identity::key_columns(plan)
            .iter()
            .map(|key| format!("i.{key} = d.{key}"))
            .collect();
        let (same, live) = (same.join(" AND "), identity::LIVE);
        let rows = format!(
            "{identities} AS i JOIN {table} AS p ON {belongs}",
            identities = self.store.identity_table(&plan.name).sql(),
            table = plan.into.sql(),
            belongs = identity::belongs(plan, "i", "p"),
        );
        let alive = format!("{same} AND i.status = {live} AND d.status = {live}");
        let doomed = format!("pg_temp.driftless_doomed AS d, {rows} WHERE {alive}");
        hold(tx, &referrers, "", &doomed).await?;
        for referrer in &referrers {
            let (join, condition) = referrer.left_behind();
            let marked = format!(
                "UPDATE pg_temp.driftless_doomed AS d SET stays = true FROM {rows}{join} \
                 WHERE {alive} AND NOT d.stays AND {condition}"
            );
            if tx.execute(&marked, &[]).await? == 0 {
                continue;
            }
            let gone = "SELECT EXISTS (SELECT FROM pg_temp.driftless_doomed WHERE stays AND gone)";
            // Without a key nothing tells which new values a row would get.
            if plan.identity.mint == Mint::Place || tx.query_one(gone, &[]).await?.get::<bool>(0)? {
                return Err(referrer.error());
            }
        }
        tx.batch(&format!(
            "CREATE TEMPORARY TABLE driftless_staying ON COMMIT DROP AS \
             SELECT DISTINCT {} AS key FROM pg_temp.driftless_doomed AS d WHERE d.stays",
            identity::key_text(plan, "d")
        ))
        .await?;
        let any = "SELECT EXISTS (SELECT FROM pg_temp.driftless_staying)";
        Ok(tx.query_one(any, &[]).await?.get(0)?)
    }

    /// Rows that foreign keys in place took along when their parents were mended are read again too. How many.
    async fn vanished(&self, tx: &Transaction<'_>) -> Result<i64> {
        let plan = self.shaping.plan;
        let sql = format!(
            "WITH vanished AS (DELETE FROM {identities} AS i WHERE i.status = {live} \
             AND NOT EXISTS (SELECT FROM {table} AS t WHERE {belongs}) RETURNING {text} AS key, i.{keys}) \
             INSERT INTO pg_temp.driftless_again SELECT DISTINCT v.* FROM vanished AS v \
             WHERE NOT EXISTS (SELECT FROM pg_temp.driftless_again AS a WHERE a.key = v.key)",
            identities = self.store.identity_table(&plan.name).sql(),
            live = identity::LIVE,
            table = plan.into.sql(),
            belongs = identity::belongs(plan, "i", "t"),
            text = identity::key_text(plan, "i"),
            keys = identity::key_columns(plan).join(", i."),
        );
        Ok(tx.execute(&sql, &[]).await?.cast_signed())
    }

    /// What is on record about rows that are read again, or gone, is decided anew. What a person has dismissed stays so
    /// while its row is in the source; of rows without a key only that there are some is known.
    async fn forget_rejects(&self, tx: &Transaction<'_>, keyless: bool) -> Result<()> {
        let plan = self.shaping.plan;
        let dismissed = format!(
            "r.state = 'discarded' AND {keyless} AND r.code = '{}'",
            code::ROW_KEY_NULL
        );
        for (table, kept) in [("rejects", dismissed.as_str()), ("warning", "false")] {
            let sql = format!(
                "DELETE FROM {{state}}.{table} AS r WHERE r.pipeline = $1 AND r.entity = $2 AND r.execution <> $3 \
                 AND (EXISTS (SELECT FROM pg_temp.driftless_again AS a WHERE a.key = r.key) \
                 OR NOT EXISTS (SELECT FROM pg_temp.driftless_seen AS s WHERE {} = r.key)) AND NOT ({kept})",
                identity::key_text(plan, "s")
            );
            let params = [
                Param::text(self.store.pipeline()),
                Param::text(plan.name.as_str()),
                Param::int8(self.execution),
            ];
            tx.execute(&self.store.sql(&sql), &params).await?;
        }
        Ok(())
    }
}

fn seen_table(plan: &EntityPlan) -> String {
    let columns: Vec<String> = identity::key_columns(plan)
        .iter()
        .zip(&plan.identity.key)
        .map(|(name, part)| format!("{name} {}", part.type_sql))
        .collect();
    format!(
        "CREATE TEMPORARY TABLE driftless_seen ({}, h int8 NOT NULL) ON COMMIT DROP",
        columns.join(", ")
    )
}

/// Key cells and row hash of each row that has a key, as binary COPY; and how many.
fn hashes(plan: &EntityPlan, batch: &Batch) -> (Vec<u8>, usize) {
    let mut encoded = COPY_HEADER.to_vec();
    let mut frame = Vec::new();
    let fields = (plan.identity.key.len() as u16 + 1).to_be_bytes();
    let mut sent = 0;
    for row in 0..batch.rows() {
        let key: Option<Vec<&[u8]>> = plan
            .identity
            .key
            .iter()
            .map(|part| batch.get(row, part.input))
            .collect();
        let Some(key) = key else { continue };
        encoded.extend_from_slice(&fields);
        for bytes in key {
            encoded.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            encoded.extend_from_slice(bytes);
        }
        let cells = batch.row(row).iter().map(|cell| cell.bytes(&batch.arena));
        let hash = driftless_core::digest::row_hash(cells, &mut frame);
        encoded.extend_from_slice(&8_u32.to_be_bytes());
        encoded.extend_from_slice(&hash.to_be_bytes());
        sent += 1;
    }
    encoded.extend_from_slice(COPY_TRAILER);
    (encoded, sent)
}
