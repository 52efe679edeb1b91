//! Tasks: start, supervise, resume, shut down. The command line, the daemon and tests call the same functions.

/// What commands report.
pub mod report;
/// The wish to stop.
pub mod stop;
/// From a mapping to a plan.
pub mod prepare;
/// Preparing while a dead holder's locks are in the way.
mod dead;
/// References that are decided as rows pass by.
mod decided;
/// What a run has to do.
pub mod agenda;
/// Who waits for whom.
pub mod waits;
/// Which chunk comes next.
pub mod queue;
/// Tells how far work is.
pub mod watch;
/// One entity's trouble, and whom it concerns.
mod halt;
/// Streams of work side by side.
pub mod lanes;
/// A pipeline held: lease, heartbeat, execution.
pub mod held;
/// Single rows read again, and identities told apart.
mod again;
/// The end of a load: proofs, and everything back in place.
pub mod settle;
/// Goes on by itself after lost connections.
mod persistence;
/// Rejects: looked at, tried again, dismissed.
pub mod rejects;
/// What a load says of itself at its end.
mod outcome;
/// The initial load.
pub mod migrate;
/// The statements of a load.
mod statements;
/// What a run would do, and why.
mod explain;
/// What becomes of the source as a whole.
mod coverage;
/// How far a pipeline is.
mod status;
/// From a legacy key to the target's, and back.
pub mod ids;
/// Takes back what was loaded; puts back what was set aside.
mod restart;
/// Removes the state.
pub mod teardown;
/// Both sides compared.
mod validate;

pub use coverage::coverage;
pub use explain::{plan, plan as check};
pub use migrate::migrate;
pub use prepare::{Prepared, endpoints, prepare};
pub use report::Event;
pub use restart::{abandon, anything_aside, preview as restart_preview, restart};
pub use status::status;
pub use stop::Stop;
pub use validate::validate;

/// Where events go. Nobody need listen.
pub type Events = tokio::sync::mpsc::UnboundedSender<Event>;
