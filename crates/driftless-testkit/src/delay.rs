use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until};

/// Bytes that may be under way in one direction of one connection: 20 ms of 1.5 GB a second. Whoever sends more waits,
/// as on a network.
const UNDER_WAY: usize = 32 << 20;

/// Bytes taken from a socket at once.
const READ_BYTES: usize = 64 << 10;

/// A long way to a server: every byte arrives so much later than it was sent, each way, and others follow while it is
/// under way. What a second carries does not change, only how long an answer takes. It has a thread of its own, which
/// ends with the value.
pub struct DelayProxy {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Bytes under way, when they arrive, and the room that they take.
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl DelayProxy {
    /// Starts a proxy on this machine in front of a server on it.
    ///
    /// # Errors
    ///
    /// No port can be bound, or no runtime started.
    pub fn start(port: u16, delay: Duration) -> io::Result<DelayProxy> {
        let listener = StdListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let here = listener.local_addr()?.port();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, port, delay) => {}
                }
            });
        });
        Ok(DelayProxy {
            port: here,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The port that leads through the proxy.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a server on this machine, led through the proxy.
    ///
    /// # Panics
    ///
    /// The URL is not one that a [`driftless_cluster::Cluster`] tells.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let parts = url
            .rsplit_once('@')
            .and_then(|(role, rest)| Some((role, rest.split_once('/')?.1)));
        let Some((role, database)) = parts else {
            panic!("the URL has no role or no database");
        };
        format!("{role}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the proxy's thread panicked");
        }
    }
}

async fn accept(listener: StdListener, port: u16, delay: Duration) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(async move {
            // A connection that breaks is told to both ends by its end.
            join(client, port, delay).await.ok();
        });
    }
}

async fn join(client: TcpStream, port: u16, delay: Duration) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        carry(from_client, to_server, delay),
        carry(from_server, to_client, delay)
    )?;
    Ok(())
}

async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, delay: Duration) -> io::Result<()> {
    let (sender, receiver) = unbounded_channel();
    tokio::try_join!(take(from, sender, delay), release(to, receiver))?;
    Ok(())
}

async fn take(mut from: OwnedReadHalf, parcels: UnboundedSender<Parcel>, delay: Duration) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    let mut buffer = vec![0_u8; READ_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let due = Instant::now() + delay;
        // A read is smaller than the room, and the semaphore is never closed.
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        let taken = Arc::clone(&room).acquire_many_owned(permits).await;
        let parcel = Parcel {
            due,
            bytes: buffer[..count].to_vec(),
            _room: taken.map_err(io::Error::other)?,
        };
        if parcels.send(parcel).is_err() {
            return Ok(());
        }
    }
}

async fn release(mut to: OwnedWriteHalf, mut parcels: UnboundedReceiver<Parcel>) -> io::Result<()> {
    while let Some(parcel) = parcels.recv().await {
        if parcel.due > Instant::now() {
            sleep_until(parcel.due).await;
        }
        to.write_all(&parcel.bytes).await?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream as StdStream;
    use std::time::Instant as Clock;

    const DELAY: Duration = Duration::from_millis(30);

    /// A server that answers each connection by what it says once the client has said all.
    fn echo() -> u16 {
        let listener = StdListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = Vec::new();
            stream.read_to_end(&mut said).unwrap();
            stream.write_all(&said).unwrap();
        });
        port
    }

    #[test]
    fn bytes_come_late_and_others_follow_meanwhile() {
        let proxy = DelayProxy::start(echo(), DELAY).unwrap();
        let said: Vec<u8> = (0..16_u32 << 18).flat_map(u32::to_le_bytes).collect();
        let started = Clock::now();
        let mut stream = StdStream::connect(("127.0.0.1", proxy.port())).unwrap();
        stream.write_all(&said).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        let passed = started.elapsed();
        assert!(heard == said);
        assert!(passed >= 2 * DELAY, "{passed:?}");
        // One read after the other would take 256 delays each way.
        assert!(passed < 200 * DELAY, "{passed:?}");
    }

    #[test]
    fn a_url_is_led_through_the_proxy() {
        let proxy = DelayProxy::start(1, DELAY).unwrap();
        let port = proxy.port();
        let url = proxy.url("postgres://a:b@127.0.0.1:5432/c");
        assert_eq!(url, format!("postgres://a:b@127.0.0.1:{port}/c"));
    }
}
