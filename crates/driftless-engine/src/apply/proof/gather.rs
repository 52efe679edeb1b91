//! The orphans of a site, in a table of their own for the rest of the transaction: each is looked for once, and PostgreSQL, which
//! then knows how few they are, finds by index what has to leave with them.

use std::sync::atomic::{AtomicUsize, Ordering};

use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::EntityPlan;
use driftless_pg::{Param, Session, Transaction};
use uuid::Uuid;

use super::site::{ShortKey, Site};
use crate::error::Result;
use crate::store::aside::Scope;
use crate::store::identity;

/// Orphans that the identities know as loaded: the columns of key and target key as in the identity table, and the `value` that
/// refers.
const ORPHAN: &str = "pg_temp.driftless_orphan";

/// Rows of the table that refer to rows which have left: the number of the site by which they do, and their target keys. Not the
/// values that refer: what is done about one site may change those of another.
const SUSPECT: &str = "pg_temp.driftless_suspect";

/// What a statement begins with that speaks of `orphan`.
pub(super) const WITH_ORPHAN: &str = "WITH orphan AS (SELECT * FROM pg_temp.driftless_orphan)";

/// Which rows are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Among {
    /// All rows of the table.
    All,
    /// Those with these target keys, of one column, as texts: the orphans that were found.
    Keys(Vec<String>),
    /// Those for which this SQL over `c` is true: they refer to what has left.
    Suspects(String),
}

/// Most orphans of a site that are remembered by their keys; where there are more they are looked for again.
const REMEMBERED: usize = 50_000;

/// How many orphans may still be remembered, of all sites together: what bounds the memory that they take.
#[derive(Debug)]
pub(super) struct Allowance(AtomicUsize);

impl Allowance {
    /// Before the first look.
    pub(super) fn new() -> Allowance {
        Allowance(AtomicUsize::new(4 * REMEMBERED))
    }

    fn take(&self, keys: usize) -> bool {
        let take = |left: usize| left.checked_sub(keys);
        keys <= REMEMBERED
            && self
                .0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
    }
}

/// What a look at all rows of a site found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// No orphan.
    Whole,
    /// Orphans, and which rows they are among.
    Broken(Among),
}

/// Looks for the orphans of a site. The statements that correct write, and PostgreSQL plans what writes without parallel workers;
/// this one reads, and is all that there is to do where a reference is whole.
pub(super) async fn look(
    session: &Session,
    entity: &EntityPlan,
    site: &Site,
    dangling: Option<&[Uuid]>,
    allowance: &Allowance,
) -> Result<Look> {
    let (sql, params) = match dangling {
        Some([]) => return Ok(Look::Whole),
        Some(keys) => (question_of_dangling(entity, site), vec![Param::uuid_array(keys)]),
        None => (question(entity, site), Vec::new()),
    };
    if site.key.is_none() {
        let counted = session.query_one(&sql, &params).await?;
        return Ok(match counted.get::<i64>(0)? {
            0 => Look::Whole,
            _ => Look::Broken(Among::All),
        });
    }
    let found = session.query(&sql, &params).await?;
    let keys: Vec<String> = found.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    Ok(match keys.len() {
        0 => Look::Whole,
        found if allowance.take(found) => Look::Broken(Among::Keys(keys)),
        _ => Look::Broken(Among::All),
    })
}

/// What a look at a site asks: for the target keys of its orphans, up to one more than are remembered, or for their number. They are
/// ordered, or counted: for the first few PostgreSQL would hope to find them soon, and probe row by row. A row without a key is one of
/// others.
pub(super) fn question(entity: &EntityPlan, site: &Site) -> String {
    question_among(entity, site, "")
}

/// The same among those rows that refer to these keys: as far as is known they are not there.
pub(super) fn question_of_dangling(entity: &EntityPlan, site: &Site) -> String {
    let columns = site.columns.iter();
    let among = columns.map(|column| format!("c.{} = ANY ($1::uuid[]) AND ", quote_ident(column)));
    question_among(entity, site, &among.collect::<String>())
}

