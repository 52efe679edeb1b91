use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend::{self, BindError};

use crate::error::{ErrorKind, PgError};
use crate::param::Param;
use crate::row::{Column, Row, columns};
use crate::wire::Wire;

/// What a statement wants and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The oids of its parameters' types.
    pub params: Vec<u32>,
    /// The columns of its result; empty for a statement that gives none.
    pub columns: Vec<Column>,
    /// Whether it gives rows at all.
    pub gives_rows: bool,
}

/// What became of a statement.
pub(super) struct Outcome {
    pub(super) rows: Vec<Row>,
    pub(super) affected: u64,
}

/// Runs statements of the simple protocol; the tag of the last one.
pub(super) async fn batch(wire: &mut Wire, sql: &str) -> Result<String, PgError> {
    wire.post_simple(sql)?;
    wire.flush().await?;
    let ran = tags(wire).await;
    wire.after(ran).await
}

async fn tags(wire: &mut Wire) -> Result<String, PgError> {
    let mut last = String::new();
    loop {
        match wire.recv().await? {
            Message::CommandComplete(body) => {
                body.tag().unwrap_or_default().clone_into(&mut last);
            }
            Message::ReadyForQuery(_) => return Ok(last),
            Message::RowDescription(_) | Message::DataRow(_) | Message::EmptyQueryResponse => {}
            other => return Err(misplaced(wire, &other)),
        }
    }
}

/// Runs one statement of the extended protocol, unnamed, in one round trip.
pub(super) async fn run(
    wire: &mut Wire,
    sql: &str,
    params: &[Param],
    keep_rows: bool,
) -> Result<Outcome, PgError> {
    // Looked at before gigabytes are copied together, only to be refused.
    let values = params.iter().filter_map(Param::value).map(Bytes::len);
    wire.admit(values.sum())?;
    wire.post(|buf| {
        frontend::parse("", sql, params.iter().map(Param::type_oid), buf)?;
        // All parameters and all results in binary form.
        frontend::bind("", "", [1], params, serialize, [1], buf).map_err(|error| match error {
            BindError::Conversion(error) => std::io::Error::other(error),
            BindError::Serialization(error) => error,
        })?;
        frontend::describe(b'P', "", buf)?;
        frontend::execute("", 0, buf)?;
        frontend::sync(buf);
        Ok(())
    })?;
    wire.expect_ready(true);
    wire.flush().await?;
    let outcome = outcome(wire, keep_rows).await;
    wire.after(outcome).await
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

async fn outcome(wire: &mut Wire, keep_rows: bool) -> Result<Outcome, PgError> {
    let mut described: Arc<[Column]> = Arc::new([]);
    let mut outcome = Outcome {
        rows: Vec::new(),
        affected: 0,
    };
    loop {
        match wire.recv().await? {
            Message::RowDescription(body) => {
                described = columns(&body)
                    .map_err(|error| wire.break_off(error.to_string()))?
                    .into();
            }
            Message::DataRow(body) => {
                if keep_rows {
                    let row =
                        Row::read(&described, &body).map_err(|error| wire.break_off(error.to_string()))?;
                    outcome.rows.push(row);
                }
            }
            Message::CommandComplete(body) => {
                let count = body.tag().ok().and_then(|tag| tag.rsplit(' ').next());
                outcome.affected = count.and_then(|count| count.parse().ok()).unwrap_or(0);
            }
            Message::ReadyForQuery(_) => return Ok(outcome),
            Message::ParseComplete
            | Message::BindComplete
            | Message::NoData
            | Message::EmptyQueryResponse => {}
            other => return Err(misplaced(wire, &other)),
        }
    }
}

/// Has one statement parsed and described.
pub(super) async fn describe(
    wire: &mut Wire,
    sql: &str,
    param_types: &[u32],
) -> Result<Description, PgError> {
    wire.post(|buf| {
        frontend::parse("", sql, param_types.iter().copied(), buf)?;
        frontend::describe(b'S', "", buf)?;
        frontend::sync(buf);
        Ok(())
    })?;
    wire.expect_ready(true);
    wire.flush().await?;
    let description = description(wire).await;
    wire.after(description).await
}

async fn description(wire: &mut Wire) -> Result<Description, PgError> {
    let mut description = Description {
        params: Vec::new(),
        columns: Vec::new(),
        gives_rows: false,
    };
    loop {
        match wire.recv().await? {
            Message::ParameterDescription(body) => {
                description.params = body
                    .parameters()
                    .collect()
                    .map_err(|error| wire.break_off(error.to_string()))?;
            }
            Message::RowDescription(body) => {
                description.gives_rows = true;
                description.columns = columns(&body).map_err(|error| wire.break_off(error.to_string()))?;
            }
            Message::ReadyForQuery(_) => return Ok(description),
            Message::ParseComplete | Message::NoData => {}
            other => return Err(misplaced(wire, &other)),
        }
    }
}

/// A COPY where none was meant, which the caller got wrong, or a message that the server may not send here.
fn misplaced(wire: &mut Wire, message: &Message) -> PgError {
    match message {
        Message::CopyOutResponse(_) => copy_misused(wire),
        Message::CopyInResponse(_) => match wire.fail_copy("no data was meant to be sent") {
            Ok(()) => copy_misused(wire),
            Err(error) => error,
        },
        _ => wire.break_off("an unknown message within a statement's answer"),
    }
}

fn copy_misused(wire: &Wire) -> PgError {
    PgError::new(
        ErrorKind::Usage,
        wire.place(),
        "a COPY was sent as an ordinary statement",
    )
}

#[cfg(test)]
mod tests;
