//! A server that says anything at all: at the log-in, while the session is set up, and in answer to statements and COPYs.
//! Every call comes to an end, with an error where the bytes are no answer, and memory is made for what arrived only.
//!
//! `%n` in the input stands for the nonce that the client has chosen for SCRAM, so that what follows it is looked at.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use driftless_pg::{BeginMode, ConnectConfig, CopyEncoder, Param, PgError, RowRead, Session};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

const NONCE: &[u8] = b"%n";

/// How long the client is waited for. It answers at once, or never.
const PATIENCE: Duration = Duration::from_millis(5);

/// Where the server listens: a directory of this process.
struct Place {
    runtime: Runtime,
    listener: UnixListener,
    config: ConnectConfig,
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let directory = PathBuf::from(format!(
            "{}/driftless-fuzz-{}",
            std::env::temp_dir().display(),
            std::process::id()
        ));
        std::fs::create_dir_all(&directory).expect("a directory");
        let socket = directory.join(".s.PGSQL.1");
        drop(std::fs::remove_file(&socket));
        let listener = runtime
            .block_on(async { UnixListener::bind(&socket) })
            .expect("a socket");
        let text = format!(
            "host={} port=1 user=u dbname=d password=p sslmode=disable",
            directory.display()
        );
        let config = ConnectConfig::parse(&text).expect("a connection string");
        Place {
            runtime,
            listener,
            config,
        }
    })
}

/// Says the words, and listens until the client has gone.
async fn serve(mut stream: UnixStream, words: &[u8]) -> std::io::Result<()> {
    let mut heard = Vec::new();
    match words.windows(NONCE.len()).position(|bytes| bytes == NONCE) {
        None => stream.write_all(words).await?,
        Some(at) => {
            stream.write_all(&words[..at]).await?;
            // A client that waits for the rest of a message has none to tell.
            let nonce = match timeout(PATIENCE, nonce(&mut stream, &mut heard)).await {
                Ok(nonce) => nonce?,
                Err(_) => Vec::new(),
            };
            stream.write_all(&nonce).await?;
            stream.write_all(&words[at + NONCE.len()..]).await?;
        }
    }
    stream.shutdown().await?;
    stream.read_to_end(&mut heard).await.map(drop)
}

async fn nonce(stream: &mut UnixStream, heard: &mut Vec<u8>) -> std::io::Result<Vec<u8>> {
    const MARK: &[u8] = b",,n=,r=";
    const LETTERS: usize = 24;
    loop {
        let at = heard.windows(MARK.len()).position(|bytes| bytes == MARK);
        if let Some(nonce) = at.and_then(|at| heard.get(at + MARK.len()..at + MARK.len() + LETTERS)) {
            return Ok(nonce.to_vec());
        }
        if stream.read_buf(heard).await? == 0 {
            return Ok(Vec::new());
        }
    }
}

/// Asks for everything that a session can do.
async fn converse(config: &ConnectConfig, size: usize) -> Result<(), PgError> {
    let mut session = Session::connect(config, "fuzz").await?;
    drop(session.batch("SELECT 1").await);
    if let Ok(rows) = session.query("SELECT $1", &[Param::int4(1)]).await {
        for row in &rows {
            for index in 0..=row.len() {
                drop(row.get::<Option<i64>>(index));
                drop(row.get::<Vec<Option<String>>>(index));
            }
        }
    }
    drop(session.describe("SELECT 1", &[]).await);
    if let Ok(mut copy) = session
        .copy_out_limited("COPY a TO STDOUT (FORMAT binary)", 1 << 16)
        .await
    {
        let (mut arena, mut cells) = (Vec::new(), Vec::new());
        while let Ok(RowRead::Row | RowRead::TooLarge { .. }) = copy.append_row(&mut arena, &mut cells).await
        {
            assert!(
                arena.len() <= size && cells.len() <= 4 * size,
                "more than arrived"
            );
        }
    }
    if let Ok(mut copy) = session.copy_in("COPY a FROM STDIN (FORMAT binary)").await {
        drop(copy.send(stream()).await);
        drop(copy.finish().await);
    }
    let transaction = session.begin(BeginMode::ReadWrite).await?;
    for into in ["a", "a", "b", "b"] {
        let sql = format!("COPY {into} FROM STDIN (FORMAT binary)");
        drop(transaction.copy_ahead(&sql, row(), 1).await);
    }
    drop(transaction.copied().await);
    transaction.commit().await
}

fn row() -> bytes::Bytes {
    let mut encoder = CopyEncoder::new();
    encoder.row(1);
    encoder.field(Some(&[0; 4]));
    encoder.take()
}

fn stream() -> bytes::Bytes {
    let mut encoder = CopyEncoder::new();
    encoder.header();
    encoder.trailer();
    encoder.take()
}

fuzz_target!(|words: &[u8]| {
    let place = place();
    place.runtime.block_on(async {
        let server = async {
            let (stream, _) = place.listener.accept().await.expect("a client");
            // The client may hang up in the middle of a word.
            drop(serve(stream, words).await);
        };
        let (_, outcome) = tokio::join!(server, converse(&place.config, words.len()));
        if let Err(error) = outcome {
            let shown = format!("{error} {:?}", error.remedy());
            assert!(
                !shown.contains(char::is_control),
                "an order to the terminal: {shown:?}"
            );
        }
    });
});
