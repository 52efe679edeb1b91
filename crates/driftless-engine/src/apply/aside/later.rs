//! Index builds that nothing builds on, done by sessions that would wait while the proof corrects rows on another one.

use std::collections::BTreeSet;
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_core::plan::aside::Silencing;
use driftless_pg::Session;
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::build::{build, missing};
use super::workers::workers;
use super::{Part, Recorded, due, presence};
use crate::error::Result;
use crate::store::aside::{AsideRecord, Scope};

/// What is left to build, and who has which table.
///
/// A build and a correction of one table exclude each other, and each gives up after the time that one waits for a lock. So whoever
/// corrects takes the table here, before asking the server for it, and waits as long as its builds take. What cannot be
/// built meanwhile is built afterwards, by [`super::put_back`].
#[derive(Debug, Default)]
pub struct Later {
    state: Mutex<State>,
    built: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// In this order, as far as tables are free; with the sizes of their tables.
    left: Vec<(AsideRecord, u64)>,
    /// Sessions that build, or will.
    builders: usize,
    /// The table of each build that goes on.
    building: Vec<QualifiedName>,
    /// Tables that are going to be corrected.
    wanted: BTreeSet<QualifiedName>,
    /// Tables being corrected.
    held: BTreeSet<QualifiedName>,
}

impl State {
    /// What is built next, with its parallel workers. Where all that is free is wanted, what is built soonest: whoever corrects will
    /// wait for it.
    fn take(&mut self) -> Option<(AsideRecord, u64)> {
        let is_free = |(record, _): &(AsideRecord, u64)| !self.held.contains(&record.item.table);
        let is_wanted = |(record, _): &(AsideRecord, u64)| self.wanted.contains(&record.item.table);
        let next = self.left.iter().position(|one| is_free(one) && !is_wanted(one));
        let free = self.left.iter().enumerate().filter(|(_, one)| is_free(one));
        let next = next.or_else(|| free.min_by_key(|(_, (_, size))| *size).map(|(number, _)| number))?;
        let (record, size) = self.left.remove(next);
        let sizes: Vec<u64> = iter::once(size)
            .chain(self.left.iter().map(|(_, size)| *size))
            .collect();
        self.building.push(record.item.table.clone());
        let workers = workers(&sizes, self.builders).first().copied().unwrap_or(0);
        Some((record, workers))
    }

    /// From now on nothing begins there. Whether nothing goes on there either.
    fn hold(&mut self, tables: &BTreeSet<QualifiedName>) -> bool {
        self.wanted.retain(|table| !tables.contains(table));
        self.held.extend(tables.iter().cloned());
        !self.building.iter().any(|table| tables.contains(table))
    }
}

/// Tables that nobody builds on meanwhile.
#[derive(Debug)]
pub struct Held<'l> {
    later: &'l Later,
    tables: BTreeSet<QualifiedName>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.later.state();
        state.held.retain(|table| !self.tables.contains(table));
    }
}

