//! Index builds, and between them the removal of rows that keep some from being built.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_core::name::QualifiedName;
use tokio::sync::Notify;

use super::Failure;
use super::workers::workers;
use crate::store::aside::AsideRecord;

/// A build, with the size of its table in bytes.
pub(super) type Sized<'r> = (&'r AsideRecord, u64);

/// What a session does next.
#[derive(Debug, PartialEq)]
pub(super) enum Job<'r> {
    /// Builds an index with so many parallel workers.
    Build(Sized<'r>, u64),
    /// Takes rows out that keep these indexes of one table from being built, in the order of their records.
    Mend(Vec<(Sized<'r>, Failure)>),
}

/// Whether what is removed from one table may ask for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::apply) enum Reach {
    /// Nothing but the table is touched.
    Table,
    /// Others are, too.
    Others,
}

/// What is left to do, and who does what.
///
/// Rows leave a table when all its indexes were tried, and nothing is built there meanwhile: a build and a removal exclude each
/// other, and each gives up after the time that one waits for a lock. Then what failed is built again. In which order rows
/// leave decides who stays, so it is that of the records.
#[derive(Debug)]
pub(super) struct Queue<'r> {
    state: Mutex<State<'r>>,
    changed: Notify,
    reach: Reach,
}

#[derive(Debug)]
struct State<'r> {
    /// With their workers.
    left: VecDeque<(Sized<'r>, u64)>,
    sessions: usize,
    /// The table of each build that goes on.
    building: Vec<&'r QualifiedName>,
    /// What rows that repeat a value have kept from being built.
    broken: BTreeMap<&'r QualifiedName, Vec<(Sized<'r>, Failure)>>,
    /// Whether rows leave a table.
    mending: bool,
    failures: Vec<Failure>,
    /// Whether nothing begins any more.
    stopped: bool,
}

impl<'r> State<'r> {
    /// Only the session that mends asks for what is to be mended.
    fn take(&mut self, mends: bool, reach: Reach) -> Option<Job<'r>> {
        if self.stopped || (self.mending && reach == Reach::Others) {
            return None;
        }
        let mend = if mends { self.mend(reach) } else { None };
        mend.or_else(|| self.build())
    }

    fn mend(&mut self, reach: Reach) -> Option<Job<'r>> {
        let pending: BTreeSet<&QualifiedName> = self
            .left
            .iter()
            .map(|((record, _), _)| &record.item.table)
            .chain(self.building.iter().copied())
            .collect();
        let is_ready = |table: &QualifiedName| match reach {
            Reach::Table => !pending.contains(table),
            Reach::Others => pending.is_empty(),
        };
        let table = self.broken.keys().copied().find(|table| is_ready(table))?;
        let mut broken = self.broken.remove(table)?;
        broken.sort_by_key(|((record, _), _)| record.seq);
        self.mending = true;
        Some(Job::Mend(broken))
    }

    fn build(&mut self) -> Option<Job<'r>> {
        // None of it is of the table that rows leave: that begins when all were tried.
        let (build, workers) = self.left.pop_front()?;
        self.building.push(&build.0.item.table);
        Some(Job::Build(build, workers))
    }

    /// Builds before what is left.
    fn again(&mut self, builds: Vec<Sized<'r>>) {
        let left = self.left.drain(..).map(|(build, _)| build);
        let all: Vec<Sized<'r>> = builds.into_iter().chain(left).collect();
        self.left = with_workers(all, self.sessions);
    }

    fn is_done(&self) -> bool {
        let quiet = self.building.is_empty() && !self.mending;
        self.stopped || (quiet && self.left.is_empty() && self.broken.is_empty())
    }
}

