use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::backend::{self, Header, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWrite};

use crate::error::{ErrorKind, PgError, ServerError};
use crate::socket::Socket;

/// Room made for one read from the socket: what a loopback or a fast network delivers at once, and small beside a batch.
const READ_BYTES: usize = 128 * 1024;

/// The server takes and makes no message larger than 1 GiB; a length beyond that is a broken stream.
const MAX_MESSAGE_BYTES: usize = 0x4000_0000;

/// Before the log-in is done nothing is known of whoever answers there, and nothing that it has to say is long.
const MAX_LOGIN_BYTES: usize = 64 * 1024;

/// How much may be read ahead while writing, unless answers are due: those are kept by whoever asked. Only errors and notices come
/// then, and notices are dropped at once.
const READ_AHEAD_BYTES: usize = 1024 * 1024;

/// Where a COPY stands, so that one that was dropped half-way can be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copying {
    /// None is under way.
    No,
    /// The server waits for data.
    In,
    /// The server sends; so many bytes of the current CopyData message were not consumed yet.
    Out(usize),
}

/// What a COPY TO stream holds next.
pub(crate) enum CopyFrame {
    /// A CopyData message begins; its payload is consumed by [`Wire::payload`] and [`Wire::consume`].
    Data,
    /// The data ended as it should.
    Done,
}

/// Messages over a socket.
///
/// All state lives here and not in futures, so that any operation may be dropped at any await: what was not sent
/// stays in the outbox, what was not read stays in the inbox, and [`Wire::settle`] brings both sides back to where the
/// next statement can begin.
pub(crate) struct Wire {
    socket: Socket,
    place: String,
    inbox: BytesMut,
    outbox: VecDeque<Bytes>,
    /// Messages under construction, behind those in the outbox.
    draft: BytesMut,
    /// ReadyForQuery messages that the server has yet to send.
    owed: u32,
    /// Whether the statement under way was sent by the extended protocol, where an error skips to the next Sync.
    extended: bool,
    copying: Copying,
    /// Whether answers are due that come while more is sent.
    piped: bool,
    /// `I` idle, `T` in a transaction, `E` in a failed one.
    status: u8,
    rollback_due: bool,
    loss: Option<Loss>,
    /// The longest message that is taken.
    longest: usize,
}

/// What ended the connection.
enum Loss {
    Said(Box<ServerError>),
    Broke(ErrorKind, String),
}

impl Wire {
    pub(crate) fn new(socket: Socket, place: String) -> Wire {
        Wire {
            socket,
            place,
            inbox: BytesMut::with_capacity(READ_BYTES),
            outbox: VecDeque::new(),
            draft: BytesMut::new(),
            owed: 0,
            extended: false,
            copying: Copying::No,
            piped: false,
            status: b'I',
            rollback_due: false,
            loss: None,
            longest: MAX_LOGIN_BYTES,
        }
    }

    /// Takes messages of any size from here on: the server has let us in, and shown who it is as far as that was demanded.
    pub(crate) fn trust(&mut self) {
        self.longest = MAX_MESSAGE_BYTES;
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether a transaction is open, failed or not.
    pub(crate) fn in_transaction(&self) -> bool {
        self.status != b'I'
    }

    /// Whether nothing is under way in either direction, and no transaction is open.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        self.is_quiet() && !self.rollback_due && !self.in_transaction() && self.is_alive()
    }

    /// Whether nothing is under way in either direction.
    pub(crate) fn is_quiet(&self) -> bool {
        self.owed == 0 && self.unsent() == 0 && self.copying == Copying::No
    }

    /// Whether all that was sent only has to be read.
    pub(crate) fn is_only_read(&mut self) -> bool {
        self.unsent() == 0 && self.copying == Copying::No && !self.rollback_due && self.is_alive()
    }

    /// Has a ROLLBACK sent before the next statement, if a transaction is open by then.
    pub(crate) fn roll_back_later(&mut self) {
        self.rollback_due = true;
    }

