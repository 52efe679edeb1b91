use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, proptest};
use proptest::prop_oneof;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use super::*;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A wire whose server says this and hangs up.
async fn told(bytes: Vec<u8>) -> Wire {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move {
        // Whoever reads us may have given up before the end.
        drop(theirs.write_all(&bytes).await);
        drop(theirs.shutdown().await);
        drop(theirs.read_to_end(&mut Vec::new()).await);
    });
    Wire::new(Socket::Unix(ours), "u@h:1/d".to_owned())
}

/// A message of the server.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Messages that are well-formed, nearly, or not at all.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let tags = b"123ACdcDEGHIKNnRSstTZWv".to_vec();
    let nearly =
        (proptest::sample::select(tags), vec(any::<u8>(), 0..40)).prop_map(|(tag, body)| message(tag, &body));
    let right = proptest::sample::select(vec![
        message(b'Z', b"I"),
        message(b'C', b"SELECT 1\0"),
        message(b'E', b"SERROR\0VERROR\0C22012\0Mdivision by zero\0\0"),
        message(b'E', b"SFATAL\0C57P01\0Mgoing\0\0"),
        message(b'N', b"SNOTICE\0Mhello\0\0"),
        message(b'S', b"TimeZone\0UTC\0"),
        message(b'D', &[0, 1, 0, 0, 0, 1, 65]),
        message(
            b'T',
            b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01",
        ),
        message(b'H', &[1, 0, 1, 0, 1]),
        message(b'G', &[1, 0, 1, 0, 1]),
        message(b'd', &[0, 1, 255, 255, 255, 255]),
        message(b'c', b""),
    ]);
    let noise = vec(any::<u8>(), 0..20);
    vec(prop_oneof![4 => right, 2 => nearly, 1 => noise], 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    /// Whatever a server says: no panic, no endless wait, and once the connection is lost every call says so.
    #[test]
    fn any_stream_comes_to_an_end(bytes in stream(), copying in any::<bool>()) {
        runtime().block_on(async {
            let mut wire = told(bytes).await;
            wire.post_simple("SELECT 1").unwrap();
            if copying {
                wire.set_copying(Copying::Out(3));
            }
            let mut settled = wire.settle().await;
            for _ in 0..30 {
                if settled.is_err() {
                    break;
                }
                wire.post_simple("SELECT 1").unwrap();
                settled = wire.settle().await;
            }
            prop_assert!(settled.is_err());
            prop_assert!(!wire.is_alive());
            let again = wire.settle().await.err();
            prop_assert!(again.is_some());
            Ok(())
        })?;
    }
}

#[test]
fn the_last_word_of_a_server_explains_the_end() {
    runtime().block_on(async {
        let mut words = message(b'N', b"SNOTICE\0Mhello\0\0");
        words.extend(message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating\0\0"));
        let mut wire = told(words).await;
        wire.post_simple("SELECT 1").unwrap();
        for _ in 0..2 {
            let error = wire.settle().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.sqlstate()),
                (ErrorKind::ConnectionLost, Some("57P01"))
            );
        }
    });
}

#[test]
fn lengths_that_cannot_be_are_not_waited_for() {
    runtime().block_on(async {
        for length in [
            [0, 0, 0, 3],
            [0x7f, 0xff, 0xff, 0xff],
            [0xff, 0xff, 0xff, 0xff],
            [0x40, 0, 0, 1],
        ] {
            let mut bytes = vec![b'D'];
            bytes.extend_from_slice(&length);
            bytes.extend_from_slice(&[0; 100]);
            let mut wire = told(bytes).await;
            let error = wire.recv().await.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{length:?}");
        }
    });
}

/// Reads one message of a server that announces so many bytes and sends a part of them; how much room was made.
async fn room_made(announced: u32, sent: usize) -> usize {
    let mut bytes = vec![b'D'];
    bytes.extend_from_slice(&announced.to_be_bytes());
    bytes.resize(sent.max(5), 0);
    let mut wire = told(bytes).await;
    wire.trust();
    let error = wire.recv().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    wire.inbox.capacity()
}

#[test]
fn memory_is_made_for_what_came_and_not_for_what_was_announced() {
    runtime().block_on(async {
        for (announced, sent) in [(0x3fff_ffff, 10), (0x3fff_ffff, 300_000), (1 << 20, 5)] {
            let room = room_made(announced, sent).await;
            assert!(room <= 4 * sent + 4 * READ_BYTES, "{room} bytes for {sent}");
        }
    });
}

#[test]
fn what_is_left_when_the_connection_ends_makes_no_room_either() {
    runtime().block_on(async {
        // The end is noticed while sending, with the head of a message in the inbox.
        for length in [[0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0]] {
            let mut wire = told([&[b'E'][..], &length].concat()).await;
            while wire.is_alive() {
                tokio::task::yield_now().await;
            }
            assert!(wire.settle().await.is_err());
            assert!(wire.inbox.capacity() <= 4 * READ_BYTES);
        }
    });
}

#[test]
fn nobody_is_listened_to_for_long_before_the_log_in() {
    runtime().block_on(async {
        let long = vec![b'x'; MAX_LOGIN_BYTES];
        let mut wire = told(message(b'E', &long)).await;
        let error = wire.recv().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        let mut wire = told(message(b'd', &long)).await;
        wire.trust();
        assert!(wire.recv().await.is_ok());
    });
}
