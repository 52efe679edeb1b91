use driftless_core::code;
use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::aside::{AsideItem, Uniqueness};
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{Session, Transaction};

use super::leave::{Leaving, text_of};
use super::{Corrections, Tally, absent};
use crate::apply::guarded;
use crate::error::{InContext as _, Result};
use crate::store::aside::Scope;
use crate::store::identity;

/// Removes the rows that repeat a unique value, all but the one with the smallest legacy key, in one transaction. A row
/// that the identities do not know as loaded wins over all that they know. Where several entities write the table,
/// the one that comes first in the plan wins.
///
/// # Errors
/// A lost lease or connection, or what the server refuses: nothing is changed then.
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
    let proof = Proof {
        scope,
        item,
        entities,
    };
    absent::make(session).await?;
    let tx = guarded::rows(session, scope).await?;
    // Functions in expressions may count on the role's own search path, as they do in the application.
    // What has lost is deleted by its place, so nobody may move rows meanwhile.
    let table = item.table.sql();
    tx.batch(&format!(
        "SET LOCAL search_path TO DEFAULT; LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE"
    ))
    .await?;
    let corrections = proof
        .remove(&tx, unique)
        .await
        .context(format!("proof of {}", item.label()))?;
    tx.commit().await?;
    Ok(corrections)
}

struct Proof<'a> {
    scope: &'a Scope<'a>,
    item: &'a AsideItem,
    entities: Vec<&'a EntityPlan>,
}

impl Proof<'_> {
    async fn remove(&self, tx: &Transaction<'_>, unique: &Uniqueness) -> Result<Corrections> {
        let losers = match unique {
            Uniqueness::Keys {
                keys,
                predicate,
                nulls_not_distinct,
            } => self.losers_by_keys(keys, predicate.as_deref(), *nulls_not_distinct),
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
        let table = self.item.table.sql();
        tx.batch(&format!(
            "DELETE FROM ONLY {table} AS c USING pg_temp.driftless_loser AS l WHERE c.ctid = l.row_at"
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

    /// Joins each row (`row_at` and target keys `c1…` of `rows`) with its identity in every entity.
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

    /// Losers where equality is that of the types: groups of equal keys, sorted.
    fn losers_by_keys(&self, keys: &[String], predicate: Option<&str>, nulls_equal: bool) -> String {
        let values: Vec<String> = (1..=keys.len()).map(|number| format!("x{number}")).collect();
        let expressions: Vec<String> = keys
            .iter()
            .zip(&values)
            .map(|(key, value)| format!("{key} AS {value}"))
            .collect();
        // Unlike IS NOT NULL this sees a composite value with null parts as a value, as an index does.
        let set: Vec<String> = if nulls_equal {
            Vec::new()
        } else {
            values
                .iter()
                .map(|value| format!("{value} IS DISTINCT FROM NULL"))
                .collect()
        };
        let set = if set.is_empty() {
            "true".to_owned()
        } else {
            set.join(" AND ")
        };
        let partition = values.join(", ");
        format!(
            "SELECT * FROM (
                 SELECT twin.row_at, {identities}, {foreign} AS others,
                        row_number() OVER g AS place, first_value({label}) OVER g AS winner
                   FROM (SELECT *, count(*) OVER (PARTITION BY {partition}) AS twins
                           FROM (SELECT ctid AS row_at, {carried}, {expressions}
                                   FROM ONLY {table} WHERE {predicate}) AS r
                          WHERE {set}) AS twin
                        {known}
                  WHERE twin.twins > 1
                 WINDOW g AS (PARTITION BY {partition} ORDER BY {order})) AS ranked
              WHERE place > 1 AND NOT others",
            identities = self.identities(),
            foreign = self.foreign(),
            label = self.label(),
            carried = self.carried_columns(),
            expressions = expressions.join(", "),
            table = self.item.table.sql(),
            predicate = predicate.unwrap_or("true"),
            known = self.known("twin"),
            order = self.order(),
        )
    }

    /// Copies the table, winners first, under the same index or constraint: what does not get in has lost.
    async fn copy(&self, tx: &Transaction<'_>, constraint: &str) -> Result<()> {
        let table = self.item.table.sql();
        let row = quote_ident(ROW_AT);
        tx.batch(&format!(
            "CREATE TEMPORARY TABLE driftless_copy ON COMMIT DROP AS
             SELECT t.ctid AS {row}, t.* FROM ONLY {table} AS t WITH NO DATA; {constraint}"
        ))
        .await?;
        tx.execute(
            &format!(
                "INSERT INTO pg_temp.driftless_copy
                 SELECT t.ctid, t.* FROM ONLY {table} AS t
                   JOIN (SELECT ctid AS row_at, {carried} FROM ONLY {table}) AS r ON r.row_at = t.ctid
                        {known}
                  ORDER BY {order}
                 ON CONFLICT DO NOTHING",
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
            "SELECT r.row_at, {identities}, NULL::text AS winner
               FROM (SELECT ctid AS row_at, {carried} FROM ONLY {table} AS t
                      WHERE NOT EXISTS (SELECT FROM pg_temp.driftless_copy AS k WHERE k.{row} = t.ctid)) AS r
                    {known}
              WHERE NOT {foreign}",
            identities = self.identities(),
            carried = self.carried_columns(),
            table = self.item.table.sql(),
            row = quote_ident(ROW_AT),
            known = self.known("r"),
            foreign = self.foreign(),
        )
    }
}

/// The copy's own column: no table that we load has one of this name.
const ROW_AT: &str = "driftless row";

fn prefix(number: usize) -> String {
    format!("e{number}_")
}
