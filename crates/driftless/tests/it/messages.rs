//! What a user reads when something is wrong, whole: text, code and exit code, each beside its snapshot.
//!
//! Cases that share their databases stand in one test. What differs from run to run is replaced before it is compared.
//! `INSTA_UPDATE=always cargo xtask test -p driftless messages` writes the snapshots anew; read them before they are committed.

mod told;
mod mapping;
mod expression;
mod right;
mod row;
mod run;
mod size;
mod outside;
mod connection;

pub(crate) use told::{FullDisk, Names, Scene};
