//! The orphans of a site, in a table of their own for the rest of the transaction: each is looked for once, and PostgreSQL, which
//! then knows how few they are, finds by index what has to leave with them.

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::EntityPlan;
use driftless_pg::Transaction;

use super::site::Site;
use crate::error::Result;
use crate::store::aside::Scope;
use crate::store::identity;

/// Orphans that the identities know as loaded: the columns of key and target key as in the identity table, and the `value` that
/// refers.
const ORPHAN: &str = "pg_temp.driftless_orphan";

/// Rows of the table that refer to rows which have left.
const SUSPECT: &str = "pg_temp.driftless_suspect";

/// What a statement begins with that speaks of `orphan`.
pub(super) const WITH_ORPHAN: &str = "WITH orphan AS (SELECT * FROM pg_temp.driftless_orphan)";

/// Which rows are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Among {
    /// All rows of the table.
    All,
    /// Those for which this SQL over `c` is true: they refer to what has left.
    Suspects(String),
}

/// SQL that is true for rows `c` that refer, as the site does, to what left after a step of the proof.
pub(super) fn suspected(site: &Site, refers: &str, seen: i32) -> String {
    let parents: Vec<String> = site.parents.iter().map(|parent| quote_literal(parent)).collect();
    format!(
        "EXISTS (SELECT FROM pg_temp.driftless_left AS g
                  WHERE g.step > {seen} AND g.entity = ANY (ARRAY[{}]::text[]) AND {refers})",
        parents.join(", ")
    )
}

/// Among which sites' rows there are suspects at all, in one round trip. Where all rows are to be looked at, the answer is yes.
pub(super) async fn with_suspects(
    tx: &Transaction<'_>,
    entity: &EntityPlan,
    among: &[Among],
) -> Result<Vec<bool>> {
    let counts: Vec<String> = among
        .iter()
        .map(|among| match among {
            Among::All => "1::int8".to_owned(),
            Among::Suspects(condition) => {
                format!(
                    "(SELECT count(*) FROM {} AS c WHERE {condition})",
                    entity.into.sql()
                )
            }
        })
        .collect();
    let row = tx
        .query_one(&format!("SELECT {}", counts.join(", ")), &[])
        .await?;
    let found = (0..among.len()).map(|number| Ok(row.get::<i64>(number)? > 0));
    found.collect()
}

/// Finds the orphans of a site; how many there are.
pub(super) async fn gather(
    tx: &Transaction<'_>,
    scope: &Scope<'_>,
    entity: &EntityPlan,
    site: &Site,
    among: &Among,
) -> Result<i64> {
    let from = match among {
        Among::All => entity.into.sql(),
        Among::Suspects(condition) => {
            let suspects = format!(
                "CREATE TEMPORARY TABLE driftless_suspect ON COMMIT DROP AS SELECT c.* FROM {} AS c WHERE {condition}",
                entity.into.sql()
            );
            tx.ahead(&suspects, &[]).await?;
            tx.ahead(&format!("ANALYZE {SUSPECT}"), &[]).await?;
            SUSPECT.to_owned()
        }
    };
    tx.ahead(&orphans(scope, entity, site, &from), &[]).await?;
    tx.ahead(&format!("ANALYZE {ORPHAN}"), &[]).await?;
    let counted = tx
        .query_one(&format!("SELECT count(*) FROM {ORPHAN}"), &[])
        .await?;
    Ok(counted.get(0)?)
}

/// Forgets what was found, with the next statement.
pub(super) async fn forget(tx: &Transaction<'_>, among: &Among) -> Result<()> {
    let tables = match among {
        Among::All => ORPHAN.to_owned(),
        Among::Suspects(_) => format!("{ORPHAN}, {SUSPECT}"),
    };
    tx.ahead(&format!("DROP TABLE {tables}"), &[]).await?;
    Ok(())
}

/// First the orphans of the table, then their identities: rows of others have none.
fn orphans(scope: &Scope<'_>, entity: &EntityPlan, site: &Site, from: &str) -> String {
    let targets = identity::target_columns(entity);
    let own: Vec<String> = entity
        .identity
        .target
        .iter()
        .zip(&targets)
        .map(|((column, _), name)| format!("c.{} AS {name}", quote_ident(column)))
        .collect();
    let same: Vec<String> = targets
        .iter()
        .map(|name| format!("i.{name} = l.{name}"))
        .collect();
    let columns: Vec<String> = identity::key_columns(entity)
        .iter()
        .chain(&targets)
        .map(|name| format!("i.{name}"))
        .collect();
    format!(
        "CREATE TEMPORARY TABLE driftless_orphan ON COMMIT DROP AS
         WITH loose AS MATERIALIZED (SELECT {own}, {value} AS value FROM {from} AS c WHERE {orphaned})
         SELECT {columns}, l.value FROM loose AS l JOIN {identities} AS i ON {same} WHERE i.status = {live}",
        own = own.join(", "),
        value = site.value,
        orphaned = site.orphaned,
        columns = columns.join(", "),
        identities = scope.store.identity_table(&entity.name).sql(),
        same = same.join(" AND "),
        live = identity::LIVE,
    )
}