fn question_among(entity: &EntityPlan, site: &Site, among: &str) -> String {
    let orphans = format!("FROM {} AS c WHERE {among}{}", entity.into.sql(), site.orphaned);
    match &site.key {
        Some(ShortKey { column, .. }) => format!(
            "SELECT o.key FROM (SELECT c.{column}::text AS key {orphans} AND c.{column} IS NOT NULL OFFSET 0) AS o ORDER BY o.key LIMIT {}",
            REMEMBERED + 1
        ),
        None => format!("SELECT count(*) {orphans}"),
    }
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

/// Finds the suspects of an entity's sites, for the rest of the transaction, and says among which sites' rows there are any. Where
/// all rows are to be looked at, the answer is yes.
pub(super) async fn with_suspects(
    tx: &Transaction<'_>,
    entity: &EntityPlan,
    among: &[Among],
) -> Result<Vec<bool>> {
    let key = entity
        .identity
        .target
        .iter()
        .zip(identity::target_columns(entity));
    let key: Vec<String> = key
        .map(|((column, _), name)| format!("c.{} AS {name}", quote_ident(column)))
        .collect();
    let suspects = among.iter().enumerate().filter_map(|(number, among)| {
        let Among::Suspects(condition) = among else {
            return None;
        };
        let (key, from) = (key.join(", "), entity.into.sql());
        Some(format!(
            "SELECT {number}::int8 AS site, {key} FROM {from} AS c WHERE {condition}"
        ))
    });
    let suspects: Vec<String> = suspects.collect();
    let mut found: Vec<bool> = among
        .iter()
        .map(|among| !matches!(among, Among::Suspects(_)))
        .collect();
    if suspects.is_empty() {
        return Ok(found);
    }
    let all = suspects.join(" UNION ALL ");
    let table = format!("CREATE TEMPORARY TABLE driftless_suspect ON COMMIT DROP AS {all}");
    if tx.execute(&table, &[]).await? == 0 {
        return Ok(found);
    }
    tx.ahead(&format!("ANALYZE {SUSPECT}"), &[]).await?;
    let sites = tx
        .query(&format!("SELECT DISTINCT site FROM {SUSPECT}"), &[])
        .await?;
    for site in sites {
        let number = usize::try_from(site.get::<i64>(0)?).ok();
        if let Some(found) = number.and_then(|number| found.get_mut(number)) {
            *found = true;
        }
    }
    Ok(found)
}

/// Finds the orphans of a site, the one with this number among its entity's; how many there are.
pub(super) async fn gather(
    tx: &Transaction<'_>,
    scope: &Scope<'_>,
    entity: &EntityPlan,
    (site, number): (&Site, usize),
    among: &Among,
) -> Result<u64> {
    let table = entity.into.sql();
    let from = match among {
        Among::All | Among::Keys(_) => format!("{table} AS c"),
        Among::Suspects(_) => {
            let key = entity
                .identity
                .target
                .iter()
                .zip(identity::target_columns(entity));
            let same: String = key
                .map(|((column, _), name)| format!(" AND suspect.{name} = c.{}", quote_ident(column)))
                .collect();
            format!("{table} AS c JOIN {SUSPECT} AS suspect ON suspect.site = {number}{same}")
        }
    };
    let found = tx
        .execute(&orphans(scope, entity, site, among, &from), &[])
        .await?;
    if found > 0 {
        tx.ahead(&format!("ANALYZE {ORPHAN}"), &[]).await?;
    }
    Ok(found)
}

/// Forgets what was found, with the next statement.
pub(super) async fn forget(tx: &Transaction<'_>) -> Result<()> {
    tx.ahead(&format!("DROP TABLE {ORPHAN}"), &[]).await?;
    Ok(())
}

/// First the orphans of the table, then their identities: rows of others have none.
fn orphans(scope: &Scope<'_>, entity: &EntityPlan, site: &Site, among: &Among, from: &str) -> String {
    let known = match among {
        Among::Keys(keys) => site
            .key
            .as_ref()
            .map_or_else(String::new, |key| with_keys(key, keys)),
        Among::All | Among::Suspects(_) => String::new(),
    };
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
         WITH loose AS MATERIALIZED (SELECT {own}, {value} AS value FROM {from} WHERE {known}{orphaned})
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

/// True for rows `c` with these target keys, and what follows. One literal: the parser would take long over as many of them. Texts of
/// UUIDs and integers need no quotes in an array.
fn with_keys(key: &ShortKey, keys: &[String]) -> String {
    format!(
        "c.{} = ANY ({}::{}[]) AND ",
        key.column,
        quote_literal(&format!("{{{}}}", keys.join(","))),
        key.base_sql
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_sites_remember_is_bounded() {
        let allowance = Allowance::new();
        assert!(!allowance.take(REMEMBERED + 1));
        assert_eq!((0..9).filter(|_| allowance.take(REMEMBERED)).count(), 4);
        assert!(!allowance.take(1));
    }
}
