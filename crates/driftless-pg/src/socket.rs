use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{ErrorKind, PgError};
use crate::tls;
use crate::url::{ConnectConfig, Host, Keepalives, SslMode};

/// A connection to a server, encrypted or not.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Where a socket was opened: the same server again, whatever the name resolves to by then.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// The number of a machine in the network.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Tcp(address) => Some(address.ip()),
            Address::Unix(_) => None,
        }
    }
}

impl Socket {
    /// Opens a socket to the one server of `config`, trying every address of the host in turn, and encrypts it as demanded.
    pub(crate) async fn open(config: &ConnectConfig) -> Result<(Socket, Address), PgError> {
        let addresses = addresses(config).await?;
        // An address that is silent must leave time for the next one, and for the log-in.
        let share = u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let limit = config.connect_timeout.map(|limit| limit * 9 / 10 / share);
        let mut last = None;
        for address in &addresses {
            let opening = Socket::open_at(config, address);
            let opened = match limit {
                Some(limit) => timeout(limit, opening)
                    .await
                    .unwrap_or_else(|_| Err(silence(config, limit))),
                None => opening.await,
            };
            match opened {
                Ok(socket) => return Ok((socket, address.clone())),
                // Only silence is a reason to try the next address: an answer is the same at all of them.
                Err(error) if error.kind() == ErrorKind::Unreachable => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        let error = last.unwrap_or_else(|| unreachable_error(config, &"the host has no address"));
        let numbers: Vec<IpAddr> = addresses.iter().filter_map(Address::ip).collect();
        Err(match numbers.first() {
            Some(first) if numbers.iter().all(IpAddr::is_ipv6) => only_ipv6(config, *first, &error),
            _ => error,
        })
    }

    /// Opens a socket at one address and encrypts it as demanded.
    pub(crate) async fn open_at(config: &ConnectConfig, address: &Address) -> Result<Socket, PgError> {
        let unreachable = |error: io::Error| unreachable_error(config, &error).source(error);
        match address {
            // As libpq: a Unix socket is never encrypted.
            Address::Unix(path) => Ok(Socket::Unix(
                UnixStream::connect(path).await.map_err(unreachable)?,
            )),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                keep_alive(&stream, config.keepalives).map_err(unreachable)?;
                encrypt(config, stream).await
            }
        }
    }

    /// Whether it is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self, Socket::Tls(_))
    }

    /// The server's certificate as channel binding knows it.
    pub(crate) fn server_end_point(&self) -> Option<Vec<u8>> {
        match self {
            Socket::Tls(stream) => {
                let (_, session) = stream.get_ref();
                tls::server_end_point(session.peer_certificates()?.first()?)
            }
            Socket::Tcp(_) | Socket::Unix(_) => None,
        }
    }
}

async fn addresses(config: &ConnectConfig) -> Result<Vec<Address>, PgError> {
    let endpoint = &config.endpoint;
    if let Some(address) = endpoint.hostaddr {
        return Ok(vec![Address::Tcp((address, endpoint.port).into())]);
    }
    match &endpoint.host {
        Host::Unix(directory) => Ok(vec![Address::Unix(
            directory.join(format!(".s.PGSQL.{}", endpoint.port)),
        )]),
        Host::Tcp(name) => {
            let found = lookup_host((name.as_str(), endpoint.port))
                .await
                .map_err(|error| {
                    unreachable_error(config, &"the host's name is not known")
                        .remedy_is("check the host in the connection string, and this machine's DNS")
                        .source(error)
                })?;
            let found: Vec<SocketAddr> = found.collect();
            Ok(in_order(found).into_iter().map(Address::Tcp).collect())
        }
    }
}

