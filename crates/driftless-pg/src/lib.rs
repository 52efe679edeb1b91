//! Speaks PostgreSQL: connection strings, TLS, sessions, statements, binary COPY. Knows nothing of mappings.
//!
//! The wire protocol is spoken here directly (message formats and SCRAM come from `postgres-protocol`); why, says
//! `docs/adr/0004-own-wire.md`. Every statement is unnamed and takes one round trip or shares one with others, no
//! operation runs a query that its caller did not ask for, and no driver type shows in this crate's interface.
//!
//! The modules stand in the order in which data flows; a module uses only modules declared before it.

/// What an SQLSTATE means for whoever runs into it.
pub mod sqlstate;

/// The one error of this crate, with code, place, cause and remedy.
pub mod error;

/// Connection strings: URLs and keyword strings as libpq takes them.
pub mod url;

/// Certificates and what is demanded of them.
mod tls;

/// The socket, plain or encrypted.
mod socket;

/// Messages over a socket, and what is still owed by either side.
mod wire;

/// Start-up and authentication.
mod login;

/// Statement parameters in binary form.
pub mod param;

/// Result rows in binary form.
pub mod row;

/// Statements that are sent one behind the other without waiting for answers in between: over a far server each one but the
/// last saves a round trip, and a near one always has the next to work on.
mod pipeline;

/// Who may send, and who reads the answers.
mod gate;

/// Binary COPY: the format, and streams in either direction.
pub mod copy;

/// Sessions and transactions.
pub mod session;

/// Pauses between attempts.
pub mod backoff;

/// Leaves a server alone that keeps failing.
mod breaker;

/// The sessions of one server, and who may have them.
pub mod pool;

pub use backoff::Backoff;
pub use copy::{CopyEncoder, CopyIn, CopyOut, RowRead};
pub use driftless_core::name::{quote_ident, quote_literal};
pub use error::{ErrorKind, PgError, ServerError};
pub use param::{ArrayBuilder, Param};
pub use pipeline::Copied;
pub use pool::{Pool, PoolLimits};
pub use row::{Column, FromRaw, Row};
pub use session::{BeginMode, Canceller, Description, Session, Transaction};
pub use sqlstate::{Disposition, disposition};
pub use url::{ConnectConfig, Secret, Surroundings};