    /// Whether a transaction was dropped that may be open yet.
    pub(crate) fn is_rollback_due(&self) -> bool {
        self.rollback_due
    }

    /// Whether the connection is known to have ended.
    pub(crate) fn is_lost(&self) -> bool {
        self.loss.is_some()
    }

    /// Says whether answers are due that come while more is sent.
    pub(crate) fn set_piped(&mut self, piped: bool) {
        self.piped = piped;
    }

    /// Says by which protocol the statement was sent whose answer is read now.
    pub(crate) fn answers(&mut self, extended: bool) {
        self.extended = extended;
    }

    /// Puts messages into the outbox. Nothing is sent before [`Wire::flush`]; nothing is put in if one cannot be made.
    pub(crate) fn post(&mut self, make: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<(), PgError> {
        let before = self.draft.len();
        let made = make(&mut self.draft);
        let fault = match made {
            Ok(()) => match self.admit(self.draft.len() - before) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            Err(error) => {
                let cause = format!("a message cannot be made: {error}");
                PgError::new(ErrorKind::Usage, &self.place, cause)
            }
        };
        self.draft.truncate(before);
        Err(fault)
    }

    /// Refuses messages of a size that the server would end the connection for.
    pub(crate) fn admit(&self, size: usize) -> Result<(), PgError> {
        if size < MAX_MESSAGE_BYTES {
            return Ok(());
        }
        let cause =
            format!("a statement with its parameters has {size} bytes; the server takes no more than 1 GiB");
        Err(PgError::new(ErrorKind::Usage, &self.place, cause))
    }

    /// Puts a statement of the simple protocol into the outbox.
    pub(crate) fn post_simple(&mut self, sql: &str) -> Result<(), PgError> {
        self.post(|buf| frontend::query(sql, buf))?;
        self.expect_ready(false);
        Ok(())
    }

    /// Counts one more ReadyForQuery to come, for what was just posted.
    pub(crate) fn expect_ready(&mut self, extended: bool) {
        self.owed += 1;
        self.extended = extended;
    }

    /// Puts bytes into the outbox behind what was posted, without copying them.
    pub(crate) fn post_bytes(&mut self, bytes: Bytes) {
        self.seal();
        self.outbox.push_back(bytes);
    }

    /// Bytes in the outbox.
    pub(crate) fn unsent(&self) -> usize {
        self.draft.len() + self.outbox.iter().map(Bytes::len).sum::<usize>()
    }

    fn seal(&mut self) {
        if !self.draft.is_empty() {
            self.outbox.push_back(self.draft.split().freeze());
        }
    }

    /// Sends the outbox. Reads meanwhile what the server says, so that a server that cannot go on before its notices
    /// are read does not wait for us while we wait for it.
    pub(crate) async fn flush(&mut self) -> Result<(), PgError> {
        self.seal();
        match poll_fn(|cx| self.poll_flush(cx)).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.hang_up(error)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while let Some(front) = self.outbox.front_mut() {
                match pin!(&mut self.socket).poll_write(cx, front) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(sent)) => front.advance(sent),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
                if front.is_empty() {
                    self.outbox.pop_front();
                }
            }
            // What an encrypted socket holds back may have to wait for the server, which may wait for us to read.
            if self.outbox.is_empty()
                && let flushed @ Poll::Ready(_) = pin!(&mut self.socket).poll_flush(cx)
            {
                return flushed;
            }
            if self.inbox.len() >= READ_AHEAD_BYTES && !self.piped {
                return Poll::Pending;
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(())) => self.drop_notices(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn drop_notices(&mut self) {
        while let Some((tag, size)) = whole_message(&self.inbox) {
            if !is_aside(tag) {
                break;
            }
            self.inbox.advance(size);
        }
        if self.piped && self.inbox.len() < READ_AHEAD_BYTES {
            self.drop_notices_between();
        }
    }

    /// Drops what stands behind answers that nobody reads while more is sent.
    fn drop_notices_between(&mut self) {
        let (mut at, mut answers) = (0, Vec::new());
        let mut asides = 0;
        while let Some((tag, size)) = whole_message(&self.inbox[at..]) {
            if is_aside(tag) {
                asides += 1;
            } else {
                answers.push(at..at + size);
            }
            at += size;
        }
        if asides == 0 {
            return;
        }
        let rest = at..self.inbox.len();
        let mut kept = BytesMut::with_capacity(READ_BYTES);
        for range in answers.into_iter().chain([rest]) {
            kept.extend_from_slice(&self.inbox[range]);
        }
        self.inbox = kept;
    }

    /// Reads at least one byte into the inbox; the end of the stream is an error.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.inbox.capacity() - self.inbox.len() < READ_BYTES / 4 {
            self.inbox.reserve(READ_BYTES);
        }
        match pin!(self.socket.read_buf(&mut self.inbox)).poll(cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed it",
            ))),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Makes room for a message of so many bytes, as far as it has arrived: what a length says is not believed before. Room
    /// doubles, so that a large message is copied as seldom as by any growing buffer.
    fn make_room(&mut self, size: usize) {
        let missing = size.saturating_sub(self.inbox.len());
        self.inbox.reserve(missing.min(self.inbox.len().max(READ_BYTES)));
    }

    async fn fill(&mut self) -> Result<(), PgError> {
        match poll_fn(|cx| self.poll_fill(cx)).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.hang_up(error)),
        }
    }

    /// Reads what has arrived, without waiting. Whether the connection still stands.
    pub(crate) fn is_alive(&mut self) -> bool {
        while self.loss.is_none() && self.inbox.len() < READ_AHEAD_BYTES {
            match self.poll_fill(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => self.drop_notices(),
                Poll::Ready(Err(error)) => drop(self.hang_up(error)),
                Poll::Pending => break,
            }
        }
        self.loss.is_none()
    }

    /// Whether the server has already said something that is neither notice nor notification.
    pub(crate) fn has_answer(&mut self) -> bool {
        self.is_alive();
        self.drop_notices();
        !self.inbox.is_empty() || self.loss.is_some()
    }

    /// Whether a message has arrived that can be read without waiting, or the connection has ended.
    pub(crate) fn has_message(&mut self) -> bool {
        self.is_alive();
        // Reading one would wait for what comes behind it.
        self.drop_notices();
        self.loss.is_some() || whole_message(&self.inbox).is_some()
    }

    /// The next message. Notices and their like are passed over; what the server refuses is an error.
    pub(crate) async fn recv(&mut self) -> Result<Message, PgError> {
        loop {
            let size = self.frame().await?;
            if is_aside(self.inbox[0]) {
                self.inbox.advance(size);
                continue;
            }
            let parsed =
                Message::parse(&mut self.inbox).map_err(|error| self.break_off(error.to_string()))?;
            match parsed {
                Some(Message::ErrorResponse(body)) => return Err(self.refused(&body)),
                Some(Message::ReadyForQuery(body)) => {
                    self.owed = self.owed.saturating_sub(1);
                    self.status = body.status();
                    return Ok(Message::ReadyForQuery(body));
                }
                Some(message) => return Ok(message),
                None => return Err(self.break_off("a message shorter than its length")),
            }
        }
    }

    /// Waits until the inbox begins with a whole message; its size.
    async fn frame(&mut self) -> Result<usize, PgError> {
        loop {
            let header = self.header()?;
            match header {
                Some((_, size)) if self.inbox.len() >= size => return Ok(size),
                Some((_, size)) => self.make_room(size),
                None => {}
            }
            self.fill().await?;
        }
    }

    /// Tag and whole size of the message at the head of the inbox, once its header is there.
    fn header(&mut self) -> Result<Option<(u8, usize)>, PgError> {
        match Header::parse(&self.inbox) {
            Ok(Some(header)) if header.len() as usize > self.longest => {
                Err(self.break_off(format!("a message of {} bytes", header.len())))
            }
            Ok(Some(header)) => Ok(Some((header.tag(), header.len() as usize + 1))),
            Ok(None) => Ok(None),
            Err(error) => Err(self.break_off(error.to_string())),
        }
    }

    /// What a COPY TO stream holds next. Must not be called while payload is left.
    pub(crate) async fn copy_frame(&mut self) -> Result<CopyFrame, PgError> {
        loop {
            match self.header()? {
                Some((backend::COPY_DATA_TAG, size)) => {
                    self.inbox.advance(5);
                    self.copying = Copying::Out(size - 5);
                    return Ok(CopyFrame::Data);
                }
                Some(_) => break,
                None => self.fill().await?,
            }
        }
        match self.recv().await? {
            Message::CopyDone => {
                self.copying = Copying::No;
                Ok(CopyFrame::Done)
            }
            _ => Err(self.break_off("something else than data within a COPY")),
        }
    }

    /// Payload of the current CopyData message that has arrived: empty only if none is left of it. With `whole` it
    /// is waited for until all of it is there.
    pub(crate) async fn payload(&mut self, whole: bool) -> Result<&[u8], PgError> {
        let Copying::Out(left) = self.copying else {
            return Ok(&[]);
        };
        let wanted = if whole { left } else { left.min(1) };
        while self.inbox.len() < wanted {
            self.make_room(wanted);
            self.fill().await?;
        }
        Ok(&self.inbox[..left.min(self.inbox.len())])
    }

    /// Payload bytes that are left of the current CopyData message.
    pub(crate) fn payload_left(&self) -> usize {
        match self.copying {
            Copying::Out(left) => left,
            Copying::No | Copying::In => 0,
        }
    }

    /// Takes so many bytes off the payload.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.inbox.advance(bytes);
        if let Copying::Out(left) = &mut self.copying {
            *left -= bytes;
        }
    }

    pub(crate) fn copying(&self) -> Copying {
        self.copying
    }

    pub(crate) fn set_copying(&mut self, copying: Copying) {
        self.copying = copying;
    }

    /// Brings both sides to where a statement can begin: ends a COPY that was dropped, sends what was not sent,
    /// reads what is still owed, rolls back what was left open.
    pub(crate) async fn settle(&mut self) -> Result<(), PgError> {
        if let Some(loss) = &self.loss {
            return Err(loss.error(&self.place));
        }
        if self.copying == Copying::In {
            self.fail_copy("dropped before its end")?;
        }
        self.drain().await?;
        if self.rollback_due {
            self.rollback_due = false;
            if self.in_transaction() {
                self.post_simple("ROLLBACK")?;
                self.drain().await?;
            }
        }
        Ok(())
    }

    /// Sends what was not sent, and reads to the last ReadyForQuery owed. Only the end of the connection is an error.
    pub(crate) async fn drain(&mut self) -> Result<(), PgError> {
        self.flush().await?;
        while self.owed > 0 {
            while self.payload_left() > 0 {
                let arrived = self.payload(false).await?.len();
                self.consume(arrived);
            }
            match self.recv().await {
                Ok(Message::CopyInResponse(_)) => {
                    self.fail_copy("no data was meant to be sent")?;
                    self.flush().await?;
                }
                Ok(Message::CopyDone) => self.copying = Copying::No,
                Err(error) if self.loss.is_some() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        self.copying = Copying::No;
        Ok(())
    }

    /// Ends a COPY FROM with an error.
    pub(crate) fn fail_copy(&mut self, reason: &str) -> Result<(), PgError> {
        self.copying = Copying::No;
        // The Sync that followed Execute was ignored by a server in copy mode: it needs another one.
        let extended = self.extended;
        self.post(|buf| {
            frontend::copy_fail(reason, buf)?;
            if extended {
                frontend::sync(buf);
            }
            Ok(())
        })
    }

    /// Passes a result on. After a refused statement the rest of its answers is read first.
    pub(crate) async fn after<T>(&mut self, result: Result<T, PgError>) -> Result<T, PgError> {
        if result.is_err() && self.loss.is_none() {
            // If this fails the connection is lost, which the next statement will say; this one was refused.
            drop(self.drain().await);
        }
        result
    }

    fn refused(&mut self, body: &backend::ErrorResponseBody) -> PgError {
        match ServerError::parse(&mut body.fields()) {
            Ok(said) => {
                if said.ends_connection() {
                    self.loss = Some(Loss::Said(Box::new(said.clone())));
                }
                PgError::server_said(&self.place, said)
            }
            Err(error) => self.break_off(error.to_string()),
        }
    }

    /// Gives the connection up because the stream cannot be understood any more.
    pub(crate) fn break_off(&mut self, cause: impl Into<String>) -> PgError {
        let cause = cause.into();
        let loss = Loss::Broke(ErrorKind::Protocol, format!("the protocol was broken: {cause}"));
        let error = loss.error(&self.place);
        self.loss = Some(loss);
        error
    }

    /// Records the end of the connection. What the server said last explains it better than the socket does.
    fn hang_up(&mut self, error: io::Error) -> PgError {
        if let Some(loss) = &self.loss {
            return loss.error(&self.place);
        }
        let mut context = Context::from_waker(Waker::noop());
        while self.inbox.len() < READ_AHEAD_BYTES
            && matches!(self.poll_fill(&mut context), Poll::Ready(Ok(())))
        {}
        let payload = self.payload_left().min(self.inbox.len());
        self.inbox.advance(payload);
        while whole_message(&self.inbox).is_some()
            && let Ok(Some(message)) = Message::parse(&mut self.inbox)
        {
            if let Message::ErrorResponse(body) = message
                && let Ok(said) = ServerError::parse(&mut body.fields())
                && said.ends_connection()
            {
                self.loss = Some(Loss::Said(Box::new(said.clone())));
                return PgError::server_said(&self.place, said).source(error);
            }
        }
        self.loss = Some(Loss::Broke(
            ErrorKind::ConnectionLost,
            format!("the connection broke: {error}"),
        ));
        PgError::lost(&self.place, error)
    }

    /// Says goodbye, as far as that can be done without waiting.
    pub(crate) fn farewell(&mut self) {
        if self.loss.is_none() && self.owed == 0 && self.unsent() == 0 {
            self.loss = Some(Loss::Broke(ErrorKind::Usage, "the session was closed".to_owned()));
            const TERMINATE: &[u8] = &[b'X', 0, 0, 0, 4];
            // Unsent is no harm: the server notices the closed socket.
            drop(match &self.socket {
                Socket::Tcp(stream) => stream.try_write(TERMINATE),
                Socket::Unix(stream) => stream.try_write(TERMINATE),
                Socket::Tls(_) => Ok(0),
            });
        }
    }
}

impl Loss {
    fn error(&self, place: &str) -> PgError {
        match self {
            Loss::Said(said) => PgError::server_said(place, (**said).clone()),
            Loss::Broke(kind, cause) => PgError::new(*kind, place, cause.clone()),
        }
    }
}

/// Tag and size of the message that the bytes begin with, if all of it is there.
fn whole_message(bytes: &[u8]) -> Option<(u8, usize)> {
    let header = Header::parse(bytes).ok()??;
    let size = usize::try_from(header.len()).ok()? + 1;
    (bytes.len() >= size).then_some((header.tag(), size))
}

/// Messages that come at any time and answer nothing.
fn is_aside(tag: u8) -> bool {
    matches!(
        tag,
        backend::NOTICE_RESPONSE_TAG | backend::NOTIFICATION_RESPONSE_TAG | backend::PARAMETER_STATUS_TAG
    )
}

#[cfg(test)]
mod tests;