impl Later {
    /// The builds that are left and serve no proof, of the largest table first, for so many sessions in the end. None where foreign
    /// keys act while rows leave: a cascade would ask for tables that nobody takes here.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn of(
        session: &mut Session,
        scope: &Scope<'_>,
        recorded: &Recorded,
        sessions: usize,
    ) -> Result<Later> {
        if scope.silencing != Silencing::ReplicaRole {
            return Ok(Later::default());
        }
        let is_build = |record: &&AsideRecord| {
            let item = &record.item;
            let all = recorded.records.iter().map(|record| &record.item);
            item.build.is_some() && item.unique.is_none() && !item.serves_proof(all)
        };
        let records: Vec<AsideRecord> = due(scope, Part::All, recorded)
            .filter(is_build)
            .cloned()
            .collect();
        if records.is_empty() {
            return Ok(Later::default());
        }
        let presence = presence::look(session, &records).await?;
        let pending: Vec<_> = records.into_iter().zip(presence).collect();
        let left = missing(&pending).into_iter();
        Ok(Later::from(
            left.map(|(record, size)| (record.clone(), size)).collect(),
            sessions,
        ))
    }

    fn from(left: Vec<(AsideRecord, u64)>, sessions: usize) -> Later {
        Later {
            state: Mutex::new(State {
                left,
                builders: sessions,
                ..State::default()
            }),
            built: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds over all these sessions, until nothing is left that can begin.
    ///
    /// What keeps an index from being built ends it, and is met again by [`super::put_back`], which tells it: rows that
    /// the proof takes out, and locks of others, may have gone by then.
    ///
    /// # Errors
    /// A lost lease.
    pub async fn build(&self, sessions: &mut [Session], scope: &Scope<'_>) -> Result<()> {
        let builders = sessions.iter_mut().map(async |session| {
            while let Some((record, workers)) = self.next() {
                let done = build(session, scope, &record, workers).await;
                self.ended(&record);
                if let Err(error) = done {
                    self.stop();
                    return if error.code() == code::LEASE_LOST {
                        Err(error)
                    } else {
                        Ok(())
                    };
                }
            }
            Ok(())
        });
        // Each ends what it has begun: the locks of what is left behind would stand in the way of what comes next.
        join_all(builders).await.into_iter().collect()
    }

    fn next(&self) -> Option<(AsideRecord, u64)> {
        self.state().take()
    }

    /// Nothing begins any more.
    pub fn stop(&self) {
        self.state().left.clear();
    }

    fn ended(&self, record: &AsideRecord) {
        let mut state = self.state();
        if let Some(at) = state
            .building
            .iter()
            .position(|table| *table == record.item.table)
        {
            state.building.swap_remove(at);
        }
        drop(state);
        self.built.notify_waiters();
    }

    /// Says which tables are going to be taken: until each was, builds of others come first.
    pub fn want<'t>(&self, tables: impl IntoIterator<Item = &'t QualifiedName>) {
        self.state().wanted.extend(tables.into_iter().cloned());
    }

    /// Takes a table, with what a statement over it locks beside it, as soon as nothing is built there.
    pub async fn hold(&self, table: &QualifiedName, target: &Catalog) -> Held<'_> {
        let around = target.relation(table).map(|relation| &relation.around);
        let beside = around
            .into_iter()
            .flat_map(|around| around.shares_rows_with.iter().chain(&around.heirs));
        self.take(beside.chain([table]).cloned().collect()).await
    }

    async fn take(&self, tables: BTreeSet<QualifiedName>) -> Held<'_> {
        loop {
            // Asked to be told before it looks, so that no end of a build is missed.
            let built = self.built.notified();
            if self.state().hold(&tables) {
                return Held { later: self, tables };
            }
            built.await;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use driftless_core::plan::aside::{AsideItem, AsideKind};

    use super::*;
    use crate::store::aside::AsideState;

    pub(in super::super) fn index(seq: i32, table: &str) -> AsideRecord {
        let item = AsideItem {
            entity: table.to_owned(),
            table: QualifiedName::new("public", table),
            kind: AsideKind::Index,
            name: format!("i{seq}"),
            definition: String::new(),
            columns: Vec::new(),
            drop_sql: String::new(),
            build: Some(String::new()),
            tablespace: String::new(),
            restore: Vec::new(),
            validate: None,
            unique: None,
            foreign: None,
            filled: false,
        };
        AsideRecord {
            seq,
            item,
            state: AsideState::Dropped,
            error: None,
            stands: false,
        }
    }

    fn later(tables: &[&str]) -> Later {
        let sized = tables.iter().map(|table| if *table == "small" { 1 } else { 9 });
        let records = (0..).zip(tables).map(|(seq, table)| index(seq, table));
        Later::from(records.zip(sized).collect(), 2)
    }

    fn tables(names: &[&str]) -> BTreeSet<QualifiedName> {
        names
            .iter()
            .map(|name| QualifiedName::new("public", *name))
            .collect()
    }

    fn seq(next: Option<&(AsideRecord, u64)>) -> Option<i32> {
        next.map(|(record, _)| record.seq)
    }

    #[test]
    fn a_table_that_is_corrected_is_left_out_until_it_is_let_go() {
        let later = later(&["large", "small", "large"]);
        let mut wish = pin!(later.take(tables(&["large", "partition"])));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(held) = wish.as_mut().poll(&mut context) else {
            panic!("nobody builds");
        };
        assert_eq!(seq(later.next().as_ref()), Some(1));
        assert_eq!(later.next(), None);
        drop(held);
        assert_eq!(seq(later.next().as_ref()), Some(0));
        assert_eq!(seq(later.next().as_ref()), Some(2));
    }

    #[test]
    fn whoever_corrects_waits_for_all_builds_of_the_table_and_none_begins() {
        let later = later(&["large", "large", "large", "small"]);
        let mut context = Context::from_waker(Waker::noop());
        let (first, second) = (later.next().expect("one"), later.next().expect("another"));
        let mut wish = pin!(later.take(tables(&["large"])));
        assert!(wish.as_mut().poll(&mut context).is_pending());
        assert_eq!(seq(later.next().as_ref()), Some(3), "only elsewhere");
        later.ended(&first.0);
        assert!(wish.as_mut().poll(&mut context).is_pending(), "one goes on");
        later.ended(&second.0);
        assert!(wish.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn what_is_going_to_be_corrected_is_built_behind_that_and_the_smallest_first() {
        let later = later(&["corrected", "large", "small", "other"]);
        later.want(&tables(&["corrected", "small"]));
        assert_eq!(seq(later.next().as_ref()), Some(1));
        assert_eq!(seq(later.next().as_ref()), Some(3));
        assert_eq!(
            seq(later.next().as_ref()),
            Some(2),
            "the smallest, where there is no other"
        );
        assert_eq!(seq(later.next().as_ref()), Some(0));
    }

    #[test]
    fn the_last_builds_have_the_workers_of_sessions_that_would_wait() {
        let later = later(&["large", "large"]);
        let workers = |next: Option<(AsideRecord, u64)>| next.map(|(_, workers)| workers);
        assert_eq!(workers(later.next()), Some(0));
        assert_eq!(workers(later.next()), Some(1));
    }

    #[test]
    fn what_was_corrected_is_built_in_its_order_again() {
        let later = later(&["corrected", "large"]);
        later.want(&tables(&["corrected"]));
        let mut wish = pin!(later.take(tables(&["corrected"])));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(held) = wish.as_mut().poll(&mut context) else {
            panic!("nobody builds");
        };
        drop(held);
        assert_eq!(seq(later.next().as_ref()), Some(0));
    }

    #[test]
    fn behind_the_end_nothing_begins() {
        let later = later(&["large", "small"]);
        let first = later.next().expect("one");
        later.stop();
        later.ended(&first.0);
        assert_eq!(later.next(), None);
    }
}
