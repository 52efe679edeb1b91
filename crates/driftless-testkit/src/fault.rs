use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Where messages begin and end.
mod frames;

use frames::{Frame, Frames};

/// The type of a message that carries a piece of a COPY.
const COPY_DATA: u8 = b'd';

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What goes wrong, counted from the moment the fault is armed, over all connections together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// After so many bytes in this direction every open connection is cut, in the middle of a message if need
    /// be. Happens once; later connections pass.
    Cut(Direction, u64),
    /// After so many messages of COPY data in this direction every open connection is cut in the middle of the next one. Happens
    /// once. Only where connections are not encrypted.
    CutInCopy(Direction, u64),
    /// After so many bytes in this direction no byte arrives any more, either way, and nobody is told, until
    /// [`FaultProxy::heal`].
    BlackHole(Direction, u64),
    /// Everything that flows in this direction waits so long, until [`FaultProxy::heal`].
    Delay(Direction, Duration),
}

/// A proxy in front of a server. Dropping it fails the test if an armed fault never fired.
pub struct FaultProxy {
    url: String,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

struct Shared {
    line: Mutex<Line>,
    /// Connections that were accepted.
    connections: AtomicUsize,
    /// Connections that are open.
    open: AtomicUsize,
    /// Counts cuts; a connection ends when the number changes.
    cuts: watch::Sender<u64>,
}

/// What has passed since the proxy started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes to the server, and to the client.
    pub bytes: [u64; 2],
    /// Messages of COPY data to the server, and to the client.
    pub copy_frames: [u64; 2],
    /// How often a server's error of each SQLSTATE came by.
    pub states: BTreeMap<String, u64>,
}

impl Traffic {
    fn add(&mut self, direction: Direction, bytes: usize, frames: &[Frame], states: Vec<String>) {
        let way = direction as usize;
        self.bytes[way] += bytes as u64;
        self.copy_frames[way] += frames.iter().filter(|frame| frame.kind == COPY_DATA).count() as u64;
        for state in states {
            *self.states.entry(state).or_default() += 1;
        }
    }
}

#[derive(Default)]
struct Line {
    fault: Option<Fault>,
    passed: u64,
    fired: bool,
    swallowing: bool,
    /// Bytes that arrived late.
    late: u64,
    traffic: Traffic,
}

/// What to do with bytes that arrived.
#[derive(Debug, PartialEq, Eq)]
enum Passage {
    Through(Duration),
    Swallowed,
    CutAfter(usize),
}

impl Line {
    fn admit(&mut self, direction: Direction, bytes: usize, frames: &[Frame]) -> Passage {
        if self.swallowing {
            return Passage::Swallowed;
        }
        match self.fault {
            Some(Fault::CutInCopy(way, after)) if way == direction && !self.fired => {
                for frame in frames
                    .iter()
                    .filter(|frame| frame.kind == COPY_DATA && frame.length > 1)
                {
                    self.passed += 1;
                    if self.passed > after {
                        self.fired = true;
                        // A body that is longer than what was read is cut behind that.
                        return Passage::CutAfter((frame.body + frame.length / 2).min(bytes));
                    }
                }
                Passage::Through(Duration::ZERO)
            }
            Some(Fault::Cut(way, after)) if way == direction && !self.fired => {
                let room = self.fill(bytes, after);
                if self.fired {
                    Passage::CutAfter(room)
                } else {
                    Passage::Through(Duration::ZERO)
                }
            }
            Some(Fault::BlackHole(way, after)) if way == direction => {
                self.fill(bytes, after);
                self.swallowing = self.fired;
                if self.fired {
                    Passage::Swallowed
                } else {
                    Passage::Through(Duration::ZERO)
                }
            }
            Some(Fault::Delay(way, delay)) if way == direction => Passage::Through(delay),
            _ => Passage::Through(Duration::ZERO),
        }
    }

    /// Bytes have arrived behind a delay: only now it has happened.
    fn arrived_late(&mut self, bytes: usize) {
        if matches!(self.fault, Some(Fault::Delay(..))) {
            self.fired = true;
            self.late += bytes as u64;
        }
    }

    /// Another fault from now on; what was.
    fn replace(&mut self, fault: Option<Fault>) -> Line {
        let traffic = self.traffic.clone();
        std::mem::replace(
            self,
            Line {
                fault,
                traffic,
                ..Line::default()
            },
        )
    }

    /// Counts `bytes`; fires once they reach the limit. Returns how many still fit.
    fn fill(&mut self, bytes: usize, limit: u64) -> usize {
        let room = limit.saturating_sub(self.passed);
        let bytes = bytes as u64;
        self.passed += bytes;
        self.fired |= bytes >= room;
        usize::try_from(room.min(bytes)).unwrap_or(usize::MAX)
    }
}

