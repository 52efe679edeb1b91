use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend::{self, BindError};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::error::{ErrorKind, PgError};
use crate::param::Param;
use crate::row::{Column, Row, columns};
use crate::wire::Wire;

mod copying;

pub use copying::Copied;
pub(crate) use copying::{HEADER, TRAILER};

/// What is asked of the server in one go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'q> {
    /// Statements of the simple protocol.
    Batch(&'q str),
    /// One statement of the extended protocol, unnamed.
    Run {
        sql: &'q str,
        params: &'q [Param],
        keep_rows: bool,
    },
    /// What a statement wants and gives.
    Describe { sql: &'q str, param_types: &'q [u32] },
}

/// What the server said to a request. Which of it means something depends on what was asked.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// The number in the last tag: rows touched.
    pub(crate) affected: u64,
    /// The last tag.
    pub(crate) tag: String,
    pub(crate) params: Vec<u32>,
    pub(crate) columns: Option<Arc<[Column]>>,
}

/// An answer to come.
pub(crate) type Pending = oneshot::Receiver<Result<Answer, PgError>>;

/// What was sent and is not answered.
struct Due {
    what: What,
    /// Whether a ReadyForQuery ends its answer: it is what an error skips to.
    closes: bool,
    /// Whether it was sent by the extended protocol.
    extended: bool,
    answer: Answer,
    error: Option<PgError>,
}

enum What {
    /// Somebody waits for it, unless dropped.
    Statement {
        sender: oneshot::Sender<Result<Answer, PgError>>,
        keep_rows: bool,
    },
    /// A COPY with so many rows.
    Copy(u64),
    /// A statement that nobody waits for.
    Ahead,
    /// The beginning of a transaction.
    Begin,
    /// The end of one of which nothing stays.
    Rollback,
}

/// A wire on which statements follow each other without waiting for answers in between.
///
/// The server answers in the order of sending. Statements are sent in groups: one that somebody waits for closes its group,
/// what is sent ahead leaves it open. After an error the server passes over the rest of a group, so that nothing runs outside
/// of a transaction whose BEGIN, earlier in the same group, was refused; groups behind such a one are not sent before it is
/// answered. What was refused and nobody waited for is told by whichever call reads its answer.
pub(crate) struct Pipeline {
    wire: Wire,
    due: VecDeque<Due>,
    /// COPYs that were answered.
    copied: Vec<Copied>,
    /// Why something was refused that nobody waited for, until it is told.
    refusal: Option<PgError>,
    /// Why the transaction that somebody believes to be in did not begin.
    not_begun: Option<PgError>,
    /// The statement of a COPY, the last thing that was sent, whose stream has not ended yet.
    open_copy: Option<String>,
}

impl Deref for Pipeline {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Pipeline {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl Pipeline {
    pub(crate) fn new(wire: Wire) -> Pipeline {
        Pipeline {
            wire,
            due: VecDeque::new(),
            copied: Vec::new(),
            refusal: None,
            not_begun: None,
            open_copy: None,
        }
    }

    /// Whether nothing is under way but rollbacks whose answers somebody else may read, and no transaction is open then.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        let only_rollbacks = self.due.iter().all(|due| matches!(due.what, What::Rollback));
        match self.due.len() {
            0 => self.wire.is_at_rest(),
            _ => only_rollbacks && self.wire.is_only_read(),
        }
    }

    /// Whether a transaction is open, or will be when all is answered.
    pub(crate) fn is_begun(&self) -> bool {
        let begins = self.due.iter().any(|due| matches!(due.what, What::Begin));
        begins || self.wire.in_transaction()
    }

    /// Makes ready for a statement behind what is not answered yet. Where that would not be safe the answers are read first:
    /// behind a BEGIN of another group, and behind COPYs unless an error of theirs fails the statement, too.
    ///
    /// # Errors
    /// What was sent ahead and refused, a transaction that did not begin, a lost connection. The statement must not be sent then.
    pub(crate) async fn queue_up(&mut self, request: &Request<'_>) -> Result<(), PgError> {
        self.make_room_for(request).await?;
        self.has_begun()
    }

    async fn make_room_for(&mut self, request: &Request<'_>) -> Result<(), PgError> {
        self.end_copy()?;
        if self.due.is_empty() || self.wire.is_rollback_due() || self.wire.is_lost() {
            return self.enter().await;
        }
        let grouped = !matches!(request, Request::Batch(_));
        let begins = self.due.iter().any(|due| matches!(due.what, What::Begin));
        // What COPYs were refused for fails their transaction, but a batch may end that by itself.
        let safe_behind_copies = grouped || self.copies() == 0;
        if !safe_behind_copies || (begins && !(grouped && self.is_open())) {
            return self.collect().await;
        }
        if !grouped {
            self.close()?;
        }
        Ok(())
    }

