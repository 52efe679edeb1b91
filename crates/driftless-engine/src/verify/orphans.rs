//! Rows whose parents are not there: for every foreign key, and for every reference without one.

use std::collections::BTreeMap;

use driftless_core::compare::{EXAMPLES, Tally};
use driftless_core::name::{QualifiedName, quote_ident, quote_literal};
use driftless_core::plan::{EntityPlan, RefSite};
use driftless_pg::{Disposition, Param, Session};

use super::report::Check;
use crate::error::Result;
use crate::store::{Store, identity};

/// A foreign key as the catalog has it, with the operators that it compares by.
pub(super) struct ForeignKey {
    name: String,
    parent: String,
    columns: Vec<KeyColumn>,
    /// MATCH FULL: either all columns are null, or none.
    full: bool,
}

struct KeyColumn {
    child: String,
    parent: String,
    /// `OPERATOR(pg_catalog.=)`: of citext, the search path alone would not find the right one.
    operator: String,
}

/// Every foreign key of a table, those that stayed in place or are not validated too.
pub(super) async fn foreign_keys(target: &Session, table: &QualifiedName) -> Result<Vec<ForeignKey>> {
    let rows = target
        .query(
            include_str!("orphans/foreign_keys.sql"),
            &[
                Param::text(table.schema.as_str()),
                Param::text(table.name.as_str()),
            ],
        )
        .await?;
    let mut keys: BTreeMap<String, ForeignKey> = BTreeMap::new();
    for row in &rows {
        let name: String = row.get(0)?;
        let parent = QualifiedName::new(row.get::<String>(1)?, row.get::<String>(2)?);
        let full = row.get(3)?;
        let key = keys.entry(name.clone()).or_insert_with(|| ForeignKey {
            name,
            parent: parent.sql(),
            columns: Vec::new(),
            full,
        });
        key.columns.push(KeyColumn {
            child: quote_ident(&row.get::<String>(4)?),
            parent: quote_ident(&row.get::<String>(5)?),
            operator: format!(
                "OPERATOR({}.{})",
                quote_ident(&row.get::<String>(6)?),
                row.get::<String>(7)?
            ),
        });
    }
    Ok(keys.into_values().collect())
}

impl ForeignKey {
    /// SQL that is true of a row `t` that refers to nothing.
    fn violated(&self) -> String {
        let all = |show: fn(&KeyColumn) -> String, between: &str| {
            self.columns.iter().map(show).collect::<Vec<_>>().join(between)
        };
        let present = all(|column| format!("t.{} IS NOT NULL", column.child), " AND ");
        let matched = all(
            |column| format!("p.{} {} t.{}", column.parent, column.operator, column.child),
            " AND ",
        );
        let orphaned = format!(
            "({present} AND NOT EXISTS (SELECT FROM {} AS p WHERE {matched}))",
            self.parent
        );
        if !self.full {
            return orphaned;
        }
        let some = all(|column| format!("t.{} IS NOT NULL", column.child), " OR ");
        format!("({orphaned} OR (({some}) AND NOT ({present})))")
    }
}

/// Proves a foreign key over all rows of its table, whosever they are. `entities` are those that write it: their keys
/// name the orphans.
pub(super) async fn foreign_key(
    target: &Session,
    store: &Store,
    table: &QualifiedName,
    entities: &[&EntityPlan],
    key: &ForeignKey,
) -> Result<Check> {
    let name = format!("orphans of {}", key.name);
    let rows = format!("{} AS t WHERE {}", table.sql(), key.violated());
    let keys: Vec<String> = entities
        .iter()
        .map(|entity| {
            format!(
                "(SELECT {} FROM {} AS i WHERE {} LIMIT 1)",
                identity::key_text(entity, "i"),
                store.identity_table(&entity.name).sql(),
                identity::belongs(entity, "i", "t")
            )
        })
        .collect();
    // Rows of others have no key of ours: they are named by where they lie.
    let example = format!(
        "coalesce({}, 'ctid ' || t.ctid::pg_catalog.text)",
        keys.join(", ")
    );
    prove(target, name, &rows, &example).await
}

/// Proves a reference over the rows of its entity: each names a row of one of its parents' tables.
pub(super) async fn reference(
    target: &Session,
    store: &Store,
    entity: &EntityPlan,
    site: &RefSite,
) -> Result<Check> {
    let column = format!("t.{}", quote_ident(&site.column));
    let inside = !site.path.is_empty();
    let value = if inside {
        let path: Vec<String> = site.path.iter().map(|member| quote_literal(member)).collect();
        format!("({column} #>> ARRAY[{}])", path.join(", "))
    } else {
        column
    };
    let parents: Vec<String> = site
        .parents
        .iter()
        .map(|parent| {
            let key = format!("p.{}", quote_ident(&parent.column));
            // Inside JSON a uuid is text, and what is no uuid must not fail the proof.
            let key = if inside {
                format!("{key}::pg_catalog.text")
            } else {
                key
            };
            format!(
                "NOT EXISTS (SELECT FROM {} AS p WHERE {key} = {value})",
                parent.table.sql()
            )
        })
        .collect();
    let rows = format!(
        "{} AS i JOIN {} AS t ON {} WHERE i.status = {} AND {value} IS NOT NULL AND {}",
        store.identity_table(&entity.name).sql(),
        entity.into.sql(),
        identity::belongs(entity, "i", "t"),
        identity::LIVE,
        parents.join(" AND ")
    );
    let place = std::iter::once(&site.column)
        .chain(&site.path)
        .cloned()
        .collect::<Vec<_>>()
        .join(".");
    let check = prove(
        target,
        format!("orphans of {place}"),
        &rows,
        &identity::key_text(entity, "i"),
    )
    .await?;
    Ok(check.about(&site.column))
}

/// Counts rows that should not be there, and names the first of them. What this role may not read is not checked, and
/// said so: the transaction goes on.
async fn prove(target: &Session, name: String, rows: &str, example: &str) -> Result<Check> {
    target.batch("SAVEPOINT driftless_proof").await?;
    match count(target, rows, example).await {
        Ok(tally) => {
            target.batch("RELEASE SAVEPOINT driftless_proof").await?;
            Ok(Check::none_of(name, tally))
        }
        Err(error) if error.disposition() == Disposition::Permission => {
            target
                .batch("ROLLBACK TO SAVEPOINT driftless_proof; RELEASE SAVEPOINT driftless_proof")
                .await?;
            Ok(Check::unchecked(name, "this role may not read one of the tables"))
        }
        Err(error) => Err(error),
    }
}

async fn count(target: &Session, rows: &str, example: &str) -> Result<Tally> {
    let count = target
        .query_one(&format!("SELECT pg_catalog.count(*) FROM {rows}"), &[])
        .await?
        .get(0)?;
    let mut tally = Tally {
        count,
        examples: Vec::new(),
    };
    if count > 0 {
        let sql = format!("SELECT {example} FROM {rows} ORDER BY 1 LIMIT {EXAMPLES}");
        let found = target.query(&sql, &[]).await?;
        tally.examples = found.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    }
    Ok(tally)
}
