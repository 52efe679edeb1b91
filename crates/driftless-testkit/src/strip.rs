use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What passes, of all that a client can say at start-up.
const PASSES: [&str; 3] = ["user", "database", "application_name"];

/// Codes that stand where a start-up message has its protocol version.
const ENCRYPT: [i32; 2] = [80_877_103, 80_877_104];
const CANCEL: i32 = 80_877_102;

/// Longest first message that is taken for one.
const LIMIT: usize = 64 * 1024;

/// A proxy that forgets what clients say at start-up but for who they are, as Supabase's pooler does: settings made
/// there (`options`, `client_encoding`, `TimeZone`, `replication`) never arrive, and nobody is told.
pub struct StrippingProxy {
    url: String,
    dropped: Arc<Mutex<BTreeSet<String>>>,
    acceptor: JoinHandle<()>,
}

impl StrippingProxy {
    /// Starts a proxy in front of the server that `url` leads to. Needs a runtime.
    ///
    /// # Panics
    ///
    /// The URL has no role or database, or no port can be bound.
    pub async fn start(url: &str) -> Self {
        let (before, rest) = url
            .rsplit_once('@')
            .unwrap_or_else(|| panic!("the URL has no role"));
        let (server, after) = rest
            .split_once('/')
            .unwrap_or_else(|| panic!("the URL has no database"));
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap_or_else(|error| panic!("no port: {error}"));
        let here = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let dropped = Arc::new(Mutex::default());
        let acceptor = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&dropped)));
        Self {
            url: format!("{before}@{here}/{after}"),
            dropped,
            acceptor,
        }
    }

    /// The URL that leads through the proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Names of parameters that clients sent and the server did not get.
    #[must_use]
    pub fn dropped(&self) -> BTreeSet<String> {
        self.dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for StrippingProxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, server: String, dropped: Arc<Mutex<BTreeSet<String>>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(join(client, server.clone(), Arc::clone(&dropped)));
    }
}

async fn join(
    mut client: TcpStream,
    server: String,
    dropped: Arc<Mutex<BTreeSet<String>>>,
) -> io::Result<()> {
    let mut first = message(&mut client).await?;
    while ENCRYPT.contains(&version(&first)) {
        client.write_all(b"N").await?;
        first = message(&mut client).await?;
    }
    if version(&first) != CANCEL {
        let (kept, names) = strip(&first);
        first = kept;
        let mut dropped = dropped.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.extend(names);
    }
    let mut upstream = TcpStream::connect(&server).await?;
    upstream.write_all(&first).await?;
    copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}

/// A first message: its length, with itself, and what follows.
async fn message(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length).await?;
    let all = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
    if !(8..=LIMIT).contains(&all) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; all];
    message[..4].copy_from_slice(&length);
    client.read_exact(&mut message[4..]).await?;
    Ok(message)
}

fn version(message: &[u8]) -> i32 {
    <[u8; 4]>::try_from(&message[4..8]).map_or(0, i32::from_be_bytes)
}

/// A start-up message without what does not pass, and the names of that.
fn strip(message: &[u8]) -> (Vec<u8>, Vec<String>) {
    let texts: Vec<&[u8]> = message[8..].split(|byte| *byte == 0).collect();
    let mut body = message[4..8].to_vec();
    let mut dropped = Vec::new();
    for pair in texts.chunks_exact(2).take_while(|pair| !pair[0].is_empty()) {
        let name = String::from_utf8_lossy(pair[0]).into_owned();
        if PASSES.contains(&name.as_str()) {
            body.extend_from_slice(&[pair[0], &[0], pair[1], &[0]].concat());
        } else {
            dropped.push(name);
        }
    }
    body.push(0);
    let length = i32::try_from(body.len() + 4).unwrap_or(i32::MAX);
    ([&length.to_be_bytes()[..], &body].concat(), dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_one_is_passes() {
        let body = b"\0\x03\0\0user\0ann\0options\0-c x=1\0database\0shop\0TimeZone\0UTC\0\0";
        let length = i32::try_from(body.len() + 4).unwrap();
        let (kept, dropped) = strip(&[&length.to_be_bytes()[..], body].concat());
        assert_eq!(&kept[4..], b"\0\x03\0\0user\0ann\0database\0shop\0\0");
        assert_eq!(kept[..4], i32::try_from(kept.len()).unwrap().to_be_bytes());
        assert_eq!(dropped, ["options", "TimeZone"]);
    }
}
