//! How an entity is cut into chunks: enough to share it among lanes and to lose little when a run breaks off, not so many
//! that their checkpoints cost.

use driftless_core::catalog::Relation;
use driftless_core::plan::{Chunking, EntityPlan};
use driftless_pg::Session;

use crate::error::Result;
use crate::store::chunk::Chunk;

/// Bytes of a relation's pages that one chunk should have: some hundred milliseconds of work.
const CHUNK_BYTES: i64 = 16 << 20;

/// So that a petabyte still has a bounded list.
const MOST_CHUNKS: i64 = 10_000;

/// Names the variable by which a measurement cuts every entity into so many chunks, to see what checkpoints cost.
const CHUNKS: &str = "DRIFTLESS_CHUNKS";

/// Cuts an entity under the snapshot that `session` sees.
pub async fn cut(session: &Session, plan: &EntityPlan, from: Option<&Relation>) -> Result<Vec<Chunk>> {
    let bytes = from.map_or(0, |relation| relation.bytes);
    let wished = std::env::var(CHUNKS).ok().and_then(|number| number.parse().ok());
    let wanted = wished.unwrap_or(bytes / CHUNK_BYTES + 1).clamp(1, MOST_CHUNKS);
    let bounds = match &plan.chunking {
        Chunking::Whole => Vec::new(),
        Chunking::Pages => pages(from.map_or(0, |relation| relation.pages), wanted),
        Chunking::Integer(column) if wanted > 1 => integers(session, plan, column, wanted).await?,
        Chunking::Uuid(_) if wanted > 1 => uuids(wanted),
        Chunking::Integer(_) | Chunking::Uuid(_) => Vec::new(),
    };
    Ok(between(&bounds))
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
        format!(
            "SELECT {column}::pg_catalog.int8 FROM {} WHERE {column} IS NOT NULL ORDER BY {column} {order} LIMIT 1",
            plan.origin.sql
        )
    };
    let (Some(first), Some(last)) = (
        session.query_opt(&edge("ASC"), &[]).await?,
        session.query_opt(&edge("DESC"), &[]).await?,
    ) else {
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
    fn extreme_keys_do_not_overflow() {
        assert_eq!(spread(i64::MIN, i64::MAX, 2), vec!["0".to_owned()]);
        assert_eq!(spread(5, 5, 8), Vec::<String>::new());
        assert_eq!(between(&[]).len(), 1);
        assert_eq!(pages(3, 8), vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(uuids(2), vec!["7fffffff-ffff-ffff-ffff-ffffffffffff".to_owned()]);
    }
}
