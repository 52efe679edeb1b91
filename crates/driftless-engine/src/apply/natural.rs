//! Rows that are in the target already, found by the values that a source row gets in some columns. The source rows are
//! shaped for it once before the load, as far as these columns need, and the target compares: as it groups rows, which
//! asks no search path for an operator and keeps the column's collation. Null equals nothing.

use driftless_core::name::quote_ident;
use driftless_core::plan::{EntityPlan, NaturalKey, Plan};
use driftless_core::transform::{COPY_HEADER, COPY_TRAILER, Shaped};
use driftless_pg::{Param, Session, Transaction};

use super::found::{MATCHED, MERGED};
use super::isolate::copy_whole;
use crate::error::{InContext as _, Result};
use crate::extract::reading::Reading;
use crate::extract::select::Rows;
use crate::extract::withheld::Withheld;
use crate::shape::Shaping;
use crate::store::{Store, identity};

/// What looks at natural keys.
#[derive(Debug)]
pub struct Looking<'l, 'p> {
    /// Shapes the columns that are compared.
    pub shaping: &'l Shaping<'p>,
    /// Evaluates expressions in the target.
    pub evaluator: &'l mut Session,
    /// Largest row in bytes.
    pub max_row_bytes: u64,
}

const NATURAL: &str = "pg_temp.driftless_natural";

/// Shapes these source rows and finds the rows of the target that have their values.
pub(super) async fn find(
    (source, tx): (&Session, &Transaction<'_>),
    store: &Store,
    (all, plan): (&Plan, &EntityPlan),
    (natural, looking): (&NaturalKey, &mut Looking<'_, '_>),
    rows: Rows<'_>,
) -> Result<()> {
    tx.batch(&table(plan, natural)).await?;
    let withheld = Withheld::default();
    loop {
        let reading = Reading::new(source, &natural.probe, rows, looking.max_row_bytes, &withheld);
        match read(reading, tx, looking).await {
            Err(_) if withheld.grew() => tx.batch(&format!("TRUNCATE {NATURAL}")).await?,
            other => break other?,
        }
    }
    let others = begun(tx, store, all, plan).await?;
    tx.batch(&format!(
        "ANALYZE {NATURAL}; DELETE FROM {NATURAL} AS n WHERE {}; INSERT INTO {MATCHED} {}; DROP TABLE {NATURAL}; ANALYZE {MATCHED}",
        known(store, plan),
        question(store, plan, natural, &others)
    ))
    .await
    .context(format!("entity {}, match", plan.name))
}

async fn read(mut rows: Reading<'_>, tx: &Transaction<'_>, looking: &mut Looking<'_, '_>) -> Result<()> {
    while let Some(extracted) = rows.next().await? {
        let shaped = looking.shaping.shape(looking.evaluator, extracted).await?;
        keep(tx, looking.shaping, &shaped).await?;
    }
    Ok(())
}

/// Keys and the values that are compared, of the target's own types and collations.
fn table(plan: &EntityPlan, natural: &NaturalKey) -> String {
    let columns: Vec<String> = natural
        .probe
        .columns
        .iter()
        .enumerate()
        .map(|(number, column)| format!("t.{} AS c{number}", quote_ident(&column.name)))
        .collect();
    format!(
        "CREATE TEMPORARY TABLE driftless_natural ON COMMIT DROP AS SELECT ''::text COLLATE pg_catalog.\"C\" AS key, {} FROM {} AS t \
         WITH NO DATA",
        columns.join(", "),
        plan.into.sql()
    )
}

/// Keeps the rows that the target could hold: what it would refuse equals nothing that it has.
async fn keep(tx: &Transaction<'_>, shaping: &Shaping<'_>, shaped: &Shaped) -> Result<()> {
    let rows: Vec<usize> = shaped.writable().collect();
    let shaper = &shaping.shaper;
    let encode = |rows: &[usize]| {
        let mut encoded = COPY_HEADER.to_vec();
        let mut tuple = Vec::new();
        for row in rows {
            tuple.clear();
            shaper.encode_rows(shaped, [*row], &mut tuple);
            let key = shaper.key_text(shaped, *row);
            let fields = u16::from_be_bytes([tuple[0], tuple[1]]) + 1;
            encoded.extend_from_slice(&fields.to_be_bytes());
            encoded.extend_from_slice(&(key.len() as u32).to_be_bytes());
            encoded.extend_from_slice(key.as_bytes());
            encoded.extend_from_slice(&tuple[2..]);
        }
        encoded.extend_from_slice(COPY_TRAILER);
        encoded
    };
    let sql = format!("COPY {NATURAL} FROM STDIN (FORMAT binary)");
    copy_whole(tx, &sql, &shaping.plan.name, &rows, encode).await?;
    Ok(())
}

/// Rows whose UUID is known before: that of an adopted mapping, or of the row with which they are one.
fn known(store: &Store, plan: &EntityPlan) -> String {
    let table = store.recorded_table(&plan.name).sql();
    format!(
        "EXISTS (SELECT FROM {table} AS r WHERE r.key = n.key AND (r.adopted OR r.merged OR r.found)) \
         OR EXISTS (SELECT FROM {MERGED} AS m WHERE m.key = n.key) \
         OR EXISTS (SELECT FROM {MERGED} AS m JOIN {table} AS r ON r.key = m.key WHERE m.winner = n.key AND r.adopted)"
    )
}

/// The entities with identities whose rows are in the same table.
async fn begun<'p>(
    tx: &Transaction<'_>,
    store: &Store,
    all: &'p Plan,
    plan: &EntityPlan,
) -> Result<Vec<&'p EntityPlan>> {
    let mut found = Vec::new();
    for other in all.entities.iter().filter(|other| other.into == plan.into) {
        let table = store.identity_table(&other.name).sql();
        let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        if tx.query_one(there, &[Param::text(table)]).await?.get(0)? {
            found.push(other);
        }
    }
    Ok(found)
}