/// Each address once, in the order that the system prefers.
fn in_order(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut kept: Vec<SocketAddr> = Vec::with_capacity(found.len());
    for address in found {
        if !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

fn unreachable_error(config: &ConnectConfig, why: &dyn std::fmt::Display) -> PgError {
    PgError::new(
        ErrorKind::Unreachable,
        config.place(),
        format!("no connection: {why}"),
    )
    .remedy_is(
        "check host and port, that the server runs and listens there, and that no firewall stands between",
    )
}

fn silence(config: &ConnectConfig, limit: Duration) -> PgError {
    unreachable_error(config, &format!("no answer within {} s", limit.as_secs_f32())).remedy_is(
        "check host, port and firewalls; connect_timeout=SECONDS in the connection string waits longer",
    )
}

/// No way to a host that has addresses of IPv6 only, which many networks have no way to.
fn only_ipv6(config: &ConnectConfig, address: IpAddr, error: &PgError) -> PgError {
    let host = config.host();
    let remedy = if host.starts_with("db.") && host.ends_with(".supabase.co") {
        "the direct host of a Supabase project has IPv6 addresses only: use the session pooler (port 5432 of \
         aws-…pooler.supabase.com), or the IPv4 add-on"
    } else {
        "check that this machine's network has a way to IPv6 (many containers and offices have none), or take a host with an \
         IPv4 address; if there is a way, check port and firewalls"
    };
    let cause = format!("{}; the host has only IPv6 addresses ({address})", error.cause());
    PgError::new(ErrorKind::Unreachable, config.place(), cause).remedy_is(remedy)
}

fn keep_alive(stream: &TcpStream, wanted: Keepalives) -> io::Result<()> {
    let socket = SockRef::from(stream);
    if wanted.enabled {
        let keepalive = TcpKeepalive::new()
            .with_time(wanted.idle)
            .with_interval(wanted.interval)
            .with_retries(wanted.count);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    if wanted.user_timeout.is_some() {
        socket.set_tcp_user_timeout(wanted.user_timeout)?;
    }
    Ok(())
}

/// Asks for encryption and shakes hands.
async fn encrypt(config: &ConnectConfig, mut stream: TcpStream) -> Result<Socket, PgError> {
    if config.sslmode == SslMode::Disable {
        return Ok(Socket::Tcp(stream));
    }
    let mut request = bytes::BytesMut::new();
    frontend::ssl_request(&mut request);
    let mut answer = [0];
    let asked = async {
        stream.write_all(&request).await?;
        // One byte and not more: what follows belongs to the handshake.
        stream.read_exact(&mut answer).await
    };
    asked.await.map_err(|error| {
        let cause = format!("the server hung up when asked for TLS: {error}");
        PgError::new(ErrorKind::Unreachable, config.place(), cause)
            .remedy_is("check that PostgreSQL listens at this port")
    })?;
    match answer {
        [b'S'] => {}
        [b'N'] if config.sslmode == SslMode::Prefer => return Ok(Socket::Tcp(stream)),
        [b'N'] => {
            return Err(
                PgError::new(ErrorKind::Tls, config.place(), "the server offers no TLS").remedy_is(
                    "switch TLS on in the server, or, if the way there is trusted, add sslmode=disable",
                ),
            );
        }
        // Servers so busy that they refuse before TLS answer with an ErrorResponse, in the clear and not believed.
        [b'E'] => {
            return Err(PgError::new(
                ErrorKind::Unreachable,
                config.place(),
                "the server refuses connections",
            )
            .remedy_is("look at the server's log; it may be full or starting"));
        }
        _ => {
            return Err(
                PgError::protocol(&config.place(), "what answers there is not PostgreSQL")
                    .remedy_is("check host and port"),
            );
        }
    }
    let name = ServerName::try_from(config.host()).map_err(|_| {
        PgError::new(
            ErrorKind::Tls,
            config.place(),
            "the host is no name that a certificate can be for",
        )
        .remedy_is("connect by the name that the certificate holds")
    })?;
    TlsConnector::from(tls::client_config(config)?)
        .connect(name, stream)
        .await
        .map(|stream| Socket::Tls(Box::new(stream)))
        .map_err(|error| tls::handshake_error(config, error))
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kept(text: &str) -> (bool, Duration, Duration, u32, Option<Duration>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = ConnectConfig::parse(&format!(
            "host=127.0.0.1 port={port} user=u sslmode=disable {text}"
        ))
        .unwrap();
        let (Socket::Tcp(stream), _) = Socket::open(&config).await.unwrap() else {
            panic!("no plain socket");
        };
        let socket = SockRef::from(&stream);
        (
            socket.keepalive().unwrap(),
            socket.tcp_keepalive_time().unwrap(),
            socket.tcp_keepalive_interval().unwrap(),
            socket.tcp_keepalive_retries().unwrap(),
            socket.tcp_user_timeout().unwrap(),
        )
    }

    #[tokio::test]
    async fn sockets_notice_a_peer_that_vanished() {
        let seconds = Duration::from_secs;
        assert_eq!(kept("").await, (true, seconds(30), seconds(10), 3, None));
        let text = "keepalives_idle=7 keepalives_interval=2 keepalives_count=5 tcp_user_timeout=1500";
        let timeout = Some(Duration::from_millis(1500));
        assert_eq!(kept(text).await, (true, seconds(7), seconds(2), 5, timeout));
        assert!(!kept("keepalives=0").await.0);
    }
}
