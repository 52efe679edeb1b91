//! Where messages begin and end in a plain stream of PostgreSQL's protocol, from the first byte of a connection on.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The code of a request for TLS, which has no type byte and is answered by one byte.
const TLS_REQUEST: u32 = 80_877_103;

/// The same for GSSAPI.
const GSS_REQUEST: u32 = 80_877_104;

/// How much of a message is kept to be looked into: an error's code stands near its beginning.
const KEPT: usize = 512;

/// A message whose head is within the bytes that were just read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its type.
    pub(super) kind: u8,
    /// Where its body begins in those bytes.
    pub(super) body: usize,
    /// Bytes of its body.
    pub(super) length: usize,
}

/// Follows one direction of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Messages have no type byte yet: the client has not said its start-up packet.
    nameless: bool,
    head: Vec<u8>,
    /// Bytes of the current body that are still to come.
    left: usize,
    kind: u8,
    kept: Vec<u8>,
}

impl Frames {
    /// What the client says, or what the server says.
    pub(super) fn new(of_the_client: bool) -> Frames {
        Frames {
            nameless: of_the_client,
            head: Vec::new(),
            left: 0,
            kind: 0,
            kept: Vec::new(),
        }
    }

    /// Reads on. Gives the messages that begin, and the SQLSTATEs of errors that end within these bytes. `owed` counts
    /// one-byte answers that the server owes.
    pub(super) fn read(&mut self, bytes: &[u8], owed: &AtomicUsize) -> (Vec<Frame>, Vec<String>) {
        let (mut frames, mut states) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < bytes.len() {
            if self.left > 0 {
                let part = self.left.min(bytes.len() - at);
                let room = KEPT.saturating_sub(self.kept.len()).min(part);
                self.kept.extend_from_slice(&bytes[at..at + room]);
                (self.left, at) = (self.left - part, at + part);
                if self.left == 0 {
                    self.ended(owed, &mut states);
                }
                continue;
            }
            let one_byte_owed =
                self.head.is_empty() && !self.nameless && self.kind == 0 && owed.load(Ordering::SeqCst) > 0;
            if one_byte_owed {
                owed.fetch_sub(1, Ordering::SeqCst);
                at += 1;
                continue;
            }
            self.head.push(bytes[at]);
            at += 1;
            let whole = if self.nameless { 4 } else { 5 };
            if self.head.len() == whole {
                let mut length = [0; 4];
                length.copy_from_slice(&self.head[whole - 4..]);
                self.kind = if self.nameless { 0 } else { self.head[0] };
                self.left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                self.head.clear();
                self.kept.clear();
                frames.push(Frame {
                    kind: self.kind,
                    body: at,
                    length: self.left,
                });
            }
        }
        (frames, states)
    }

    fn ended(&mut self, owed: &AtomicUsize, states: &mut Vec<String>) {
        if self.nameless {
            let mut code = [0; 4];
            code.copy_from_slice(self.kept.get(..4).unwrap_or(&[0; 4]));
            if [TLS_REQUEST, GSS_REQUEST].contains(&u32::from_be_bytes(code)) {
                owed.fetch_add(1, Ordering::SeqCst);
            } else {
                self.nameless = false;
            }
        } else if self.kind == b'E' {
            let code = self
                .kept
                .split(|byte| *byte == 0)
                .find(|field| field.first() == Some(&b'C'));
            states.extend(code.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [kind, &length, body].concat()
    }

    #[test]
    fn messages_are_found_however_the_bytes_arrive() {
        let owed = AtomicUsize::new(0);
        let (mut client, mut server) = (Frames::new(true), Frames::new(false));
        let hello = [
            message(b"", &TLS_REQUEST.to_be_bytes()),
            message(b"", b"\0\x03\0\0user\0x\0\0"),
        ]
        .concat();
        let (first, rest) = hello.split_at(8);
        client.read(first, &owed);
        assert_eq!(server.read(b"N", &owed), (Vec::new(), Vec::new()));
        client.read(rest, &owed);
        let copy = [message(b"d", b"0123456789"), message(b"c", b"")].concat();
        let (frames, _) = client.read(&copy, &owed);
        let of = |kind, body, length| Frame { kind, body, length };
        assert_eq!(frames, [of(b'd', 5, 10), of(b'c', 20, 0)]);
        let error = message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mover\0\0");
        let states: Vec<String> = error
            .iter()
            .flat_map(|byte| server.read(&[*byte], &owed).1)
            .collect();
        assert_eq!(states, ["57P01"]);
        assert_eq!(server.read(&message(b"N", b"x"), &owed).0.len(), 1);
    }
}
