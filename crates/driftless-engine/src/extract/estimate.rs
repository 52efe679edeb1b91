//! How many rows there are to read: the catalog's figure, and where it has none a small count or the planner's guess.

use driftless_core::catalog::{Relation, RelationKind};
use driftless_core::plan::EntityPlan;
use driftless_pg::Session;

use super::select::{self, Rows};
use crate::error::Result;

/// The planner's cost up to which rows are counted instead of guessed: some 16 MB of pages, which take a moment. Of small
/// tables that nobody has analysed the planner's guess is far off, since it supposes ten pages at least.
const COUNTED_UP_TO: f64 = 2000.0;

/// Rows that the plan will read, about; `None` where the server would not say.
///
/// # Errors
/// The connection is lost. What the server refuses is no error: the estimate is unknown then.
pub async fn rows(session: &Session, plan: &EntityPlan, from: Option<&Relation>) -> Result<Option<i64>> {
    if let Some(known) = known(plan, from) {
        return Ok(Some(known));
    }
    let rows = format!("FROM {}{}", plan.origin.sql, select::condition(plan, Rows::All));
    let Some(line) = asked::<String>(session, &format!("EXPLAIN SELECT {rows}")).await? else {
        return Ok(None);
    };
    let Some(guess) = Guess::read(&line) else {
        return Ok(None);
    };
    // A view or a filter may call what should run once only.
    let table = from.is_some_and(|from| matches!(from.kind, RelationKind::Table | RelationKind::Partitioned));
    if table && plan.origin.filter.is_none() && guess.cost <= COUNTED_UP_TO {
        return asked(session, &format!("SELECT pg_catalog.count(*) {rows}")).await;
    }
    Ok(Some(guess.rows))
}

/// What the catalog tells. It knows nothing of filters.
fn known(plan: &EntityPlan, from: Option<&Relation>) -> Option<i64> {
    let from = from?;
    if !from.has_rows {
        return Some(0);
    }
    (from.estimated_rows > 0 && plan.origin.filter.is_none()).then_some(from.estimated_rows)
}

async fn asked<T: driftless_pg::FromRaw>(session: &Session, sql: &str) -> Result<Option<T>> {
    match session.query(sql, &[]).await {
        Ok(rows) => Ok(rows.first().map(|row| row.get(0)).transpose()?),
        Err(error) if error.server().is_some() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the planner thinks of a statement.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Guess {
    cost: f64,
    rows: i64,
}

impl Guess {
    /// From the first line of `EXPLAIN`: `Seq Scan on t  (cost=0.00..35.50 rows=2550 width=0)`.
    fn read(line: &str) -> Option<Guess> {
        let (_, costs) = line.rsplit_once("(cost=")?;
        let (_, behind) = costs.split_once("..")?;
        let (cost, behind) = behind.split_once(" rows=")?;
        let (rows, _) = behind.split_once(' ')?;
        Some(Guess {
            cost: cost.parse().ok()?,
            rows: rows.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planner_is_understood() {
        let guess = Guess::read("Seq Scan on \"(cost=\"  (cost=0.00..35.50 rows=2550 width=0)");
        assert_eq!(
            guess,
            Some(Guess {
                cost: 35.5,
                rows: 2550
            })
        );
        assert_eq!(Guess::read("Result"), None);
    }
}
