use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use super::*;
use crate::socket::Socket;

/// A message of the server.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A column of type int4 as a RowDescription has it.
const COLUMN: &[u8] = b"a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01";

/// Two columns, and one row of an int4 and a null.
fn answer() -> Vec<u8> {
    let messages = [
        message(b'1', b""),
        message(b'2', b""),
        message(b'T', &[&[0, 2][..], COLUMN, COLUMN].concat()),
        message(b'D', &[0, 2, 0, 0, 0, 4, 0, 0, 0, 9, 255, 255, 255, 255]),
        message(b'C', b"SELECT 1\0"),
        message(b'Z', b"I"),
    ];
    messages.concat()
}

/// A statement with one parameter and one column.
fn described() -> Vec<u8> {
    let messages = [
        message(b'1', b""),
        message(b't', &[0, 1, 0, 0, 0, 23]),
        message(b'T', &[&[0, 1][..], COLUMN].concat()),
        message(b'Z', b"I"),
    ];
    messages.concat()
}

/// A notice that came with the answer to an earlier statement is no sign that more can be read: whoever sends rows goes on.
#[test]
fn a_notice_keeps_nobody_waiting() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut pipeline = Pipeline::new(Wire::new(Socket::Unix(ours), "u@h:1/d".to_owned()));
        let notice = message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mfive\0\0");
        let begun = [message(b'C', b"BEGIN\0"), message(b'Z', b"T"), notice];
        theirs.write_all(&begun.concat()).await.unwrap();
        let mut pending = pipeline.post_request(&Request::Batch("BEGIN")).unwrap();
        pipeline.flush().await;
        pipeline.wait(&mut pending).await.unwrap();
        let copying = async {
            for _ in 0..3 {
                let row = Bytes::from_static(&[0, 1, 255, 255, 255, 255]);
                pipeline
                    .copy("COPY a FROM STDIN (FORMAT binary)", row, 1)
                    .await
                    .unwrap();
            }
            let done = [
                message(b'G', &[1, 0, 1, 0, 1]),
                message(b'C', b"COPY 3\0"),
                message(b'Z', b"T"),
            ];
            theirs.write_all(&done.concat()).await.unwrap();
            pipeline.enter().await.unwrap();
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), copying).await;
        waited.expect("nobody waits for the server");
        assert_eq!(pipeline.take_copied(), [Copied { sent: 3, taken: 3 }]);
    });
}

/// Asks a server that says this and hangs up.
fn asked(words: Vec<u8>, request: &Request<'_>) -> Result<Answer, PgError> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut pipeline = Pipeline::new(Wire::new(Socket::Unix(ours), "u@h:1/d".to_owned()));
        let server = async move {
            theirs.write_all(&words).await?;
            theirs.shutdown().await?;
            theirs.read_to_end(&mut Vec::new()).await
        };
        let client = async move {
            let mut pending = pipeline.post_request(request)?;
            pipeline.flush().await;
            pipeline.wait(&mut pending).await
        };
        // The client may hang up before the server is done.
        let (answer, _) = tokio::join!(client, server);
        answer
    })
}

fn rows(words: Vec<u8>) -> Result<Vec<Row>, PgError> {
    let request = Request::Run {
        sql: "SELECT",
        params: &[],
        keep_rows: true,
    };
    Ok(asked(words, &request)?.rows)
}

fn description_in(words: Vec<u8>) -> Result<Answer, PgError> {
    let request = Request::Describe {
        sql: "SELECT",
        param_types: &[],
    };
    asked(words, &request)
}

/// The bytes without their end, and with another byte in one place.
fn spoilt(whole: &[u8], cut: &Index, at: &Index, byte: u8) -> (Vec<u8>, Vec<u8>) {
    let mut broken = whole.to_vec();
    broken[at.index(whole.len())] = byte;
    (whole[..cut.index(whole.len())].to_vec(), broken)
}

proptest! {
    #[test]
    fn answers_that_are_cut_are_errors(cut in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let whole = rows(answer()).unwrap();
        prop_assert_eq!((whole[0].get::<i32>(0).ok(), whole[0].raw(1)), (Some(9), None));
        let (cut, broken) = spoilt(&answer(), &cut, &at, byte);
        prop_assert!(rows(cut).is_err());
        if let Ok(rows) = rows(broken) {
            prop_assert!(rows.iter().all(|row| row.len() == row.columns().len()));
        }
    }

    #[test]
    fn descriptions_that_are_cut_are_errors(cut in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let whole = description_in(described()).unwrap();
        prop_assert_eq!((whole.params, whole.columns.map(|columns| columns.len())), (vec![23], Some(1)));
        let (cut, broken) = spoilt(&described(), &cut, &at, byte);
        prop_assert!(description_in(cut).is_err());
        drop(description_in(broken));
    }
}
