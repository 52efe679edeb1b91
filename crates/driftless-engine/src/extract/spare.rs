//! Memory of batches that are done, for those to come. Without it each batch would take pages that the kernel has to clear anew, and
//! a long load would touch more of them at the same time than a short one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use driftless_core::batch::{Batch, Room};

/// Bytes of the largest piece of memory that is kept: more than an ordinary batch has is the system's again.
const MOST_BYTES: usize = 8 << 20;

/// What is kept of each kind at most.
const MOST_PIECES: usize = 16;

/// Memory that nobody uses at the moment.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Pieces>);

#[derive(Debug, Default)]
struct Pieces {
    batches: Vec<Batch>,
    buffers: Vec<Vec<u8>>,
}

impl Spare {
    /// An empty batch of rows with so many columns, which is expected to take some `room`.
    pub fn batch(&self, width: usize, room: Room) -> Batch {
        match self.pieces().batches.pop() {
            Some(batch) => batch.again(width, room),
            None => Batch::with_room(width, room),
        }
    }

    /// An empty buffer, the smallest one.
    pub fn buffer(&self) -> Vec<u8> {
        let mut pieces = self.pieces();
        let sizes = pieces.buffers.iter().map(Vec::capacity).enumerate();
        let smallest = sizes.min_by_key(|(_, size)| *size);
        smallest.map_or_else(Vec::new, |(number, _)| pieces.buffers.swap_remove(number))
    }

    /// An empty buffer of this size or more.
    pub fn large_buffer(&self, size: usize) -> Vec<u8> {
        let mut pieces = self.pieces();
        let large = pieces.buffers.iter().position(|buffer| buffer.capacity() >= size);
        large.map_or_else(
            || Vec::with_capacity(size),
            |number| pieces.buffers.swap_remove(number),
        )
    }

    /// Takes back a batch.
    pub fn keep_batch(&self, batch: Batch) {
        let mut pieces = self.pieces();
        if batch.capacity().in_all() <= MOST_BYTES && pieces.batches.len() < MOST_PIECES {
            pieces.batches.push(batch);
        }
    }

    /// Takes back a buffer that was sent.
    pub fn keep_buffer(&self, sent: Bytes) {
        if !sent.is_unique() {
            return;
        }
        let mut buffer = Vec::from(sent);
        buffer.clear();
        let mut pieces = self.pieces();
        if buffer.capacity() <= MOST_BYTES && pieces.buffers.len() < MOST_PIECES {
            pieces.buffers.push(buffer);
        }
    }

    /// Gives all of it back.
    pub fn clear(&self) {
        *self.pieces() = Pieces::default();
    }

    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_again_empty() {
        let spare = Spare::default();
        let room = Room { bytes: 100, cells: 4 };
        let mut batch = spare.batch(2, room);
        batch.push_row([Some(b"one".as_slice()), None]);
        let place = batch.arena.as_ptr();
        spare.keep_batch(batch);
        let again = spare.batch(1, Room { bytes: 50, cells: 2 });
        assert_eq!(again.arena.as_ptr(), place);
        assert_eq!((again.rows(), again.width(), again.arena.len()), (0, 1, 0));

        let mut buffer = spare.buffer();
        buffer.extend_from_slice(&[7; 1000]);
        let place = buffer.as_ptr();
        let sent = Bytes::from(buffer);
        let under_way = sent.clone();
        spare.keep_buffer(sent);
        assert_eq!(spare.buffer().capacity(), 0, "somebody still reads it");
        spare.keep_buffer(under_way);
        let again = spare.buffer();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn small_and_large_buffers_are_kept_apart() {
        let spare = Spare::default();
        let (large, small) = (spare.large_buffer(5000), spare.large_buffer(100));
        let places = (large.as_ptr(), small.as_ptr());
        for buffer in [large, small] {
            spare.keep_buffer(Bytes::from(buffer));
        }
        let (large, small) = (spare.large_buffer(5000), spare.buffer());
        assert_eq!((large.as_ptr(), small.as_ptr()), places);
        assert!(spare.large_buffer(5000).capacity() >= 5000);
    }

    #[test]
    fn what_is_large_goes() {
        let spare = Spare::default();
        let room = Room {
            bytes: MOST_BYTES + 1,
            cells: 0,
        };
        spare.keep_batch(spare.batch(1, room));
        let cells = Room {
            bytes: 0,
            cells: MOST_BYTES / 8 + 1,
        };
        spare.keep_batch(spare.batch(1, cells));
        spare.keep_buffer(Bytes::from(vec![0; MOST_BYTES + 1]));
        assert_eq!(spare.batch(1, Room::default()).capacity().bytes, 0);
        assert_eq!(spare.buffer().capacity(), 0);
    }
}
