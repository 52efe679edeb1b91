//! For tests only: a server pair per run, a fresh database per test, dumps, faults, seeds.
//!
//! Everything here panics with a plain sentence where it cannot do its work: a test cannot go on either.

/// Numbers drawn from a seed that is printed.
pub mod random;
/// Waiting on a state.
pub mod wait;
/// Data sets that nobody on the team wrote, beside the repository.
pub mod data;
/// The two servers of a test run.
pub mod servers;
/// A fresh database, gone with its value.
pub mod database;
/// All connections that a server has to give.
pub mod hoard;
/// Dumps into a database and out of it.
pub mod dump;
/// A private certificate authority.
pub mod certificate;
/// Somebody who listens for notifications.
pub mod listen;
/// A pooler in front of a server.
pub mod pooler;
/// A proxy that breaks connections on demand.
pub mod fault;
/// A long way to a server.
pub mod delay;
/// Servers that answer in rounds, which are counted.
pub mod rounds;
/// A proxy that forgets what clients say at start-up.
pub mod strip;
/// Two databases whose load is disturbed: the source goes on changing, and what the target must hold is known.
pub mod workload;

pub use certificate::{Authority, Certified};
pub use data::shared_data;
pub use database::TestDatabase;
pub use delay::DelayProxy;
pub use driftless_cluster::{Binaries, CLIENTS, Cluster, ClusterOptions, MAJORS, majors_dir, newest_client};
pub use dump::{load_dump, pg_dump_schema, pg_dump_schema_without};
pub use fault::{Direction, Fault, FaultProxy, Traffic};
pub use hoard::Hoard;
pub use listen::Listener;
pub use pooler::{PoolMode, Pooler};
pub use random::Random;
pub use rounds::Rounds;
pub use servers::{Server, ServerPair, server_of, servers};
pub use strip::StrippingProxy;
/// A session of a test.
pub use tokio_postgres::Client;
pub use wait::wait_until;
