use driftless_pg::{Param, Transaction};

use crate::error::Result;

/// How many parallel workers each build may have beside its session, of builds that sessions take one by one in this order, by
/// the sizes of their tables.
///
/// Workers sort into temporary files and hand over by them, which a build alone does without as long as its rows fit into memory. So
/// where each session has an index to build there are none. A build that is more than its session's part of what is left, when
/// sessions are thought to work in step, has those of the sessions that would be without work for most of its time.
pub(in crate::apply) fn workers(sizes: &[u64], sessions: usize) -> Vec<u64> {
    // What is not known to have any size has the same one.
    let size = |size: &u64| u128::from((*size).max(1));
    let at_hand = |from: usize| sizes[from..].iter().map(size).sum::<u128>();
    let sessions = sessions.max(1);
    let waves = (0..sizes.len())
        .step_by(sessions)
        .map(|from| (&sizes[from..sizes.len().min(from + sessions)], at_hand(from)));
    waves
        .flat_map(|(wave, at_hand)| {
            wave.iter().map(move |own| {
                let share = (size(own) * sessions as u128 + at_hand / 2) / at_hand;
                u64::try_from(share).unwrap_or(u64::MAX).saturating_sub(1)
            })
        })
        .collect()
}

/// Lets what follows in the transaction have so many of them, and never more than the server's setting says.
pub(in crate::apply) async fn allow(tx: &Transaction<'_>, workers: u64) -> Result<()> {
    const ALLOW: &str = "SELECT pg_catalog.set_config('max_parallel_maintenance_workers', \
        LEAST(pg_catalog.current_setting('max_parallel_maintenance_workers')::int8, $1)::text, true)";
    Ok(tx
        .ahead(ALLOW, &[Param::int8(i64::try_from(workers).unwrap_or(i64::MAX))])
        .await?)
}

#[cfg(test)]
mod tests {
    use super::workers;

    #[test]
    fn where_each_session_has_a_build_none_has_workers() {
        assert_eq!(workers(&[9, 9, 9, 9], 4), [0, 0, 0, 0]);
        assert_eq!(workers(&[9, 9, 9, 9, 2, 2, 2, 2], 4), [0; 8]);
        assert_eq!(workers(&[0, 0, 0, 0], 4), [0; 4]);
    }

    #[test]
    fn workers_are_the_sessions_that_would_wait() {
        assert_eq!(workers(&[9], 4), [3]);
        assert_eq!(workers(&[0, 0], 4), [1, 1]);
        assert_eq!(workers(&[9, 9], 4), [1, 1]);
        assert_eq!(workers(&[9, 1], 4), [3, 0]);
        assert_eq!(workers(&[9, 3], 2), [1, 0]);
        assert_eq!(workers(&[9, 4], 2), [0, 0]);
        assert_eq!(workers(&[9, 9, 9, 9, 9], 4), [0, 0, 0, 0, 3]);
        assert_eq!(workers(&[9, 9], 1), [0, 0]);
        assert_eq!(workers(&[9, 1, 1], 0), [0, 0, 0]);
    }

    #[test]
    fn sizes_beyond_all_bounds_are_no_overflow() {
        assert_eq!(workers(&[u64::MAX, u64::MAX], 4), [1, 1]);
    }
}
