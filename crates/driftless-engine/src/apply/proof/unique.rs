use driftless_core::code;
use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::aside::{AsideItem, Uniqueness};
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{Param, Session, Transaction};

use super::leave::{Leaving, text_of};
use super::{Corrections, Tally, absent};
use crate::apply::guarded;
use crate::apply::referrer::{Along, referrers, refuse};
use crate::error::{InContext as _, Result};
use crate::store::aside::Scope;
use crate::store::identity;

/// Removes the rows that repeat a unique value, all but the one with the smallest legacy key, in one transaction. A row
/// that the identities do not know as loaded wins over all that they know. Where several entities write the table,
/// the one that comes first in the plan wins.
///
/// # Errors
/// A lost lease or connection, or what the server refuses; `INTEGRITY` where rows of others refer to rows that would leave:
/// nothing is changed then.
pub async fn uniqueness(
    session: &mut Session,
    scope: &Scope<'_>,
    plan: &Plan,
    item: &AsideItem,
) -> Result<Corrections> {
    let entities: Vec<&EntityPlan> = plan
        .entities
        .iter()
        .filter(|entity| entity.into == item.table && !entity.identity.key.is_empty())
        .collect();
    let Some(unique) = item.unique.as_ref().filter(|_| !entities.is_empty()) else {
        return Ok(Corrections::default());
    };
    absent::make(session).await?;
    let proof = Proof {
        scope,
        plan,
        rows_of: rows_of(session, item).await?,
        item,
        entities,
    };
    let tx = guarded::rows(session, scope, &item.table).await?;
    // Functions in expressions may count on the role's own search path, as they do in the application.
    // What has lost is deleted by its place, so nobody may move rows meanwhile.
    tx.batch(&format!(
        "SET LOCAL search_path TO DEFAULT; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        proof.rows_of
    ))
    .await?;
    let corrections = proof
        .remove(&tx, unique)
        .await
        .context(format!("proof of {}", item.label()))?;
    tx.commit(scope, corrections.counts()).await?;
    Ok(corrections)
}

/// The table as it stands in FROM: a key of a partitioned table is one over all partitions, any other ends at its table.
async fn rows_of(session: &Session, item: &AsideItem) -> Result<String> {
    let table = item.table.sql();
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'p')";
    let partitioned = session.query_one(sql, &[Param::text(table.as_str())]).await?;
    Ok(if partitioned.get(0)? {
        table
    } else {
        format!("ONLY {table}")
    })
}

struct Proof<'a> {
    scope: &'a Scope<'a>,
    plan: &'a Plan,
    item: &'a AsideItem,
    /// The table, with ONLY where that is meant.
    rows_of: String,
    entities: Vec<&'a EntityPlan>,
}

