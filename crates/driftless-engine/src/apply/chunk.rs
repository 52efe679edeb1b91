//! A chunk from source to target: read, shape and write overlap; one transaction holds everything, its checkpoint too.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use driftless_core::batch::Room;
use driftless_core::plan::aside::Triggers;
use driftless_core::transform::{Census, Shaped};
use driftless_pg::{BeginMode, Session, Transaction};
use tokio::sync::{Mutex as Turns, MutexGuard, mpsc};

use super::behind::Behind;
use super::counting::Counting;
use super::fence::Fence;
use super::lane::Reader;
use super::send::{confirm, is_of_a_row};
use super::write::{Care, Parents, Writing, Written};
use crate::error::{EngineError, Result};
use crate::extract::reader::Extracted;
use crate::extract::select::Rows;
use crate::extract::spare::Spare;
use crate::extract::withheld::Withheld;
use crate::shape::Shaping;
use crate::store::Store;
use crate::store::chunk::{self, Chunk};
use crate::store::execution::{self, Counts};
use crate::store::lease::Lease;

/// How often work that lost a deadlock begins anew. Somebody else went on each time, so it is rarely needed twice.
const MOST_DEADLOCKS: u32 = 10;

/// Most bytes that a batch has before it grows.
const MOST_ROOM: usize = 8 << 20;

/// Whether the server ended a transaction to resolve a deadlock: it is rolled back, and may simply be tried again.
pub fn is_deadlock(error: &EngineError) -> bool {
    error.pg().and_then(|pg| pg.sqlstate()) == Some("40P01")
}

/// Does work that loses a deadlock again from its beginning, within bounds.
///
/// # Errors
/// As the work; a deadlock where it was lost every time.
pub async fn despite_deadlocks<T>(mut work: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    for _ in 0..MOST_DEADLOCKS {
        match work().await {
            Err(error) if is_deadlock(&error) => {}
            other => return other,
        }
    }
    work().await
}

/// What chunks of one entity are written with.
#[derive(Debug)]
pub struct ChunkWork<'w, 'p> {
    /// The state.
    pub store: &'w Store,
    /// The lease.
    pub lease: &'w Lease,
    /// The entity's shaping.
    pub shaping: &'w Shaping<'p>,
    /// What its tables were when the plan was made.
    pub fence: Fence,
    /// The execution.
    pub execution: i64,
    /// The snapshot, as text.
    pub snapshot: &'w str,
    /// Largest row in bytes.
    pub max_row_bytes: u64,
    /// Rows and bytes read so far, for whoever shows progress.
    pub progress: &'w Progress,
    /// Whether the target refused rows of the chunk that was loaded last. The next one is likely to have some, too.
    pub wary: AtomicBool,
    /// How long triggers of its table are silent.
    pub triggers: Triggers,
    /// The keys of its rows.
    pub keys: Counting,
    /// Memory of batches that are done.
    pub spare: &'w Spare,
    /// What the largest batch took, with what was produced for it. Those of chunks that begin from then on are made as large at once: one
    /// that grows is copied again and again, and leaves holes of all sizes in memory.
    pub room: Mutex<Room>,
}

/// A reference, by its number, that is decided as rows pass by once all rows of its parent are in the target.
#[derive(Debug, Clone, Copy)]
pub struct Parent<'w> {
    /// The reference.
    pub reference: usize,
    /// The keys of the parent's rows.
    pub keys: &'w Counting,
}

/// Counters that a display reads while work goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows read.
    pub read: AtomicU64,
    /// Rows written and committed.
    pub written: AtomicU64,
    /// Rows rejected.
    pub rejected: AtomicU64,
    /// Bytes read.
    pub bytes: AtomicU64,
    /// Chunks committed, and mended.
    pub commits: AtomicU64,
}

impl Progress {
    fn reading(&self) -> (u64, u64) {
        (
            self.read.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }

    fn committed(&self, counts: &Counts) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.written
            .fetch_add(counts.inserted.unsigned_abs(), Ordering::Relaxed);
        self.rejected.fetch_add(
            (counts.rejected + counts.parked).unsigned_abs(),
            Ordering::Relaxed,
        );
    }