/// Keys and the UUIDs of rows that were there before this pipeline wrote any. Where several meet several, each of them is
/// in at least one pair.
pub fn question(store: &Store, plan: &EntityPlan, natural: &NaturalKey, others: &[&EntityPlan]) -> String {
    let compared: Vec<(usize, String)> = natural
        .probe
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| natural.columns.contains(&column.name))
        .map(|(number, column)| (number, quote_ident(&column.name)))
        .collect();
    let list = |each: &dyn Fn(usize, &str) -> String, between: &str| {
        let parts: Vec<String> = compared
            .iter()
            .map(|(number, name)| each(*number, name))
            .collect();
        parts.join(between)
    };
    let ours: Vec<String> = others
        .iter()
        .map(|other| {
            format!(
                " AND NOT EXISTS (SELECT FROM {} AS i WHERE i.status = {} AND {})",
                store.identity_table(&other.name).sql(),
                identity::LIVE,
                identity::belongs(other, "i", "t")
            )
        })
        .collect();
    let id: Vec<String> = plan
        .identity
        .target
        .iter()
        .map(|(column, _)| format!("t.{}", quote_ident(column)))
        .collect();
    format!(
        "SELECT k.key, d.id FROM (SELECT pg_catalog.array_agg(u.key ORDER BY u.key) FILTER (WHERE u.key IS NOT NULL) AS keys, \
         pg_catalog.array_agg(u.id ORDER BY u.id) FILTER (WHERE u.id IS NOT NULL) AS ids \
         FROM (SELECT n.key, NULL::uuid AS id, {own} FROM {NATURAL} AS n WHERE {own_said} \
         UNION ALL SELECT NULL, {id}, {theirs} FROM {into} AS t WHERE {theirs_said}{ours}) AS u GROUP BY {group}) AS g \
         CROSS JOIN LATERAL pg_catalog.unnest(g.keys) WITH ORDINALITY AS k (key, n) \
         CROSS JOIN LATERAL pg_catalog.unnest(g.ids) WITH ORDINALITY AS d (id, n) WHERE k.n = 1 OR d.n = 1",
        own = list(&|number, _| format!("n.c{number}"), ", "),
        own_said = list(&|number, _| format!("n.c{number} IS NOT NULL"), " AND "),
        id = id.join(", "),
        theirs = list(&|_, name| format!("t.{name}"), ", "),
        theirs_said = list(&|_, name| format!("t.{name} IS NOT NULL"), " AND "),
        into = plan.into.sql(),
        ours = ours.concat(),
        group = list(&|number, _| format!("u.c{number}"), ", "),
    )
}