    /// Makes ready for what cannot follow others: all that is due is answered.
    ///
    /// # Errors
    /// As [`Pipeline::queue_up`].
    pub(crate) async fn enter(&mut self) -> Result<(), PgError> {
        let dropped = self.wire.is_rollback_due();
        let collected = self.collect().await;
        self.wire.settle().await?;
        if dropped {
            // What a dropped transaction was refused is nobody's matter any more.
            self.not_begun = None;
            return Ok(());
        }
        collected?;
        self.has_begun()
    }

    /// The same, whatever was refused.
    pub(crate) async fn settle(&mut self) -> Result<(), PgError> {
        drop(self.collect().await);
        self.not_begun = None;
        self.wire.settle().await
    }

    /// Refuses what would run outside of the transaction that it was meant for: whoever sent the first statement of that has been
    /// told, and others may be under way by then.
    fn has_begun(&self) -> Result<(), PgError> {
        match &self.not_begun {
            Some(refused) if !self.wire.is_rollback_due() => Err(refused.again()),
            _ => Ok(()),
        }
    }

    /// Makes ready for a rollback. A COPY that was dropped half-way is not among what is due, and has to end first.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) async fn queue_up_rollback(&mut self) -> Result<(), PgError> {
        if self.due.is_empty() && !self.wire.is_quiet() {
            self.wire.settle().await?;
        }
        Ok(())
    }

    /// Reads all answers that are due.
    ///
    /// # Errors
    /// What was sent ahead and refused, or a lost connection.
    pub(crate) async fn collect(&mut self) -> Result<(), PgError> {
        self.close()?;
        while !self.due.is_empty() {
            self.answer_front().await;
        }
        self.refusal.take().map_or(Ok(()), Err)
    }

    /// Makes ready for a transaction to begin: nothing is due but ends of others, and none is open behind them.
    ///
    /// # Errors
    /// A lost connection; [`ErrorKind::Usage`] within a transaction.
    pub(crate) async fn queue_up_begin(&mut self) -> Result<(), PgError> {
        let ended = |due: &Due| matches!(due.what, What::Rollback);
        if self.due.is_empty() || !self.due.iter().all(ended) || self.wire.is_rollback_due() {
            self.settle().await?;
            if self.wire.in_transaction() {
                let cause = "a transaction was begun within another";
                return Err(PgError::new(ErrorKind::Usage, self.wire.place(), cause));
            }
        }
        Ok(())
    }

    /// Puts a statement into the outbox.
    pub(crate) fn post_request(&mut self, request: &Request<'_>) -> Result<Pending, PgError> {
        match request {
            Request::Batch(sql) => self.wire.post_simple(sql)?,
            Request::Run { sql, params, .. } => {
                self.post_run(sql, params, true)?;
                self.wire.expect_ready(true);
            }
            Request::Describe { sql, param_types } => {
                self.wire.post(|buf| {
                    frontend::parse("", sql, param_types.iter().copied(), buf)?;
                    frontend::describe(b'S', "", buf)?;
                    frontend::sync(buf);
                    Ok(())
                })?;
                self.wire.expect_ready(true);
            }
        }
        let keep_rows = matches!(request, Request::Run { keep_rows: true, .. });
        let extended = !matches!(request, Request::Batch(_));
        let (sender, pending) = oneshot::channel();
        self.push(What::Statement { sender, keep_rows }, true, extended);
        Ok(pending)
    }

    /// Puts a statement into the outbox that nobody waits for.
    pub(crate) fn post_ahead(&mut self, sql: &str, params: &[Param]) -> Result<(), PgError> {
        self.post_run(sql, params, false)?;
        self.push(What::Ahead, false, true);
        Ok(())
    }

    /// Puts a batch into the outbox that nobody waits for.
    pub(crate) fn post_batch_ahead(&mut self, sql: &str) -> Result<(), PgError> {
        self.wire.post_simple(sql)?;
        self.push(What::Ahead, true, false);
        Ok(())
    }

    /// Puts the beginning of a transaction into the outbox, and what belongs to it.
    pub(crate) fn post_begin(&mut self, statements: &[String]) -> Result<(), PgError> {
        self.not_begun = None;
        for sql in statements {
            self.post_run(sql, &[], false)?;
            self.push(What::Begin, false, true);
        }
        Ok(())
    }

