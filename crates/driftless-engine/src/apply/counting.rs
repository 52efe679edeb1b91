//! The keys of an entity's rows, counted as its chunks are committed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driftless_core::plan::EntityPlan;
use driftless_core::transform::{Census, Shaped, Shaper};

/// What the censuses of a run may take of memory together, in bytes.
const ROOM: usize = 16 << 20;

/// What the census of a chunk may take until the chunk is committed, in bytes.
const ROOM_OF_A_CHUNK: usize = 1 << 20;

/// What is left of the memory for all censuses of a run.
#[derive(Debug, Clone)]
pub struct Room(Arc<AtomicUsize>);

impl Default for Room {
    fn default() -> Room {
        Room(Arc::new(AtomicUsize::new(ROOM)))
    }
}

impl Room {
    /// Gives back what was taken, and takes as much as it is now; false where there is not so much.
    fn exchange(&self, taken: usize, now: usize) -> bool {
        let exchange = |left: usize| (left + taken).checked_sub(now);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, exchange)
            .is_ok()
    }
}

/// The census of an entity all of whose chunks one run loads.
#[derive(Debug, Default)]
pub struct Counting {
    census: Mutex<Option<Census>>,
    room: Room,
    /// Whether no row is still to come.
    complete: AtomicBool,
}

impl Counting {
    /// Of an entity of which no chunk was loaded before.
    pub fn from_the_first(entity: &EntityPlan, room: &Room) -> Counting {
        Counting {
            census: Mutex::new(Some(Census::of(entity)).filter(|census| !census.is_blind())),
            room: room.clone(),
            complete: AtomicBool::new(false),
        }
    }

    /// The last chunk is committed.
    pub fn end(&self) {
        self.complete.store(true, Ordering::Relaxed);
    }

    /// Whether the keys of all rows are known.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed) && self.census().is_some()
    }

    /// Makes a reference to these rows null where it leads to none of them.
    pub(super) fn null_dangling(&self, shaper: &Shaper<'_>, shaped: &mut Shaped, reference: usize) {
        if let Some(census) = self.census().as_ref() {
            shaper.null_dangling(shaped, reference, census);
        }
    }

    fn census(&self) -> MutexGuard<'_, Option<Census>> {
        self.census.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A census for one chunk, if anything is counted.
    pub(super) fn of_a_chunk(&self, entity: &EntityPlan) -> Option<Census> {
        self.census().as_ref().map(|_| Census::of(entity))
    }

    /// Counts rows of a chunk. One that grows too large is given up.
    pub(super) fn count(chunk: &mut Option<Census>, shaped: &Shaped, rows: &[usize]) {
        if let Some(census) = chunk {
            census.count(shaped, rows);
            if census.bytes() > ROOM_OF_A_CHUNK {
                *chunk = None;
            }
        }
    }

    /// A chunk is committed. Where censuses grow too large, or that of the chunk did, this one is given up.
    pub(super) fn committed(&self, chunk: Option<Census>) {
        let mut census = self.census();
        let Some(all) = census.as_mut() else {
            return;
        };
        let before = all.bytes();
        let fits = chunk.is_some_and(|chunk| {
            all.add(&chunk);
            self.room.exchange(before, all.bytes())
        });
        if !fits {
            self.room.exchange(before, 0);
            *census = None;
        }
    }

    /// Takes what was counted, unless it was given up.
    pub fn take(&self) -> Option<Census> {
        self.census().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_as_long_as_there_is_some() {
        let room = Room::default();
        assert!(room.exchange(0, ROOM));
        assert!(!room.exchange(0, 1));
        assert!(room.exchange(ROOM, ROOM - 1));
        assert!(room.exchange(0, 1));
        assert!(!room.exchange(1, 2));
    }
}