impl Proof<'_> {
    async fn remove(&self, tx: &Transaction<'_>, unique: &Uniqueness) -> Result<Corrections> {
        let losers = match unique {
            Uniqueness::Keys {
                keys,
                predicate,
                nulls_not_distinct,
            } => {
                // Looked for by themselves: PostgreSQL then knows how few they are, and finds their identities by index.
                let several = self.several(keys, predicate.as_deref(), *nulls_not_distinct);
                tx.batch(&format!(
                    "CREATE TEMPORARY TABLE driftless_several ON COMMIT DROP AS {several}; \
                     ANALYZE pg_temp.driftless_several"
                ))
                .await?;
                self.losers_by_keys(keys)
            }
            Uniqueness::CopyIndex(body) => {
                self.copy(
                    tx,
                    &format!("CREATE UNIQUE INDEX ON pg_temp.driftless_copy {body}"),
                )
                .await?;
                self.losers_by_copy()
            }
            Uniqueness::CopyConstraint(definition) => {
                self.copy(
                    tx,
                    &format!("ALTER TABLE pg_temp.driftless_copy ADD {definition}"),
                )
                .await?;
                self.losers_by_copy()
            }
        };
        tx.batch(&format!(
            "CREATE TEMPORARY TABLE driftless_loser ON COMMIT DROP AS {losers}"
        ))
        .await?;
        let store = self.scope.store;
        let referrers = referrers(tx, store, self.plan, &self.item.table, Along::Lost).await?;
        let leaving = format!(
            "pg_temp.driftless_loser AS l JOIN {} AS p ON p.ctid = l.row_at AND p.tableoid = l.row_in",
            self.rows_of
        );
        refuse(tx, &referrers, "", &leaving).await?;
        tx.batch(&format!(
            "DELETE FROM {} AS c USING pg_temp.driftless_loser AS l
              WHERE c.ctid = l.row_at AND c.tableoid = l.row_in",
            self.rows_of
        ))
        .await?;
        let mut corrections = Corrections::default();
        for (number, entity) in self.entities.iter().enumerate() {
            let rejected = tx.execute(&self.forget(number, entity), &[]).await?;
            let tally = Tally {
                rejected,
                ..Tally::default()
            };
            corrections.add(&Corrections::of(&entity.name, tally));
        }
        Ok(corrections)
    }

    /// Removes the identities of an entity's losers and records them.
    fn forget(&self, number: usize, entity: &EntityPlan) -> String {
        let prefix = prefix(number);
        let leaving = Leaving {
            scope: self.scope,
            plan: entity,
            rows: "loser",
            prefix: &prefix,
        };
        let first = format!("{prefix}k1");
        let name = &self.item.name;
        let select = format!(
            "SELECT {key}, 'rejected'::text, 'unique'::text, '{code}'::text, '{sqlstate}'::text,
                    {repeats} || coalesce(loser.winner, 'another row'), NULL::text, {constraint}::text, NULL::text, NULL::text
               FROM loser WHERE loser.{first} IS NOT NULL",
            key = leaving.key_text(),
            code = code::ROW_DUPLICATE,
            sqlstate = match self.item.unique {
                Some(Uniqueness::CopyConstraint(_)) => "23P01",
                _ => "23505",
            },
            repeats = quote_literal(&format!("it repeats what {name} allows once; kept is ")),
            constraint = quote_literal(name),
        );
        format!(
            "WITH loser AS (SELECT * FROM pg_temp.driftless_loser),
                  forgotten AS ({}),
                  remembered AS ({})
             {}",
            leaving.delete_identities(),
            leaving.remember(&format!("loser.{first} IS NOT NULL")),
            leaving.record(&select),
        )
    }

    /// Joins each row (target keys `c1…` of `rows`) with its identity in every entity.
    fn known(&self, rows: &str) -> String {
        let mut joins = String::new();
        for (number, entity) in self.entities.iter().enumerate() {
            let alias = format!("i{number}");
            let pairs: Vec<String> = entity
                .identity
                .target
                .iter()
                .zip(identity::target_columns(entity))
                .map(|((column, _), own)| format!("{alias}.{own} = {rows}.{}", self.carried(column)))
                .collect();
            joins.push_str(&format!(
                " LEFT JOIN {} AS {alias} ON {} AND {alias}.status = {}",
                self.scope.store.identity_table(&entity.name).sql(),
                pairs.join(" AND "),
                identity::LIVE
            ));
        }
        joins
    }

    /// Columns of the target that the entities' target keys are made of.
    fn key_columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for (column, _) in self.entities.iter().flat_map(|entity| &entity.identity.target) {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
        columns
    }

    /// The name under which a key column travels.
    fn carried(&self, column: &str) -> String {
        let number = self.key_columns().iter().position(|own| *own == column);
        format!("c{}", number.map_or(0, |number| number + 1))
    }

    fn carried_columns(&self) -> String {
        let columns = self.key_columns();
        let list: Vec<String> = columns
            .iter()
            .map(|column| format!("{} AS {}", quote_ident(column), self.carried(column)))
            .collect();
        list.join(", ")
    }

    /// Identity columns of every entity under their prefixes.
    fn identities(&self) -> String {
        let mut list = Vec::new();
        for (number, entity) in self.entities.iter().enumerate() {
            for name in identity::key_columns(entity)
                .into_iter()
                .chain(identity::target_columns(entity))
            {
                list.push(format!("i{number}.{name} AS {}{name}", prefix(number)));
            }
        }
        list.join(", ")
    }

    /// True for rows that no entity knows.
    fn foreign(&self) -> String {
        let unknown: Vec<String> = (0..self.entities.len())
            .map(|number| format!("i{number}.k1 IS NULL"))
            .collect();
        format!("({})", unknown.join(" AND "))
    }

    /// Who wins comes first: rows of others, then by entity and key.
    fn order(&self) -> String {
        let mut list = vec![format!("{} DESC", self.foreign())];
        for (number, entity) in self.entities.iter().enumerate() {
            list.extend(
                identity::key_columns(entity)
                    .iter()
                    .map(|key| format!("i{number}.{key} NULLS LAST")),
            );
        }
        list.join(", ")
    }

    /// A row in words: entity and key.
    fn label(&self) -> String {
        let mut cases = String::new();
        for (number, entity) in self.entities.iter().enumerate() {
            let keys: Vec<String> = identity::key_columns(entity)
                .iter()
                .map(|key| format!("i{number}.{key}"))
                .collect();
            let name = quote_literal(&format!("{} ", entity.name));
            cases.push_str(&format!(
                " WHEN i{number}.k1 IS NOT NULL THEN {name} || {}",
                text_of(&keys)
            ));
        }
        format!("CASE{cases} ELSE 'a row that was not loaded from the source' END")
    }

    /// Rows that share their keys with others, where equality is that of the types.
    fn several(&self, keys: &[String], predicate: Option<&str>, nulls_equal: bool) -> String {
        let values = values(keys);
        let expressions: Vec<String> = keys
            .iter()
            .zip(&values)
            .map(|(key, value)| format!("{key} AS {value}"))
            .collect();
        // Unlike IS NOT NULL this sees a composite value with null parts as a value, as an index does.
        let set: Vec<String> = values
            .iter()
            .map(|value| format!("{value} IS DISTINCT FROM NULL"))
            .collect();
        format!(
            "SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY {partition}) AS twins
                              FROM (SELECT tableoid AS row_in, ctid AS row_at, {carried}, {expressions}
                                      FROM {rows_of} WHERE {predicate}) AS r
                             WHERE {set}) AS twin
              WHERE twins > 1",
            partition = values.join(", "),
            carried = self.carried_columns(),
            expressions = expressions.join(", "),
            rows_of = self.rows_of,
            predicate = predicate.unwrap_or("true"),
            set = if nulls_equal {
                "true".to_owned()
            } else {
                set.join(" AND ")
            },
        )
    }

    /// Losers among them: groups of equal keys, sorted.
    fn losers_by_keys(&self, keys: &[String]) -> String {
        format!(
            "SELECT * FROM (
                 SELECT twin.row_in, twin.row_at, {identities}, {foreign} AS others,
                        row_number() OVER g AS place, first_value({label}) OVER g AS winner
                   FROM pg_temp.driftless_several AS twin
                        {known}
                 WINDOW g AS (PARTITION BY {partition} ORDER BY {order})) AS ranked
              WHERE place > 1 AND NOT others",
            identities = self.identities(),
            foreign = self.foreign(),
            label = self.label(),
            known = self.known("twin"),
            partition = values(keys).join(", "),
            order = self.order(),
        )
    }

    /// Copies the table, winners first, under the same index or constraint: what does not get in has lost.
    async fn copy(&self, tx: &Transaction<'_>, constraint: &str) -> Result<()> {
        tx.batch(&format!(
            "CREATE TEMPORARY TABLE driftless_copy ON COMMIT DROP AS
             SELECT t.tableoid AS {ROW_IN}, t.ctid AS {ROW_AT}, t.* FROM {} AS t WITH NO DATA; {constraint}",
            self.rows_of
        ))
        .await?;
        tx.execute(
            &format!(
                "INSERT INTO pg_temp.driftless_copy
                 SELECT t.tableoid, t.ctid, t.* FROM {rows_of} AS t
                   JOIN (SELECT tableoid AS row_in, ctid AS row_at, {carried} FROM {rows_of}) AS r
                     ON r.row_at = t.ctid AND r.row_in = t.tableoid
                        {known}
                  ORDER BY {order}
                 ON CONFLICT DO NOTHING",
                rows_of = self.rows_of,
                carried = self.carried_columns(),
                known = self.known("r"),
                order = self.order(),
            ),
            &[],
        )
        .await?;
        Ok(())
    }

    fn losers_by_copy(&self) -> String {
        format!(
            "SELECT r.row_in, r.row_at, {identities}, NULL::text AS winner
               FROM (SELECT tableoid AS row_in, ctid AS row_at, {carried} FROM {rows_of} AS t
                      WHERE NOT EXISTS (SELECT FROM pg_temp.driftless_copy AS k
                                         WHERE k.{ROW_AT} = t.ctid AND k.{ROW_IN} = t.tableoid)) AS r
                    {known}
              WHERE NOT {foreign}",
            identities = self.identities(),
            carried = self.carried_columns(),
            rows_of = self.rows_of,
            known = self.known("r"),
            foreign = self.foreign(),
        )
    }
}

/// The names under which values of keys travel.
fn values(keys: &[String]) -> Vec<String> {
    (1..=keys.len()).map(|number| format!("x{number}")).collect()
}

/// The copy's own columns: no table that we load has columns of these names.
const ROW_IN: &str = "\"driftless row in\"";
const ROW_AT: &str = "\"driftless row at\"";

fn prefix(number: usize) -> String {
    format!("e{number}_")
}