    /// Puts the end of a transaction into the outbox of which nothing stays. In a group of its own: whatever failed before, it is
    /// not passed over.
    pub(crate) fn post_rollback(&mut self) -> Result<(), PgError> {
        self.fail_copy()?;
        self.close()?;
        self.not_begun = None;
        self.post_run("ROLLBACK", &[], true)?;
        self.wire.expect_ready(true);
        self.push(What::Rollback, true, true);
        Ok(())
    }

    /// Parse, Bind and Execute; Describe and Sync too where the group ends with it.
    fn post_run(&mut self, sql: &str, params: &[Param], closes: bool) -> Result<(), PgError> {
        // Looked at before gigabytes are copied together, only to be refused.
        let values = params.iter().filter_map(Param::value).map(Bytes::len);
        self.wire.admit(values.sum())?;
        self.wire.post(|buf| {
            frontend::parse("", sql, params.iter().map(Param::type_oid), buf)?;
            // All parameters and all results in binary form.
            frontend::bind("", "", [1], params, serialize, [1], buf).map_err(|error| match error {
                BindError::Conversion(error) => std::io::Error::other(error),
                BindError::Serialization(error) => error,
            })?;
            if closes {
                frontend::describe(b'P', "", buf)?;
            }
            frontend::execute("", 0, buf)?;
            if closes {
                frontend::sync(buf);
            }
            Ok(())
        })
    }

    fn push(&mut self, what: What, closes: bool, extended: bool) {
        self.due.push_back(Due {
            what,
            closes,
            extended,
            answer: Answer::default(),
            error: None,
        });
        self.wire.set_piped(true);
    }

    /// Whether the last group waits for its end.
    fn is_open(&self) -> bool {
        self.due.back().is_some_and(|due| !due.closes)
    }

    /// Ends the last group, and a stream that is open.
    fn close(&mut self) -> Result<(), PgError> {
        self.end_copy()?;
        if !self.is_open() {
            return Ok(());
        }
        self.wire.post(|buf| {
            frontend::sync(buf);
            Ok(())
        })?;
        self.wire.expect_ready(true);
        self.push(What::Ahead, true, true);
        Ok(())
    }

    /// Sends the outbox. Where the connection breaks, everybody who waits is told.
    pub(crate) async fn flush(&mut self) {
        if let Err(error) = self.wire.flush().await {
            self.lose(error);
        }
    }

