//! Rows that a foreign key refused when they were written, where the key stands for a reference of the plan: told as rows whose
//! parent is not there, with the parent's name, under the code and in the state that the reference's `missing` has. Where it says
//! null, and no parent can come any more, they are written without the reference.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::name::QualifiedName;
use driftless_core::plan::{EntityPlan, RefSite, RefTarget};
use driftless_core::spec::WhenMissing;
use driftless_core::transform::Shaped;
use driftless_pg::{Param, Transaction};

use super::isolate::{self, Refused, Way};
use crate::error::Result;
use crate::shape::Shaping;

/// A row without its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphan {
    /// The referring column.
    pub(super) column: String,
    /// The parent's entity.
    pub(super) parent: String,
    /// The parent's canonical key, if it may be shown.
    pub(super) key: Option<String>,
    /// Whether the row waits for it.
    pub(super) parked: bool,
    /// The references that may be null in its place, by number; none where the row has to stay out.
    pub(super) nullable: Vec<usize>,
    /// The referenced table.
    pub(super) table: QualifiedName,
}

/// Writes refused rows again whose missing parents may leave a null behind, until the target takes them. Gives what it
/// refuses all the same.
pub(super) async fn without_parents(
    tx: &Transaction<'_>,
    shaping: &Shaping<'_>,
    shaped: &mut Shaped,
    mut refused: Vec<Refused>,
    way: Way,
) -> Result<Vec<Refused>> {
    loop {
        let orphans = orphans(tx, shaping, shaped, &refused).await?;
        let mut again = Vec::new();
        refused.retain(|one| {
            let nulled = orphans
                .get(&one.row)
                .is_some_and(|orphan| shaping.shaper.null_references(shaped, one.row, &orphan.nullable));
            if nulled {
                again.push(one.row);
            }
            !nulled
        });
        if again.is_empty() {
            return Ok(refused);
        }
        refused.extend(isolate::write(tx, shaping.plan, &shaping.shaper, shaped, &again, way).await?);
    }
}

/// Those of the refused rows that lack a parent of the plan, by their number in the batch.
pub(super) async fn orphans(
    tx: &Transaction<'_>,
    shaping: &Shaping<'_>,
    shaped: &Shaped,
    refused: &[Refused],
) -> Result<BTreeMap<usize, Orphan>> {
    let lacking = |one: &&Refused| one.sqlstate == "23503";
    let names: BTreeSet<&str> = refused
        .iter()
        .filter(lacking)
        .filter_map(|one| one.constraint.as_deref())
        .collect();
    let keys = foreign_keys(tx, shaping.plan, names).await?;
    let mut found = BTreeMap::new();
    for one in refused.iter().filter(lacking) {
        let key = one.constraint.as_ref().and_then(|name| keys.get(name));
        let Some((columns, table)) = key else { continue };
        let sites = sites(shaping.plan, columns, table);
        let Some((site, parent)) = sites.first() else {
            continue;
        };
        found.insert(
            one.row,
            Orphan {
                column: site.column.clone(),
                parent: parent.entity.clone(),
                key: shaping.shaper.reference_key(shaped, one.row, site.reference),
                parked: parked(&sites),
                nullable: nullable(&sites),
                table: table.clone(),
            },
        );
    }
    Ok(found)
}

/// Foreign keys of a table by name: their columns and the table that they refer to.
async fn foreign_keys(
    tx: &Transaction<'_>,
    plan: &EntityPlan,
    names: BTreeSet<&str>,
) -> Result<BTreeMap<String, (Vec<String>, QualifiedName)>> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<&str> = names.into_iter().collect();
    let params = [Param::text(plan.into.sql()), Param::text_array(&names)];
    let rows = tx.query(FOREIGN_KEYS, &params).await?;
    rows.iter()
        .map(|row| {
            let parent = QualifiedName::new(row.get::<String>(2)?, row.get::<String>(3)?);
            Ok((row.get(0)?, (row.get(1)?, parent)))
        })
        .collect()
}

const FOREIGN_KEYS: &str = "
    SELECT k.conname::text,
           ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)),
           n.nspname::text, p.relname::text
      FROM pg_catalog.pg_constraint AS k
      JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
     WHERE k.conrelid = pg_catalog.to_regclass($1) AND k.contype = 'f' AND k.conname = ANY ($2::text[])";

/// The references of the plan that stand in these columns and mean rows of this table.
fn sites<'p>(
    plan: &'p EntityPlan,
    columns: &[String],
    table: &QualifiedName,
) -> Vec<(&'p RefSite, &'p RefTarget)> {
    plan.refs
        .iter()
        .filter(|site| site.path.is_empty() && columns.contains(&site.column))
        .filter_map(|site| Some((site, site.parents.iter().find(|parent| parent.table == *table)?)))
        .collect()
}

/// As the proof of references has it: the strictest of the references decides.
fn parked(sites: &[(&RefSite, &RefTarget)]) -> bool {
    let says = |missing: WhenMissing| sites.iter().any(|(site, _)| site.missing == missing);
    says(WhenMissing::Park) && !says(WhenMissing::Reject)
}

/// Where all of them may be null: their numbers.
fn nullable(sites: &[(&RefSite, &RefTarget)]) -> Vec<usize> {
    if sites.iter().any(|(site, _)| site.missing != WhenMissing::Null) {
        return Vec::new();
    }
    sites.iter().map(|(site, _)| site.reference).collect()
}