    /// What was read for nothing does not count. Another lane's reading may get lost with it: this is only for display.
    fn back_to(&self, read: u64, bytes: u64) {
        self.read.store(read, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

impl ChunkWork<'_, '_> {
    /// The entity's name.
    pub fn entity(&self) -> &str {
        &self.shaping.plan.name
    }

    /// Loads a chunk: fast, and again with care if the target refused a row, or as it was after a deadlock. With care at once
    /// where rows of the chunk before were refused. References to `parents` that are all loaded are decided as rows pass by.
    ///
    /// The `turn` is given up when all rows are on their way to the target, or one is refused: what is left is answers, or the chunk is
    /// read again when `reader` is free, and another chunk is read and written beside.
    pub async fn load(
        &self,
        reader: &Turns<Reader<'_>>,
        writer: &mut Session,
        (chunk, parents): (&Chunk, &[Parent<'_>]),
        turn: MutexGuard<'_, ()>,
    ) -> Result<Counts> {
        let (read, bytes) = self.progress.reading();
        let mut care = if self.wary.load(Ordering::Relaxed) {
            Care::Isolating
        } else {
            Care::Fast
        };
        let mut deadlocks = 0;
        let withheld = Withheld::default();
        let work = (chunk, parents, &withheld);
        let mut turn = Some(turn);
        loop {
            let attempt = self.attempt((reader, &mut *writer), work, care, &mut turn).await;
            if attempt.is_err() {
                // Before anything else is waited for: others wait for the locks. A lost connection is told by the attempt.
                writer.rest().await.ok();
            }
            match attempt {
                Err(_) if withheld.grew() => {}
                Err(error) if care == Care::Fast && is_of_a_row(&error) => {
                    care = Care::Isolating;
                }
                Err(error) if deadlocks < MOST_DEADLOCKS && is_deadlock(&error) => deadlocks += 1,
                other => return other,
            }
            self.progress.back_to(read, bytes);
        }
    }

    fn room(&self) -> Room {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what a batch took, unless that is more than an ordinary one does.
    fn made(&self, room: Room) {
        if room.in_all() <= MOST_ROOM {
            let mut most = self.room.lock().unwrap_or_else(PoisonError::into_inner);
            *most = most.or(room);
        }
    }

    /// Makes references null that lead to no row of parents which are all loaded.
    fn lose_dangling(&self, shaped: &mut Shaped, parents: &[Parent<'_>]) {
        for parent in parents.iter().filter(|parent| parent.keys.is_complete()) {
            parent
                .keys
                .null_dangling(&self.shaping.shaper, shaped, parent.reference);
        }
    }

    async fn attempt(
        &self,
        (reader, writer): (&Turns<Reader<'_>>, &mut Session),
        (chunk, parents, withheld): (&Chunk, &[Parent<'_>], &Withheld),
        care: Care,
        turn: &mut Option<MutexGuard<'_, ()>>,
    ) -> Result<Counts> {
        let started = Instant::now();
        let (to_write, mut shaped) = mpsc::channel(1);
        let reading = async {
            let mut reader = reader.lock().await;
            reader.begin().await?;
            let bytes = self.read(&mut reader, (chunk, withheld), to_write).await?;
            reader.end();
            Ok(bytes)
        };
        let writing = async {
            let written = self.write(writer, &mut shaped, parents, care).await;
            turn.take();
            written
        };
        // A channel that closes looks the same at the end and after a failure: only when both are well is it the end.
        let (bytes, (tx, mut counts, census, refused)) = tokio::try_join!(reading, writing)?;
        counts.bytes = bytes;
        counts.duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.end(tx, chunk.number, &counts).await?;
        self.wary.store(refused, Ordering::Relaxed);
        self.keys.committed(census);
        self.progress.committed(&counts);
        Ok(counts)
    }

    /// Reads and shapes rows; how many bytes they had.
    async fn read(
        &self,
        reader: &mut Reader<'_>,
        (chunk, withheld): (&Chunk, &Withheld),
        to_write: mpsc::Sender<Shaped>,
    ) -> Result<i64> {
        let plan = self.shaping.plan;
        let Reader {
            source, evaluator, ..
        } = reader;
        let (to_shape, mut read) = mpsc::channel::<Extracted>(1);
        let reading = async {
            let rows = self.reading(source, Rows::Chunk(chunk), withheld);
            let mut rows = rows.expecting(self.room(), self.spare);
            // No batch is begun before the one before is taken: memory is the same however long this goes on.
            while let Ok(place) = to_shape.reserve().await {
                let Some(extracted) = rows.next().await? else {
                    break;
                };
                place.send(extracted);
            }
            drop(to_shape);
            drop(rows);
            self.fence.source_kept(source, plan).await
        };
        let shaping = async {
            let mut bytes = 0;
            while let Ok(place) = to_write.reserve().await {
                let Some(extracted) = read.recv().await else {
                    break;
                };
                bytes += extracted.bytes as i64;
                self.progress
                    .read
                    .fetch_add(extracted.batch.rows() as u64, Ordering::Relaxed);
                self.progress
                    .bytes
                    .fetch_add(extracted.bytes as u64, Ordering::Relaxed);
                place.send(self.shaping.shape(evaluator, extracted).await?);
            }
            drop(to_write);
            Ok::<i64, EngineError>(bytes)
        };
        let ((), bytes) = tokio::try_join!(reading, shaping)?;
        Ok(bytes)
    }

    /// Writes rows as they come, in a transaction that is still open then. The last answer is whether some were refused.
    async fn write<'t>(
        &self,
        writer: &'t mut Session,
        shaped: &mut mpsc::Receiver<Shaped>,
        parents: &[Parent<'_>],
        care: Care,
    ) -> Result<(Transaction<'t>, Counts, Option<Census>, bool)> {
        let tx = writer.begin(BeginMode::ReadWrite).await?;
        let guard = self.lease.guard();
        tx.each(&[guard.as_str(), care.settings()]).await?;
        let to = Writing {
            store: self.store,
            shaping: self.shaping,
            spare: self.spare,
            execution: self.execution,
            care,
            staying: false,
            parents: Parents::Coming,
        };
        if care == Care::Isolating {
            // Where the columns are others now, every single row would be refused.
            self.fence.target_kept(&tx).await?;
        }
        let (mut counts, mut refused) = (Counts::default(), false);
        let mut census = self.keys.of_a_chunk(self.shaping.plan);
        let mut behind = Behind::default();
        while let Some(mut batch) = shaped.recv().await {
            self.lose_dangling(&mut batch, parents);
            let faulty = batch.rows() - batch.writable_rows();
            let Written { counts: some, rows } = to.write(&tx, &mut batch, &mut behind).await?;
            refused |= some.rejected + some.parked > faulty as i64;
            counts.add(&some);
            Counting::count(&mut census, &batch, &rows);
            self.made(batch.batch.room());
            self.spare.keep_batch(batch.batch);
        }
        to.put_behind(&tx, &mut behind).await?;
        Ok((tx, counts, census, refused))
    }

    /// Puts the checkpoint behind the rows of a chunk, and commits.
    async fn end(&self, tx: Transaction<'_>, chunk: i32, counts: &Counts) -> Result<()> {
        let entity = self.entity();
        crate::crash::point("before-checkpoint");
        // One way to the server and back for all of it. What a COPY was refused for fails what follows it.
        let (done, counted, kept, copied) = tokio::join!(
            biased;
            chunk::done(
                &tx,
                self.store,
                entity,
                chunk,
                self.snapshot,
                self.execution,
                counts,
            ),
            execution::count(&tx, self.store, self.execution, entity, counts),
            self.fence.target_kept(&tx),
            confirm(&tx, entity)
        );
        done?;
        counted?;
        kept?;
        copied?;
        crate::crash::point("before-commit");
        tx.commit().await?;
        crate::crash::point("after-commit");
        Ok(())
    }
}