impl<'r> Queue<'r> {
    /// Builds in this order, over so many sessions.
    pub(super) fn new(left: Vec<Sized<'r>>, sessions: usize, reach: Reach) -> Queue<'r> {
        Queue {
            state: Mutex::new(State {
                left: with_workers(left, sessions),
                sessions,
                building: Vec::new(),
                broken: BTreeMap::new(),
                mending: false,
                failures: Vec::new(),
                stopped: false,
            }),
            changed: Notify::new(),
            reach,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<'r>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what a session can do; nothing when all is done.
    pub(super) async fn next(&self, mends: bool) -> Option<Job<'r>> {
        loop {
            // Asked to be told before it looks, so that no change is missed.
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if let Some(job) = state.take(mends, self.reach) {
                    return Some(job);
                }
                if state.is_done() {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// A build has ended.
    pub(super) fn built(&self, build: Sized<'r>, failure: Option<Failure>) {
        let mut state = self.state();
        let table = &build.0.item.table;
        if let Some(at) = state.building.iter().position(|building| *building == table) {
            state.building.swap_remove(at);
        }
        match failure {
            Some(failure) if failure.is_duplicate() => {
                state.broken.entry(table).or_default().push((build, failure));
            }
            failure => state.failures.extend(failure),
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Rows have left, so that what failed is tried again; or none did, and it has failed.
    pub(super) fn mended(&self, broken: Vec<(Sized<'r>, Failure)>, left: bool) {
        let mut state = self.state();
        state.mending = false;
        let (builds, failures): (Vec<_>, Vec<_>) = broken.into_iter().unzip();
        if left {
            state.again(builds);
        } else {
            state.failures.extend(failures);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing begins any more.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_waiters();
    }

    /// What could not be built.
    pub(super) fn failures(self) -> Vec<Failure> {
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).failures
    }
}

fn with_workers(builds: Vec<Sized<'_>>, sessions: usize) -> VecDeque<(Sized<'_>, u64)> {
    let sizes: Vec<u64> = builds.iter().map(|(_, size)| *size).collect();
    builds.into_iter().zip(workers(&sizes, sessions)).collect()
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use driftless_core::plan::aside::Uniqueness;

    use super::super::later::tests::index;
    use super::*;

    fn failure(record: &AsideRecord) -> Option<Failure> {
        Some(Failure {
            record: record.clone(),
            sqlstate: Some("23505".to_owned()),
            reason: String::new(),
        })
    }

    /// Unique indexes of these tables, numbered.
    fn records(tables: &[&str]) -> Vec<AsideRecord> {
        (0..).zip(tables).map(|(seq, table)| unique(seq, table)).collect()
    }

    fn unique(seq: i32, table: &str) -> AsideRecord {
        let mut record = index(seq, table);
        record.item.unique = Some(Uniqueness::CopyIndex(String::new()));
        record
    }

    fn queue(records: &[AsideRecord], reach: Reach) -> Queue<'_> {
        Queue::new(records.iter().map(|record| (record, 1)).collect(), 2, reach)
    }

    fn take<'r>(queue: &Queue<'r>, mends: bool) -> Option<Job<'r>> {
        queue.state().take(mends, queue.reach)
    }

    fn built<'r>(queue: &Queue<'r>, mends: bool) -> Sized<'r> {
        match take(queue, mends) {
            Some(Job::Build(build, _)) => build,
            other => panic!("a build was expected: {other:?}"),
        }
    }

    fn mended(queue: &Queue<'_>, left: bool) -> Vec<i32> {
        let Some(Job::Mend(broken)) = take(queue, true) else {
            panic!("rows were to leave");
        };
        let seqs = broken.iter().map(|((record, _), _)| record.seq).collect();
        queue.mended(broken, left);
        seqs
    }

    #[test]
    fn rows_leave_when_all_indexes_of_the_table_were_tried_and_builds_go_on_elsewhere() {
        let records = records(&["a", "a", "b", "b"]);
        let queue = queue(&records, Reach::Table);
        let (first, second) = (built(&queue, true), built(&queue, false));
        queue.built(second, failure(second.0));
        let third = built(&queue, true);
        assert_eq!(third.0.seq, 2, "an index of the table is still built");
        queue.built(first, failure(first.0));
        assert!(matches!(take(&queue, true), Some(Job::Mend(_))));
        assert_eq!(built(&queue, false).0.seq, 3);
        assert!(!queue.state().is_done());
    }

    #[test]
    fn rows_leave_in_the_order_of_records_whichever_build_ends_first() {
        let records = records(&["a", "a", "a"]);
        let queue = queue(&records, Reach::Table);
        let builds = [built(&queue, true), built(&queue, false), built(&queue, false)];
        for number in [2, 0, 1] {
            queue.built(builds[number], failure(builds[number].0));
        }
        assert_eq!(mended(&queue, true), [0, 1, 2]);
    }

    /// Whether a session that waits is told, once something has changed.
    fn is_told(queue: &Queue<'_>, change: impl FnOnce()) -> bool {
        let mut waiting = pin!(queue.next(false));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending(), "it waits");
        change();
        waiting.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn whoever_waits_is_told_of_what_can_be_done_and_of_the_end() {
        let records = records(&["a"]);
        let queue = queue(&records, Reach::Table);
        let build = built(&queue, true);
        assert!(
            !is_told(&queue, || queue.built(build, failure(build.0))),
            "only one session mends"
        );
        let Some(Job::Mend(broken)) = take(&queue, true) else {
            panic!("rows were to leave");
        };
        assert!(
            is_told(&queue, || queue.mended(broken, true)),
            "it is to be built again"
        );
        let queue = Queue::new(
            records.iter().map(|record| (record, 1)).collect(),
            2,
            Reach::Table,
        );
        let build = built(&queue, true);
        assert!(is_told(&queue, || queue.built(build, None)), "all is done");
        let queue = Queue::new(
            records.iter().map(|record| (record, 1)).collect(),
            2,
            Reach::Table,
        );
        built(&queue, true);
        assert!(is_told(&queue, || queue.stop()), "nothing begins any more");
    }

    #[test]
    fn what_failed_is_built_again_when_rows_have_left_and_has_failed_when_none_has() {
        let records = records(&["a", "a", "b"]);
        let queue = queue(&records, Reach::Table);
        for _ in 0..2 {
            let build = built(&queue, true);
            queue.built(build, failure(build.0));
        }
        assert_eq!(mended(&queue, true), [0, 1]);
        let build = built(&queue, true);
        queue.built(build, failure(build.0));
        let build = built(&queue, true);
        queue.built(build, None);
        assert_eq!(mended(&queue, false), [0], "before builds of other tables");
        let build = built(&queue, true);
        queue.built(build, None);
        assert!(queue.state().is_done());
        assert_eq!(queue.failures().len(), 1);
    }

    #[test]
    fn where_others_are_touched_nothing_else_goes_on() {
        let records = records(&["a", "b"]);
        let queue = queue(&records, Reach::Others);
        let (first, second) = (built(&queue, true), built(&queue, false));
        queue.built(first, failure(first.0));
        assert_eq!(take(&queue, true), None, "another table's is built");
        queue.built(second, failure(second.0));
        let Some(Job::Mend(broken)) = take(&queue, true) else {
            panic!("rows were to leave");
        };
        assert_eq!(take(&queue, false), None);
        queue.mended(broken, true);
        assert_eq!(built(&queue, false).0.seq, 0);
        assert_eq!(take(&queue, true), None, "one at a time while others are touched");
    }

    #[test]
    fn behind_the_end_nothing_begins() {
        let records = records(&["a", "b"]);
        let queue = queue(&records, Reach::Table);
        let build = built(&queue, true);
        queue.stop();
        queue.built(build, failure(build.0));
        assert_eq!(take(&queue, true), None);
        assert!(queue.state().is_done());
    }
}
