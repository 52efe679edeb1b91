//! One connection's messages, as far as they tell whether the server has something left to answer.

/// Codes that stand where a start-up message has its protocol version, and are answered by one byte.
const ENCRYPT: [u32; 2] = [80_877_103, 80_877_104];

/// The same for a request to cancel, which is not answered.
const CANCEL: u32 = 80_877_102;

/// Characters of a statement that are told.
const TOLD: usize = 110;

/// Both sides of a plain connection.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    client: Vec<u8>,
    server: Vec<u8>,
    /// The client has said who it is: its messages have a type byte from there on.
    started: bool,
    /// Answers of one byte that the server owes.
    bytes_owed: usize,
    /// Answers that the server owes: each ends with ReadyForQuery, or with a question of the log-in.
    owed: usize,
    /// COPYs into the server that it has begun, less those whose end the client has sent.
    copies: isize,
}

impl Dialogue {
    /// Whether the server has something to answer, and does not wait for the client itself.
    pub(super) fn is_owed(&self) -> bool {
        self.bytes_owed + self.owed > 0 && self.copies <= 0
    }

    /// Reads on what the client says. Gives the statements that begin.
    pub(super) fn client_says(&mut self, bytes: &[u8]) -> Vec<String> {
        self.client.extend_from_slice(bytes);
        let mut asked = Vec::new();
        while let Some((kind, body)) = take(&mut self.client, self.started) {
            match kind {
                None => match code(&body) {
                    code if ENCRYPT.contains(&code) => self.bytes_owed += 1,
                    CANCEL => {}
                    _ => {
                        (self.started, self.owed) = (true, self.owed + 1);
                        asked.push("(start)".to_owned());
                    }
                },
                Some(b'Q') => {
                    self.owed += 1;
                    asked.push(told(&body));
                }
                Some(b'P') => {
                    let name = body.iter().position(|byte| *byte == 0).unwrap_or(0);
                    asked.push(told(body.get(name + 1..).unwrap_or_default()));
                }
                Some(b'p') => {
                    self.owed += 1;
                    asked.push("(log-in)".to_owned());
                }
                Some(b'S') => self.owed += 1,
                Some(b'c' | b'f') => self.copies -= 1,
                Some(_) => {}
            }
        }
        asked
    }

    /// Reads on what the server says.
    pub(super) fn server_says(&mut self, bytes: &[u8]) {
        self.server.extend_from_slice(bytes);
        let answered = self.bytes_owed.min(self.server.len());
        self.server.drain(..answered);
        self.bytes_owed -= answered;
        while let Some((kind, body)) = take(&mut self.server, true) {
            match kind {
                Some(b'Z') => {
                    self.owed = self.owed.saturating_sub(1);
                    // One that was refused takes no more data.
                    self.copies = self.copies.min(0);
                }
                // A question of the log-in: all but "let in" and the last word of SCRAM.
                Some(b'R') if ![0, 12].contains(&code(&body)) => self.owed = self.owed.saturating_sub(1),
                Some(b'G') => self.copies += 1,
                _ => {}
            }
        }
    }
}

/// Takes the first message off, if all of it is there: its type, and its body.
fn take(bytes: &mut Vec<u8>, typed: bool) -> Option<(Option<u8>, Vec<u8>)> {
    let head = usize::from(typed);
    let length = bytes.get(head..head + 4)?;
    let end = head + code(length) as usize;
    if bytes.len() < end {
        return None;
    }
    let kind = typed.then(|| bytes[0]);
    let body = bytes[head + 4..end].to_vec();
    bytes.drain(..end);
    Some((kind, body))
}

fn code(bytes: &[u8]) -> u32 {
    let mut code = [0; 4];
    code.copy_from_slice(bytes.get(..4).unwrap_or(&[0; 4]));
    u32::from_be_bytes(code)
}

/// The beginning of a statement on one line.
fn told(sql: &[u8]) -> String {
    let end = sql.iter().position(|byte| *byte == 0).unwrap_or(sql.len());
    let text = String::from_utf8_lossy(&sql[..end]);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [kind, &length, body].concat()
    }

    #[test]
    fn a_server_owes_until_it_has_answered_or_waits_itself() {
        let mut dialogue = Dialogue::default();
        let hello = [
            message(b"", &ENCRYPT[0].to_be_bytes()),
            message(b"", b"\0\x03\0\0user\0x\0\0"),
        ]
        .concat();
        let (encrypt, start) = hello.split_at(8);
        dialogue.client_says(encrypt);
        assert!(dialogue.is_owed());
        dialogue.server_says(b"N");
        assert!(!dialogue.is_owed());
        for byte in start {
            dialogue.client_says(&[*byte]);
        }
        assert!(dialogue.is_owed());
        dialogue.server_says(&message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"));
        assert!(!dialogue.is_owed());
        dialogue.client_says(&message(b"p", b"proof"));
        dialogue.server_says(&message(b"R", b"\0\0\0\x0c"));
        dialogue.server_says(&message(b"R", b"\0\0\0\0"));
        assert!(dialogue.is_owed());
        dialogue.server_says(&message(b"Z", b"I"));
        assert!(!dialogue.is_owed());
        let asked = dialogue.client_says(&message(b"Q", b"COPY  t\nFROM STDIN\0"));
        assert_eq!(asked, ["COPY t FROM STDIN"]);
        assert!(dialogue.is_owed());
        dialogue.server_says(&message(b"G", b"\x01\0\0"));
        assert!(!dialogue.is_owed(), "the server waits for data");
        dialogue.client_says(&[message(b"d", b"x"), message(b"c", b"")].concat());
        assert!(dialogue.is_owed());
        dialogue.server_says(&[message(b"C", b"COPY 1\0"), message(b"Z", b"I")].concat());
        assert!(!dialogue.is_owed());
        // Sent ahead of the server, which refuses the second one.
        let copy = [message(b"Q", b"COPY\0"), message(b"c", b"")].concat();
        dialogue.client_says(&[&copy[..], &copy[..]].concat());
        dialogue.server_says(&[message(b"G", b""), message(b"Z", b"T")].concat());
        assert!(dialogue.is_owed());
        dialogue.server_says(&[message(b"E", b""), message(b"Z", b"E")].concat());
        assert!(!dialogue.is_owed());
    }
}
