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
    /// Counts cuts; a connection ends when the number changes.
    cuts: watch::Sender<u64>,
}

#[derive(Default)]
struct Line {
    fault: Option<Fault>,
    passed: u64,
    fired: bool,
    swallowing: bool,
}

/// What to do with bytes that arrived.
#[derive(Debug, PartialEq, Eq)]
enum Passage {
    Through(Duration),
    Swallowed,
    CutAfter(usize),
}

impl Line {
    fn admit(&mut self, direction: Direction, bytes: usize) -> Passage {
        if self.swallowing {
            return Passage::Swallowed;
        }
        match self.fault {
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
            Some(Fault::Delay(way, delay)) if way == direction => {
                self.fired = true;
                Passage::Through(delay)
            }
            _ => Passage::Through(Duration::ZERO),
        }
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

    /// Arms a fault; an earlier one is forgotten.
    pub fn arm(&self, fault: Fault) {
        *self.shared.line() = Line {
            fault: Some(fault),
            ..Line::default()
        };
    }

    /// Whether the armed fault has happened.
    #[must_use]
    pub fn fired(&self) -> bool {
        self.shared.line().fired
    }

    /// Lets everything pass again. What was swallowed stays lost: connections that lost bytes are cut.
    ///
    /// # Panics
    ///
    /// The armed fault has not happened, so the test has not tested it.
    pub fn heal(&self) {
        let line = std::mem::take(&mut *self.shared.line());
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
    tokio::select! {
        biased;
        _ = cuts.changed() => {}
        _ = pump(from_client, to_server, Direction::ToServer, &shared) => {}
        _ = pump(from_server, to_client, Direction::ToClient, &shared) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let passage = shared.line().admit(direction, count);
        match passage {
            Passage::Through(delay) => {
                sleep(delay).await;
                to.write_all(&buffer[..count]).await?;
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
        assert_eq!(line.admit(Direction::ToClient, 100), through);
        assert_eq!(line.admit(Direction::ToServer, 7), through);
        assert_eq!(line.admit(Direction::ToServer, 7), Passage::CutAfter(3));
        assert_eq!(line.admit(Direction::ToServer, 7), through);
        assert!(line.fired);
    }

    #[test]
    fn a_black_hole_swallows_both_ways() {
        let mut line = armed(Fault::BlackHole(Direction::ToClient, 5));
        assert_eq!(
            line.admit(Direction::ToClient, 4),
            Passage::Through(Duration::ZERO)
        );
        assert_eq!(line.admit(Direction::ToClient, 4), Passage::Swallowed);
        assert_eq!(line.admit(Direction::ToServer, 4), Passage::Swallowed);
    }

    #[test]
    fn a_fault_that_never_happened_is_told() {
        let told = std::panic::catch_unwind(|| assert_fired(&armed(Fault::Cut(Direction::ToServer, 10))));
        assert!(told.is_err());
        assert_fired(&Line::default());
    }
}