    /// Waits for an answer, and files those that come before it.
    pub(crate) async fn wait(&mut self, pending: &mut Pending) -> Result<Answer, PgError> {
        loop {
            match pending.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Empty) if !self.due.is_empty() => self.answer_front().await,
                Err(TryRecvError::Empty | TryRecvError::Closed) => {
                    return Err(PgError::protocol(
                        self.wire.place(),
                        "a statement without an answer",
                    ));
                }
            }
        }
    }

    /// Reads until what is in front of those that wait is answered, or the connection is lost. Dropped half-way it is gone on
    /// with by the next call.
    async fn answer_front(&mut self) {
        loop {
            if self.wire.unsent() > 0 {
                self.flush().await;
            }
            if self.due.is_empty() || self.read_on().await {
                return;
            }
        }
    }

    /// Notes what has arrived, without waiting: what is refused while its stream is open is seen before more of it is sent.
    async fn hear(&mut self) {
        while !self.due.is_empty() && self.wire.has_message() {
            self.read_on().await;
        }
    }

    /// Reads the next message; whether something is answered with it, or the connection is lost.
    async fn read_on(&mut self) -> bool {
        if let Some(front) = self.due.front() {
            self.wire.answers(front.extended);
        }
        match self.wire.recv().await {
            Ok(message) => return self.take(message),
            Err(error) if self.wire.is_lost() => {
                self.lose(error);
                return true;
            }
            Err(error) => self.refuse(error),
        }
        false
    }

    /// Notes what one message says; whether something is answered with it.
    fn take(&mut self, message: Message) -> bool {
        if let Message::ReadyForQuery(_) = message {
            self.end_group();
            return true;
        }
        let Some(front) = self.due.front_mut().filter(|front| front.error.is_none()) else {
            // Behind an error everything is passed over up to the end of its group.
            return false;
        };
        match front.note(message) {
            Ok(answered) => {
                if answered {
                    self.pop();
                }
                answered
            }
            Err(Misplaced::CopyOut) => {
                let error = self.copy_misused();
                self.refuse(error);
                false
            }
            Err(Misplaced::CopyIn) => {
                let error = match self.wire.fail_copy("no data was meant to be sent") {
                    Ok(()) => self.copy_misused(),
                    Err(error) => error,
                };
                self.refuse(error);
                false
            }
            Err(Misplaced::Unknown(cause)) => {
                let error = self.wire.break_off(cause);
                self.lose(error);
                true
            }
        }
    }

    fn refuse(&mut self, error: PgError) {
        if let Some(front) = self.due.front_mut() {
            front.error.get_or_insert(error);
        }
    }

    fn pop(&mut self) -> Option<Due> {
        let front = self.due.pop_front();
        self.wire.set_piped(!self.due.is_empty());
        front
    }

    /// Hands out what became of a group.
    fn end_group(&mut self) {
        while let Some(due) = self.pop() {
            let closes = due.closes;
            self.hand_out(due);
            if closes {
                return;
            }
        }
    }

    fn hand_out(&mut self, due: Due) {
        let Due {
            what, answer, error, ..
        } = due;
        match what {
            What::Statement { sender, .. } => {
                if let Some(refusal) = self.refusal.take() {
                    // Whoever has been dropped cannot be told: then the next one is.
                    if let Err(Err(refusal)) = sender.send(Err(refusal)) {
                        self.refusal = Some(refusal);
                    }
                    return;
                }
                // Whether somebody still waits for it is their matter.
                drop(sender.send(error.map_or(Ok(answer), Err)));
            }
            What::Copy(sent) => {
                if self.due.is_empty() {
                    // Refused before its end: what of it is under way is passed over.
                    self.open_copy = None;
                }
                self.copied.push(Copied {
                    sent,
                    taken: answer.affected,
                });
                self.remember(error);
            }
            What::Begin => {
                if let Some(error) = &error {
                    self.not_begun = Some(error.again());
                }
                self.remember(error);
            }
            What::Ahead => self.remember(error),
            What::Rollback => {
                // Nothing that was refused in it matters any more.
                self.refusal = None;
                if self.wire.in_transaction() {
                    self.wire.roll_back_later();
                }
            }
        }
    }

    /// Keeps the first refusal that nobody waited for.
    fn remember(&mut self, error: Option<PgError>) {
        if self.refusal.is_none() {
            self.refusal = error;
        }
    }

    /// Tells everybody who waits that the connection is lost.
    fn lose(&mut self, error: PgError) {
        self.open_copy = None;
        let mut told = false;
        while let Some(due) = self.pop() {
            if let What::Statement { sender, .. } = due.what {
                told |= sender.send(Err(error.again())).is_ok();
            }
        }
        if !told {
            self.refusal = Some(error);
        }
    }

    fn copy_misused(&self) -> PgError {
        PgError::new(
            ErrorKind::Usage,
            self.wire.place(),
            "a COPY was sent as an ordinary statement",
        )
    }
}

/// A message that does not belong into a statement's answer.
enum Misplaced {
    CopyIn,
    CopyOut,
    Unknown(String),
}

impl Due {
    /// Notes what one message says; whether the answer ends with it.
    fn note(&mut self, message: Message) -> Result<bool, Misplaced> {
        let broken = |error: std::io::Error| Misplaced::Unknown(error.to_string());
        match message {
            Message::RowDescription(body) => {
                self.answer.columns = Some(columns(&body).map_err(broken)?.into());
            }
            Message::DataRow(body) => {
                if let (What::Statement { keep_rows: true, .. }, Some(columns)) =
                    (&self.what, &self.answer.columns)
                {
                    self.answer.rows.push(Row::read(columns, &body).map_err(broken)?);
                }
            }
            Message::CommandComplete(body) => {
                body.tag().unwrap_or_default().clone_into(&mut self.answer.tag);
                let count = self.answer.tag.rsplit(' ').next();
                self.answer.affected = count.and_then(|count| count.parse().ok()).unwrap_or(0);
                return Ok(!self.closes);
            }
            Message::ParameterDescription(body) => {
                self.answer.params = body.parameters().collect().map_err(broken)?;
            }
            Message::EmptyQueryResponse => return Ok(!self.closes),
            Message::ParseComplete | Message::BindComplete | Message::NoData => {}
            Message::CopyOutResponse(_) => return Err(Misplaced::CopyOut),
            Message::CopyInResponse(_) if matches!(self.what, What::Copy(_)) => {}
            Message::CopyInResponse(_) => return Err(Misplaced::CopyIn),
            _ => {
                let cause = "an unknown message within a statement's answer";
                return Err(Misplaced::Unknown(cause.to_owned()));
            }
        }
        Ok(false)
    }
}

fn serialize(param: &Param, buf: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
    Ok(match param.value() {
        Some(value) => {
            buf.extend_from_slice(value);
            IsNull::No
        }
        None => IsNull::Yes,
    })
}

#[cfg(test)]
mod tests;