impl FaultProxy {
    /// Starts a proxy, without a fault, in front of the server that `url` leads to. Needs a runtime.
    ///
    /// # Panics
    ///
    /// The URL has no host and port, or no port can be bound.
    pub async fn start(url: &str) -> Self {
        let (before, rest) = url
            .rsplit_once('@')
            .unwrap_or_else(|| panic!("the URL has no role"));
        let (server, after) = rest
            .split_once('/')
            .unwrap_or_else(|| panic!("the URL has no database"));
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap_or_else(|e| panic!("no port: {e}"));
        let here = listener
            .local_addr()
            .unwrap_or_else(|e| panic!("no address: {e}"));
        let shared = Arc::new(Shared {
            line: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            cuts: watch::Sender::new(0),
        });
        let acceptor = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&shared)));
        Self {
            url: format!("{before}@{here}/{after}"),
            shared,
            acceptor,
        }
    }

    /// The URL that leads through the proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many connections came so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Acquire)
    }

    /// What has passed so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.line().traffic.clone()
    }

    /// Arms a fault; an earlier one is forgotten.
    pub fn arm(&self, fault: Fault) {
        self.shared.line().replace(Some(fault));
    }

    /// Lets everything pass again, as [`FaultProxy::heal`]; whether the fault had happened.
    pub fn disarm(&self) -> bool {
        let line = self.shared.line().replace(None);
        if line.swallowing {
            self.shared.cut();
        }
        line.fired
    }

    /// Whether the armed fault has happened.
    #[must_use]
    pub fn fired(&self) -> bool {
        self.shared.line().fired
    }

    /// How many bytes an armed delay has held up, and let arrive.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.shared.line().late
    }

    /// Lets everything pass again. What was swallowed stays lost: connections that lost bytes are cut.
    ///
    /// # Panics
    ///
    /// The armed fault has not happened, so the test has not tested it.
    pub fn heal(&self) {
        let line = self.shared.line().replace(None);
        assert_fired(&line);
        if line.swallowing {
            self.shared.cut();
        }
    }
}

fn assert_fired(line: &Line) {
    if let Some(fault) = line.fault {
        assert!(line.fired, "{fault:?} never happened: the test did not reach it");
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.shared.cut();
        if !thread::panicking() {
            assert_fired(&self.shared.line());
        }
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }
}

async fn accept(listener: TcpListener, server: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::AcqRel);
        tokio::spawn(connect(client, server.clone(), Arc::clone(&shared)));
    }
}

/// Joins one client with the server; ends when either side or a cut ends it.
async fn connect(client: TcpStream, server: String, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let Ok(upstream) = TcpStream::connect(&server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    let owed = AtomicUsize::new(0);
    shared.open.fetch_add(1, Ordering::AcqRel);
    tokio::select! {
        biased;
        _ = cuts.changed() => {}
        _ = pump(from_client, to_server, Direction::ToServer, &owed, &shared) => {}
        _ = pump(from_server, to_client, Direction::ToClient, &owed, &shared) => {}
    }
    shared.open.fetch_sub(1, Ordering::AcqRel);
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    owed: &AtomicUsize,
    shared: &Shared,
) -> io::Result<()> {
    let mut messages = Frames::new(direction == Direction::ToServer);
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let (frames, states) = messages.read(&buffer[..count], owed);
        let passage = {
            let mut line = shared.line();
            line.traffic.add(direction, count, &frames, states);
            line.admit(direction, count, &frames)
        };
        match passage {
            Passage::Through(delay) => {
                sleep(delay).await;
                to.write_all(&buffer[..count]).await?;
                if !delay.is_zero() {
                    shared.line().arrived_late(count);
                }
            }
            Passage::Swallowed => {}
            Passage::CutAfter(room) => {
                to.write_all(&buffer[..room]).await?;
                shared.cut();
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(fault: Fault) -> Line {
        Line {
            fault: Some(fault),
            ..Line::default()
        }
    }

    #[test]
    fn a_cut_happens_at_its_byte_and_once() {
        let mut line = armed(Fault::Cut(Direction::ToServer, 10));
        let through = Passage::Through(Duration::ZERO);
        assert_eq!(line.admit(Direction::ToClient, 100, &[]), through);
        assert_eq!(line.admit(Direction::ToServer, 7, &[]), through);
        assert_eq!(line.admit(Direction::ToServer, 7, &[]), Passage::CutAfter(3));
        assert_eq!(line.admit(Direction::ToServer, 7, &[]), through);
        assert!(line.fired);
    }

    #[test]
    fn a_copy_is_cut_inside_a_message() {
        let mut line = armed(Fault::CutInCopy(Direction::ToServer, 1));
        let of = |kind, body, length| Frame { kind, body, length };
        let through = Passage::Through(Duration::ZERO);
        let two = [of(b'Q', 5, 80), of(COPY_DATA, 100, 10)];
        assert_eq!(line.admit(Direction::ToServer, 200, &two), through);
        assert_eq!(line.admit(Direction::ToClient, 200, &two), through);
        assert_eq!(line.admit(Direction::ToServer, 200, &two), Passage::CutAfter(105));
        assert!(line.fired);
        let mut line = armed(Fault::CutInCopy(Direction::ToServer, 0));
        let long = [of(COPY_DATA, 5, 1000)];
        assert_eq!(
            line.admit(Direction::ToServer, 200, &long),
            Passage::CutAfter(200)
        );
    }

    #[test]
    fn a_black_hole_swallows_both_ways() {
        let mut line = armed(Fault::BlackHole(Direction::ToClient, 5));
        assert_eq!(
            line.admit(Direction::ToClient, 4, &[]),
            Passage::Through(Duration::ZERO)
        );
        assert_eq!(line.admit(Direction::ToClient, 4, &[]), Passage::Swallowed);
        assert_eq!(line.admit(Direction::ToServer, 4, &[]), Passage::Swallowed);
    }

    #[test]
    fn a_delay_has_happened_when_bytes_arrived_late() {
        let delay = Duration::from_millis(3);
        let mut line = armed(Fault::Delay(Direction::ToServer, delay));
        assert_eq!(line.admit(Direction::ToServer, 7, &[]), Passage::Through(delay));
        assert!(!line.fired);
        line.arrived_late(7);
        assert!(line.fired);
        assert_eq!(line.late, 7);
        line.replace(None);
        line.arrived_late(7);
        assert!(!line.fired && line.late == 0);
    }

    #[test]
    fn a_fault_that_never_happened_is_told() {
        let told = std::panic::catch_unwind(|| assert_fired(&armed(Fault::Cut(Direction::ToServer, 10))));
        assert!(told.is_err());
        assert_fired(&Line::default());
    }
}
