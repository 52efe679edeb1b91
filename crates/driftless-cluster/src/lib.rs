//! Throw-away PostgreSQL servers: found, initialised, started, stopped, gone.
//!
//! A [`Cluster`] is a private server on a loopback port with a random password. It ends with the value that
//! holds it, and also when the process that holds it is killed: a guard process sees the end of a pipe, stops
//! the server and removes its files. [`Cluster::detach`] lets a server outlive its process on purpose.
//!
//! The interface blocks and uses nothing but `std` and the server's own programs.

/// What can go wrong, and what to do about it.
pub mod error;
/// Connection URLs.
mod url;
/// The server's programs: where they are and how old they are.
pub mod binaries;
/// The operating-system user a server runs as.
mod account;
/// Processes and their signals.
mod process;
/// The directory of one server, and the guard that outlives us to remove it.
mod home;
/// Server programs of every major, installed for the tests.
pub mod majors;
/// Servers that were left running on purpose.
pub mod detached;
/// One running server.
pub mod cluster;

pub use binaries::Binaries;
pub use cluster::{Cluster, ClusterOptions};
pub use detached::{Detached, stop_detached};
pub use error::ClusterError;
pub use majors::{CLIENTS, MAJORS, majors_dir, newest_client};
pub use process::wait_until;
pub use url::connection_url;
