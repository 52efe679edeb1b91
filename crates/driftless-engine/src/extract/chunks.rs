//! How an entity is cut into chunks: enough to share it among lanes and to lose little when a run breaks off, not so many
//! that their checkpoints cost.

use driftless_core::catalog::Relation;
use driftless_core::plan::{Chunking, EntityPlan};
use driftless_pg::Session;

use crate::error::Result;
use crate::store::chunk::Chunk;

/// Bytes of a relation's pages that the smallest chunks have: some hundred milliseconds of work.
const UNIT_BYTES: i64 = 8 << 20;

/// Units in the largest chunks: a second or two of work is lost when a run breaks off, and what each chunk costs by itself (a
/// dozen round trips, and lanes that run empty and fill again) stays a small part, on far servers too.
const MOST_UNITS: i64 = 8;

/// What is left is shared out so that each chunk gets this part of it, or a lane's share where there are more lanes, and the last ones
/// are small: lanes end together. "Guided self-scheduling" (Polychronopoulos and Kuck, 1987).
const SHARES: i64 = 4;

/// So that a petabyte still has a bounded list.
const MOST_CHUNKS: i64 = 10_000;

/// Names the variable by which a measurement cuts every entity into so many chunks, to see what checkpoints cost.
const CHUNKS: &str = "DRIFTLESS_CHUNKS";

/// Cuts an entity. What the session sees need not be what is read later: the first chunk and the last are open.
pub async fn cut(
    session: &Session,
    plan: &EntityPlan,
    from: Option<&Relation>,
    lanes: usize,
) -> Result<Vec<Chunk>> {
    let bytes = from.map_or(0, |relation| relation.bytes);
    let wished = std::env::var(CHUNKS).ok().and_then(|number| number.parse().ok());
    let wished = wished.map(|number: i64| number.clamp(1, MOST_CHUNKS));
    let units = wished.unwrap_or((bytes / UNIT_BYTES + 1).min(MOST_CHUNKS * MOST_UNITS));
    let bounds = match &plan.chunking {
        Chunking::Whole => Vec::new(),
        Chunking::Pages => pages(from.map_or(0, |relation| relation.pages), units),
        Chunking::Integer(column) if units > 1 => integers(session, plan, column, units).await?,
        Chunking::Uuid(_) if units > 1 => uuids(units),
        Chunking::Integer(_) | Chunking::Uuid(_) => Vec::new(),
    };
    let bounds = if wished.is_some() {
        bounds
    } else {
        grouped(bounds, SHARES.max(lanes as i64))
    };
    Ok(between(&bounds))
}

/// Of the bounds between units those between chunks.
fn grouped(bounds: Vec<String>, shares: i64) -> Vec<String> {
    let units = bounds.len() as i64 + 1;
    let mut next = 0;
    let mut kept = Vec::new();
    for (number, bound) in (1..).zip(bounds) {
        if next == 0 {
            let left = units - (number - 1);
            next = (left / shares).clamp(1, MOST_UNITS);
        }
        next -= 1;
        if next == 0 {
            kept.push(bound);
        }
    }
    kept
}

/// Chunks between ascending bounds; the first and the last are open, so that together they hold every row.
fn between(bounds: &[String]) -> Vec<Chunk> {
    (0..=bounds.len())
        .map(|number| Chunk {
            number: number as i32,
            low: number.checked_sub(1).map(|before| bounds[before].clone()),
            high: bounds.get(number).cloned(),
        })
        .collect()
}

fn pages(pages: i64, wanted: i64) -> Vec<String> {
    let step = (pages / wanted).max(1);
    (1..wanted)
        .map(|number| number * step)
        .take_while(|page| *page < pages)
        .map(|page| page.to_string())
        .collect()
}

async fn integers(session: &Session, plan: &EntityPlan, column: &str, wanted: i64) -> Result<Vec<String>> {
    let edge = |order: &str| {
        // Under a name of its own: ORDER BY would mean the result of the cast, for which there is no index.
        format!(
            "SELECT {column}::pg_catalog.int8 AS \"driftless edge\" FROM {} WHERE {column} IS NOT NULL ORDER BY {column} {order} LIMIT 1",
            plan.origin.sql
        )
    };
    let (first, last) = (edge("ASC"), edge("DESC"));
    let asked = tokio::try_join!(session.query_opt(&first, &[]), session.query_opt(&last, &[]))?;
    let (Some(first), Some(last)) = asked else {
        return Ok(Vec::new());
    };
    Ok(spread(first.get(0)?, last.get(0)?, wanted))
}

fn spread(first: i64, last: i64, wanted: i64) -> Vec<String> {
    let (first, last, wanted) = (i128::from(first), i128::from(last), i128::from(wanted));
    let step = ((last - first + 1) / wanted).max(1);
    (1..wanted)
        .map(|number| first + number * step)
        .take_while(|bound| *bound <= last)
        .map(|bound| bound.to_string())
        .collect()
}

fn uuids(wanted: i64) -> Vec<String> {
    let step = u128::MAX / wanted.unsigned_abs() as u128;
    (1..wanted)
        .map(|number| uuid::Uuid::from_u128(step * number.unsigned_abs() as u128).to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_leave_no_gap() {
        let chunks = between(&spread(1, 1000, 4));
        assert_eq!(chunks.len(), 4);
        assert_eq!(
            (chunks[0].low.as_deref(), chunks[3].high.as_deref()),
            (None, None)
        );
        for pair in chunks.windows(2) {
            assert_eq!(pair[0].high, pair[1].low);
        }
    }

    #[test]
    fn chunks_begin_large_and_end_small() {
        let sizes = |units: i64| {
            let bounds = grouped((1..units).map(|number| number.to_string()).collect(), SHARES);
            let mut at = 0;
            let ends = bounds.iter().map(|bound| bound.parse().unwrap()).chain([units]);
            ends.map(|end: i64| end - std::mem::replace(&mut at, end))
                .collect::<Vec<i64>>()
        };
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(6), [1; 6]);
        assert_eq!(sizes(25), [6, 4, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1]);
        let many = sizes(1_000);
        assert_eq!((many[0], many.last(), many.iter().sum()), (8, Some(&1), 1_000));
        assert!(many.is_sorted_by(|one, next| one >= next));
    }

    #[test]
    fn extreme_keys_do_not_overflow() {
        assert_eq!(spread(i64::MIN, i64::MAX, 2), vec!["0".to_owned()]);
        assert_eq!(spread(5, 5, 8), Vec::<String>::new());
        assert_eq!(between(&[]).len(), 1);
        assert_eq!(pages(3, 8), vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(uuids(2), vec!["7fffffff-ffff-ffff-ffff-ffffffffffff".to_owned()]);
    }
}
